"""What supersedes a rollout and what delivers it, from two machines at the same moment: each pair
of their pushes is forced into the order that hurts."""

import pytest

from tests.gated import HOME, PACKAGE_A, PACKAGE_B, PACKAGE_C, Gated
from tests.git_team import Meanwhile
from tests.team import MODEL_A, MODEL_B, git

MODEL_C = "65a000000000000000000022"


class Site(Meanwhile, Gated):
    def elsewhere(self, act, *arguments, **options):
        """Another machine acts, with a mirror of its own."""
        self.configure(repository={"cache": str(self.folder / "elsewhere")})
        try:
            return act(*arguments, **options)
        finally:
            self.configure(repository={"cache": str(self.folder / "cache")})


@pytest.fixture(params=["transactions", "none"])
def site(request, tmp_path, host):
    """A team whose git server moves several branches as one, or cannot."""
    team = Site(tmp_path, host)
    if request.param == "none":
        git(team.remote, "config", "receive.advertiseAtomic", "false")
    team.configure(actions={"budget": 1})
    return team


@pytest.fixture
def starting(site):
    """The image of a start is there, and nobody has looked yet."""
    site.act("deployment_start", PACKAGE_A)
    site.built()
    return site


@pytest.fixture
def replacing(starting):
    """Model A serves, the image of model B is there, and nobody has looked yet."""
    starting.status()
    replace(starting)
    (path,) = [path for path in starting.jobs() if PACKAGE_B in path]
    starting.built(path)
    return starting


def replace(team, package=PACKAGE_B, model=MODEL_B, **info):
    return team.act("deployment_replace_model", package, newModelId=model, **info)


def said(outcome):
    return (outcome.status.value, outcome.state.value)


def test_a_stop_while_the_start_it_stops_is_being_delivered(starting):
    told = []
    starting.interrupt = lambda: told.append(starting.elsewhere(starting.act, "deployment_stop"))
    status = starting.status()
    assert said(told[0]) == ("passing", "shuttingDown")
    assert said(status) == ("unknown", "unknown")
    assert starting.log() == ["Set up"]
    assert starting.refs() == ["builds", "main", "rollouts"]


def test_a_start_that_is_delivered_while_it_is_being_stopped(starting):
    starting.interrupt = lambda: starting.elsewhere(starting.status)
    assert said(starting.act("deployment_stop")) == ("passing", "shuttingDown")
    assert starting.log() == ["Stop churn in prod", "Start churn in prod", "Set up"]
    assert starting.refs() == ["builds", "main", "rollouts"]


def test_a_newer_model_while_the_older_one_is_being_delivered(replacing):
    """The newer one must not be taken for something that the older one has superseded."""
    replacing.interrupt = lambda: replacing.elsewhere(replace, replacing, PACKAGE_C, MODEL_C)
    replacing.status()
    assert replacing.log() == ["Start churn in prod", "Set up"]
    assert replacing.state()["wish"]["request"]["model"] == MODEL_C
    (path,) = [path for path in replacing.jobs() if PACKAGE_C in path]
    replacing.built(path)
    replacing.status()
    assert replacing.record()["model"] == MODEL_C
    assert replacing.refs() == ["builds", "main", "rollouts"]


def test_an_older_model_that_is_delivered_while_the_newer_one_is_proposed(replacing):
    replacing.interrupt = lambda: replacing.elsewhere(replacing.status)
    assert said(replace(replacing, PACKAGE_C, MODEL_C)) == ("passing", "replacingModel")
    assert replacing.record()["model"] == MODEL_B
    assert replacing.state()["wish"]["request"]["model"] == MODEL_C
    (path,) = [path for path in replacing.jobs() if PACKAGE_C in path]
    replacing.built(path)
    replacing.status()
    assert replacing.record()["model"] == MODEL_C


def test_taking_a_replacement_back_while_it_is_being_delivered(replacing):
    replacing.interrupt = lambda: replacing.elsewhere(
        replace, replacing, PACKAGE_A, MODEL_A, modelId=MODEL_B
    )
    replacing.status()
    assert replacing.record()["model"] == MODEL_A
    assert replacing.log() == ["Start churn in prod", "Set up"]
    assert replacing.refs() == ["builds", "main", "rollouts"]


def test_a_replacement_that_is_delivered_while_it_is_taken_back(replacing):
    replacing.interrupt = lambda: replacing.elsewhere(replacing.status)
    back = replace(replacing, PACKAGE_A, MODEL_A, modelId=MODEL_B)
    assert said(back) == ("passing", "replacingModel")
    assert replacing.record()["model"] == MODEL_A
    assert replacing.log("--first-parent")[:2] == ["Replace model of churn in prod"] * 2
    assert replacing.refs() == ["builds", "main", "rollouts"]


def test_two_machines_that_deliver_the_same_at_once(replacing):
    replacing.interrupt = lambda: replacing.elsewhere(replacing.status)
    replacing.status()
    assert replacing.log()[:2] == ["Replace model of churn in prod", "Start churn in prod"]
    assert replacing.record()["model"] == MODEL_B
    assert replacing.refs() == ["builds", "main", "rollouts"]


def test_a_stop_and_a_delivery_of_another_deployment(replacing):
    """Only what the branch of the deployment itself says is asked for."""
    other = "65a000000000000000000011"
    replacing.interrupt = lambda: replacing.elsewhere(
        replacing.act, "deployment_start", PACKAGE_A, id=other, name="fraud"
    )
    replacing.status()
    assert replacing.record()["model"] == MODEL_B
    assert replacing.record(home=HOME.rpartition("/")[0] + f"/{other}")["model"] == MODEL_A
    assert replacing.refs() == ["builds", "main", "rollouts"]
