"""The standing controller's frame over real sockets, threads and signals."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from gitops_bridge.errors import ForgeError
from gitops_bridge.serving import (
    Election,
    JsonFormatter,
    Look,
    LookPace,
    LookResult,
    StandingLoop,
    log_look,
)
from gitops_bridge.serving.metrics import Metrics
from gitops_bridge.serving.server import Site, serving

QUICK = LookPace(interval=0.05, shortest=0.01, standby=0.01)
SLOW = LookPace(interval=3600, shortest=0.01, standby=0.01)
CHURN = LookResult("prod", "65a0", "delivered", "65a0…20 → 65a0…21")


def eventually(condition, what="it did not happen"):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


@contextlib.contextmanager
def looping(look, *, pace=QUICK, chance=0.5, **options):
    loop = StandingLoop(look, pace=pace, clock=time.monotonic, chance=lambda: chance, **options)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(10)
        assert not thread.is_alive()


class Looks:
    """A look that counts itself and does what it is told."""

    def __init__(self, *then):
        self.count = 0
        self.then = list(then)

    def __call__(self):
        self.count += 1
        if self.then:
            self.then.pop(0)()
        return [CHURN]


def fail(error):
    raise error


class TestLoop:
    def test_looks_follow_each_other_at_the_interval(self):
        looks = Looks()
        with looping(looks):
            eventually(lambda: looks.count >= 3)

    @pytest.mark.parametrize("error", [ForgeError("down", retry=True), KeyError("a fault of ours")])
    def test_a_look_that_fails_is_followed_by_the_next(self, error):
        looks, noted = Looks(lambda: fail(error)), []
        with looping(looks, noted=noted.append) as loop:
            eventually(lambda: looks.count >= 2)
            eventually(lambda: loop.is_ready)
        assert noted[0].error is error
        assert noted[1].results == (CHURN,)

    def test_one_that_was_asked_for_comes_at_once(self):
        looks = Looks()
        with looping(looks, pace=SLOW) as loop:
            eventually(lambda: looks.count == 1)
            loop.ask()
            eventually(lambda: looks.count == 2)
            time.sleep(0.1)
        assert looks.count == 2

    def test_one_that_was_asked_for_during_a_look_follows_it(self):
        loop = None
        looks = Looks(lambda: loop.ask())
        loop = StandingLoop(looks, pace=SLOW, clock=time.monotonic, chance=lambda: 0.5)
        thread = threading.Thread(target=loop.run)
        thread.start()
        eventually(lambda: looks.count == 2)
        loop.stop()
        thread.join(10)
        assert not thread.is_alive()

    def test_a_flood_of_requests_is_a_look_each_shortest_pause(self):
        looks = Looks()
        with looping(looks, pace=LookPace(interval=3600, shortest=0.2)) as loop:
            end = time.monotonic() + 0.7
            while time.monotonic() < end:
                loop.ask()
        assert looks.count <= 5

    def test_stop_waits_for_the_look_under_way(self):
        begun, may_end, ended = threading.Event(), threading.Event(), []

        def look():
            begun.set()
            may_end.wait(10)
            ended.append(True)
            return []

        with looping(look) as loop:
            begun.wait(10)
            loop.stop()
            assert not ended
            may_end.set()
        assert ended == [True]
        assert not loop.is_ready

    def test_who_does_not_lead_only_stands_by(self):
        looks, leading = Looks(), threading.Event()
        with looping(looks, leads=leading.is_set) as loop:
            eventually(lambda: loop.is_ready)
            assert looks.count == 0
            leading.set()
            eventually(lambda: looks.count >= 1)

    def test_a_look_without_end_is_stuck(self):
        now = [0.0]
        begun, may_end = threading.Event(), threading.Event()

        def look():
            begun.set()
            may_end.wait(10)
            return []

        loop = StandingLoop(look, pace=SLOW, clock=lambda: now[0], chance=lambda: 0.5)
        thread = threading.Thread(target=loop.run)
        thread.start()
        begun.wait(10)
        assert not loop.is_stuck
        now[0] = SLOW.longest + 1
        assert loop.is_stuck
        may_end.set()
        eventually(lambda: not loop.is_stuck)
        loop.stop()
        thread.join(10)

    def test_a_pace_that_makes_no_sense(self):
        with pytest.raises(ValueError, match="shortest"):
            LookPace(interval=1, shortest=2)


class TestElection:
    def test_one_of_two_leads_and_hands_over_at_its_end(self):
        holder, lock = [], threading.Lock()

        def election(name, won):
            def hold():
                with lock:
                    if not holder:
                        holder.append(name)
                    return holder == [name]

            return Election(
                hold=hold, held=lambda: holder == [name], release=holder.clear, pause=0.01, won=won
            )  # fmt: skip

        won = threading.Event()
        with election("a", lambda: None) as first:
            eventually(first.leads)
            with election("b", won.set) as second:
                time.sleep(0.05)
                assert not second.leads()
                first.__exit__(None, None, None)
                assert won.wait(10)
                assert second.leads()

    def test_an_api_server_that_is_away_is_asked_again(self):
        answers = iter([ForgeError("away", retry=True)])
        errors = []

        def hold():
            for error in answers:
                raise error
            return True

        won = threading.Event()
        with Election(
            hold=hold, held=won.is_set, release=lambda: None, pause=0.01, won=won.set,
            failed=errors.append,
        ) as election:  # fmt: skip
            assert won.wait(10)
            assert election.leads()
        assert [str(error) for error in errors] == ["away"]


SIGNALLED = """
import sys, time
from gitops_bridge.serving import StandingLoop, LookPace, stopped_by_signals

def look():
    print("look", flush=True)
    time.sleep(0.3)
    print("done", flush=True)
    return []

loop = StandingLoop(look, pace=LookPace(interval=3600), clock=time.monotonic, chance=lambda: 0.5)
with stopped_by_signals(loop.stop):
    loop.run()
print("over", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_after_the_look_under_way(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout.readline() == "look\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=10)
    assert (said, process.returncode) == ("done\nover\n", 0)


class TestSite:
    @pytest.fixture
    def site(self):
        """(address, loop, metrics, looks)"""
        looks = Looks()
        metrics = Metrics(now=lambda: 1_700_000_000.0, queue=lambda: 4)
        with (
            looping(looks, pace=SLOW, noted=metrics.look) as loop,
            serving(Site(loop, metrics, {}), "127.0.0.1", 0) as address,
        ):
            yield address, loop, metrics, looks

    def test_health(self, site):
        address, loop, _, looks = site
        eventually(lambda: looks.count)
        eventually(lambda: requests.get(f"{address}/readyz", timeout=5).status_code == 200)
        assert requests.get(f"{address}/livez", timeout=5).text == "ok\n"
        assert requests.head(f"{address}/livez", timeout=5).status_code == 200
        assert requests.get(f"{address}/else", timeout=5).status_code == 404
        loop.stop()
        stopped = requests.get(f"{address}/readyz", timeout=5)
        assert (stopped.status_code, stopped.text) == (503, "no look has succeeded yet\n")

    def test_metrics_are_what_prometheus_reads(self, site):
        address, _, metrics, looks = site
        eventually(lambda: looks.count)
        eventually(lambda: "decision=" in requests.get(f"{address}/metrics", timeout=5).text)
        metrics.look(Look((
            LookResult("prod", "65a1", "held", held=True, reverted_by="ann"),
            LookResult("test", "65a2", "proposed", waiting=True, pushes=3,
                   spans={"action_to_commit": 12.0}),
        ), seconds=0.5))  # fmt: skip
        metrics.look(Look((), 0.1, error=ForgeError("down")))
        answer = requests.get(f"{address}/metrics", timeout=5)
        samples = {
            (sample.name.removeprefix("gitops_bridge_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert samples["decisions_total", "delivered", "prod"] == 1
        assert samples["decisions_total", "proposed", "test"] == 1
        assert samples["reverts_total", "prod"] == 1
        assert samples["push_attempts_total", "test"] == 3
        assert samples["action_to_commit_seconds_sum", "test"] == 12
        assert samples["held_deployments", "prod"] == 1
        assert samples["held_deployments", "test"] == 0
        assert samples["waiting_deployments", "test"] == 1
        assert (samples["queued_actions",], samples["leader",]) == (4, 1)
        assert samples["looks_total", "failed"] == 1
        assert samples["last_success_timestamp_seconds",] == 1_700_000_000

    def test_an_environment_that_is_gone_leaves_no_gauge(self, site):
        address, _, metrics, looks = site
        eventually(lambda: looks.count)
        metrics.look(Look((LookResult("old", "65a1", "held", held=True),), 0.1))
        metrics.look(Look((LookResult("prod", "65a1", "held", held=True),), 0.1))
        text = requests.get(f"{address}/metrics", timeout=5).text
        assert 'held_deployments{environment="old"}' not in text

    def test_a_port_that_is_taken_is_told(self, site):
        address = site[0]
        with pytest.raises(OSError, match="in use"), serving(
            None, "127.0.0.1", int(address.rpartition(":")[2])
        ):  # fmt: skip
            pass


class TestLogs:
    def entry(self, look):
        lines = []
        logger = logging.Logger("gitops_bridge.controller")
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(handler.format(record))
        handler.setFormatter(JsonFormatter(lambda text: text.replace("canary", "[redacted]")))
        logger.addHandler(handler)
        log_look(logger, look)
        return [json.loads(line) for line in lines]

    def test_a_deployment_is_one_line_with_its_facts(self):
        first, last = self.entry(Look((CHURN,), 0.25))
        assert first["message"] == "65a0…20 → 65a0…21"
        assert (first["environment"], first["deployment"]) == ("prod", "65a0")
        assert (first["decision"], first["level"]) == ("delivered", "info")
        assert first["time"].endswith("Z")
        assert (last["message"], last["seconds"], last["deployments"]) == ("look finished", 0.25, 1)

    def test_a_problem_is_a_warning_on_one_line(self):
        first, _ = self.entry(Look((LookResult("prod", "65a0", "failed", problem="a\nb"),), 1))
        assert (first["level"], first["message"]) == ("warning", "a\nb")

    def test_a_fault_of_ours_has_its_traceback_and_no_secret(self):
        try:
            fail(KeyError("canary"))
        except KeyError as error:
            (entry,) = self.entry(Look((), 1, error))
        assert entry["level"] == "error"
        assert "Traceback" in entry["exception"]
        assert "canary" not in json.dumps(entry)

    def test_an_expected_error_has_none(self):
        (entry,) = self.entry(Look((), 1, ForgeError("down", hint="look at its status page")))
        assert entry["message"] == "look failed: down (look at its status page)"
        assert "exception" not in entry
