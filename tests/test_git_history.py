"""`log` and `changed` against plain git, over random histories with merges."""

import random

import pytest

from gitops_bridge.errors import RepositoryError
from tests.git_team import bare, commit, git, open_repository, put

PATHS = ["overlays/prod/a", "overlays/prod/b/model", "overlays/test/a", "base/x.yaml", "*.y"]


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """100 commits, a tenth of them merges of a side branch."""
    folder = bare(tmp_path_factory.mktemp("history"), {"README.md": b"hello\n"})
    dice = random.Random(7)
    scratch = folder.with_name("scratch")
    for number in range(100):
        if number % 10 == 9:
            git(folder, "branch", "--force", "side", f"main~{dice.randrange(5)}")
            commit(folder, {f"{dice.choice(PATHS)}/s": b"%d" % number}, f"Side {number}", "side")
            git(folder, "worktree", "add", "--quiet", "--detach", str(scratch), "main")
            git(
                scratch, "-c", "user.name=A", "-c", "user.email=a@b", "merge", "--quiet",
                "--no-ff", "-X", "theirs", "-m", f"Merge {number}", "side",
            )  # fmt: skip
            git(folder, "update-ref", "refs/heads/main", git(scratch, "rev-parse", "HEAD"))
            git(folder, "worktree", "remove", "--force", str(scratch))
        else:
            path = f"{dice.choice(PATHS)}/f{dice.randrange(2)}"
            content = None if dice.random() < 0.1 else b"%d" % number
            commit(folder, {path: content}, f"Change {number}")
    return folder


@pytest.fixture(scope="module", params=["kept fit", "as cloned"])
def repository(request, team, tmp_path_factory):
    made = open_repository(team, tmp_path_factory.mktemp("cache"))
    made.fetch()
    if request.param == "kept fit":
        made.maintain()
    return made


@pytest.mark.parametrize("path", [*PATHS, "", "overlays", "overlays/prod/a/f0", "never/there"])
def test_log_is_that_of_git(repository, team, path):
    head = repository.snapshot("main", fetch=False).commit
    literal = ["--", f":(literal){path}"] if path else []
    expected = git(team, "log", "--format=%H", head, *literal).split()
    assert [item.id for item in repository.log(head, path)] == expected
    assert [item.id for item in repository.log(head, path, limit=3)] == expected[:3]


def test_a_commit_is_told_whole(repository, team):
    head = repository.snapshot("main", fetch=True).commit
    for item in repository.log(head, limit=20):
        facts = git(team, "log", "-1", "--format=%P%n%an%n%ae%n%ct%n%s", item.id).split("\n")
        assert [
            " ".join(item.parents), item.author.name, item.author.email, str(item.time),
            item.message.strip(),
        ] == facts  # fmt: skip


def test_changed_is_the_difference_to_the_first_parent(repository, team):
    head = repository.snapshot("main", fetch=True).commit
    for item in repository.log(head, limit=40):
        expected = git(team, "diff", "--name-only", f"{item.id}^1", item.id).splitlines()
        assert repository.changed(item.id) == sorted(expected)


def test_an_unknown_commit_is_no_damage(repository):
    with pytest.raises(RepositoryError, match="no commit"):
        repository.log("f" * 40)
    with pytest.raises(RepositoryError, match="no commit"):
        repository.changed("f" * 40)


def test_the_graph_reaches_to_every_commit_after_upkeep(team, tmp_path):
    """Past its end each commit is compared tree by tree, so looks would slow down with use."""
    ours, theirs = (open_repository(team, tmp_path / name) for name in ("ours", "theirs"))
    ours.fetch()
    for number in range(5):
        theirs.deliver("main", put("overlays/prod/a/f0", b"by them %d" % number))
        ours.deliver("main", put("overlays/prod/b/f0", b"by us %d" % number))
    for number in range(20):
        ours.deliver("main", put("overlays/prod/c/f0", b"%d" % number))
    ours.maintain()
    mirror = next((tmp_path / "ours").glob("*/mirror.git"))
    git(mirror, "commit-graph", "verify")
    graph = next(mirror.glob("objects/info/commit-graphs/commit-graph-chain")).read_text().split()
    known = b"".join(
        (mirror / f"objects/info/commit-graphs/graph-{name}.graph").read_bytes() for name in graph
    )
    commits = git(team, "rev-list", "main").split()
    assert all(bytes.fromhex(commit) in known for commit in commits)
