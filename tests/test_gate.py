"""The two-phase flow: wait for the image, deliver it by digest; with a real registry, real git."""

import subprocess

import pytest

from gitops_bridge import agent
from gitops_bridge.controller import handle
from tests.gated import (
    HOME,
    KEY,
    PACKAGE_A,
    PACKAGE_B,
    PACKAGE_C,
    Gated,
)
from tests.servers import registry as servers
from tests.servers.git_http import GitServer
from tests.servers.registry import PASSWORD
from tests.team import DEPLOYMENT, ENVIRONMENT_ID, MODEL_A, MODEL_B, git, orphan

MODEL_C = "65a000000000000000000022"
OTHER = "65a000000000000000000011"


@pytest.fixture
def gated(tmp_path, host):
    return Gated(tmp_path, host)


@pytest.fixture
def serving(gated):
    """Model A is built and delivered."""
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    gated.act("deployment_start", PACKAGE_A)
    assert gated.log() == ["Start churn in prod", "Set up"]
    return gated


def replace(team, package=PACKAGE_B, model=MODEL_B, **info):
    return team.act("deployment_replace_model", package, newModelId=model, **info)


def said(outcome):
    return (outcome.status.value, outcome.state.value)


# -- the happy path


def test_an_image_that_is_missing_is_built_and_waited_for(gated):
    main = gated.at()
    outcome = gated.act("deployment_start", PACKAGE_A)
    assert said(outcome) == ("passing", "launching")
    (path,) = gated.jobs()
    assert path in outcome.message
    assert gated.job()["metadata"]["annotations"]["gitops-bridge.io/image"] in outcome.message
    assert gated.at() == main
    assert gated.refs() == ["builds", "main", "rollouts"]
    asked = gated.state()["wish"]["request"]
    assert (asked["model"], asked["package"]["id"]) == (MODEL_A, PACKAGE_A)
    assert "@" not in gated.state()["image"]


def test_an_action_waits_no_longer_than_its_budget(gated):
    started = gated.clock.now
    gated.act("deployment_start", PACKAGE_A)
    assert gated.clock.now - started == 240
    assert gated.clock.slept < 30


def test_an_image_that_comes_within_the_budget_is_delivered_by_the_action(gated):
    gated.clock.meanwhile = lambda: gated.built() if gated.clock.slept == 3 else None
    outcome = gated.act("deployment_start", PACKAGE_A)
    assert said(outcome) == ("passing", "launching")
    assert outcome.commit == gated.at()
    assert gated.refs() == ["builds", "main", "rollouts"]
    assert "@sha256:" in gated.record()["image"]


def test_an_image_that_is_there_is_delivered_at_once_and_no_job_is_written(serving):
    jobs = git(serving.remote, "rev-parse", "builds")
    slept = serving.clock.slept
    outcome = serving.act("deployment_start", PACKAGE_A, id=OTHER, name="fraud")
    assert said(outcome) == ("passing", "launching")
    image = serving.record(home=f"overlays/prod/{OTHER}")["image"]
    assert image == serving.record()["image"]
    assert serving.clock.slept == slept
    assert git(serving.remote, "rev-parse", "builds") == jobs


@pytest.mark.parametrize("look", ["deployment_status", "pe_status"])
def test_the_next_status_delivers_tag_and_digest(serving, look):
    assert said(replace(serving)) == ("passing", "replacingModel")
    waiting = serving.status()
    assert said(waiting) == ("unknown", "replacingModel")
    assert MODEL_A in waiting.message
    assert MODEL_B in waiting.message
    digest = serving.built()
    serving.act(look)
    assert serving.record()["model"] == MODEL_B
    assert serving.record()["image"].endswith(f"@{digest}")
    component = git(serving.remote, "show", f"main:{HOME}/model/kustomization.yaml")
    assert digest in component
    assert serving.refs() == ["builds", "main", "rollouts"]
    assert serving.log()[0] == "Replace model of churn in prod"
    assert said(serving.status()) == ("unknown", "unknown")


def test_what_is_delivered_is_planned_anew_on_main_as_it_is(serving):
    """Other deployments and people's files move meanwhile; the proposal is never merged."""
    replace(serving)
    serving.pull()
    (serving.clone / "README.md").write_text("ours")
    seed = serving.clone / HOME / "kustomization.yaml"
    seed.write_text(seed.read_text() + "# mine\n")
    serving.commit("Meanwhile")
    serving.push()
    serving.built()
    serving.status()
    assert serving.log()[:2] == ["Replace model of churn in prod", "Meanwhile"]
    assert "# mine" in git(serving.remote, "show", f"main:{HOME}/kustomization.yaml")
    assert git(serving.remote, "rev-list", "--merges", "main") == ""


def test_a_changed_environment_builds_anew(serving):
    replace(serving)
    first = serving.state()["image"]
    serving.pull()
    serving.write_builder(pps_image=f"{serving.host}/datarobot/datarobot-pps:11.3.0")
    serving.commit("A newer prediction server")
    serving.push()
    serving.built()
    serving.status()
    assert serving.record()["model"] == MODEL_A
    again = serving.state()["image"]
    assert again != first
    assert len(serving.jobs()) == 3
    target = {serving.job(path)["metadata"]["annotations"]["gitops-bridge.io/image"]: path
              for path in serving.jobs()}  # fmt: skip
    serving.built(target[again])
    serving.status()
    assert serving.record()["image"].startswith(again)


def test_settings_keep_the_digest_that_serves_though_the_tag_moves(serving):
    image = serving.record()["image"]
    serving.put_image(image.partition("@")[0], serving.job()["metadata"]["annotations"][KEY] + " ")
    serving.act("deployment_start", PACKAGE_A, keyValueConfig={"replicas": "3"})
    assert serving.log()[0] == "Scale churn to 3 replicas in prod"
    assert serving.record()["image"] == image


# -- no second build


def test_the_same_action_again_changes_nothing_while_it_waits(serving):
    replace(serving)
    refs = {name: serving.at(name) for name in serving.refs()}
    assert said(replace(serving)) == ("passing", "replacingModel")
    assert {name: serving.at(name) for name in serving.refs()} == refs


def test_one_job_for_all_deployments_and_environments_that_share_a_registry(tmp_path, host):
    team = Gated(tmp_path, host, environments=("prod", "staging"))
    team.act("deployment_start", PACKAGE_A)
    team.act("deployment_start", PACKAGE_A, id=OTHER)
    other = team.file(PACKAGE_A, id="65a000000000000000000012")
    other.write_text(other.read_text().replace(ENVIRONMENT_ID, f"{ENVIRONMENT_ID[:-1]}2"))
    handle(team.ctx(), agent.read_request("deployment_start", other))
    assert len(team.jobs()) == 1
    elsewhere = "65a000000000000000000012", "staging"
    assert [team.phase(), team.phase(OTHER)] == ["building", "building"]
    assert team.state(*elsewhere)["phase"] == "building"
    team.built()
    team.act("pe_status", deployments=[DEPLOYMENT, OTHER])
    assert [team.phase(), team.phase(OTHER)] == ["settled", "settled"]
    assert team.state(*elsewhere)["phase"] == "building"


# -- failed and overdue builds


def test_an_overdue_build_fails_the_action_and_leaves_main_alone(serving):
    replace(serving)
    main = serving.at()
    serving.clock.now += 7300
    outcome = replace(serving)
    assert said(outcome) == ("failing", "errored")
    assert outcome.old_model_in_use is None  # nobody looked
    assert "7200 s" in outcome.message
    assert "prod/build-" in outcome.message
    assert serving.at() == main


def test_the_deadline_may_end_an_action_s_own_wait(serving):
    serving.configure(build={"deadline": 60})
    outcome = replace(serving)
    assert said(outcome) == ("failing", "errored")
    assert outcome.old_model_in_use is None  # nobody looked


def test_after_a_failed_build_the_deployment_is_what_main_holds_with_a_warning(serving):
    replace(serving)
    serving.clock.now += 7300
    for _ in range(2):
        status = serving.status()
        assert said(status) == ("warning", "unknown")
        assert f"Git wants model {MODEL_A}" in status.message
        assert f"model {MODEL_B}: the build has failed" in status.message
        assert status.old_model_in_use is None


def test_a_start_whose_build_fails_has_no_old_model(gated):
    gated.act("deployment_start", PACKAGE_A)
    gated.clock.now += 7300
    assert said(gated.status()) == ("failing", "errored")
    gated.clock.now += 1
    retried = gated.act("deployment_start", PACKAGE_A)
    assert said(retried) == ("passing", "launching")


def test_a_failure_names_the_model_that_git_holds_and_claims_nothing(gated):
    """The registry has something else under the tag: that is an error before anything is built."""
    gated.act("deployment_start", PACKAGE_A)
    replace(gated)
    (path,) = [path for path in gated.jobs() if PACKAGE_B in path]
    gated.built(path, label="0" * 64)
    failed = replace(gated, id=OTHER)
    assert failed.status.value == "failing"
    assert failed.old_model_in_use is None
    gated.built(gated.jobs()[0])
    gated.act("deployment_start", PACKAGE_A)
    failed = replace(gated)
    assert "is not what it should be made of" in failed.message
    assert (failed.status.value, failed.old_model_in_use) == ("failing", None)
    assert f"Git holds model {MODEL_A}" in failed.message


def test_the_same_action_after_a_failure_is_a_new_attempt_in_one_commit(serving):
    replace(serving)
    (first,) = set(serving.jobs()) - {path for path in serving.jobs() if PACKAGE_A in path}
    serving.clock.now += 7300
    serving.status()
    assert said(replace(serving)) == ("passing", "replacingModel")
    again = first.replace(".yaml", "-a2.yaml")
    assert again in serving.jobs()
    assert first not in serving.jobs()
    changed = git(serving.remote, "show", "--name-status", "--no-renames", "--format=", "builds")
    assert sorted(line.split() for line in changed.splitlines()) == [["A", again], ["D", first]]
    assert serving.job(again)["metadata"]["name"] == again[5:-5]
    serving.built(again)
    serving.status()
    assert serving.record()["model"] == MODEL_B


def test_an_image_that_comes_after_the_verdict_waits_for_the_next_action(serving):
    replace(serving)
    serving.clock.now += 7300
    serving.status()
    serving.built()
    serving.status()
    assert serving.record()["model"] == MODEL_A
    replace(serving)
    assert serving.record()["model"] == MODEL_B


def test_an_image_that_came_in_time_is_delivered_however_late_the_look(serving):
    replace(serving)
    serving.built()
    serving.clock.now += 100_000
    serving.status()
    assert serving.record()["model"] == MODEL_B


# -- what comes in between


def test_a_newer_action_supersedes_the_waiting_one(serving):
    replace(serving)
    replace(serving, PACKAGE_C, MODEL_C)
    assert serving.state()["wish"]["request"]["model"] == MODEL_C
    for path in serving.jobs():
        serving.built(path)
    serving.status()
    assert serving.record()["model"] == MODEL_C
    assert MODEL_B not in git(serving.remote, "log", "--format=%b", "main")


def test_a_replacement_while_the_start_still_waits(gated):
    gated.act("deployment_start", PACKAGE_A)
    assert said(replace(gated)) == ("passing", "replacingModel")
    for path in gated.jobs():
        gated.built(path)
    gated.status()
    assert gated.record()["model"] == MODEL_B
    assert gated.log() == ["Start churn in prod", "Set up"]


def test_a_newer_action_that_is_delivered_at_once_removes_the_waiting_one(serving):
    replace(serving)
    serving.act("deployment_start", PACKAGE_A, keyValueConfig={"replicas": "3"})
    assert serving.refs() == ["builds", "main", "rollouts"]
    serving.built()
    serving.status()
    assert serving.record()["model"] == MODEL_A


def test_taking_the_replacement_back_removes_it(serving):
    replace(serving)
    back = replace(serving, PACKAGE_A, MODEL_A, modelId=MODEL_B)
    assert back.status.value == "passing"
    assert serving.phase() == "settled"


def test_a_replay_of_what_main_holds_leaves_the_waiting_one(serving):
    replace(serving)
    serving.act("deployment_start", PACKAGE_A)
    assert serving.phase() == "building"


def test_a_stop_removes_the_proposal(serving, gated):
    replace(serving)
    assert said(serving.act("deployment_stop")) == ("passing", "shuttingDown")
    assert serving.refs() == ["builds", "main", "rollouts"]
    serving.built()
    serving.status()
    assert serving.log()[0] == "Stop churn in prod"


def test_a_stop_before_the_first_image(gated):
    gated.act("deployment_start", PACKAGE_A)
    assert said(gated.act("deployment_stop")) == ("passing", "shuttingDown")
    assert gated.refs() == ["builds", "main", "rollouts"]
    assert gated.log() == ["Set up"]


def test_an_action_that_is_superseded_while_it_waits_does_not_deliver(serving):
    def meanwhile():
        if serving.clock.slept == 2:
            serving.clock.meanwhile = lambda: None
            before = serving.clock.slept
            serving.configure(actions={"budget": 1})
            replace(serving, PACKAGE_C, MODEL_C)
            for path in serving.jobs():
                if PACKAGE_B in path:
                    serving.built(path)
            assert serving.clock.slept > before

    serving.clock.slept = 0
    serving.clock.meanwhile = meanwhile
    outcome = replace(serving)
    assert said(outcome) == ("warning", "unknown")
    assert "another request" in outcome.message
    assert serving.record()["model"] == MODEL_A
    assert serving.state()["wish"]["request"]["model"] == MODEL_C


def test_a_person_who_moves_the_deployment_meanwhile_is_respected(serving):
    replace(serving)
    serving.pull()
    component = serving.clone / HOME / "model/kustomization.yaml"
    component.write_text(component.read_text().replace("count: 1", "count: 7"))
    serving.commit("More replicas by hand")
    serving.push()
    serving.built()
    status = serving.status()
    assert status.status.value == "warning"
    assert "held: Jane Doe" in status.message
    assert serving.log()[0] == "More replicas by hand"
    held = replace(serving)
    assert held.status.value == "warning"
    assert f"gitops-bridge release {DEPLOYMENT}" in held.message
    assert serving.log()[0] == "More replicas by hand"
    newer = replace(serving, PACKAGE_C, MODEL_C)
    assert said(newer) == ("passing", "replacingModel")
    for path in serving.jobs():
        if PACKAGE_C in path:
            serving.built(path)
    serving.status()
    assert serving.record()["model"] == MODEL_C
    assert "Jane Doe" in git(serving.remote, "log", "-1", "--format=%b", "main")


def test_a_person_who_removes_the_deployment_meanwhile_is_respected(serving):
    replace(serving)
    serving.pull()
    git(serving.clone, "rm", "-r", "--quiet", HOME)
    serving.commit("Away with it")
    serving.push()
    serving.built()
    assert "held: Jane Doe" in serving.status().message
    assert serving.log()[0] == "Away with it"


def test_other_deployments_are_never_touched(serving):
    serving.act("deployment_start", PACKAGE_A, id=OTHER, name="fraud")
    before = git(serving.remote, "rev-parse", f"main:overlays/prod/{OTHER}")
    replace(serving)
    serving.clock.now += 7300
    serving.status()
    replace(serving)
    serving.built()
    serving.status()
    assert git(serving.remote, "rev-parse", f"main:overlays/prod/{OTHER}") == before


def test_a_state_that_a_person_broke_is_told(serving):
    replace(serving)
    scratch = serving.folder / "scratch"
    git(
        serving.folder,
        "clone",
        "--quiet",
        "--branch",
        "rollouts",
        str(serving.remote),
        str(scratch),
    )
    (scratch / f"prod/{DEPLOYMENT}.yaml").write_text("phase: [")
    git(scratch, "commit", "--quiet", "--all", "--message", "Break it")
    git(scratch, "push", "--quiet", "origin", "rollouts")
    for outcome in (serving.status(), replace(serving)):
        assert outcome.status.value in ("warning", "failing")
        assert f"prod/{DEPLOYMENT}.yaml" in outcome.message
        assert "git revert" in outcome.message


# -- what cannot be


def test_a_tag_made_of_something_else_is_an_error(serving):
    replace(serving)
    path = next(path for path in serving.jobs() if PACKAGE_B in path)
    serving.built(path, label="0" * 64)
    main = serving.at()
    status = serving.status()
    assert status.status.value == "warning"
    assert "is not what it should be made of" in status.message
    fresh = serving.act("deployment_start", PACKAGE_B, id=OTHER, modelId=MODEL_B)
    assert said(fresh) == ("failing", "errored")
    assert f"gitops-bridge/prod/{OTHER}" not in serving.refs()
    assert serving.at() == main


@pytest.mark.parametrize("gate", ["registry", "none"])
def test_without_a_model_package_nothing_can_be_built(gated, gate):
    gated.configure(build={"gate": gate})
    outcome = gated.act("deployment_start")
    assert said(outcome) == ("failing", "errored")
    assert "modelPackageDetails" in outcome.message
    assert "datarobot:" in outcome.message
    assert gated.refs() == ["builds", "main", "rollouts"]
    assert gated.jobs() == []
    assert gated.log() == ["Set up"]


def test_the_package_of_a_model_that_was_delivered_is_known(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    team.act("deployment_start", PACKAGE_A)
    outcome = team.act("deployment_relaunch")
    assert said(outcome) == ("passing", "launching")
    assert team.record()["package"]["id"] == PACKAGE_A


def test_a_registry_that_is_dead_at_once(tmp_path):
    team = Gated(tmp_path, f"127.0.0.1:{servers.free_port()}")
    outcome = team.act("deployment_start", PACKAGE_A)
    assert said(outcome) == ("failing", "errored")
    assert team.host in outcome.message
    assert team.refs() == ["builds", "main", "rollouts"]
    assert team.jobs() == []


def test_a_registry_that_dies_while_we_wait(tmp_path):
    with servers.serve(tmp_path / "registry") as running:
        team = Gated(tmp_path, running.host)
        team.configure(actions={"budget": 5})
        team.clock.meanwhile = running.process.kill
        outcome = team.act("deployment_start", PACKAGE_A)
        assert said(outcome) == ("passing", "launching")
        assert "the registry does not tell" in outcome.message
        status = team.status()
        assert status.status.value == "warning"
        assert "the registry does not tell" in status.message
    assert team.phase() == "building"


def test_a_registry_that_does_not_answer_ends_with_the_budget(tmp_path, host):
    """Without that, one action would take the better part of an hour."""
    front = servers.Front(host)
    with front.running() as address:
        team = Gated(tmp_path, address)
        team.configure(actions={"budget": 1})
        assert said(team.act("deployment_start", PACKAGE_A)) == ("passing", "launching")
        front.faults = [servers.Fault("/manifests/", times=99, stall=True)]
        status = team.status()
        assert said(status) == ("warning", "launching")
        assert "the registry does not tell" in status.message
        front.faults = [servers.Fault("/v2/", times=99, stall=True)]
        outcome = team.act("deployment_start", PACKAGE_B, id=OTHER, modelId=MODEL_B)
        assert said(outcome) == ("failing", "errored")
        assert "timed out" in outcome.message.lower()
    assert len(team.jobs()) == 1


def test_a_registry_with_users_and_canaries_nowhere(tmp_path):
    with servers.serve(tmp_path / "registry", htpasswd=True) as running:
        team = Gated(tmp_path, running.host, login=True)
        team.environ["REGISTRY_PASSWORD"] = "wrong-canary"
        refused = team.act("deployment_start", PACKAGE_A)
        assert said(refused) == ("failing", "errored")
        assert team.jobs() == []
        team.environ["REGISTRY_PASSWORD"] = PASSWORD
        waiting = team.act("deployment_start", PACKAGE_A)
        assert said(waiting) == ("passing", "launching")
        team.built()
        delivered = team.status()
        assert "@sha256:" in team.record()["image"]
        told = f"{refused}{waiting}{delivered}"
        for canary in ("wrong-canary", PASSWORD):
            assert canary not in told
            found = subprocess.run(
                ["grep", "-r", "--text", "-l", canary, team.remote, team.folder / "cache"],
                capture_output=True, text=True,
            )  # fmt: skip
            assert found.stdout == ""


def test_a_password_that_is_not_where_it_should_be(tmp_path, host):
    team = Gated(tmp_path, host, login=True)
    del team.environ["REGISTRY_PASSWORD"]
    outcome = team.act("deployment_start", PACKAGE_A)
    assert outcome.status.value == "failing"
    assert "registry.password" in outcome.message
    assert "REGISTRY_PASSWORD" in outcome.message


def test_a_docker_config_file(tmp_path):
    import base64
    import json

    from tests.servers.registry import USER

    with servers.serve(tmp_path / "registry", htpasswd=True) as running:
        team = Gated(tmp_path, running.host)
        told = team.act("deployment_start", PACKAGE_A).message
        assert "gitops-bridge.yaml: set registry.docker_config, or registry.username" in told
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"auths": {running.host: {"auth": auth}}}))
        team.configure(registry={"docker_config": str(config)})
        assert said(team.act("deployment_start", PACKAGE_A)) == ("passing", "launching")
        team.configure(registry={"docker_config": str(tmp_path / "nowhere.json")})
        outcome = team.status()
        assert "registry.docker_config" in outcome.message


def test_a_registry_behind_a_private_ca(tmp_path):
    tls = servers.make_tls(tmp_path / "tls")
    with servers.serve(tmp_path / "registry", tls=tls) as running:
        team = Gated(tmp_path, running.host)
        team.configure(registry={"ca_file": tls.ca})
        assert said(team.act("deployment_start", PACKAGE_A)) == ("passing", "launching")
        team.configure(registry={"ca_file": None, "skip_tls_verify": [running.host]})
        assert said(team.status()) == ("unknown", "launching")


def test_a_builder_that_does_not_hold_writes_nothing(gated):
    gated.pull()
    path = gated.clone / "overlays/prod/environment/builder/kustomization.yaml"
    path.write_text(
        path.read_text() + "patches:\n- target: {kind: Job}\n  patch: |-\n"
        "    - {op: add, path: /spec/ttlSecondsAfterFinished, value: 60}\n"
    )
    gated.commit("Clean up Jobs")
    gated.push()
    outcome = gated.act("deployment_start", PACKAGE_A)
    assert said(outcome) == ("failing", "errored")
    assert "ttlSecondsAfterFinished" in outcome.message
    assert gated.jobs() == []
    assert gated.refs() == ["builds", "main", "rollouts"]


# -- without a gate


def test_without_a_gate_the_job_is_written_and_the_tag_delivered(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    outcome = team.act("deployment_start", PACKAGE_A)
    assert said(outcome) == ("passing", "launching")
    target = team.job()["metadata"]["annotations"]["gitops-bridge.io/image"]
    assert team.record()["image"] == target
    assert team.log() == ["Start churn in prod", "Set up"]
    before = team.at("builds")
    team.clock.now += 1_000_000
    team.act("deployment_start", PACKAGE_A, id=OTHER)
    team.act("deployment_start", PACKAGE_A)
    assert team.at("builds") == before
    assert team.refs() == ["builds", "main", "rollouts"]


@pytest.mark.parametrize("package", [PACKAGE_A, PACKAGE_B], ids=["built already", "new"])
def test_a_job_and_the_overlay_that_leans_on_it_are_one_push(tmp_path, package):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    with GitServer(tmp_path) as server:
        team.configure(repository={"url": server.url("remote.git")})
        team.act("deployment_start", PACKAGE_A)
        server.requests.clear()
        assert said(team.act("deployment_start", package, id=OTHER)) == ("passing", "launching")
        assert [method for method, _, _ in server.requests] == ["POST"]
    image = team.record(home=f"overlays/prod/{OTHER}")["image"]
    built = [team.job(path)["metadata"]["annotations"] for path in team.jobs()]
    assert [found["gitops-bridge.io/image"] for found in built].count(image) == 1
    assert len(built) == (1 if package == PACKAGE_A else 2)


@pytest.mark.parametrize("atomic", ["true", "false"])
def test_a_job_that_a_person_has_removed_meanwhile_is_written_before_the_tag(tmp_path, atomic):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    git(team.remote, "config", "receive.advertiseAtomic", atomic)
    team.act("deployment_start", PACKAGE_A)
    jobs = team.jobs()
    git(team.remote, "update-ref", "refs/heads/builds", orphan(team.remote, "Builds"))
    assert said(team.act("deployment_start", PACKAGE_A, id=OTHER)) == ("passing", "launching")
    assert team.jobs() == jobs
    assert team.record(home=f"overlays/prod/{OTHER}")["image"] == team.record()["image"]


def test_a_checksum_that_the_operator_states_is_another_image_and_reaches_its_job(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    team.act("deployment_start", PACKAGE_A)
    before = team.record()["image"]
    team.pull()
    team.write_builder(**{f"sha256.{PACKAGE_A}": "0" * 64})
    team.commit("State the checksum")
    team.push()
    team.act("deployment_start", PACKAGE_A, id=OTHER)
    (path,) = [path for path in team.jobs() if f"--sha256={'0' * 64}" in str(team.job(path))]
    assert team.job(path)["metadata"]["annotations"]["gitops-bridge.io/image"] != before
    assert len(team.jobs()) == 2


def test_without_a_gate_a_job_that_does_not_hold_keeps_main_as_it_was(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    outcome = team.act("deployment_start", PACKAGE_A, modelFormat="datarobotScoringCode")
    assert outcome.status.value == "failing"
    assert team.log() == ["Set up"]
    assert team.jobs() == []


def test_a_missing_builds_branch_is_made(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    git(team.remote, "branch", "-D", "builds")
    team.act("deployment_start", PACKAGE_A)
    assert len(team.jobs()) == 1
