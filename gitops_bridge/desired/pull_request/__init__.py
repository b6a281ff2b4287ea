"""A proven change to the text of its pull request: title, body, labels.

The body is a Jinja template; a team's
own, `templates/pull_request.md.j2` of its repository, is handed in as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gitops_bridge.desired.comparison import ModelFacts
from gitops_bridge.desired.effect import effect
from gitops_bridge.desired.markdown import Markdown, code, quiet
from gitops_bridge.desired.messages import clean
from gitops_bridge.desired.pull_request import parts as parts_of
from gitops_bridge.desired.pull_request.subject import Build, Subject
from gitops_bridge.desired.pull_request.template import TEMPLATE, Render, renderer
from gitops_bridge.desired.rollout import Change, Rollout

__all__ = ["PENDING", "TEMPLATE", "Build", "Subject", "Text", "check", "compose"]

PENDING = "Build pending: "
"""How the title begins while the image is not there yet."""
_LEAST_DIFF = 400  # characters below which a shortened diff tells nothing


@dataclass(frozen=True)
class Text:
    title: str
    body: str
    labels: tuple[str, ...]


def compose(
    subject: Subject,
    *,
    limit: int = 65_536,
    title_limit: int = 255,
    fold: bool = True,
    template: str | None = None,
) -> Text:
    """The text of the pull request for `subject`, the body in at most `limit` characters.

    `fold`: whether the provider shows HTML's <details>. Raises ConfigError for a `template` that
    cannot be rendered, naming the file and what is wrong.
    """
    render = renderer(template)
    return Text(
        title=_title(subject, title_limit),
        body=_shortened(_Parts(subject, fold), render, limit),
        labels=tuple(_labels(subject)),
    )


def check(template: str) -> None:
    """Raises ConfigError when `template` does not render."""
    nothing = Subject(
        message="Stop nothing in nowhere\n",
        rollout=Rollout(Change.STOP, {}, None, None),
        deployment="0",
        environment="nowhere",
        base="main",
        effect=effect((), ()),
        build=None,
        champion=ModelFacts(),
        challenger=ModelFacts(),
    )
    compose(nothing, template=template)


# -- title and labels


def _title(subject: Subject, limit: int) -> str:
    build = subject.build
    pending = PENDING if build and build.gated and build.digest is None else ""
    first = pending + subject.message.split("\n", 1)[0]
    facts = subject.facts
    model = subject.challenger.name if subject.rollout.change is Change.REPLACE else None
    more = [model, facts.reason, facts.importance]
    said = " · ".join([first, *(clean(item, 60) for item in more if item)])
    return quiet(said, max(1, limit - 20))[:limit]


def _labels(subject: Subject) -> Iterator[str]:
    yield f"env/{subject.environment}"
    yield f"change/{subject.rollout.change.value}"
    importance = subject.facts.importance or ""
    if importance.isalpha() and importance.isascii():
        yield f"importance/{importance.lower()}"


# -- the body


@dataclass(frozen=True)
class _Parts:
    """What goes into a body; `_shortened` takes away from it."""

    subject: Subject
    fold: bool
    diff_limit: int | None = None
    full_values: bool = True
    provenance: bool = True
    comment: bool = True
    comparison: bool = True
    machine: bool = True


def _shortened(parts: _Parts, render: Render, limit: int) -> str:
    """The fullest body that fits: the diff goes first, then what is also in the machine-readable
    block, which goes last."""
    body = render(_context(parts))
    if len(body) > limit:
        whole = sum(len(line) + 1 for line in parts.subject.effect.diff)
        room = whole - (len(body) - limit) - 100
        for step in (*([{"diff_limit": room}] if room >= _LEAST_DIFF else []), *_STEPS):
            parts = replace(parts, **step)
            body = render(_context(parts))
            if len(body) <= limit:
                return body
    return body if len(body) <= limit else _cut(body, limit)


_STEPS: tuple[dict[str, Any], ...] = (
    {"diff_limit": 0},
    {"full_values": False},
    {"comment": False},
    {"provenance": False},
    {"comparison": False},
    {"machine": False},
)


def _cut(body: str, limit: int) -> str:
    """Whole lines from the start, no code block left open: for a template without end."""
    kept: list[str] = []
    fence = ""
    left = limit - 20
    for line in body.splitlines():
        left -= len(line) + 1
        if left - len(fence) < 0:
            break
        kept.append(line)
        marks = line[: len(line) - len(line.lstrip("`"))]
        if fence and line.rstrip() == fence:
            fence = ""
        elif not fence and len(marks) >= 3:
            fence = marks
    return "\n".join([*kept, *([fence] if fence else []), "…"])[:limit]


def _context(parts: _Parts) -> dict[str, Any]:
    subject = parts.subject
    rollout, facts = subject.rollout, subject.facts
    build = subject.build or Build("")
    after = rollout.after
    package = after.model.package.id if after and after.model.package else None
    return {
        "change": rollout.change.value,
        "action": after.action.value if after else "deployment_stop",
        "deployment": subject.deployment,
        "name": subject.name,
        "environment": subject.environment,
        "verdict": parts_of.verdict(subject),
        "summary": parts_of.summary(subject),
        "comparison": parts_of.comparison(subject)
        if parts.comparison
        else Markdown("Left out for its length."),
        "full_values": parts_of.full_values(subject) if parts.full_values else Markdown(""),
        "reason": facts.reason,
        "requester": facts.requester,
        "approval": facts.approval,
        "importance": facts.importance,
        "health": dict(facts.health),
        "comment": facts.comment if parts.comment else None,
        "replaces": next(iter(rollout.overrides), None),
        "effect": Markdown(subject.effect.sentence(code)),
        "diff": parts_of.diff(subject.effect, parts.diff_limit),
        "provenance": parts.provenance and after is not None,
        "image": build.image or None,
        "digest": build.digest,
        "package_id": package,
        "checksum": build.checksum,
        "base": build.base,
        "job": build.job,
        "rollback": parts_of.rollback(subject),
        "machine": parts_of.machine(subject) if parts.machine else None,
        "champion": subject.champion,
        "challenger": subject.challenger,
        "fold_start": lambda heading: parts_of.fold_start(heading, parts.fold),
        "fold_end": Markdown("</details>" if parts.fold else ""),
    }
