"""The decision, as a function: what a request asks of what Git holds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.actions import Action, Deployment, ExecutionType, Model, Request, Scale
from gitops_bridge.desired import record as records
from gitops_bridge.desired.deployment_history import HistoryEntry, classify_commits
from gitops_bridge.desired.overlay import Image, seed
from gitops_bridge.desired.rollout import Change, OverlayFiles, Rollout, Touch, decide
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


NOTHING = OverlayFiles({})


def delivered(wanted, known=NOTHING, restart_to=1):
    """What Git holds and tells once the request is delivered on top of `known`."""
    rollout = answer(wanted, known, restart_to)
    assert isinstance(rollout, Rollout), rollout
    files = {p: c for p, c in {**known.files, **rollout.files}.items() if c is not None}
    number = rollout.after.rollout if rollout.after else known.rollouts
    return OverlayFiles(files, rollouts=number)


def moved_to(now, files):
    """A person put `files` in place of what we delivered."""
    return OverlayFiles(
        files, rollouts=now.rollouts, overridden=(Touch("c9", "Jane"),),
        remembered={"kustomization.yaml": b"theirs"},
    )  # fmt: skip


A = delivered(request())
REPLACE = request(Action.DEPLOYMENT_REPLACE_MODEL, "m2", previous="m1")
B = delivered(REPLACE, A)


def test_a_first_start_seeds_people_s_file():
    rollout = answer(request(), OverlayFiles({}))
    assert rollout.change is Change.START
    assert rollout.files["kustomization.yaml"] == seed().encode()
    assert sorted(rollout.files) == [
        "kustomization.yaml", "model/kustomization.yaml", "model/record.yaml",
    ]  # fmt: skip


def test_a_file_people_prepared_is_left_alone():
    rollout = answer(request(), OverlayFiles({"kustomization.yaml": b"theirs"}))
    assert "kustomization.yaml" not in rollout.files


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        (request(), A),
        (REPLACE, B),
        (request(model="m2"), B),  # the agent starts again what was replaced
        (request(name="renamed"), A),
        (request(Action.DEPLOYMENT_STOP), OverlayFiles({})),
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
        answer(REPLACE, OverlayFiles({}))


def test_relaunches_count_up_and_a_replay_does_not():
    relaunch = request(Action.DEPLOYMENT_RELAUNCH)
    once = delivered(relaunch, A, restart_to=1)
    assert once.record().restarts == 1
    assert answer(relaunch, once, restart_to=1) is None
    twice = delivered(relaunch, once, restart_to=2)
    assert twice.record().restarts == 2


def test_a_replacement_keeps_the_restarts():
    relaunched = delivered(request(Action.DEPLOYMENT_RELAUNCH), A)
    assert delivered(REPLACE, relaunched).record().restarts == 1


def test_what_goes_over_a_person_s_commit_names_it():
    reverted = moved_to(B, A.files)
    newer = answer(request(Action.DEPLOYMENT_REPLACE_MODEL, "m3", previous="m2"), reverted)
    assert [touch.author for touch in newer.overrides] == ["Jane"]
    assert newer.after.rollout == 3  # above the reverted one


def test_a_removed_folder_gets_people_s_file_back():
    newer = answer(request(scale=Scale(2)), moved_to(A, {}))
    assert newer.files["kustomization.yaml"] == b"theirs"


def test_an_unreadable_record_counts_as_none():
    broken = moved_to(A, {**A.files, "model/record.yaml": b"deployment: ["})
    assert isinstance(answer(request(scale=Scale(2)), broken), Rollout)


@pytest.mark.parametrize(
    "formatted", [lambda text: text.replace(b"\n", b"\r\n"), lambda text: b"# a comment\n" + text]
)
def test_a_formatter_s_work_is_no_change(formatted):
    files = {**A.files, "model/kustomization.yaml": b"images:\n- a\n"}
    known = OverlayFiles({**files, "model/kustomization.yaml": formatted(b"images:\n- a\n")})
    rollout = decide(request(), known, IMAGE, lambda _: "images: [a]\n", 1)
    assert rollout is None


# -- history


def seen(commit, record, author="gitops-bridge", *, signed=True):
    trailers = {"DataRobot-Action": "x", "DataRobot-Deployment": ID} if signed else {}
    return HistoryEntry(commit, author, trailers, record, own=signed)


R1, R2 = A.record(), B.record()


def test_our_delivery_on_top():
    story = classify_commits([seen("c2", R2), seen("c1", R1)], ID)
    assert (story.last.commit, story.moves, story.rollouts) == ("c2", (), 2)


def test_a_person_s_commit_on_top():
    commits = [seen("c3", R1, "Jane", signed=False), seen("c2", R2), seen("c1", R1)]
    story = classify_commits(commits, ID)
    assert (story.last.commit, story.moves[0].commit, story.rollouts) == ("c2", "c3", 2)


def test_a_squash_merge_is_told_by_its_number():
    story = classify_commits([seen("c2", R2, "Merger", signed=False), seen("c1", R1)], ID)
    assert (story.last.commit, story.moves) == ("c2", ())


def test_a_reverted_squash_merge_is_a_person_s():
    commits = [
        seen("c3", R1, "Jane", signed=False),
        seen("c2", R2, "Merger", signed=False),
        seen("c1", R1),
    ]
    story = classify_commits(commits, ID)
    assert (story.last.commit, story.moves[0].commit) == ("c2", "c3")


def test_a_delivery_that_a_person_picks_again_is_the_person_s():
    picked = replace(seen("c3", R1), own=False)
    story = classify_commits([picked, seen("c2", R2), seen("c1", R1)], ID)
    assert (story.last.commit, story.moves[0].commit, story.rollouts) == ("c2", "c3", 2)


def test_those_that_a_person_picks_after_the_stop_are_the_person_s():
    ours = [seen("c3", None), seen("c2", R2), seen("c1", R1)]
    picked = [replace(seen("c5", R2), own=False), replace(seen("c4", R1), own=False)]
    for people in (picked, picked[1:]):
        story = classify_commits([*people, *ours], ID)
        assert (story.last.commit, story.moves[0].commit) == ("c3", people[0].commit)
        assert story.rollouts == 2
    rebased = replace(seen("c6", replace(R2, rollout=3)), own=False)
    assert classify_commits([rebased, *picked, *ours], ID).last.commit == "c6"


def test_all_people_s_commits_since_are_told_newest_first():
    merged = seen("c2", R2, "Merger", signed=False)
    people = [seen("c4", R1, "Jane", signed=False), seen("c3", R1, "Joe", signed=False)]
    story = classify_commits(
        [*people, merged, seen("c0", R1, "Jim", signed=False), seen("c1", R1)], ID
    )
    assert story.last.commit == "c2"
    assert [item.author for item in story.moves] == ["Jane", "Joe"]


def test_a_reverted_stop_is_a_person_s():
    commits = [seen("c3", R2, "Jane", signed=False), seen("c2", None), seen("c1", R2)]
    story = classify_commits(commits, ID)
    assert (story.last.commit, story.last.record, story.moves[0].commit) == ("c2", None, "c3")


def test_trailers_of_another_deployment_do_not_count():
    other = HistoryEntry(
        "c2", "x", {"DataRobot-Action": "x", "DataRobot-Deployment": "other"}, None
    )
    assert classify_commits([other, seen("c1", R1)], ID).moves[0].commit == "c2"


def test_no_more_of_history_is_read_than_needed():
    def commits():
        yield seen("c2", R2)
        raise AssertionError("read on")

    assert classify_commits(commits(), ID).last.commit == "c2"


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
        assert Rollout(Change.ROLLBACK, {}, before, after).kinds == {Change.ROLLBACK}
