"""The transition table to Markdown: `python -m tests.phases > docs/phases.md`."""

from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Phase
from gitops_bridge.rollout.table import ANY, ROWS, Row

HEAD = """\
# How a rollout moves

This page is made from the table that the program itself follows. What the phases mean is in
[concepts](concepts.md#phases-of-a-rollout); each transition is one commit on the branch `rollouts`,
and one line in `gitops-bridge history`.

| in the phase | when | it becomes | history says |
|---|---|---|---|
"""


def word(phase: Phase) -> str:
    return phase.value.replace("-", " ").replace("_", " ")


def line(row: Row) -> str:
    phases = "any" if row.phases == ANY else ", ".join(map(word, row.phases))
    after = "the same" if row.next is None else word(row.next)
    return f"| {phases} | {row.situation.value} | {after} | {row.event or '—'} |"


def page() -> str:
    rows = [row for row in ROWS if row.situation is not Situation.QUIET]
    return HEAD + "\n".join(map(line, rows)) + "\n"


if __name__ == "__main__":
    print(page(), end="")
