"""The contract over every provider: what became of a commit, shown beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge import CommitStatus
from gitops_bridge.forge.status import short_key
from tests.servers.forges.base import Status, sha
from tests.servers.forges.contract import BRANCH, Clock, Contract, opened
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer

CONTEXT = "gitops-bridge/prod/65a000000000000000000010"
PENDING = CommitStatus(
    "pending", "Waiting for the image", CONTEXT, "https://git.example.com/team/models/pull/1"
)
WORDS = {
    "pending": {"pending", "INPROGRESS"},
    "success": {"success", "SUCCESSFUL", "succeeded"},
    "failure": {"failure", "failed", "FAILED"},
}


def posts(server) -> list[str]:
    return [line for line in server.log if line.startswith("POST")]


class TestReport(Contract):
    def test_the_fate_of_a_commit_from_pending_to_its_end(self, server, forge):
        for state in ("pending", "success", "pending", "failure"):
            forge.report(sha("first"), replace(PENDING, state=state, description=f"It is {state}"))
            (shown,) = server.latest_statuses(sha("first"))
            assert shown.state in WORDS[state]
            assert shown.description == f"It is {state}"
            assert shown.link == PENDING.link

    def test_one_that_is_shown_already_is_not_sent_again(self, server, forge):
        for state in ("pending", "success"):
            server.log.clear()
            for _ in range(3):
                forge.report(sha("first"), replace(PENDING, state=state))
            assert len(posts(server)) == 1
            assert len(server.log) == 4

    def test_statuses_of_other_contexts_and_commits_stay(self, server, forge):
        server.push("main", sha("second"))
        other = replace(PENDING, context=CONTEXT.replace("10", "11"))
        for commit, status in (("first", PENDING), ("first", other), ("second", PENDING)):
            forge.report(sha(commit), status)
        forge.report(sha("first"), replace(PENDING, state="success"))
        states = {status.context: status.state for status in server.latest_statuses(sha("first"))}
        assert len(states) == 2
        assert sorted(state in WORDS["success"] for state in states.values()) == [False, True]
        (untouched,) = server.latest_statuses(sha("second"))
        assert untouched.state in WORDS["pending"]

    def test_a_status_needs_no_link_and_texts_are_cut(self, server, forge):
        forge.report(sha("first"), replace(PENDING, description="d" * 9999, link=None))
        (shown,) = server.latest_statuses(sha("first"))
        assert shown.description.endswith("…")
        assert len(shown.description) >= 140
        server.log.clear()
        forge.report(sha("first"), replace(PENDING, description="d" * 9999, link=None))
        assert posts(server) == []

    @pytest.mark.parametrize("level", ["read", "unscoped"])
    def test_a_token_that_may_not_is_told_which_right_it_takes(self, server, forge, level):
        server.level = level
        if server.provider == "bitbucket-server" and level == "read":
            forge.report(sha("first"), PENDING)  # reading is enough there
            return
        with pytest.raises(ForgeError) as raised:
            forge.report(sha("first"), PENDING)
        assert "reporting the status of a commit takes" in raised.value.hint
        assert not raised.value.retry
        assert server.statuses == {}
        right = next(one for one in forge.rights() if one.what == "report commit statuses")
        assert right.granted is False
        assert not right.needed
        assert server.statuses == {}

    def test_a_commit_that_is_not_there(self, server, forge):
        with pytest.raises(ForgeError) as raised:
            forge.report(sha("never pushed"), PENDING)
        assert "is the commit pushed" in raised.value.hint

    def test_a_rate_limit_is_told_as_one(self, server, forge):
        server.fail(429, times=100, headers={"Retry-After": "3600"})
        with pytest.raises(ForgeError, match="3600 s") as raised:
            forge.report(sha("first"), PENDING)
        assert raised.value.retry
        assert "takes" not in raised.value.hint


class TestLimits:
    def test_a_thousand_statuses_of_a_context_at_github(self):
        """Of somebody else under our context: ours are sent only when they change."""
        with GitHubServer().running() as server:
            server.push(BRANCH, sha("first"))
            full = Status("pending", "by somebody else", CONTEXT, None)
            server.statuses[sha("first")] = [full] * 1000
            with pytest.raises(ForgeError, match="maximum number of statuses") as raised:
                opened(server, Clock()).report(sha("first"), PENDING)
        assert "reports under the same context" in raised.value.hint

    def test_what_is_pending_at_gitlab_keeps_its_description(self):
        with GitLabServer().running() as server:
            server.push(BRANCH, sha("first"))
            forge = opened(server, Clock())
            forge.report(sha("first"), PENDING)
            forge.report(sha("first"), replace(PENDING, description="In review"))
            (shown,) = server.latest_statuses(sha("first"))
        assert shown.description == PENDING.description

    def test_a_key_that_is_too_long_becomes_a_digest(self):
        assert short_key("a" * 40, 40) == "a" * 40
        assert short_key("a" * 41, 40) == sha("a" * 41)
