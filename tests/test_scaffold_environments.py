"""Settings to an environment's folder, and Argo CD's files with its environments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_bridge import documents
from gitops_bridge.config import Repository
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import argocd, environments, shipped
from gitops_bridge.scaffold.answers import Answers, Environment, Told, checked, environment
from gitops_bridge.scaffold.checks import Unfit
from gitops_bridge.scaffold.importing import File, helm_values, plugin_config
from gitops_bridge.scaffold.keys import AUTOSCALING, BUILDER, MONITORING, PLUGIN_KEYS, SERVING
from gitops_bridge.scaffold.steps import next_steps

MINIMAL = {
    "MLOPS_BOSUN_PRED_ENV_ID": "65a000000000000000000001",
    "kubeNamespace": "mlops-prod",
    "outfacingPredictionURLPrefix": "https://models.example.com/deployments/",
    "generatedImageRepo": "registry.example.com/mlops/models",
    "ppsBaseImage": "registry.example.com/pps:11.2.1",
}
SAMPLES: dict[str, Any] = {
    "text": "sample", "url": "https://sample.example.com/x", "image": "r.example.com/sample:1.2.3",
    "repository": "r.example.com/sample", "flag": False, "percent": 55, "mapping": {"a": {"b": 1}},
    "labels": {"example.com/a_b": "c"}, "annotations": {"example.com/a.b": "c d"},
    "object": "sample", "secrets": [{"name": "sample"}], "volumes": [{"name": "sample"}],
    "variables": [{"name": "SAMPLE", "value": "a b"}],
    "mappings": [{"name": "sample"}], "ingress": "openshift",
    "named": [{"name": "sample"}], "texts": ["--sample=a b"],
}  # fmt: skip
PLACES = {
    SERVING: "serving",
    MONITORING: "monitoring",
    AUTOSCALING: "autoscaling",
    BUILDER: "builder",
}


def told(**said: Any) -> Environment:
    fields = {key: said.pop(key) for key in ("route", "registry", "gateway") if key in said}
    return environment(Told("prod", {**MINIMAL, **said}, **fields), "1.2.3")


def part(found: Environment, name: str) -> dict[str, Any]:
    text = environments.folder(found)[f"overlays/prod/environment/{name}/kustomization.yaml"]
    loaded: dict[str, Any] = documents.load(text)
    return loaded


def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        operation["path"]: operation["value"]
        for patch in document.get("patches", [])
        for operation in documents.load(patch["patch"])
    }


@pytest.mark.parametrize(
    "key", [key for key in PLUGIN_KEYS if key.place in PLACES], ids=lambda k: k.name
)
def test_every_placed_key_changes_its_place_and_no_other(key: Any) -> None:
    value = checked(key.name, SAMPLES[key.kind])
    with_it = {key.name: value}
    below: dict[str, Any] = {}
    if key.name == "spoolerSettings":
        below = {"agentSidecar": False}
    before, after = told(**below), told(**below, **with_it)
    changed = {name for name in PLACES.values() if part(before, name) != part(after, name)}
    beside = {"imagePullSecrets": {"builder"}, "MLOPS_BOSUN_MONITORING_URL": {"builder"}}
    assert changed == {PLACES[key.place]} | beside.get(key.name, set())


def test_annotations_are_escaped_as_json_pointers_want_it() -> None:
    found = operations(part(told(ppsAnnotations={"a/b~c": "1"}), "serving"))
    assert found["/spec/template/metadata/annotations/a~1b~0c"] == "1"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://models.example.com/x", "models.example.com"),
        ("https://3scale.example.com", "3scale.example.com"),
        ("https://203.0.113.7/x", None),
        ("http://[2001:db8::1]:8080/x", None),
    ],
)
def test_an_address_is_no_host_a_name_that_starts_with_a_digit_is(url: str, host: str) -> None:
    found = told(outfacingPredictionURLPrefix=url)
    assert operations(part(found, "serving")).get("/spec/rules/0/host") == host


@pytest.mark.parametrize(
    ("said", "components"),
    [
        ({}, ["docker-config"]),
        ({"generatedImageRepo": "1.dkr.ecr.eu-west-1.amazonaws.com/m"}, ["ecr"]),
        ({"generatedImageRepo": "x.azurecr.io/m"}, ["acr"]),
        ({"generatedImageRepo": "x.azurecr.io/m", "kanikoSecretName": "s"}, ["docker-config"]),
        ({"generatedImageRepo": "eu.gcr.io/p/m"}, ["gcr"]),
        ({"generatedImageRepo": "europe-docker.pkg.dev/p/m"}, ["gcr"]),
        ({"kanikoConfigmapName": "c"}, ["docker-config-map"]),
        ({"registry": ("ecr",)}, ["ecr"]),
        (
            {"kanikoInsecureRegistries": ["registry.example.com"]},
            ["docker-config", "insecure-registry"],
        ),
        (
            {"generatedImageRepo": "image-registry.openshift-image-registry.svc:5000/d/m"},
            ["openshift", "docker-config"],
        ),
    ],
)  # fmt: skip
def test_the_registry_s_components(said: dict[str, Any], components: list[str]) -> None:
    listed = part(told(**said), "builder")["components"]
    assert [name.rpartition("/")[2] for name in listed] == components


def test_nothing_said_writes_no_empty_patch() -> None:
    for name in PLACES.values():
        assert all(patch["patch"] for patch in part(told(), name).get("patches", []))
    assert "patches" not in part(told(), "autoscaling")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("kubeNamespace", "-x"), ("MLOPS_BOSUN_PRED_ENV_ID", "../x"), ("ppsBaseImage", "a b"),
        ("generatedImageRepo", "r.example.com/m:1"), ("outfacingPredictionURLPrefix", "x"),
        ("ingressClass", "a\nb"), ("ppsBaseImage", "\ud800"),
    ],
)  # fmt: skip
def test_a_flag_s_value_is_checked(setting: str, value: str) -> None:
    with pytest.raises(Unfit):
        checked(setting, value)


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
NESTED = st.recursive(
    st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)
NAME = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,3})?", fullmatch=True)
KEY = st.from_regex(r"([a-z]{1,9}\.[a-z]{2}/)?[A-Za-z0-9][A-Za-z0-9_.]{0,9}x", fullmatch=True)
NAMED = st.lists(
    st.fixed_dictionaries({"name": st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)}),
    max_size=2, unique_by=lambda item: item["name"],
)  # fmt: skip
VALUES = {
    "mapping": st.dictionaries(TEXT, NESTED, max_size=3),
    "labels": st.dictionaries(KEY, NAME, max_size=3),
    "annotations": st.dictionaries(KEY, TEXT, max_size=3),
    "object": NAME,
    "secrets": st.lists(st.fixed_dictionaries({"name": NAME}), max_size=2),
    "volumes": NAMED,
    "variables": NAMED,
    "mappings": st.lists(st.dictionaries(TEXT, NESTED, max_size=3), max_size=2),
    "named": st.lists(st.fixed_dictionaries({"name": TEXT}), max_size=2),
    "texts": st.lists(TEXT, max_size=2),
    "text": TEXT,
    "flag": st.booleans(),
    "percent": st.integers(1, 1000),
}
DRAWN = {key.name: VALUES[key.kind] for key in PLUGIN_KEYS if key.kind in VALUES and key.place}


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=DRAWN))
def test_whatever_is_said_becomes_patches_that_say_exactly_that(drawn: dict[str, Any]) -> None:
    if "kanikoSecretName" in drawn:
        drawn.pop("kanikoConfigmapName", None)
    imported = plugin_config([File("x", documents.dump(drawn))])
    assert imported.settings == drawn
    found = told(**drawn)
    said = operations(part(found, "serving")) | operations(part(found, "autoscaling"))
    pod = "/spec/template/spec"
    for key, path in {
        "ppsResources": f"{pod}/containers/0/resources",
        "ppsSecurityContext": f"{pod}/containers/0/securityContext",
        "ppsPodSecurityContext": f"{pod}/securityContext",
        "ppsNodeSelector": f"{pod}/nodeSelector",
        "ppsAffinity": f"{pod}/affinity",
        "ppsTolerations": f"{pod}/tolerations",
        "ppsServiceAccount": f"{pod}/serviceAccountName",
        "imagePullSecrets": f"{pod}/imagePullSecrets",
        "ingressClass": "/spec/ingressClassName",
        "ppsCpuUtilizationPercent": "/spec/metrics/0/resource/target/averageUtilization",
    }.items():
        assert said.get(path) == (drawn.get(key) or None), key
    assert next_steps(Answers(Repository("https://git.example.com/x"), (found,)))


LOCAL = "https://kubernetes.default.svc"
TWO = argocd.Targets(
    "https://git.example.com/ours.git", "trunk", "jobs", "gitops", "",
    (
        argocd.Destination("prod", "https://prod.example.com", "mlops", "mlops-builds"),
        argocd.Destination("stage", LOCAL, "mlops-stage", "mlops-stage-builds"),
    ),
)  # fmt: skip
ARGOCD = {path: text for path, text in shipped.folders().items() if path.startswith("argocd/")}


def test_argocd_knows_the_repository_and_its_environments() -> None:
    filled = argocd.fill(ARGOCD, TWO)
    assert argocd.read(filled, "") == TWO
    everything = b"".join(filled.values())
    for example in (b"git.example.com/ml/models.git", b"mlops-serving-example", b"refs/heads/main"):
        assert example in b"".join(ARGOCD.values())
        assert example not in everything
    for path in ARGOCD:
        comments = [line.split(b"#")[1] for line in ARGOCD[path].splitlines() if b"#" in line]
        assert all(comment in filled[path] for comment in comments)


def test_argocd_gets_one_more_and_is_otherwise_left_alone() -> None:
    filled = argocd.fill(ARGOCD, TWO)
    third = argocd.Destination("dev", LOCAL, "mlops-dev", "mlops-stage-builds")
    extended = argocd.extend(filled, [third, *TWO.destinations])
    assert [item.environment for item in argocd.read(extended, "").destinations] == [
        "prod",
        "stage",
        "dev",
    ]
    assert argocd.extend(extended, [third]) == extended
    for path, text in extended.items():
        new = set(text.splitlines()) - set(filled[path].splitlines())
        assert all(b"dev" in line or LOCAL.encode() in line for line in new)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"kind: ApplicationSet\n", b"kind: AppProject\nmetadata: 3\n"]
)
def test_an_argocd_without_its_shape_is_named(text: bytes) -> None:
    broken = argocd.fill(ARGOCD, TWO) | {argocd.SERVING: text}
    with pytest.raises(ConfigError, match=r"argocd/serving\.yaml"):
        argocd.read(broken, "")


def test_helm_and_flags_meet_in_one_environment() -> None:
    imported = helm_values([File("v", "predictionServer: {ingressType: openshift}")])
    assert told(**imported.settings).route == "ingress-openshift"
    assert told(**imported.settings, route="ingress-nginx").route == "ingress-nginx"
