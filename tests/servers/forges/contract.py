"""What the contract tests share: every provider's server, a forge onto it, a proposal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from gitops_bridge.forge import Forge, Location, Proposal, connect
from tests.servers.forges.azure_devops import AzureDevOpsServer
from tests.servers.forges.base import ForgeServer, sha
from tests.servers.forges.bitbucket_cloud import (
    BitbucketCloudServer,
    BitbucketCloudWithPassword,
)
from tests.servers.forges.bitbucket_server import BitbucketServerServer
from tests.servers.forges.gitea import GiteaServer
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer

SERVERS = [
    GitHubServer,
    GitLabServer,
    GiteaServer,
    BitbucketCloudServer,
    BitbucketCloudWithPassword,
    BitbucketServerServer,
    AzureDevOpsServer,
]
PROVIDERS = [kind for kind in SERVERS if kind is not BitbucketCloudWithPassword]
"""Each provider once."""
BRANCH = "gitops-bridge/prod/65a000000000000000000010"
PROPOSAL = Proposal(
    branch=BRANCH, base="main", title="Replace model of churn in prod", body="| a | b |\n",
    labels=("model-rollout", "env/prod"), reviewers=("ann",), assignees=("bob",),
)  # fmt: skip


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def opened(server: ForgeServer, clock: Clock, token: str | None = None) -> Forge:
    location = Location(server.provider, "127.0.0.1", server.api_url, server.location)
    return connect(
        location, lambda: token or server.token, clock=clock, sleep=clock.sleep,
        username=server.username,
    )  # fmt: skip


def proposal(server: ForgeServer, **changes: object) -> Proposal:
    """In the server's own names for people."""
    named = {
        "reviewers": tuple(map(server.person, PROPOSAL.reviewers)),
        "assignees": tuple(map(server.person, PROPOSAL.assignees)),
    }
    return dataclasses.replace(PROPOSAL, **{**named, **changes})  # type: ignore[arg-type]


class Contract:
    """Base of the test classes: each test runs once per provider."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture(params=SERVERS, ids=lambda kind: kind.__name__)
    def server(self, request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
        with request.param().running() as server:
            server.push(BRANCH, sha("first"))
            yield server
        assert server.violations == [], server.violations

    @pytest.fixture
    def forge(self, server: ForgeServer, clock: Clock) -> Forge:
        return opened(server, clock)
