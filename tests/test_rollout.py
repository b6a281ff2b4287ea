"""The decision, as a function: what a request asks of what Git holds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.actions import Action, Deployment, ExecutionType, Model, Request, Scale
from gitops_bridge.desired import record as records
from gitops_bridge.desired.history import Seen, told
from gitops_bridge.desired.overlay import Image, seed
from gitops_bridge.desired.rollout import Change, Hold, Known, Rollout, Touch, decide
from gitops_bridge.errors import RequestError

ID = "65a000000000000000000010"
IMAGE = Image("registry.example.com/models", "tag")


def request(action=Action.DEPLOYMENT_START, model="m1", previous=None, scale=None, name="churn"):
    return Request(
        action=action,
        environment_id="e1",
        deployment=Deployment(ID, name, previous),
        model=Model(model, ExecutionType.DEDICATED),
        scale=scale or Scale(),
    )


def text_for(wanted):
    return lambda restarts: f"{wanted.model.id} {wanted.scale} {restarts}\n"


def answer(wanted, known, restart_to=1):
    return decide(wanted, known, IMAGE, text_for(wanted), restart_to)


NOTHING = Known({})


def delivered(wanted, known=NOTHING, commit="c1", restart_to=1):
    """What Git holds and tells once the request is delivered on top of `known`."""
    rollout = answer(wanted, known, restart_to)
    assert isinstance(rollout, Rollout), rollout
    files = {p: c for p, c in {**known.files, **rollout.files}.items() if c is not None}
    number = rollout.after.rollout if rollout.after else known.rollouts
    return Known(files, last=Touch(commit, "gitops-bridge", rollout.after), rollouts=number)


def moved_to(now, files):
    """A person put `files` in place of what we delivered."""
    record = Known(files).record()
    return Known(
        files, now.last, Touch("c9", "Jane", record), rollouts=now.rollouts,
        remembered={"kustomization.yaml": b"theirs"},
    )  # fmt: skip


A = delivered(request())
REPLACE = request(Action.DEPLOYMENT_REPLACE_MODEL, "m2", previous="m1")
B = delivered(REPLACE, A, "c2")


def test_a_first_start_seeds_people_s_file():
    rollout = answer(request(), Known({}))
    assert rollout.change is Change.START
    assert rollout.files["kustomization.yaml"] == seed().encode()
    assert sorted(rollout.files) == [
        "kustomization.yaml", "model/kustomization.yaml", "model/record.yaml",
    ]  # fmt: skip


def test_a_file_people_prepared_is_left_alone():
    rollout = answer(request(), Known({"kustomization.yaml": b"theirs"}))
    assert "kustomization.yaml" not in rollout.files


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        (request(), A),
        (REPLACE, B),
        (request(model="m2"), B),  # the agent starts again what was replaced
        (request(name="renamed"), A),
        (request(Action.DEPLOYMENT_STOP), Known({})),
        (request(), moved_to(B, A.files)),  # a person went back to what this asks for
    ],
)
def test_nothing_to_do(wanted, known):
    assert answer(wanted, known) is None


@pytest.mark.parametrize(
    ("wanted", "change"),
    [
        (REPLACE, Change.REPLACE),
        (request(model="m3"), Change.REPLACE),
        (request(scale=Scale(3)), Change.SCALE),
        (request(Action.DEPLOYMENT_RELAUNCH), Change.RELAUNCH),
        (request(Action.DEPLOYMENT_STOP), Change.STOP),
    ],
)
def test_what_changes_is_called_by_its_name(wanted, change):
    assert answer(wanted, A).change is change


def test_a_stop_removes_every_file():
    rollout = answer(request(Action.DEPLOYMENT_STOP), A)
    assert rollout.files == dict.fromkeys(A.files)


def test_a_replacement_of_nothing_is_an_error():
    with pytest.raises(RequestError, match="no model to replace"):
        answer(REPLACE, Known({}))


def test_relaunches_count_up_and_a_replay_does_not():
    relaunch = request(Action.DEPLOYMENT_RELAUNCH)
    once = delivered(relaunch, A, "c3", restart_to=1)
    assert once.record().restarts == 1
    assert answer(relaunch, once, restart_to=1) is None
    twice = delivered(relaunch, once, "c4", restart_to=2)
    assert twice.record().restarts == 2


def test_a_replacement_keeps_the_restarts():
    relaunched = delivered(request(Action.DEPLOYMENT_RELAUNCH), A, "c3")
    assert delivered(REPLACE, relaunched, "c4").record().restarts == 1


def test_a_revert_holds_against_its_action_alone():
    reverted = moved_to(B, A.files)
    assert isinstance(answer(REPLACE, reverted), Hold)
    newer = answer(request(Action.DEPLOYMENT_REPLACE_MODEL, "m3", previous="m2"), reverted)
    assert isinstance(newer, Rollout)
    assert newer.replaces.author == "Jane"
    assert newer.after.rollout == 3  # above the reverted one, so that it is told from a revert


def test_other_settings_make_another_action():
    reverted = moved_to(B, A.files)
    scaled = request(Action.DEPLOYMENT_REPLACE_MODEL, "m2", previous="m1", scale=Scale(2))
    assert isinstance(answer(scaled, reverted), Rollout)


def test_a_stop_that_was_reverted_holds_against_a_stop():
    stopped = delivered(request(Action.DEPLOYMENT_STOP), B, "c3")
    back = moved_to(stopped, B.files)
    assert isinstance(answer(request(Action.DEPLOYMENT_STOP), back), Hold)
    assert isinstance(answer(request(scale=Scale(4)), back), Rollout)


def test_a_removed_folder_holds_against_its_start_and_brings_people_s_file_back_later():
    removed = moved_to(A, {})
    assert isinstance(answer(request(), removed), Hold)
    newer = answer(request(scale=Scale(2)), removed)
    assert newer.files["kustomization.yaml"] == b"theirs"


def test_an_unreadable_record_counts_as_none():
    broken = moved_to(A, {**A.files, "model/record.yaml": b"deployment: ["})
    assert isinstance(answer(request(scale=Scale(2)), broken), Rollout)


# -- history


def seen(commit, record, author="gitops-bridge", *, signed=True):
    trailers = {"DataRobot-Action": "x", "DataRobot-Deployment": ID} if signed else {}
    return Seen(commit, author, trailers, record, own=signed)


R1, R2 = A.record(), B.record()


def test_our_delivery_on_top():
    story = told([seen("c2", R2), seen("c1", R1)], ID)
    assert (story.last.commit, story.moved, story.rollouts) == ("c2", None, 2)


def test_a_person_s_commit_on_top():
    commits = [seen("c3", R1, "Jane", signed=False), seen("c2", R2), seen("c1", R1)]
    story = told(commits, ID)
    assert (story.last.commit, story.moved.commit, story.rollouts) == ("c2", "c3", 2)


def test_a_squash_merge_is_told_by_its_number():
    story = told([seen("c2", R2, "Merger", signed=False), seen("c1", R1)], ID)
    assert (story.last.commit, story.moved) == ("c2", None)


def test_a_reverted_squash_merge_is_a_person_s():
    commits = [
        seen("c3", R1, "Jane", signed=False),
        seen("c2", R2, "Merger", signed=False),
        seen("c1", R1),
    ]
    story = told(commits, ID)
    assert (story.last.commit, story.moved.commit) == ("c2", "c3")


def test_a_delivery_that_a_person_picks_again_is_the_person_s():
    picked = replace(seen("c3", R1), own=False)
    story = told([picked, seen("c2", R2), seen("c1", R1)], ID)
    assert (story.last.commit, story.moved.commit, story.rollouts) == ("c2", "c3", 2)
    released = replace(picked, trailers={**picked.trailers, "Released": "c1"})
    assert told([released, seen("c2", R2), seen("c1", R1)], ID).last.commit == "c3"


def test_those_that_a_person_picks_after_the_stop_are_the_person_s():
    ours = [seen("c3", None), seen("c2", R2), seen("c1", R1)]
    picked = [replace(seen("c5", R2), own=False), replace(seen("c4", R1), own=False)]
    for people in (picked, picked[1:]):
        story = told([*people, *ours], ID)
        assert (story.last.commit, story.moved.commit) == ("c3", people[0].commit)
        assert story.rollouts == 2
    rebased = replace(seen("c6", replace(R2, rollout=3)), own=False)
    assert told([rebased, *picked, *ours], ID).last.commit == "c6"


def test_all_people_s_commits_since_are_told_newest_first():
    merged = seen("c2", R2, "Merger", signed=False)
    people = [seen("c4", R1, "Jane", signed=False), seen("c3", R1, "Joe", signed=False)]
    story = told([*people, merged, seen("c0", R1, "Jim", signed=False), seen("c1", R1)], ID)
    assert story.last.commit == "c2"
    assert [item.author for item in story.moves] == ["Jane", "Joe"]


def test_a_reverted_stop_is_a_person_s():
    commits = [seen("c3", R2, "Jane", signed=False), seen("c2", None), seen("c1", R2)]
    story = told(commits, ID)
    assert (story.last.commit, story.last.record, story.moved.commit) == ("c2", None, "c3")


def test_trailers_of_another_deployment_do_not_count():
    other = Seen("c2", "x", {"DataRobot-Action": "x", "DataRobot-Deployment": "other"}, None)
    assert told([other, seen("c1", R1)], ID).moved.commit == "c2"


def test_no_more_of_history_is_read_than_needed():
    def commits():
        yield seen("c2", R2)
        raise AssertionError("read on")

    assert told(commits(), ID).last.commit == "c2"


MODELS = st.sampled_from(["m1", "m2", "m3"])
STEPS = st.lists(
    st.tuples(
        st.just("start") | st.just("replace") | st.just("relaunch"), MODELS, st.integers(1, 3)
    )
    | st.just(("stop", "", 0))
    | st.just(("revert", "", 0)),
    max_size=12,
)


@given(STEPS)
def test_a_revert_always_stands_against_its_replay(steps):
    """Any life of a deployment: after a revert the reverted action is held or is nothing to do;
    and an action delivered twice never changes anything the second time."""
    past, known, last = [Known({})], Known({}), None
    for step, model, count in steps:
        if step == "revert":
            if known.moved or last is None or len(past) < 2:
                continue
            known = moved_to(known, past[-2].files)
            assert not isinstance(answer(last, known), Rollout)
            continue
        action = {
            "start": Action.DEPLOYMENT_START, "replace": Action.DEPLOYMENT_REPLACE_MODEL,
            "relaunch": Action.DEPLOYMENT_RELAUNCH, "stop": Action.DEPLOYMENT_STOP,
        }[step]  # fmt: skip
        if step == "replace" and not known.present:
            continue
        record = known.record()
        previous = record.model.id if record else None
        last = request(action, model or "m1", previous, Scale(count))
        restart_to = (record.restarts if record else 0) + 1
        if not isinstance(answer(last, known, restart_to), Rollout):
            last = None
            continue
        known = delivered(last, known, f"c{len(past)}", restart_to)
        past.append(known)
        assert answer(last, known, restart_to) is None


# -- the record


@given(
    name=st.text(max_size=40),
    model=st.text(max_size=20),
    package=st.none() | st.text(min_size=1, max_size=20),
)
def test_records_read_back_as_written(name, model, package):
    from gitops_bridge.actions import Package

    wanted = Request(
        Action.DEPLOYMENT_START, "e1", Deployment(ID, name),
        Model("m1", ExecutionType.CUSTOM, name=model or None,
              package=Package("p1", package) if package else None),
    )  # fmt: skip
    record = records.of(wanted, rollout=3, restarts=1, image="r/i:t")
    content = records.write(record).encode()
    assert records.read(content, "f") == record
    assert records.model_of(content, "f") == "m1"


class TestKinds:
    """What a policy may be about: nothing slips through under another name."""

    def kinds(self, wanted, known=A):
        return answer(wanted, known).kinds

    def test_scaling_alone_is_scaling(self):
        assert self.kinds(request(scale=Scale(3))) == {Change.SCALE}

    def test_scaling_with_another_setting_is_both(self):
        wanted = replace(request(scale=Scale(3)), monitoring=True)
        assert self.kinds(wanted) == {Change.SCALE, Change.UPDATE}

    def test_scaling_with_another_image_is_both(self):
        image = Image("registry.example.com/models", "newer")
        wanted = request(scale=Scale(3))
        rollout = decide(wanted, A, image, text_for(wanted), 1)
        assert rollout.kinds == {Change.SCALE, Change.UPDATE}

    def test_a_relaunch_brings_settings_along(self):
        relaunch = request(Action.DEPLOYMENT_RELAUNCH)
        assert self.kinds(relaunch) == {Change.RELAUNCH}
        wanted = replace(relaunch, scale=Scale(3))
        assert self.kinds(wanted) == {Change.RELAUNCH, Change.SCALE}

    def test_a_new_model_brings_its_image_and_perhaps_a_scale(self):
        assert self.kinds(REPLACE) == {Change.REPLACE}
        assert self.kinds(replace(REPLACE, scale=Scale(3))) == {Change.REPLACE, Change.SCALE}

    def test_starts_stops_and_what_people_ask_are_one_thing(self):
        assert self.kinds(request(), NOTHING) == {Change.START}
        assert self.kinds(request(Action.DEPLOYMENT_STOP)) == {Change.STOP}
        before, after = A.record(), B.record()
        for change in (Change.ROLLBACK, Change.RELEASE):
            assert Rollout(change, {}, before, after).kinds == {Change.ROLLBACK}
