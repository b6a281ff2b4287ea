"""`gitops-bridge demo`: actions become commits, shown on this machine with nothing but git.

It plays both parts at a terminal: the management agent that calls `gitops-bridge run` with action
files, and a person who clones, reads and reverts. Every command shown is the command that ran.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gitops_bridge import documents
from gitops_bridge.cli import EXIT_PROBLEM, stand_in

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
@click.option(
    "--registry", metavar="HOST:PORT",
    help="A registry that may be written to: images are made there and delivered by digest.",
)  # fmt: skip
def demo(keep: Path | None, registry: str | None) -> None:
    """See actions become commits, on this machine alone.

    A bare Git repository stands for the team's; the action files are as the management agent
    writes them. Shown are the commits, their small diffs, a person's git revert that stays, and
    what kustomize renders.

    With a registry, say docker-registry on localhost:5000, each model's image is made there as its
    build Job would make it, and the rollout waits for the digest.
    """
    if keep is not None:
        keep.mkdir(parents=True)
        _Stage(keep.resolve(), registry).play()
        click.echo(f"\nEverything is in {keep}: models.git, clone/, action files, status files.")
        return
    with tempfile.TemporaryDirectory(prefix="gitops-bridge-demo-") as folder:
        _Stage(Path(folder).resolve(), registry).play()


class _Stage:
    """A folder with the team's repository, a person's clone and the agent's files."""

    def __init__(self, folder: Path, registry: str | None) -> None:
        self._folder = folder
        self._registry = registry
        self._images = registry or "registry.example.com"
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
        self._built("The image comes from a build Job on the branch `builds`, written once.")
        self._git("pull", "--quiet")
        self._git("show", "--stat", "--format=medium")
        _chapter("DataRobot replaces the model", "One commit; what a reviewer reads is this small.")
        self._agent("deployment_replace_model", newModelId=MODEL_2)
        self._built("A Job for the new model as well:")
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
            "--image-repository", f"{self._images}/mlops/models",
            "--pps-image", f"{self._images}/datarobot/pps:11.2.1",
            "--bridge-image", f"{self._images}/mlops/gitops-bridge:0.1.0",
            "--plugin-config", "plugin.yaml",
            *(["--builder", "append"] if self._registry else []),
            show_output=False,
        )  # fmt: skip
        self._run(["git", "clone", "--quiet", "models.git", "clone"])
        self._git("ls-tree", "--name-only", "HEAD")
        config = (self._clone / "gitops-bridge.yaml").read_text(encoding="utf-8")
        if self._registry:
            config += documents.dump({"build": {"gate": "registry"}, "actions": {"budget": 1}})
            stand_in.push(f"{self._registry}/datarobot/pps:11.2.1")
            stand_in.write_model(self._folder / "model.mlpkg")
        (self._folder / "gitops-bridge.yaml").write_text(config, encoding="utf-8")

    def _built(self, explained: str) -> None:
        """Show the newest Job; with a registry, do what it would do in the cluster."""
        click.echo()
        click.secho(explained, dim=True)
        self._git("fetch", "--quiet", "origin")
        self._git("log", "-1", "--stat=88", "--format=%C(yellow)%h%Creset %s", "origin/builds")
        if not self._registry:
            return
        click.secho("\nIn the cluster Argo CD runs it; here the same two commands do:", dim=True)
        path = self._read("diff", "--name-only", "origin/builds~1", "origin/builds").split()[0]
        told = _arguments(documents.load(self._read("show", f"origin/builds:{path}")))
        workspace = f"workspace-{told['--content-key'][:10]}"
        shared = [f"{flag}={told[flag]}" for flag in ("--content-key", "--pps-image")]
        self._bridge(
            "fetch-model", "--source", str(self._folder / "model.mlpkg"), "--out", workspace,
            *shared, f"--model-package-id={told['--model-package-id']}",
            "--execution-type=dedicated", "--format=datarobot",
            show_output=False,
        )  # fmt: skip
        self._bridge(
            "append-model", "--context", workspace, *shared,
            f"--destination={told['--destination']}",
        )  # fmt: skip
        self._bridge("reconcile")

    def _read(self, *arguments: str) -> str:
        """What git prints in the person's clone, not shown."""
        return subprocess.run(
            ["git", *arguments], cwd=self._clone, env=self._environment, text=True,
            stdout=subprocess.PIPE, check=True,
        ).stdout  # fmt: skip

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
        model = str(changes.get("newModelId") or changes.get("modelId") or MODEL_1)
        details = self._folder / f"package-{model}.json"
        package = {"id": f"{model[:-2]}9{model[-1]}", "target": {"name": "churned"}}
        details.write_text(json.dumps(package), encoding="utf-8")
        action_file = _action({"modelPackageDetails": details.name, **changes})
        file.write_text(documents.dump(action_file), encoding="utf-8")
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
        quiet = command[0] == "git" and "--quiet" in command and {"pull", "fetch"} & {*command}
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


def _arguments(job: Mapping[str, Any]) -> dict[str, str]:
    """The flags of a build Job's containers by name."""
    pod = job["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    flags = [argument for item in containers for argument in item.get("args", [])]
    return dict(flag.split("=", 1) for flag in flags if "=" in flag)


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
