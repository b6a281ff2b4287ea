"""The parts of a pull request's body as Markdown; `pull_request` puts them together."""

from __future__ import annotations

from gitops_bridge import documents
from gitops_bridge.desired.comparison import rows
from gitops_bridge.desired.effect import Effect
from gitops_bridge.desired.markdown import Markdown, code, fenced, short, table
from gitops_bridge.desired.messages import clean
from gitops_bridge.desired.pull_request.subject import Build, Subject

_SIDES = ("champion (now)", "challenger (proposed)")
_LONGEST_CELL = 80  # characters, on two or three lines
SCHEMA = "gitops-bridge.io/rollout/v1"


def verdict(subject: Subject) -> Markdown:
    build, facts = subject.build, subject.facts
    said = ["Render ✅"]
    if subject.rollout.after is None:
        said.append("Build: none needed")
    elif build and build.digest:
        said.append(f"Build ✅ {code(build.digest[:19] + '…')}")
    elif build and build.gated:
        said.append("Build ⏳ not in the registry yet")
    else:
        said.append("Build: not looked at")
    if facts.approval:
        said.append(f"Approval in DataRobot {code(facts.approval)}")
    if facts.health:
        health = [f"{kind} {code(status)}" for kind, status in facts.health.items()]
        said.append(f"Now serving: {', '.join(health)}")
    if facts.importance:
        said.append(f"Importance: {code(facts.importance)}")
    return Markdown("**" + said[0] + "** · " + " · ".join(said[1:]))


def summary(subject: Subject) -> Markdown:
    name, before = code(subject.name, 80), subject.rollout.before
    after, environment = subject.rollout.after, code(subject.environment)
    if after is None:
        return Markdown(f"{name} stops serving in {environment}.")
    if before and before.model.id != after.model.id:
        models = f"{code(before.model.id)} → {code(after.model.id)}"
        return Markdown(f"{name} in {environment}: model {models}.")
    return Markdown(f"{name} in {environment}: model {code(after.model.id)}.")


def comparison(subject: Subject) -> Markdown:
    """The table of what is known, with a column only for a side that is there; it fits the page, so
    its cells are short."""
    found = [(row[0], row[1:]) for row in rows(subject.champion, subject.challenger)]
    sides = [at for at in range(2) if any(values[at] for _, values in found)]
    shown = [
        (Markdown(code(heading)[1:-1]), *(_cell(values[at]) for at in sides))
        for heading, values in found
    ]
    return table(("", *(_SIDES[at] for at in sides)), shown) if shown else Markdown("")


def full_values(subject: Subject) -> Markdown:
    """What the table shows shortened, as a list; empty where that is nothing."""
    return Markdown(
        "\n".join(
            f"- {code(heading)[1:-1]}, {side}: {code(value)}"
            for heading, *values in rows(subject.champion, subject.challenger)
            for side, value in zip(_SIDES, values, strict=True)
            if value and _cell(value) != code(value)
        )
    )


def _cell(value: str | None) -> Markdown:
    return code(short(clean(value)), _LONGEST_CELL) if value else Markdown("—")


def diff(effect: Effect, limit: int | None) -> Markdown | None:
    """The diff, or whole lines from its start in at most `limit` characters."""
    if not effect.diff or limit == 0:
        return None
    kept, left = [], limit
    for line in effect.diff:
        if left is not None:
            left -= len(line) + 1
            if left < 0:
                break
        kept.append(line)
    text = fenced("\n".join(kept), "diff")
    gone = len(effect.diff) - len(kept)
    return Markdown(f"{text}\n\n{gone} more lines left out.") if gone else text


def rollback(subject: Subject) -> Markdown:
    folder = f"overlays/{subject.environment}/{subject.deployment}/model"
    newest = f'"$(git log -1 --format=%H origin/{subject.base} -- {folder})"'
    command = (
        f"gitops-bridge rollback {subject.deployment} --environment {subject.environment}",
        "# or with git alone, from any clone:",
    )
    lines = (
        *(command if subject.rollout.before else ()),  # of a first start nothing is earlier
        f"git fetch origin && git checkout --detach origin/{subject.base}",
        f"git revert --no-edit {newest}",
        f"git push origin HEAD:{subject.base}",
        f"# where {subject.base} is protected: push to a branch, then open a pull request from it",
    )
    return fenced("\n".join(lines), "sh")


def machine(subject: Subject) -> Markdown:
    """What the text says, for programs. The files in Git are what counts."""
    before, after = subject.rollout.before, subject.rollout.after
    build, facts = subject.build or Build(""), subject.facts
    data = {
        "schema": SCHEMA,
        "commit": subject.commit,
        "change": subject.rollout.change.value,
        "environment": subject.environment,
        "deployment": subject.deployment,
        "name": clean(subject.name),
        "action": after.action.value if after else "deployment_stop",
        "rollout": after.rollout if after else None,
        "model": after.model.id if after else None,
        "previous_model": before.model.id if before else None,
        "package": after.model.package.id if after and after.model.package else None,
        "checksum": build.checksum,
        "image": after.image if after else None,
        "digest": build.digest,
        "job": build.job,
        "importance": facts.importance,
        "reason": clean(facts.reason) if facts.reason else None,
        "restarts_pods": subject.effect.restarts,
    }
    return fenced(
        documents.dump({key: item for key, item in data.items() if item is not None}), "yaml"
    )


def fold_start(heading: str, fold: bool) -> Markdown:
    title = clean(heading).replace("<", "").replace(">", "").replace("&", "and")
    return Markdown(f"<details><summary>{title}</summary>" if fold else f"#### {title}")
