"""Files as Git keeps them: modes, symbolic links, submodules and names that are not UTF-8."""

import os

import pytest

from gitops_bridge import blobs
from gitops_bridge.blobs import EXECUTABLE, LINK, SUBMODULE, Special
from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import queue
from gitops_bridge.git.trees import edited
from tests.cli import act
from tests.team import DEPLOYMENT, MODEL_B, git

HOME = f"overlays/prod/{DEPLOYMENT}"
FILES = {
    "a/plain.txt": b"plain",
    "a/run.sh": Special(b"#!/bin/sh\n", EXECUTABLE),
    "a/link": Special(b"plain.txt", LINK),
    "a/f\udcfcr.txt": b"latin-1",
    "a/\udcff/deep": Special(b"../plain.txt", LINK),
    "sub": Special(b"a" * 40, SUBMODULE),
}


@pytest.fixture
def repository(tmp_path):
    import pygit2

    return pygit2.init_repository(str(tmp_path / "r"), bare=True)


def listed(repository, tree):
    out = git(repository.path, "ls-tree", "-r", "-z", str(tree))
    heads = (line.split("\t", 1) for line in out.split("\0") if line)
    return {name: head.split()[0] for head, name in heads}


def walked(repository, tree):
    from gitops_bridge.git.snapshot import _walk

    return {path: (content, blobs.mode_of(content)) for path, content in _walk(
        repository[tree], ""
    )}  # fmt: skip


def test_everything_written_is_read_again_as_it_was(repository):
    tree = edited(repository, None, FILES)
    assert walked(repository, tree) == {
        path: (content, blobs.mode_of(content)) for path, content in FILES.items()
    }
    git(repository.path, "fsck", "--strict")


def test_an_edit_beside_them_leaves_them_alone(repository):
    tree = edited(repository, edited(repository, None, FILES), {"a/plain.txt": b"new", "a/z": b""})
    expected = {**FILES, "a/plain.txt": b"new", "a/z": b""}
    assert walked(repository, tree) == {
        path: (content, blobs.mode_of(content)) for path, content in expected.items()
    }
    gone = edited(repository, tree, dict.fromkeys(expected))
    assert len(repository[gone]) == 0


def test_an_executable_stays_one_and_a_link_is_not_written_through(repository):
    tree = edited(repository, None, FILES)
    tree = edited(repository, tree, {"a/run.sh": b"#!/bin/bash\n", "a/link": b"content"})
    found = walked(repository, tree)
    assert found["a/run.sh"] == (b"#!/bin/bash\n", EXECUTABLE)
    assert found["a/link"] == (b"content", blobs.ORDINARY)
    assert found["a/plain.txt"] == (b"plain", blobs.ORDINARY)
    with pytest.raises(RepositoryError, match="'link' would be a symbolic link and a folder"):
        edited(repository, edited(repository, None, FILES), {"a/link/below": b""})


def test_modes_pass_through_the_queue():
    for content in FILES.values():
        back = queue._content(queue._plain_content(content))
        assert (back, blobs.mode_of(back)) == (content, blobs.mode_of(content))


def test_people_s_files_survive_a_rollout_a_stop_and_a_start(team):
    act(team, "deployment_start")
    team.pull()
    home = team.clone / HOME
    (home / "kustomization.yaml").rename(home / "mine.yaml")
    (home / "kustomization.yaml").symlink_to("mine.yaml")
    (home / "load-test.sh").write_text("#!/bin/sh\n")
    (home / "load-test.sh").chmod(0o755)
    with open(os.fsencode(home) + b"/f\xfcr.txt", "wb") as file:
        file.write(b"x")
    team.commit("Ours")
    team.push()
    before = git(team.clone, "ls-tree", "-r", "HEAD", f"{HOME}/")
    people = [line for line in before.splitlines() if "/model/" not in line]
    assert [line[:6] for line in people if "model/" not in line].count("120000") == 1
    for action, more in (
        ("deployment_replace_model", {"newModelId": MODEL_B}),
        ("deployment_stop", {}),
        ("deployment_start", {"modelId": MODEL_B}),
    ):
        assert act(team, action, **more)["status"] == "passing"
    team.pull()
    after = git(team.clone, "ls-tree", "-r", "HEAD", f"{HOME}/")
    assert [line for line in after.splitlines() if "/model/" not in line] == people


def test_our_files_are_not_written_through_a_link_of_a_person(team):
    act(team, "deployment_start")
    team.pull()
    home = team.clone / HOME
    (home / "model").rename(home / "kept")
    (home / "model").symlink_to("kept")
    team.commit("A link instead of the folder")
    team.push()
    kept = git(team.clone, "rev-parse", f"HEAD:{HOME}/kept")
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    team.pull()
    assert git(team.clone, "rev-parse", f"HEAD:{HOME}/kept") == kept
    assert not (home / "model").is_symlink()
