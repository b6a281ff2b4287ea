"""A watch keeps an environment up to date and says when it no longer can."""

import threading
import time

import pytest

from gitops_bridge.cluster import Watch, WatchingReader
from gitops_bridge.live import Kind, LiveState, judge
from tests import clusters, recordings
from tests.clusters import PROD
from tests.servers.kubernetes import KubernetesServer

BY_NAME = {snapshot.name: snapshot for snapshot in recordings.snapshots()}
REPLACE = [snapshot for name, snapshot in BY_NAME.items() if name.startswith("replace/")]
DONE = BY_NAME["replace/12-done"]


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


class Watched:
    """A running watch, and a way to wait for what it shall come to see."""

    def __init__(self, server, folder):
        self.wake = threading.Event()
        self.watch = Watch(clusters.configured(server, folder), PROD, self.wake.set)

    def until(self, condition):
        """The verdict once it fulfils the condition; the last one after 20 seconds."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.wake.clear()
            found = condition(self.watch.observation())
            if found:
                return found
            self.wake.wait(0.2)
        raise AssertionError([str(one) for one in self.watch.observation().unseen])


@pytest.fixture
def watched(server, tmp_path):
    found = Watched(server, tmp_path)
    yield found
    found.watch.stop()


def is_in(snapshot, state):
    wanted = snapshot.wanted()
    return lambda seen: not seen.unseen and judge(wanted, seen.of(wanted)).state is state


def test_before_the_first_list_nothing_is_claimed(watched):
    wanted = DONE.wanted()
    seen = watched.watch.observation()
    assert judge(wanted, seen.of(wanted)).state is LiveState.UNKNOWN


def test_a_replacement_is_followed_to_its_end_with_one_list_per_kind(server, watched):
    clusters.show(server, REPLACE[0])
    watched.watch.start()
    for snapshot in REPLACE:
        clusters.show(server, snapshot)
        watched.until(is_in(snapshot, LiveState(snapshot.git["expect"]["state"])))
    assert sorted(server.lists()) == ["applications", "deployments", "jobs", "pods", "pods"]


def test_what_is_deleted_is_forgotten(server, watched):
    clusters.show(server, DONE)
    watched.watch.start()
    watched.until(is_in(DONE, LiveState.READY))
    for kind in (Kind.PODS, Kind.DEPLOYMENTS):
        resource, namespace = clusters.PLACES[kind]
        server.replace_all(resource, namespace, [])
    watched.until(lambda seen: not seen.deployments)


def test_a_connection_that_breaks_in_the_middle_goes_on_where_it_was(server, watched):
    clusters.show(server, REPLACE[0])
    watched.watch.start()
    watched.until(is_in(REPLACE[0], LiveState.READY))
    server.faults.cut_watches = 2
    clusters.show(server, DONE)
    watched.until(is_in(DONE, LiveState.READY))
    assert server.lists().count("deployments") == 1


def test_a_watch_that_is_too_old_begins_with_a_new_list(server, watched):
    clusters.show(server, REPLACE[0])
    watched.watch.start()
    watched.until(is_in(REPLACE[0], LiveState.READY))
    clusters.show(server, DONE)
    server.compact()
    watched.until(is_in(DONE, LiveState.READY))
    watched.until(lambda _: server.lists().count("deployments") >= 2)


def test_a_right_that_is_taken_away_leaves_nothing_to_claim(server, watched):
    clusters.show(server, DONE)
    server.faults.forbidden = {"pods"}
    watched.watch.start()
    wanted = DONE.wanted()
    seen = watched.until(
        lambda seen: seen if any("403" in one.problem for one in seen.unseen) else None
    )
    assert judge(wanted, seen.of(wanted)).state is LiveState.UNKNOWN
    server.faults.forbidden = set()
    watched.until(is_in(DONE, LiveState.READY))


def test_a_reader_answers_from_its_watches_and_lists_what_they_do_not_see(server, tmp_path):
    clusters.show(server, DONE)
    wanted = DONE.wanted()
    with WatchingReader(clusters.configured(server, tmp_path), [PROD], lambda: None) as reader:

        def listed():
            before = len(server.lists())
            observed = reader.read(PROD, lambda: 60.0, wanted).of(wanted)
            assert judge(wanted, observed).state is LiveState.READY
            return len(server.lists()) - before

        listed()  # the watches may not have seen everything yet
        end = time.monotonic() + 20
        while listed() and time.monotonic() < end:
            time.sleep(0.02)
        assert listed() == 0
        server.faults.forbidden = {"applications"}
        server.compact()
        while not listed() and time.monotonic() < end:
            time.sleep(0.02)
        assert listed() > 0


def test_an_idle_watch_asks_nothing_more(server, watched):
    clusters.show(server, DONE)
    watched.watch.start()
    watched.until(is_in(DONE, LiveState.READY))
    watched.until(lambda _: sum("watch" in query for _, _, query in server.requests) == 5)
    before = len(server.requests)
    time.sleep(0.3)
    assert len(server.requests) == before
