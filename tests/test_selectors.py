"""Selectors: ours find one deployment's Pods, people's own stay as they are written."""

from gitops_bridge.actions import Scale
from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay import DEPLOYMENT_LABEL, ENVIRONMENT_LABEL
from tests.rendering import FIRST, ID, Repository, a_component, build, by_kind, operation

CACHE = {"matchLabels": {"app": "feature-cache"}}
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": CACHE}
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cache}
spec:
  podSelector: {matchLabels: {app: feature-cache}}
  ingress: [{from: [{podSelector: {matchLabels: {app: batch}}}]}]
"""


def test_people_s_selectors_are_not_rewritten(tmp_path):
    repository = Repository(tmp_path)
    patch = [
        operation("add", "/spec/template/spec/affinity", {
            kind: {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]}
            for kind in ("podAffinity", "podAntiAffinity")
        }),
        operation("add", "/spec/template/spec/topologySpreadConstraints", [
            {**TERM, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
        ]),
    ]  # fmt: skip
    serving = a_component("ingress-nginx", patches={("Deployment", "mlops"): patch})
    repository.add_environment("prod", {"serving": serving})
    request = FIRST | {"seams": repository.seams("prod"), "scale": Scale(3)}
    folder = repository.add_deployment("prod", ID, overlay.component(**request))
    (folder / "policy.yaml").write_text(POLICY)
    outer = folder / "kustomization.yaml"
    outer.write_text(
        outer.read_text().replace("../../../base\n", "../../../base\n  - policy.yaml\n")
    )
    objects = by_kind(build(folder))
    ours = {DEPLOYMENT_LABEL: ID, ENVIRONMENT_LABEL: FIRST["environment_id"]}
    component = {"app.kubernetes.io/component": "predictionServer"}

    spec = objects["Deployment"]["spec"]
    assert spec["selector"]["matchLabels"] == component | ours
    assert ours.items() <= spec["template"]["metadata"]["labels"].items()
    assert objects["Service"]["spec"]["selector"] == component | ours
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == component | ours

    pod = spec["template"]["spec"]
    for kind in ("podAffinity", "podAntiAffinity"):
        (term,) = pod["affinity"][kind]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"] == CACHE
    assert pod["topologySpreadConstraints"][0]["labelSelector"] == CACHE
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == CACHE
    assert policy["ingress"][0]["from"][0]["podSelector"] == {"matchLabels": {"app": "batch"}}
