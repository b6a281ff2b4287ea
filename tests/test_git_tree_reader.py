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


RECORD = "model/record.yaml"


def test_a_glance_reads_what_a_snapshot_reads(repository):
    tree_reader = repository.tree_reader("main", fetch=True)
    snapshot = repository.snapshot("main", fetch=False)
    folders = tree_reader.folders("overlays/prod")
    assert tree_reader.commit == snapshot.commit
    assert folders == {name: snapshot.id(f"overlays/prod/{name}") for name in ("a", "ä b")}
    assert tree_reader.read(folders.values(), RECORD) == {folders["a"]: b"1\n"}
    assert tree_reader.read([folders["ä b"]], "x\ty") == {folders["ä b"]: b"no line feed"}


def test_what_is_not_there_is_nothing(repository):
    tree_reader = repository.tree_reader("main", fetch=True)
    assert tree_reader.folders("overlays/nowhere") == {}
    assert tree_reader.folders("overlays/production") == {}
    assert tree_reader.read([], RECORD) == {}


def test_a_glance_stays_at_its_commit(repository):
    tree_reader = repository.tree_reader("main", fetch=True)
    repository.deliver("main", put("overlays/prod/a/model/record.yaml", b"2\n"))
    folder = tree_reader.folders("overlays/prod")["a"]
    assert tree_reader.read([folder], RECORD) == {folder: b"1\n"}


@pytest.mark.parametrize("path", ["../etc", "a//b", "overlays/.git/x", "a\0b"])
def test_a_path_that_leaves_the_tree_is_refused(repository, path):
    tree_reader = repository.tree_reader("main", fetch=True)
    with pytest.raises(RepositoryError, match="no path inside"):
        tree_reader.folders(path)
    with pytest.raises(RepositoryError, match="no path inside"):
        tree_reader.read(["f" * 40], path)


def lose_everything(mirror):
    for path in [*mirror.glob("objects/??"), mirror / "objects/pack"]:
        shutil.rmtree(path)


def lose_record(mirror):
    """Only the file itself, so that the listing of its folder still succeeds."""
    lose(mirror, "main:overlays/prod/a/model/record.yaml")


def lose_folder(mirror):
    lose(mirror, "main:overlays/prod/a/model")


def lose(mirror, what):
    name = git(mirror, "rev-parse", what.replace("main", "refs/remotes/origin/main"))
    (mirror / "objects" / name[:2] / name[2:]).unlink()


@pytest.mark.parametrize("damage", [lose_everything, lose_record, lose_folder, shutil.rmtree])
def test_damage_is_healed_and_never_taken_for_absence(repository, mirror, damage):
    tree_reader = repository.tree_reader("main", fetch=False)
    folder = tree_reader.folders("overlays/prod")["a"]
    damage(mirror)
    assert tree_reader.read([folder], RECORD) == {folder: b"1\n"}
    damage(mirror)
    assert list(tree_reader.folders("overlays")) == ["prod", "production"]
    assert tree_reader.read(tree_reader.folders("overlays/prod").values(), RECORD) == {
        folder: b"1\n"
    }


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
    after = repository.deliver("main", put("overlays/new", b"")).commit
    assert repository.branch("main") == after.id != before


def test_a_damaged_ref_is_no_missing_one(mirror):
    damaged = mirror / "refs/remotes/origin/main"
    damaged.parent.mkdir(parents=True, exist_ok=True)  # the refs may be packed
    damaged.write_text("")
    with pytest.raises(KeyError):
        refs.find(mirror, "refs/remotes/origin/main")
