"""A delivery that is followed: what DataRobot and the forge are told, and how often."""

from __future__ import annotations

import pytest

from gitops_bridge.actions import Status
from gitops_bridge.controller.following import Flight, follow
from gitops_bridge.live.verdict import LiveState, Verdict
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import State
from tests.proposing import Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT

WAITS = Verdict(LiveState.LAUNCHING, Status.PASSING, "its image is pulled", synced=True)
FAILS = Verdict(LiveState.ERRORED, Status.FAILING, "the container exits again and again: exit 1")
SERVES = Verdict(LiveState.READY, Status.PASSING, synced=True)


class Told:
    """Stands where the log in DataRobot is: what was announced."""

    def __init__(self):
        self.events = []

    def synced(self, environment, deployment, view):
        self.events.append("synced")

    def ended(self, environment, deployment, view, *, failed):
        self.events.append("failed" if failed else "ready")


@pytest.fixture
def site(tmp_path):
    with Proposing(tmp_path, GitHubServer) as site:
        site.configure(controller={"commit_status": True})
        yield site


def test_each_thing_is_told_once_however_often_it_is_seen(site):
    ctx, told = site.ctx(), Told()
    environment = ctx.config.environments[0]
    head = site.forge.branches["main"]
    flight = Flight(DEPLOYMENT, head, ctx.clock() - 60)
    statuses = []
    for verdict in (WAITS, WAITS, FAILS, FAILS, FAILS, WAITS, SERVES):
        view = View(
            DEPLOYMENT, State(), verdict=verdict, dashboard_url="https://argocd.example.com"
        )
        result, is_over = follow(ctx, environment, flight, view, told)
        assert result.problem == (FAILS.reason if verdict is FAILS else None)
        assert is_over == (verdict is SERVES)
        statuses.append(site.forge.latest_statuses(head)[0].state)
    assert told.events == ["synced", "failed", "ready"]
    assert statuses == ["pending"] * 2 + ["failure"] * 3 + ["pending", "success"]
    assert len(site.forge.statuses[head]) == 4
    assert site.forge.statuses[head][1].link == "https://argocd.example.com"


def test_a_forge_that_takes_no_status_is_a_problem_and_stops_nothing(site):
    ctx, told = site.ctx(), Told()
    site.forge.level = "read"
    flight = Flight(DEPLOYMENT, site.forge.branches["main"], ctx.clock())
    view = View(DEPLOYMENT, State(), verdict=SERVES)
    result, is_over = follow(ctx, ctx.config.environments[0], flight, view, told)
    assert is_over
    assert "reporting the status of a commit takes" in result.problem
