"""What is particular to one provider, beyond the contract in test_forge.py."""

from __future__ import annotations

import dataclasses

import pytest

from gitops_bridge.errors import ForgeError
from tests.servers.forges.azure_devops import AzureDevOpsServer
from tests.servers.forges.base import sha
from tests.servers.forges.bitbucket_cloud import BitbucketCloudServer
from tests.servers.forges.bitbucket_server import BitbucketServerServer
from tests.servers.forges.contract import BRANCH, PROPOSAL, Clock, opened
from tests.servers.forges.gitea import GiteaServer
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer

BARE = dataclasses.replace(PROPOSAL, labels=(), reviewers=(), assignees=())
PUSHED = dataclasses.replace(PROPOSAL, labels=(), assignees=(), head_sha=sha("first"))


def pushed(body):
    """The proposal after the commit of that name was pushed."""
    return dataclasses.replace(PUSHED, body=body, head_sha=sha(body))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def running(request, clock):
    """Start a server with our branch pushed: (server, forge)."""
    contexts = []

    def start(kind):
        context = kind().running()
        server = context.__enter__()
        contexts.append((context, server))
        server.push(BRANCH, sha("first"))
        return server, opened(server, clock)

    yield start
    for context, server in contexts:
        context.__exit__(None, None, None)
        assert server.violations == []


def is_post(request):
    return request.method == "POST"


class TestGitHub:
    @pytest.mark.parametrize(
        ("status", "headers", "message", "pause"),
        [
            (403, {"Retry-After": "30"}, "You have exceeded a secondary rate limit", 30.0),
            (429, {"Retry-After": "30"}, "You have exceeded a secondary rate limit", 30.0),
            (403, {}, "You have exceeded a secondary rate limit", 60.0),
            (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000020"}, "API", 20.0),
            (429, {"Retry-After": "Tue, 14 Nov 2023 22:13:45 GMT"}, "slow down", 25.0),
            (503, {"Retry-After": "5"}, "maintenance", 5.0),
            (429, {"Retry-After": "soon"}, "slow down", 60.0),
            (429, {"Retry-After": "0"}, "slow down", 1.0),
        ],
    )
    def test_limits_are_waited_for_as_they_ask(
        self, running, clock, status, headers, message, pause
    ):
        server, forge = running(GitHubServer)
        server.fail(status, message=message, headers=headers, when=is_post)
        assert forge.create(BARE).number == 1
        assert clock.slept == [pause]
        assert len(server.pulls) == 1

    def test_a_repository_without_drafts_is_told(self, running):
        server, forge = running(GitHubServer)
        pull = forge.create(BARE)
        server.drafts_allowed = False
        with pytest.raises(ForgeError, match="not supported in this repository") as raised:
            forge.set_draft(pull, True)
        assert "private repositories" in raised.value.hint

    def test_a_missing_permission_is_not_waited_for(self, running, clock):
        server, forge = running(GitHubServer)
        server.level = "unscoped"
        with pytest.raises(ForgeError, match="not accessible") as raised:
            forge.create(BARE)
        assert "Pull requests" in raised.value.hint
        assert clock.slept == []

    def test_the_permission_that_github_names_is_part_of_the_cure(self, running):
        server, forge = running(GitHubServer)
        named = {"X-Accepted-GitHub-Permissions": "pull_requests=write"}
        server.fail(403, message="Resource not accessible", headers=named, when=is_post)
        with pytest.raises(ForgeError) as raised:
            forge.create(BARE)
        assert "this request needs pull_requests=write" in raised.value.hint

    def test_a_plan_without_drafts_gets_an_open_one(self, running):
        server, forge = running(GitHubServer)
        server.drafts_allowed = False
        pull = forge.create(dataclasses.replace(PROPOSAL, draft=True))
        assert (pull.draft, pull.state, len(server.pulls)) == (False, "open", 1)
        assert server.pulls[1].reviewers == ["ann"]
        (warning,) = pull.warnings
        assert "draft left out" in warning

    def test_what_the_refusal_says_in_detail_is_shown(self, running):
        server, forge = running(GitHubServer)
        server.push(BRANCH, server.branches["main"])
        with pytest.raises(ForgeError, match=r"Validation Failed.*No commits between main"):
            forge.create(BARE)

    def test_teams_are_asked_as_teams(self, running):
        server, forge = running(GitHubServer)
        forge.create(dataclasses.replace(BARE, reviewers=("ann", "acme/ml-platform")))
        assert server.pulls[1].reviewers == ["ann", "ml-platform"]

    def test_a_missing_right_for_labels_is_a_warning(self, running):
        server, forge = running(GitHubServer)
        server.fail(403, message="no triage", when=lambda r: r.path.endswith("/labels"))
        pull = forge.create(PROPOSAL)
        assert server.pulls[1].labels == []
        assert server.pulls[1].reviewers == ["ann"]
        assert len(pull.warnings) == 1
        assert "labels left out" in pull.warnings[0]

    @pytest.mark.parametrize("method", ["SQUASH", "REBASE"])
    @pytest.mark.parametrize("pending", [True, False])
    def test_auto_merge_takes_a_way_that_the_repository_allows(self, running, method, pending):
        server, forge = running(GitHubServer)
        server.methods, server.checks_pending = {method}, pending
        forge.enable_auto_merge(forge.create(BARE), sha("first"))
        stored = server.pulls[1]
        assert (stored.auto_merge, stored.state) == (
            (sha("first"), "open") if pending else (None, "merged")
        )

    def test_auto_merge_where_it_is_switched_off(self, running):
        server, forge = running(GitHubServer)
        server.auto_merge_allowed = False
        with pytest.raises(ForgeError, match="not allowed") as raised:
            forge.enable_auto_merge(forge.create(BARE), sha("first"))
        assert "Allow auto-merge" in raised.value.hint
        assert not raised.value.retry

    def test_auto_merge_that_stays_is_an_error(self, running):
        server, forge = running(GitHubServer)
        pull = forge.create(BARE)
        forge.enable_auto_merge(pull, sha("first"))
        server.level = "read"
        with pytest.raises(ForgeError, match="not accessible") as raised:
            forge.disable_auto_merge(pull)
        assert "read and write" in raised.value.hint
        assert server.pulls[1].auto_merge

    def test_a_refusal_by_graphql_shows_no_token(self, running):
        server, forge = running(GitHubServer)
        pull = forge.create(BARE)
        echo = f'{{"errors": [{{"message": "bad token {server.token}"}}]}}'
        server.fail_with(200, echo.encode())
        with pytest.raises(ForgeError, match="bad token") as raised:
            forge.enable_auto_merge(pull, sha("first"))
        assert server.token not in str(raised.value)

    def test_nothing_left_to_wait_for_and_the_head_moved(self, running):
        server, forge = running(GitHubServer)
        server.checks_pending = False
        pull = forge.create(BARE)
        server.fail(409, message="Head branch was modified", when=lambda r: r.method == "PUT")
        with pytest.raises(ForgeError, match="Head branch was modified") as raised:
            forge.enable_auto_merge(pull, sha("first"))
        assert raised.value.retry
        assert server.pulls[1].state == "open"


class TestGitLab:
    def test_no_text_is_carried_out_as_a_quick_action(self, running):
        server, forge = running(GitLabServer)
        body = "Hello\n/approve\n  /merge\n/assign @root\nsee /docs and a/b\n"
        pull = forge.create(dataclasses.replace(BARE, body=body))
        forge.update(pull, dataclasses.replace(BARE, body=body))
        forge.comment(pull, "/close")
        assert server.carried_out == []
        assert "see /docs and a/b" in server.pulls[1].body

    def test_a_job_token_is_refused_before_anything_is_sent(self, running, clock):
        server, _ = running(GitLabServer)
        forge = opened(server, clock, token="glcbt-64_canary")
        with pytest.raises(ForgeError, match="job token") as raised:
            forge.find(BRANCH)
        assert server.log == []
        assert "canary" not in str(raised.value)

    def test_one_that_is_being_merged_is_still_open(self, running, monkeypatch):
        server, forge = running(GitLabServer)
        forge.create(BARE)
        shape = server.shape
        monkeypatch.setattr(server, "shape", lambda pull: {**shape(pull), "state": "locked"})
        assert forge.look(1).state == "open"

    def test_unknown_people_are_named_in_a_warning(self, running):
        server, forge = running(GitLabServer)
        pull = forge.create(dataclasses.replace(BARE, reviewers=("ann", "nobody")))
        assert server.pulls[1].reviewers == ["ann"]
        assert "nobody" in pull.warnings[0]

    def test_a_merge_without_the_right_to_is_not_retried(self, running):
        server, forge = running(GitLabServer)
        pull = forge.create(BARE)
        server.level = "read"
        with pytest.raises(ForgeError, match="auto-merge") as raised:
            forge.enable_auto_merge(pull, sha("first"))
        assert not raised.value.retry


class TestGitea:
    def test_find_is_one_call_while_a_page_holds_all(self, running):
        server, forge = running(GiteaServer)
        forge.create(BARE)
        server.log.clear()
        forge.find(BRANCH)
        forge.find("gitops-bridge/prod/none")
        assert len(server.log) == 2

    def test_labels_are_read_once_and_the_missing_ones_made(self, running):
        server, forge = running(GiteaServer)
        server.have_labels(("unused", "env/prod"))
        forge.create(PROPOSAL)
        assert set(server.pulls[1].labels) == set(PROPOSAL.labels)
        assert list(server.label_ids) == ["unused", "env/prod", "model-rollout"]
        server.decline(1)
        server.log.clear()
        forge.create(PROPOSAL)
        assert not any("labels" in line for line in server.log)

    @pytest.mark.parametrize("names", [True, False], ids=["by-name", "before-1.22"])
    def test_new_labels_are_added_whatever_the_server_knows(self, running, names):
        server, forge = running(GiteaServer)
        pull = forge.create(BARE)
        server.pulls[1].labels.append("needs-discussion")
        server.have_labels(("unused", "eu"))
        server.takes_label_names = names
        forge.update(pull, dataclasses.replace(BARE, labels=("eu", "not there yet")))
        assert server.pulls[1].labels == ["needs-discussion", "eu", "not there yet"]

    def test_auto_merge_in_the_default_style_once_scheduled_stays(self, running):
        server, forge = running(GiteaServer)
        server.style = "rebase"
        pull = forge.create(BARE)
        forge.enable_auto_merge(pull, sha("first"))
        forge.enable_auto_merge(pull, sha("first"))
        assert server.pulls[1].auto_merge == sha("first")

    def test_auto_merge_that_cannot_be(self, running):
        server, forge = running(GiteaServer)
        server.auto_merge_allowed = False
        with pytest.raises(ForgeError, match="auto-merge") as raised:
            forge.enable_auto_merge(forge.create(BARE), sha("first"))
        assert raised.value.retry


class TestBitbucketCloud:
    def test_a_second_one_that_is_refused_is_adopted_too(self, running):
        server, forge = running(BitbucketCloudServer)
        server.refuses_second = True
        forge.create(BARE)
        server.lag = 2
        assert forge.create(dataclasses.replace(BARE, title="Newer")).number == 1
        assert server.pulls[1].title == "Newer"
        assert len(server.pulls) == 1

    def test_lists_that_never_show_the_refused_one(self, running):
        server, forge = running(BitbucketCloudServer)
        server.refuses_second = True
        forge.create(BARE)
        server.lag = 1000
        with pytest.raises(ForgeError, match="does not list it") as raised:
            forge.create(BARE)
        assert raised.value.retry

    def test_scopes_that_are_not_named_are_unknown(self, running):
        server, forge = running(BitbucketCloudServer)
        server.names_scopes = False
        assert {right.granted for right in forge.rights()} == {None}


class TestBitbucketServer:
    def test_a_change_on_a_stale_version_is_made_on_the_present_one(self, running):
        server, forge = running(BitbucketServerServer)
        stale = forge.create(BARE)
        server.push(BRANCH, sha("second"))
        forge.update(stale, dataclasses.replace(BARE, title="Newer"))
        assert server.pulls[1].title == "Newer"
        server.pulls[1].reviewers.append("ann")
        server.touch(server.pulls[1])
        forge.update(stale, dataclasses.replace(BARE, title="Newest"))
        assert server.pulls[1].reviewers == ["ann"]
        forge.close(stale, "Superseded")
        assert server.pulls[1].state == "closed"

    def test_the_version_that_our_push_makes_is_foreseen(self, running):
        server, forge = running(BitbucketServerServer)
        seen = forge.create(PUSHED)
        for body, changes in (("one", 1), ("two", 1)):
            server.push(BRANCH, sha(body))
            server.log.clear()
            seen = forge.update(seen, pushed(body))
            assert (len(server.log), server.pulls[1].body) == (changes, body)
        server.log.clear()
        forge.update(seen, dataclasses.replace(pushed("two"), title="Newer"))
        assert len(server.log) == 1

    def test_a_push_that_is_late_costs_one_request_more(self, running):
        server, forge = running(BitbucketServerServer)
        seen = forge.create(PUSHED)
        server.log.clear()
        seen = forge.update(seen, pushed("one"))
        assert (len(server.log), server.pulls[1].body) == (2, "one")
        server.push(BRANCH, sha("one"))  # it has come through
        forge.update(seen, pushed("two"))
        assert server.pulls[1].body == "two"
        assert server.pulls[1].reviewers == ["ann"]

    @pytest.mark.parametrize("late", [True, False], ids=["push-is-late", ""])
    @pytest.mark.parametrize("wanted", [["ann", "bob"], ["bob"], []])
    def test_reviewers_whom_people_set_stay_even_when_the_push_is_late(self, running, wanted, late):
        server, forge = running(BitbucketServerServer)
        server.people |= {"eve"}
        server.ask_for_review(forge.create(PUSHED).number, "ann", "eve")
        server.ask_for_review(1, "ann")
        seen = forge.look(1)
        server.ask_for_review(1, *wanted)
        if not late:
            server.push(BRANCH, sha("one"))
        written = forge.update(seen, pushed("one"))
        assert (server.pulls[1].body, server.pulls[1].reviewers) == ("one", wanted)
        assert written.native["version"] == server.pulls[1].version

    def test_a_version_that_the_base_has_made_takes_nothing_back(self, running):
        server, forge = running(BitbucketServerServer)
        seen = forge.create(PUSHED)
        server.ask_for_review(1, "bob")
        seen = forge.look(1)
        server.branches["main"] = sha("newer main")
        forge.update(seen, pushed("one"))
        assert (server.pulls[1].body, server.pulls[1].reviewers) == ("one", ["bob"])

    def test_a_draft_that_people_made_ready_stays_ready(self, running):
        server, forge = running(BitbucketServerServer)
        seen = forge.create(dataclasses.replace(PUSHED, draft=True))
        server.mark_ready(1)
        forge.update(seen, pushed("one"))
        assert (server.pulls[1].body, server.pulls[1].draft) == ("one", False)

    def test_one_decided_meanwhile_is_an_error(self, running):
        server, forge = running(BitbucketServerServer)
        pull = forge.create(BARE)
        server.fail(409, times=9, message="This pull request has already been merged")
        with pytest.raises(ForgeError, match="already been merged"):
            forge.update(pull, BARE)

    def test_auto_merge_where_it_is_switched_off(self, running):
        server, forge = running(BitbucketServerServer)
        server.auto_merge_allowed = False
        with pytest.raises(ForgeError, match="auto-merge") as raised:
            forge.enable_auto_merge(forge.create(BARE), sha("first"))
        assert not raised.value.retry
        assert "merge settings" in raised.value.hint


class TestAzureDevOps:
    @pytest.mark.parametrize("status", [203, 302])
    def test_a_sign_in_page_means_the_token(self, running, status):
        server, forge = running(AzureDevOpsServer)
        server.fail_with(status, b"<html>Sign in</html>")
        with pytest.raises(ForgeError, match=str(status)) as raised:
            forge.find(BRANCH)
        assert "token is wrong or has expired" in raised.value.hint

    def test_a_description_holds_four_thousand_characters(self, running):
        server, forge = running(AzureDevOpsServer)
        forge.create(dataclasses.replace(BARE, body="b" * 5000))
        assert len(server.pulls[1].body) == 4000
        assert len(forge.look(1).body) == 4000

    def test_rights_are_unknown_where_the_token_may_not_ask(self, running):
        server, forge = running(AzureDevOpsServer)
        server.may_ask_permissions = False
        assert {right.granted for right in forge.rights()} == {None}

    def test_an_update_names_no_label_twice(self, running):
        server, forge = running(AzureDevOpsServer)
        forge.create(PROPOSAL)
        server.log.clear()
        pull = forge.update(forge.find(BRANCH), PROPOSAL)
        assert len(server.log) == 2
        assert pull.labels == PROPOSAL.labels

    def test_the_page_of_a_pull_request(self, running):
        server, forge = running(AzureDevOpsServer)
        assert forge.create(BARE).url == f"{server.api_url}/team/_git/models/pullrequest/1"
