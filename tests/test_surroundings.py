"""What surrounds an action and is out of order, told with its name and a cure: no fault of ours."""

import os
import tempfile

import pytest

from gitops_bridge import agent
from gitops_bridge.controller import open_context
from gitops_bridge.errors import ConfigError, DataRobotError, RenderError
from gitops_bridge.kustomize import find
from gitops_bridge.rest import Rest
from tests.team import Team

PASSWORD = "canary-of-the-proxy"


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path, new_host=True)


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://bob:{PASSWORD}@[bad", f"http://bob:{PASSWORD}@host:port", f"bob:{PASSWORD}@:::",
        f"http://bob:{PASSWORD}@", f"http://bob:{PASSWORD}@127.0.0.1:9", f"socks9://{PASSWORD}@x",
    ],
)  # fmt: skip
def test_a_proxy_variable_that_is_out_of_order(team, monkeypatch, proxy):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    with (
        Rest("http://host.example/", error=DataRobotError, retries=0) as rest,
        pytest.raises(DataRobotError, match=r"^GET http://host\.example/x: ") as caught,
    ):
        rest.request("GET", "x")
    assert PASSWORD not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("proxy", ["http://[bad", "http://host:port", "http://"])
def test_a_proxy_variable_that_git_cannot_use(team, monkeypatch, proxy):
    team.write_config(url="https://git.example/team.git")
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigError, match="https_proxy"):
        open_context(agent.read_config(team.config), os.environ)


@pytest.mark.parametrize("temporary", ["/proc/nowhere", "/dev/null"])
def test_no_room_for_temporary_files(monkeypatch, temporary):
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    with pytest.raises(RenderError, match="temporary folder") as caught:
        find("").build({"over/kustomization.yaml": b"{}"}, "over")
    assert "TMPDIR" in (caught.value.hint or "")


def test_no_home_and_no_room_for_a_cache(team, monkeypatch):
    team.write_config(cache=None)

    def full():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", full)
    with pytest.raises(ConfigError, match="No usable temporary directory") as caught:
        open_context(agent.read_config(team.config), {"PATH": os.environ["PATH"]})
    assert "repository.cache" in (caught.value.hint or "")
