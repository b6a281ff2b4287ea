"""A team's GitOps repository as `init` leaves it, in a bare repository on this machine."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from gitops_bridge import agent
from gitops_bridge.controller import handle, open_context

TOP = Path(__file__).resolve().parent.parent
ENVIRONMENT_ID = "65a000000000000000000001"
DEPLOYMENT = "65a000000000000000000010"
MODEL_A = "65a000000000000000000020"
MODEL_B = "65a000000000000000000021"
PACKAGE = "65d000000000000000000020"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Jane Doe",
    "GIT_AUTHOR_EMAIL": "jane@example.com",
    "GIT_COMMITTER_NAME": "Jane Doe",
    "GIT_COMMITTER_EMAIL": "jane@example.com",
}


def git(folder: Path, *arguments: str, **environ: str) -> str:
    """Run git as a person would."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **IDENTITY, **environ},
    ).stdout  # fmt: skip


@functools.cache
def _set_up(environments: tuple[str, ...]) -> tempfile.TemporaryDirectory[str]:
    """A repository and a clone of it, for every team of this process to copy: few files, since
    making or copying many is most of what a set-up takes."""
    kept = tempfile.TemporaryDirectory()
    folder = Path(kept.name)
    remote, clone = folder / "remote.git", folder / "clone"
    made = ["--quiet", "--template="]
    git(folder, "init", *made, "--bare", "--initial-branch=main", str(remote))
    git(folder, "clone", *made, str(remote), str(clone))
    git(clone, "checkout", "--quiet", "-B", "main")
    shutil.copytree(TOP / "base", clone / "base")
    for name in environments:
        target = clone / "overlays" / name / "environment"
        shutil.copytree(TOP / "overlays" / "example" / "environment", target)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Set up")
    git(clone, "push", "--quiet", "origin", "main")
    for repository in (remote, clone):
        git(repository, "repack", "-adq")
        git(repository, "prune-packed", "--quiet")
    (remote / "hooks").mkdir()
    git(remote, "branch", "rollouts", orphan(remote, "Rollouts"))
    return kept


def orphan(remote: Path, message: str) -> str:
    """A commit without a parent and without files, as `init` begins a branch of its own."""
    tree = git(remote, "hash-object", "-t", "tree", "-w", "/dev/null").strip()
    return git(remote, "commit-tree", "-m", message, tree).strip()


@functools.cache
def _seen_before(environments: tuple[str, ...]) -> tempfile.TemporaryDirectory[str]:
    """A team whose first actions have been carried out once: kustomize need not render them for
    every other team anew, as on a host that has seen them before."""
    kept = tempfile.TemporaryDirectory()
    team = Team(Path(kept.name), environments, new_host=True)
    for action, info in (
        ("deployment_start", {}),
        ("deployment_replace_model", {"newModelId": MODEL_B}),
    ):
        request = agent.read_request(action, action_file(team.folder, **info))
        handle(open_context(agent.read_config(team.config), os.environ), request)
    return kept


class Team:
    """The repository, a person's clone of it and the bridge's configuration. On a new host nothing
    was rendered before."""

    def __init__(
        self, folder: Path, environments: tuple[str, ...] = ("prod",), *, new_host: bool = False
    ) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        self.clone = folder / "clone"
        made = _set_up(environments).name
        shutil.copytree(made, folder, dirs_exist_ok=True)
        config = self.clone / ".git" / "config"
        config.write_text(config.read_text().replace(made, str(folder)))
        self.config = folder / "gitops-bridge.yaml"
        self.write_config(environments)
        if not new_host:
            rendered = Path(_seen_before(environments).name) / "cache" / "rendered"
            shutil.copytree(rendered, folder / "cache" / "rendered")

    def write_config(self, environments: tuple[str, ...] = ("prod",), **repository: object) -> None:
        config = {
            "repository": {
                "url": str(self.remote), "cache": str(self.folder / "cache"), **repository,
            },
            "environments": {
                f"{ENVIRONMENT_ID[:-1]}{index + 1}": {
                    "name": name,
                    "namespace": f"mlserve-{name}",
                    "prediction_url": "https://predictions.example.com/deployments",
                }
                for index, name in enumerate(environments)
            },
        }  # fmt: skip
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")

    def commit(self, message: str) -> str:
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", message)
        return self.head()

    def head(self) -> str:
        return git(self.clone, "rev-parse", "HEAD").strip()

    def pull(self) -> None:
        git(self.clone, "pull", "--quiet", "--ff-only", "origin", "main")

    def push(self) -> None:
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")

    def state(self, deployment: str = DEPLOYMENT, environment: str = "prod") -> dict[str, Any]:
        """What the branch `rollouts` says of a deployment; settled where it says nothing."""
        path = f"rollouts:{environment}/{deployment}.yaml"
        found = subprocess.run(
            ["git", "show", path], cwd=self.remote, capture_output=True, text=True
        )
        return yaml.safe_load(found.stdout) if found.returncode == 0 else {"phase": "settled"}

    def phase(self, deployment: str = DEPLOYMENT) -> str:
        return str(self.state(deployment)["phase"])

    def log(self, *arguments: str) -> list[str]:
        """The subjects on the remote's main, newest first."""
        return git(self.remote, "log", "--format=%s", *arguments, "main").splitlines()


def action_file(folder: Path, **changes: object) -> Path:
    """A realistic action file; `changes` go into deploymentInfo, None removes a key. Every model
    comes in a package of its own, as an agent says it that sends modelPackageDetails."""
    model = str(changes.get("newModelId") or changes.get("modelId") or MODEL_A)
    package = folder / f"package-{hashlib.sha256(model.encode()).hexdigest()[:8]}.json"
    package.write_text(json.dumps({"id": f"65d{model[3:]}" if model.isalnum() else PACKAGE}))
    info: dict[str, object] = {
        "id": DEPLOYMENT,
        "name": "churn",
        "description": "",
        "modelId": MODEL_A,
        "modelExecutionType": "dedicated",
        "modelFormat": "datarobot",
        "modelArtifact": "/tmp/scratch/model.mlpkg",
        "modelPackageDetails": str(package),
        "keyValueConfig": {},
        **changes,
    }
    document = {
        "pluginConfig": {
            "MLOPS_BOSUN_PRED_ENV_TYPE": "ExternalCommand",
            "MLOPS_BOSUN_PRED_ENV_PLATFORM": "os",
            "MLOPS_BOSUN_PRED_ENV_ID": ENVIRONMENT_ID,
            "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING": False,
        },
        "peInfo": {
            "id": ENVIRONMENT_ID, "name": "prod", "deployments": [DEPLOYMENT], "keyValueConfig": {},
        },
        "deploymentInfo": {key: value for key, value in info.items() if value is not None},
    }  # fmt: skip
    path = folder / f"action-{len(list(folder.glob('action-*')))}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
