"""Rollouts as pull requests on a protected branch behind smart HTTP: what is the same whoever hosts
the repository. Every provider's whole flow stands in test_pull_request_everywhere.py.
"""

import pytest

from gitops_bridge.actions import DeploymentState, Status
from gitops_bridge.errors import RequestError
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

MODEL_C = "65a000000000000000000022"
MODEL_D = "65a000000000000000000023"


@pytest.fixture
def site(tmp_path):
    with Proposing(tmp_path, GitHubServer) as site:
        yield site


class TestProposing:
    def test_the_status_tells_who_is_waited_for(self, site):
        site.serving()
        site.replace()
        status = site.status()
        assert (status.status, status.state) == (Status.WARNING, DeploymentState.REPLACING_MODEL)
        assert status.current_model_id is None
        assert status.dashboard_url.endswith("/2")
        assert f"Git wants model {MODEL_A}" in status.message
        assert f"model {MODEL_B}: waiting for pull request 2" in status.message

    def test_the_same_action_again_changes_nothing(self, site):
        site.start()
        before = site.branches, dict(vars(site.only()))
        outcome = site.start()
        assert (site.branches, dict(vars(site.only()))) == before
        assert "waiting for pull request 1" in outcome.message

    def test_a_replay_of_what_main_holds_leaves_what_waits(self, site):
        site.serving()
        site.replace()
        site.start()
        assert site.forge.pulls[2].state == "open"
        assert BRANCH in site.branches

    def test_a_misspelt_reviewer_is_told_and_stops_nothing(self, tmp_path):
        with Proposing(tmp_path, GitHubServer, pull_request={"reviewers": ["nobody"]}) as site:
            outcome = site.start()
            assert site.only().state == "open"
            assert outcome.status is Status.WARNING
            assert "reviewers left out" in outcome.message

    def test_a_team_s_template_is_taken_and_a_broken_one_told(self, site):
        site.commit_to_main("templates/pull_request.md.j2", "Ours: {{ name }}\n\n{{ machine }}")
        site.start()
        assert site.only().body.startswith("Ours: `churn`")
        site.commit_to_main("templates/pull_request.md.j2", "{{ nmae }}")
        outcome = site.start(MODEL_B)
        assert "templates/pull_request.md.j2 of the repository cannot be used" in outcome.message
        assert "### Champion and challenger" in site.only().body

    def test_a_dry_run_proposes_nothing(self, site):
        from gitops_bridge import agent
        from gitops_bridge.controller import handle
        from tests.team import action_file

        request = agent.read_request("deployment_start", action_file(site.folder))
        outcome = handle(site.ctx(), request, dry_run=True)
        assert outcome.message == "dry run, would propose: Start churn in prod"
        assert site.forge.pulls == {}


class TestMerged:
    def test_what_is_merged_and_then_reverted_by_a_person_is_held(self, site):
        site.serving()
        site.replace()
        site.merge(2, "squash")
        site.status()
        site.revert()
        outcome = site.replace()
        assert outcome.status is Status.WARNING
        assert "held: Jane Doe moved" in outcome.message
        assert len(site.forge.pulls) == 2

    @pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
    def test_the_rollback_on_the_page_works_as_copied(self, site, how):
        site.serving()
        site.replace()
        block = site.forge.pulls[2].body.split("```sh\n")[1].split("\n```")[0]
        site.merge(2, how)
        site.status()
        lines = [line for line in block.splitlines() if line.startswith("git ")]
        import subprocess

        from tests.team import IDENTITY

        subprocess.run(
            ["bash", "-euc", "\n".join(lines)], cwd=site.team.clone, check=True,
            capture_output=True, env={**site.environ, **IDENTITY},
        )  # fmt: skip
        assert site.on_main()["model"] == MODEL_A


class TestStops:
    @pytest.mark.parametrize(
        ("how", "seen"), [("merge", True), ("rebase", True), ("rebase", False), ("squash", False)]
    )
    def test_one_that_was_merged_is_a_delivery_and_no_person_s_doing(self, site, how, seen):
        """A squashed stop leaves neither record nor trailers; the same start again is no replay."""
        site.serving()
        outcome = site.act("deployment_stop")
        assert (outcome.status, outcome.state) == (Status.PASSING, DeploymentState.SHUTTING_DOWN)
        site.merge(2, how)
        site.forge.delete_branch(BRANCH)
        if seen:
            status = site.status()
            assert (status.status, status.state) == (Status.UNKNOWN, DeploymentState.UNKNOWN)
        assert site.on_main() == {}
        outcome = site.start()
        assert "waiting for pull request 3" in outcome.message
        assert "waiting for pull request 3" in site.status().message
        assert "Start churn" in site.forge.pulls[3].title
        site.merge(3, how)
        site.status()
        assert site.on_main()["model"] == MODEL_A

    def test_the_status_says_that_the_stop_waits(self, site):
        site.serving()
        site.act("deployment_stop")
        status = site.status()
        assert (status.status, status.state) == (Status.WARNING, DeploymentState.SHUTTING_DOWN)
        assert "the stop: waiting for pull request 2" in status.message

    def test_a_replay_of_the_start_does_not_cancel_it(self, site):
        site.serving()
        site.act("deployment_stop")
        site.start()
        assert site.forge.pulls[2].state == "open"

    def test_a_stop_before_the_start_was_merged_closes_that(self, site):
        site.start()
        outcome = site.act("deployment_stop")
        assert "nothing to do" in outcome.message
        assert site.only().state == "closed"
        assert BRANCH not in site.branches
        assert "not needed any more" in site.only().comments[-1][1]

    def test_one_that_was_closed_stays_rejected(self, site):
        site.serving()
        site.act("deployment_stop")
        site.forge.decline(2, comment="customers still use it")
        outcome = site.act("deployment_stop")
        assert (outcome.status, outcome.state) == (Status.FAILING, DeploymentState.ERRORED)
        assert "the stop was rejected by ann" in outcome.message
        assert "customers still use it" in outcome.message
        assert site.on_main()["model"] == MODEL_A


class TestRejected:
    @pytest.fixture
    def closed(self, site):
        site.serving()
        site.replace()
        site.forge.decline(2, comment="The AUC fell.\nSee @bob's `report`")
        return site

    def test_the_branch_goes_and_the_rejection_is_remembered_beside_it(self, closed):
        closed.status()
        assert BRANCH not in closed.branches
        assert closed.phase() == "rejected"
        message = git(closed.team.remote, "log", "-1", "--format=%B", "rollouts")
        assert "By: ann" in message
        assert "Reason: The AUC fell. See" in message

    def test_nothing_proposes_it_again_but_another_action(self, closed):
        closed.status()
        for _ in range(2):
            closed.replace()
            closed.status()
        assert len(closed.forge.pulls) == 2
        outcome = closed.replace(keyValueConfig={"replicas": "3"})
        assert "waiting for pull request 3" in outcome.message
        assert closed.phase() != "rejected"

    def test_a_newer_model_is_proposed(self, closed):
        outcome = closed.replace(new=MODEL_C)
        assert "waiting for pull request 3" in outcome.message
        closed.merge(3)
        status = closed.status()
        assert closed.on_main()["model"] == MODEL_C
        assert "rejected" not in status.message

    def test_a_person_may_have_it_proposed_again(self, closed):
        closed.status()
        assert closed.release().state.review.url.endswith("/3")
        assert closed.phase() == "in review"
        with pytest.raises(RequestError, match="nothing is held"):
            closed.release()
        assert closed.forge.pulls[3].state == "open"

    def test_a_rollback_that_was_rejected_may_be_proposed_again(self, closed):
        closed.replace(new=MODEL_C)
        closed.merge(3)
        closed.status()
        closed.rollback()
        closed.forge.decline(4)
        closed.status()
        assert closed.release().state.review.url.endswith("/5")
        assert closed.forge.pulls[5].title.startswith("Roll back churn in prod")


class TestBaseMoved:
    def test_another_deployment_s_merge_changes_nothing(self, site):
        site.start()
        before = site.branches[BRANCH]
        site.commit_to_main("overlays/prod/65a000000000000000000099/README", "x\n")
        site.status()
        assert site.branches[BRANCH] == before

    def test_what_a_person_did_to_the_model_meanwhile_stands(self, site):
        site.serving()
        site.replace()
        path = f"overlays/prod/{DEPLOYMENT}/model/kustomization.yaml"
        text = git(site.team.remote, "show", f"main:{path}")
        site.commit_to_main(path, text + "namePrefix: by-hand-\n")
        status = site.status()
        assert status.status is Status.WARNING
        assert "held: Jane Doe moved" in status.message
        assert site.forge.pulls[2].state == "open"


class TestForeign:
    def test_one_that_somebody_wound_back_is_left_there(self, site):
        """Our own older commit is not what we have proposed last."""
        site.serving()
        site.replace()
        older = site.branches[BRANCH]
        site.replace(new=MODEL_C)
        git(site.team.remote, "update-ref", f"refs/heads/{BRANCH}", older)
        for _ in range(2):
            assert f"somebody pushed {older[:12]} to the proposal's branch" in site.status().message
        assert site.branches[BRANCH] == older
        assert len(site.forge.pulls[2].comments) == 1
        assert MODEL_C in site.forge.pulls[2].body

    def test_it_is_told_again_for_another_push(self, site):
        site.start()
        site.push_to_branch("one", "1")
        site.status()
        site.push_to_branch("two", "2")
        site.status()
        assert len(site.only().comments) == 2

    def test_a_comment_that_failed_is_said_by_the_next_look(self, site):
        site.start()
        site.push_to_branch("one", "1")
        site.forge.fail(403, when=lambda request: request.method == "POST")
        site.status()
        assert site.only().comments == []
        site.status()
        assert len(site.only().comments) == 1

    def test_their_merge_is_the_end_of_it(self, site):
        site.serving()
        site.replace()
        site.push_to_branch("theirs", "1")
        site.status()
        site.merge(2)
        assert f"Git wants model {MODEL_B}" in site.status().message
        assert BRANCH not in site.branches
        assert site.phase() == "settled"


class TestAskedMeanwhile:
    """An action that meets somebody else's push waits for the branch, and need not come again."""

    @pytest.fixture
    def taken(self, site):
        site.serving()
        site.replace()
        site.push_to_branch("theirs", "1")
        outcome = site.replace(new=MODEL_C)
        assert "is proposed then" in outcome.message
        assert MODEL_B in site.forge.pulls[2].body
        return site

    def test_the_status_says_that_it_waits(self, taken):
        status = taken.status()
        assert f"model {MODEL_C}, asked since, is proposed then" in status.message
        assert taken.phase() == "blocked"

    @pytest.mark.parametrize("how", ["merge", "rebase"])
    def test_it_is_proposed_once_theirs_is_merged(self, taken, how):
        taken.merge(2, how)
        assert "waiting for pull request 3" in statuses(taken)
        assert f"`{MODEL_B}` → `{MODEL_C}`" in taken.forge.pulls[3].body
        taken.merge(3, how)
        assert f"Git wants model {MODEL_C}" in taken.status().message
        assert taken.phase() != "building"

    def test_it_is_proposed_once_the_branch_is_as_it_was(self, taken):
        git(taken.team.remote, "update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1")
        assert "waiting for pull request 2" in statuses(taken)
        assert MODEL_C in taken.forge.pulls[2].body

    def test_the_newest_of_several_is(self, taken):
        taken.replace(new=MODEL_B)  # what is on the branch: a replay
        taken.replace(new=MODEL_D)
        taken.replace(new=MODEL_D)
        taken.forge.decline(2)
        assert "waiting for pull request 3" in statuses(taken)
        assert MODEL_D in taken.forge.pulls[3].body
        assert len(taken.forge.pulls) == 3

    def test_a_stop_is(self, taken):
        taken.act("deployment_stop")
        taken.forge.decline(2)
        assert "the stop: waiting for pull request 3" in statuses(taken)
        taken.merge(3)
        taken.status()
        assert taken.on_main() == {}

    def test_an_action_that_finds_theirs_closed_goes_on_at_once(self, taken):
        taken.forge.decline(2)
        assert "waiting for pull request 3" in taken.replace(new=MODEL_C).message
        assert taken.phase() == "in review"

    def test_one_that_main_holds_by_then_is_forgotten(self, taken):
        """They have brought the very same model to main by themselves."""
        home = f"overlays/prod/{DEPLOYMENT}/model"
        taken.forge.decline(2)
        taken.replace(new=MODEL_C)
        proposed = taken.branches[BRANCH]
        taken.forge.decline(3)
        taken._sync()
        git(taken.team.clone, "checkout", "--quiet", proposed, "--", home)
        taken.team.commit("By hand")
        taken.team.push()
        assert f"Git wants model {MODEL_C}" in statuses(taken)
        assert taken.phase() != "building"
        assert len(taken.forge.pulls) == 3

    def test_on_another_machine(self, taken):
        import shutil

        shutil.rmtree(taken.folder / "cache")
        taken.forge.decline(2)
        assert "waiting for pull request 3" in statuses(taken)

    def test_a_person_s_rollback_is(self, site):
        site.serving()
        site.replace()
        site.merge(2)
        site.status()
        site.replace(old=MODEL_B, new=MODEL_C)
        site.push_to_branch("theirs", "1")
        site.rollback()
        site.forge.decline(3)
        assert "waiting for pull request 4" in statuses(site)
        assert "Roll back churn" in site.forge.pulls[4].title


def statuses(site):
    """What the second look says: the first one ends the old review."""
    site.status()
    return site.status().message


class TestPolicy:
    def test_a_stop_may_be_pushed_while_replacements_are_reviewed(self, tmp_path):
        policy = {"default": "pull-request", "stop": "push"}
        with Proposing(tmp_path, GitHubServer, protected=False, delivery=policy) as site:
            site.serving()
            site.replace()
            outcome = site.act("deployment_stop")
            assert outcome.state is DeploymentState.SHUTTING_DOWN
            assert site.on_main() == {}
            assert site.forge.pulls[2].state == "closed"
            assert BRANCH not in site.branches

    def test_scaling_may_be_pushed(self, tmp_path):
        policy = {"default": "pull-request", "scale": "push"}
        with Proposing(tmp_path, GitHubServer, protected=False, delivery=policy) as site:
            site.serving()
            outcome = site.start(keyValueConfig={"replicas": "3"})
            assert "committed" in outcome.message
            assert len(site.forge.pulls) == 1

    @pytest.mark.parametrize(
        ("change", "does"),
        [
            ("start", lambda site: site.start()),
            ("replace", lambda site: site.replace()),
            ("scale", lambda site: site.start(keyValueConfig={"replicas": "3"})),
            ("relaunch", lambda site: site.act("deployment_relaunch")),
            ("stop", lambda site: site.act("deployment_stop")),
        ],
    )
    @pytest.mark.parametrize("reviewed", [True, False])
    def test_each_kind_of_change_goes_its_own_way(self, tmp_path, change, does, reviewed):
        others, own = ("push", "pull-request") if reviewed else ("pull-request", "push")
        with Proposing(tmp_path, GitHubServer, protected=False) as site:
            if change != "start":
                site.serving()
            before = len(site.forge.pulls)
            site.configure(delivery={"default": others, change: own})
            outcome = does(site)
            assert len(site.forge.pulls) - before == reviewed
            assert ("waiting for pull request" in outcome.message) == reviewed
            assert ("committed " in outcome.message) != reviewed

    @pytest.mark.parametrize(
        ("importance", "pulls"), [("CRITICAL", 1), ("LOW", 0), (None, 1)], ids=str
    )
    def test_importance_decides_where_it_is_asked_for(self, tmp_path, importance, pulls):
        from tests.servers.datarobot_monitoring import MonitoredDataRobot
        from tests.servers.packages import PACKAGE

        policy = {"default": "push", "CRITICAL": "pull-request", "LOW": "push"}
        with (
            MonitoredDataRobot() as server,
            Proposing(
                tmp_path, GitHubServer, protected=False, delivery=policy,
                datarobot={"url": server.url, "token": {"env": "DR"}},
            ) as site,
        ):  # fmt: skip
            site.environ["DR"] = server.token
            server.add_package(PACKAGE, model_id=MODEL_A)
            server.add_deployment(DEPLOYMENT, package=PACKAGE)
            server.deployments[DEPLOYMENT]["importance"] = importance
            site.start()
            assert len(site.forge.pulls) == pulls
            if importance:
                assert f"importance/{importance.lower()}" in str(site.forge.pulls) or not pulls

    def test_a_rollback_is_proposed_and_stays_a_person_s_decision(self, site):
        site.serving()
        site.replace()
        site.merge(2, "squash")
        site.status()
        review = site.rollback().state.review
        assert review.url.endswith("/3")
        assert "Roll back churn" in site.forge.pulls[3].title
        assert "waiting for pull request 3" in site.status().message
        site.merge(3, "squash")
        status = site.status()
        assert site.on_main()["model"] == MODEL_A
        assert "pull request" not in status.message
        assert BRANCH not in site.branches
        outcome = site.replace()
        assert "held: " in outcome.message
