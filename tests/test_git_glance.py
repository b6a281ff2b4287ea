"""Glances and refs beside what git and a Snapshot say, also on a mirror that is damaged."""

import shutil

import pytest
from git_team import bare, git, open_repository, put

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import refs

FILES = {
    "overlays/prod/a/model/record.yaml": b"1\n",
    "overlays/prod/a/kustomization.yaml": b"",
    "overlays/prod/ä b/x\ty": b"no line feed",
    "overlays/production/c": b"another environment",
}


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, FILES)


@pytest.fixture
def repository(team, tmp_path):
    return open_repository(team, tmp_path / "cache")


@pytest.fixture
def mirror(repository, tmp_path):
    repository.fetch()
    return next((tmp_path / "cache").glob("*/mirror.git"))


def test_a_glance_reads_what_a_snapshot_reads(repository):
    glance = repository.glance("main", fetch=True)
    snapshot = repository.snapshot("main", fetch=False)
    below = glance.below("overlays/prod")
    contents = glance.contents(below.values())
    assert glance.commit == snapshot.commit
    assert {
        path.removeprefix("overlays/prod/"): contents[name] for path, name in below.items()
    } == (snapshot.files("overlays/prod"))


def test_ids_are_told_for_what_is_there(repository):
    glance = repository.glance("main", fetch=True)
    snapshot = repository.snapshot("main", fetch=False)
    asked = ["overlays/prod", "overlays/prod/a/model/record.yaml", "overlays/nowhere", "overlays/p"]
    assert glance.ids(asked) == {path: snapshot.id(path) for path in asked[:2]}
    assert glance.below("overlays/nowhere") == {}
    assert glance.contents([]) == {}


def test_a_glance_stays_at_its_commit(repository):
    glance = repository.glance("main", fetch=True)
    repository.deliver("main", put("overlays/prod/a/model/record.yaml", b"2\n"))
    (name,) = glance.ids(["overlays/prod/a/model/record.yaml"]).values()
    assert glance.contents([name]) == {name: b"1\n"}


@pytest.mark.parametrize("path", ["../etc", "a//b", "overlays/.git/x", "a\0b"])
def test_a_path_that_leaves_the_tree_is_refused(repository, path):
    glance = repository.glance("main", fetch=True)
    with pytest.raises(RepositoryError, match="no path inside"):
        glance.ids([path])


def lose_everything(mirror):
    for path in [*mirror.glob("objects/??"), mirror / "objects/pack"]:
        shutil.rmtree(path)


@pytest.mark.parametrize("damage", [lose_everything, shutil.rmtree])
def test_a_glance_heals_the_mirror(repository, mirror, damage):
    glance = repository.glance("main", fetch=False)
    damage(mirror)
    below = glance.below("overlays/production")
    assert list(below) == ["overlays/production/c"]
    assert glance.contents(below.values()) == {below["overlays/production/c"]: FILES[
        "overlays/production/c"
    ]}  # fmt: skip


def test_a_file_lost_between_listing_and_reading_is_fetched_again(repository, mirror):
    glance = repository.glance("main", fetch=False)
    below = glance.below("overlays/production")
    lose_everything(mirror)
    assert list(glance.contents(below.values()).values()) == [FILES["overlays/production/c"]]


def test_refs_are_read_as_git_reads_them(mirror, team):
    commit = git(team, "rev-parse", "main")
    for name in ("refs/x/a", "refs/x/b/c", "refs/xy"):
        git(mirror, "update-ref", name, commit)
    for pack in (False, True):
        if pack:
            git(mirror, "pack-refs", "--all")
        listed = git(mirror, "for-each-ref", "--format=%(refname)", "refs/x").split()
        assert list(refs.below(mirror, "refs/x/")) == listed == ["refs/x/a", "refs/x/b/c"]
        assert list(refs.below(mirror, "refs/x")) == ["refs/x/a", "refs/x/b/c", "refs/xy"]
        assert refs.find(mirror, "refs/x/b/c") == commit
        assert refs.find(mirror, "refs/x/b") == refs.find(mirror, "refs/x/nothing") == ""


def test_a_loose_ref_counts_before_a_packed_one(mirror, repository):
    before = repository.branch("main")
    git(mirror, "pack-refs", "--all")
    after = repository.deliver("main", put("overlays/new", b""))
    assert repository.branch("main") == after.id != before


def test_a_damaged_ref_is_no_missing_one(mirror):
    (mirror / "refs/remotes/origin/main").write_text("")
    with pytest.raises(KeyError):
        refs.find(mirror, "refs/remotes/origin/main")
