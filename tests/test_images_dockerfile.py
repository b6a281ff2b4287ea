"""`gitops_bridge.desired.dockerfile`: what a user typed stays data."""

import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.desired import dockerfile
from gitops_bridge.desired.dockerfile import Provenance, Target
from gitops_bridge.errors import ImageError
from tests.limits import run_limited
from tests.servers.packages import ENVIRONMENT_DOCKERFILE

WHEEL = "datarobot_mlops-11.2.62-py3-none-any.whl"
MADE_OF = Provenance(
    "key", "65f0", "dedicated", "datarobot", "ab" * 32, "registry.example.com:5000/pps:11.2.0", "65"
)
_INSTRUCTION = re.compile(r"(FROM|COPY|ENV|LABEL|EXPOSE|RUN|ENTRYPOINT|WORKDIR) ")


def meaning(quoted):
    """What BuildKit's lexer makes of a word in double quotes: a backslash before a quote, a dollar
    or a backslash is dropped, before anything else kept; a bare dollar would expand."""
    assert quoted[0] == quoted[-1] == '"'
    text, found, at = quoted[1:-1], "", 0
    while at < len(text):
        assert text[at] not in '"$', "ends the word, or expands"
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "$", "\\"):
            at += 1
        found += text[at]
        at += 1
    return found


def pairs(text, instruction):
    lines = [line for line in text.splitlines() if line.startswith(instruction + " ")]
    found = (line[len(instruction) + 1 :].partition("=") for line in lines)
    return {key: meaning(value) for key, _, value in found if value.startswith('"')}


@given(st.text())
def test_a_quoted_text_means_itself_or_is_refused(text):
    try:
        quoted = dockerfile.quoted(text)
    except ImageError:
        assert re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", text)
    else:
        assert meaning(quoted) == text
        assert len(quoted.splitlines()) <= 1 + len(re.findall(r"[\x1c-\x1e]", text))


nasty = st.text(alphabet=st.sampled_from("a\\\"'$\n\r#=`{}() \t&;|"), max_size=30)


@given(type=nasty, name=nasty, classes=st.lists(nasty, max_size=4), model=nasty)
def test_no_name_adds_an_instruction(type, name, classes, model):
    made_of = Provenance("k", "p", "dedicated", "datarobotScoringCode", "s", "base:1", model)
    try:
        text = dockerfile.scoring_code(made_of, Target(type, name, tuple(classes)))
    except ImageError as error:
        assert "control character" in error.message
        return
    assert all(_INSTRUCTION.match(line) for line in text.splitlines())
    assert pairs(text, "ENV")["TARGET_TYPE"] == type.lower()
    assert pairs(text, "LABEL").get("gitops-bridge.io/model", "") == model
    if len(classes) == 2:
        assert pairs(text, "ENV")["POSITIVE_CLASS_LABEL"] == classes[0]


@given(nasty)
def test_environment_variables_of_a_package_are_data(value):
    quoted = "'" + value.replace("'", "'\"'\"'") + "'"
    try:
        variables = dockerfile.variables_of(f"KEY={quoted} OTHER=1")
    except ImageError:
        assert re.search(r"[\n\r\t]", value)
        return
    assert variables == {"KEY": value, "OTHER": "1"}
    text = custom(variables=variables)
    assert pairs(text, "ENV")["KEY"] == value


@pytest.mark.parametrize("text", ["KEY", "=x", "A-B=1", "A='", "A=1\nRUN x", "A=$'\n'"])
def test_what_is_no_variable_is_refused(text):
    with pytest.raises(ImageError, match=r"additional_env_vars\.txt"):
        dockerfile.variables_of(text)


def test_a_dedicated_model():
    text = dockerfile.dedicated(MADE_OF)
    assert text.startswith(
        "FROM registry.example.com:5000/pps:11.2.0\nCOPY model.mlpkg /opt/ml/model/\n"
    )
    assert pairs(text, "LABEL") == dockerfile.labels(MADE_OF)
    assert dockerfile.labels(MADE_OF)["com.datarobot.ppsVersion"] == "11.2.0"
    assert (
        dockerfile.labels(MADE_OF)["org.opencontainers.image.base.name"]
        == "registry.example.com:5000/pps:11.2.0"
    )


def test_a_pinned_base_is_told_by_name_and_digest():
    base = "pps:11.2.0@sha256:" + "0" * 64
    made_of = Provenance("k", "p", "dedicated", "datarobot", "s", base)
    labels = dockerfile.labels(made_of)
    assert labels["org.opencontainers.image.base.digest"] == "sha256:" + "0" * 64
    assert labels["org.opencontainers.image.base.name"] == "pps:11.2.0"
    assert dockerfile.dedicated(made_of).startswith(f"FROM {base}\n")


@pytest.mark.parametrize(
    "base",
    [
        None, "", "pps", "pps:latest", "pps:stable", "pps:1", "pps@sha256:" + "0" * 64,
        "reg:5000/pps", "pps:1.0.0 AS x", "pps:1.0.0\nRUN x", "$BASE:1.0.0",
        "--platform=x pps:1.0.0", "pps:1.0.0@sha256:12", "a//b:1.0.0",
    ],
)  # fmt: skip
def test_a_base_without_a_version_or_that_is_no_image_is_refused(base):
    with pytest.raises(ImageError):
        dockerfile.dedicated(Provenance("k", "p", "dedicated", "datarobot", "s", base))


def custom(environment=ENVIRONMENT_DOCKERFILE, wheel=WHEEL, variables=None):
    made_of = Provenance("k", "p", "custom_inference_model", None, "s")
    return dockerfile.custom(
        made_of, environment, wheel=wheel, requirements_script=True, generated_files_script=False,
        variables=variables or {},
    )  # fmt: skip


def test_a_custom_model_s_steps_follow_its_environment():
    text = custom()
    assert text.startswith(ENVIRONMENT_DOCKERFILE)
    assert text.count("COPY . /opt/code/") == 0
    assert f"COPY {WHEEL} /tmp/{WHEEL}\nRUN " in text
    assert "./install_requirements.sh" in text
    assert "install_generated_files.sh" not in text
    assert 'ENTRYPOINT ["/opt/code/start_server.sh"]\n' in text


@pytest.mark.parametrize(
    ("there", "told"), [(["pip", "pip3"], "pip3"), (["pip3"], "pip3"), (["pip"], "pip"), ([], None)]
)
def test_the_library_is_installed_by_the_pip_there_is(tmp_path, there, told):
    """Environments differ in which they have; the line is run as a build would run it."""
    for name in there:
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        program.chmod(0o755)
    (line,) = [line for line in custom().splitlines() if line.endswith(f" /tmp/{WHEEL}")][1:]
    done = subprocess.run(
        ["/bin/sh", "-c", line.removeprefix("RUN ")],
        capture_output=True, text=True, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    if told:
        assert (done.returncode, done.stdout) == (0, f"{told} install /tmp/{WHEEL}\n")
    else:
        assert done.returncode == 127
        assert "pip: not found" in done.stderr


@pytest.mark.parametrize(
    "copies",
    [
        "COPY . /opt/code",
        "copy ./ /opt/code/",
        "COPY --chown=1:1 . ${CODE_DIR}/",
        "WORKDIR /opt/code\nADD . .",
        "WORKDIR $CODE_DIR\nCOPY ./ ./",
    ],
)
def test_a_context_that_the_environment_copies_is_not_copied_again(copies):
    assert "COPY . /opt/code/\n" not in custom(f"FROM python:3.11\n{copies}\nRUN x")


@pytest.mark.parametrize(
    "copies",
    [
        "",
        "COPY ./*.sh /opt/code/",
        "COPY ./* /opt/code/",
        "COPY . /tmp/build",
        "COPY . .",
        "WORKDIR /srv\nCOPY . .",
        "COPY . /opt/code\nFROM python:3.11",
        "COPY --from=build . /opt/code",
        "# COPY . /opt/code",
    ],
)
def test_a_context_the_environment_does_not_copy_is_copied(copies):
    """Wildcards would flatten its folders; an earlier stage is not the image."""
    assert "\nCOPY . /opt/code/\n" in custom(f"FROM python:3.11\n{copies}\n")


@pytest.mark.parametrize(
    ("ends", "user"),
    [
        ("USER 1000:0", "1000:0"),
        ("USER root\nRUN x\nuser ${UNAME}\nRUN y", "${UNAME}"),
        ("USER 1000\nUSER root", None),
        ("USER 1000\nUSER 0:0", None),
        ("USER 1000\nFROM python:3.12", None),
        ("RUN useradd \\\n  USER && x", None),
        ("RUN useradd \\\n# why\n  USER && x", None),
        ("# in C:\\\nUSER 1000", "1000"),
        ("", None),
    ],
)
def test_our_steps_are_root_s_and_the_image_is_the_environment_s_user_s(ends, user):
    """What we copy is root's, so nobody else could make it writable for the group."""
    environment = f"FROM python:3.11\n{ends}\n"
    ours = custom(environment)[len(environment.rstrip()) + 1 :]
    users = [line for line in ours.splitlines() if line.startswith("USER ")]
    assert users == (["USER root", f"USER {user}"] if user else [])
    if user:
        steps = ours.split(f"\nUSER {user}\n")
        assert ours.startswith("USER root\nCOPY . /opt/code/\n")
        assert "chgrp" in steps[0]
        assert "RUN" not in steps[1]


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ("# escape=`\nFROM a\n", "escape character"),
        ("# syntax=x\n#Escape = `\nFROM a\n", "escape character"),
        ("FROM a\nRUN b \\\n", "ends within"),
        ("FROM a\nRUN b \\\n\n# comment\n", "ends within"),
        ("RUN b\n", "no FROM"),
        ("", "no FROM"),
    ],
)
def test_an_environment_that_would_change_our_lines_is_refused(environment, word):
    with pytest.raises(ImageError, match=word):
        custom(environment)


@pytest.mark.parametrize("wheel", ["x.whl", f"{WHEEL} /etc", f"a/{WHEEL}", f"{WHEEL}\n"])
def test_only_the_library_is_installed(wheel):
    with pytest.raises(ImageError, match="no file name"):
        custom(wheel=wheel)


def test_the_recipe_tells_the_ways_apart():
    ways = [
        ("dedicated", "datarobot"),
        ("dedicated", "datarobotScoringCode"),
        ("custom_inference_model", None),
    ]
    assert len({dockerfile.recipe(*way) for way in ways}) == 3
    assert all(dockerfile.recipe(*way) == dockerfile.recipe(*way) for way in ways)


@given(st.text("ab=\"'\\ \n\tü", max_size=12))
def test_variables_are_split_as_a_shell_splits_them(text):
    try:
        wanted = shlex.split(text)
    except ValueError:
        wanted = None
    try:
        found = dockerfile.variables_of(f"{text} K=v")
    except ImageError:
        found = None
    pairs = [word.partition("=") for word in wanted or []]
    valid = wanted is not None and all(
        equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) and not re.search(r"[\n\t]", value)
        for key, equals, value in pairs
    )
    assert found == ({**{key: value for key, _, value in pairs}, "K": "v"} if valid else None)


def test_variables_are_read_in_linear_time():
    run_limited(
        "from gitops_bridge.desired import dockerfile\n"
        "assert len(dockerfile.variables_of('A=' + 'x' * 8_000_000)['A']) == 8_000_000\n"
        "assert len(dockerfile.variables_of('A=' + 'x\\\\ ' * 2_000_000)['A']) == 4_000_000\n",
        memory=700, seconds=20,
    )  # fmt: skip
