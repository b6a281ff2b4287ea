"""Snapshots as a cluster may also show them: objects without a label, lists a step apart, messages
that outlived their cause, half an Application, fields nobody knows.

Whatever is wrong with what is seen, a model that does not answer is never called ready, and nothing
raises.
"""

import copy
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_bridge.live import Kind, LiveState, judge, parse
from tests import recordings

SNAPSHOTS = recordings.snapshots()
SCENARIOS = {
    name: list(found)
    for name, found in itertools.groupby(SNAPSHOTS, lambda found: found.path.parent.name)
}
LABELS = [
    "bosun.datarobot.com/deployment",
    "bosun.datarobot.com/model",
    "app.kubernetes.io/component",
]


def verdict(snapshot, lists):
    wanted = snapshot.wanted()
    return judge(wanted, recordings.observation(lists, at=snapshot.at).of(wanted))


def may_be_ready(snapshot):
    expected = snapshot.git["expect"]
    return "ready" in {expected["state"], *expected["also_accepted"]}


def serves(snapshot, wanted):
    """Whether Pods answered with the wanted model then, as they were asked over HTTP."""
    return f"model-{wanted.model or snapshot.git['model']}" in snapshot.git["answers"].values()


def without_label(items, index, label):
    items = copy.deepcopy(items)
    items[index]["metadata"].get("labels", {}).pop(label, None)
    return items


def label_losses():
    for snapshot in SNAPSHOTS:
        for kind in (Kind.DEPLOYMENTS, Kind.PODS):
            for index, _ in enumerate(snapshot.items(kind)):
                for label in LABELS:
                    yield snapshot, kind, index, label


def test_a_label_that_is_gone_on_one_object_makes_nothing_ready():
    for snapshot, kind, index, label in label_losses():
        lists = snapshot.lists()
        lists[kind] = without_label(lists[kind], index, label)
        found = verdict(snapshot, lists)
        if found.state is LiveState.READY:
            assert may_be_ready(snapshot), (snapshot.name, kind, label)


def test_a_model_label_that_is_gone_on_one_object_changes_no_answer():
    """What a Pod runs is told by its digest."""
    for snapshot, kind, index, label in label_losses():
        if label != LABELS[1]:
            continue
        whole = verdict(snapshot, snapshot.lists())
        lists = snapshot.lists()
        lists[kind] = without_label(lists[kind], index, label)
        assert verdict(snapshot, lists).state is whole.state, (snapshot.name, kind)


def steps_apart():
    """Each list, taken from the moment before or after."""
    for found in SCENARIOS.values():
        same = [one for one in found if one.git["deployment"] == found[-1].git["deployment"]]
        for here, there in itertools.permutations(same, 2):
            if abs(same.index(here) - same.index(there)) == 1:
                for kind in Kind:
                    yield here, there, kind


def test_a_list_from_a_step_away_makes_nothing_ready_that_does_not_answer():
    for here, there, kind in steps_apart():
        found = verdict(here, {**here.lists(), kind: there.items(kind)})
        if found.state is LiveState.READY:
            wanted = here.wanted()
            assert serves(here, wanted) or serves(there, wanted), (here.name, there.name, kind)


def test_pods_of_a_moment_without_the_wanted_model_make_nothing_ready():
    for here, there, _ in steps_apart():
        found = verdict(here, {**here.lists(), Kind.PODS: there.items(Kind.PODS)})
        if found.state is LiveState.READY and here.git["on_main"]:
            assert serves(there, here.wanted()), (here.name, there.name)


FIELDS = [
    ("status", "health"), ("status", "summary"), ("status", "history"), ("status", "resources"),
    ("status", "reconciledAt"), ("status", "conditions"), ("status", "sync", "comparedTo"),
    ("metadata", "annotations"), ("metadata", "finalizers"),
]  # fmt: skip


@pytest.mark.parametrize("path", FIELDS[:5], ids=".".join)
def test_what_proves_nothing_is_not_read(path):
    """Health, its message, the images and the history may be gone, or may say anything."""
    for snapshot in SNAPSHOTS:
        whole = verdict(snapshot, snapshot.lists())
        for value in (None, {"status": "Healthy", "message": "all is well", "images": ["x@y"]}, []):
            lists = snapshot.lists()
            for application in lists[Kind.APPLICATIONS]:
                parent = application
                for step in path[:-1]:
                    parent = parent.get(step, {})
                parent[path[-1]] = value
            assert verdict(snapshot, lists) == whole, snapshot.name


def stale():
    """Messages of earlier faults, about commits that our own came after."""
    old = "9d5cdb60680e6a470008d3442b695da76b37522f"
    failed = {
        "phase": "Failed", "message": "one or more objects failed to apply", "retryCount": 5,
        "operation": {"sync": {"revision": old}},
        "syncResult": {"revision": old, "resources": [
            {"kind": "Deployment", "name": "x", "status": "SyncFailed", "message": "invalid"},
        ]},
    }  # fmt: skip
    conditions = [
        {"type": "SyncError", "message": f"Failed last sync attempt to [{old}]: invalid"},
        {"type": "ComparisonError", "message": "kustomize build failed"},
    ]
    return failed, conditions


def test_the_failure_of_an_earlier_commit_says_nothing_about_ours():
    failed, conditions = stale()
    for snapshot in SNAPSHOTS:
        whole = verdict(snapshot, snapshot.lists())
        lists = snapshot.lists()
        for application in lists[Kind.APPLICATIONS]:
            status = application.get("status", {})
            if status.get("sync", {}).get("status") in {"Synced", "OutOfSync"}:
                status["conditions"] = conditions
                if not status.get("operationState", {}).get("retryCount"):
                    status["operationState"] = copy.deepcopy(failed)
        assert verdict(snapshot, lists).state is whole.state, snapshot.name


def test_a_crash_loop_of_the_old_model_is_not_one_of_the_new():
    snapshot = next(
        one for one in SNAPSHOTS if one.name == "replace/08-progressing-2-old-1-new-0-ready"
    )
    lists = snapshot.lists()
    old = next(pod for pod in lists[Kind.PODS] if "101" in str(pod["metadata"]["labels"]))
    old["status"]["containerStatuses"][0] |= {
        "ready": False, "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }  # fmt: skip
    old["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    assert verdict(snapshot, lists).state is LiveState.REPLACING_MODEL


def test_pods_that_were_evicted_long_ago_do_not_count():
    """They stay in the list, failed and not being deleted."""
    for snapshot in SNAPSHOTS:
        if snapshot.git["expect"]["state"] != "ready" or not snapshot.items(Kind.PODS):
            continue
        lists = snapshot.lists()
        evicted = copy.deepcopy(lists[Kind.PODS][0])
        evicted["metadata"]["name"] += "-evicted"
        evicted["metadata"].pop("deletionTimestamp", None)
        evicted["status"] = {"phase": "Failed", "reason": "Evicted"}
        lists[Kind.PODS].append(evicted)
        assert verdict(snapshot, lists) == verdict(snapshot, snapshot.lists()), snapshot.name


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def places(node, path=()):
    yield path
    for key, value in node.items() if isinstance(node, dict) else ():
        yield from places(value, (*path, key))
    for index, value in enumerate(node) if isinstance(node, list) else ():
        yield from places(value, (*path, index))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_stands_in_an_object_nothing_raises_and_nothing_turns_ready(data):
    snapshot = data.draw(st.sampled_from(SNAPSHOTS))
    lists = snapshot.lists()
    kind = data.draw(st.sampled_from([kind for kind in Kind if lists[kind]] or [Kind.PODS]))
    if not lists[kind]:
        return
    item = data.draw(st.sampled_from(lists[kind]))
    *path, last = data.draw(st.sampled_from([place for place in places(item) if place]))
    parent = item
    for step in path:
        parent = parent[step]
    parent[last] = data.draw(JUNK)
    found = verdict(snapshot, lists)
    if found.state is LiveState.READY:
        assert may_be_ready(snapshot), (snapshot.name, kind, path, last)


@given(st.sampled_from(list(Kind)), JUNK)
def test_an_item_that_is_no_object_is_passed_over(kind, junk):
    assert parse(kind, junk) is None or isinstance(junk, dict)


def test_unknown_fields_change_nothing():
    for snapshot in SNAPSHOTS:
        lists = snapshot.lists()
        for items in lists.values():
            for item in items:
                for place in (item, item.get("status", {}), item.get("spec", {})):
                    place["futureField"] = {"phase": "Failed", "ready": True}
        assert verdict(snapshot, lists) == verdict(snapshot, snapshot.lists()), snapshot.name
