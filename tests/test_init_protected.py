"""init where the models are on a protected branch, and where people want a branch to merge."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitops_bridge import documents
from tests.cli import called
from tests.initialised import NEEDED, Remote
from tests.proposing import Branches
from tests.servers.forges.github import GitHubServer
from tests.servers.git_http import GitServer
from tests.team import git

STAGE = ("-e", "stage=65b000000000000000000001", "--namespace", "stage", *NEEDED[4:], "--yes")
ADDED = "gitops-bridge-init/add-environment-stage"


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def protect(remote: Remote, *branches: str) -> None:
    refs = " ".join(f"refs/heads/{branch}" for branch in branches)
    hook = remote.path / "hooks" / "update"
    hook.write_text(
        f'#!/bin/sh\nfor ref in {refs}; do [ "$1" = $ref ] && '
        'echo "GH006: Protected branch update failed." >&2 && exit 1; done; exit 0\n'
    )
    hook.chmod(0o755)


def heads(remote: Remote) -> set[str]:
    return set(git(remote.path, "for-each-ref", "--format=%(refname:short)").split())


def merge(remote: Remote, branch: str) -> None:
    """As a person does it at the forge."""
    git(remote.path, "update-ref", "refs/heads/main", f"refs/heads/{branch}")


def test_an_environment_is_left_on_a_branch_to_merge(remote: Remote) -> None:
    remote.init(*NEEDED)
    before = remote.read("argocd/serving.yaml")
    protect(remote, "main")
    done = remote.init(*STAGE)

    assert list(done["commits"]) == [ADDED, "builds", "rollouts"]
    assert any("declined the push" in text for text in done["said"])
    assert f"merge {ADDED} into main by a pull request of your own" in done["said"]
    assert remote.log() == ["Set up gitops-bridge for prod"]
    assert remote.log(ADDED) == ["Add environment stage", "Set up gitops-bridge for prod"]
    assert remote.read("argocd/serving.yaml") == before
    assert ADDED not in "".join(remote.read(path, ADDED) for path in remote.files(ADDED))
    again = remote.init(*STAGE)
    assert heads(remote) == {"main", "builds", "rollouts", ADDED}
    assert again["commits"][ADDED] == done["commits"][ADDED]
    merge(remote, ADDED)
    assert remote.init(*STAGE)["changes"] == []


def test_a_set_up_is_left_on_a_branch_to_merge(remote: Remote) -> None:
    remote.commit({"src/a.py": "1\n"})
    protect(remote, "main")
    done = remote.init(*NEEDED)
    branch = "gitops-bridge-init/set-up-gitops-bridge-for-prod"
    assert done["commits"][branch] == git(remote.path, "rev-parse", branch).strip()
    assert "src/a.py" in remote.files(branch)
    assert "refs/heads/main" in remote.read("argocd/serving.yaml", branch)
    assert {"builds", "rollouts"} < heads(remote)


def test_an_upgrade_is_left_on_a_branch_to_merge(remote: Remote) -> None:
    remote.init(*NEEDED)
    remote.commit({"base/service.yaml": None, ".gitops-bridge/scaffold.yaml": older(remote)})
    protect(remote, "main")
    remote.init("--upgrade", "--yes")
    (branch,) = heads(remote) - {"main", "builds", "rollouts"}
    assert branch.startswith("gitops-bridge-init/upgrade-to-gitops-bridge-")
    assert "base/service.yaml" in remote.files(branch)


def older(remote: Remote) -> str:
    listed = documents.load_verbatim(remote.read(".gitops-bridge/scaffold.yaml"))
    del listed["files"]["base/service.yaml"]
    return documents.dump({**listed, "version": "0.0.1"})


def test_work_of_people_on_the_branch_is_not_written_over(remote: Remote) -> None:
    remote.init(*NEEDED)
    protect(remote, "main")
    remote.init(*STAGE)
    clone = remote.folder / "other"
    git(remote.folder, "clone", "--quiet", "--branch", ADDED, str(remote.path), str(clone))
    (clone / "note").write_text("ours\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Our own")
    git(clone, "push", "--quiet")
    said = remote.refused(*STAGE, "--ingress-class", "other")
    assert f"somebody has worked on the branch {ADDED}" in said


def test_where_nothing_can_be_pushed_the_first_refusal_is_told(remote: Remote) -> None:
    remote.init(*NEEDED)
    protect(remote, "main", ADDED)
    assert "branch 'main'" in remote.refused(*STAGE)


def test_a_branch_of_one_s_own_does_not_become_the_models_branch(remote: Remote) -> None:
    remote.commit({"README.md": "ours\n"})
    done = remote.init(*NEEDED, "--branch", "set-up")
    assert "merge set-up into main by a pull request of your own" in done["said"]
    assert "refs/heads/main" in remote.read("argocd/serving.yaml", "set-up")
    assert "branch:" not in remote.read("gitops-bridge.yaml", "set-up")
    assert remote.log("set-up") == ["Set up gitops-bridge for prod", "Work"]
    assert remote.log() == ["Work"]
    assert remote.init(*NEEDED, "--branch", "set-up")["changes"] == []
    merge(remote, "set-up")
    remote.init(*STAGE, "--branch", "stage")
    assert "set-up" not in remote.read("argocd/serving.yaml", "stage")
    assert remote.init(*STAGE, "--branch", "stage")["changes"] == []
    remote.init("-e", "test=65d000000000000000000001", *STAGE[2:], "--branch", "stage")
    assert remote.log("stage")[:2] == ["Add environment test", "Add environment stage"]


def test_in_an_empty_repository_the_branch_is_the_models_branch(remote: Remote) -> None:
    remote.init(*NEEDED, "--branch", "trunk")
    assert "refs/heads/trunk" in remote.read("argocd/serving.yaml", "trunk")
    assert "branch: trunk" in remote.read("gitops-bridge.yaml", "trunk")


def test_a_branch_in_the_way_is_named(remote: Remote) -> None:
    remote.commit({"README.md": "ours\n"})
    for name in ("builds/ci", "rollouts/x", "gitops-bridge"):
        git(remote.path, "branch", name, "main")
        said = remote.refused(*NEEDED)
        assert f"the branch {name!r} is in the way of" in said
        assert f"remove or rename {name}" in said
        git(remote.path, "branch", "--delete", name)


@pytest.mark.parametrize("begun", [False, True])
def test_a_repository_of_sha_256_is_told(tmp_path: Path, begun: bool) -> None:
    remote = Remote(tmp_path)
    shutil.rmtree(remote.path)
    form = ("--object-format=sha256", "--initial-branch=main")
    git(tmp_path, "init", "--quiet", "--bare", *form, str(remote.path))
    if begun:
        clone = tmp_path / "other"
        git(tmp_path, "init", "--quiet", *form, str(clone))
        git(clone, "commit", "--quiet", "--allow-empty", "--message", "Begin")
        git(clone, "push", "--quiet", str(remote.path), "HEAD:main")
    said = remote.refused(*NEEDED)
    assert "object format that is not supported" in said
    assert "SHA-1" in said


def test_a_branch_that_was_renamed_is_told(remote: Remote) -> None:
    remote.init(*NEEDED)
    (remote.folder / "gitops-bridge.yaml").write_text(remote.read("gitops-bridge.yaml"))
    git(remote.path, "branch", "--move", "main", "trunk")
    said = called(remote.folder, "doctor").stdout
    assert "has no branch 'main'" in said
    assert "trunk is the default branch now" in said


def test_a_token_makes_pull_requests_the_way_of_delivery(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(remote.path, "config", "http.receivepack", "true")
    monkeypatch.setenv("FORGE_TOKEN", "forge-token")
    with GitServer(remote.folder) as server:
        done = called(
            remote.folder, "init", server.url(remote.path.name), *NEEDED,
            "--provider", "github", "--pull-request-token-env", "FORGE_TOKEN",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = documents.load(remote.read("gitops-bridge.yaml"))
    assert written["delivery"] == "pull-request"
    assert written["pull_request"]["token"] == {"env": "FORGE_TOKEN"}


def test_pull_requests_need_a_forge(remote: Remote) -> None:
    said = remote.refused(*NEEDED, "--pull-request-token-env", "FORGE_TOKEN")
    assert "repository.url: is a local path" in said


def test_a_pull_request_is_opened_where_there_is_a_token(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.init(*NEEDED)
    forge = GitHubServer(Branches(remote.path))
    served = remote.folder / forge.remote
    served.parent.mkdir(parents=True)
    served.symlink_to(remote.path)
    git(remote.path, "config", "http.receivepack", "true")
    monkeypatch.setenv("FORGE_TOKEN", forge.token)
    with forge.running(), GitServer(remote.folder) as server:
        token = {"env": "FORGE_TOKEN"}
        settings = {"provider": "github", "api_url": forge.api_url, "token": token}
        url = server.url(forge.remote)
        text = remote.read("gitops-bridge.yaml").replace(str(remote.path), url)
        text += documents.dump({"delivery": "pull-request", "pull_request": settings})
        remote.commit({"gitops-bridge.yaml": text})
        done = called(remote.folder, "init", url, *STAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    (pull,) = forge.pulls.values()
    assert (pull.branch, pull.base, pull.title) == (ADDED, "main", "Add environment stage")
    assert "proposed: http" in done.stdout
    assert remote.log() == ["Work", "Set up gitops-bridge for prod"]
