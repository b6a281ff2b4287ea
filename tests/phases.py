"""The transition table to a page, drawing and Markdown: `python -m tests.phases > docs/phases.md`."""

from gitops_bridge.rollout.effects import (
    Branch,
    ClosePullRequest,
    Comment,
    Effect,
    Push,
    SetDraft,
    WritePullRequest,
)
from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Phase
from gitops_bridge.rollout.table import ANY, ROWS, Row

HEAD = """\
# How a rollout moves

This page is made from the table that the program itself follows. What the phases mean is in
[concepts](concepts.md#phases-of-a-rollout); each transition is one commit on the branch `rollouts`,
and one line in `gitops-bridge history`.

"""
PEOPLE = """\

## What people can do

| in the phase | you can |
|---|---|
| settled | revert, edit or remove `model/` on `main`: it stays so until DataRobot sends a newer request. `rollback` goes back to an earlier model, `release` delivers DataRobot's last request again |
| building | change `model/` on `main`: the rollout is then held. Nothing is delivered while the image is missing |
| in review | merge or close the pull request, or push to its branch. Closing rejects this very request; a newer one is proposed anew |
| blocked | merge the pull request with your commits, close it, or delete its branch to hand it back. The bridge never overwrites your commits |
| failed | repair the build and repeat the action in DataRobot; the model that serves stays |
| rejected | reopen the pull request after restoring its branch, or `release` to have the change proposed once more |
| held | `release` lets it go ahead over what was changed; putting `main` back as it was does, too |
| any | `hold` stops everything for the deployment until `release`; only your own `rollback` goes past it |

## Every transition

All that one transition writes to branches goes out in one push. Whatever is cut off, by a crash or a
server that is gone, the next look finds the same situation, or the one after it, and goes on there.

| in the phase | when | it becomes | what is done | history says |
|---|---|---|---|---|
"""
_DONE: dict[type, str] = {
    WritePullRequest: "the pull request is opened or updated",
    SetDraft: "the pull request becomes a draft, or is closed for now",
    ClosePullRequest: "the pull request is closed",
    Comment: "people are told on the pull request",
}


def word(phase: Phase) -> str:
    return phase.value


def done(effect: Effect) -> list[str]:
    """What an effect does, in words; that the state is written is not told each time."""
    if not isinstance(effect, Push):
        return [_DONE[type(effect)]]
    branch = {
        Branch.KEEP: "",
        Branch.PUT: "the change goes to its branch",
        Branch.DELETE: "its branch is deleted",
    }
    parts = [
        "the change goes to `main`" if effect.deliver else "",
        "its image is ordered if nobody has" if effect.order else "",
        branch[effect.branch],
    ]
    return [part for part in parts if part]


def line(row: Row) -> str:
    phases = "any" if row.phases == ANY else ", ".join(map(word, row.phases))
    after = "the same" if row.next is None else word(row.next)
    parts = [part for effect in row.effects for part in done(effect)]
    cells = (phases, row.situation.value, after, "; ".join(parts) or "—", row.event or "—")
    return f"| {' | '.join(cells)} |"


def drawing(rows: list[Row]) -> str:
    """The phases and what moves a rollout between them, by the words of its history."""
    lines = ["stateDiagram-v2", "    any : any phase"]
    lines += [f"    {_name(phase)} : {word(phase)}" for phase in Phase]
    edges: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.next is None or not row.event:
            continue
        starts = ["any"] if row.phases == ANY else [_name(phase) for phase in row.phases]
        for start in starts:
            told = edges.setdefault((start, _name(row.next)), [])
            if row.event not in told:
                told.append(row.event)
    lines += [
        f"    {start} --> {end} : {', '.join(events)}"
        for (start, end), events in edges.items()
        if start != end
    ]
    return "\n".join(lines)


def _name(phase: Phase) -> str:
    return phase.value.replace(" ", "_")


def page() -> str:
    rows = [row for row in ROWS if row.situation is not Situation.QUIET]
    picture = f"```mermaid\n{drawing(rows)}\n```\n"
    return HEAD + picture + PEOPLE + "\n".join(map(line, rows)) + "\n"


if __name__ == "__main__":
    print(page(), end="")
