"""Names are data: no text a user wrote can become a line, a trailer or a control sequence."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.desired import messages
from gitops_bridge.desired.rollout import Change, Rollout, Touch
from tests.test_rollout import A, B

ID = "65a000000000000000000010"
HOSTILE = st.text() | st.sampled_from(
    [
        "x\n\nDataRobot-Action: deployment_stop",
        "x\r\nSigned-off-by: Eve <eve@example.com>",
        "{{ 7 * 7 }}",
        "'\"`$(rm -rf /)`",
        "\u202egnp.exe",
        "🦀" * 3000,
        "a\u2028Image: evil",
        "",
    ]
)


def rollout(name, model_name=None, change=Change.REPLACE):
    after = replace(B.record(), name=name, model=replace(B.record().model, name=model_name))
    return Rollout(change, {}, replace(A.record(), name=name), after)


@given(HOSTILE, st.none() | HOSTILE)
def test_trailers_are_ours_alone(name, model_name):
    text = messages.commit(rollout(name, model_name), ID, "prod")
    *_, last = text.rstrip("\n").split("\n\n")
    assert [line.partition(":")[0] for line in last.split("\n")] == [
        "DataRobot-Action",
        "DataRobot-Deployment",
        "DataRobot-Model",
        "DataRobot-Previous-Model",
        "Image",
    ]
    subject, blank, _ = text.split("\n", 2)
    assert subject.startswith("Replace model of ")
    assert len(subject.replace("\u200b", "")) < 90
    assert blank == ""
    assert re.sub("[\n\u200b]", "", text).isprintable()


@given(HOSTILE)
def test_clean_text_is_one_short_line(text):
    cleaned = messages.clean(text, 40)
    assert len(cleaned) <= 40
    assert len(cleaned.splitlines()) <= 1
    assert not any(ord(letter) < 32 for letter in cleaned)


@pytest.mark.parametrize("change", [c for c in Change if c.value not in ("rollback", "release")])
def test_every_change_has_its_subject(change):
    text = messages.commit(rollout("churn", change=change), ID, "prod")
    assert text.split("\n", 1)[0].endswith("in prod")


def test_a_person_s_commit_is_named():
    over = replace(rollout("churn"), overrides=(Touch("c" * 40, "Jane\nDoe"),))
    assert "Overrides cccccccccccc by Jane Doe." in messages.commit(over, ID, "prod")


def test_so_are_those_before_it_up_to_a_few():
    earlier = [Touch(f"{index}" * 40, f"P{index}") for index in range(1, 8)]
    over = replace(rollout("churn"), overrides=(Touch("c" * 40, "Jane"), *earlier))
    said = " ".join(messages.commit(over, ID, "prod").split())
    assert "Overrides cccccccccccc by Jane, 111111111111 by P1, " in said
    assert "444444444444 by P4 and 3 more before." in said


def test_a_rollback_is_no_action():
    back = messages.rolled_back(ID, "prod", A.record(), "c" * 40)
    assert "DataRobot-Action" not in back
    assert back.startswith("Roll back churn in prod\n")


@pytest.mark.parametrize(
    "text",
    [
        "[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]", "[azp skip]",
        "[skip azurepipelines]", "***NO_CI***", "[skip-cd]", "skip-checks:true", "fixes #12",
        "closes team/repo#12", "GH-12", "@org/team", "!12", "https://forge.example/team/1",
    ],
)  # fmt: skip
def test_no_name_steers_a_forge_or_its_pipelines(text):
    name = f"a {text} b"
    assert messages.inert(name).replace("\u200b", "") == name
    for message in (
        messages.inert(name),
        messages.commit(rollout(name, name), ID, "prod"),
    ):
        assert text not in message


@given(st.text(max_size=60))
def test_an_ordinary_name_stays_what_it_is(text):
    plain = re.sub(r"[^\w .-]", "", text)
    if not re.search(r"www|gh-|skip", plain, re.IGNORECASE):
        assert messages.inert(plain) == messages.clean(plain)
