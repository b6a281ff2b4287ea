"""A team whose repository lies behind smart HTTP, its main protected, beside a provider's API.

    with Proposing(tmp_path, GitHubServer) as site:
        site.act("deployment_start")            # through `handle`, as the entry points call it
        site.merge(1, "squash")                 # what people do at the provider

The provider's branches are those of the real repository, and its merges are made there with git.
Time passes only by sleeping. `everywhere` makes a fixture that has a site at each provider.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, ItemsView, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_bridge import agent
from gitops_bridge.actions import Outcome
from gitops_bridge.controller import Context, handle, open_context, verbs
from gitops_bridge.controller.loop import Result
from gitops_bridge.errors import BridgeError
from gitops_bridge.forge import Location, connect
from gitops_bridge.git import Signature
from tests.servers.forges.base import ForgeServer, Pull, Reply, Request
from tests.servers.forges.contract import PROVIDERS, Clock
from tests.servers.git_http import GitServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, Team, action_file, git

PASSWORD = "canary-git-7f3a"
ANN = Signature("Ann", "ann@example.com")
BRANCH = f"gitops-bridge/prod/{DEPLOYMENT}"
_PROTECTION = """#!/bin/sh
if [ "$1" = refs/heads/main ] && [ -n "$REMOTE_USER" ]; then
  echo "GH006: Protected branch update failed for refs/heads/main." >&2
  exit 1
fi
"""
BRANCHES_AND_TAGS = """#!/bin/sh
case "$1" in refs/heads/*|refs/tags/*) ;; *)
  echo "PermissionDenied: branch:$1 is illegal" >&2
  exit 1 ;;
esac
"""
"""Of hosts that take nothing else, in the words of one of them."""


class Branches(MutableMapping[str, str]):
    """The branches of a real repository, by name."""

    def __init__(self, remote: Path) -> None:
        self._remote = remote

    def _refs(self) -> dict[str, str]:
        form = "--format=%(refname:lstrip=2) %(objectname)"
        lines = git(self._remote, "for-each-ref", form, "refs/heads").splitlines()
        return dict(line.split(" ") for line in lines)

    def __getitem__(self, name: str) -> str:
        return self._refs()[name]

    def __setitem__(self, name: str, commit: str) -> None:
        git(self._remote, "update-ref", f"refs/heads/{name}", commit)

    def __delitem__(self, name: str) -> None:
        git(self._remote, "update-ref", "-d", f"refs/heads/{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs())

    def __len__(self) -> int:
        return len(self._refs())

    def items(self) -> ItemsView[str, str]:
        """By one call of git, not one for each."""
        return self._refs().items()


def everywhere(*features: str) -> Callable[..., Any]:
    """A fixture that runs once for each provider that has these of `Forge.features`."""

    def has_them(kind: type[ForgeServer]) -> bool:
        location, clock = Location(kind.provider, "", "http://localhost", kind.project), Clock()
        forge = connect(location, lambda: "", clock=clock, sleep=clock.sleep)
        return forge.features >= set(features)

    params = [kind for kind in PROVIDERS if has_them(kind)]
    return pytest.fixture(params=params, ids=lambda kind: kind.provider)


def live(kind: type[ForgeServer]) -> type[ForgeServer]:
    """The stand-in whose open pull requests are where their branches are, and end with them where
    the provider does that."""

    class Live(kind):  # type: ignore[valid-type, misc]
        heads: dict[str, str] = {}  # noqa: RUF012
        land: Callable[[Pull, str], str]
        """Merges it in the repository, one of the three ways; the commit."""

        def answer(self, request: Request) -> Reply | None:
            if self.head_lag <= 0:
                self.follow()
            self.head_lag -= 1
            return super().answer(request)

        def decline(self, number: int, **how: Any) -> None:
            self.follow()
            super().decline(number, **how)

        def merge(self, number: int, by: str = "ann", how: str = "merge") -> str:
            self.follow()
            commit = self.land(self.pulls[number], how)
            super().merge(number, by, how)
            self.pulls[number].commit = commit
            return commit

        def follow(self) -> None:
            before, self.heads = self.heads, dict(self.branches.items())
            for pull in self.pulls.values():
                if pull.state != "open" or pull.fork:
                    continue
                head = self.heads.get(pull.branch)
                if head and head != pull.head:
                    self.move(pull, head)
                elif head is None and pull.branch in before and self.closes_with_branch:
                    super().decline(pull.number, by="bridge")

    return Live


_SERVING: dict[str, tuple[tempfile.TemporaryDirectory[str], dict[int, Pull], float]] = {}
"""What `Proposing.serving` led to: repository, pull requests and time, by what it began with."""


class Proposing:
    """The site. `outcomes` of actions come back as the entry point gets them."""

    def __init__(
        self,
        folder: Path,
        kind: type[ForgeServer],
        *,
        protected: bool = True,
        delivery: object = "pull-request",
        pull_request: dict[str, Any] | None = None,
        environments: tuple[str, ...] = ("prod",),
        team: Team | None = None,
        **sections: object,
    ) -> None:
        self.team = team or Team(folder, environments)
        self.folder, self._rule = folder, ""
        if team is None:
            git(self.team.remote, "branch", "builds", "main")
        if protected:
            self.rule(_PROTECTION)
        self.forge = live(kind)(Branches(self.team.remote))
        self.forge.land = self._land
        served = folder / self.forge.remote
        served.parent.mkdir(parents=True)
        served.symlink_to(self.team.remote)
        self.git = GitServer(folder, users={"bridge": PASSWORD})
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": str(folder),
            **getattr(team, "environ", {}), "GIT_PASSWORD": PASSWORD,
            "FORGE_TOKEN": self.forge.token,
        }  # fmt: skip
        self.now = 1_700_000_000.0
        self._delivery, self._pull_request = delivery, pull_request or {}
        self._sections, self._environments = sections, environments

    def __enter__(self) -> Proposing:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.git)
            stack.enter_context(self.forge.running())
            self._stack = stack.pop_all()
        self.configure()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        assert self.forge.violations == [], self.forge.violations

    def rule(self, script: str) -> None:
        """A rule of the server for every ref that is pushed: an `update` hook."""
        self._rule = script
        hook = self.team.remote / "hooks" / "update"
        hook.write_text(script)
        hook.chmod(0o755)

    def configure(self, **sections: object) -> None:
        self.team.write_config(
            self._environments, url=self.git.url(self.forge.remote), username="bridge",
            password={"env": "GIT_PASSWORD"},
        )  # fmt: skip
        config = yaml.safe_load(self.team.config.read_text())
        config |= {
            "delivery": self._delivery,
            "pull_request": self.settings(),
            "actions": {"budget": 30},
            **self._sections, **sections,
        }  # fmt: skip
        self.team.config.write_text(yaml.safe_dump(config))

    def settings(self, **changes: object) -> dict[str, object]:
        """The section `pull_request` of the configuration."""
        return {
            "provider": self.forge.provider, "api_url": self.forge.api_url,
            "token": {"env": "FORGE_TOKEN"}, **self._pull_request, **changes,
        }  # fmt: skip

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def ctx(self) -> Context:
        """As a new process opens it."""
        config = agent.read_config(self.team.config)
        return open_context(
            config, self.environ, clock=self.clock, monotonic=self.clock, sleep=self.sleep
        )

    def act(self, action: str, **info: object) -> Outcome:
        """What the entry point reports: errors as it tells them."""
        self.now += 1
        try:
            request = agent.read_request(action, self.file(**info))
            return handle(self.ctx(), request)
        except BridgeError as error:
            return agent.failure(error)

    def file(self, **info: object) -> Path:
        return action_file(self.folder, **info)

    def start(self, model: str = MODEL_A, **info: object) -> Outcome:
        return self.act("deployment_start", modelId=model, **info)

    def replace(self, old: str = MODEL_A, new: str = MODEL_B, **info: object) -> Outcome:
        return self.act("deployment_replace_model", modelId=old, newModelId=new, **info)

    def status(self, **info: object) -> Outcome:
        return self.act("deployment_status", **info)

    def release(self, deployment: str = DEPLOYMENT) -> Result:
        """What `gitops-bridge release` does, by Ann."""
        ctx = self.ctx()
        return verbs.release(ctx, verbs.target(ctx, deployment, None), ANN)

    def rollback(self, to: str | None = None, deployment: str = DEPLOYMENT) -> Result:
        """What `gitops-bridge rollback` does, by Ann."""
        ctx = self.ctx()
        return verbs.rollback(ctx, verbs.target(ctx, deployment, None), to, ANN)

    def serving(self, **info: object) -> None:
        """Model A is on main, merged. The way there is gone once; sites that begin alike have from
        it what another machine would find."""
        assert not self.forge.pulls
        config = self.team.config.read_text()
        for own in (self.git.url(""), self.forge.url, str(self.folder)):
            config = config.replace(own, "")
        begin = repr((self.forge.provider, self.branches, config, self._rule, self.now, info))
        if begin not in _SERVING:
            self.start(**info)
            self.merge(max(self.forge.pulls))
            self.status()
            kept = tempfile.TemporaryDirectory()
            shutil.copytree(self.team.remote, kept.name, dirs_exist_ok=True)
            _SERVING[begin] = kept, copy.deepcopy(self.forge.pulls), self.now
            shutil.rmtree(self.folder / "cache")
            return
        kept, pulls, self.now = _SERVING[begin]
        shutil.copytree(kept.name, self.team.remote, dirs_exist_ok=True)
        for number, pull in copy.deepcopy(pulls).items():
            self.forge.pulls[number] = pull
            self.forge.touch(pull)

    # what people do

    def merge(self, number: int, how: str = "merge", by: str = "ann") -> str:
        """Merge at the provider: a merge, a squash or a rebase, made with git in the repository."""
        return self.forge.merge(number, by, how)

    def _land(self, pull: Pull, how: str) -> str:
        self._sync()
        clone, head = self.team.clone, f"origin/{pull.branch}"
        if how == "squash":
            git(clone, "merge", "--quiet", "--squash", head)
            message = f"{pull.title} (#{pull.number})\n\n{pull.body}"
            git(clone, "commit", "--quiet", "--cleanup=verbatim", "--message", message)
        elif how == "rebase":
            git(clone, "cherry-pick", f"HEAD..{head}")
        else:
            git(clone, "merge", "--quiet", "--no-ff", "--no-edit", head)
        self.team.push()
        return self.team.head()

    def reopen(self, number: int) -> None:
        """Open one again that was closed, with its branch put back where that is gone."""
        pull = self.forge.pulls[number]
        self.forge.branches[pull.branch] = pull.head
        pull.state, pull.by = "open", None
        self.forge.touch(pull)

    def push_to_branch(self, path: str, content: str, branch: str = BRANCH) -> str:
        """Somebody pushes a commit of their own to a proposal's branch."""
        self._sync()
        git(self.team.clone, "checkout", "--quiet", "--detach", f"origin/{branch}")
        target = self.team.clone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        commit = self.team.commit("A person's own")
        git(self.team.clone, "push", "--quiet", "origin", f"HEAD:{branch}")
        git(self.team.clone, "checkout", "--quiet", "-B", "main", "origin/main")
        return commit

    def revert(self) -> None:
        """Somebody reverts the newest commit of main."""
        self._sync()
        git(self.team.clone, "revert", "--no-edit", "HEAD")
        self.team.push()

    def commit_to_main(self, path: str, content: str | None, message: str = "By hand") -> str:
        self._sync()
        target = self.team.clone / path
        if content is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        commit = self.team.commit(message)
        self.team.push()
        return commit

    def _sync(self) -> None:
        git(self.team.clone, "fetch", "--quiet", "--prune", "origin")
        git(self.team.clone, "checkout", "--quiet", "-B", "main", "origin/main")

    # what is there

    def phase(self, deployment: str = DEPLOYMENT) -> str:
        """Where the rollout stands, as the branch `rollouts` says."""
        return self.team.phase(deployment)

    @property
    def branches(self) -> dict[str, str]:
        return dict(self.forge.branches.items())

    def only(self) -> Pull:
        """The one pull request there is."""
        (pull,) = self.forge.pulls.values()
        return pull

    def drafted(self) -> bool:
        """Whether the one pull request is a draft, as the provider's API says."""
        (pull,) = self.ctx().forge().recent("gitops-bridge/")
        return pull.draft

    def on_main(self, deployment: str = DEPLOYMENT, environment: str = "prod") -> dict[str, Any]:
        """The record on main; {} when there is none."""
        path = f"main:overlays/{environment}/{deployment}/model/record.yaml"
        found = subprocess.run(
            ["git", "show", path], cwd=self.team.remote, capture_output=True, text=True
        )
        return yaml.safe_load(found.stdout) if found.returncode == 0 else {}


class GatedSite(Proposing):
    """A Proposing whose images come from a registry; `package` goes with an action."""

    def file(self, package: str | None = None, **info: object) -> Path:
        return self.team.file(package, **info)  # type: ignore[attr-defined, no-any-return]
