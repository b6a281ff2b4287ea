"""An environment is read with one list per kind, whatever the API server does on the way."""

import json
from dataclasses import replace

import pytest

from gitops_bridge.actions import Status
from gitops_bridge.cluster import Reader, verdict_of, verdicts_of
from gitops_bridge.config import Cluster
from gitops_bridge.live import Kind, LiveState, Wanted, judge
from tests import clusters, recordings
from tests.clusters import PROD
from tests.servers.kubernetes import KubernetesServer

SNAPSHOTS = recordings.snapshots()
BY_NAME = {snapshot.name: snapshot for snapshot in SNAPSHOTS}
READY = BY_NAME["replace/12-done"]


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


@pytest.fixture
def reader(server, tmp_path):
    return Reader(clusters.configured(server, tmp_path), sleep=lambda _: None)


def left():
    return 60.0


def verdict(reader, snapshot=READY, remaining=left):
    return verdict_of(reader, PROD, snapshot.wanted(), remaining)


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda found: found.name)
def test_a_snapshot_gets_its_answer_over_http_too(server, reader, snapshot):
    clusters.show(server, snapshot)
    expected, found = snapshot.git["expect"], verdict(reader, snapshot)
    assert found.state.value in {expected["state"], *expected["also_accepted"]}, found
    assert found.running_model == expected["running_model"]
    assert found.unseen == ()


def test_one_deployment_is_told_from_another_by_its_label(server, reader):
    clusters.show(server, READY)
    other = Wanted("prod", "6063c5c917785b5bdf2e1c99")
    assert judge(other, reader.read(PROD, left, other).of(other)).state is LiveState.NOTHING


def crowd(server, count, snapshot=READY):
    """`count` deployments, each with a copy of what the snapshot shows of its own."""
    for kind in (Kind.DEPLOYMENTS, Kind.PODS, Kind.APPLICATIONS):
        resource, namespace = clusters.PLACES[kind]
        for number in range(count):
            text = json.dumps(snapshot.items(kind))
            for item in json.loads(text.replace(snapshot.git["deployment"], f"{number:024x}")):
                server.put(resource, namespace, clusters.labelled(kind, item))


def crowd_wanted(count, snapshot=READY):
    wanted = snapshot.wanted()
    return [replace(wanted, deployment=f"{number:024x}") for number in range(count)]


def test_an_environment_takes_at_most_five_lists_in_pages(server, reader):
    crowd(server, 300)
    observation = reader.read(PROD, left)
    assert sorted(server.lists()) == ["applications", "deployments", "jobs", "pods"]
    assert any("continue" in query for _, _, query in server.requests)
    verdicts = verdicts_of(reader, PROD, crowd_wanted(300), observation, left)
    assert {verdict.state for verdict in verdicts.values()} == {LiveState.READY}
    assert len(observation.deployments) == len(verdicts) == 300


def test_of_many_that_fail_the_logs_of_a_few_are_fetched(server, reader):
    failing = BY_NAME["crash-loop-start/03-crash-loop-backoff"]
    crowd(server, 30, failing)
    observation = reader.read(PROD, left)
    verdicts = verdicts_of(reader, PROD, crowd_wanted(30, failing), observation, left)
    assert {verdict.state for verdict in verdicts.values()} == {LiveState.ERRORED}
    assert sum(path.endswith("/log") for _, path, _ in server.requests) == 10


def test_a_failed_build_adds_the_list_of_build_pods(server, reader):
    clusters.show(server, BY_NAME["failed-build/04-build-failed"])
    reader.read(PROD, left)
    assert sorted(server.lists()) == ["applications", "deployments", "jobs", "pods", "pods"]


def test_a_list_that_outlives_its_snapshot_is_begun_anew(server, reader):
    crowd(server, 260)
    server.page_expiries = 1
    observation = reader.read(PROD, left)
    assert (len(observation.deployments), observation.unseen) == (260, ())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, reader, status):
    clusters.show(server, READY)
    server.faults.answers["pods"] = [status, status]
    assert verdict(reader).state is LiveState.READY


def test_a_server_that_stays_busy_is_told(server, reader):
    clusters.show(server, READY)
    server.faults.answers["pods"] = [500] * 20
    found = verdict(reader)
    assert found.state is LiveState.UNKNOWN
    assert "500" in found.reason


def test_a_wait_longer_than_the_budget_is_not_begun(server, tmp_path):
    clusters.show(server, READY)
    server.faults.answers["*"], server.faults.retry_after = [429], 100
    slept = []
    reader = Reader(clusters.configured(server, tmp_path), sleep=slept.append)
    found = verdict(reader, remaining=lambda: 5.0)
    assert (found.state, slept) == (LiveState.UNKNOWN, [])


def test_no_budget_asks_nobody(server, reader):
    assert verdict(reader, remaining=lambda: 0.0).state is LiveState.UNKNOWN
    assert server.requests == []


@pytest.mark.parametrize("resource", ["deployments", "pods"])
def test_what_tells_whether_it_runs_is_forbidden(server, reader, resource):
    clusters.show(server, READY)
    server.faults.forbidden = {resource}
    found = verdict(reader)
    assert found.state is LiveState.UNKNOWN
    assert "403" in found.reason
    assert "kubectl apply -n mlops-prod -k argocd/live-state/serving" in found.reason


@pytest.mark.parametrize("resource", ["applications", "replicasets"])
def test_what_only_explains_is_forbidden(server, reader, resource):
    clusters.show(server, READY)
    server.faults.forbidden = {resource}
    found = verdict(reader)
    assert found.state is LiveState.READY
    assert [unseen.problem for unseen in found.unseen if "403" in unseen.problem]


def test_build_jobs_are_forbidden_while_an_image_is_waited_for(server, reader):
    snapshot = BY_NAME["replace/03-building"]
    clusters.show(server, snapshot)
    server.faults.forbidden = {"jobs"}
    found = verdict(reader, snapshot)
    assert (found.state, found.status) == (LiveState.REPLACING_MODEL, Status.WARNING)
    assert "kubectl apply -n mlops-builds -k argocd/live-state/builds" in found.reason


def test_a_cluster_without_argo_cd(server, reader):
    clusters.show(server, READY)
    server.faults.unknown = {"applications"}
    found = verdict(reader)
    assert (found.state, found.synced) == (LiveState.READY, None)
    assert [unseen.kind for unseen in found.unseen] == [Kind.APPLICATIONS]
    assert "404" in found.unseen[0].problem


def test_an_expired_token_is_told_once_and_takes_no_further_request(server, reader):
    clusters.show(server, READY)
    server.token = "another"
    found = verdict(reader)
    assert found.state is LiveState.UNKNOWN
    assert "401" in found.reason
    assert "renew the token" in found.reason
    assert len(server.requests) == 1


def test_the_page_of_a_proxy_is_no_list(server, reader):
    server.faults.page = 200
    assert "not JSON" in verdict(reader).reason


def test_a_server_that_is_gone(server, tmp_path):
    cluster = clusters.configured(server, tmp_path)
    server.__exit__()
    found = verdict(Reader(cluster, sleep=lambda _: None))
    assert found.state is LiveState.UNKNOWN
    assert "does not answer" in found.reason


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "kubeconfig"), ("a: b", "kubeconfig"), (None, "kubeconfig")],
    ids=["broken", "something else", "missing"],
)
def test_a_kubeconfig_that_is_none(tmp_path, text, told):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    found = verdict(Reader(Cluster(kubeconfig=str(path))))
    assert found.state is LiveState.UNKNOWN
    assert told in found.reason


def test_a_context_that_is_not_there(server, tmp_path):
    path = str(server.kubeconfig(tmp_path))
    found = verdict(Reader(Cluster(kubeconfig=path, context="elsewhere")))
    assert "context elsewhere of" in found.reason


def test_outside_a_cluster_there_is_no_service_account():
    found = verdict(Reader(Cluster(in_cluster=True)))
    assert found.state is LiveState.UNKNOWN
    assert "the cluster this runs in" in found.reason


def test_several_contexts_are_several_servers(server, tmp_path):
    clusters.show(server, READY)
    with KubernetesServer() as argocd:
        path = str(server.kubeconfig(tmp_path, management=argocd.url))
        for item in READY.items(Kind.APPLICATIONS):
            argocd.put("applications", "argocd", clusters.labelled(Kind.APPLICATIONS, item))
        cluster = Cluster(kubeconfig=path, argocd_context="management")
        found = verdict(Reader(cluster))
        assert (found.state, found.synced) == (LiveState.READY, True)
        assert argocd.lists() == ["applications"]
        assert "applications" not in server.lists()


def test_the_log_of_a_failed_build_is_fetched_once(server, reader):
    snapshot = BY_NAME["failed-build/04-build-failed"]
    clusters.show(server, snapshot)
    found = verdict(reader, snapshot)
    assert "MANIFEST_UNKNOWN" in found.reason
    assert any("MANIFEST_UNKNOWN" in line for line in found.log)
    assert len([path for _, path, _ in server.requests if path.endswith("/log")]) == 1


def test_the_log_of_a_healthy_deployment_is_not_asked_for(server, reader):
    clusters.show(server, READY)
    verdict(reader)
    assert not [path for _, path, _ in server.requests if path.endswith(("/log", "/events"))]


def test_a_volume_that_cannot_be_mounted_is_told_from_the_events(server, reader):
    snapshot = BY_NAME["start/09-progressing-0-old-2-new-0-ready"]
    clusters.show(server, snapshot)
    pod = snapshot.items(Kind.PODS)[0]["metadata"]["name"]
    message = 'MountVolume.SetUp failed for volume "settings" : configmap "not-there" not found'
    for number, reason in enumerate(["MissingClusterDNS", "FailedMount"]):
        server.put("events", clusters.SERVING, {
            "metadata": {"name": f"event-{number}"}, "type": "Warning", "reason": reason,
            "message": message if number else "no DNS", "involvedObject": {"name": pod},
        })  # fmt: skip
    found = verdict(reader, snapshot)
    assert found.state is LiveState.LAUNCHING
    assert "ConfigMap not-there, which it needs, does not exist" in found.reason
