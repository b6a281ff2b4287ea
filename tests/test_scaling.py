"""Between fixed replicas and autoscaling: what Git holds, and how many Pods serve on the way."""

import itertools

import pytest
import yaml

from gitops_bridge.actions import Scale
from gitops_bridge.desired import admission, overlay
from gitops_bridge.desired.effect import capacity
from gitops_bridge.desired.overlay.routes import Route, Seams
from gitops_bridge.desired.overlay.scaling import Running, running, scaled
from tests.cli import act, as_json, bridge
from tests.rendering import FIRST
from tests.team import TOP, action_file

ROUTE = Route("Ingress", "mlops", "/spec/rules/0/http/paths/0/path", "/d/deployment-id")
HELD, LOOSE = Seams((ROUTE,), leaves_replicas=True), Seams((ROUTE,))


def written(scale, before=None, seams=HELD):
    asked = FIRST | {"scale": scale, "seams": seams, "before": before}
    return overlay.component(**asked).encode()


def bounds(component):
    for patch in yaml.safe_load(component)["patches"]:
        if patch["target"]["kind"] == "HorizontalPodAutoscaler":
            return tuple(item["value"] for item in yaml.safe_load(patch["patch"]))
    return None


class Cluster:
    """The number of replicas of one Deployment as server-side apply, an autoscaler and Argo CD with
    our ApplicationSet treat it: https://kubernetes.io/docs/reference/using-api/server-side-apply/"""

    def __init__(self):
        self.replicas, self.by_autoscaler, self.applied = None, False, False
        self.limits, self.lowest = None, None

    def sync(self, component):
        count = running(component).replicas
        if self.by_autoscaler and count is not None:
            self.applied = True  # RespectIgnoreDifferences: what is there is applied
        elif count is not None:
            self._set(count)
            self.applied = True
        elif self.applied and not self.by_autoscaler:
            self._set(1)  # nobody owns the field any more, so it gets its default
            self.applied = False
        elif self.replicas is None:
            self._set(1)
        self.limits = bounds(component)
        self.load(self.replicas)

    def load(self, wanted):
        """The autoscaler wants so many."""
        if self.limits is None:
            return
        low, high = self.limits
        count = min(max(wanted, low), high)
        if count != self.replicas:
            self._set(count)
            self.by_autoscaler, self.applied = True, False

    def _set(self, count):
        self.replicas = count
        self.lowest = count if self.lowest is None else min(self.lowest, count)


def test_without_this_a_deployment_would_shrink_to_one_pod():
    cluster = Cluster()
    cluster.sync(written(Scale(4), seams=LOOSE))
    cluster.lowest = None
    cluster.sync(written(Scale(4, 3, 6), seams=LOOSE))
    assert (cluster.lowest, cluster.replicas) == (1, 3)


SCALES = [Scale(1), Scale(2), Scale(4), Scale(1, 1, 3), Scale(4, 3, 6), Scale(2, 2, 2)]


@pytest.mark.parametrize("loads", [(1, 1), (9, 1), (5, 9)])
def test_no_capacity_is_lost_whatever_follows_what(loads):
    for steps in itertools.permutations(SCALES, 3):
        walk(steps, loads)


def walk(steps, loads):
    cluster, before = Cluster(), None
    for scale, load in zip(steps, (*loads, 2), strict=True):
        current = cluster.replicas
        text = written(scale, before)
        assert written(scale, text) == text  # a replay changes nothing
        cluster.lowest = None
        cluster.sync(text)
        limit = scale.maximum if scale.autoscaled else scale.replicas
        if current is not None and cluster.lowest is not None:
            assert cluster.lowest >= min(current, limit)
        if not scale.autoscaled:
            assert cluster.replicas == scale.replicas
        else:
            assert scale.minimum <= cluster.replicas <= scale.maximum
        cluster.load(load)
        before = text


def test_a_fixed_number_after_autoscaling_is_an_autoscaler_of_that_number():
    before = written(Scale(1, 2, 6))
    text = written(Scale(3), before)
    assert (running(text), bounds(text)) == (Running(3, True), (3, 3))
    assert bounds(written(Scale(3))) is None
    assert running(written(Scale(0), before)) == Running(0, False)


def test_where_argo_cd_is_not_told_replicas_leave_git():
    assert scaled(Scale(4, 3, 6), Running(4), False) == (Scale(4, 3, 6), None)
    assert scaled(Scale(4), Running(None, True), False) == (Scale(4), 4)
    assert running(None) == running(b"{") == running(b"[]") == Running()


def test_the_shipped_set_leaves_replicas_to_the_autoscaler():
    text = (TOP / "argocd/serving.yaml").read_bytes()
    home = "overlays/example/x"

    def leaves(content):
        applications, _ = admission.read({"argocd/serving.yaml": content}).applications([home])
        return [item.leaves_replicas for item in applications]

    assert leaves(text) == [True]
    assert leaves(text.replace(b"RespectIgnoreDifferences=true", b"Validate=true")) == [False]
    assert leaves(text.replace(b"kube-controller-manager", b"kubectl")) == [False]


def test_plan_shows_what_becomes_of_the_pods(team):
    import shutil

    shutil.copytree(TOP / "argocd", team.clone / "argocd")
    for path in (team.clone / "argocd").glob("*.yaml"):
        path.write_text(path.read_text().replace("environment: example", "environment: prod"))
    team.commit("Our Argo CD")
    team.push()
    act(team, "deployment_start", keyValueConfig={"replicas": "4"})
    file = action_file(team.folder, keyValueConfig={"minReplicas": "3", "maxReplicas": "6"})
    done = bridge(team, "plan", "--action", "deployment_start", file)
    assert "Capacity: 4 Pods go on, until the autoscaler moves between 3 and 6." in done.stdout
    data = as_json(team, "plan", "--action", "deployment_start", file)
    assert data["capacity"].startswith("Capacity: 4 Pods go on")
    assert "+  replicas: 4" not in data["manifests"]


def test_the_sentence_about_capacity():
    def objects(replicas=None, low=None, high=None):
        spec = {} if replicas is None else {"replicas": replicas}
        found = [{"kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}]
        if low:
            limits = {"minReplicas": low, "maxReplicas": high}
            found.append({"kind": "HorizontalPodAutoscaler", "metadata": {}, "spec": limits})
        return found

    assert capacity([], objects(2)) == ""
    assert capacity(objects(2), objects(3)) == ""
    assert "from 4 Pods to 1 until" in capacity(objects(4), objects(None, 3, 6))
    assert "held at 3 Pods" in capacity(objects(4, 3, 6), objects(3, 3, 3))
    assert "may stand until somebody scales to 2" in capacity(objects(4, 3, 6), objects(2))
    assert capacity(objects(4, 3, 6), objects(4, 3, 8)) == ""
