"""A mirror damaged in many ways: the next call heals it and goes on."""

import shutil

import pytest

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Delivered, Edit
from tests.git_team import ME, bare, git, open_repository, put, subjects


@pytest.fixture
def team(tmp_path):
    folder = bare(tmp_path, {"overlays/prod/a/record.yaml": b"1\n", "README.md": b"hello\n"})
    git(folder, "pack-refs", "--all")
    return folder


@pytest.fixture
def told():
    return []


@pytest.fixture
def repository(team, tmp_path, told):
    made = open_repository(team, tmp_path / "cache", log=told.append)
    for number in range(3):
        made.deliver("main", put("overlays/prod/b/record.yaml", str(number).encode()))
    return made


@pytest.fixture
def mirror(repository, tmp_path):
    return next((tmp_path / "cache").glob("*/mirror.git"))


def empty_objects(mirror):
    for path in mirror.glob("objects/??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")


def cut_objects(mirror):
    """As a power cut leaves them. libgit2 by itself would read such a one for ever."""
    for path in mirror.glob("objects/??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_objects_by_a_byte(mirror):
    for path in mirror.glob("objects/??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])


def cut_packs(mirror):
    git(mirror, "repack", "-adq")
    for path in mirror.glob("objects/pack/*.pack"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_objects(mirror):
    for path in mirror.glob("objects/??"):
        shutil.rmtree(path)


def corrupt_packs(mirror):
    git(mirror, "repack", "-adq")
    for path in mirror.glob("objects/pack/*.pack"):
        path.chmod(0o644)
        content = bytearray(path.read_bytes())
        content[len(content) // 2 :] = b"\0" * (len(content) - len(content) // 2)
        path.write_bytes(content)


def cut_indexes(mirror):
    git(mirror, "repack", "-adq")
    for path in mirror.glob("objects/pack/*.idx"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:100])


def cut_graph(mirror):
    for path in mirror.glob("objects/info/commit-graphs/*.graph"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lock_graph(mirror):
    (mirror / "objects/info/commit-graphs/commit-graph-chain.lock").write_text("")


def lock_branch(mirror):
    (mirror / "refs/remotes/origin/main.lock").write_text("")


def lock_packed_refs(mirror):
    (mirror / "packed-refs.lock").write_text("")


def empty_branch(mirror):
    (mirror / "refs/remotes/origin/main").write_text("")


def branch_to_nowhere(mirror):
    (mirror / "refs/remotes/origin/main").write_text("f" * 40 + "\n")


def break_configuration(mirror):
    (mirror / "config").write_text("[core\n")


def lose_head(mirror):
    (mirror / "HEAD").unlink()


def empty_folder(mirror):
    shutil.rmtree(mirror)
    mirror.mkdir()


def remove_mirror(mirror):
    shutil.rmtree(mirror)


def remove_cache(mirror):
    shutil.rmtree(mirror.parent)


def half_a_clone(mirror):
    shutil.copytree(mirror, mirror.with_name("new.git"))
    shutil.rmtree(mirror)


WAYS = [
    empty_objects, cut_objects, cut_objects_by_a_byte, cut_packs, lose_objects, corrupt_packs,
    cut_indexes, cut_graph, lock_graph, lock_branch,
    lock_packed_refs, empty_branch, branch_to_nowhere, break_configuration, lose_head,
    empty_folder, remove_mirror, remove_cache, half_a_clone,
]  # fmt: skip


@pytest.mark.parametrize("damage", WAYS)
def test_a_delivery_heals(repository, mirror, team, damage):
    damage(mirror)
    made = repository.deliver("main", put("overlays/prod/b/record.yaml", b"after")).commit
    assert git(team, "rev-parse", "main") == made.id
    assert len(subjects(team)) == 5
    assert repository.deliver("main", put("c", b"1")).commit.parents == (made.id,)
    git(team, "fsck", "--strict")
    git(mirror, "fsck", "--strict")


@pytest.mark.parametrize("damage", WAYS)
def test_reading_heals(repository, mirror, team, damage):
    damage(mirror)
    snapshot = repository.snapshot("main", fetch=True)
    assert snapshot.read("overlays/prod/b/record.yaml") == b"2"
    assert [item.id for item in repository.log(snapshot.commit, "overlays/prod/b")] == git(
        team, "log", "--format=%H", "main", "--", "overlays/prod/b"
    ).split()
    assert repository.branches(fetch=False) == {"main": git(team, "rev-parse", "main")}


@pytest.mark.parametrize("damage", [empty_objects, lose_objects, corrupt_packs, remove_mirror])
def test_a_snapshot_taken_before_reads_on(repository, mirror, told, damage):
    snapshot = repository.snapshot("main", fetch=False)
    damage(mirror)
    assert snapshot.files("overlays") == {
        "prod/a/record.yaml": b"1\n", "prod/b/record.yaml": b"2"
    }  # fmt: skip


def test_healing_is_logged(repository, mirror, told):
    lose_head(mirror)
    repository.fetch()
    assert any("cloning again" in line for line in told)


def test_damage_out_of_the_remotes_reach_is_told_as_that(repository, mirror, team):
    empty_objects(mirror)
    team.rename(team.with_name("elsewhere.git"))
    with pytest.raises(RepositoryError, match="no repository at"):
        repository.deliver("main", put("c", b"1"))
    team.with_name("elsewhere.git").rename(team)
    assert isinstance(repository.deliver("main", put("c", b"1")), Delivered)


def test_a_commit_lost_with_the_mirror_is_planned_again(repository, mirror):
    main = repository.snapshot("main", fetch=True)
    made = repository.commit(main, Edit({"a": b"1"}, {}, "Propose", ME))
    remove_mirror(mirror)
    with pytest.raises(RepositoryError, match="plan again") as caught:
        repository.replace_branch("p/a", made, None)
    assert caught.value.retry


def test_maintenance_heals(repository, mirror, team):
    empty_objects(mirror)
    repository.maintain()
    assert repository.snapshot("main", fetch=False).commit == git(team, "rev-parse", "main")
