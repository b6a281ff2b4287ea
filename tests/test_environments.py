"""What is noted of an environment is used only for the very same folders."""

import json
import os
import shutil
import tempfile

import pytest

from gitops_bridge import __version__
from gitops_bridge.kustomize import find
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
    kustomize = find(os.environ["PATH"], note(team).parent)
    made_from = f"{__version__} {kustomize.identity}"
    data = json.loads(kustomize.cache.read(note(team).name, made_from))
    data["builder"]["image_repository"] = "registry.example.com/from-the-note"
    kustomize.cache.write(note(team).name, json.dumps(data), made_from)
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert "registry.example.com/from-the-note:" in repository_of(team)


def test_a_note_that_somebody_edited_is_not(team):
    act(team, "deployment_start")
    content = note(team).read_bytes()
    note(team).write_bytes(content.replace(b"registry.example.com/mlops", b"evil.example/mlops"))
    act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert "registry.example.com/mlops/frozen-models:" in repository_of(team)


@pytest.mark.parametrize("damage", ["halved", "zeroed", "not UTF-8", "empty"])
def test_a_damaged_cache_is_made_anew(team, damage):
    act(team, "deployment_start")
    for path in (team.folder / "cache/rendered").iterdir():
        content = path.read_bytes()
        path.write_bytes(
            {
                "halved": content[: len(content) // 2],
                "zeroed": bytes(len(content)),
                "not UTF-8": content[: len(content) // 2] + b"\xff\xfe",
                "empty": b"",
            }[damage]
        )
    assert act(team, "deployment_start")["status"] == "passing"
    assert act(team, "deployment_replace_model", newModelId=MODEL_B)["status"] == "passing"
    assert "registry.example.com/mlops/frozen-models:" in repository_of(team)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_cache_that_somebody_else_made_first_steers_nothing(team, tmp_path, monkeypatch):
    """Without a home it lies in the system's temporary folder, under a name to be guessed."""
    act(team, "deployment_start")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    team.write_config(cache=None)
    planted = tmp_path / "temporary" / f"gitops-bridge-{os.geteuid()}"
    shutil.copytree(team.folder / "cache", planted)
    for path in [planted, *planted.rglob("*")]:
        os.chown(path, 12345, 12345)
    status = act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert status["status"] == "failing"
    assert f"cache folder {planted} belongs to user 12345" in status["msg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("below", ["rendered", "remote.git"])
def test_a_folder_of_somebody_else_in_the_cache_steers_nothing(team, below):
    act(team, "deployment_start")
    found = next((team.folder / "cache").glob(f"{below}*"))
    os.chown(found, 12345, 12345)
    status = act(team, "deployment_replace_model", newModelId=MODEL_B)
    assert status["status"] == "failing"
    assert f"cache folder {found} belongs to user 12345" in status["msg"]
