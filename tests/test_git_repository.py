"""Deliveries, snapshots, history and our own branches, on a local remote."""

import subprocess

import pytest

from gitops_bridge.errors import PushRejected, RepositoryError, RequestError, StaleBase
from gitops_bridge.git import Delivered, Edit, Signature
from tests.git_team import (
    ME,
    bare,
    commit,
    git,
    hook,
    open_repository,
    put,
    revert,
    show,
    subjects,
    wrap_git,
)


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"base/deployment.yaml": b"kind: Deployment\n", "README.md": b"hello\n"})


@pytest.fixture
def repository(team, tmp_path):
    return open_repository(team, tmp_path / "cache")


def test_a_delivery_is_one_commit_of_the_edited_paths(repository, team):
    made = repository.deliver(
        "main", put("overlays/prod/a/model/record.yaml", b"model: 1\n")
    ).commit
    assert git(team, "rev-parse", "main") == made.id
    assert git(team, "log", "-1", "--format=%an <%ae> %cn", "main") == (
        "Bridge <bridge@example.com> Bridge"
    )
    assert git(team, "diff", "--name-status", "main~", "main") == (
        "A\toverlays/prod/a/model/record.yaml"
    )
    assert made.trailers == {"Content": "model: 1"}
    assert made.author == ME
    assert made.parents == (git(team, "rev-parse", "main~"),)


def test_the_same_again_is_answered_without_a_commit(repository, team):
    repository.deliver("main", put("a", b"1"))
    assert repository.deliver("main", put("a", b"1")) == "nothing to do"
    assert subjects(team) == ["Put a", "Begin"]


def test_an_edit_that_changes_nothing_is_no_commit(repository, team):
    edit = Edit({"README.md": b"hello\n"}, {}, "Nothing", ME)
    assert repository.deliver("main", lambda _: edit) is None
    assert subjects(team) == ["Begin"]


def test_an_answer_is_only_given_for_the_branch_as_it_is_now(repository, team):
    repository.fetch()
    commit(team, {"wish": b"1"}, "A person wishes")
    seen = []

    def plan(snapshot):
        seen.append(snapshot.read("wish"))
        return "wished" if seen[-1] else "not wished"

    assert repository.deliver("main", plan) == "wished"
    assert seen == [None, b"1"]


def test_a_problem_is_only_raised_for_the_branch_as_it_is_now(repository, team):
    repository.fetch()
    commit(team, {"wish": b"1"}, "A person wishes")

    def plan(snapshot):
        if snapshot.read("wish") is None:
            raise RequestError("no wish")
        return Edit({"granted": b"1"}, {}, "Grant", ME)

    assert isinstance(repository.deliver("main", plan), Delivered)
    with pytest.raises(RequestError, match="always"):
        repository.deliver("main", lambda _: _raise(RequestError("always")))


def _raise(error):
    raise error


def test_a_moved_branch_gets_the_edit_on_top(repository, team):
    repository.fetch()
    theirs = commit(team, {"README.md": b"changed\n"}, "A person writes")
    made = repository.deliver("main", put("a", b"1")).commit
    assert made.parents == (theirs,)
    assert show(team, "README.md") == "changed"


def test_a_broken_guard_means_planning_again(repository, team):
    repository.fetch()
    commit(team, {"README.md": b"changed\n"}, "A person writes")
    seen = []

    def plan(snapshot):
        seen.append(snapshot.read("README.md"))
        if seen[-1] == b"changed\n":
            return "leave it"
        return Edit({"a": b"1"}, {"README.md": snapshot.id("README.md")}, "Put", ME)

    assert repository.deliver("main", plan) == "leave it"
    assert seen == [b"hello\n", b"changed\n"]


def test_the_whole_tree_can_be_guarded(repository, team):
    repository.fetch()
    commit(team, {"elsewhere": b"x"}, "A person writes")
    bases = []

    def plan(snapshot):
        bases.append(snapshot.commit)
        return Edit({"a": b"1"}, {"": snapshot.id("")}, "Put", ME)

    made = repository.deliver("main", plan).commit
    assert bases[-1] == made.parents[0]
    assert len(bases) == 2


def test_a_plan_that_never_fits_ends(repository, team):
    with pytest.raises(StaleBase) as caught:
        repository.deliver("main", lambda _: Edit({"a": b"1"}, {"a": "0" * 40}, "Put", ME))
    assert caught.value.retry
    assert subjects(team) == ["Begin"]


def test_a_revert_between_crash_and_replay_is_not_undone(team, tmp_path):
    """The first delivery's caller never learnt of it; the second starts from what was known. The
    content is the same again, so that only what lies between tells that it must plan anew."""
    crashed = open_repository(team, tmp_path / "cache")
    other = open_repository(team, tmp_path / "other")
    crashed.fetch()
    delivered = other.deliver("main", put("a", b"1")).commit
    revert(team, delivered.id, tmp_path / "ann")

    def plan(snapshot):
        reverted = crashed.log(snapshot.commit, "a", limit=1)
        return "a person reverted it" if reverted else put("a", b"1")(snapshot)

    assert crashed.deliver("main", plan) == "a person reverted it"
    assert subjects(team) == ['Revert "Put a"', "Put a", "Begin"]


def test_the_same_content_with_another_reason_is_another_delivery(team, tmp_path):
    crashed = open_repository(team, tmp_path / "cache")
    crashed.fetch()
    delivered = (
        open_repository(team, tmp_path / "other").deliver("main", put("a", b"1", "First")).commit
    )
    revert(team, delivered.id, tmp_path / "ann")
    crashed.deliver("main", put("a", b"1", "Second"))
    assert subjects(team)[0] == "Second"


def test_history_wound_back_by_a_person_stays_so(repository, team):
    repository.deliver("main", put("a", b"1"))
    git(team, "update-ref", "refs/heads/main", "main~")
    repository.deliver("main", put("b", b"1"))
    assert subjects(team) == ["Put b", "Begin"]


def test_a_branch_is_created_when_asked(repository, team):
    made = repository.deliver("builds", put("prod/job.yaml", b"kind: Job\n"), create=True).commit
    assert made.parents == ()
    assert git(team, "ls-tree", "-r", "--name-only", "builds") == "prod/job.yaml"
    repository.deliver("builds", put("prod/other.yaml", b"kind: Job\n"), create=True)
    assert len(subjects(team, "builds")) == 2


def test_two_who_create_one_branch_share_it(team, tmp_path):
    first, second = (open_repository(team, tmp_path / name) for name in "ab")
    first.fetch(), second.fetch()
    first.deliver("builds", put("one", b"1"), create=True)
    second.deliver("builds", put("two", b"2"), create=True)
    assert subjects(team, "builds") == ["Put two", "Put one"]


def test_an_empty_remote_asks_for_init(tmp_path):
    repository = open_repository(bare(tmp_path), tmp_path / "cache")
    with pytest.raises(RepositoryError, match=r"empty.*gitops-bridge init"):
        repository.snapshot("main", fetch=True)
    with pytest.raises(RepositoryError, match="empty"):
        repository.deliver("main", put("a", b"1"))
    assert repository.deliver("main", put("a", b"1"), create=True).commit.parents == ()


def test_a_missing_branch_names_those_there(repository):
    with pytest.raises(RepositoryError, match=r"no branch 'mian'.*main"):
        repository.snapshot("mian", fetch=False)


def test_no_repository_there(tmp_path):
    (tmp_path / "plain").mkdir()
    for path in ("plain", "nowhere"):
        repository = open_repository(tmp_path / path, tmp_path / "cache")
        with pytest.raises(RepositoryError, match=f"no repository at .*{path}.*check the address"):
            repository.snapshot("main", fetch=False)


def test_a_cache_that_cannot_be_written(team, tmp_path):
    (tmp_path / "file").write_text("")
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RepositoryError, match=r"mirror cannot be written.*another one"):
            open_repository(team, cache).fetch()


def test_a_queue_that_cannot_be_written(team, tmp_path):
    repository = open_repository(team, tmp_path / "cache")
    repository.fetch()
    (queue,) = (folder / "queue" for folder in (tmp_path / "cache").iterdir())
    queue.write_text("")
    with pytest.raises(RepositoryError, match=r"Not a directory: .*queue"):
        repository.deliver("main", put("overlays/prod/b/record.yaml", b"1"))


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("pre-receive", "echo 'GitLab: You are not allowed to push code to protected branches'"),
        ("update", "echo 'error: GH006: Protected branch update failed for refs/heads/main'"),
    ],
)
def test_a_declined_push_says_why_and_what_to_do(repository, team, name, script):
    hook(team, name, f"{script} >&2; exit 1")
    with pytest.raises(PushRejected) as caught:
        repository.deliver("main", put("a", b"1"))
    assert "rotected branch" in caught.value.message
    assert "'main'" in caught.value.message
    assert "pull request" in caught.value.hint
    assert not caught.value.retry
    (team / "hooks" / name).unlink()
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]


def test_a_server_that_never_lets_go_of_the_branch(repository, team):
    """Refused like a lost race, but nobody has moved the branch."""
    (team / "refs/heads").mkdir(exist_ok=True)
    (team / "refs/heads/main.lock").write_text("")
    with pytest.raises(PushRejected, match="main"):
        repository.deliver("main", put("a", b"1"))
    (team / "refs/heads/main.lock").unlink()
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]


def test_a_bad_edit_fails_alone(repository, team, tmp_path):
    """A path that is a folder already, and an author that git does not accept."""
    with pytest.raises(RepositoryError, match="file and a folder"):
        repository.deliver("main", lambda _: Edit({"base": b"1"}, {}, "Bad", ME))
    nobody = Signature("", "")
    with pytest.raises(RepositoryError, match="'Bad' cannot be committed"):
        repository.deliver("main", lambda _: Edit({"a": b"1"}, {}, "Bad", nobody))
    assert subjects(team) == ["Begin"]


def test_a_work_tree_as_remote_is_explained(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {"a": b"1"}, "Begin")
    with pytest.raises(PushRejected, match="bare repository"):
        open_repository(folder, tmp_path / "cache").deliver("main", put("b", b"1"))


def test_a_remote_of_another_user_is_fine(repository, team, tmp_path, monkeypatch):
    """Through git's own switch for its tests, because only root could give files away."""
    wrap_git(tmp_path / "bin", "export GIT_TEST_ASSUME_DIFFERENT_OWNER=1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    refused = subprocess.run(["git", "ls-remote", team], capture_output=True, check=False)
    assert b"dubious ownership" in refused.stderr
    repository.deliver("main", put("a", b"1"))
    monkeypatch.undo()
    assert subjects(team)[0] == "Put a"


def test_the_mirror_is_private(repository, tmp_path):
    repository.fetch()
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_hooks_and_configuration_of_a_person_stay_out(repository, team, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    (home / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {home}/hooks\n[url "file:///nowhere/"]\n\tinsteadOf = /\n'
        "[commit]\n\tgpgsign = true\n[user\n"
    )
    hook(home, "pre-push", f"touch {home}/ran; exit 1")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Mallory")
    repository.deliver("main", put("a", b"1"))
    monkeypatch.undo()
    assert not (home / "ran").exists()
    assert git(team, "log", "-1", "--format=%an", "main") == "Bridge"


def test_a_snapshot_reads_one_commit_whatever_happens_later(repository, team):
    before = repository.snapshot("main", fetch=True)
    repository.deliver("main", put("base/new.yaml", b"1"))
    after = repository.snapshot("main", fetch=False)
    assert before.files("base") == {"deployment.yaml": b"kind: Deployment\n"}
    assert set(after.files("")) == {"README.md", "base/deployment.yaml", "base/new.yaml"}
    assert after.entries("") == {
        "README.md": ("blob", git(team, "rev-parse", "main:README.md")),
        "base": ("tree", git(team, "rev-parse", "main:base")),
    }
    assert after.id("") == git(team, "rev-parse", "main^{tree}")
    assert after.id("base/new.yaml") == git(team, "rev-parse", "main:base/new.yaml")
    assert (after.id("base/none"), after.id("none/a"), after.id("README.md/a")) == (None,) * 3
    assert (after.read("base"), after.read("none")) == (None, None)
    assert (after.files("none"), after.entries("README.md")) == ({}, {})
    assert repository.at(before.commit).files("base") == before.files("base")


@pytest.mark.parametrize(
    "prefix", ["a", "a-", "a.", "a/", "ab", "b", "build-é", "build-é-", "z", "é"]
)
def test_entries_by_prefix_are_those_that_start_with_it(repository, prefix):
    """Git sorts a folder as if its name ended in a slash, and names by their bytes."""
    names = ["a", "a-b/x", "a.b", "a0/x", "ab/x", "ab.c", "b/x", "build-é-1", "build-é.2", "c"]
    edit = Edit({f"many/{name}": b"1" for name in names}, {}, "Put", ME)
    repository.deliver("main", lambda _: edit)
    snapshot = repository.snapshot("main", fetch=False)
    whole = snapshot.entries("many")
    assert len(whole) == len(names)
    expected = {name: entry for name, entry in whole.items() if name.startswith(prefix)}
    assert snapshot.entries("many", prefix) == expected


def test_an_unknown_commit_is_named(repository):
    for identifier in ("f" * 40, "HEAD", "main"):
        with pytest.raises(RepositoryError, match=f"no commit '{identifier}'"):
            repository.at(identifier)


def test_links_and_executables_are_kept_as_they_are(repository, team, tmp_path):
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(team), str(work))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "link").symlink_to("run.sh")
    git(work, "add", "--all")
    git(work, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "Add")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    repository.deliver("main", put("run.sh", b"#!/bin/sh\ntrue\n"))
    modes = git(team, "ls-tree", "--format=%(path) %(objectmode)", "main", "link", "run.sh")
    assert modes.splitlines() == ["link 120000", "run.sh 100755"]
    found = repository.snapshot("main", fetch=False)
    assert (found.link("link"), found.link("run.sh"), found.link("none")) == ("run.sh", None, None)
    assert found.files("")["link"] == b"run.sh"


def test_own_branches_are_swapped_only_from_where_they_are_expected(repository, team):
    main = repository.snapshot("main", fetch=True)
    first, second = (
        repository.commit(main, Edit({"a": text}, {}, "Propose", ME)) for text in (b"1", b"2")
    )
    name = "gitops-bridge/prod/a"
    repository.replace_branch(name, first, None)
    repository.replace_branch(name, first, None)  # the same again is done already
    with pytest.raises(StaleBase, match=name):
        repository.replace_branch(name, second, None)
    repository.replace_branch(name, second, first.id)
    assert git(team, "rev-parse", name) == second.id
    assert repository.branches("gitops-bridge/", fetch=False) == {name: second.id}
    with pytest.raises(StaleBase, match=name):
        repository.delete_branch(name, first.id)
    repository.delete_branch(name, second.id)
    repository.delete_branch(name, second.id)
    assert list(repository.branches(fetch=True)) == ["main"]


def test_a_declined_branch_is_told(repository, team):
    hook(team, "update", "echo 'branches like this one are not for you' >&2; exit 1")
    made = repository.commit(None, Edit({"a": b"1"}, {}, "Propose", ME))
    with pytest.raises(PushRejected, match="not for you"):
        repository.replace_branch("x", made, None)


def test_branches_that_are_gone_are_forgotten(repository, team):
    commit(team, {"a": b"1"}, "Propose", branch="p/x")
    assert set(repository.branches("p/", fetch=True)) == {"p/x"}
    git(team, "branch", "-D", "p/x")
    commit(team, {"a": b"1"}, "Propose", branch="p/x/y")  # where a file was is now a folder
    assert set(repository.branches("p/", fetch=True)) == {"p/x/y"}


def test_changed_lists_the_paths_of_a_commit(repository, team):
    root = git(team, "rev-parse", "main")
    theirs = commit(team, {"README.md": None, "x/y": b"1"}, "Move")
    repository.fetch()
    assert repository.changed(theirs) == ["README.md", "x/y"]
    assert repository.changed(root) == ["README.md", "base/deployment.yaml"]


def test_maintenance_keeps_everything(repository, team):
    for number in range(30):
        repository.deliver("main", put(f"overlays/prod/d{number % 3}/a", str(number).encode()))
    before = repository.snapshot("main", fetch=False)
    repository.maintain()
    repository.maintain()
    assert before.files("overlays/prod") == {"d0/a": b"27", "d1/a": b"28", "d2/a": b"29"}
    head = before.commit
    assert [item.id for item in repository.log(head, "overlays/prod/d1")] == git(
        team, "log", "--format=%H", "main", "--", "overlays/prod/d1"
    ).split()
    repository.deliver("main", put("last", b"1"))
    assert subprocess.run(["git", "-C", team, "fsck", "--strict"], check=False).returncode == 0


def test_a_server_that_cannot_store_says_why(team, tmp_path):
    repository = open_repository(team, tmp_path / "cache")
    repository.fetch()
    git(team, "config", "receive.maxInputSize", "1")
    with pytest.raises(RepositoryError, match="exceeds maximum allowed size") as caught:
        repository.deliver("main", put("overlays/prod/b/record.yaml", b"1"))
    assert "could not store" in caught.value.message
    assert not caught.value.retry
    assert caught.value.hint


def test_a_branch_deleted_during_a_delivery(team, tmp_path):
    repository = open_repository(team, tmp_path / "cache")
    repository.fetch()
    git(team, "branch", "other", "main")

    def plan(snapshot):
        git(team, "update-ref", "-d", "refs/heads/main")
        return put("overlays/prod/b/record.yaml", b"1")(snapshot)

    with pytest.raises(RepositoryError, match="has no branch 'main'") as caught:
        repository.deliver("main", plan)
    assert "it has other" in (caught.value.hint or "")
