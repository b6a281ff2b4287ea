"""`gitops-bridge demo`: a model is replaced, reviewed, reverted and stays reverted, all on this
machine.

It plays both parts at a terminal: the management agent that calls `gitops-bridge run` with action
files, and a person who reads and reverts. Every command shown is the command that ran.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gitops_bridge import documents
from gitops_bridge.actions import Action
from gitops_bridge.cli import sample
from gitops_bridge.cli.demo import page, stand_in
from gitops_bridge.cli.demo.stage import Stage, chapter, explain, paragraph

_HOME = f"overlays/prod/{sample.DEPLOYMENT}"
_PLUGIN_CONFIG = {"ppsResources": {"requests": {"cpu": "1", "memory": "4Gi"}}}


@click.command()
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False),
    help="A new folder to play in and leave behind; by default a temporary one.",
)  # fmt: skip
@click.option(
    "--registry", metavar="HOST:PORT",
    help="A registry that may be written to: images are made there and delivered by digest.",
)  # fmt: skip
def demo(keep: Path | None, registry: str | None) -> None:
    """See actions become commits, on this machine alone.

    A bare Git repository stands for the team's; the action files are as the management agent
    writes them. A model is started and replaced, a person reverts the replacement with git, and
    the same action, sent again, is held.

    With a registry, say docker-registry on localhost:5000, each model's image is made there as its
    build Job would make it, and the rollout waits for the digest.
    """
    if keep is not None:
        keep.mkdir(parents=True)
        _play(Stage(keep.resolve()), registry)
        _what_next(keep)
        return
    with tempfile.TemporaryDirectory(prefix="gitops-bridge-demo-") as folder:
        _play(Stage(Path(folder).resolve()), registry)
    _what_next(None)


def _play(stage: Stage, registry: str | None) -> None:
    _set_up(stage, registry)

    chapter("DataRobot starts a deployment", "One commit: the overlay that Argo CD syncs.")
    _act(stage, Action.DEPLOYMENT_START)
    _build(stage, registry)
    stage.git("log", "-1", "--stat=72,60", "--format=%h %an: %s")

    chapter("DataRobot replaces the model", "What reviewers see where rollouts are reviewed:")
    _review(stage, Action.DEPLOYMENT_REPLACE_MODEL)
    explain("\nHere nobody reviews. Again it is one commit, and this is all of its effect:")
    _act(stage, Action.DEPLOYMENT_REPLACE_MODEL)
    _build(stage, registry)
    stage.git("log", "-1", "--format=%h %an: %s%n%n%b")
    stage.git("diff", "--relative", "--unified=0", "HEAD~1", "--", "model/kustomization.yaml")

    chapter("A person takes it back", "With git alone. The earlier model returns at once:")
    stage.git("revert", "--no-edit", "HEAD")
    stage.git("push", "--quiet", "origin", "main")
    stage.git("diff", "--relative", "--unified=0", "HEAD~1", "--", "model/kustomization.yaml")

    chapter("DataRobot asks for the same again", "The person's decision stands: it is held.")
    _act(stage, Action.DEPLOYMENT_REPLACE_MODEL)
    chapter("What happened, from Git alone", "")
    stage.bridge("history", "churn")
    chapter("What Argo CD applies", "Rendered by kustomize.")
    _show_manifests(stage)


def _set_up(stage: Stage, registry: str | None) -> None:
    chapter("A repository for models", "init writes base/, argocd/ and an environment.")
    plugin = stage.folder / "plugin.yaml"
    plugin.write_text(documents.dump(_PLUGIN_CONFIG), encoding="utf-8")
    images = registry or "registry.example.com"
    stage.run("git", "init", "--quiet", "--bare", "--initial-branch=main", "models.git")
    stage.bridge(
        "init", "models.git", "--yes", "--environment", f"prod={sample.ENVIRONMENT}",
        "--namespace", "mlserve-prod",
        "--prediction-url", "https://predictions.example.com/deployments",
        "--image-repository", f"{images}/mlops/models",
        "--pps-image", f"{images}/datarobot/pps:11.2.1",
        "--bridge-image", f"{images}/mlops/gitops-bridge:0.1.0",
        "--plugin-config", "plugin.yaml",
        *(["--builder", "append"] if registry else []),
        show_output=False,
    )  # fmt: skip
    stage.run("git", "clone", "--quiet", "models.git", "clone")
    config = (stage.folder / "clone" / "gitops-bridge.yaml").read_text(encoding="utf-8")
    if registry:
        config += documents.dump({"build": {"gate": "registry"}, "actions": {"budget": 1}})
        stand_in.push(f"{registry}/datarobot/pps:11.2.1")
        stand_in.write_model(stage.folder / "model.mlpkg")
    (stage.folder / "gitops-bridge.yaml").write_text(config, encoding="utf-8")
    stage.run("git", "-C", "clone", "ls-tree", "--name-only", "HEAD")
    stage.work_in(f"clone/{_HOME}")


def _review(stage: Stage, action: Action) -> None:
    """Show the pull request that the action would be proposed with."""
    file = _action_file(stage, action)
    shown = stage.bridge("plan", "--pull-request", file, show_output=False)
    title, _, body = shown.partition("\n")[2].partition("\n")
    click.secho(title, fg="cyan", bold=True)
    for line in page.lines(body):
        click.echo(line)


def _act(stage: Stage, action: Action) -> None:
    """Call the bridge as the management agent does, and show the status it gets back."""
    stage.bridge(
        "run", "--action", action.value, "--config", _action_file(stage, action),
        "--status-file", "status.yaml", "--log-level", "ERROR",
    )  # fmt: skip
    status = documents.load((stage.folder / "status.yaml").read_bytes())
    colour = {"passing": "green", "warning": "yellow"}.get(status["status"], "red")
    paragraph(f"{status['status']}, {status['state']}: {status['msg']}", colour)
    if colour == "red":
        stage.fail()
    stage.pull()


def _action_file(stage: Stage, action: Action) -> str:
    """Write the file that the agent would write, and return its name."""
    file, details = f"{action.value}.yaml", f"package-{action.value}.json"
    package = "65a000000000000000000031" if "replace" in action.value else sample.PACKAGE
    _write_json(stage.folder / details, {"id": package, "target": {"name": "churned"}})
    changes = {"modelPackageDetails": details, "keyValueConfig": {}}
    document = sample.action_file(action, changes)
    (stage.folder / file).write_text(documents.dump(document), encoding="utf-8")
    return file


def _write_json(path: Path, data: Mapping[str, object]) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


def _build(stage: Stage, registry: str | None) -> None:
    """Show the newest Job; with a registry, do what it would do in the cluster."""
    explain("\nThe image comes from a Job on the branch `builds`:")
    stage.git("log", "-1", "--stat=72,60", "--format=%h %an: %s", "origin/builds")
    if not registry:
        return
    explain("\nArgo CD runs the Job in the cluster. Here its two commands run now:")
    path = stage.read("diff", "--name-only", "origin/builds~1", "origin/builds").split()[0]
    told = _arguments(documents.load(stage.read("show", f"origin/builds:{path}")))
    workspace = f"workspace-{told['--content-key'][:10]}"
    shared = [f"{flag}={told[flag]}" for flag in ("--content-key", "--pps-image")]
    stage.bridge(
        "fetch-model", "--source", str(stage.folder / "model.mlpkg"), "--out", workspace,
        *shared, f"--model-package-id={told['--model-package-id']}",
        "--execution-type=dedicated", "--format=datarobot",
        show_output=False,
    )  # fmt: skip
    stage.bridge(
        "append-model", "--context", workspace, *shared, f"--destination={told['--destination']}"
    )
    stage.bridge("reconcile")
    stage.pull()


def _arguments(job: Mapping[str, Any]) -> dict[str, str]:
    """The flags of a build Job's containers by name."""
    pod = job["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    flags = [argument for item in containers for argument in item.get("args", [])]
    return dict(flag.split("=", 1) for flag in flags if "=" in flag)


def _show_manifests(stage: Stage) -> None:
    from gitops_bridge.kustomize import find

    clone = stage.folder / "clone"
    text = find(stage.environment["PATH"]).build_folder(clone, _HOME)
    click.secho(f"$ kustomize build {_HOME}", bold=True)
    for item in documents.load_all(text):
        click.echo(f"{item['kind']:<20} {item['metadata']['name']}")


def _what_next(kept: Path | None) -> None:
    chapter("What next", "")
    if kept:
        click.echo(f"All of it is in {kept}: models.git, clone/, action and status files.\n")
    click.echo(
        "Your own repository, with questions for what it needs to know:\n"
        "  gitops-bridge init https://git.example.com/ml/models.git\n"
        "What the first rollout will need, checked one by one:\n"
        "  gitops-bridge doctor\n"
        "To keep a demo and look around in it:\n"
        "  gitops-bridge demo --keep DIRECTORY"
    )
