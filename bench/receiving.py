"""What the server alone takes for a push of one commit: `git receive-pack`, fed by hand."""

from __future__ import annotations

import subprocess
import time

import pygit2

from bench.world import World, environ, git
from gitops_bridge.git import Signature
from gitops_bridge.git.commits import CommitWriter, Edit
from gitops_bridge.git.trees import edited

_ME = Signature("bench", "bench@localhost")
_SCRIBE = CommitWriter(_ME, time.time, None)


class Received:
    """A copy of a world's repository that receives one commit at a time; only that is timed."""

    def __init__(self, here: World) -> None:
        self._here = here
        self._remote = here.remote("received")
        client = here.root / "received-client.git"
        git(here.root, "clone", "--quiet", "--bare", "--shared", str(here.base), str(client))
        self._client = pygit2.Repository(str(client))
        self._head = git(client, "rev-parse", "main").strip()

    def turn(self, turn: int) -> float:
        new = self._commit(turn)
        request = self._request(self._head, new)
        began = time.perf_counter()
        done = subprocess.run(
            ["git", "receive-pack", "--stateless-rpc", str(self._remote)],
            input=request, env=environ(self._here.root), check=True, capture_output=True,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if b"ok refs/heads/main" not in done.stdout:
            raise RuntimeError(done.stdout.decode(errors="replace"))
        self._head = new
        return seconds

    def _commit(self, turn: int) -> str:
        path = f"{self._here.spot(turn).home}/model/record.yaml"
        edit = Edit({path: b"turn: %d\n" % turn}, {}, f"Turn {turn}", _ME)
        parent = self._client[self._head]
        tree = edited(self._client, parent.tree.id, edit.changes)
        return _SCRIBE.write(self._client, tree=tree, parent=self._head, edit=edit)

    def _request(self, old: str, new: str) -> bytes:
        """https://git-scm.com/docs/pack-protocol#_pushing_data_to_a_server"""
        pack = subprocess.run(
            ["git", f"--git-dir={self._client.path}", "pack-objects", "--revs", "--stdout",
             "--thin", "--quiet"],
            input=f"{new}\n^{old}\n".encode(), env=environ(self._here.root), check=True,
            capture_output=True,
        ).stdout  # fmt: skip
        command = f"{old} {new} refs/heads/main\0report-status\n".encode()
        return b"%04x%s0000%s" % (len(command) + 4, command, pack)
