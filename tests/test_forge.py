"""One contract over every provider: what `bridge` may rely on, whoever hosts the repository."""

from __future__ import annotations

import dataclasses

import pytest

from gitops_bridge.errors import ForgeError
from tests.servers.forges.base import sha
from tests.servers.forges.contract import BRANCH, PROPOSAL, Contract, proposal


class TestProposing(Contract):
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

    def test_one_becomes_a_draft_and_ready_again_and_nothing_else_changes(self, server, forge):
        """No provider merges a draft, whoever asks for it."""
        pull = forge.create(proposal(server))
        before = {**vars(server.pulls[1])}
        for draft in (True, False):
            pull = forge.set_draft(pull, draft)
            assert pull.draft == draft
            assert (pull.title, pull.labels) == (PROPOSAL.title, forge.look(1).labels)
            seen = forge.look(pull.number)
            assert (seen.draft, seen.title, seen.body) == (draft, pull.title, PROPOSAL.body)
        after = {**vars(server.pulls[1])}
        for field in ("title", "body", "labels", "reviewers", "state"):
            assert after[field] == before[field]

    def test_an_update_needs_no_look_before_it_but_where_it_says_so(self, server, forge):
        """What people did since the pull request was last seen stays."""
        seen = forge.create(proposal(server, draft=True))
        stored = server.pulls[seen.number]
        stored.labels.append("needs-discussion")
        stored.reviewers.append("bob")
        server.mark_ready(1)
        server.push(BRANCH, sha("second"))
        title = "Newer" if "title" in forge.unseen else PROPOSAL.title
        server.log.clear()
        if "body" not in forge.unseen:
            seen = forge.look(1)
        pull = forge.update(seen, proposal(server, title=title, body="newer"))
        assert len(server.log) <= 2
        assert (pull.number, pull.title, pull.body, pull.state) == (1, title, "newer", "open")
        assert (stored.title, stored.body, stored.draft) == (title, "newer", False)
        if "labels" in forge.features:
            assert stored.labels == [*PROPOSAL.labels, "needs-discussion"]
        assert "bob" in stored.reviewers

    @pytest.mark.parametrize("ending", ["merge", "decline"])
    def test_an_update_of_one_that_has_ended_meanwhile_tells_so(self, server, forge, ending):
        """And the text that people have merged or rejected is not replaced by a newer one."""
        seen = forge.create(proposal(server))
        before = server.pulls[1].title, server.pulls[1].body
        getattr(server, ending)(1)
        server.log.clear()
        pull = forge.update(seen, proposal(server, title="Newer", body="newer"))
        assert pull.state == ("merged" if ending == "merge" else "closed")
        assert pull.is_at(sha("first"))
        assert (server.pulls[1].title, server.pulls[1].body) == before
        assert (pull.title, pull.body) == (seen.title, seen.body)
        assert len(server.log) <= 3

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

    def test_a_misspelt_reviewer_of_one_that_is_adopted_is_told(self, server, forge):
        if server.completes_later:
            forge.create(proposal(server, reviewers=()))
            pull = forge.create(proposal(server, reviewers=("nobody",), labels=("eu",)))
            assert any("reviewers" in warning for warning in pull.warnings)

    def test_texts_are_cut_to_what_the_provider_takes(self, server, forge):
        long = proposal(server, title="t" * 1000, body="b" * 70_000)
        pull = forge.create(long)
        stored = server.pulls[pull.number]
        assert len(stored.body) == forge.limits.body or len(stored.body) == 70_000
        assert len(stored.title) == forge.limits.title
        assert stored.title.endswith("…")
        forge.update(pull, long)
        assert len(stored.title) == forge.limits.title


class TestNeverTwo(Contract):
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


class TestLooking(Contract):
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

    def test_a_branch_deleted_under_an_open_one(self, server, forge):
        """Some close it, others keep it and take it up again with a branch of that name."""
        forge.create(proposal(server))
        server.delete_branch(BRANCH)
        seen = forge.find(BRANCH)
        assert seen.state == ("closed" if server.closes_with_branch else "open")
        assert seen.is_at(sha("first"))
        if server.closes_with_branch:
            assert forge.closing(seen).by == server.shown("ann")
        server.push(BRANCH, sha("second"))
        pull = forge.create(proposal(server, title="Newer"))
        assert pull.number == (2 if server.closes_with_branch else 1)
        assert pull.is_at(sha("second"))

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


class TestActing(Contract):
    def test_comment_and_close(self, server, forge):
        pull = forge.create(proposal(server))
        forge.comment(pull, "Somebody else pushed to this branch")
        forge.close(forge.look(1), "Superseded")
        stored = server.pulls[1]
        assert [text for _, text in stored.comments] == [
            "Somebody else pushed to this branch", "Superseded",
        ]  # fmt: skip
        assert forge.look(1).state == "closed"

    @pytest.mark.parametrize("ending", ["merge", "decline"])
    def test_closing_one_that_has_ended_meanwhile_changes_nothing(self, server, forge, ending):
        pull = forge.create(proposal(server))
        getattr(server, ending)(1)
        before = server.pulls[1].state, server.pulls[1].by
        forge.close(pull)
        assert (server.pulls[1].state, server.pulls[1].by) == before

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

    def test_auto_merge_is_taken_back_and_nothing_happens_where_there_is_none(self, server, forge):
        pull = forge.create(proposal(server))
        forge.disable_auto_merge(pull)
        if "auto-merge" in forge.features:
            forge.enable_auto_merge(pull, sha("first"))
            assert server.pulls[1].auto_merge
        forge.disable_auto_merge(pull)
        assert server.pulls[1].auto_merge is None
        assert forge.look(1).state == "open"

    def test_auto_merge_of_a_moved_head_is_refused(self, server, forge):
        forge.create(proposal(server))
        server.push(BRANCH, sha("somebody else's"))
        with pytest.raises(ForgeError, match="auto-merge") as raised:
            forge.enable_auto_merge(forge.look(1), sha("first"))
        assert raised.value.retry == ("auto-merge" in forge.features)
        assert (server.pulls[1].auto_merge, server.pulls[1].state) == (None, "open")
