"""An edit with its prerequisites and ref updates: all or nothing, whatever comes in between."""

import dataclasses
import shutil
from functools import partial

import pytest

from gitops_bridge.errors import PushRejected
from gitops_bridge.git import Delivered, Edit, Update
from tests.git_team import (
    ME,
    bare,
    commit,
    gathered,
    git,
    hook,
    interrupted,
    open_repository,
    put,
    subjects,
)
from tests.servers.git_http import GitServer

PROPOSED = "gitops-bridge/prod/a"
SECOND = "gitops-bridge/prod/second"


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


def proposed(repository, name=PROPOSED, text=b"1"):
    main = repository.snapshot("main", fetch=True)
    made = repository.commit(main, Edit({"a": text}, {}, "Propose", ME))
    repository.replace_branch(name, made, None)
    return made.id


def delivery(repository, path="a", name=PROPOSED):
    """A plan as the bridge's are: deliver what waits, unless it does not wait any more."""

    def plan(snapshot):
        there = repository.branches(name, fetch=False).get(name)
        edit = put(path, b"1")(snapshot)
        if there is None or isinstance(edit, str):
            return "gone"
        return dataclasses.replace(edit, ref_updates=(Update(name, there, ""),))

    return plan


def pushes(server):
    return sum(method == "POST" and "receive-pack" in path for method, path, _ in server.requests)


def refs(team):
    return git(team, "for-each-ref", "--format=%(refname)").splitlines()


def test_both_go_in_one_push(team, tmp_path):
    with GitServer(tmp_path) as server:
        repository = open_repository(server.url(), tmp_path / "cache")
        proposed(repository)
        proposed(repository, SECOND)
        server.requests.clear()
        plan = delivery(repository)

        def with_both(snapshot):
            edit = plan(snapshot)
            there = repository.branches(SECOND, fetch=False)[SECOND]
            updates = (*edit.ref_updates, Update(SECOND, there, ""))
            return dataclasses.replace(edit, ref_updates=updates)

        assert isinstance(repository.deliver("main", with_both), Delivered)
        assert pushes(server) == 1
    assert refs(team) == ["refs/heads/main"]
    assert repository.branches(fetch=False).keys() == {"main"}


@pytest.mark.parametrize("by_then", ["gone", "elsewhere"])
def test_nothing_arrives_when_what_should_move_has_moved(url, team, tmp_path, by_then):
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    other = open_repository(url, tmp_path / "other")
    waits = proposed(repository)

    def meanwhile():
        if by_then == "gone":
            other.delete_branch(PROPOSED, waits)
        else:
            main = other.snapshot("main", fetch=True)
            newer = other.commit(main, Edit({"a": b"2"}, {}, "Propose", ME))
            other.replace_branch(PROPOSED, newer, waits)

    repository.meanwhile = meanwhile
    seen = []

    def plan(snapshot):
        seen.append(repository.branches(PROPOSED, fetch=False).get(PROPOSED))
        return delivery(repository)(snapshot) if seen[-1] in (None, waits) else "another waits"

    answer = repository.deliver("main", plan)
    assert answer == {"gone": "gone", "elsewhere": "another waits"}[by_then]
    assert len(set(seen)) == 2, "it was planned again on what is there now"
    assert subjects(team) == ["Begin"]


def test_what_happens_on_the_server_while_it_takes_the_push_counts_too(url, team, tmp_path):
    """Between git's look at the leases and the server's transaction somebody removes the branch."""
    repository = open_repository(url, tmp_path / "cache")
    proposed(repository)
    hook(
        team, "update",
        f'case "$1" in */main) git update-ref -d refs/heads/{PROPOSED};; esac; exit 0',
    )  # fmt: skip
    assert repository.deliver("main", delivery(repository)) == "gone"
    assert subjects(team) == ["Begin"]


def test_a_moved_main_moves_no_other_branch(url, team, tmp_path):
    """The first push is refused for main; the other branch moves with the second, not before."""
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    proposed(repository)
    repository.meanwhile = lambda: commit(team, {"b": b"1"}, "Meanwhile")
    assert isinstance(repository.deliver("main", delivery(repository)), Delivered)
    assert subjects(team) == ["Put a", "Meanwhile", "Begin"]
    assert refs(team) == ["refs/heads/main"]


def test_a_branch_that_stays_is_asked_for_all_the_same(url, team, tmp_path):
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    other = open_repository(url, tmp_path / "other")
    waits = proposed(repository)

    def plan(snapshot):
        if PROPOSED not in repository.branches(fetch=False):
            return "gone"
        return dataclasses.replace(
            put("a", b"1")(snapshot), ref_updates=(Update(PROPOSED, waits, waits),)
        )

    repository.meanwhile = lambda: other.delete_branch(PROPOSED, waits)
    assert repository.deliver("main", plan) == "gone"
    waits = proposed(other)
    repository.fetch()
    assert isinstance(repository.deliver("main", plan), Delivered)
    assert git(team, "rev-parse", PROPOSED) == waits


def test_others_that_wait_arrive_though_a_branch_of_one_has_gone(team, tmp_path):
    """Group commit: one push for all that is there; who is late plans again, the others are in."""
    with GitServer(tmp_path) as server:
        repository = open_repository(server.url(), tmp_path / "cache")
        other = open_repository(server.url(), tmp_path / "other")
        names = ["a", "b", "c"]
        branches = {name: f"gitops-bridge/prod/{name}" for name in names}
        waits = {name: proposed(repository, branches[name]) for name in names}
        repository.fetch()
        works = [
            partial(repository.deliver, "main", delivery(repository, name, branches[name]))
            for name in names
        ]
        with gathered(tmp_path / "cache", works) as ends:
            other.fetch()
            other.delete_branch(branches["b"], waits["b"])
            server.requests.clear()
        assert ends.pop(1) == "gone"
        assert all(isinstance(end, Delivered) for end in ends)
        assert pushes(server) == 2, "the first one is refused"
    assert sorted(subjects(team)) == ["Begin", "Put a", "Put c"]
    assert refs(team) == ["refs/heads/main"]


def test_two_that_move_the_same_branch_are_one(url, team, tmp_path):
    """The same delivery planned by two at once: one commit, and the other plans again on it."""
    repository = open_repository(url, tmp_path / "cache")
    proposed(repository)
    work = partial(repository.deliver, "main", delivery(repository))
    with gathered(tmp_path / "cache", [work, work]) as ends:
        pass
    ends.sort(key=lambda end: end == "gone")
    assert isinstance(ends[0], Delivered)
    assert ends[1] == "gone"
    assert subjects(team) == ["Put a", "Begin"]


BUILDS = "builds"


def with_job(repository, name):
    """A plan whose commit has a prerequisite on the branch `builds`."""

    def plan(snapshot):
        job = put(f"job-{name}", b"1")(repository.snapshot(BUILDS, fetch=False))
        return dataclasses.replace(put(name, b"1")(snapshot), prerequisites={BUILDS: job})

    return plan


def files(team, branch):
    return git(team, "ls-tree", "--name-only", branch).split()


def test_a_prerequisite_goes_in_the_same_push(team, tmp_path):
    git(team, "branch", BUILDS, "main")
    with GitServer(tmp_path) as server:
        repository = open_repository(server.url(), tmp_path / "cache")
        repository.fetch()
        server.requests.clear()
        assert isinstance(repository.deliver("main", with_job(repository, "a")), Delivered)
        assert pushes(server) == 1
    assert files(team, BUILDS) == ["README.md", "job-a"]
    assert files(team, "main") == ["README.md", "a"]


def test_without_transactions_a_prerequisite_goes_first(url, team, tmp_path):
    git(team, "branch", BUILDS, "main")
    git(team, "config", "receive.advertiseAtomic", "false")
    hook(team, "update", 'case "$1" in */main) git cat-file -e builds:job-a;; esac')
    repository = open_repository(url, tmp_path / "cache")
    assert isinstance(repository.deliver("main", with_job(repository, "a")), Delivered)
    assert files(team, "main") == ["README.md", "a"]


@pytest.mark.parametrize("atomic", ["true", "false"])
@pytest.mark.parametrize("refused", ["main", BUILDS, "*"], ids=["main", BUILDS, "both"])
def test_a_refusal_of_either_is_told_and_no_commit_is_without_its_prerequisite(
    url, team, tmp_path, atomic, refused
):
    git(team, "branch", BUILDS, "main")
    git(team, "config", "receive.advertiseAtomic", atomic)
    hook(team, "update", f'case "$1" in */{refused}) echo "not for you" >&2; exit 1;; esac')
    repository = open_repository(url, tmp_path / "cache")
    with pytest.raises(PushRejected, match=rf"(?s){refused.strip('*')}.*not for you"):
        repository.deliver("main", with_job(repository, "a"))
    assert subjects(team) == ["Begin"]


@pytest.mark.parametrize("atomic", ["true", "false"])
def test_the_branch_of_a_prerequisite_has_moved_meanwhile(url, team, tmp_path, atomic):
    git(team, "branch", BUILDS, "main")
    git(team, "config", "receive.advertiseAtomic", atomic)
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    repository.meanwhile = lambda: commit(team, {"job-b": b"1"}, "Meanwhile", BUILDS)
    assert isinstance(repository.deliver("main", with_job(repository, "a")), Delivered)
    assert files(team, BUILDS) == ["README.md", "job-a", "job-b"]
    assert files(team, "main") == ["README.md", "a"]


def test_a_mirror_made_anew_lacks_the_commits_that_were_written(url, team, tmp_path):
    git(team, "branch", BUILDS, "main")
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    repository.meanwhile = lambda: shutil.rmtree(repository._mirror.path)
    assert isinstance(repository.deliver("main", with_job(repository, "a")), Delivered)
    assert files(team, BUILDS) == ["README.md", "job-a"]
    assert files(team, "main") == ["README.md", "a"]


@pytest.mark.parametrize("prerequisite", ["one of its own each", "what is there"])
def test_several_with_prerequisites_on_one_branch_go_in_one_push(team, tmp_path, prerequisite):
    git(team, "branch", BUILDS, "main")
    with GitServer(tmp_path) as server:
        repository = open_repository(server.url(), tmp_path / "cache")
        repository.fetch()
        there = {"README.md": repository.snapshot(BUILDS, fetch=False).id("README.md")}

        def plan(name):
            if prerequisite == "one of its own each":
                return with_job(repository, name)
            edit = Edit(changes={name: b"1"}, guards={}, message=f"Put {name}", author=ME)
            guard = Edit(changes={}, guards=there, message="", author=ME)
            return lambda _: dataclasses.replace(edit, prerequisites={BUILDS: guard})

        works = [partial(repository.deliver, "main", plan(name)) for name in "abc"]
        with gathered(tmp_path / "cache", works):
            server.requests.clear()
        assert pushes(server) == 1
    made = ["job-a", "job-b", "job-c"] if prerequisite == "one of its own each" else []
    assert files(team, BUILDS) == ["README.md", *made]
    assert files(team, "main") == ["README.md", "a", "b", "c"]


@pytest.mark.parametrize("asks", ["for what is there", "for its own"])
def test_a_ref_update_beside_a_prerequisite_has_moved(url, team, tmp_path, asks):
    """Only the branch of the ref update is at fault, and nothing arrives anywhere."""
    git(team, "branch", BUILDS, "main")
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    other = open_repository(url, tmp_path / "other")
    waits = proposed(repository)
    repository.fetch()
    there = repository.snapshot(BUILDS, fetch=False).id("README.md")
    guard = Edit(changes={}, guards={"README.md": there}, message="", author=ME)

    def plan(snapshot):
        edit = delivery(repository)(snapshot)
        if edit == "gone":
            return edit
        if asks == "for what is there":
            return dataclasses.replace(edit, prerequisites={BUILDS: guard})
        job = with_job(repository, "a")(snapshot).prerequisites
        return dataclasses.replace(edit, prerequisites=job)

    repository.meanwhile = lambda: other.delete_branch(PROPOSED, waits)
    assert repository.deliver("main", plan) == "gone"
    assert subjects(team) == subjects(team, BUILDS) == ["Begin"]


@pytest.mark.parametrize("atomic", ["true", "false"])
def test_what_a_prerequisite_guards_has_gone_meanwhile(url, team, tmp_path, atomic):
    """It was there when the commit was planned, and nothing was to be changed there."""
    commit(team, {"job-a": b"1"}, "Job", BUILDS)
    git(team, "config", "receive.advertiseAtomic", atomic)
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    repository.meanwhile = lambda: commit(team, {"job-a": None}, "Meanwhile", BUILDS)

    def plan(snapshot):
        there = repository.snapshot(BUILDS, fetch=False).id("job-a")
        if there is None:
            return with_job(repository, "a")(snapshot)
        guard = Edit(changes={}, guards={"job-a": there}, message="", author=ME)
        return dataclasses.replace(put("a", b"1")(snapshot), prerequisites={BUILDS: guard})

    assert isinstance(repository.deliver("main", plan), Delivered)
    assert subjects(team, BUILDS) == ["Put job-a", "Meanwhile", "Job"]
    assert files(team, "main") == ["README.md", "a"]


def test_a_server_without_transactions_gets_the_commit_before_a_deletion(url, team, tmp_path):
    git(team, "config", "receive.advertiseAtomic", "false")
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    waits = proposed(repository)
    assert isinstance(repository.deliver("main", delivery(repository)), Delivered)
    assert repository.branches(PROPOSED, fetch=True) == {}
    other = open_repository(url, tmp_path / "other")
    waits = proposed(repository, text=b"2")
    other.fetch()
    repository.meanwhile = lambda: other.delete_branch(PROPOSED, waits)
    assert repository.deliver("main", delivery(repository, "b")) == "gone"
    assert subjects(team) == ["Put a", "Begin"]


@pytest.mark.parametrize("refusal", ["hook", "hook for all", "configuration"])
def test_a_server_that_lets_nothing_be_deleted_gets_the_commit_alone(url, team, tmp_path, refusal):
    repository = open_repository(url, tmp_path / "cache")
    waits = proposed(repository)
    if refusal == "hook":
        hook(team, "update", 'case "$1" in */gitops-bridge/*) exit 1;; esac')
    elif refusal == "hook for all":
        hook(
            team,
            "pre-receive",
            'while read old new ref; do [ "${new#0000}" = "$new" ] || exit 1; done',
        )
    else:
        git(team, "config", "receive.denyDeletes", "true")
    plans = [delivery(repository), put("b", b"1")]
    works = [partial(repository.deliver, "main", plan) for plan in plans]
    with gathered(tmp_path / "cache", works) as ends:
        pass
    assert all(isinstance(end, Delivered) for end in ends)
    assert sorted(subjects(team)) == ["Begin", "Put a", "Put b"]
    with pytest.raises(PushRejected):
        repository.delete_branch(PROPOSED, waits)


def test_a_main_that_is_protected_keeps_what_should_move(url, team, tmp_path):
    repository = open_repository(url, tmp_path / "cache")
    waits = proposed(repository)
    hook(team, "update", 'case "$1" in */main) echo "not for you" >&2; exit 1;; esac')
    with pytest.raises(PushRejected, match="not for you"):
        repository.deliver("main", delivery(repository))
    assert git(team, "rev-parse", PROPOSED) == waits


STATE = "rollouts"


def transition(repository, name, state, *, main=None, base=True):
    """A plan for the branch `rollouts`: the state file of `name`, and what it says about main."""

    def plan(snapshot):
        path = f"prod/{name}.yaml"
        there = repository.snapshot("main", fetch=False)
        if snapshot.read(path) == state:
            return "done"
        return Edit(
            changes={path: state},
            guards={path: snapshot.id(path)},
            message=f"{name}: {state.decode()}",
            author=ME,
            prerequisites={
                "main": Edit(
                    changes={name: main} if main else {},
                    guards={name: there.id(name)},
                    message=f"Put {name}",
                    author=ME,
                    base=there.commit if base else None,
                )
            },
        )

    return plan


def test_each_branch_gets_its_commit_and_a_missing_one_is_created(url, team, tmp_path):
    repository = open_repository(url, tmp_path / "cache")
    repository.fetch()
    made = repository.deliver(STATE, transition(repository, "a", b"1", main=b"x"), create=True)
    assert made.commits.keys() == {"main", STATE}
    assert made.commits["main"].id == git(team, "rev-parse", "main")
    assert made.commit.id == git(team, "rev-parse", STATE)
    assert files(team, STATE) == ["prod"]
    job = Edit({"job": b"1"}, {}, "Order a build", ME, base="")
    edit = Edit({"b": b"1"}, {}, "Put b", ME, prerequisites={BUILDS: job})
    made = repository.deliver("main", lambda _: edit)
    assert made.commits[BUILDS].parents == ()


@pytest.mark.parametrize("atomic", ["true", "false"])
def test_an_edit_without_changes_only_asks_for_its_guards(url, team, tmp_path, atomic):
    """A person changes what the state is about, before and while it is pushed."""
    git(team, "config", "receive.advertiseAtomic", atomic)
    git(team, "branch", STATE, "main")
    repository = interrupted(open_repository(url, tmp_path / "cache"))
    begun = git(team, "rev-parse", "main")
    assert repository.deliver(STATE, transition(repository, "a", b"1")).commits.keys() == {STATE}
    assert git(team, "rev-parse", "main") == begun
    commit(team, {"a": b"theirs"}, "A person writes")
    seen = []

    def plan(snapshot):
        seen.append(repository.snapshot("main", fetch=False).read("a"))
        return transition(repository, "a", b"2")(snapshot) if seen[-1] is None else "theirs"

    assert repository.deliver(STATE, plan) == "theirs"
    assert seen == [None, b"theirs"]
    assert subjects(team, STATE) == ["a: 1", "Begin"]


def test_what_was_undone_on_a_prerequisite_s_branch_means_planning_again(url, team, tmp_path):
    git(team, "branch", STATE, "main")
    repository = open_repository(url, tmp_path / "cache")
    repository.fetch()
    commit(team, {"a": b"theirs"}, "A person writes")
    last = commit(team, {"a": None}, "A person takes it back")
    bases = []

    def plan(snapshot):
        edit = transition(repository, "a", b"1", main=b"x")(snapshot)
        bases.append(edit.prerequisites["main"].base)
        return edit

    assert repository.deliver(STATE, plan).commits["main"].parents == (last,)
    assert bases[-1] == last


def test_all_that_touch_one_branch_of_states_go_in_one_push(team, tmp_path):
    git(team, "branch", STATE, "main")
    with GitServer(tmp_path) as server:
        repository = open_repository(server.url(), tmp_path / "cache")
        waits = proposed(repository, text=b"x")
        repository.fetch()
        plans = [transition(repository, name, b"1", main=b"x") for name in "bc"]

        def delivered(snapshot):
            edit = transition(repository, "a", b"1", main=b"x")(snapshot)
            return dataclasses.replace(edit, ref_updates=(Update(PROPOSED, waits, ""),))

        plans.append(delivered)
        plans.append(transition(repository, "d", b"1"))
        works = [partial(repository.deliver, STATE, plan) for plan in plans]
        with gathered(tmp_path / "cache", works) as ends:
            server.requests.clear()
        assert pushes(server) == 1
    assert [len(end.commits) for end in ends] == [2, 2, 2, 1]
    assert sorted(subjects(team)) == ["Begin", "Put a", "Put b", "Put c"]
    assert sorted(subjects(team, STATE)) == ["Begin", "a: 1", "b: 1", "c: 1", "d: 1"]
    assert refs(team) == ["refs/heads/main", f"refs/heads/{STATE}"]


@pytest.mark.parametrize("cut", [PROPOSED, BUILDS, "main", STATE, "old"])
def test_without_transactions_the_order_is_fixed(url, team, tmp_path, cut):
    """What stands before the refused branch has arrived, nothing behind it."""
    git(team, "branch", BUILDS, "main")
    git(team, "branch", STATE, "main")
    git(team, "branch", "old", "main")
    git(team, "config", "receive.advertiseAtomic", "false")
    repository = open_repository(url, tmp_path / "cache")
    main = repository.snapshot("main", fetch=True)
    proposal = repository.commit(main, Edit({"a": b"1"}, {}, "Propose", ME))
    before = {name: git(team, "rev-parse", name) for name in (BUILDS, "main", STATE, "old")}
    parts = {
        name: Edit({"a": b"1"}, {}, f"Put on {name}", ME, base=before[name])
        for name in (BUILDS, "main")
    }
    updates = (Update("old", before["old"], ""), Update(PROPOSED, "", proposal.id))
    edit = Edit({"a": b"1"}, {}, "Say so", ME, ref_updates=updates, prerequisites=parts)
    hook(team, "update", f'case "$1" in */{cut}) exit 1;; esac')
    if cut == "old":  # what cannot be cleared away keeps nothing back
        repository.submit(STATE, edit)
    else:
        with pytest.raises(PushRejected):
            repository.submit(STATE, edit)
    order = [PROPOSED, BUILDS, "main", STATE, "old"]
    now = dict(line.split() for line in git(
        team, "for-each-ref", "--format=%(refname:short) %(objectname)").splitlines())  # fmt: skip
    arrived = [name for name in order if now.get(name) != before.get(name)]
    assert arrived == order[: order.index(cut)]


def test_one_push_alone_says_when_it_must_be_planned_again(url, team, tmp_path):
    repository = open_repository(url, tmp_path / "cache")
    snapshot = repository.snapshot("main", fetch=True)
    theirs = commit(team, {"a": b"theirs"}, "A person writes")
    assert repository.submit("main", put("a", b"1")(snapshot)) is None
    assert repository.branch("main") == theirs, "the mirror has seen it"
    nothing = repository.submit("main", Edit({"a": b"theirs"}, {}, "Nothing", ME))
    assert nothing.commits == {}
