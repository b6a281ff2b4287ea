"""Keeps a developer's configuration out of every test."""

import os

import hypothesis
import pytest

from tests.servers import registry
from tests.servers.git_http import GitServer
from tests.team import Team

# The same examples everywhere, and no verdict by the clock: a slow machine fails no property.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def _nobody_s_configuration(tmp_path_factory):
    """No HOME, no GIT_* variable, no proxy and no agent of whoever runs the tests; what processes
    that are killed leave behind goes with the tests' own folders."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("GIT_", "SSH_", "GPG_", "XDG_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    os.environ["TMPDIR"] = str(tmp_path_factory.mktemp("tmp"))
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def team(tmp_path):
    """A team's repository, fresh from `init`, with one environment."""
    return Team(tmp_path)


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """The address of a registry that is open to all. Whoever uses it has folders of their own."""
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running.host


@pytest.fixture(params=["http", "local"])
def url(request, team, tmp_path):
    """The address of a bare repository `team`, over either way to it."""
    if request.param == "local":
        yield str(team)
        return
    with GitServer(tmp_path) as server:
        yield server.url()
