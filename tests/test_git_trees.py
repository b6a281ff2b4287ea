"""Edits of trees against a dictionary of paths, and against git's own check of the result."""

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.trees import edited, split
from tests.git_team import git

NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "ä", "c0", "a0"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CHANGES = st.dictionaries(PATHS, st.none() | st.binary(max_size=3), max_size=6)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return pygit2.init_repository(str(tmp_path_factory.mktemp("trees")), bare=True)


def files(repository, tree, prefix=""):
    found = {}
    for item in repository[tree]:
        if item.type_str == "tree":
            found |= files(repository, item.id, f"{prefix}{item.name}/")
        else:
            found[prefix + item.name] = item.data
    return found


def model(before, changes):
    """What `changes` should lead to; None when a path would be file and folder at once."""
    gone = [path for path, content in changes.items() if content is None]
    after = {
        path: content
        for path, content in before.items()
        if not any(path == other or path.startswith(f"{other}/") for other in gone)
    }
    after |= {path: content for path, content in changes.items() if content is not None}
    clash = any(path.startswith(f"{other}/") for path in after for other in after)
    return None if clash else after


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES, CHANGES)
def test_edits_do_what_a_dictionary_would(repository, first, second):
    before = model({}, first)
    if before is None:
        with pytest.raises(RepositoryError, match="as well"):
            edited(repository, None, first)
        return
    root = edited(repository, None, first)
    assert files(repository, root) == before
    after = model(before, second)
    if after is None:
        with pytest.raises(RepositoryError, match="as well"):
            edited(repository, root, second)
        return
    tree = edited(repository, root, second)
    assert files(repository, tree) == after
    assert tree == edited(repository, None, after)  # however it came about, the same id


def test_the_result_is_a_tree_as_git_wants_it(repository):
    root = edited(repository, None, {"a/x": b"1", "a.b": b"2", "a0": b"3", "a/y/z": b"4"})
    git(repository.path, "fsck", "--strict")
    assert git(repository.path, "ls-tree", "-r", "--name-only", str(root)).split() == [
        "a.b", "a/x", "a/y/z", "a0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/a", "a/", "a//b", ".", "a/../b", ".git/config", "a/.GIT/x", "a\0b", ""]
)
def test_paths_that_leave_the_tree_are_refused(repository, path):
    with pytest.raises(RepositoryError, match="path"):
        edited(repository, None, {path: b"1"})


@given(st.text(max_size=12))
def test_whatever_is_accepted_is_stored_under_that_name(repository, path):
    try:
        split(path)
        path.encode()
    except (RepositoryError, UnicodeEncodeError):
        return
    if path:
        assert files(repository, edited(repository, None, {path: b"1"})) == {path: b"1"}
