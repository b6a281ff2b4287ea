"""Smart HTTP: credentials, certificates, proxies, redirects and servers that fail."""

import base64
import contextlib
import socket
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from gitops_bridge.errors import PushRejected, RepositoryError
from gitops_bridge.git import Delivered, Edit
from tests.git_team import (
    ME,
    at_once,
    bare,
    commit,
    gathered,
    git,
    hook,
    open_repository,
    put,
    show,
    subjects,
    wrap_git,
)
from tests.servers.git_http import GitServer

TOKEN = "canary-7f3a/+ü"


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


@pytest.fixture
def server(tmp_path, team):
    with GitServer(tmp_path) as running:
        yield running


@pytest.fixture
def guarded(tmp_path, team):
    """Open to a token and to one user with a password."""
    with GitServer(tmp_path, users={"x-access-token": TOKEN, "ann": "pa:ss word"}) as running:
        yield running


def test_a_delivery_needs_one_push_and_no_fetch(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.requests.clear()
    repository.deliver("main", put("a", b"1"))
    assert [(method, path.rpartition("/")[2]) for method, path, _ in server.requests] == [
        ("GET", "refs?service=git-receive-pack"),
        ("POST", "git-receive-pack"),
    ]
    assert show(team, "a") == "1"


@pytest.mark.parametrize(("user", "password"), [(None, TOKEN), ("ann", "pa:ss word")])
def test_credentials_open_the_repository(guarded, team, tmp_path, user, password):
    repository = open_repository(
        guarded.url(), tmp_path / "cache", username=user, password=password
    )
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]
    assert all(sent for _, _, sent in guarded.requests)  # at once, without a first refusal


@pytest.mark.parametrize("password", ["wrong-canary", None])
def test_wrong_credentials_fail_at_once_and_do_not_leak(guarded, team, tmp_path, password):
    repository = open_repository(guarded.url(), tmp_path / "cache", password=password)
    with pytest.raises(RepositoryError, match="did not accept the credentials") as caught:
        repository.fetch()
    assert len(guarded.requests) <= 2
    assert not caught.value.retry
    assert "wrong-canary" not in str(caught.value)


def test_credentials_that_expire_fail_the_push_at_once(guarded, tmp_path):
    repository = open_repository(guarded.url(), tmp_path / "cache", password=TOKEN)
    repository.fetch()
    guarded.users.clear()
    guarded.users["x-access-token"] = "another"
    guarded.requests.clear()
    with pytest.raises(RepositoryError, match="did not accept the credentials"):
        repository.deliver("main", put("a", b"1"))
    assert len(guarded.requests) <= 2


def test_a_token_is_in_no_argument_file_log_or_message(guarded, team, tmp_path, monkeypatch):
    """Every git started is recorded, by a wrapper and by looking at all processes meanwhile."""
    seen = tmp_path / "argv"
    wrap_git(tmp_path / "bin", f'cat /proc/self/cmdline >> {seen}; printf "%s " "$@" >> {seen}')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    told = []
    repository = open_repository(
        guarded.url(), tmp_path / "cache", log=told.append, username="ann", password="pa:ss word"
    )
    assert "ss word" not in repr(repository.__dict__)
    with _watched_processes() as commands:
        repository.deliver("main", put("a", b"1"))
        (next((tmp_path / "cache").iterdir()) / "mirror.git/HEAD").write_text("")
        repository.deliver("main", put("b", b"1"))
        hook(team, "update", "echo 'not for pa:ss word' >&2; exit 1")
        with pytest.raises(PushRejected) as caught:
            repository.deliver("main", put("c", b"1"))
        guarded.fail("status", value=500, times=9)
        with pytest.raises(RepositoryError) as broken:
            repository.fetch()
    assert told  # it did have something to log
    everything = [*commands, *told, str(caught.value), repr(broken.value), seen.read_text()]
    everything += [
        path.read_bytes().decode(errors="replace")
        for path in (tmp_path / "cache").rglob("*")
        if path.is_file()
    ]
    basic = base64.b64encode(b"ann:pa:ss word").decode()
    assert any("push" in text for text in everything)
    for secret in ("pa:ss word", "pa%3Ass%20word", basic):
        assert not [text for text in everything if secret in text]


@contextlib.contextmanager
def _watched_processes():
    found, done = set(), threading.Event()

    def look():
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    found.add(path.read_text(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def test_a_redirect_is_not_followed_with_credentials(guarded, team, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with GitServer(tmp_path / "elsewhere") as other:
        guarded.fail("redirect", value=other.url("")[:-1], times=9)
        repository = open_repository(guarded.url(), tmp_path / "cache", password=TOKEN)
        with pytest.raises(RepositoryError, match=r"redirects.*with \.git"):
            repository.fetch()
        assert other.requests == []


def test_a_busy_server_is_asked_again(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    server.fail("status", value=503, times=2)
    repository.fetch()
    server.fail("status", value=503, on="receive-pack")
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]


def test_a_server_that_stays_busy_is_given_up_for_now(server, tmp_path):
    server.fail("status", value=502, times=99)
    with pytest.raises(RepositoryError, match="out of order or busy") as caught:
        open_repository(server.url(), tmp_path / "cache").fetch()
    assert caught.value.retry
    assert len(server.requests) < 9


def test_a_forbidden_push_is_a_rejection(server, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.fail("status", value=403, on="receive-pack", times=3)
    with pytest.raises(PushRejected, match="403"):
        repository.deliver("main", put("a", b"1"))


def test_a_connection_cut_after_the_pack_arrived_doubles_nothing(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.fail("cut", on="/git-receive-pack")
    made = repository.deliver("main", put("a", b"1")).commit
    assert git(team, "rev-parse", "main") == made.id
    assert subjects(team) == ["Put a", "Begin"]


def test_a_connection_cut_before_the_pack_arrived_loses_nothing(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.fail("cut", on="info/refs?service=git-receive-pack")
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]


def test_an_own_branch_after_a_cut_connection_is_there_once(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    main = repository.snapshot("main", fetch=True)
    made = repository.commit(main, Edit({"a": b"1"}, {}, "Propose", ME))
    server.fail("cut", on="/git-receive-pack")
    repository.replace_branch("p/a", made, None)
    assert git(team, "rev-parse", "p/a") == made.id


def test_a_silent_server_is_left_after_the_timeout(server, tmp_path):
    server.fail("stall", times=99)
    repository = open_repository(server.url(), tmp_path / "cache", timeout=1.0)
    with (
        _watched_processes() as commands,
        pytest.raises(RepositoryError, match="cannot be reached") as caught,
    ):
        repository.fetch()
    assert caught.value.retry
    assert any("remote-http" in command for command in commands)
    alive = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"git-remote-http {server.url()}" not in alive.stdout


def test_nobody_listens(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/team.git"
        with pytest.raises(RepositoryError, match=r"cannot be reached.*check address") as caught:
            open_repository(url, tmp_path / "cache").fetch()
    assert caught.value.retry


def test_no_repository_there(server, tmp_path):
    with pytest.raises(RepositoryError, match=r"no repository at .*/other\.git"):
        open_repository(server.url("other.git"), tmp_path / "cache").fetch()


def test_one_bad_commit_among_many_fails_only_its_own(server, team, tmp_path):
    """The server refuses whatever touches `bad`; the others that went out with it must arrive."""
    hook(
        team,
        "update",
        'git diff --name-only "$2" "$3" | grep -q bad && echo "no bad files here" >&2 && exit 1;'
        "exit 0",
    )
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    names = ["good1", "good2", "bad", "good3", "good4", "good5"]
    works = [partial(repository.deliver, "main", put(name, b"1")) for name in names]
    with gathered(tmp_path / "cache", works) as ends:
        pass
    assert isinstance(ends.pop(names.index("bad")), PushRejected)
    assert all(isinstance(end, Delivered) for end in ends)
    names.remove("bad")
    assert sorted(subjects(team)) == sorted(["Begin", *(f"Put {name}" for name in names)])


def test_what_waits_goes_out_in_one_push_also_for_several_branches(server, team, tmp_path):
    commit(team, {"jobs": b"1"}, "Begin builds", branch="builds")
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.requests.clear()
    wanted = [(branch, f"{branch}{n}") for branch in ("main", "builds") for n in range(4)]
    works = [partial(repository.deliver, branch, put(name, b"1")) for branch, name in wanted]
    with gathered(tmp_path / "cache", works):
        pass
    assert len([path for method, path, _ in server.requests if method == "POST"]) == 1
    assert sorted(subjects(team) + subjects(team, "builds")) == sorted(
        ["Begin", "Begin builds", *(f"Put {name}" for _, name in wanted)]
    )


def test_those_who_wait_for_a_fetch_share_it(server, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    repository.fetch()
    server.requests.clear()
    with at_once(tmp_path / "cache", [repository.fetch] * 8):
        time.sleep(0.2)
    assert len([path for method, path, _ in server.requests if method == "GET"]) == 1


def test_a_resident_object_sees_what_others_push(server, team, tmp_path):
    repository = open_repository(server.url(), tmp_path / "cache")
    for number in range(3):
        theirs = commit(team, {f"theirs{number}": b"1"}, "A person writes")
        made = repository.deliver("main", put(f"ours{number}", b"1")).commit
        assert made.parents == (theirs,)
    assert len(subjects(team)) == 7
