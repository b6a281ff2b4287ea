"""One request that stands for a push: what it sends is sound, the rest is left to git."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_bridge import blobs
from gitops_bridge.errors import PushRejected
from gitops_bridge.git import Edit, Update
from gitops_bridge.git.receive_pack import _delta
from tests.git_team import ME, bare, commit, git, hook, open_repository, put, show, subjects
from tests.servers.git_http import GitServer

FILES = {f"overlays/prod/d{number}/model/record.yaml": b"%d\n" % number for number in range(60)}


@pytest.fixture
def team(tmp_path):
    folder = bare(tmp_path, FILES)
    git(folder, "config", "receive.fsckObjects", "true")
    return folder


@pytest.fixture
def server(tmp_path, team):
    with GitServer(tmp_path) as running:
        yield running


@pytest.fixture
def repository(server, tmp_path):
    made = open_repository(server.url(), tmp_path / "cache")
    made.fetch()
    return made


def requests(server):
    return [(method, path.rpartition("/")[2]) for method, path, _ in server.requests]


def test_a_push_is_one_request_once_the_server_is_known(server, repository, team):
    repository.deliver("main", put("a", b"1"))
    server.requests.clear()
    repository.deliver("main", put("overlays/prod/d7/model/record.yaml", b"new\n"))
    assert requests(server) == [("POST", "git-receive-pack")]
    assert show(team, "overlays/prod/d7/model/record.yaml") == "new"


def test_another_process_knows_the_server_too(server, repository, tmp_path):
    repository.deliver("main", put("a", b"1"))
    server.requests.clear()
    open_repository(server.url(), tmp_path / "cache").deliver("main", put("b", b"1"))
    assert requests(server) == [("POST", "git-receive-pack")]


CHANGES = [
    {"overlays/prod/d1": None},
    {"overlays/prod/d1/model": None, "overlays/prod/d1/model/new.yaml": b"x" * 100_000},
    {"overlays": None},
    {"run.sh": blobs.of(b"#!/bin/sh\n", blobs.EXECUTABLE), "link": blobs.of(b"a", blobs.LINK)},
    {"module": blobs.of(b"1" * 40, blobs.SUBMODULE)},
    {"a/b/c/d/e": b"deep", "overlays/dev/x": b"1", "empty": b""},
    {"na\udcfcme": b"not UTF-8", "ordner/ä": b"UTF-8"},
    {f"overlays/prod/d{number}/model/record.yaml": b"all" for number in range(60)},
]


def test_whatever_changes_arrives_as_git_would_have_it(server, repository, team):
    """The server checks what it receives, and plain git all of it at the end."""
    for number, changes in enumerate(CHANGES):
        repository.submit("main", Edit(changes, {}, f"Change {number}", ME))
        head = repository.snapshot("main", fetch=False)
        assert git(team, "rev-parse", "main^{tree}") == head.id("")
    git(team, "fsck", "--strict")
    assert len(subjects(team)) == len(CHANGES) + 1


def test_branches_are_created_moved_kept_and_deleted_in_one_request(server, repository, team):
    repository.deliver("main", put("a", b"1"))
    main = repository.snapshot("main", fetch=False)
    proposal = repository.commit(main, Edit({"p": b"1"}, {}, "Propose", ME))
    state = Edit({"s": b"1"}, {}, "State", ME, base="")
    guard = {"main": Edit({}, {"a": main.id("a")}, "", ME, base=main.commit)}
    update = (Update("gitops-bridge/prod/a", "", proposal.id),)
    server.requests.clear()
    for edit in (state, Edit({"s": b"2"}, {}, "State", ME)):
        branches = Edit(edit.changes, {}, edit.message, ME, edit.base, update, guard)
        assert repository.submit("rollouts", branches).commits.keys() == {"rollouts"}
        update = (Update("gitops-bridge/prod/a", proposal.id, ""),)
    assert requests(server) == [("POST", "git-receive-pack")] * 2
    names = git(team, "for-each-ref", "--format=%(refname:short)").split()
    assert names == ["main", "rollouts"]
    git(team, "fsck", "--strict")


def test_a_branch_that_moved_is_not_overwritten(server, repository, team):
    repository.deliver("main", put("a", b"1"))
    theirs = commit(team, {"b": b"theirs"}, "A person writes")
    made = repository.deliver("main", put("c", b"1")).commit
    assert made.parents == (theirs,)


def test_an_answer_that_is_lost_doubles_nothing(server, repository, team):
    repository.deliver("main", put("a", b"1"))
    server.fail("cut", on="receive-pack")
    repository.deliver("main", put("b", b"1"))
    assert subjects(team) == ["Put b", "Put a", "Begin"]


def test_a_refusal_is_told_in_the_words_of_the_server(server, repository, team):
    repository.deliver("main", put("a", b"1"))
    hook(team, "pre-receive", "echo 'only on weekdays' >&2; exit 1")
    with pytest.raises(PushRejected, match="only on weekdays"):
        repository.deliver("main", put("b", b"1"))


def test_a_server_that_takes_no_such_request_is_left_alone(server, repository, team):
    server.fail("status", value=500, on="git-receive-pack")
    for number in range(3):
        repository.deliver("main", put("a", b"%d" % number))
    posts = [path for method, path in requests(server) if method == "POST" and "receive" in path]
    assert len(posts) == 3, "git push, and no other try before it"
    assert len(subjects(team)) == 4


def test_no_transaction_no_request_for_several_branches(server, repository, team):
    git(team, "config", "receive.advertiseAtomic", "false")
    hook(team, "update", 'case "$1" in */rollouts) exit 1;; esac')
    main = {"main": Edit({"a": b"1"}, {}, "Put a", ME)}
    with pytest.raises(PushRejected):
        repository.submit("rollouts", Edit({"s": b"1"}, {}, "State", ME, prerequisites=main))
    assert subjects(team) == ["Put a", "Begin"], "main goes first, by itself"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400), st.binary(max_size=400), st.binary(max_size=70_000))
def test_a_delta_makes_the_later_version_of_the_earlier(one, other, shared):
    base, data = shared + one + shared, shared + other + shared
    assert _applied(base, _delta(base, data)) == data


def _applied(base, delta):
    """As gitformat-pack describes it."""
    found, at = b"", 0
    for _ in range(2):
        while delta[at] & 0x80:
            at += 1
        at += 1
    while at < len(delta):
        code, at = delta[at], at + 1
        if code & 0x80:
            values = []
            for bit in range(7):
                values.append(delta[at] if code & 1 << bit else 0)
                at += bool(code & 1 << bit)
            offset = int.from_bytes(bytes(values[:4]), "little")
            size = int.from_bytes(bytes(values[4:]), "little") or 0x10000
            found += base[offset : offset + size]
        else:
            found, at = found + delta[at : at + code], at + code
    return found
