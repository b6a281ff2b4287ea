"""A team whose environment pushes to a real registry, with actions called in this process so that
time can be made to pass."""

from __future__ import annotations

import hashlib
import json
import os

import yaml

from gitops_bridge import agent
from gitops_bridge.controller import handle, open_context
from gitops_bridge.registry.access import Access
from gitops_bridge.registry.client import MANIFESTS, Registry
from gitops_bridge.registry.credentials import Credential, keychain
from tests.servers.registry import PASSWORD, USER
from tests.team import DEPLOYMENT, Team, action_file, git, orphan

PACKAGE_A = "65f0aa11bb22cc33dd44ee50"
PACKAGE_B = "65f0aa11bb22cc33dd44ee51"
PACKAGE_C = "65f0aa11bb22cc33dd44ee52"
KEY = "gitops-bridge.io/content-key"
BRANCH = f"gitops-bridge/prod/{DEPLOYMENT}"
HOME = f"overlays/prod/{DEPLOYMENT}"


class Clock:
    """The time of the day and the time that only grows, in one; `meanwhile` runs in each sleep."""

    def __init__(self):
        self.now = 1_800_000_000.0
        self.slept = 0
        self.meanwhile = lambda: None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1
        self.meanwhile()


class Gated(Team):
    """`host` is the registry's; `login` whether it wants USER and PASSWORD."""

    def __init__(self, folder, host, *, gate="registry", login=False, environments=("prod",)):
        self.host, self.gate, self.login = host, gate, login
        self.repository = f"{host}/{folder.name.lower().replace('_', '-')}/models"
        self.clock = Clock()
        self.environ = {**os.environ, "REGISTRY_PASSWORD": PASSWORD}
        super().__init__(folder, environments)
        for name in environments:
            self.write_builder(name)
        git(self.clone, "commit", "--quiet", "--all", "--amend", "--no-edit")
        git(self.clone, "push", "--quiet", "--force", "origin", "main")
        git(self.remote, "branch", "builds", orphan(self.remote, "Builds"))

    def write_builder(self, environment="prod", **settings):
        path = self.clone / "overlays" / environment / "environment/builder/kustomization.yaml"
        content = yaml.safe_load(path.read_text())
        base = f"{self.host}/datarobot/datarobot-portable-prediction-api:11.2.1"
        content["commonAnnotations"] |= {
            "gitops-bridge.io/image-repository": self.repository,
            "gitops-bridge.io/pps-image": base,
            **{f"gitops-bridge.io/{key.replace('_', '-')}": v for key, v in settings.items()},
        }
        path.write_text(yaml.safe_dump(content))

    def write_config(self, environments=("prod",), **repository):
        super().write_config(environments, **repository)
        self.configure(build={"gate": self.gate})
        if self.login:
            self.configure(registry={"username": USER, "password": {"env": "REGISTRY_PASSWORD"}})

    def configure(self, **sections):
        config = yaml.safe_load(self.config.read_text())
        for name, section in sections.items():
            config[name] = {**config.get(name, {}), **section}
        self.config.write_text(yaml.safe_dump(config))

    # -- the bridge

    def ctx(self):
        config = agent.read_config(self.config)
        clock = self.clock
        return open_context(config, self.environ, clock=clock, monotonic=clock, sleep=clock.sleep)

    def file(self, package=None, **info):
        if package:
            path = self.folder / f"package-{package}.json"
            path.write_text(json.dumps({"id": package, "name": f"package {package}"}))
            info["modelPackageDetails"] = str(path)
        info.setdefault("modelPackageDetails", None)  # as older agents send it
        return action_file(self.folder, **info)

    def act(self, action, package=None, **info):
        """An Outcome; errors come as they do through an entry point."""
        from gitops_bridge.errors import BridgeError

        try:
            return handle(self.ctx(), agent.read_request(action, self.file(package, **info)))
        except BridgeError as error:
            return agent.failure(error)

    def status(self, **info):
        return self.act("deployment_status", **info)

    # -- what stands in Git

    def refs(self):
        found = git(self.remote, "for-each-ref", "--format=%(refname:short)", "refs/heads")
        return sorted(found.split())

    def jobs(self):
        return git(self.remote, "ls-tree", "-r", "--name-only", "builds").split()

    def job(self, path=None):
        path = path or self.jobs()[-1]
        return yaml.safe_load(git(self.remote, "show", f"builds:{path}"))

    def record(self, branch="main", home=HOME):
        return yaml.safe_load(git(self.remote, "show", f"{branch}:{home}/model/record.yaml"))

    def at(self, branch="main"):
        return git(self.remote, "rev-parse", branch).strip()

    # -- the registry

    def registry(self):
        given = {self.host: Credential(USER, PASSWORD)} if self.login else {}
        return Registry(keychain(None, "", given), Access())

    def built(self, path=None, label=None, labels=None):
        """What the Job does, without its work: an image under its tag. The digest."""
        job = self.job(path)
        target = job["metadata"]["annotations"]["gitops-bridge.io/image"]
        key = job["metadata"]["annotations"][KEY] if label is None else label
        return self.put_image(target, key, labels)

    def put_image(self, target, label, labels=None, **more):
        repository = target.rpartition(":")[0]
        config = json.dumps(
            {
                "architecture": "amd64", "os": "linux",
                "config": {"Labels": {KEY: label, **(labels or {})}},
                "rootfs": {"type": "layers", "diff_ids": []}, **more,
            }
        ).encode()  # fmt: skip
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFESTS[0],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config),
            },
            "layers": [],
        }  # fmt: skip
        with self.registry() as registry:
            registry.push_blob(repository, manifest["config"]["digest"], config)
            return registry.put_manifest(target, json.dumps(manifest).encode(), MANIFESTS[0])

    def remove(self, repository, digest):
        """Delete a manifest, as a registry's retention does."""
        import requests

        name = repository.partition("/")[2]
        answer = requests.delete(f"http://{self.host}/v2/{name}/manifests/{digest}", timeout=10)
        assert answer.status_code == 202, answer.text
