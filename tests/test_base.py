"""base/ and its components, built by real kustomize and held against Kubernetes' own schema."""

import itertools
import re

import pytest

from gitops_bridge import documents
from tests.rendering import (
    ROOT,
    Refused,
    Repository,
    build,
    build_text,
    by_kind,
    container,
    variables,
)
from tests.strictness import check

COMPONENTS = sorted(
    path.parent.relative_to(ROOT / "base/components").as_posix()
    for path in (ROOT / "base/components").rglob("kustomization.yaml")
)
DEPRECATED = {
    "bases",
    "commonLabels",
    "imageTags",
    "patchesJson6902",
    "patchesStrategicMerge",
    "vars",
}
SHARING = ("model-package", "tracking-agent")
SPOOLER = "spooler_type=filesystem;directory=/tmp/ta;max_files=50;file_max_size=10240000"


def together(repository, *components):
    """The objects of base with these components."""
    repository.write(
        "try/kustomization.yaml",
        documents.dump(
            {
                "resources": ["../base"],
                "components": [f"../base/components/{name}" for name in components],
            }
        ),
    )
    return build(repository.folder / "try")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_base_builds_alone_and_is_valid():
    objects = by_kind(build(ROOT / "base"))
    assert set(objects) == {"Deployment", "Service"}
    for item in objects.values():
        check(item)
        assert item["metadata"]["name"] == "mlops"
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "gitops-bridge"
    assert "replicas" not in objects["Deployment"]["spec"]


@pytest.mark.parametrize("name", [name for name in COMPONENTS if not name.endswith("/monitored")])
def test_each_component_is_valid_on_base(repository, name):
    before = build(ROOT / "base")
    after = together(repository, name)
    for item in after:
        check(item)
    assert after != before


def files():
    for folder in ("base", "argocd", "overlays"):
        yield from sorted((ROOT / folder).rglob("kustomization.yaml"))


@pytest.mark.parametrize("path", list(files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_kustomizations_are_plain(path):
    """JSON 6902 only (strategic merge is slow and eats lists of custom kinds), nothing old."""
    content = documents.load(path.read_bytes())
    assert not DEPRECATED & set(content)
    assert content["apiVersion"].startswith("kustomize.config.k8s.io/")
    assert content["kind"] in {"Kustomization", "Component"}
    for patch in content.get("patches", []):
        assert set(patch) == {"target", "patch"}
        for operation in documents.load(patch["patch"]):
            assert operation["op"] in {"add", "replace", "remove", "test"}


def test_every_variable_with_a_source_keeps_its_empty_value(repository):
    """Server-side apply takes over a literal only where the empty value stands beside the source;
    kustomize must not drop it, nor may it end as null."""
    for kind in ("dedicated-model", "custom-model", "scoring-code-model"):
        objects = together(repository, kind, f"{kind}/monitored", "monitoring-agent")
        sourced = [
            variable
            for name in SHARING
            for variable in container(objects, name)["env"]
            if "valueFrom" in variable
        ]
        assert len(sourced) == 4
        assert all(variable["value"] == "" for variable in sourced)


@pytest.mark.parametrize(
    ("kind", "annotations", "plain", "monitored"),
    [
        (
            "dedicated-model",
            {"modelExecutionType": "dedicated", "modelFormat": "datarobot"},
            {"PREDICTION_API_MONITORING_ENABLED": "False"},
            {
                "PREDICTION_API_MONITORING_ENABLED": "True",
                "PREDICTION_API_MONITORING_SETTINGS": SPOOLER,
                "MLOPS_DEPLOYMENT_ID": "",
                "MLOPS_MODEL_ID": "",
            },
        ),
        (
            "custom-model",
            {"modelExecutionType": "custom_inference_model"},
            {"ADDRESS": "0.0.0.0:8080"},
            {
                "ADDRESS": "0.0.0.0:8080",
                "MONITOR": "True",
                "MONITOR_SETTINGS": SPOOLER,
                "DEPLOYMENT_ID": "",
                "MODEL_ID": "",
            },
        ),
        (
            "scoring-code-model",
            {"modelExecutionType": "dedicated", "modelFormat": "datarobotScoringCode"},
            {"ADDRESS": "0.0.0.0:8080"},
            {
                "ADDRESS": "0.0.0.0:8080",
                "MONITOR": "True",
                "MONITOR_SETTINGS": SPOOLER,
                "DEPLOYMENT_ID": "",
                "MODEL_ID": "",
            },
        ),
    ],
)
def test_model_components(repository, kind, annotations, plain, monitored):
    objects = together(repository, kind)
    server = by_kind(objects)["Deployment"]
    for metadata in (server["metadata"], server["spec"]["template"]["metadata"]):
        assert annotations == {
            key.partition("/")[2]: value
            for key, value in metadata["annotations"].items()
            if key.startswith("bosun.datarobot.com/")
        }
    assert variables(objects) == plain
    objects = together(repository, kind, f"{kind}/monitored", "monitoring-agent")
    for item in objects:
        check(item)
    assert variables(objects) == monitored


def test_drum_is_ready_when_its_model_is_loaded(repository):
    paths = {
        kind: container(together(repository, kind))["readinessProbe"]["httpGet"]["path"]
        for kind in ("dedicated-model", "custom-model", "scoring-code-model")
    }
    assert paths == {
        "dedicated-model": "/ping",
        "custom-model": "/health/",
        "scoring-code-model": "/health/",
    }


def test_monitoring_agent_shares_a_folder_and_reads_a_secret_by_name(repository):
    objects = together(repository, "dedicated-model", "monitoring-agent")
    agent = variables(objects, "tracking-agent")
    assert agent["MLOPS_API_TOKEN"] == "secret mlops-api-key/secret"
    assert "Secret" not in by_kind(objects)
    mounts = [container(objects, name)["volumeMounts"] for name in SHARING]
    assert mounts[0] == mounts[1] == [{"name": "tracking-data", "mountPath": "/tmp/ta"}]
    pod = by_kind(objects)["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "tracking-data", "emptyDir": {}}]


def test_a_container_in_front_of_the_model_server_is_refused(repository):
    """The components reach it as containers/0; on another container they must not land silently."""
    repository.write(
        "try/kustomization.yaml",
        documents.dump(
            {
                "resources": ["../base"],
                "components": ["front", "../base/components/dedicated-model"],
            }
        ),
    )
    insert = [
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0",
            "value": {"name": "proxy", "image": "proxy:1"},
        }
    ]
    repository.write(
        "try/front/kustomization.yaml",
        documents.dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1alpha1",
                "kind": "Component",
                "patches": [
                    {
                        "target": {"kind": "Deployment", "name": "mlops"},
                        "patch": documents.dump(insert),
                    }
                ],
            }
        ),
    )
    with pytest.raises(Refused, match="testing value"):
        build(repository.folder / "try")


@pytest.mark.parametrize("route", ["ingress-nginx", "ingress-openshift", "gateway-httproute"])
def test_routes_follow_a_name_suffix(repository, route):
    """kustomize does not know HTTPRoute's backends by itself: base/name-references.yaml."""
    repository.write(
        "try/kustomization.yaml",
        documents.dump(
            {
                "nameSuffix": "-x",
                "resources": ["../base"],
                "components": [f"../base/components/{name}" for name in (route, "autoscaling")],
            }
        ),
    )
    text = build_text(repository.folder / "try")
    names = re.findall(r"^ *-? ?name: (mlops.*)$", text, re.M)
    assert set(names) == {"mlops-x"} if route != "gateway-httproute" else {"mlops", "mlops-x"}
    if route == "gateway-httproute":
        spec = by_kind(documents.load_all(text))["HTTPRoute"]["spec"]
        assert spec["rules"][0]["backendRefs"] == [{"name": "mlops-x", "port": 80}]
        assert spec["parentRefs"] == [{"name": "mlops"}]


def test_no_two_components_say_the_same_twice(repository):
    """Applying parts in any order of independent ones gives the same objects."""
    parts = ("ingress-nginx", "autoscaling", "disruption-budget")
    rendered = [
        sorted(map(str, together(repository, "dedicated-model", *order)))
        for order in itertools.permutations(parts)
    ]
    assert all(objects == rendered[0] for objects in rendered)
