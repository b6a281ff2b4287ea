"""The whole life of a rollout under review at every provider, over smart HTTP and a protected main.

What one provider is enough for stands in test_pull_request_flow.py, what fails in
test_pull_request_trouble.py, what waits for its image in test_pull_request_gate.py.
"""

import pytest
import yaml

from gitops_bridge.actions import DeploymentState, Status
from gitops_bridge.controller import doctor, reconciling
from tests.proposing import BRANCH, PASSWORD, Proposing, everywhere
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

MODEL_C = "65a000000000000000000022"
HOME = f"overlays/prod/{DEPLOYMENT}"


@everywhere()
def kind(request):
    return request.param


@pytest.fixture
def site(kind, tmp_path):
    with Proposing(tmp_path, kind) as site:
        yield site


class TestProposed:
    def test_opened_told_and_updated_in_place(self, site):
        outcome = site.start()
        assert (outcome.status, outcome.state) == (Status.PASSING, DeploymentState.LAUNCHING)
        pull = site.only()
        assert (pull.branch, pull.base, pull.state) == (BRANCH, "main", "open")
        first = site.branches[BRANCH]
        assert pull.head == first
        assert "Start churn in prod" in pull.title
        assert outcome.dashboard_url == site.ctx().forge().look(1).url
        assert f"waiting for pull request 1: {outcome.dashboard_url}" in outcome.message
        assert site.team.log() == ["Set up"]

        status = site.status()
        assert (status.status, status.state) == (Status.WARNING, DeploymentState.LAUNCHING)
        assert status.dashboard_url == outcome.dashboard_url
        site.start(MODEL_B)
        assert MODEL_B in site.only().body
        assert site.status().dashboard_url == outcome.dashboard_url
        assert site.only().head == site.branches[BRANCH] != first

    def test_people_labels_and_a_draft_reach_the_provider(self, kind, tmp_path):
        person = kind().person
        wanted = {
            "labels": ["models"], "draft": "true",
            "reviewers": [person("ann")], "assignees": [person("bob")],
        }  # fmt: skip
        with Proposing(tmp_path, kind, pull_request=wanted) as site:
            assert site.start().status is Status.PASSING
            features = site.ctx().forge().features
            pull = site.only()
            labels = ["models", "env/prod", "change/start"]
            assert pull.labels == (labels if "labels" in features else [])
            assert pull.reviewers == (["ann"] if "reviewers" in features else [])
            assert pull.assignees == (["bob"] if "assignees" in features else [])
            assert site.drafted() == ("draft" in features)

    def test_the_text_fits_and_says_what_counts(self, site):
        """Azure DevOps takes 4 000 characters: even there nothing that decides is left out."""
        site.serving()
        site.replace()
        body = site.forge.pulls[2].body
        assert len(body) <= site.ctx().forge().limits.body
        assert body.startswith("**Render ✅**")
        assert f"| model id | `{MODEL_A}` | `{MODEL_B}` |" in body
        assert "Changes the image and " in body
        assert f"gitops-bridge rollback {DEPLOYMENT} --environment prod" in body
        block = body.split("```yaml\n")[1].split("\n```")[0]
        assert yaml.safe_load(block)["commit"] == site.branches[BRANCH]
        for secret in (PASSWORD, site.forge.token):
            assert secret not in body

    def test_the_doctor_finds_it_healthy(self, site):
        before = site.branches
        findings = list(doctor.examine(site.ctx()))
        assert [found for found in findings if found.ok is False] == []
        named = [found.check for found in findings if found.check.startswith(site.forge.provider)]
        assert f"{site.forge.provider}: propose pull requests" in named
        assert (site.branches.keys(), site.forge.pulls) == (before.keys(), {})


def test_merged_whichever_way_it_is_delivered_and_the_next_one_is_new(site):
    def arrives(number, how, model, roll_out, *models):
        assert f"waiting for pull request {number}: " in roll_out(*models).message
        site.merge(number, how)
        if how == "squash":  # providers do it when they are told to
            site.forge.delete_branch(BRANCH)
        status = site.status()
        assert f"Git wants model {model}" in status.message
        assert "pull request" not in status.message
        assert site.on_main()["model"] == model
        assert BRANCH not in site.branches
        assert site.phase() != "in review"
        assert "nothing to do: Git holds this already" in roll_out(*models).message
        assert len(site.forge.pulls) == number

    arrives(1, "merge", MODEL_A, site.start)
    arrives(2, "squash", MODEL_B, site.replace, MODEL_A, MODEL_B)
    arrives(3, "rebase", MODEL_C, site.replace, MODEL_B, MODEL_C)


def test_a_stop_that_was_merged_is_no_person_s_doing(site):
    """A squashed stop leaves neither record nor trailers; the same start again is no replay."""
    site.serving()
    assert site.act("deployment_stop").state is DeploymentState.SHUTTING_DOWN
    site.merge(2, "squash")
    assert site.status().state is DeploymentState.UNKNOWN
    assert site.on_main() == {}
    assert "waiting for pull request 3" in site.start().message


class TestClosed:
    def test_it_is_rejected_with_the_closer_s_words(self, site):
        site.serving()
        site.replace()
        pull = site.forge.pulls[2]
        site.forge.say(pull, "ann", "Looks odd")
        site.forge.decline(2, comment="The AUC fell.\nSee @bob's `report`")
        site.forge.say(pull, "bob", "I would have taken it")
        outcome = site.replace()
        assert (outcome.status, outcome.state) == (Status.FAILING, DeploymentState.ERRORED)
        assert outcome.old_model_in_use is None  # nobody looked
        who = site.forge.shown("ann")
        assert f"model {MODEL_B} was rejected by {who} in " in outcome.message
        assert ": The AUC fell. See @bob's `report`" in outcome.message
        assert f"gitops-bridge release {DEPLOYMENT}" in outcome.message
        assert outcome.dashboard_url.endswith("/2")

        for _ in range(2):
            status = site.status()
            assert (status.status, status.state) == (Status.WARNING, DeploymentState.UNKNOWN)
            assert status.old_model_in_use is None
            assert f"Git wants model {MODEL_A}" in status.message
            assert "was rejected by" in site.replace().message
        assert len(site.forge.pulls) == 2
        assert BRANCH not in site.branches
        assert "waiting for pull request 3" in site.replace(new=MODEL_C).message
        assert site.phase() != "rejected"

    def test_a_status_that_sees_it_first_remembers_it(self, site):
        site.start()
        site.forge.decline(1, comment="no")
        site.forge.delete_branch(BRANCH)
        status = site.status()
        assert (status.status, status.state) == (Status.FAILING, DeploymentState.ERRORED)
        assert f"was rejected by {site.forge.shown('ann')} in {status.dashboard_url}: no (" in (
            status.message
        )
        assert site.phase() == "rejected"
        outcome = site.start()
        assert (outcome.status, outcome.old_model_in_use) == (Status.FAILING, None)
        assert len(site.forge.pulls) == 1

    def test_a_branch_that_somebody_deletes(self, site):
        """Where the provider closes the pull request with it that is a rejection, elsewhere the
        proposal is put there again."""
        site.start()
        site.forge.delete_branch(BRANCH)
        said = site.status().message
        if site.forge.closes_with_branch:
            assert f"was rejected by {site.forge.shown('ann')}" in said
            assert BRANCH not in site.branches
            assert site.phase() == "rejected"
        else:
            assert "waiting for pull request 1" in said
            assert site.only().head == site.branches[BRANCH]
            assert site.only().state == "open"

    def test_one_that_was_opened_again_is_waited_for(self, site):
        site.start()
        site.forge.decline(1, comment="no")
        site.reopen(1)
        assert "waiting for pull request 1" in site.status().message
        assert "waiting for pull request 1" in site.start().message
        assert site.phase() == "in review"

    def test_one_that_is_opened_again_later_is_not_closed_again(self, site):
        """Whoever opens it again wants it after all: people win."""
        site.start()
        site.forge.decline(1, comment="no")
        assert "was rejected by" in site.status().message
        site.reopen(1)
        for _ in range(2):
            assert "waiting for pull request 1" in site.status().message
        assert site.only().state == "open"
        assert site.only().comments == [("ann", "no")]
        assert site.phase() == "in review"
        site.merge(1)
        assert f"Git wants model {MODEL_A}" in site.status().message


class TestForeignPush:
    def test_it_stops_us_and_is_told_once(self, site):
        site.serving()
        site.replace()
        theirs = site.push_to_branch("theirs", "1")
        for _ in range(2):
            for outcome in (site.replace(new=MODEL_C), site.status()):
                assert outcome.status is Status.WARNING
                assert f"Jane Doe pushed {theirs[:12]} to the proposal" in outcome.message
        assert site.branches[BRANCH] == theirs
        assert MODEL_B in site.forge.pulls[2].body
        assert len(site.forge.pulls[2].comments) == 1
        site.merge(2, "squash")
        site.status()
        assert "waiting for pull request 3" in site.status().message
        assert MODEL_C in site.forge.pulls[3].body

    def test_closed_it_is_rejected_and_what_was_asked_since_is_proposed(self, site):
        site.serving()
        site.replace()
        site.push_to_branch("theirs", "1")
        site.replace(new=MODEL_C)
        site.forge.decline(2, comment="no")
        site.status()
        assert "waiting for pull request 3" in site.status().message
        assert f"`{MODEL_A}` → `{MODEL_C}`" in site.forge.pulls[3].body

    def test_deleting_the_branch_hands_it_back(self, site):
        site.serving()
        site.replace()
        site.push_to_branch("theirs", "1")
        assert "is proposed then" in site.replace(new=MODEL_C).message
        site.forge.delete_branch(BRANCH)
        site.status()
        number = 3 if site.forge.closes_with_branch else 2
        assert f"waiting for pull request {number}" in site.status().message
        pull = site.forge.pulls[number]
        assert (pull.state, pull.head) == ("open", site.branches[BRANCH])
        assert MODEL_C in pull.body


class TestBaseMoved:
    def test_a_proposal_that_no_longer_applies_is_applied_anew(self, site):
        site.serving()
        site.replace()
        before = site.branches[BRANCH]
        path = f"{HOME}/kustomization.yaml"
        text = git(site.team.remote, "show", f"main:{path}")
        site.commit_to_main(path, text + "# a person's note\n")
        assert "waiting for pull request 2" in site.status().message
        pull = site.forge.pulls[2]
        assert pull.head == site.branches[BRANCH] != before
        assert site.branches[BRANCH] in pull.body
        site.merge(2)
        assert "a person's note" in git(site.team.remote, "show", f"main:{path}")
        assert site.on_main()["model"] == MODEL_B

    def test_what_main_has_got_by_itself_needs_no_review(self, site):
        """Somebody brings the same model there by hand: the pull request is closed."""
        site.serving()
        site.replace()
        site._sync()
        git(site.team.clone, "checkout", "--quiet", f"origin/{BRANCH}", "--", HOME)
        site.team.commit("By hand")
        site.team.push()
        assert f"Git wants model {MODEL_B}" in site.status().message
        pull = site.forge.pulls[2]
        assert pull.state == "closed"
        assert "not needed any more" in pull.comments[-1][1]
        assert BRANCH not in site.branches
        assert site.phase() != "rejected"


def test_several_are_looked_at_by_lists(kind, tmp_path):
    """What a list shows is less than what a look does: a shortened text, no reviewers, no actor."""
    merged, closed, theirs, waits = (f"65a00000000000000000001{number}" for number in range(4))
    wanted = {"reviewers": [kind().person("ann")]}
    with Proposing(tmp_path, kind, pull_request=wanted) as site:
        for identifier in (merged, closed, theirs, waits):
            site.start(id=identifier)
        site.merge(1, "squash")
        site.forge.decline(2, comment="no")
        site.push_to_branch("theirs", "1", f"gitops-bridge/prod/{theirs}")
        text = site.forge.pulls[4].body
        site.forge.log.clear()
        said = {
            step.deployment: step.said for step in reconciling.reconcile(site.ctx(), None, None)
        }
        assert "main holds what was asked for" in said[merged]
        assert site.on_main(merged)["model"] == MODEL_A
        assert f"was rejected by {site.forge.shown('ann')}" in said[closed]
        assert "Jane Doe pushed" in said[theirs]
        assert "waiting for pull request 4" in said[waits]
        assert site.forge.pulls[4].body == text
        assert not [call for call in site.forge.log if call.endswith("/4")]
        assert sorted(site.branches) == [
            "builds", f"gitops-bridge/prod/{theirs}", f"gitops-bridge/prod/{waits}", "main",
            "rollouts",
        ]  # fmt: skip
        site.start(MODEL_B, id=waits)
        pull = site.forge.pulls[4]
        assert MODEL_B in pull.body
        assert (pull.state, pull.reviewers) == ("open", ["ann"])
        assert len(site.forge.pulls) == 4
