"""What desired.overlay writes, built by real kustomize in every combination."""

import itertools
import shutil
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_bridge import documents
from gitops_bridge.actions import Package, Scale
from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay import Image, Route, Seams
from tests.rendering import (
    DIGEST,
    ENVIRONMENT,
    FIRST,
    ID,
    IMAGE,
    MODELS,
    ROOT,
    Repository,
    a_component,
    build,
    by_kind,
    container,
    operation,
    variables,
)
from tests.strictness import check

SCALES = [Scale(0), Scale(1), Scale(3), Scale(1, 2, 4), Scale(5, 1, 3)]
ROUTES = ["ingress-nginx", "ingress-openshift", "gateway-httproute"]
MONITORING = ["off", "agent", "spooler"]
CPU = operation(
    "add", "/spec/template/spec/containers/0/resources/requests", {"cpu": "1", "memory": "1Gi"}
)
SPOOLER = operation(
    "add",
    "/spec/template/metadata/annotations/gitops-bridge.io~1spooler-settings",
    "spooler_type=kafka;topic=predictions",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    repository = Repository(tmp_path_factory.mktemp("team"))
    for route, monitoring in itertools.product(ROUTES, ("agent", "spooler")):
        files = {"serving": a_component(route, patches={("Deployment", "mlops"): [CPU]})}
        if monitoring == "spooler":
            files["monitoring"] = a_component(patches={("Deployment", "mlops"): [SPOOLER]})
        repository.add_environment(f"{route}-{monitoring}", files)
    return repository


@pytest.fixture(scope="module")
def rendered(repository):
    """Every combination, each second one restarted and by digest: what was asked, what came."""
    cases = list(itertools.product(MODELS, MONITORING, SCALES, ROUTES))
    asked = {}
    found = {
        environment: repository.seams(environment)
        for environment in (f"{r}-{m}" for r in ROUTES for m in ("agent", "spooler"))
    }
    for number, (kind, monitoring, scale, route) in enumerate(cases):
        restarts = 2 * (number % 2)
        environment = f"{route}-{'spooler' if monitoring == 'spooler' else 'agent'}"
        request = {
            "deployment_id": f"65b{number:021d}",
            "environment_id": ENVIRONMENT,
            "model": MODELS[kind],
            "scale": scale,
            "monitoring": monitoring != "off",
            "image": replace(IMAGE, digest=DIGEST if restarts else None),
            "restarts": restarts,
        }
        text = overlay.component(**request, seams=found[environment])
        folder = repository.add_deployment(environment, request["deployment_id"], text)
        asked[folder] = request | {"route": route, "settings": monitoring, "kind": kind}
    built = repository.build_all(asked)
    return [(request, built[folder]) for folder, request in asked.items()]


def test_every_combination_is_complete_and_named(rendered):
    assert len(rendered) == 135
    for request, objects in rendered:
        assert overlay.unresolved(objects) == []
        assert overlay.autoscaling_problems(objects) == []
        kinds = by_kind(objects)
        wanted = {"Deployment", "Service"}
        wanted.add("HTTPRoute" if request["route"] == "gateway-httproute" else "Ingress")
        if request["scale"].autoscaled:
            wanted.add("HorizontalPodAutoscaler")
        if request["scale"].at_least > 1:
            wanted.add("PodDisruptionBudget")
        assert set(kinds) == wanted
        name = f"mlops-{request['deployment_id']}"
        assert {item["metadata"]["name"] for item in objects} == {name}
        assert not any("namespace" in item["metadata"] for item in objects)


def test_every_kind_of_object_is_valid(rendered):
    """Each distinct shape once: the schema does not see the ids."""
    seen = set()
    for request, objects in rendered:
        for item in objects:
            shape = str(item).replace(request["deployment_id"], "")
            if shape not in seen:
                seen.add(shape)
                check(item)
    assert len(seen) > 60


def test_labels_and_selectors_tell_deployments_apart(rendered):
    for request, objects in rendered:
        own = {
            overlay.DEPLOYMENT_LABEL: request["deployment_id"],
            overlay.ENVIRONMENT_LABEL: ENVIRONMENT,
        }
        kinds = by_kind(objects)
        pod = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
        component = {"app.kubernetes.io/component": "predictionServer"}
        model = {overlay.MODEL_LABEL: request["model"].id}
        assert pod == own | component | model
        assert kinds["Service"]["spec"]["selector"] == own | component
        assert kinds["Deployment"]["spec"]["selector"]["matchLabels"] == own | component
        budget = kinds.get("PodDisruptionBudget")
        assert budget is None or budget["spec"]["selector"]["matchLabels"] == own | component
        for item in objects:
            assert item["metadata"]["labels"] == own | component | model | {
                "app.kubernetes.io/name": "prediction-server",
                "app.kubernetes.io/instance": item["metadata"]["name"],
                "app.kubernetes.io/version": request["model"].id,
                "app.kubernetes.io/managed-by": "gitops-bridge",
                "app.kubernetes.io/part-of": "DataRobot-MLOps",
            }


def test_image_scale_and_restarts_are_as_asked(rendered):
    for request, objects in rendered:
        kinds = by_kind(objects)
        assert container(objects)["image"] == str(request["image"])
        spec, scale = kinds["Deployment"]["spec"], request["scale"]
        if scale.autoscaled:
            scaler = kinds["HorizontalPodAutoscaler"]["spec"]
            assert "replicas" not in spec
            assert (scaler["minReplicas"], scaler["maxReplicas"]) == (scale.minimum, scale.maximum)
            assert scaler["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
        else:
            assert spec["replicas"] == scale.replicas
        annotations = spec["template"]["metadata"]["annotations"]
        restarts = request["restarts"]
        assert annotations.get(overlay.RESTARTS_ANNOTATION) == (str(restarts) if restarts else None)


def test_routes_lead_to_the_service(rendered):
    for request, objects in rendered:
        kinds, name = by_kind(objects), f"mlops-{request['deployment_id']}"
        end = f"/deployments/{request['deployment_id']}"
        if request["route"] == "gateway-httproute":
            rule = kinds["HTTPRoute"]["spec"]["rules"][0]
            assert rule["matches"][0]["path"]["value"] == end
            assert rule["backendRefs"][0]["name"] == name
            continue
        path = kinds["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]
        assert path["path"] == end + ("(/|$)(.*)" if request["route"] == "ingress-nginx" else "")
        assert path["backend"]["service"] == {"name": name, "port": {"name": "http"}}


def test_monitored_servers_learn_who_they_are(rendered):
    for request, objects in rendered:
        seen, dedicated = variables(objects), request["kind"] == "dedicated"
        ids = (
            ("MLOPS_DEPLOYMENT_ID", "MLOPS_MODEL_ID")
            if dedicated
            else ("DEPLOYMENT_ID", "MODEL_ID")
        )
        spooler = "PREDICTION_API_MONITORING_SETTINGS" if dedicated else "MONITOR_SETTINGS"
        switch = "PREDICTION_API_MONITORING_ENABLED" if dedicated else "MONITOR"
        if not request["monitoring"]:
            assert seen.get(switch) == ("False" if dedicated else None)
            assert not {*ids, spooler} & set(seen)
            continue
        assert seen[switch] == "True"
        assert [seen[name] for name in ids] == [request["deployment_id"], request["model"].id]
        kind = "kafka" if request["settings"] == "spooler" else "filesystem"
        assert seen[spooler].startswith(f"spooler_type={kind};")
        names = {
            item["name"]
            for item in by_kind(objects)["Deployment"]["spec"]["template"]["spec"]["containers"]
        }
        assert ("tracking-agent" in names) == (request["settings"] == "agent")


def test_a_new_model_changes_its_label_and_its_image_only(repository):
    """In the text labels and image, in the render labels everywhere and one image."""
    environment = "ingress-nginx-agent"
    request = FIRST | {"seams": repository.seams(environment), "monitoring": True}
    newer = request | {
        "model": replace(MODELS["dedicated"], id="65a000000000000000000029", name="other"),
        "image": Image(IMAGE.repository, "65a0-0000000000", "sha256:" + "00" * 32),
    }
    texts = [overlay.component(**request), overlay.component(**newer)]
    changed = [(a, b) for a, b in zip(*(t.splitlines() for t in texts), strict=True) if a != b]
    assert [a.split(":")[0].strip() for a, _ in changed] == [
        "bosun.datarobot.com/model",
        "app.kubernetes.io/version",
        "newTag",
        "digest",
    ]
    built = []
    for text in texts:
        folder = repository.add_deployment(environment, ID, text)
        built.append(build(folder))
    shutil.rmtree(folder)
    for old, new in zip(*built, strict=True):
        for label in (overlay.MODEL_LABEL, "app.kubernetes.io/version"):
            old["metadata"]["labels"][label] = "65a000000000000000000029"
        if old["kind"] == "Deployment":
            pod = old["spec"]["template"]
            pod["metadata"]["labels"][overlay.MODEL_LABEL] = "65a000000000000000000029"
            pod["spec"]["containers"][0]["image"] = str(newer["image"])
        assert old == new


OUTER = """\
replicas:
  - name: mlops
    count: 7
patches:
  - target: {kind: Ingress, name: mlops}
    patch: |
      - {op: replace, path: /spec/rules/0/http/paths/0/path, value: /mine}
      - {op: add, path: /spec/tls, value: [{hosts: [a.example.com], secretName: tls}]}
  - target: {kind: Deployment, name: mlops}
    patch: |
      - op: replace
        path: /spec/template/metadata/annotations/gitops-bridge.io~1restarts
        value: "99"
      - {op: replace, path: /spec/template/spec/containers/0/image, value: "mine:1"}
      - {op: replace, path: /spec/template/spec/containers/0/env/0/value, value: "mine"}
      - op: replace
        path: /spec/template/spec/containers/0/readinessProbe/httpGet/path
        value: /own
      - {op: replace, path: /spec/template/metadata/labels/bosun.datarobot.com~1model, value: mine}
"""
OUTER_AUTOSCALED = """\
patches:
  - target: {kind: HorizontalPodAutoscaler, name: mlops}
    patch: |
      - {op: replace, path: /spec/minReplicas, value: 3}
      - {op: replace, path: /spec/maxReplicas, value: 30}
  - target: {kind: PodDisruptionBudget, name: mlops}
    patch: |
      - {op: replace, path: /spec/minAvailable, value: 2}
"""


def test_people_win_over_everything_a_rollout_writes(repository):
    environment = "ingress-nginx-agent"
    request = FIRST | {
        "seams": repository.seams(environment),
        "restarts": 1,
        "scale": Scale(3),
        "monitoring": True,
    }
    folder = repository.add_deployment(
        environment, ID, overlay.component(**request), overlay.seed() + OUTER
    )
    kinds = by_kind(build(folder))
    server = kinds["Deployment"]["spec"]
    assert server["replicas"] == 7
    assert server["template"]["metadata"]["annotations"][overlay.RESTARTS_ANNOTATION] == "99"
    assert server["template"]["metadata"]["labels"][overlay.MODEL_LABEL] == "mine"
    served = server["template"]["spec"]["containers"][0]
    assert (served["image"], served["env"][0]["value"]) == ("mine:1", "mine")
    assert served["readinessProbe"]["httpGet"]["path"] == "/own"
    ingress = kinds["Ingress"]["spec"]
    assert ingress["rules"][0]["http"]["paths"][0]["path"] == "/mine"
    assert ingress["tls"] == [{"hosts": ["a.example.com"], "secretName": "tls"}]

    request |= {"scale": Scale(1, 2, 4)}
    folder = repository.add_deployment(
        environment, ID, overlay.component(**request), overlay.seed() + OUTER_AUTOSCALED
    )
    kinds = by_kind(build(folder))
    shutil.rmtree(folder)
    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 30)
    assert kinds["PodDisruptionBudget"]["spec"]["minAvailable"] == 2


ODD_IDS = ["1e5", "0x10", "0o7", "1-1", "null", "true", "y", "no", "2024-01-01", "12", "0" * 24]


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    drawn=st.lists(
        st.from_regex(r"[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?", fullmatch=True), max_size=20
    )
)
def test_ids_stay_what_they_are(repository, drawn):
    """All-digit and float-like ids reach every field of the render digit for digit."""
    environment, seams = "ingress-nginx-agent", repository.seams("ingress-nginx-agent")
    ids = list(dict.fromkeys([*ODD_IDS, *drawn]).keys() - {"environment", "probe"})
    folders = {}
    for identifier in ids:
        request = FIRST | {
            "deployment_id": identifier,
            "environment_id": identifier,
            "model": replace(MODELS["custom"], id=identifier),
            "image": Image("r.example.com:5000/m", identifier),
            "monitoring": True,
        }
        text = overlay.component(**request, seams=seams)
        folders[repository.add_deployment(environment, identifier, text)] = identifier
    built = repository.build_all(folders)
    for folder, identifier in folders.items():
        objects = built[folder]
        for item in objects:
            assert item["metadata"]["name"] == f"mlops-{identifier}"
            labels = item["metadata"]["labels"]
            assert [labels[f"bosun.datarobot.com/{part}"] for part in ("env", "model")] == (
                [identifier] * 2
            )
        assert container(objects)["image"] == f"r.example.com:5000/m:{identifier}"
        assert variables(objects)["MODEL_ID"] == identifier
        shutil.rmtree(folder)


@given(
    model=st.sampled_from(list(MODELS.values())),
    scale=st.sampled_from(SCALES),
    monitoring=st.booleans(),
    restarts=st.integers(0, 10**6),
    template=st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
)
def test_same_request_same_bytes(model, scale, monitoring, restarts, template):
    """And whatever a route's template holds, it comes back as it is, the id filled in."""
    request = FIRST | {
        "model": model,
        "scale": scale,
        "monitoring": monitoring,
        "restarts": restarts,
        "seams": Seams((Route("Ingress", "mlops", "/spec/a", f"{template}/deployment-id"),)),
    }
    text = overlay.component(**request)
    assert text == overlay.component(**request)
    content = documents.load(text)
    patches = {
        patch["target"]["kind"]: documents.load(patch["patch"]) for patch in content["patches"]
    }
    assert patches["Ingress"] == [operation("replace", "/spec/a", f"{template}/{ID}")]
    assert ("replicas" in content) != scale.autoscaled
    assert ("Deployment" in patches) == bool(restarts)


def test_an_unstructured_custom_model_reports_by_itself(repository):
    """DRUM exits when told to monitor one; the agent stays for the model's own reports."""
    model = replace(MODELS["custom"], package=Package("65a0", target_type="Unstructured"))
    text = overlay.component(
        **FIRST | {"model": model, "monitoring": True, "seams": Seams(())},
    )
    assert documents.load(text)["components"] == [
        "../../../../base/components/custom-model",
        "../../environment/monitoring",
    ]


def test_the_example_is_complete_and_valid():
    objects = build(ROOT / "overlays/example" / ID)
    for item in objects:
        check(item)
    assert overlay.unresolved(objects) == []
    assert overlay.autoscaling_problems(objects) == []


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (Image("r.example.com:5000/a/b", "1"), "r.example.com:5000/a/b:1"),
        (Image("r/a", "1", DIGEST), f"r/a:1@{DIGEST}"),
    ],
)
def test_an_image_as_text(image, text):
    assert str(image) == text
