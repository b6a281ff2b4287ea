"""`gitops-bridge report`: the page of a real repository, its branches and its pull requests."""

import json
import os
import stat

import pytest

from gitops_bridge import agent
from gitops_bridge.controller import open_context
from gitops_bridge.controller.timelines import timelines
from tests.cli import act, as_json, bridge
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

OTHER = "65a000000000000000000011"


def opened(team):
    return open_context(agent.read_config(team.config), {})


def found(team):
    made = timelines(opened(team))
    return {deployment.id: deployment for deployment in made.deployments}


def words(deployment):
    return [event.what.word for event in deployment.events]


@pytest.fixture
def reverted(team):
    act(team, "deployment_start")
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    team.pull()
    git(team.clone, "revert", "--no-edit", "HEAD")
    team.push()
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    return team


class TestFleet:
    def test_a_reverted_model_is_held_and_its_story_told(self, reverted):
        churn = found(reverted)[DEPLOYMENT]
        assert (churn.name, churn.environment, churn.phase.word) == ("churn", "prod", "held")
        assert churn.model == MODEL_A
        assert sorted(words(churn)) == ["delivered", "delivered", "held", "reverted"]
        assert "Jane Doe moved" in churn.note
        (revert,) = [event for event in churn.events if event.what.word == "reverted"]
        assert (revert.by, revert.by_person, revert.model) == ("Jane Doe", True, MODEL_A)
        assert f'-    bosun.datarobot.com/model: "{MODEL_B}"' in revert.diff
        assert f'+    bosun.datarobot.com/model: "{MODEL_A}"' in revert.diff

    def test_a_diff_is_of_its_own_deployment_alone(self, team):
        act(team, "deployment_start")
        team.pull()
        for folder in (DEPLOYMENT, OTHER):
            path = team.clone / "overlays" / "prod" / folder / "notes.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"about {folder}\n")
        record = team.clone / "overlays" / "prod" / DEPLOYMENT / "model" / "record.yaml"
        record.write_text(record.read_text() + "# seen\n")
        git(team.clone, "add", "--all")
        team.commit("Note something")
        team.push()
        newest = found(team)[DEPLOYMENT].events[0]
        assert f"+about {DEPLOYMENT}" in newest.diff
        assert OTHER not in newest.diff

    def test_a_stopped_one_is_still_there(self, team):
        act(team, "deployment_start", id=OTHER, name="fraud")
        act(team, "deployment_stop", id=OTHER, name="fraud")
        fraud = found(team)[OTHER]
        assert (fraud.name, fraud.phase.word, fraud.model) == ("fraud", "stopped", None)
        assert words(fraud) == ["stopped", "delivered"]

    def test_one_that_cannot_be_read_does_not_hide_the_others(self, team):
        act(team, "deployment_start")
        act(team, "deployment_start", id=OTHER, name="fraud")
        team.pull()
        record = team.clone / "overlays" / "prod" / OTHER / "model" / "record.yaml"
        record.write_text("model: [\n")
        team.commit("Break it")
        team.push()
        there = found(team)
        assert there[DEPLOYMENT].phase.word == "settled"
        assert there[OTHER].phase.word in {"unreadable", "changed by a person"}

    def test_who_merged_a_proposal(self, tmp_path):
        with Proposing(tmp_path, GitHubServer) as site:
            site.act("deployment_start")
            before = timelines(site.ctx()).deployments[0]
            assert (before.phase.word, before.events[0].what.word) == (
                "in review",
                "pull request opened",
            )
            assert before.events[0].links[0].url.endswith("/pull/1")
            site.merge(1, "merge")
            site.act("deployment_start")
            after = timelines(site.ctx()).deployments[0]
        merged = [event for event in after.events if event.what.word == "merged"]
        assert [(event.by, event.by_person) for event in merged] == [("ann", True)]
        assert after.phase.word == "settled"
        assert BRANCH.endswith(after.id)


class TestIndex:
    def test_it_tells_of_every_path_what_git_tells(self, reverted):
        """Also where lines of history were merged, and of what a merge decided itself."""
        clone = reverted.clone
        reverted.pull()
        git(clone, "checkout", "-q", "-b", "side")
        act(reverted, "deployment_start", id=OTHER, name="fraud")
        (clone / "overlays" / "prod" / DEPLOYMENT / "note").write_text("side\n")
        git(clone, "add", "--all")
        reverted.commit("Work on a side branch")
        git(clone, "checkout", "-q", "main")
        reverted.pull()
        (clone / "overlays" / "prod" / DEPLOYMENT / "note").write_text("main\n")
        git(clone, "add", "--all")
        reverted.commit("Work on main")
        git(clone, "merge", "-q", "-s", "ours", "side", "-m", "Take main's")
        git(clone, "merge", "--no-commit", "-q", "side")
        reverted.push()
        ctx = opened(reverted)
        ctx.repository.fetch()
        head = ctx.repository.snapshot("main", fetch=False).commit
        paths = sorted(ctx.repository.touched(head, "overlays"))
        folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in (2, 3, 4)}
        asked = sorted({*paths, *folders} - {"overlays"})
        told = {path: ctx.repository.log(head, path, full=True) for path in asked}
        ctx.repository.index_log(head, "overlays")
        assert len(asked) > 10
        for path in asked:
            assert ctx.repository.log(head, path, full=True) == told[path], path
            assert ctx.repository.log(head, path, limit=1, full=True) == told[path][:1]


class TestVerb:
    def test_it_writes_one_file_and_says_where(self, reverted, tmp_path):
        folder = tmp_path / "site" / "rollouts"
        finished = bridge(reverted, "report", "--html", folder)
        assert os.listdir(folder) == ["index.html"]
        page = (folder / "index.html").read_text()
        assert page.startswith("<!doctype html>")
        assert stat.S_IMODE((folder / "index.html").stat().st_mode) == 0o644
        assert finished.stdout.startswith(f"{folder}/index.html: 1 deployments at ")

    def test_as_json_and_of_one_environment(self, reverted, tmp_path):
        told = as_json(reverted, "report", "--html", tmp_path, "--environment", "prod")
        assert told["deployments"] == 1
        assert told["path"] == str(tmp_path / "index.html")
        refused = bridge(
            reverted, "report", "--html", tmp_path, "--environment", "nowhere", check=False
        )
        assert refused.returncode != 0
        assert "nowhere" in refused.stderr

    def test_a_folder_that_cannot_be_written(self, reverted, tmp_path):
        (tmp_path / "file").write_text("")
        refused = bridge(reverted, "report", "--html", tmp_path / "file" / "x", check=False)
        assert refused.returncode == 2
        assert "--html" in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_no_secret_of_the_configuration_is_on_the_page(self, reverted, tmp_path, monkeypatch):
        reverted.write_config(username="bridge", password={"env": "CANARY"})
        monkeypatch.setenv("CANARY", "canary-7f3a")
        bridge(reverted, "report", "--html", tmp_path)
        assert "canary" not in (tmp_path / "index.html").read_text()
        assert json.dumps("x")
