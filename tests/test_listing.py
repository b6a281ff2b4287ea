"""What an environment holds, from one look to the next: nothing is read twice, nothing missed."""

import pytest

from gitops_bridge.controller.listing import Listing
from gitops_bridge.errors import BridgeError, ConfigError
from tests.cli import act
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

OTHER = "65a000000000000000000011"


class Reading:
    """A tree_reader that notes what it was asked for."""

    def __init__(self, tree_reader):
        self._glance, self.commit, self.asked = tree_reader, tree_reader.commit, []

    def folders(self, path):
        self.asked.append(path)
        return self._glance.folders(path)

    def read(self, folders, path):
        self.asked += folders
        return self._glance.read(folders, path)


def models(listing, seen, some=None):
    """The models that main serves, by deployment."""
    found = listing.serving(seen, "prod", some)
    return {name: getattr(serving, "model", serving) for name, serving in found.items()}


@pytest.fixture
def look(team):
    """A fresh look at the branch, as often as asked."""
    from gitops_bridge import agent
    from gitops_bridge.controller import open_context

    ctx = open_context(agent.read_config(team.config), {"PATH": "/usr/bin:/bin"})
    return lambda: Reading(ctx.repository.tree_reader("main", fetch=True))


@pytest.fixture
def two(team):
    act(team, "deployment_start")
    act(team, "deployment_start", id=OTHER)
    return team


def test_every_deployment_with_its_model(two, look):
    assert models(Listing(), look()) == {DEPLOYMENT: MODEL_A, OTHER: MODEL_A}


def test_some_are_read_alone(two, look):
    listing, seen = Listing(), look()
    assert models(listing, seen, [OTHER, "65a000000000000000000099"]) == {OTHER: MODEL_A}
    assert set(listing.deployments(seen, "prod")) == {DEPLOYMENT, OTHER}
    assert len(seen.asked) == 2
    assert models(listing, seen) == {DEPLOYMENT: MODEL_A, OTHER: MODEL_A}


def test_an_unchanged_branch_is_not_asked_again(two, look):
    listing, seen = Listing(), look()
    models(listing, seen)
    again = look()
    assert models(listing, again) == {DEPLOYMENT: MODEL_A, OTHER: MODEL_A}
    assert again.asked == []


def test_only_the_records_that_changed_are_read(two, look):
    listing = Listing()
    models(listing, look())
    act(two, "deployment_replace_model", id=OTHER, newModelId=MODEL_B)
    again = look()
    assert models(listing, again) == {DEPLOYMENT: MODEL_A, OTHER: MODEL_B}
    assert len(again.asked) == 2  # the environment and one deployment


def test_what_went_is_forgotten_and_what_lost_its_record_has_no_model(two, look):
    listing = Listing()
    models(listing, look())
    act(two, "deployment_stop")
    two.pull()
    git(two.clone, "rm", "--quiet", f"overlays/prod/{OTHER}/model/record.yaml")
    two.commit("Lose the record")
    two.push()
    assert models(listing, look()) == {OTHER: None}


def test_a_record_that_cannot_be_read_is_told_as_that(two, look):
    two.pull()
    (two.clone / "overlays/prod" / OTHER / "model/record.yaml").write_text("[")
    two.commit("Break the record")
    two.push()
    found = models(Listing(), look())
    assert found[DEPLOYMENT] == MODEL_A
    assert isinstance(found[OTHER], BridgeError)
    assert f"overlays/prod/{OTHER}/model/record.yaml" in str(found[OTHER])


def test_an_environment_that_was_never_set_up_is_no_empty_one(team, look):
    with pytest.raises(ConfigError, match="overlays/elsewhere/environment"):
        Listing().serving(look(), "elsewhere")
    assert models(Listing(), look()) == {}
