"""Refs of the bridge's own that are no branches: pushed, fetched, swapped and pruned like them."""

import pytest

from gitops_bridge.errors import StaleBase
from gitops_bridge.git import Edit
from tests.git_team import ME, bare, git, open_repository

NOTE = "refs/gitops-bridge/rejected/prod/x"


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


def refs(team):
    return git(team, "for-each-ref", "--format=%(refname)").splitlines()


def made(repository, text):
    snapshot = repository.snapshot("main", fetch=True)
    return repository.commit(snapshot, Edit({"a": text.encode()}, {}, f"Note {text}", ME))


def test_another_bridge_sees_it_and_nobody_a_branch(team, tmp_path):
    first = open_repository(team, tmp_path / "one")
    second = open_repository(team, tmp_path / "two")
    commit = made(first, "one")
    first.replace_branch(NOTE, commit, None)
    assert refs(team) == [NOTE, "refs/heads/main"]
    assert second.branches(NOTE, fetch=True) == {NOTE: commit.id}
    assert second.branches("", fetch=False) == {"main": second.snapshot("main", fetch=False).commit}
    assert second.commit_of(commit.id).message == "Note one\n"


def test_it_is_swapped_only_from_what_was_seen(team, tmp_path):
    first = open_repository(team, tmp_path / "one")
    second = open_repository(team, tmp_path / "two")
    one, two = made(first, "one"), made(second, "two")
    first.replace_branch(NOTE, one, None)
    with pytest.raises(StaleBase):
        second.replace_branch(NOTE, two, None)
    second.replace_branch(NOTE, two, one.id)
    with pytest.raises(StaleBase):
        first.delete_branch(NOTE, one.id)
    assert git(team, "rev-parse", NOTE) == two.id


def test_one_that_is_gone_is_forgotten(team, tmp_path):
    first = open_repository(team, tmp_path / "one")
    second = open_repository(team, tmp_path / "two")
    commit = made(first, "one")
    first.replace_branch(NOTE, commit, None)
    assert second.branches(NOTE, fetch=True)
    first.delete_branch(NOTE, commit.id)
    assert first.branches(NOTE, fetch=False) == {}
    assert second.branches(NOTE, fetch=True) == {}


def test_a_branch_is_not_mixed_up_with_it(team, tmp_path):
    """`gitops-bridge/x` is a branch, `refs/gitops-bridge/x` a note."""
    repository = open_repository(team, tmp_path / "one")
    commit = made(repository, "one")
    repository.replace_branch("gitops-bridge/rejected/prod/x", commit, None)
    assert repository.branches(NOTE, fetch=True) == {}
    repository.rehearse("gitops-bridge/rejected/prod/x")
    assert refs(team) == ["refs/heads/gitops-bridge/rejected/prod/x", "refs/heads/main"]
