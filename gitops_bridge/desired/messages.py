"""A Rollout to its commit message.

What users wrote (names) is data: control characters become spaces, so that no name can start a
line, and a trailer is a line. What is needed later stands in `record.yaml` as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitops_bridge.actions import Scale
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import Change, Rollout, Touch

ACTION = "DataRobot-Action"
DEPLOYMENT = "DataRobot-Deployment"
MODEL = "DataRobot-Model"
PREVIOUS_MODEL = "DataRobot-Previous-Model"
IMAGE = "Image"
PACKAGE = "DataRobot-Model-Package"
ROLLED_BACK_TO = "Rolled-Back-To"
PULL_REQUEST = "Pull-Request"

_NAMED = 5  # commits of people
_SUBJECT_NAME = 40  # characters of a name in the first line
_ACTED_ON = re.compile(
    r"[@#!~%$^&](?=\w)|:(?=//)|\bwww(?=\.)|\bGH(?=-\d)"
    r"|\[(?=[^\]]*\b(?:ci|skip|actions?|pipelines?|azp|cd)\b)|\*{3}(?=no_ci)|\bskip(?=-checks)",
    re.IGNORECASE,
)
"""https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs,
https://docs.gitlab.com/user/project/issues/managing_issues/ and their likes elsewhere."""


def clean(text: str, limit: int = 200) -> str:
    """User-written text on one line: whatever does not print, control and direction-changing
    characters included, becomes a space."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def inert(text: str, limit: int = 200) -> str:
    """As `clean`, for where forges and CI systems look for words to act on: a commit's message, a
    title. Mentions, issues and links are broken by a character without width, and so are words in
    brackets such as `[skip ci]`."""
    return _ACTED_ON.sub(lambda found: f"{found[0]}\u200b", clean(text, limit))


def enumerated(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def commit(rollout: Rollout, deployment: str, environment: str) -> str:
    """The message of a rollout's commit: subject, what and why, trailers."""
    record = rollout.after or rollout.before
    name = (inert(record.name, _SUBJECT_NAME) if record else "") or deployment
    paragraphs = [
        f"{_subject(rollout, name)} in {environment}",
        _what(rollout),
        _overrides(rollout.overrides),
        "\n".join(f"{key}: {value}" for key, value in _trailers(rollout, deployment)),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _subject(rollout: Rollout, name: str) -> str:
    scale = f"Scale {name} to {replicas(rollout.after.scale)}" if rollout.after else ""
    return {
        Change.START: f"Start {name}",
        Change.REPLACE: f"Replace model of {name}",
        Change.SCALE: scale,
        Change.UPDATE: f"Update settings of {name}",
        Change.RELAUNCH: f"Relaunch {name}",
        Change.STOP: f"Stop {name}",
    }[rollout.change]


def replicas(scale: Scale) -> str:
    if scale.autoscaled:
        return f"{scale.minimum} to {scale.maximum} replicas"
    return f"{scale.replicas} replica" + ("" if scale.replicas == 1 else "s")


def _what(rollout: Rollout) -> str:
    before, after = rollout.before, rollout.after
    if after is None:
        return f"Model {before.model.id} no longer serves." if before else ""
    title = after.model.name or (after.model.package.name if after.model.package else None)
    model = f"{after.model.id} ({inert(title)})" if title else after.model.id
    if before and before.model.id != after.model.id:
        return f"{before.model.id} → {model}, requested in DataRobot."
    return f"Model {model}, {replicas(after.scale)}, requested in DataRobot."


def _overrides(people: Sequence[Touch]) -> str:
    """Every commit by a person that no longer shows, by the newest few."""
    if not people:
        return ""
    named = [f"{item.commit[:12]} by {inert(item.author, 80)}" for item in people[:_NAMED]]
    more = [f"{len(people) - _NAMED} more before"] if len(people) > _NAMED else []
    return f"Overrides {enumerated([*named, *more])}."


def _trailers(rollout: Rollout, deployment: str) -> list[tuple[str, str]]:
    before, after = rollout.before, rollout.after
    action = after.action.value if after else "deployment_stop"
    found = [(ACTION, action), (DEPLOYMENT, deployment)]
    if after:
        found.append((MODEL, after.model.id))
    if before and after and before.model.id != after.model.id:
        found.append((PREVIOUS_MODEL, before.model.id))
    if after:
        found.append((IMAGE, after.image))
    return found


def signed_off(message: str, name: str, email: str) -> str:
    """The message with a sign-off as its last trailer: https://developercertificate.org/"""
    return f"{message.rstrip()}\nSigned-off-by: {clean(name)} <{clean(email)}>\n"


def rolled_back(deployment: str, environment: str, record: Record | None, source: str) -> str:
    """The message for an earlier state that a person brings back."""
    name = (inert(record.name, _SUBJECT_NAME) if record else "") or deployment
    state = f"Model {record.model.id} as of {source[:12]}." if record else f"As of {source[:12]}."
    return f"Roll back {name} in {environment}\n\n{state}\n\n{ROLLED_BACK_TO}: {source}\n"


def build(model: str, package: str, image: str, environment: str, attempt: int) -> str:
    """The message for a Job put on the branch `builds`."""
    again = f", attempt {attempt}" if attempt > 1 else ""
    trailers = f"{MODEL}: {model}\n{PACKAGE}: {package}\n{IMAGE}: {image}"
    return f"Build {package} for {environment}{again}\n\n{trailers}\n"


def collected(paths: Sequence[str]) -> str:
    """The message for Job files removed from the branch `builds`."""
    listed = "\n".join(paths)
    return f"Remove {len(paths)} build{'' if len(paths) == 1 else 's'} nothing needs\n\n{listed}\n"
