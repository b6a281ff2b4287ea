"""Every recorded snapshot gets the answer that was right at that moment.

RECORDED=<folder> tries another folder of the same form.
"""

import re

import pytest

from gitops_bridge.live import LiveState, Observed, judge
from tests import recordings

SNAPSHOTS = recordings.snapshots()


def verdict_of(snapshot, lists=None):
    """As the controller asks: judged, looked at more closely where asked to, judged again."""
    wanted = snapshot.wanted()
    observed = recordings.observation(lists or snapshot.lists(), at=snapshot.at).of(wanted)
    first = judge(wanted, observed)
    logs = {source: snapshot.build_log for source in first.needs if snapshot.build_log}
    return judge(wanted, observed.with_evidence(logs))


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda found: found.name)
def test_the_state_and_the_running_model_are_right(snapshot):
    expected, verdict = snapshot.git["expect"], verdict_of(snapshot)
    assert verdict.state.value in {expected["state"], *expected["also_accepted"]}, verdict
    assert verdict.running_model == expected["running_model"], verdict


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda found: found.name)
def test_an_old_model_is_in_use_exactly_when_its_pods_answer(snapshot):
    verdict = verdict_of(snapshot)
    wanted = snapshot.wanted()
    asked = wanted.pending_model or wanted.model
    if asked is None or verdict.state is LiveState.READY:
        assert not verdict.old_model_in_use
    else:
        assert verdict.old_model_in_use == (verdict.running_model not in (None, asked))


REASONED = [found for found in SNAPSHOTS if found.git["expect"]["reason"]]


@pytest.mark.parametrize("snapshot", REASONED, ids=lambda found: found.name)
def test_a_reason_is_told_with_its_facts(snapshot):
    """Numbers, Kubernetes' own words and names in the expected reason are in ours."""
    verdict = verdict_of(snapshot)
    expected = snapshot.git["expect"]["reason"]
    assert verdict.reason
    said = " ".join([verdict.reason, *verdict.log])
    facts = re.findall(
        r"[A-Z]+_[A-Z_]+|[A-Z][a-z]+[A-Z]\w+|[a-z]+[A-Z]\w+|Secret|\b\d+\b", expected
    )
    missing = [fact for fact in facts if fact not in said]
    assert not missing, (missing, verdict.reason)


def test_the_folder_holds_snapshots():
    assert SNAPSHOTS
    assert isinstance(SNAPSHOTS[0].wanted(), object)
    assert Observed().saw()
