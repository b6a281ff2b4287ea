"""`gitops-bridge demo`: actions become commits, shown on this machine with nothing but git.

It plays both parts at a terminal: the management agent that calls `gitops-bridge run` with action
files, and a person who clones, reads and reverts. Every command shown is the command that ran.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from gitops_bridge import documents
from gitops_bridge.cli import EXIT_PROBLEM

ENVIRONMENT = "65a000000000000000000001"
DEPLOYMENT = "65a000000000000000000010"
MODEL_1, MODEL_2 = "65a000000000000000000020", "65a000000000000000000021"
HOME = f"overlays/prod/{DEPLOYMENT}"
_PLUGIN_CONFIG = {
    "ppsResources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "6Gi"}},
    "ppsCpuUtilizationPercent": 70,
}
_WIDTH = 88


@click.command()
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False),
    help="A new folder to play in and leave behind; default: a temporary one, removed at the end.",
)  # fmt: skip
def demo(keep: Path | None) -> None:
    """See actions become commits, on this machine alone.

    A bare Git repository stands for the team's; the action files are as the management agent
    writes them. Shown are the commits, their small diffs, a person's git revert that stays, and
    what kustomize renders.
    """
    if keep is not None:
        keep.mkdir(parents=True)
        _Stage(keep.resolve()).play()
        click.echo(f"\nEverything is in {keep}: models.git, clone/, action files, status files.")
        return
    with tempfile.TemporaryDirectory(prefix="gitops-bridge-demo-") as folder:
        _Stage(Path(folder).resolve()).play()


class _Stage:
    """A folder with the team's repository, a person's clone and the agent's files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clone = folder / "clone"
        person = {"NAME": "Jane Doe", "EMAIL": "jane@example.com"}
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            **{f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER")
               for key, text in person.items()},
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PAGER": "cat",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }  # fmt: skip

    def play(self) -> None:
        self._set_up()
        _chapter("DataRobot starts the deployment", "The first commit holds its whole overlay.")
        self._agent("deployment_start")
        self._git("pull", "--quiet")
        self._git("show", "--stat", "--format=medium")
        _chapter("DataRobot replaces the model", "One commit; what a reviewer reads is this small.")
        self._agent("deployment_replace_model", newModelId=MODEL_2)
        self._git("pull", "--quiet")
        self._git(
            "show", "--format=medium", "--unified=0", "--", f"{HOME}/model/kustomization.yaml"
        )
        _chapter("DataRobot scales, then relaunches", "Settings and restarts are commits as well.")
        scaled = {"minReplicas": "2", "maxReplicas": "4"}
        self._agent("deployment_start", modelId=MODEL_2, keyValueConfig=scaled)
        self._agent("deployment_relaunch", modelId=MODEL_2, keyValueConfig=scaled)
        self._git("pull", "--quiet")
        self._revert(scaled)
        _chapter("What Argo CD would apply", "Rendered by the bundled kustomize.")
        self._rendered()
        _chapter("DataRobot stops the deployment", "The folder goes; Argo CD prunes what it made.")
        self._agent("deployment_stop", modelId=MODEL_2)
        self._git("pull", "--quiet")
        _chapter("The audit log is git log", "")
        self._git("log", "--format=%C(yellow)%h%Creset %<(14,trunc)%an %s")

    def _set_up(self) -> None:
        _chapter("A repository for models", "init writes base/, argocd/ and an environment.")
        plugin = documents.dump(_PLUGIN_CONFIG)
        (self._folder / "plugin.yaml").write_text(plugin, encoding="utf-8")
        click.secho("plugin.yaml, settings of the built-in plugin, become Kustomize:", dim=True)
        click.echo(plugin)
        self._run(["git", "init", "--quiet", "--bare", "--initial-branch=main", "models.git"])
        self._bridge(
            "init", "models.git", "--environment", f"prod={ENVIRONMENT}",
            "--namespace", "mlserve-prod",
            "--prediction-url", "https://predictions.example.com/deployments",
            "--image-repository", "registry.example.com/mlops/models",
            "--pps-image", "registry.example.com/datarobot/pps:11.2.1",
            "--bridge-image", "registry.example.com/mlops/gitops-bridge:0.1.0",
            "--plugin-config", "plugin.yaml",
            show_output=False,
        )  # fmt: skip
        self._run(["git", "clone", "--quiet", "models.git", "clone"])
        self._git("ls-tree", "--name-only", "HEAD")
        config = (self._clone / "gitops-bridge.yaml").read_text(encoding="utf-8")
        (self._folder / "gitops-bridge.yaml").write_text(config, encoding="utf-8")

    def _revert(self, scaled: Mapping[str, str]) -> None:
        _chapter("A person reverts the relaunch", "With git alone, and it stays reverted:")
        self._git("revert", "--no-edit", "HEAD")
        self._git("push", "--quiet", "origin", "main")
        click.echo("\nThe agent sends the same action again. It is held:\n")
        self._agent("deployment_relaunch", modelId=MODEL_2, keyValueConfig=scaled)

    def _rendered(self) -> None:
        from gitops_bridge.kustomize import find

        text = find(self._environment.get("PATH")).build_folder(self._clone, HOME)
        click.secho(f"$ kustomize build {HOME}", bold=True)
        for item in documents.load_all(text):
            click.secho(f"{item['kind']:<24}{item['metadata']['name']}", fg="cyan")
            for container in (
                item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
            ):
                click.echo(f"    {container['name']}: {container['image']}")

    def _agent(self, action: str, **changes: object) -> None:
        """Call the bridge as the management agent does, and show the status it gets back."""
        number = len(list(self._folder.glob("action-*.yaml"))) + 1
        file = self._folder / f"action-{number}.yaml"
        file.write_text(documents.dump(_action(changes)), encoding="utf-8")
        self._bridge(
            "run", "--action", action, "--config", file.name, "--status-file", "status.yaml",
            "--log-level", "ERROR",
        )  # fmt: skip
        status = documents.load((self._folder / "status.yaml").read_bytes())
        colour = {"passing": "green", "warning": "yellow"}.get(status["status"], "red")
        click.secho(f"{status['status']}, {status['state']}: ", fg=colour, nl=False)
        click.echo(status["msg"])
        if colour == "red":
            sys.exit(EXIT_PROBLEM)

    def _git(self, *arguments: str) -> None:
        colour = ["-c", "color.ui=always"] if sys.stdout.isatty() else []
        self._run(["git", *colour, *arguments], self._clone, shown=["git", *arguments])

    def _bridge(self, *arguments: str, show_output: bool = True) -> None:
        command = [sys.executable, "-m", "gitops_bridge", *arguments]
        shown = ["gitops-bridge", *arguments]
        self._run(command, self._folder, shown=shown, show_output=show_output)

    def _run(
        self,
        command: list[str],
        folder: Path | None = None,
        *,
        shown: list[str] | None = None,
        show_output: bool = True,
    ) -> None:
        quiet = "--quiet" in command and command[0] == "git" and "pull" in command
        if not quiet:
            click.secho(f"$ {shlex.join(shown or command)}", bold=True)
        finished = subprocess.run(
            command, cwd=folder or self._folder, env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if show_output or finished.returncode:
            click.echo(finished.stdout, nl=False)
        if finished.returncode:
            sys.exit(EXIT_PROBLEM)


def _chapter(title: str, explained: str) -> None:
    click.echo()
    click.secho(f"── {title} ".ljust(_WIDTH, "─"), fg="cyan", bold=True)
    if explained:
        click.secho(explained, dim=True)
    click.echo()


def _action(changes: Mapping[str, object]) -> dict[str, object]:
    """An action file as the management agent of datarobot-bosun 11.2 writes it."""
    return {
        "pluginConfig": {
            "MLOPS_BOSUN_PRED_ENV_TYPE": "ExternalCommand",
            "MLOPS_BOSUN_PRED_ENV_PLATFORM": "os",
            "MLOPS_BOSUN_PRED_ENV_ID": ENVIRONMENT,
            "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING": False,
        },
        "peInfo": {"id": ENVIRONMENT, "name": "prod", "deployments": [DEPLOYMENT]},
        "deploymentInfo": {
            "id": DEPLOYMENT,
            "name": "churn",
            "modelId": MODEL_1,
            "modelExecutionType": "dedicated",
            "modelFormat": "datarobot",
            "modelArtifact": f"/tmp/model_{MODEL_1}.mlpkg",  # noqa: S108 - where the agent puts it
            "keyValueConfig": {},
            **changes,
        },
    }
