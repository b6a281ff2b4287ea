"""An action whose change would not hold commits nothing and says why."""

import copy

import pytest
import yaml

from gitops_bridge.desired.effect import effect
from gitops_bridge.desired.overlay import seams
from gitops_bridge.desired.proof import manifests, moved_outside, problems
from gitops_bridge.desired.reach import refuse_reach, removed_overlays
from gitops_bridge.errors import RenderError
from tests.cli import act, bridge
from tests.team import DEPLOYMENT, MODEL_B, git

SERVING = "overlays/prod/environment/serving/kustomization.yaml"
HOME = f"overlays/prod/{DEPLOYMENT}"
PATCH = """- target: {{kind: {kind}, name: mlops}}
  patch: |-
    - op: {op}
      path: {path}
      value: {value}
"""


def serving_patch(team, op, path, value, kind="Deployment"):
    """The platform team adds a patch that renders and does harm."""
    file = team.clone / SERVING
    file.write_text(
        file.read_text().rstrip()
        + "\n  "
        + PATCH.format(op=op, path=path, value=value, kind=kind).replace("\n", "\n  ")
    )
    team.commit("A patch with a flaw")
    team.push()


POD = "/spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("op", "path", "value", "told"),
    [
        ("replace", f"{POD}/image", "elsewhere/other:1", "image model-image"),
        (
            "add",
            "/spec/template/metadata/annotations/build",
            "650000000000000000000001",
            "not text",
        ),
        ("add", f"{POD}/env/-", "{name: NUMBER, value: 12}", "put it in quotes"),
        ("replace", f"{POD}/name", "server", "does not render"),
        ("add", f"{POD}/env/-", "text", "environment/serving does not render"),
        ("replace", f"{POD}/env", "{NAME: value}", "env of container model-package holds"),
    ],
)
def test_a_change_that_would_not_hold_is_refused(team, op, path, value, told):
    team.pull()
    serving_patch(team, op, path, value)
    status = act(team, "deployment_start")
    assert status["status"] == "failing"
    assert told in status["msg"]
    assert "overlays/prod/" in status["msg"]
    assert "probe" not in status["msg"]
    assert team.log()[0] == "A patch with a flaw"


def test_an_environment_whose_routes_all_share_one_address(team):
    team.pull()
    serving_patch(team, "replace", "/spec/rules/0/http/paths/0/path", "/same", kind="Ingress")
    assert "share one address" in act(team, "deployment_start")["msg"]


@pytest.mark.parametrize("part", ["serving", "builder"])
def test_a_part_of_the_environment_that_a_person_removed(team, part):
    folder = f"overlays/prod/environment/{part}"
    team.pull()
    git(team.clone, "rm", "-r", "--quiet", folder)
    team.commit("Tidy up")
    team.push()
    said = act(team, "deployment_start")["msg"]
    assert said.startswith(f"the repository has no {folder} (git revert")


def test_an_autoscaler_without_cpu_requests(team):
    team.pull()
    serving_patch(team, "replace", f"{POD}/resources", "{}")
    scaled = {"minReplicas": "2", "maxReplicas": "4"}
    status = act(team, "deployment_start", keyValueConfig=scaled)
    assert "requests no cpu" in status["msg"]
    assert act(team, "deployment_start")["status"] == "passing"


def test_a_broken_overlay_of_a_person_is_told_and_left_alone(team):
    act(team, "deployment_start")
    team.pull()
    theirs = team.clone / HOME / "kustomization.yaml"
    theirs.write_text("kind: [")
    team.commit("Oops")
    team.push()
    status = act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert status["status"] == "failing"
    assert f"{HOME}/kustomization.yaml" in status["msg"]
    assert team.log()[0] == "Oops"


def theirs(team, **files):
    """A person writes files into the overlay, `kustomization` behind what stands there."""
    act(team, "deployment_start")
    team.pull()
    folder = team.clone / HOME
    with (folder / "kustomization.yaml").open("a") as kustomization:
        kustomization.write(files.pop("kustomization"))
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    team.commit("Objects of our own")
    team.push()


def test_a_generated_config_map_is_the_deployments_own(team):
    theirs(
        team,
        kustomization="configMapGenerator:\n- {name: settings, literals: [a=b]}\n"
        "generatorOptions: {labels: {team: fraud}}\n",
    )
    status = act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert status["status"] == "passing", status["msg"]
    assert "0 with problems" in bridge(team, "check", team.clone).stdout


def test_an_autoscaler_of_a_person_that_scales_nothing(team):
    scaler = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: own}}"
    theirs(team, kustomization="", own=scaler)
    kustomization = team.clone / HOME / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("base\n", "base\n  - own.yaml\n", 1))
    team.commit("An autoscaler")
    team.push()
    status = act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert f"HorizontalPodAutoscaler own-{DEPLOYMENT}: no Deployment None" in status["msg"]


def test_objects_of_others_may_not_move():
    ours = {
        "kind": "A",
        "metadata": {"name": "x", "labels": {"bosun.datarobot.com/deployment": "d"}},
    }
    foreign = {"kind": "B", "metadata": {"name": "y", "namespace": "n"}}
    assert moved_outside([ours, foreign], [foreign], "d") == []
    assert "B n/y" in moved_outside([foreign], [], "d")[0]
    assert "B n/y" in moved_outside([foreign], [{**foreign, "spec": 1}], "d")[0]


@pytest.mark.parametrize("path", ["base/x", "overlays/prod/other/x", "overlays/prod/abcd/x", "."])
def test_a_change_may_not_leave_its_folder(path):
    with pytest.raises(RenderError, match="outside overlays/prod/abc"):
        refuse_reach({"overlays/prod/abc/f": b"", path: b""}, "overlays/prod/abc", 3)


def test_removing_many_overlays_is_refused():
    paths = [f"overlays/prod/{name}" for name in "abcd"]
    with pytest.raises(RenderError, match="4 deployments would go at once"):
        refuse_reach(dict.fromkeys(paths), "overlays", 3)
    refuse_reach(dict.fromkeys(paths), "overlays", 4)


def test_what_counts_as_a_removed_overlay():
    assert removed_overlays(
        [
            "overlays/p/a/kustomization.yaml",
            "overlays/p/b/model/record.yaml",
            "base/x",
            "overlays/p/c",
        ]
    ) == {"overlays/p/a", "overlays/p/c"}
    assert removed_overlays(["overlays/p/environment/serving/kustomization.yaml"]) == set()


LABELS = {"bosun.datarobot.com/deployment": "65a0"}
CONTAINER = {
    "name": "model-package",
    "image": "registry/model:1",
    "resources": {"requests": {"cpu": "1"}},
    "env": [{"name": "A", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
}
OBJECTS = [
    {
        "kind": "Deployment",
        "metadata": {"name": "mlops-65a0", "labels": LABELS, "annotations": {"a": "b"}},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"a": "b"}},
                "spec": {"initContainers": [CONTAINER], "containers": [CONTAINER]},
            },
        },
    },
    {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mlops-65a0", "labels": LABELS},
        "spec": {"scaleTargetRef": {"name": "mlops-65a0"}},
    },
    {"kind": "Ingress", "metadata": {"name": "mlops-65a0"}, "spec": {"rules": [{"host": "h"}]}},
]


def places(node, path=()):
    if path:
        yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("made", ["text", [], ["x"], [None], None, 1, True, {"k": None}], ids=str)
def test_whatever_a_patch_makes_of_an_object_is_told_not_a_fault(made):
    for *parents, last in places(OBJECTS):
        objects = copy.deepcopy(OBJECTS)
        holder = objects
        for step in parents:
            holder = holder[step]
        holder[last] = made
        text = yaml.safe_dump_all(objects, sort_keys=False)
        try:
            found = manifests(text, "here")
            problems(
                found, deployment="65a0", image="registry/model:1",
                kustomizations=[{"images": [{"name": "registry/model"}, made]}],
            )  # fmt: skip
            effect(OBJECTS, found)
            seams(found)
        except RenderError:
            pass
