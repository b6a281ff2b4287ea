"""What holds for any input: it is understood, or refused by an error of ours; nothing else."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from fuzz.junk import JUNK, almost, damaged
from fuzz.server import Server, running
from gitops_bridge import agent, config, documents
from gitops_bridge.actions import Action
from gitops_bridge.datarobot import DataRobot, deployments, session
from gitops_bridge.desired import dockerfile, foreign_dockerfile, record
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.forge import Location, connect
from gitops_bridge.images import archives
from gitops_bridge.registry.access import Access, Patience
from gitops_bridge.registry.client import Registry
from gitops_bridge.registry.credentials import keychain
from gitops_bridge.rollout import state_file
from tests.git_team import bare, open_repository, put
from tests.servers.forges.contract import PROVIDERS
from tests.servers.packages import custom_package, dedicated_package
from tests.team import action_file

ID = "65f0aa11bb22cc33dd44ee50"
_KEPT = ExitStack()
_STATUS = st.sampled_from([200, 200, 200, 200, 201, 204, 303, 400, 404, 418, 429, 500])


@functools.cache
def server() -> Server:
    return _KEPT.enter_context(running())


@functools.cache
def folder() -> Path:
    return Path(_KEPT.enter_context(tempfile.TemporaryDirectory()))


@functools.cache
def _action() -> Any:
    return yaml.safe_load(action_file(folder()).read_text())


@functools.cache
def _packages() -> tuple[bytes, ...]:
    return dedicated_package(2000), custom_package()


# -- files


@given(st.sampled_from([action.value for action in Action]), st.data())
def action_files(action: str, data: st.DataObject) -> None:
    document = data.draw(almost(_action()))
    with suppress(BridgeError):
        agent.request(action, document)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.data())
def action_bytes(content: bytes, data: st.DataObject) -> None:
    path = folder() / "any.yaml"
    written = yaml.safe_dump(_action()).encode()
    path.write_bytes(data.draw(st.just(content) | damaged(written)))
    with suppress(BridgeError):
        agent.read_request("deployment_start", path)


DETAILS = {
    "id": ID, "name": "churn", "modelId": ID, "modelExecutionType": "dedicated",
    "target": {"name": "y", "type": "Binary", "classNames": ["a", "b"]},
    "modelKind": {"isTimeSeries": False}, "sourceMeta": {"scoringCode": {"location": "x"}},
    "modelDescription": {"modelName": "GBM", "description": ""}, "tags": [],
}  # fmt: skip


@given(almost(DETAILS) | JUNK)
def package_facts(details: Any) -> None:
    path = folder() / "details.json"
    path.write_text(json.dumps(details))
    document = {**_action()}
    document["deploymentInfo"] = {**document["deploymentInfo"], "modelPackageDetails": str(path)}
    with suppress(BridgeError):
        agent.request("deployment_start", document)


CONFIG = {
    "repository": {
        "url": "https://git.example.com/x.git", "branch": "main", "username": "bridge",
        "password": {"env": "GIT"}, "proxy": "http://proxy:3128", "cache": "/var/cache/x",
    },
    "environments": {
        ID: {"name": "prod", "namespace": "ml", "prediction_url": "https://p.example.com"}
    },
    "author": {"name": "a", "email": "a@example.com"},
    "delivery": {"default": "push", "CRITICAL": "pull-request"},
    "pull_request": {"token": {"file": "/x"}, "labels": ["a"], "reviewers": ["b"]},
    "datarobot": {"url": "https://app.example.com", "token": {"env": "T"}},
    "registry": {"docker_config": "/x", "insecure": ["r:5000"]},
    "build": {"gate": "registry"}, "actions": {"budget": 200}, "limits": {"removals": 3},
}  # fmt: skip


@given(almost(CONFIG))
def configuration(document: Any) -> None:
    with suppress(ConfigError):
        config.load(document, "gitops-bridge.yaml")


@given(st.binary() | st.text().map(str.encode) | damaged(b"a: &x {b: [1, '2', !!bool yes]}\nc: *x"))
def yaml_and_json(content: bytes) -> None:
    for read in (documents.load, documents.load_verbatim, documents.repeated_keys):
        with suppress(documents.InvalidYaml):
            read(content)
    with suppress(ValueError):
        documents.load_json(content)


RECORD = b"""action: deployment_start
deployment: {id: 65a000000000000000000010, name: churn}
model: {id: 65a000000000000000000020, execution_type: dedicated, format: datarobot}
image: registry.example.com/x:1
rollout: 1
"""


@given(damaged(RECORD) | st.binary(max_size=100))
def records(content: bytes) -> None:
    for read in (record.read, record.serving, record.model_of, state_file.read):
        with suppress(BridgeError):
            read(content, "record.yaml")


# -- packages


@given(st.data())
def archive(data: st.DataObject) -> None:
    content = data.draw(damaged(data.draw(st.sampled_from(_packages()))))
    home = folder() / "archives"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    path, into = home / "package", home / "into"
    path.write_bytes(content)
    into.mkdir()
    for use in (archives.check, lambda at: archives.unpack(at, into)):
        with suppress(BridgeError):
            use(path)
    assert sorted(item.name for item in home.iterdir()) == ["into", "package"]


DOCKERFILE = (
    'FROM python:3.12 AS a\nENV X="y z" Q=1\nRUN echo \\\n  hi\nCOPY a b\nENTRYPOINT ["x"]\n'
)


@given(damaged(DOCKERFILE.encode()) | st.text().map(str.encode), st.text("ab=\"'\\ \n\t#"))
def dockerfiles(content: bytes, variables: str) -> None:
    with suppress(BridgeError):
        foreign_dockerfile.last_stage(content.decode("utf-8", "replace"))
    with suppress(BridgeError):
        dockerfile.variables_of(variables)


# -- neighbours

DEPLOYMENT = {
    "id": ID, "label": "churn", "status": "active", "importance": "HIGH",
    "model": {"id": ID, "type": "GBM"}, "modelPackage": {"id": ID}, "modelId": ID,
    "predictionEnvironment": {"id": ID, "supportedModelFormats": ["datarobot"]},
    "data": [{"id": ID, "modelId": ID, "label": "x", "status": "open", "change": {"x": 1}}],
    "totalCount": 1, "next": None, "metrics": {"AUC": {"value": 0.5}, "totalPredictions": 4},
    "versionString": "2.36", "buildStatus": "complete", "target": DETAILS["target"],
    "messages": [], "status_": "passing",
}  # fmt: skip


@given(almost(DEPLOYMENT) | JUNK, _STATUS)
def datarobot(document: Any, status: int) -> None:
    server().answer(status, document, Location="/elsewhere", Retry_After="1")
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with session(server().url, "token") as rest:
        for ask in (
            lambda api: api.version(),
            lambda api: api.details(ID),
            lambda api: api.ready(ID),
            lambda api: api.package_for(ID, ID),
            lambda api: api.importance(ID),
            lambda api: api.facts(ID, serving=ID, proposed=ID, package=ID),
            lambda api: api.package_file(ID, installer=True),
            lambda api: deployments.is_gone(api, ID),
        ):
            api = DataRobot(rest, clock=lambda: now[0], sleep=sleep, patience=5)
            with suppress(BridgeError):
                ask(api)


MANIFEST = {
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"digest": f"sha256:{'0' * 64}", "size": 10, "Labels": {"a": "b"}},
    "layers": [], "token": "x", "errors": [{"code": "DENIED", "message": "no"}],
    "manifests": [
        {"digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "amd64"}}
    ],
}  # fmt: skip


@given(
    almost(MANIFEST) | JUNK,
    _STATUS,
    st.sampled_from(
        ["", "Basic", 'Bearer realm="{url}token",service="x"', 'Bearer realm="http://["']
    ),
)
def registry(document: Any, status: int, challenge: str) -> None:
    host = server().url.split("/")[2]
    known = challenge.replace("{url}", server().url)
    server().answer(status, document, WWW_Authenticate=known, Docker_Content_Digest="x")
    access = Access(patience=Patience(1, 1, 0, 0))
    with Registry(keychain(None, ""), access) as client:
        for ask in (client.digest, client.labels, client.image):
            with suppress(BridgeError):
                ask(f"{host}/team/models:1")


PULL = {
    "number": 1, "iid": 1, "id": 1, "pullRequestId": 1, "state": "open", "status": "active",
    "title": "x", "body": "y", "description": "y", "html_url": "https://f/1", "web_url": "u",
    "head": {"ref": "b", "sha": "a" * 40, "repo": {"full_name": "t/r"}}, "version": 1,
    "base": {"ref": "main", "repo": {"full_name": "t/r"}}, "user": {"login": "x"}, "labels": [],
    "source_branch": "b", "target_branch": "main", "sha": "a" * 40, "draft": False,
    "fromRef": {"id": "refs/heads/b", "latestCommit": "a" * 40}, "toRef": {"id": "refs/heads/main"},
    "source": {"branch": {"name": "b"}, "commit": {"hash": "a" * 12}}, "merged_at": None,
    "links": {"html": {"href": "u"}, "self": [{"href": "u"}]}, "isLastPage": True,
    "sourceRefName": "refs/heads/b", "lastMergeSourceCommit": {"commitId": "a" * 40},
}  # fmt: skip


@given(
    st.sampled_from(PROVIDERS),
    almost(PULL) | almost([PULL]) | almost({"values": [PULL], "value": [PULL]}) | JUNK,
    _STATUS,
)
def forges(kind: Any, document: Any, status: int) -> None:
    server().answer(status, document)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    location = Location(kind.provider, "", server().url, kind.project)
    forge = connect(
        location, lambda: "token", clock=lambda: now[0], sleep=sleep, patience=5
    )  # fmt: skip
    for ask in (
        lambda: forge.find("b"),
        lambda: list(forge.recent("b")),
        lambda: forge.look(1, None),
    ):
        with suppress(BridgeError):
            ask()


# -- what is remembered


@given(st.data())
def mirrors(data: st.DataObject) -> None:
    """Whatever one file of the mirror holds: the next delivery heals it and arrives."""
    home = folder() / "mirrors"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    team = bare(home, {"a": b"1\n"})
    open_repository(team, home / "cache").deliver("main", put("b", b"1"))
    (mirror,) = (home / "cache").glob("*/mirror.git")
    files = sorted(path for path in mirror.parent.rglob("*") if path.is_file())
    chosen = data.draw(st.integers(0, len(files) - 1))
    path = files[chosen]
    content = data.draw(damaged(path.read_bytes()))
    path.chmod(0o600)
    path.write_bytes(content)
    assert open_repository(team, home / "cache").deliver("main", put("b", b"2"))


PROPERTIES: dict[str, Callable[[], None]] = {
    prop.__name__: prop
    for prop in (
        action_files, action_bytes, package_facts, configuration, yaml_and_json, records, archive,
        dockerfiles, datarobot, registry, forges, mirrors,
    )
}  # fmt: skip
