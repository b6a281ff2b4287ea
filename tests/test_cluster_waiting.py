"""Recorded rollouts replayed in order through `wait`: never early, and never a look late."""

import pytest

from gitops_bridge.controller import waiting
from gitops_bridge.controller.waiting import Fate
from tests import clusters, recordings
from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.servers.kubernetes import KubernetesServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B

FATES = {"ready": Fate.SERVES, "errored": Fate.FAILS}
STARTS = ["start", "crash-loop-start", "quota-exceeded-start"]
REPLACEMENTS = [
    "replace", "image-missing", "config-missing", "apply-refused", "unschedulable",
    "hpa-no-metrics-replace",
]  # fmt: skip


def pushed(scenario):
    """The moments of a scenario since our commit was on main."""
    return [
        snapshot
        for snapshot in recordings.snapshots()
        if snapshot.path.parent.name == scenario and snapshot.git["our_commit"]
    ]


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


@pytest.fixture
def gated(tmp_path, host, server):
    team = Gated(tmp_path, host)
    clusters.connect(team, server)
    return team


def delivered(gated, action, package, **info):
    gated.act(action, package, **info)
    gated.built()
    gated.status(**info)


def fates(gated, server, scenario, model, old_model=None):
    """What `wait` says at each moment, beside what was right then."""
    ctx, commit = gated.ctx(), gated.at()
    (awaited,) = waiting.awaited(ctx, commit, None)
    for snapshot in pushed(scenario):
        clusters.deployed(
            server, snapshot, deployment=DEPLOYMENT, model=model, old_model=old_model,
            image=gated.record()["image"], commits=(gated.at("main~1"), commit),
        )  # fmt: skip
        expected = snapshot.git["expect"]
        right = {FATES.get(state, Fate.WAITS) for state in
                 (expected["state"], *expected["also_accepted"])}  # fmt: skip
        look = waiting.look(ctx, awaited, ctx.monotonic() + 60)
        yield snapshot.name, look.fate, right, look.said


@pytest.mark.parametrize("scenario", STARTS)
def test_a_start_is_waited_for(gated, server, scenario):
    delivered(gated, "deployment_start", PACKAGE_A)
    for name, fate, right, said in fates(gated, server, scenario, MODEL_A):
        assert fate in right, (name, said)


@pytest.mark.parametrize("scenario", REPLACEMENTS)
def test_a_replacement_is_waited_for(gated, server, scenario):
    delivered(gated, "deployment_start", PACKAGE_A)
    delivered(gated, "deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    for name, fate, right, said in fates(gated, server, scenario, MODEL_B, MODEL_A):
        assert fate in right, (name, said)
