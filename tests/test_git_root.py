"""A repository whose root is one folder of a monorepo, beside what plain git says."""

import pytest
from git_team import ME, bare, commit, git, open_repository, show

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Edit

ROOT = "platform/models"
FILES = {
    "README.md": b"the monorepo\n",
    "overlays/prod/web/kustomization.yaml": b"another team's\n",
    f"{ROOT}/base/service.yaml": b"ours\n",
    f"{ROOT}/overlays/prod/a/model/record.yaml": b"1\n",
}


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, FILES)


@pytest.fixture
def repository(team, tmp_path):
    return open_repository(team, tmp_path / "cache", root=ROOT)


def edit(changes, guards=(), message="Work"):
    return Edit(dict(changes), dict(guards), message, ME)


def test_paths_are_relative_to_the_root(team, repository):
    snapshot = repository.snapshot("main", fetch=True)
    assert snapshot.entries("").keys() == {"base", "overlays"}
    assert snapshot.entries("overlays/prod").keys() == {"a"}
    assert snapshot.files("") == {
        "base/service.yaml": b"ours\n",
        "overlays/prod/a/model/record.yaml": b"1\n",
    }
    assert snapshot.read("base/service.yaml") == b"ours\n"
    assert snapshot.read("README.md") is None
    assert snapshot.id("") == git(team, "rev-parse", f"main:{ROOT}")
    assert repository.at(snapshot.commit).read("base/service.yaml") == b"ours\n"


def test_a_reader_lists_below_the_root(team, repository):
    reader = repository.tree_reader("main", fetch=True)
    folders = reader.folders("overlays/prod")
    assert folders == {"a": git(team, "rev-parse", f"main:{ROOT}/overlays/prod/a")}
    assert reader.read(folders.values(), "model/record.yaml") == {folders["a"]: b"1\n"}


def test_history_is_that_of_the_root(team, repository):
    commit(team, {f"{ROOT}/base/service.yaml": b"newer\n", "README.md": b"x\n"}, "Both")
    commit(team, {"README.md": b"y\n"}, "Elsewhere")
    head = repository.snapshot("main", fetch=True).commit
    assert [item.message.strip() for item in repository.log(head)] == ["Both", "Begin"]
    assert len(repository.log(head, "base")) == 2
    assert repository.log(head, "README.md") == []
    assert repository.changed(repository.log(head)[0].id) == ["base/service.yaml"]
    assert repository.changed(head) == []


def test_a_delivery_lands_below_the_root_and_touches_nothing_else(team, repository):
    def plan(snapshot):
        guards = {"base": snapshot.id("base"), "new": None, "": snapshot.id("")}
        return edit({"base/service.yaml": None, "new/file": b"n\n"}, guards)

    repository.deliver("main", plan)
    names = git(team, "ls-tree", "-r", "--name-only", "main").splitlines()
    ours = {f"{ROOT}/base/service.yaml"}
    assert set(names) == (FILES.keys() - ours) | {f"{ROOT}/new/file"}


def test_guards_are_of_the_root(repository):
    """A folder of that name elsewhere in the monorepo must not stand in for ours."""
    tries = []

    def plan(snapshot):
        tries.append(snapshot.id("overlays/prod"))
        guard = tries[0] if len(tries) > 1 else "0" * 40
        return edit({"overlays/prod/b": b"b\n"}, {"overlays/prod": guard})

    repository.deliver("main", plan)
    assert len(tries) > 1


def test_a_prerequisite_lands_on_its_branch_below_the_root(team, repository):
    commit(team, {"README.md": b"builds\n"}, "Begin", "builds")
    job = {"builds": edit({"prod/job.yaml": b"j\n"})}
    work = Edit({"base/x": b"x\n"}, {}, "Work", ME, prerequisites=job)
    repository.deliver("main", lambda _: work)
    assert show(team, f"{ROOT}/prod/job.yaml", "builds") == "j"


def test_a_proposal_branch_holds_the_whole_monorepo(team, repository):
    main = repository.snapshot("main", fetch=True)
    proposed = repository.commit(main, edit({"base/service.yaml": b"proposed\n"}))
    repository.replace_branch("gitops-bridge/prod/a", proposed, None)
    changed = git(team, "diff", "--name-only", "main", "gitops-bridge/prod/a")
    assert changed == f"{ROOT}/base/service.yaml"


def test_two_roots_share_one_mirror(team, tmp_path, repository):
    other = open_repository(team, tmp_path / "cache", root="other")
    assert other.snapshot("main", fetch=True).files("") == {}
    other.deliver("main", lambda _: edit({"base/x": b"x\n"}, {"base": None}))
    assert repository.snapshot("main", fetch=True).read("base/x") is None
    assert show(team, "other/base/x") == "x"
    assert len(list((tmp_path / "cache").glob("*/mirror.git"))) == 1


@pytest.mark.parametrize("root", ["README.md", "README.md/models"])
def test_a_file_is_no_root(team, tmp_path, root):
    repository = open_repository(team, tmp_path / "cache", root=root)
    assert repository.snapshot("main", fetch=True).entries("") == {}
    with pytest.raises(RepositoryError, match=r"README\.md"):
        repository.deliver("main", lambda _: edit({"base/x": b"x\n"}))
    assert show(team, "README.md") == "the monorepo"
