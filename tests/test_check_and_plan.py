"""`check` with every fault it must find, `plan` for actions and environment edits."""

import json

import pytest

from tests.cli import act, as_json, bridge
from tests.team import DEPLOYMENT, MODEL_B, action_file, git

HOME = f"overlays/prod/{DEPLOYMENT}"
OTHER = "65a000000000000000000011"
COMPONENT = f"{HOME}/model/kustomization.yaml"
SERVING = "overlays/prod/environment/serving/kustomization.yaml"
BUILDER = "overlays/prod/environment/builder/kustomization.yaml"
PATCH = """
patches:
- target: {{kind: Deployment, name: mlops}}
  patch: |-
    - op: add
      path: {path}
      value: {value}
"""


@pytest.fixture
def served(team):
    act(team, "deployment_start")
    act(team, "deployment_start", id=OTHER, name="fraud")
    team.pull()
    return team


def edit(team, path, old, new):
    file = team.clone / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def patch(team, path, value):
    with (team.clone / HOME / "kustomization.yaml").open("a") as file:
        file.write(PATCH.format(path=path, value=value))


def append(team, text):
    with (team.clone / HOME / "kustomization.yaml").open("a") as file:
        file.write(text)


def problems(team, *arguments):
    finished = bridge(team, "check", team.clone, "--output", "json", *arguments, check=False)
    found = json.loads(finished.stdout)
    told = {item["folder"]: item["problems"] for item in found["findings"] if item["problems"]}
    assert finished.returncode == bool(told or found["removals"])
    return told, found["removals"]


def test_a_sound_repository(served):
    assert problems(served) == ({}, None)
    text = bridge(served, "check", served.clone).stdout
    assert "3 folders checked, 0 with problems" in text


def faults():
    container = "/spec/template/spec/containers/0"
    yield (
        "image",
        lambda t: patch(t, f"{container}/image", "elsewhere/model:1"),
        "elsewhere/model:1",
    )
    yield (
        "unmatched",
        lambda t: edit(
            t,
            f"{HOME}/kustomization.yaml",
            "components:",
            "images:\n- {name: no-such-image, newTag: '1'}\ncomponents:",
        ),
        "'no-such-image' matches nothing",
    )  # fmt: skip
    yield (
        "label",
        lambda t: patch(
            t, "/spec/template/metadata/annotations/number", "650000000000000000000001"
        ),
        "not text",
    )
    yield (
        "twice",
        lambda t: patch(
            t, f"{container}/env/-", "{name: PREDICTION_API_MONITORING_ENABLED, value: x}"
        ),
        "PREDICTION_API_MONITORING_ENABLED twice",
    )
    yield "id", lambda t: edit(t, COMPONENT, f'"-{DEPLOYMENT}"', '"-other"'), "does not end in"
    yield (
        "placeholder",
        lambda t: edit(t, COMPONENT, f"/deployments/{DEPLOYMENT}(", "/deployments/deployment-id("),
        "deployment-id",
    )
    yield (
        "empty entry",
        lambda t: append(t, "images:\n-\n"),
        "images: the entry None names no image",
    )
    yield (
        "no list",
        lambda t: append(t, "configurations: 5\n"),
        f"{HOME}/kustomization.yaml: configurations is 5 (it must be a list)",
    )
    yield (
        "target",
        lambda t: append(t, "patches:\n- target: {kind: Ingress, name: mlop}\n  patch: '[]'\n"),
        f"{HOME}: the patch with the target {{kind: Ingress, name: mlop}} changes nothing",
    )
    yield (
        "repeated",
        lambda t: append(t, "components: []\n"),
        f"{HOME}/kustomization.yaml: duplicate key 'components' (line 9)",
    )
    yield (
        "namespace",
        lambda t: append(t, "namespace: elsewhere\n"),
        f"{HOME}: remove `namespace:`: Argo CD's Application sets it",
    )
    yield "yaml", lambda t: (t.clone / COMPONENT).write_text("kind: ["), "is not YAML"
    yield (
        "record",
        lambda t: (t.clone / HOME / "model/record.yaml").unlink(),
        "record.yaml is missing",
    )
    yield (
        "reference",
        lambda t: edit(t, f"{HOME}/kustomization.yaml", "- model", "- modle"),
        "'modle' is not in the repository",
    )


@pytest.mark.parametrize(
    ("fault", "told"), [(f, t) for _, f, t in faults()], ids=[n for n, *_ in faults()]
)
def test_every_fault_is_told_with_its_overlay(served, fault, told):
    fault(served)
    found, _ = problems(served)
    assert list(found) == [HOME]
    assert any(told in problem for problem in found[HOME]), found


def test_a_copied_folder_is_told(served):
    import shutil

    copy = served.clone / "overlays/prod/65a000000000000000000012"
    shutil.copytree(served.clone / HOME, copy)
    found, _ = problems(served)
    assert "overlays/prod/65a000000000000000000012" in found


@pytest.mark.parametrize("left", ["- name: bridge-image\n  newName: bridge-image\n", ""])
def test_a_placeholder_in_the_builder_is_refused(served, left):
    """The bridge's image: named as base/ names it, or not named at all."""
    builder = "overlays/prod/environment/builder/kustomization.yaml"
    named = "- name: bridge-image\n  newName: registry.example.com/mlops/gitops-bridge\n"
    edit(served, builder, f"images:\n{named}  newTag: 0.1.0\n", f"images:\n{left}" if left else "")
    found, _ = problems(served)
    assert "bridge-image is still the placeholder" in found["overlays/prod/environment"][0]


@pytest.mark.parametrize(
    ("part", "old", "new", "told"),
    [
        ("monitoring", "kind: Deployment", "kind: Ingres", "changes nothing"),
        ("monitoring", "/monitoring-agent", "/nowhere", "is not in the repository"),
        (
            "autoscaling",
            "kind: Component",
            "kind: Component\nkind: Component",
            "duplicate key 'kind'",
        ),
        (
            "builder",
            "kind: Kustomization",
            "kind: Kustomization\nkind: Kustomization",
            "duplicate key 'kind'",
        ),
    ],
)
def test_a_part_of_the_environment_that_no_deployment_uses_yet(served, part, old, new, told):
    edit(served, f"overlays/prod/environment/{part}/kustomization.yaml", old, new)
    found, _ = problems(served)
    assert list(found) == ["overlays/prod/environment"]
    assert told in found["overlays/prod/environment"][0]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("containers/0/args/-", "--registry-mirror={registry-mirror}", "needs the annotation"),
        ("containers/0/volumeMounts/-", "{name: ca, mountPath: /ca}", "there is no volume ca"),
        ("restartPolicy", "OnFailure", "restartPolicy"),
    ],
)
def test_a_builder_whose_jobs_would_be_refused_is_told_before_any_is_made(
    served, path, value, told
):
    added = PATCH.format(path=f"/spec/template/spec/{path}", value=value)
    with (served.clone / BUILDER).open("a") as file:
        file.write(added.replace("Deployment, name: mlops", "Job, name: image-builder"))
    found, _ = problems(served)
    assert told in found["overlays/prod/environment"][0]


def test_parts_that_a_team_has_no_use_for_may_go(served):
    unused = ["overlays/prod/environment/monitoring", "base/components/monitoring-agent"]
    git(served.clone, "rm", "-r", "--quiet", *unused)
    assert problems(served) == ({}, None)


def test_removing_many_deployments_needs_a_yes(served):
    git(served.clone, "rm", "-r", "--quiet", HOME, f"overlays/prod/{OTHER}")
    told, removals = problems(served, "--against", "HEAD", "--removals", "1")
    assert not told
    assert "2 deployments would go at once" in removals
    assert problems(served, "--against", "HEAD", "--removals", "2") == ({}, None)


def test_against_a_revision_that_is_not_there(served):
    finished = bridge(served, "check", served.clone, "--against", "origin/nowhere", check=False)
    assert finished.returncode == 1
    assert "git fetch" in finished.stderr


def test_a_folder_without_overlays(team):
    finished = bridge(team, "check", team.folder / "remote.git", check=False)
    assert finished.returncode == 1
    assert "overlays/" in finished.stderr


def test_plan_shows_message_files_and_manifests_and_touches_nothing(served):
    file = action_file(served.folder, newModelId=MODEL_B)
    head = git(served.remote, "rev-parse", "main")
    text = bridge(served, "plan", file).stdout
    assert "Replace model of churn in prod" in text
    assert f'+    bosun.datarobot.com/model: "{MODEL_B}"' in text
    assert "+++ b/Deployment mlops-" in text
    assert git(served.remote, "rev-parse", "main") == head
    plan = as_json(served, "plan", file)
    assert plan["change"] == "replace"
    act(served, "deployment_replace_model", newModelId=MODEL_B)
    assert git(served.remote, "log", "-1", "--format=%B", "main").strip() == plan["message"].strip()
    assert as_json(served, "plan", file)["change"] is None


def test_plan_needs_to_know_the_action(served):
    finished = bridge(served, "plan", action_file(served.folder), check=False)
    assert finished.returncode == 1
    assert "--action, one of deployment_relaunch, deployment_replace_model" in finished.stderr
    stop = as_json(served, "plan", action_file(served.folder), "--action", "deployment_stop")
    assert stop["change"] == "stop"


def test_plan_shows_a_hold(served):
    act(served, "deployment_replace_model", newModelId=MODEL_B)
    served.pull()
    git(served.clone, "revert", "--no-edit", "HEAD")
    served.push()
    plan = as_json(served, "plan", action_file(served.folder, newModelId=MODEL_B))
    assert (plan["change"], plan["phase"]) == (None, "held")
    assert "Jane Doe" in plan["said"]


def test_plan_of_an_environment_edit_says_what_restarts(served):
    edit(served, SERVING, 'cpu: "1"', 'cpu: "2"')
    found = as_json(served, "plan", served.clone / "overlays/prod/environment")
    assert [(item["folder"], item["restarts"]) for item in found] == [
        (HOME, True), (f"overlays/prod/{OTHER}", True),
    ]  # fmt: skip
    text = bridge(served, "plan", served.clone / "overlays/prod/environment").stdout
    assert "2 deployments change, 2 restart" in text


def test_plan_of_an_edit_that_restarts_nothing(served):
    edit(served, SERVING, "predictions.example.com", "models.example.com")
    found = as_json(served, "plan", served.clone / "overlays/prod/environment")
    assert [item["restarts"] for item in found] == [False, False]
    assert found[0]["changed"] == [f"Ingress mlops-{DEPLOYMENT}"]


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        (SERVING, "/deployment-id(/|$)(.*)", "/same", "share one address"),
        (SERVING, "components/ingress-nginx", "components/nothing", "is not in the repository"),
        (BUILDER, "kind: Kustomization", "kind: [", "is not YAML"),
    ],
)
def test_plan_of_an_environment_that_would_not_hold(served, path, old, new, told):
    edit(served, path, old, new)
    folder = served.clone / "overlays/prod/environment"
    finished = bridge(served, "plan", folder, "--output", "json", check=False)
    assert finished.returncode == 1
    first = json.loads(finished.stdout)[0]
    assert first["folder"] == "overlays/prod/environment"
    assert told in first["problem"]
    assert "overlays/prod/environment" in first["problem"]
    finished = bridge(served, "plan", folder, check=False)
    assert finished.returncode == 1
    assert " with problems" in finished.stdout


def test_plan_of_a_folder_that_is_no_environment(served):
    finished = bridge(served, "plan", served.clone / "base", check=False)
    assert finished.returncode == 1
    assert "no environment's folder" in finished.stderr


def test_plan_shows_the_pull_request_that_reviewers_would_get(served):
    file = action_file(served.folder, newModelId=MODEL_B)
    shown = bridge(served, "plan", "--pull-request", file).stdout
    assert "Replace model of churn in prod" in shown
    assert "### Champion and challenger" in shown
    assert f"`{MODEL_B}`" in shown
    found = as_json(served, "plan", "--pull-request", file)["pull_request"]
    assert set(found) == {"title", "body", "labels"}
    assert as_json(served, "plan", file)["pull_request"] is None
