"""`gitops-bridge fetch-model` as the build Job runs it: a process with flags, environment and exit
code, against a stateful stand-in of DataRobot's API."""

import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.servers.datarobot import DataRobotServer
from tests.servers.google_storage import GoogleStorageServer
from tests.servers.packages import MODEL, PACKAGE, custom_package, dedicated_package, jar, zipped

COMMAND = [
    sys.executable,
    "-W",
    "error",
    "-c",
    "from gitops_bridge.cli.fetch_model import fetch_model;"
    "fetch_model(prog_name='gitops-bridge fetch-model', standalone_mode=False);",
]
ROOT = Path(__file__).parents[1]


@pytest.fixture
def server():
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=dedicated_package(), model_id=MODEL)
        server.trouble.build_polls = 0
        yield server


@pytest.fixture
def start(server, tmp_path, monkeypatch):
    """A function that starts the command; `flags` replace the usual ones."""

    def start(environment, flags, program=COMMAND[-1], **options):
        with monkeypatch.context() as changed:
            for key, value in {"MLOPS_API_TOKEN": server.token, **environment}.items():
                changed.setenv(key, value)
            return subprocess.Popen(
                [*COMMAND[:-1], program, *arguments(server, tmp_path / "out", flags)],
                cwd=ROOT,
                **options,
            )

    return start


@pytest.fixture
def fetch(start):
    """A function that runs the command to its end; flags given replace the usual ones."""

    def fetch(environment=None, limit=None, **flags):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with start(environment or {}, flags, preexec_fn=limit, **pipes) as process:
            said, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess([], process.returncode, said, errors)

    return fetch


def arguments(server, out, changes):
    flags = {
        "model-package-id": PACKAGE,
        "execution-type": "dedicated",
        "format": "datarobot",
        "pps-image": "datarobot/portable-prediction-api:11.2.0",
        "content-key": "3f9c2a71d0",
        "datarobot-url": server.url,
        "deadline": "60",
        "out": str(out),
        **{key.replace("_", "-"): value for key, value in changes.items()},
    }
    found = []
    for key, value in flags.items():
        if value is True:
            found.append(f"--{key}")
        elif value is not None:
            found.append(f"--{key}={value}")
    return found


def everything(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.is_file() and path.read_bytes())
        for path in folder.rglob("*")
    }


def test_a_dedicated_model_from_datarobot(server, fetch, tmp_path):
    ended = fetch()
    sha256 = hashlib.sha256(server.packages[PACKAGE].content).hexdigest()
    assert (ended.returncode, ended.stdout) == (0, f"sha256:{sha256}\n")
    assert "model.mlpkg: SHA-256 " + sha256 in ended.stderr
    text = (tmp_path / "out" / "Dockerfile").read_text()
    assert text.startswith("FROM datarobot/portable-prediction-api:11.2.0\nCOPY model.mlpkg ")
    assert f'gitops-bridge.io/model-sha256="{sha256}"' in text
    assert 'gitops-bridge.io/content-key="3f9c2a71d0"' in text
    assert f'gitops-bridge.io/model="{MODEL}"' in text


def test_a_custom_model_from_datarobot(server, fetch, tmp_path):
    server.add_package(
        PACKAGE, content=custom_package(), model_id=MODEL, execution_type="custom_inference_model"
    )
    flags = {"execution_type": "custom_inference_model", "format": None, "pps_image": None}
    assert fetch(**flags).returncode == 0
    assert (tmp_path / "out" / "custom.py").is_file()
    assert not (tmp_path / "out" / "model.mlpkg").exists()
    assert not Path("/canary-was-run").exists()


@pytest.mark.parametrize("explanations", [None, True])
def test_scoring_code_from_datarobot(server, fetch, tmp_path, explanations):
    server.add_package(PACKAGE, content=jar(), model_id=MODEL)
    ended = fetch(format="datarobotScoringCode", prediction_explanations=explanations)
    assert ended.returncode == 0
    text = (tmp_path / "out" / "Dockerfile").read_text()
    assert 'ENV POSITIVE_CLASS_LABEL="yes"\n' in text
    assert server.seen[f"POST /api/v2/modelPackages/{PACKAGE}/scoringCodeBuilds/"] == bool(
        explanations
    )


def test_running_again_asks_nobody_and_changes_nothing(server, fetch, tmp_path):
    first = fetch()
    before, seen = everything(tmp_path / "out"), server.seen.copy()
    again = fetch()
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert everything(tmp_path / "out") == before
    assert server.seen == seen


def test_troubles_that_pass_are_waited_out(server, fetch, tmp_path):
    trouble = server.trouble
    trouble.hang_up, trouble.busy, trouble.busy_downloads, trouble.drops = 1, 2, 1, 2
    trouble.build_polls = 1
    trouble.drop_after = 400_000
    ended = fetch()
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "model.mlpkg").read_bytes() == server.packages[PACKAGE].content


FINAL = [
    ({"execution_type": "external"}, 64, "'external' is not one of"),
    ({"format": "pickle"}, 64, "'pickle' is not one of"),
    ({"format": None}, 64, "format None"),
    ({"content_key": None}, 64, "Missing option '--content-key'"),
    ({"content_key": 'k"\nRUN x'}, 64, "--content-key is"),
    ({"model_package_id": "../../version"}, 64, "--model-package-id is"),
    ({"model_id": 'm"\nRUN x'}, 64, "--model-id is"),
    ({"pps_image": "datarobot/pps@sha256:" + "0" * 64}, 64, "has no version"),
    ({"sha256": "abc"}, 64, "--sha256 is"),
    ({"no-such-flag": True}, 64, "No such option"),
    ({"pps_image": "datarobot/portable-prediction-api"}, 64, "has no version"),
    ({"pps_image": "a:1\nRUN x"}, 64, "is no image"),
    ({"datarobot_url": "ftp://host"}, 64, "--datarobot-url is"),
    ({"datarobot_url": None}, 64, "--datarobot-url is None"),
    ({"datarobot_url": "https://me:canary-2b@host"}, 64, "carries a user"),
    ({"execution_type": "custom_inference_model"}, 64, "--format does not go with"),
    ({"source": "ftp://host/file"}, 64, "is unknown"),
    ({"source": "http://example.com/file"}, 64, "is not encrypted"),
    ({"source": "https://me:canary-2b@host/file"}, 64, "carries a user"),
    ({"source": "/no/such/file"}, 66, "no such file"),
    ({"source": "https://u:canary@[::1/x"}, 64, "--source is not a valid URL"),
    ({"source": "https://host:99999/x"}, 64, "--source is not a valid URL"),
    ({"datarobot_url": "https://host:canary"}, 64, "--datarobot-url is not a valid URL"),
    ({"source": "https://127.0.0.1:9/x", "ca_file": "/no/ca"}, 65, "/no/ca (check the CA file)"),
    ({"model_package_id": "65f0aa11bb22cc33dd44ee00"}, 66, "not found"),
    ({"sha256": "0" * 64}, 65, "SHA-256 is"),
]


@pytest.mark.parametrize(("flags", "code", "word"), FINAL)
def test_what_no_retry_can_cure(fetch, tmp_path, flags, code, word):
    ended = fetch(**flags)
    assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
    assert word in re.sub(r"\s+", " ", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr
    assert not (tmp_path / "out" / "Dockerfile").exists()


def test_a_refused_token_is_66_and_nowhere_to_be_seen(fetch, tmp_path):
    ended = fetch({"MLOPS_API_TOKEN": "canary-of-somebody-else"})
    assert ended.returncode == 66
    assert "the token is wrong or has expired" in ended.stderr
    assert "canary" not in ended.stderr


@pytest.mark.parametrize("token", ["", "two words", "kanari\u00e9"])
def test_a_token_that_is_none_is_64(fetch, token):
    ended = fetch({"MLOPS_API_TOKEN": token})
    assert ended.returncode == 64
    assert "API token" in ended.stderr


def test_a_token_from_a_file(server, fetch, tmp_path):
    (tmp_path / "token").write_text(server.token + "\n")
    assert fetch({"MLOPS_API_TOKEN": "wrong"}, token_file=tmp_path / "token").returncode == 0
    assert fetch(token_file=tmp_path / "none").returncode == 64


def test_broken_files_are_65(server, fetch, tmp_path):
    server.trouble.truncated = True
    ended = fetch()
    assert ended.returncode == 65
    assert "model.mlpkg is broken" in ended.stderr
    server.trouble.truncated = False
    server.packages[PACKAGE].content = zipped({"META-INF/MANIFEST.MF": ""})
    assert fetch().returncode == 65
    server.add_package(
        PACKAGE, model_id=MODEL, execution_type="custom_inference_model",
        content=custom_package(**{"model.zip": zipped({"../../escaped": "x"})}),
    )  # fmt: skip
    flags = {"execution_type": "custom_inference_model", "format": None}
    ended = fetch(**flags)
    assert ended.returncode == 65
    assert "leads out of the folder" in ended.stderr
    assert not list(tmp_path.rglob("escaped"))


def test_a_file_that_breaks_off_where_nothing_tells_its_end_is_75(server, fetch):
    """The connection's end is all there is to go by, and it may have come too early."""
    server.trouble.unbounded, server.trouble.drops = True, 1
    ended = fetch()
    assert ended.returncode == 75
    assert "model.mlpkg is broken" in ended.stderr
    assert fetch().returncode == 0


def test_another_execution_type_than_datarobot_s_is_65(server, fetch):
    server.packages[PACKAGE].execution_type = "custom_inference_model"
    ended = fetch()
    assert ended.returncode == 65
    assert "is 'custom_inference_model', not dedicated" in ended.stderr


@pytest.mark.parametrize(
    ("trouble", "word"),
    [
        ({"build_polls": 10_000}, "the build is not finished"),
        ({"busy": 10_000, "retry_after": "5"}, "slow down"),
        ({"hang_up": 10_000}, "gave up after"),
        ({"build_end": "ABORTED"}, "ABORTED: out of memory"),
    ],
)
def test_what_may_pass_is_75(server, fetch, trouble, word):
    for name, value in trouble.items():
        setattr(server.trouble, name, value)
    ended = fetch(deadline="3")
    assert ended.returncode == 75, ended.stderr
    assert word in ended.stderr


def test_a_package_still_being_built_is_75_and_one_that_failed_65(server, fetch):
    server.packages[PACKAGE].build_status = "inProgress"
    ended = fetch(deadline="2")
    assert (ended.returncode, "still being built" in ended.stderr) == (75, True)
    server.packages[PACKAGE].build_status = "failed"
    assert fetch().returncode == 65


def test_a_full_disk_is_75_and_leaves_nothing(server, fetch, tmp_path):
    ended = fetch(limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)))
    assert ended.returncode == 75, ended.stderr
    assert "the disk is full (give the build more disk" in ended.stderr
    assert set(everything(tmp_path / "out")) == {".gitops-bridge", ".gitops-bridge/record.json"}


def test_sources_beside_datarobot(server, fetch, tmp_path):
    content = server.packages[PACKAGE].content
    (tmp_path / "volume.mlpkg").write_bytes(content)
    with GoogleStorageServer() as google:
        google.objects["models", "a"] = content
        environment = {"STORAGE_EMULATOR_HOST": google.address, "MLOPS_API_TOKEN": ""}
        contexts = []
        for source in (
            f"{server.url}/plain/{PACKAGE}?signature=canary-5c",
            str(tmp_path / "volume.mlpkg"),
            "gs://models/a",
        ):
            ended = fetch(environment, source=source, datarobot_url=None, model_id=MODEL)
            assert ended.returncode == 0, ended.stderr
            assert "canary" not in ended.stderr
            contexts.append((tmp_path / "out" / "Dockerfile").read_text())
    assert len(set(contexts)) == 1
    assert f'gitops-bridge.io/model="{MODEL}"' in contexts[0]
    assert not any("canary" in str(content) for _, content in everything(tmp_path / "out").values())


WRITES = """
import errno, os, sys
names = {"os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.rename"}
def refuse(event, args):
    paths = []
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & (os.O_RDWR | os.O_CREAT):
        paths = [args[0]]
    elif event in names and -1 in args[1:]:  # beside a descriptor the path is relative to that
        paths = [path for path in args if isinstance(path, (str, bytes))]
    elif event in ("os.link", "os.symlink"):
        paths = [args[1]]
    for path in paths:
        place = os.path.abspath(os.fsdecode(path))
        if not place.startswith(os.environ["WRITABLE"]):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), place)
sys.addaudithook(refuse)
"""


@pytest.mark.parametrize("source", ["datarobot", "custom", "gs"])
def test_a_read_only_root_file_system_is_enough(server, start, tmp_path, source):
    """As in the Job: whatever the command would write beside the context is refused."""
    flags, variables = {}, {"WRITABLE": str(tmp_path / "out"), "HOME": "/none", "TMPDIR": "/none"}
    if source == "custom":
        server.add_package(
            PACKAGE, content=custom_package(), model_id=MODEL,
            execution_type="custom_inference_model",
        )  # fmt: skip
        flags = {"execution_type": "custom_inference_model", "format": None}
    with GoogleStorageServer() as google:
        google.objects["models", "a"] = server.packages[PACKAGE].content
        if source == "gs":
            flags = {"source": "gs://models/a"}
            variables["STORAGE_EMULATOR_HOST"] = google.address
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        with start(variables, flags, WRITES + COMMAND[-1], stderr=subprocess.PIPE) as process:
            said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said


def test_the_read_only_file_system_of_the_test_is_one(start):
    variables = {"WRITABLE": "/elsewhere", "PYTHONDONTWRITEBYTECODE": "1"}
    with start(variables, {}, WRITES + COMMAND[-1], stderr=subprocess.PIPE, text=True) as process:
        assert "Read-only file system" in process.communicate(timeout=60)[1]


def test_no_secret_gets_anywhere(server, fetch, tmp_path):
    server.trouble.drops, server.trouble.busy = 2, 1
    said = fetch().stderr + fetch(sha256="0" * 64).stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if server.token.encode() in path.read_bytes()] == []
    assert server.token not in said


@pytest.mark.parametrize("ranges", [True, False])
def test_killed_in_the_middle_and_run_again(server, start, fetch, tmp_path, ranges):
    server.trouble.slow, server.trouble.ranges = 0.1, ranges
    killed = start({}, {}, stderr=subprocess.DEVNULL)
    part = tmp_path / "out" / ".gitops-bridge" / "part"
    while not (part.exists() and part.stat().st_size > 300_000):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "out" / "Dockerfile").exists()
    server.trouble.slow = 0
    ended = fetch()
    assert ended.returncode == 0, ended.stderr
    first = everything(tmp_path / "out")
    assert first["model.mlpkg"][1] == server.packages[PACKAGE].content
    assert not any("part" in name for name in first)


@pytest.mark.parametrize(
    "sight", [".gitops-bridge/staging", "start_server.sh", "many/1", "Dockerfile"]
)
def test_killed_while_unpacking_and_run_again(server, start, fetch, tmp_path, sight):
    """Killed as soon as `sight` is there; whether or not it was done by then, it is afterwards."""
    many = {f"many/{number}": os.urandom(1000) for number in range(2000)}
    server.add_package(
        PACKAGE, content=custom_package(model=many), model_id=MODEL,
        execution_type="custom_inference_model",
    )  # fmt: skip
    flags = {"execution_type": "custom_inference_model", "format": None}
    with start({}, flags, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as killed:
        while not (tmp_path / "out" / sight).exists() and killed.poll() is None:
            time.sleep(0.001)
        killed.kill()
    assert fetch(**flags).returncode == 0
    first = everything(tmp_path / "out")
    assert first["many/1999"][1] == many["many/1999"]
    shutil.rmtree(tmp_path / "out")
    assert fetch(**flags).returncode == 0
    assert everything(tmp_path / "out") == first


def test_memory_stays_flat(server, start, tmp_path):
    """400 MB: a quarter of it in memory would show."""
    package = tmp_path / "package.mlpkg"
    with zipfile.ZipFile(package, "w") as archive, archive.open("blob", "w") as blob:
        for _ in range(400):
            blob.write(os.urandom(1000) * 1000)
    server.add_package(PACKAGE, content=package, model_id=MODEL)
    # The kernel's own record: that of wait4 also holds what the test process was before exec.
    program = COMMAND[-1] + "print(open('/proc/self/status').read())"
    with start({}, {}, program=program, stdout=subprocess.PIPE, text=True) as process:
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert int(re.search(r"VmHWM:\s+(\d+) kB", said)[1]) * 1024 < 100e6
    assert (tmp_path / "out" / "model.mlpkg").stat().st_size == package.stat().st_size


def test_help_teaches_sources_and_exit_codes(fetch):
    ended = fetch(help=True)
    assert ended.returncode == 0
    for word in ("gs://bucket/name", "75  something that may pass", "MLOPS_API_TOKEN"):
        assert word in ended.stdout
