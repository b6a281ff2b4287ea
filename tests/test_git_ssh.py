"""git over a real ssh server: keys, host keys, and one connection for several calls."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from gitops_bridge.errors import RepositoryError
from tests.git_team import bare, open_repository, put, subjects
from tests.servers.git_ssh import SshServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with SshServer(tmp_path_factory.mktemp("ssh") / "a folder") as running:
        yield running


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


@pytest.fixture
def cache(server):
    """Short, as a socket's path must be; ends what ssh keeps open for a minute after a call."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        for socket in Path(folder).glob("*/ssh-*"):
            command = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(command, check=True, capture_output=True)


def open_ssh(server, team, cache, **remote):
    known = {"ssh_key": server.key, "ssh_known_hosts": server.known_hosts, **remote}
    return open_repository(server.url(team), cache, **known)


def test_a_key_opens_the_repository_and_the_connection_is_shared(server, team, cache):
    before = server.logins()
    repository = open_ssh(server, team, cache)
    repository.deliver("main", put("a", b"1"))
    repository.deliver("main", put("b", b"1"))
    repository.fetch()
    assert subjects(team) == ["Put b", "Put a", "Begin"]
    assert server.logins() == before + 1


def test_a_key_that_is_not_accepted(server, team, cache):
    with pytest.raises(RepositoryError, match=r"did not accept the credentials.*ssh key") as caught:
        open_ssh(server, team, cache, ssh_key=server.stranger).fetch()
    assert not caught.value.retry


def test_an_open_connection_serves_its_own_key_only(server, team, cache):
    open_ssh(server, team, cache).fetch()
    with pytest.raises(RepositoryError, match="did not accept the credentials"):
        open_ssh(server, team, cache, ssh_key=server.stranger).fetch()


def test_an_unknown_host_key_is_refused(server, team, cache, tmp_path):
    (tmp_path / "empty").write_text("")
    with pytest.raises(RepositoryError, match=r"host key .* is not known.*ssh-keyscan"):
        open_ssh(server, team, cache, ssh_known_hosts=str(tmp_path / "empty")).fetch()
    assert (tmp_path / "empty").read_text() == ""


def test_a_changed_host_key_is_refused(server, team, cache):
    with pytest.raises(RepositoryError, match=r"host key .* has changed"):
        open_ssh(server, team, cache, ssh_known_hosts=server.impostor()).fetch()


@pytest.mark.parametrize("name", ["ssh_key", "ssh_known_hosts"])
def test_a_missing_file_is_named(server, team, cache, name):
    with pytest.raises(RepositoryError, match="'/nowhere' does not exist"):
        open_ssh(server, team, cache, **{name: "/nowhere"}).fetch()


def test_no_known_hosts_at_all_is_no_reason_to_trust(server, team, cache):
    with pytest.raises(RepositoryError, match=r"host key .* is not known.*ssh_known_hosts"):
        open_ssh(server, team, cache, ssh_known_hosts=None).fetch()


def test_no_repository_there(server, tmp_path, cache):
    with pytest.raises(RepositoryError, match=r"no repository at .*nowhere\.git"):
        open_ssh(server, tmp_path / "nowhere.git", cache).fetch()


def test_nobody_listens(server, tmp_path, cache):
    known = {"ssh_key": server.key, "ssh_known_hosts": server.known_hosts}
    with pytest.raises(RepositoryError, match="cannot be reached") as caught:
        open_repository("ssh://git@127.0.0.1:9/team.git", cache, **known).fetch()
    assert caught.value.retry
