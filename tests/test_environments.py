"""What is noted of an environment is used only for the very same folders."""

import json

import pytest

from tests.cli import act
from tests.team import DEPLOYMENT, MODEL_B, Team


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path, new_host=True)


def note(team):
    return team.folder / "cache/rendered/facts-prod.json"


def repository_of(team):
    team.pull()
    return (team.clone / f"overlays/prod/{DEPLOYMENT}/model/record.yaml").read_text()


def test_an_edit_of_the_environment_is_seen_at_once(team):
    act(team, "deployment_start")
    assert "registry.example.com/mlops/frozen-models:" in repository_of(team)
    builder = team.clone / "overlays/prod/environment/builder/kustomization.yaml"
    builder.write_text(builder.read_text().replace("mlops/frozen-models", "elsewhere/models"))
    team.commit("Move the images")
    team.push()
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert "registry.example.com/elsewhere/models:" in repository_of(team)


def test_a_note_is_taken_for_the_same_folders(team):
    act(team, "deployment_start")
    data = json.loads(note(team).read_text())
    data["builder"]["image_repository"] = "registry.example.com/from-the-note"
    note(team).write_text(json.dumps(data))
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert "registry.example.com/from-the-note:" in repository_of(team)


def test_a_note_of_another_version_or_none_at_all_does_not_matter(team):
    act(team, "deployment_start")
    for text in ('{"version": "0.0.0", "guards": {}}', "{", "[]", ""):
        note(team).write_text(text)
        assert act(team, "deployment_start")["status"] == "passing"
        note(team).unlink()
        assert act(team, "deployment_start")["status"] == "passing"
