"""A canary in the place of every credential, and nobody who sings: not to a terminal, a log, an
exception, a status file, Git, a cache, a temporary file, a command line or a pull request."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.proposing import Proposing
from tests.servers.echo import ESCAPE, echo_server
from tests.servers.forges.github import GitHubServer
from tests.team import PACKAGE, Team, action_file, git

PLACES = ["git", "registry", "docker", "helper", "forge", "datarobot", "proxy", "key", "user"]
CANARIES = {place: f"canary-{place}-Zx81/+=" for place in PLACES}
LINE_BREAK = "canary-broken-\nZx81-second"
PROGRAMS = ("git", "ssh", "kustomize", "docker-credential-canary", "gpg", "ssh-keygen")


def parts(text):
    """What of a secret must not be seen: any spelling of it has one of them."""
    yield text.partition("-Zx81")[0].encode()
    for before in range(3):
        code = base64.b64encode(b"x" * before + text.encode())
        yield code[4 * bool(before) : 4 * bool(before) + 16].rstrip(b"=")


FORBIDDEN = [part for text in (*CANARIES.values(), LINE_BREAK) for part in parts(text)]


def silent(content, where):
    for part in FORBIDDEN:
        assert part not in content, f"{part!r} in {where}: {content[:3000]!r}"


def spied(folder):
    """A folder for PATH whose programs note their arguments before they do their work."""
    place = folder / "spies"
    place.mkdir()
    for name in PROGRAMS:
        real = shutil.which(name)
        if name == "docker-credential-canary":
            answer = json.dumps({"Username": "u", "Secret": CANARIES["helper"]})
            work = f"cat >/dev/null; echo '{answer}'"
        elif real:
            work = f'exec {real} "$@"'
        else:
            continue
        path = place / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/arguments\n{work}\n')
        path.chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


class Site:
    """A team whose every neighbour is at `host`, each credential a canary."""

    def __init__(self, folder, host):
        self.team = Team(folder / "team", new_host=True)
        self.folder, self.given = folder, folder / "given"
        for made in (self.given, folder / "home", folder / "tmp"):
            made.mkdir()
        auth = base64.b64encode(f"u:{CANARIES['docker']}".encode()).decode()
        self.write("docker.json", json.dumps(
            {"auths": {host: {"auth": auth}}, "credHelpers": {"helped.example": "canary"}}
        ))  # fmt: skip
        self.write("forge", CANARIES["forge"] + "\n")
        self.write("git", CANARIES["git"] + "\n")
        self.environ = {
            "PATH": spied(folder), "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
            "DATAROBOT": CANARIES["datarobot"], "MLOPS_API_TOKEN": CANARIES["datarobot"],
            "REGISTRY": CANARIES["registry"],
        }  # fmt: skip
        self.sections = {
            "delivery": "pull-request",
            "pull_request": {
                "provider": "github", "api_url": f"http://{host}/api",
                "token": {"file": str(self.given / "forge")},
            },
            "datarobot": {"url": f"http://{host}", "token": {"env": "DATAROBOT"}},
            "registry": {
                "docker_config": str(self.given / "docker.json"), "insecure": [host],
            },
            "actions": {"budget": 10},
        }  # fmt: skip
        self.info = {"modelPackageDetails": None}  # so that DataRobot is asked
        self.url = f"http://{CANARIES['user'].replace('/', '')}@{host}/team/repository.git"

    def write(self, name, text):
        (self.given / name).write_text(text)

    def configure(self, **sections):
        self.team.write_config(
            url=self.url, password={"file": str(self.given / "git")},
            cache=str(self.folder / "cache"),
        )  # fmt: skip
        config = yaml.safe_load(self.team.config.read_text()) | self.sections | sections
        self.team.config.write_text(yaml.safe_dump(config))

    def command(self, action=None, *verb):
        status = self.folder / "status.yaml"
        if action is None:
            return [sys.executable, "-m", "gitops_bridge", "-v", *verb]
        file = action_file(self.team.folder, **self.info)
        return [
            sys.executable, "-m", "gitops_bridge", "-v", "run", "--action", action, "--config",
            file, "--private-config", self.team.config, "--status-file", status, "--show-status",
        ]  # fmt: skip

    def run(self, action=None, *verb, timeout=60):
        done = subprocess.run(
            self.command(action, *verb), cwd=self.folder, env=self.environ, capture_output=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        config = self.team.config.read_bytes()
        silent(said.replace(self.url.encode(), b"") if self.url.encode() in config else said, verb)
        assert ESCAPE[0].encode() not in said
        return said.decode()

    def search(self):
        """Every file, name and git object below the folder but the credentials themselves."""
        told = self.team.config.read_bytes().replace(self.url.encode(), b"")
        silent(told, "the configuration")
        hidden = {self.given, self.folder / "spies"}
        for path in self.folder.rglob("*"):
            if hidden & {path, *path.parents} or path == self.team.config:
                continue
            silent(str(path).encode(), "a name")
            if path.is_file():
                silent(path.read_bytes(), path)
        for repository in {*self.folder.rglob("*.git"), self.team.clone}:
            if (repository / "HEAD").exists() or (repository / ".git").exists():
                silent(objects(repository), repository)


def objects(repository):
    return subprocess.run(
        ["git", "-C", repository, "cat-file", "--batch-all-objects", "--batch"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip


ACTIONS = ("deployment_start", "deployment_replace_model", "deployment_status", "pe_status")


@pytest.mark.parametrize(
    ("status", "style"), [(400, "text"), (401, "json"), (403, "text"), (403, "json"), (302, "text")]
)
def test_servers_that_quote_what_they_were_sent(tmp_path, status, style):
    with echo_server(status, style) as (server, host):
        site = Site(tmp_path, host)
        site.configure()
        said = site.run(None, "doctor", "--config", site.team.config)
        site.run("deployment_start")
        site.url = str(site.team.remote)
        site.configure(build={"gate": "registry"}, delivery="push")
        site.run("deployment_start")
        seen = "\n".join(server.seen)
    for place in ("git", "forge", "datarobot"):  # else the test would search for nothing
        known = CANARIES[place], base64.b64encode(f":{CANARIES[place]}".encode()).decode()[4:-4]
        assert any(text in seen for text in known), (place, said)
    site.search()


@pytest.mark.parametrize("login", ["docker", "helper", "registry"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_quotes_the_login(tmp_path, login, status):
    with echo_server(status) as (server, host):
        site = Site(tmp_path, host)
        site.url = str(site.team.remote)
        if login == "helper":
            site.write("docker.json", json.dumps({"credsStore": "canary"}))
        if login == "registry":
            site.sections["registry"] = {
                "username": "u", "password": {"env": "REGISTRY"}, "insecure": [host],
            }  # fmt: skip
        builder = site.team.clone / "overlays/prod/environment/builder/kustomization.yaml"
        text = builder.read_text().replace("registry.example.com", host)
        builder.write_text(text)
        site.team.commit("Use this registry")
        site.team.push()
        git(site.team.remote, "branch", "builds", "main")
        site.configure(build={"gate": "registry"}, delivery="push")
        said = site.run(None, "doctor", "--config", site.team.config)
        for action in ACTIONS[:1]:
            site.run(action)
        packed = base64.b64encode(f"u:{CANARIES[login]}".encode()).decode()
        assert any(packed in text for text in server.seen), said
    site.search()


def test_a_proxy_with_a_password(tmp_path):
    with echo_server(403, "text") as (server, host):
        site = Site(tmp_path, "remote.invalid")
        password = CANARIES["proxy"].replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")
        for name in ("http_proxy", "https_proxy"):
            site.environ[name] = f"http://u:{password}@{host}"
        site.configure()
        site.run(None, "doctor", "--config", site.team.config)
        site.run("deployment_start")
        site.url = "https://remote.invalid/team/repository.git"
        site.configure()
        site.run("deployment_start")
        assert any(text.startswith("Basic ") for text in server.seen)
    site.search()


@pytest.mark.parametrize("place", ["DATAROBOT", "forge", "git", "key"])
def test_a_secret_that_cannot_be_sent(tmp_path, place):
    """A line break within: libraries quote what they could not use, escaped."""
    with echo_server() as (_, host):
        site = Site(tmp_path, host)
        if place == "DATAROBOT":
            site.environ |= {"DATAROBOT": LINE_BREAK, "MLOPS_API_TOKEN": LINE_BREAK}
        elif place == "key":
            site.write("key", f"-----BEGIN KEY-----\n{LINE_BREAK}\n{CANARIES['key']}\n")
            site.sections["pull_request"] |= {
                "app": {"id": 1, "private_key": {"file": str(site.given / "key")}}, "token": None,
            }  # fmt: skip
        else:
            site.write(place, LINE_BREAK)
        site.configure()
        site.run(None, "doctor", "--config", site.team.config)
        said = site.run("deployment_start")
        assert "Traceback" not in said
    site.search()


def test_a_signing_key_with_a_passphrase(tmp_path):
    site = Site(tmp_path, "127.0.0.1:9")
    key = site.given / "id"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", CANARIES["key"], "-f", key], check=True
    )
    site.url = str(site.team.remote)
    del site.sections["datarobot"]
    site.info = {}
    site.configure(delivery="push", signing={"format": "ssh", "key": str(key)})
    site.run("deployment_start")
    told = yaml.safe_load((site.folder / "status.yaml").read_text())
    assert told["status"] == "failing"
    assert "could not be signed" in told["msg"]
    site.search()


def test_what_is_proposed(tmp_path, monkeypatch):
    """A whole rollout by pull request, with another canary for git and for the provider."""
    monkeypatch.setattr(GitHubServer, "token", CANARIES["forge"])
    monkeypatch.setattr("tests.proposing.PASSWORD", CANARIES["git"])
    with Proposing(tmp_path, GitHubServer) as site:
        outcomes = [site.start(), site.replace(), site.status()]
        for pull in site.forge.pulls.values():
            silent(repr(vars(pull)).encode(), "a pull request")
        assert site.forge.pulls
    silent(repr(outcomes).encode(), "the outcomes")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            silent(path.read_bytes(), path)
    for repository in [site.team.remote, *tmp_path.glob("cache/*/mirror.git")]:
        silent(objects(repository), repository)


@pytest.mark.parametrize("seed", range(4))
def test_killed_anywhere(tmp_path, seed):
    """What is left of an action that is killed, its temporary files included."""
    with echo_server(403) as (_, host):
        site = Site(tmp_path, host)
        if seed % 2:
            site.url = str(site.team.remote)
            site.configure(delivery="push")
        else:
            site.configure()
        for _ in range(3):
            with subprocess.Popen(
                site.command("deployment_start"), cwd=tmp_path, env=site.environ,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            ) as process:  # fmt: skip
                time.sleep(random.Random(seed).uniform(0.1, 0.8))
                os.killpg(process.pid, signal.SIGKILL)
                silent(process.stdout.read().replace(site.url.encode(), b""), "the output")
    site.search()


def test_the_search_finds_what_it_looks_for():
    for text in CANARIES.values():
        for shown in (text, repr(text), base64.b64encode(f"user:{text}".encode()).decode()):
            with pytest.raises(AssertionError):
                silent(f"<{shown}>".encode(), "here")
    assert PACKAGE
