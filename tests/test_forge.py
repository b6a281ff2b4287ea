"""One contract over every provider: what `bridge` may rely on, whoever hosts the repository."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from gitops_bridge.errors import ForgeError
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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.__name__)
def server(request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
    with request.param().running() as server:
        server.push(BRANCH, sha("first"))
        yield server
    assert server.violations == []


@pytest.fixture
def forge(server: ForgeServer, clock: Clock) -> Forge:
    return opened(server, clock)


def proposal(server: ForgeServer, **changes: object) -> Proposal:
    """In the server's own names for people."""
    named = {
        "reviewers": tuple(map(server.person, PROPOSAL.reviewers)),
        "assignees": tuple(map(server.person, PROPOSAL.assignees)),
    }
    return dataclasses.replace(PROPOSAL, **{**named, **changes})  # type: ignore[arg-type]


class TestProposing:
    def test_a_new_proposal_becomes_one_open_pull_request(self, server, forge):
        assert forge.find(BRANCH) is None
        pull = forge.create(proposal(server))
        stored = server.pulls[pull.number]
        assert (stored.branch, stored.base, stored.state) == (BRANCH, "main", "open")
        assert (pull.title, pull.state, pull.branch) == (PROPOSAL.title, "open", BRANCH)
        assert pull.is_at(sha("first"))
        assert pull.url.endswith(str(pull.number))
        assert pull.warnings == ()
        assert stored.body == PROPOSAL.body

    def test_features_reach_the_provider_where_it_has_them(self, server, forge):
        pull = forge.create(proposal(server, draft=True))
        stored = server.pulls[pull.number]
        features = forge.features
        assert stored.labels == (list(PROPOSAL.labels) if "labels" in features else [])
        assert stored.reviewers == (["ann"] if "reviewers" in features else [])
        assert stored.assignees == (["bob"] if "assignees" in features else [])
        assert pull.draft == ("draft" in features)
        assert forge.look(pull.number).draft == ("draft" in features)
        assert pull.title == PROPOSAL.title

    def test_one_call_to_find_one_to_create_and_one_per_feature_not_taken(self, server, forge):
        forge.find(BRANCH)
        forge.create(dataclasses.replace(PROPOSAL, labels=(), reviewers=(), assignees=()))
        assert len(server.log) == 2
        server.log.clear()
        server.decline(1)
        server.have_labels(PROPOSAL.labels)
        forge.create(proposal(server))
        assert len(server.log) <= 1 + server.separate_features

    def test_an_update_is_one_call_when_the_number_is_known_else_two(self, server, forge):
        forge.create(proposal(server))
        server.log.clear()
        pull = forge.find(BRANCH)
        changed = forge.update(pull, proposal(server, title="Newer", body="new"))
        assert len(server.log) == 2
        again = forge.update(changed, proposal(server, title="Newest", body="newest"))
        assert len(server.log) == 3
        stored = server.pulls[pull.number]
        assert (again.number, again.title, again.body) == (pull.number, "Newest", "newest")
        assert (stored.title, stored.body) == ("Newest", "newest")

    def test_an_update_keeps_what_people_did(self, server, forge):
        pull = forge.create(proposal(server, draft=True))
        stored = server.pulls[pull.number]
        stored.labels.append("needs-discussion")
        stored.reviewers.append("bob")
        forge.update(forge.find(BRANCH), proposal(server, title="Newer"))
        if "labels" in forge.features:
            assert stored.labels == [*PROPOSAL.labels, "needs-discussion"]
        assert "bob" in stored.reviewers
        assert forge.look(pull.number).draft == ("draft" in forge.features)

    def test_new_labels_are_added_by_an_update(self, server, forge):
        forge.create(proposal(server))
        pull = forge.update(forge.find(BRANCH), proposal(server, labels=("importance/high",)))
        if "labels" in forge.features:
            assert set(server.pulls[1].labels) == {*PROPOSAL.labels, "importance/high"}
            assert set(pull.labels) == {*PROPOSAL.labels, "importance/high"}

    def test_a_misspelt_reviewer_does_not_stop_a_rollout(self, server, forge):
        pull = forge.create(proposal(server, reviewers=(server.person("nobody"),)))
        assert pull.state == "open"
        assert server.pulls[1].reviewers == []
        assert len(server.pulls) == 1
        assert any("reviewers" in warning for warning in pull.warnings) or server.ignores_strangers

    def test_texts_are_cut_to_what_the_provider_takes(self, server, forge):
        long = proposal(server, title="t" * 1000, body="b" * 70_000)
        pull = forge.create(long)
        stored = server.pulls[pull.number]
        assert len(stored.body) == forge.limits.body or len(stored.body) == 70_000
        assert len(stored.title) == forge.limits.title
        assert stored.title.endswith("…")
        forge.update(pull, long)
        assert len(stored.title) == forge.limits.title


class TestNeverTwo:
    def test_one_that_is_open_already_is_adopted(self, server, forge):
        first = forge.create(proposal(server))
        second = forge.create(proposal(server, title="Newer"))
        assert second.number == first.number
        assert server.pulls[first.number].title == "Newer"
        assert len(server.pulls) == 1

    def test_lists_that_lag_behind_do_not_lead_to_a_second_one(self, server, forge, clock):
        first = forge.create(proposal(server))
        server.lag = 2
        assert forge.find(BRANCH) is None
        assert forge.create(proposal(server)).number == first.number
        assert len(server.pulls) == 1

    def test_lists_that_never_catch_up_are_an_error_that_passes(self, server, forge):
        forge.create(proposal(server))
        server.lag = 1000
        if server.names_existing:
            assert forge.create(proposal(server)).number == 1
        else:
            with pytest.raises(ForgeError, match="exists already") as raised:
                forge.create(proposal(server))
            assert raised.value.retry
        assert len(server.pulls) == 1

    def test_a_lost_answer_to_the_creation_is_found_again(self, server, forge):
        server.fail(None, when=lambda request: "title" in (request.body or ()), after=True)
        with pytest.raises(ForgeError) as raised:
            forge.create(proposal(server))
        assert raised.value.retry
        assert forge.find(BRANCH).number == 1
        assert forge.create(proposal(server)).number == 1
        assert len(server.pulls) == 1

    def test_a_strangers_fork_with_our_branch_name_is_not_ours(self, server, forge):
        server.from_fork(BRANCH)
        assert forge.find(BRANCH) is None
        assert forge.recent("gitops-bridge/") == []
        assert forge.create(proposal(server)).number == 2
        assert forge.find(BRANCH).number == 2


class TestLooking:
    @pytest.mark.parametrize("how", ["merge", "squash", "rebase", "fast-forward"])
    def test_merged_is_told_from_closed(self, server, forge, how):
        pull = forge.create(proposal(server))
        commit = server.merge(pull.number, how=how)
        seen = forge.look(pull.number)
        assert seen.state == "merged"
        assert commit.startswith(seen.merge_commit)
        assert forge.find(BRANCH).state == "merged"

    def test_closed_tells_who_and_why(self, server, forge):
        pull = forge.create(proposal(server))
        server.say(server.pulls[1], "ann", "Looks odd")
        server.decline(pull.number, by="ann", comment="Drift is too high")
        server.say(server.pulls[1], "bob", "I would have taken it")
        seen = forge.look(pull.number)
        assert (seen.state, seen.merge_commit) == ("closed", None)
        closing = forge.closing(seen)
        assert closing.comment == "Drift is too high"
        assert closing.by == server.shown("ann")

    def test_closed_without_a_word(self, server, forge):
        pull = forge.create(proposal(server))
        server.say(server.pulls[1], "bob", "Why?")
        server.decline(pull.number, by="ann")
        assert forge.closing(forge.look(pull.number)).comment is None

    def test_the_reason_is_found_behind_hundreds_of_comments(self, server, forge):
        forge.create(proposal(server))
        for number in range(230):
            server.say(server.pulls[1], "bob", f"remark {number}")
        server.decline(1, by="ann", comment="No")
        assert forge.closing(forge.look(1)).comment == "No"

    def test_a_look_is_one_request_and_tells_when_nothing_changed(self, server, forge):
        forge.create(proposal(server))
        first = forge.look(1)
        server.log.clear()
        second = forge.look(1, first.etag)
        assert len(server.log) == 1
        assert (first.etag is not None) == server.etags
        assert (second is None) == server.etags
        server.push(BRANCH, sha("second"))
        third = forge.look(1, first.etag)
        assert third.is_at(sha("second"))
        assert not third.is_at(sha("first"))

    def test_the_open_one_wins_over_older_and_newer_ends(self, server, forge):
        forge.create(proposal(server))
        server.decline(1)
        forge.create(proposal(server))
        assert forge.find(BRANCH).number == 2
        server.say(server.pulls[1], "ann", "still no")
        assert forge.find(BRANCH).number == 2
        server.merge(2)
        assert (forge.find(BRANCH).number, forge.find(BRANCH).state) == (2, "merged")

    def test_a_deleted_branch_does_not_hide_the_end(self, server, forge):
        forge.create(proposal(server))
        server.merge(1)
        server.delete_branch(BRANCH)
        assert forge.find(BRANCH).state == "merged"
        assert forge.look(1).state == "merged"

    def test_fifty_waiting_ones_are_looked_at_with_lists(self, server, forge):
        for number in range(50):
            branch = f"gitops-bridge/prod/{number:024}"
            server.push(branch, sha(branch))
            server.add(branch=branch, base="main", title=branch, body="")
        server.push("feature", sha("feature"))
        server.add(branch="feature", base="main", title="Not ours", body="")
        server.merge(7)
        server.decline(9)
        server.page_size = 20
        seen = forge.recent("gitops-bridge/")
        assert {pull.number for pull in seen} == set(range(1, 51))
        states = {pull.number: pull.state for pull in seen}
        assert (states[7], states[9], states[1]) == ("merged", "closed", "open")
        assert len(server.log) <= 5

    def test_find_reaches_an_open_one_behind_many_others(self, server, forge):
        forge.create(proposal(server))
        for number in range(120):
            server.push(f"feature-{number}", sha(str(number)))
            server.add(branch=f"feature-{number}", base="main", title="-", body="")
        assert forge.find(BRANCH).number == 1
        assert forge.find("gitops-bridge/prod/none") is None


class TestActing:
    def test_comment_and_close(self, server, forge):
        pull = forge.create(proposal(server))
        forge.comment(pull, "Somebody else pushed to this branch")
        forge.close(forge.look(1), "Superseded")
        stored = server.pulls[1]
        assert [text for _, text in stored.comments] == [
            "Somebody else pushed to this branch", "Superseded",
        ]  # fmt: skip
        assert forge.look(1).state == "closed"

    def test_auto_merge_waits_at_the_head_commit(self, server, forge):
        pull = forge.create(proposal(server))
        if "auto-merge" not in forge.features:
            with pytest.raises(ForgeError, match="auto-merge") as raised:
                forge.enable_auto_merge(pull, sha("first"))
            assert not raised.value.retry
            assert raised.value.hint
            return
        forge.enable_auto_merge(pull, sha("first"))
        assert server.pulls[1].auto_merge == sha("first")
        assert server.pulls[1].state == "open"

    def test_auto_merge_of_a_moved_head_is_refused(self, server, forge):
        forge.create(proposal(server))
        server.push(BRANCH, sha("somebody else's"))
        with pytest.raises(ForgeError, match="auto-merge") as raised:
            forge.enable_auto_merge(forge.look(1), sha("first"))
        assert raised.value.retry == ("auto-merge" in forge.features)
        assert (server.pulls[1].auto_merge, server.pulls[1].state) == (None, "open")


class TestTrouble:
    def test_a_wrong_token(self, server, clock):
        forge = opened(server, clock, token="wrong-token-0815")
        with pytest.raises(ForgeError, match="401") as raised:
            forge.find(BRANCH)
        assert not raised.value.retry
        assert "token" in raised.value.hint
        assert "0815" not in str(raised.value)
        assert clock.slept == []

    def test_a_token_that_may_only_read(self, server, forge):
        server.level = "read"
        assert forge.find(BRANCH) is None
        with pytest.raises(ForgeError) as raised:
            forge.create(proposal(server))
        assert raised.value.status in {401, 403, 404}
        assert not raised.value.retry
        assert raised.value.hint

    def test_a_repository_that_is_not_there(self, server, forge):
        server.level = "none"
        with pytest.raises(ForgeError, match="404") as raised:
            forge.find(BRANCH)
        assert "repository" in raised.value.hint

    def test_a_rate_limit_is_waited_for(self, server, forge, clock):
        server.fail(429, times=2, headers={"Retry-After": "7"})
        assert forge.find(BRANCH) is None
        assert clock.slept == [7.0, 7.0]

    def test_a_creation_refused_by_a_rate_limit_is_sent_again(self, server, forge, clock):
        server.fail(
            429, headers={"Retry-After": "3"}, when=lambda request: request.method == "POST"
        )
        assert forge.create(proposal(server)).number == 1
        assert 3.0 in clock.slept

    def test_a_rate_limit_beyond_the_bound_is_an_error_that_passes(self, server, forge, clock):
        server.fail(429, times=100, headers={"Retry-After": "3600"})
        with pytest.raises(ForgeError, match="3600 s") as raised:
            forge.find(BRANCH)
        assert raised.value.retry
        assert sum(clock.slept) <= 60

    @pytest.mark.parametrize("status", [500, 502, 503, 504, None])
    def test_an_api_that_is_down_is_an_error_that_passes(self, server, forge, status):
        pull = forge.create(proposal(server))
        server.fail(status, times=100)
        for call in (
            lambda: forge.find(BRANCH),
            lambda: forge.look(1),
            lambda: forge.create(proposal(server)),
            lambda: forge.update(pull, proposal(server)),
            lambda: forge.recent("gitops-bridge/"),
        ):
            with pytest.raises(ForgeError) as raised:
                call()
            assert raised.value.retry

    def test_a_short_fault_goes_unnoticed_by_reads(self, server, forge, clock):
        server.fail(502, times=2)
        assert forge.find(BRANCH) is None
        assert clock.slept == [0.5, 1.0]

    def test_going_down_after_the_creation_leaves_a_pull_request_with_warnings(self, server, forge):
        def after_creation(request):
            return bool(server.pulls)

        server.fail(500, times=100, when=after_creation)
        pull = forge.create(proposal(server))
        assert pull.number == 1
        if server.completes_later:
            assert pull.warnings

    def test_no_token_in_any_message(self, server, clock):
        forge = opened(server, clock)
        for status in (400, 401, 403, 404, 409, 422, 500):
            server.fail(status, times=5, message=f"you sent {server.token} and {server.sent_token}")
            with pytest.raises(ForgeError) as raised:
                forge.find(BRANCH)
            shown = f"{raised.value} {raised.value.message} {raised.value.args} {raised.value!r}"
            assert server.token not in shown
            assert server.sent_token not in shown
            server.calm()

    @pytest.mark.parametrize("token", ["", "two\nlines", "blank blank", "schlüssel"])
    def test_a_token_that_is_none(self, server, clock, token):
        location = Location(server.provider, "127.0.0.1", server.api_url, server.location)
        forge = connect(location, lambda: token, clock=clock, sleep=clock.sleep)
        with pytest.raises(ForgeError, match="token") as raised:
            forge.find(BRANCH)
        assert server.log == []
        assert not token or token not in str(raised.value)

    def test_an_answer_that_is_no_api(self, server, forge):
        server.fail_with(200, b"<html>Sign in</html>")
        with pytest.raises(ForgeError, match="not JSON"):
            forge.find(BRANCH)

    @pytest.mark.parametrize("answer", [b"{}", b"[{}]", b"null", b'"x"', b'{"values": [1]}', b"7"])
    def test_an_answer_of_another_shape(self, server, forge, answer):
        bare = dataclasses.replace(PROPOSAL, labels=(), reviewers=(), assignees=())
        pull = forge.create(proposal(server))
        for call in (
            lambda: forge.find(BRANCH),
            lambda: forge.look(1),
            lambda: forge.update(pull, bare),
            lambda: forge.create(bare),
            lambda: forge.recent(""),
        ):
            server.fail_with(200, answer)
            with pytest.raises(ForgeError, match="API describes") as raised:
                call()
            assert raised.value.hint
            server.calm()
        for lenient in (lambda: forge.closing(pull), forge.rights):
            server.fail_with(200, answer)
            with contextlib.suppress(ForgeError):
                lenient()
            server.calm()

    def test_a_moved_repository(self, server, forge):
        server.fail(301, headers={"Location": "https://example.invalid/elsewhere"})
        with pytest.raises(ForgeError, match="301") as raised:
            forge.find(BRANCH)
        assert "address" in raised.value.hint


class TestRights:
    def test_a_token_that_may_everything(self, server, forge):
        rights = forge.rights()
        assert all(right.granted in {True, None} for right in rights)
        assert any(right.granted for right in rights)
        assert server.pulls == {}

    @pytest.mark.parametrize("level", ["read", "unscoped"])
    def test_a_token_that_may_not_propose(self, server, forge, level):
        server.level = level
        assert False in {right.granted for right in forge.rights()}
        assert all(right.cure for right in forge.rights())
        assert server.pulls == {}
