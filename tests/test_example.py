"""The worked example is what an action writes, and passes the check a team's own CI runs."""

from gitops_bridge.controller.checks import check
from gitops_bridge.kustomize import find
from tests import example
from tests.team import TOP


def test_the_example_is_what_an_action_writes():
    there = {
        path.relative_to(example.HOME).as_posix(): path.read_bytes()
        for path in example.HOME.rglob("*")
        if path.is_file()
    }
    assert there == example.files()


def test_the_example_passes_the_check():
    findings = list(check(TOP, find("")))
    assert [item.folder for item in findings] == [
        "argocd",
        "overlays/example/environment",
        "overlays/example/65a000000000000000000010",
    ]
    assert [item for item in findings if item.problems or item.warnings] == []
