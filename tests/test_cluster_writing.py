"""What is written to a cluster: annotations on Argo CD's objects, and a Lease."""

from datetime import datetime, timezone

import pytest

from gitops_bridge.cluster import Connection, Lease, Notice, Writer
from gitops_bridge.cluster.listing import Patience
from gitops_bridge.errors import ClusterError
from tests import clusters
from tests.servers.kubernetes import KubernetesServer

PATIENCE = Patience(lambda: 60.0, lambda _: None)


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


@pytest.fixture
def connection(server, tmp_path):
    return Connection(clusters.configured(server, tmp_path).access(None))


@pytest.fixture
def writer(connection):
    return Writer(connection, "argocd")


def application(server, name="prod-churn", resource="applications"):
    server.put(resource, "argocd", {"metadata": {"name": name, "annotations": {"kept": "yes"}}})


def annotations(server, name="prod-churn", resource="applications"):
    return server.object(resource, "argocd", name)["metadata"]["annotations"]


def test_argo_cd_is_asked_to_look_at_an_application(server, writer):
    application(server)
    assert writer.refresh("prod-churn", PATIENCE)
    assert annotations(server) == {"kept": "yes", "argocd.argoproj.io/refresh": "normal"}


def test_argo_cd_is_asked_to_look_for_new_folders(server, writer):
    application(server, "mlops-serving", "applicationsets")
    assert writer.refresh_set("mlops-serving", PATIENCE)
    found = annotations(server, "mlops-serving", "applicationsets")
    assert found["argocd.argoproj.io/application-set-refresh"] == "true"


def test_an_application_that_is_not_there_yet_is_no_error(writer):
    assert not writer.refresh("prod-churn", PATIENCE)


def test_a_missing_right_is_an_error_with_its_cure(server, writer):
    application(server)
    server.faults.forbidden = {"applications"}
    with pytest.raises(ClusterError, match="403") as caught:
        writer.refresh("prod-churn", PATIENCE)
    assert "argocd/live-state" in caught.value.hint


def test_a_notice_comes_and_goes(server, writer):
    application(server)
    notice = Notice("held: " + "x" * 600, url="https://git.example.com/42")
    assert writer.notice("prod-churn", notice, PATIENCE)
    prefix = "notice.argocd.argoproj.io/"
    found = annotations(server)
    assert len(found[prefix + "content"]) == 500
    assert found[prefix + "severity"] == "warning"
    assert found[prefix + "url"] == "https://git.example.com/42"
    writer.notice("prod-churn", None, PATIENCE)
    assert annotations(server) == {"kept": "yes"}


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def now(self):
        return datetime.fromtimestamp(1_796_000_000 + self.seconds, timezone.utc)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def candidate(connection, clock):
    return lambda name, now=None: Lease(
        connection, "mlops", "gitops-bridge", name, clock=clock, now=now or clock.now
    )


def test_the_first_one_leads_and_the_second_waits(candidate, clock):
    first, second = candidate("first"), candidate("second")
    assert first.hold(PATIENCE)
    assert not second.hold(PATIENCE)
    assert second.holder == "first"
    for _ in range(5):
        clock.seconds += 10
        assert first.hold(PATIENCE)
        assert not second.hold(PATIENCE)


def test_a_dead_leader_is_followed_after_its_lease(candidate, clock):
    first, second = candidate("first"), candidate("second")
    first.hold(PATIENCE)
    assert not second.hold(PATIENCE)
    clock.seconds += 16
    assert second.hold(PATIENCE)
    assert not first.held
    assert not first.hold(PATIENCE)


def test_two_clocks_that_differ_share_one_lease(candidate, clock):
    """A renewal that looks old by the other one's clock is still a renewal."""
    first = candidate("first", now=lambda: datetime(2001, 1, 1, tzinfo=timezone.utc))
    second = candidate("second")
    first.hold(PATIENCE)
    assert not second.hold(PATIENCE)
    clock.seconds += 14
    assert not second.hold(PATIENCE)


def test_of_two_that_try_at_once_one_wins(server, candidate, clock):
    first, second, third = (candidate(name) for name in ("first", "second", "third"))
    first.hold(PATIENCE)
    assert not second.hold(PATIENCE)
    assert not third.hold(PATIENCE)
    clock.seconds += 16
    server.faults.answers["leases"] = []
    real = second._connection.request

    def slower(method, *arguments, **options):
        if method == "PUT":
            second._connection.request = real
            assert third.hold(PATIENCE)
        return real(method, *arguments, **options)

    second._connection.request = slower
    assert not second.hold(PATIENCE)
    assert third.held
    assert not second.held


def test_a_leader_that_reaches_nobody_stops_in_time(server, candidate, clock):
    first = candidate("first")
    assert first.hold(PATIENCE)
    server.faults.forbidden = {"leases"}
    clock.seconds += 9
    assert first.held
    with pytest.raises(ClusterError):
        first.hold(PATIENCE)
    clock.seconds += 2
    assert not first.held


def test_who_stops_in_peace_is_followed_at_once(candidate, clock):
    first, second = candidate("first"), candidate("second")
    first.hold(PATIENCE)
    assert not second.hold(PATIENCE)
    first.release(PATIENCE)
    assert not first.held
    assert second.hold(PATIENCE)
