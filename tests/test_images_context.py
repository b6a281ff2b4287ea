"""`gitops_bridge.images.context` and `custom`: from a package to a folder that Kaniko can build."""

import hashlib
import json
import os
import stat
from dataclasses import replace

import pytest

from gitops_bridge.desired.dockerfile import Target
from gitops_bridge.errors import ImageError, RequestError
from gitops_bridge.images.archives import DEFAULT, Limits
from gitops_bridge.images.context import Found, Order, prepare
from gitops_bridge.images.fetch import Pace
from gitops_bridge.images.sources import FileSource
from tests.servers.packages import (
    ENVIRONMENT_DOCKERFILE,
    MODEL,
    PACKAGE,
    Clock,
    custom_package,
    dedicated_package,
    jar,
    tarred,
    zipped,
)

ORDER = Order("key", PACKAGE, "dedicated", "datarobot", "datarobot/pps:11.2.0", "a volume")
CUSTOM = replace(ORDER, execution_type="custom_inference_model", format=None, base_image=None)
KEPT = "!deployment_document.json\n!datarobot_mlops-11.2.62-py3-none-any.whl\n"
"""What we put into a custom model's context, whatever its own ignore file leaves out."""
JAR = replace(ORDER, format="datarobotScoringCode", base_image="datarobot/java:1.0")


@pytest.fixture
def make(tmp_path):
    """A function that prepares a context from a package's bytes; `make.out` is where."""

    def make(content, order=ORDER, target=None, limits=DEFAULT):
        (tmp_path / "package").write_bytes(content)
        found = Found(FileSource(tmp_path / "package"), MODEL, target)

        def find():
            make.found += 1
            return found

        return prepare(order, make.out, find, make.pace, limits)

    make.out, make.found, make.said = tmp_path / "out", 0, []
    make.pace = Pace(Clock(), lambda seconds: None, 1e9, make.said.append)
    return make


def content_of(folder):
    """Every file with its mode and content, links by where they lead."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else (stat.S_IMODE(path.stat().st_mode), path.is_file() and path.read_bytes())
        for path in sorted(folder.rglob("*"))
    }


def test_a_dedicated_model(make):
    content = dedicated_package()
    record = make(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (record.file, record.sha256, record.size) == ("model.mlpkg", sha256, len(content))
    files = content_of(make.out)
    assert set(files) == {
        "Dockerfile", "model.mlpkg", ".gitops-bridge", ".gitops-bridge/record.json",
    }  # fmt: skip
    assert files["model.mlpkg"] == (0o644, content)
    dockerfile = files["Dockerfile"][1].decode()
    assert dockerfile.startswith("FROM datarobot/pps:11.2.0\nCOPY model.mlpkg /opt/ml/model/\n")
    assert f'LABEL gitops-bridge.io/model-sha256="{sha256}"\n' in dockerfile
    assert f'LABEL gitops-bridge.io/model="{MODEL}"\n' in dockerfile
    assert 'LABEL com.datarobot.ppsVersion="11.2.0"\n' in dockerfile
    noted = json.loads(files[".gitops-bridge/record.json"][1])
    assert noted["record"]["labels"] == record.labels


def test_the_model_is_a_label_whoever_tells_it(make):
    """The source of a file beside DataRobot knows no model; then it is the order's."""
    order = replace(ORDER, model_id="65a0000000000000000000ff")
    assert make(dedicated_package(), order).labels["gitops-bridge.io/model"] == order.model_id


def test_a_complete_context_is_left_as_it_is(make):
    content = dedicated_package()
    first = make(content)
    before = content_of(make.out)
    assert make(content) == first
    assert make.found == 1
    assert content_of(make.out) == before


@pytest.mark.parametrize("package", ["dedicated", "custom"])
@pytest.mark.parametrize("damage", ["file gone", "file changed", "file added", "mode", "record"])
def test_a_damaged_context_is_made_anew(make, package, damage):
    content, order = (
        (dedicated_package(), ORDER) if package == "dedicated" else (custom_package(), CUSTOM)
    )
    make(content, order)
    before = content_of(make.out)
    if damage == "file gone":
        (make.out / "Dockerfile").unlink()
    elif damage == "file changed":
        (make.out / "Dockerfile").write_text("FROM elsewhere\n")
    elif damage == "file added":
        (make.out / "sub").mkdir()
        (make.out / "sub" / "added").write_text("x")
    elif damage == "mode":
        (make.out / "Dockerfile").chmod(0o600)
    else:
        (make.out / ".gitops-bridge" / "record.json").write_text('{"order": 1}')
    make(content, order)
    assert content_of(make.out) == before


def test_another_order_replaces_the_context(make):
    make(custom_package(), CUSTOM)
    make(dedicated_package())
    assert {path.name for path in make.out.iterdir()} == {
        "Dockerfile", "model.mlpkg", ".gitops-bridge",
    }  # fmt: skip


def test_a_folder_that_holds_something_else_is_not_touched(make):
    make.out.mkdir()
    (make.out / "thesis.tex").write_text("years of work")
    with pytest.raises(RequestError, match=r"is not empty: it holds 'thesis\.tex'"):
        make(dedicated_package())
    assert content_of(make.out) == {"thesis.tex": (0o644, b"years of work")}


def test_what_a_volume_brings_along_is_no_content(make):
    (make.out / "lost+found").mkdir(parents=True)
    make(dedicated_package())
    assert (make.out / "lost+found").is_dir()


def test_a_custom_model_s_parts_become_one_context(make):
    make(custom_package(), CUSTOM)
    files = content_of(make.out)
    assert set(files) == {
        "Dockerfile", "start_server.sh", "requirements.txt", "shared.txt", "custom.py",
        "install_requirements.sh", "additional_env_vars.txt", "nested", "nested/weights.bin",
        "deployment_document.json", "datarobot_mlops-11.2.62-py3-none-any.whl", ".dockerignore",
        ".gitops-bridge", ".gitops-bridge/record.json",
    }  # fmt: skip
    assert files["requirements.txt"][1] == b"of the environment\n"
    assert files["shared.txt"][1] == b"of the model\n"
    assert files["start_server.sh"][0] == 0o755
    assert files["custom.py"][0] == 0o644
    assert files[".dockerignore"][1] == b".gitops-bridge\n"
    text = files["Dockerfile"][1].decode()
    assert text.startswith(ENVIRONMENT_DOCKERFILE)
    assert 'ENV POSITIVE_CLASS_LABEL="it\'s \\$HOME"\n' in text
    assert 'LABEL gitops-bridge.io/execution-type="custom_inference_model"\n' in text
    assert not os.path.exists("/canary-was-run")


def test_an_environment_as_a_zip_and_its_own_dockerignore(make):
    environment = zipped({"Dockerfile": "FROM a\n", ".dockerignore": "*.md\n*.json\n*.whl"})
    content = custom_package(
        env__zip=environment,
        cm_pps_manifest__json=json.dumps(
            {"env": "env.zip", "model": "model.zip", "mlops": "mlops.tar.gz"}
        ),
        **{"env.tar.gz": None},
    )
    make(content, CUSTOM)
    assert (make.out / ".dockerignore").read_text() == (
        f"*.md\n*.json\n*.whl\n{KEPT}.gitops-bridge\n"
    )


def test_the_ignore_file_that_builders_prefer_is_the_one_that_counts(make):
    environment = {".dockerignore": "*.md", "Dockerfile.dockerignore": "*.txt\n"}
    make(custom_package(environment), CUSTOM)
    assert (make.out / ".dockerignore").read_text() == f"*.txt\n{KEPT}.gitops-bridge\n"
    assert not (make.out / "Dockerfile.dockerignore").exists()


def test_an_ignore_file_that_is_no_text_is_told(make):
    with pytest.raises(ImageError, match=r"\.dockerignore is not text in UTF-8"):
        make(custom_package({".dockerignore": b"\xff"}), CUSTOM)


def test_a_custom_model_may_hold_a_file_of_the_package_s_name(make):
    make(custom_package(model={"model.mlpkg": "of the model"}), CUSTOM)
    assert (make.out / "model.mlpkg").read_text() == "of the model"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cm_pps_manifest.json": None}, "holds no cm_pps_manifest"),
        ({"cm_pps_manifest.json": "{"}, "no JSON object"),
        ({"cm_pps_manifest.json": "[]"}, "no JSON object"),
        ({"cm_pps_manifest.json": '{"env": null}'}, "names None as env"),
        ({"cm_pps_manifest.json": '{"env": "../x"}'}, r"names '\.\./x' as env"),
        ({"model.zip": None}, r"lacks 'model\.zip'"),
        ({"model.zip": "no zip"}, "is no zip"),
        ({"env.tar.gz": tarred({"x": "y"})}, "holds no Dockerfile"),
        ({"env.tar.gz": tarred({"Dockerfile": b"\xff"})}, "not text in UTF-8"),
        ({"env.tar.gz": tarred({"Dockerfile": "FROM a\nRUN b \\\n"})}, "ends within"),
        ({"env.tar.gz": tarred({"../x": "y"})}, r"^env\.tar\.gz holds .* leads out of the folder"),
        ({"env.tar.gz": tarred({"Dockerfile": "FROM a", "nested": ""})}, "in one part, not in"),
        ({"deployment_document.json": None}, "holds no deployment_document"),
        ({"mlops.tar.gz": tarred({"x": "y"})}, "0 datarobot_mlops libraries"),
        (
            {
                "mlops.tar.gz": tarred(
                    {"a/datarobot_mlops-1.whl": "", "b/datarobot_mlops-2.whl": ""}
                )
            },
            "2 datarobot_mlops libraries",
        ),
        ({"mlops.tar.gz": tarred({"datarobot_mlops-1 x.whl": ""})}, "no file name of the"),
        (
            {"env.tar.gz": tarred({"Dockerfile": "FROM a", ".gitops-bridge/x": ""})},
            "a name we need",
        ),
    ],
)
def test_a_custom_package_that_lacks_something_leaves_nothing(make, changes, word):
    with pytest.raises(ImageError, match=word) as caught:
        make(custom_package(**changes), CUSTOM)
    assert not caught.value.retry
    assert {path.name for path in make.out.iterdir()} == {".gitops-bridge"}
    assert {path.name for path in (make.out / ".gitops-bridge").iterdir()} == {"record.json"}


def test_a_bomb_in_a_custom_package_leaves_nothing(make):
    with pytest.raises(ImageError, match="more than 10 bytes"):
        make(custom_package(), CUSTOM, limits=Limits(total=10))
    assert {path.name for path in make.out.iterdir()} == {".gitops-bridge"}


def test_scoring_code(make):
    make(jar(), JAR, Target("Multiclass", "grade", ("a", "b c", "d")))
    assert {path.name for path in make.out.iterdir()} == {
        "Dockerfile", "model.jar", "class-labels.txt", ".gitops-bridge",
    }  # fmt: skip
    assert (make.out / "class-labels.txt").read_text() == "a\nb c\nd\n"
    text = (make.out / "Dockerfile").read_text()
    assert text.startswith("FROM datarobot/java:1.0\nCOPY model.jar /opt/code/\n")
    assert 'ENV TARGET_TYPE="multiclass"\n' in text
    assert "ppsVersion" not in text


def test_class_labels_with_line_breaks_are_refused(make):
    with pytest.raises(ImageError, match="line break"):
        make(jar(), JAR, Target("Multiclass", "grade", ("a", "b\nRUN c", "d")))


@pytest.mark.parametrize(
    ("content", "order", "word"),
    [
        (jar(), ORDER, "is scoring code"),
        (custom_package(), ORDER, "is the package of a custom model"),
        (dedicated_package(100), JAR, r"is no \.jar"),
        (tarred({"META-INF/MANIFEST.MF": ""}), JAR, r"is no \.jar"),
        (dedicated_package(100), CUSTOM, "holds no cm_pps_manifest"),
        (b"<html>log in</html>", ORDER, "is text"),
        (b"", ORDER, "is text"),
        (dedicated_package()[:-30], ORDER, "is broken"),
        (b"\x00\x01" * 50, JAR, "is no archive"),
        (b"\x00\x01" * 50, CUSTOM, "is no archive"),
    ],
)
def test_another_kind_of_file_than_ordered(make, content, order, word):
    with pytest.raises(ImageError, match=word):
        make(content, order)
    assert {path.name for path in make.out.iterdir()} == {".gitops-bridge"}


def test_a_dedicated_package_in_a_format_we_do_not_know(make):
    assert make(b"\x00\x01" * 5000).size == 10_000


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, base_image=None),
        replace(ORDER, base_image="datarobot/pps"),
        replace(ORDER, base_image=f"datarobot/pps@sha256:{'0' * 64}"),
        replace(ORDER, base_image="datarobot/pps:stable"),
        replace(ORDER, format=None),
        replace(ORDER, format="pickle"),
        replace(ORDER, execution_type="external"),
    ],
)
def test_what_cannot_be_built_is_told_before_anything_is_fetched(make, order):
    with pytest.raises(RequestError):
        make(dedicated_package(100), order)
    assert make.found == 0
    assert not make.out.exists()


def test_two_at_once_in_one_folder(make):
    """The second is told, and leaves what the first one makes."""
    package, first, refused = dedicated_package(100), make.pace, []

    def second(line):
        if refused:
            return
        make.pace = first
        with pytest.raises(ImageError, match="another run works in this folder") as caught:
            make(package)
        refused.append(caught.value.retry)

    make.pace = replace(first, log=second)
    make(package)
    assert refused == [True]
    assert (make.out / "model.mlpkg").read_bytes() == package
    again = make(package)
    assert again.sha256 == hashlib.sha256(package).hexdigest()
    assert make.found == 1


def test_a_folder_that_cannot_be_written(make):
    make.out.parent.joinpath("file").write_text("")
    make.out = make.out.parent / "file" / "out"
    with pytest.raises(ImageError, match="Not a directory"):
        make(dedicated_package(100))
