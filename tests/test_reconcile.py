"""`gitops-bridge reconcile`, garbage of `builds`, and people's verbs beside a gate."""

import json
import subprocess
import sys

import pytest
import yaml

from gitops_bridge.controller import collecting, reconciling, verbs
from gitops_bridge.errors import RegistryError, RequestError
from tests.gated import HOME, PACKAGE_A, PACKAGE_B, Gated
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

OTHER = "65a000000000000000000011"
PACKAGES = [f"65f0aa11bb22cc33dd44ee{number:02}" for number in range(60, 66)]
MODELS = [f"65a0000000000000000000{number:02}" for number in range(60, 66)]


@pytest.fixture
def gated(tmp_path, host):
    team = Gated(tmp_path, host)
    team.configure(actions={"budget": 1})
    return team


@pytest.fixture
def serving(gated):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    gated.status()
    assert gated.record()["model"] == MODEL_A
    return gated


def replace(team, package=PACKAGE_B, model=MODEL_B):
    return team.act("deployment_replace_model", package, newModelId=model)


def bridge(team, *arguments):
    """The command line. Its clock is the real one, so the team's is set to it."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gitops_bridge", *map(str, arguments)],
        cwd=team.folder, capture_output=True, text=True, timeout=120, env=team.environ,
    )  # fmt: skip


def rebuild(team):
    ctx = team.ctx()
    return verbs.rebuild(ctx, verbs.target(ctx, DEPLOYMENT, None), None)


def steps(team, deployment=None, environment=None):
    return list(reconciling.reconcile(team.ctx(), deployment, environment))


# -- the verb


def test_reconcile_delivers_what_is_built_and_tells_what_waits(serving):
    import time

    serving.clock.now = time.time()
    replace(serving)
    serving.act("deployment_start", PACKAGES[0], id=OTHER, name="fraud", modelId=MODELS[0])
    serving.built(next(path for path in serving.jobs() if PACKAGE_B in path))
    done = bridge(serving, "reconcile")
    assert done.returncode == 0, done.stderr
    assert f"prod/{DEPLOYMENT}: delivered in" in done.stdout
    assert f"prod/{OTHER}: model {MODELS[0]} waits for its image" in done.stdout
    assert serving.record()["model"] == MODEL_B
    done = bridge(serving, "reconcile", DEPLOYMENT, "--output", "json")
    assert json.loads(done.stdout) == {"requests": [], "deployments": [], "collected": None}
    assert "nothing waits" in bridge(serving, "reconcile", DEPLOYMENT).stdout
    assert bridge(serving, "reconcile", "-e", "nowhere").returncode == 1


def test_reconcile_exits_1_for_a_build_that_has_failed(gated):
    import time

    gated.clock.now = time.time() - 10_000
    gated.act("deployment_start", PACKAGE_A)
    for _ in range(2):
        done = bridge(gated, "reconcile")
        assert done.returncode == 1
        assert "the build has failed" in done.stdout


def test_one_that_cannot_be_looked_at_does_not_stop_the_others(serving):
    replace(serving)
    serving.act("deployment_start", PACKAGES[0], id=OTHER, name="fraud", modelId=MODELS[0])
    for path in serving.jobs():
        serving.built(path, label="0" * 64 if PACKAGE_B in path else None)
    found = {step.deployment: step for step in steps(serving)}
    assert found[DEPLOYMENT].is_problem
    assert "not what it should be made of" in found[DEPLOYMENT].said
    assert found[OTHER].commit == serving.at()


def test_a_gate_that_was_taken_away_delivers_what_waits(serving):
    replace(serving)
    serving.configure(build={"gate": "none"})
    (step,) = steps(serving)
    assert step.commit == serving.at()
    assert "@" not in serving.record()["image"]


# -- garbage


def rollouts(team, count):
    """One model after the other, each built and delivered an hour after the one before."""
    team.act("deployment_start", PACKAGES[0], modelId=MODELS[0])
    for number in range(count):
        if number:
            replace(team, PACKAGES[number], MODELS[number])
        team.built(next(path for path in team.jobs() if PACKAGES[number] in path))
        team.status()
        team.clock.now += 3600


def packages(team):
    return [path.split("-")[1] for path in team.jobs()]


def test_jobs_go_that_nothing_names_but_the_last_of_an_environment(gated):
    gated.configure(build={"keep": 2})
    rollouts(gated, 5)
    gated.clock.now += 10_000
    main = gated.at()
    commit = collecting.collect(gated.ctx())
    assert commit == gated.at("builds")
    assert packages(gated) == PACKAGES[3:5]
    assert gated.at() == main
    assert "Remove 3 builds nothing needs" in git(gated.remote, "log", "-1", "builds")
    assert collecting.collect(gated.ctx()) is None


def test_what_an_overlay_or_a_proposal_names_stays(gated):
    gated.configure(build={"keep": 1})
    gated.act("deployment_start", PACKAGES[5], id=OTHER, modelId=MODELS[5])
    gated.built()
    gated.act("pe_status")
    rollouts(gated, 3)
    gated.clock.now += 10_000
    replace(gated, PACKAGES[4], MODELS[4])
    gated.clock.now += 100
    assert collecting.collect(gated.ctx()) is not None
    assert packages(gated) == [PACKAGES[2], PACKAGES[4], PACKAGES[5]]


def test_young_jobs_stay_though_nothing_names_them(gated):
    """An action that has seen the Job may be about to name it."""
    gated.configure(build={"keep": 1})
    gated.act("deployment_start", PACKAGES[0], modelId=MODELS[0])
    gated.act("deployment_start", PACKAGES[1], modelId=MODELS[1])
    gated.act("deployment_stop")
    assert collecting.collect(gated.ctx()) is None
    gated.clock.now += 10_000
    assert collecting.collect(gated.ctx()) is not None
    assert packages(gated) == [PACKAGES[1]]


def test_no_builds_branch_is_no_garbage(gated):
    git(gated.remote, "branch", "-D", "builds")
    assert collecting.collect(gated.ctx()) is None


def test_an_action_never_collects(gated):
    gated.configure(build={"keep": 1})
    rollouts(gated, 4)
    gated.clock.now += 10_000
    gated.act("pe_status")
    replace(gated, PACKAGES[4], MODELS[4])
    assert packages(gated) == PACKAGES[:5]


# -- rollbacks, reverts, releases


@pytest.fixture
def replaced(serving):
    replace(serving)
    serving.built(next(path for path in serving.jobs() if PACKAGE_B in path))
    serving.status()
    assert serving.record()["model"] == MODEL_B
    return serving


def roll_back(team):
    ctx = team.ctx()
    return verbs.rollback(ctx, verbs.target(ctx, DEPLOYMENT, None), None, ctx.author).commit


def digest_of(team, branch="main"):
    return team.record(branch)["image"].partition("@")[2]


def lose(team):
    """The registry's retention takes model A's image."""
    image = yaml.safe_load(git(team.remote, "show", f"main~1:{HOME}/model/record.yaml"))["image"]
    team.remove(team.repository, image.partition("@")[2])
    return image


def test_a_rollback_brings_the_digest_back(replaced):
    before = git(replaced.remote, "rev-parse", f"main~1:{HOME}/model")
    roll_back(replaced)
    assert git(replaced.remote, "rev-parse", f"main:{HOME}/model") == before
    assert replaced.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B).status.value == (
        "warning"
    )


def test_a_revert_is_a_flip_of_the_digest_and_needs_no_build(replaced):
    before = git(replaced.remote, "rev-parse", f"main~1:{HOME}")
    jobs = replaced.at("builds")
    replaced.pull()
    git(replaced.clone, "revert", "--no-edit", "HEAD")
    replaced.push()
    assert git(replaced.remote, "rev-parse", f"main:{HOME}") == before
    assert replaced.status().status.value == "warning"  # a person took the model back
    assert replaced.at("builds") == jobs


def test_a_rollback_to_an_image_that_is_gone_offers_to_build_it(replaced):
    lost = lose(replaced)
    main = replaced.at()
    with pytest.raises(RegistryError) as caught:
        roll_back(replaced)
    assert lost in caught.value.message
    assert f"gitops-bridge rollback {DEPLOYMENT} --to" in caught.value.hint
    assert "--rebuild" in caught.value.hint
    assert replaced.at() == main
    replaced.clock.now += 10_000
    path = rebuild(replaced)
    assert path.endswith("-a2.yaml")
    assert rebuild(replaced) == path
    replaced.built(path)
    roll_back(replaced)
    assert replaced.record()["model"] == MODEL_A


def test_what_was_built_anew_under_the_tag_is_taken_by_its_own_digest(replaced):
    lost = lose(replaced)
    target, _, old = lost.partition("@")
    path = next(path for path in replaced.jobs() if PACKAGE_A in path)
    label = replaced.job(path)["metadata"]["annotations"]["gitops-bridge.io/content-key"]
    new = replaced.put_image(target, label, created="2026-01-02T03:04:05Z")
    assert new != old
    roll_back(replaced)
    assert digest_of(replaced) == new
    assert new in git(replaced.remote, "show", f"main:{HOME}/model/kustomization.yaml")


def test_a_rebuild_that_would_be_another_image_says_so(replaced):
    replaced.pull()
    replaced.write_builder(pps_image=f"{replaced.host}/datarobot/pps:11.3.0")
    replaced.commit("A newer prediction server")
    replaced.push()
    with pytest.raises(RequestError, match="cannot be built again"):
        rebuild(replaced)


def test_the_verb_rollback_rebuilds(replaced):
    lose(replaced)
    done = bridge(replaced, "rollback", DEPLOYMENT)
    assert done.returncode == 1
    assert "--rebuild" in done.stderr
    done = bridge(replaced, "rollback", DEPLOYMENT, "--rebuild")
    assert done.returncode == 0, done.stderr
    assert "builds it" in done.stdout


def test_release_puts_a_waiting_rollout_over_the_persons_change(serving):
    import time

    serving.clock.now = time.time()
    replace(serving)
    serving.pull()
    component = serving.clone / HOME / "model/kustomization.yaml"
    component.write_text(component.read_text().replace("count: 1", "count: 7"))
    serving.commit("More replicas by hand")
    serving.push()
    (step,) = steps(serving)
    assert "held: Jane Doe" in step.said
    done = bridge(serving, "release", DEPLOYMENT)
    assert done.returncode == 0, done.stderr
    assert "waits for its image" in done.stdout
    (step,) = steps(serving)
    assert "waits for its image" in step.said
    serving.built()
    serving.status()
    assert serving.record()["model"] == MODEL_B
    assert "Overrides" in git(serving.remote, "log", "-1", "--format=%b", "main")


def test_release_delivers_a_held_rollout_that_is_built(serving):
    import time

    serving.clock.now = time.time()
    replace(serving)
    serving.built()
    serving.pull()
    component = serving.clone / HOME / "model/kustomization.yaml"
    component.write_text(component.read_text().replace("count: 1", "count: 7"))
    serving.commit("More replicas by hand")
    serving.push()
    done = bridge(serving, "release", DEPLOYMENT)
    assert "committed" in done.stdout, done.stderr
    assert serving.record()["model"] == MODEL_B
    assert serving.phase() == "settled"
