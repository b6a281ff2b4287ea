"""Replaces a model by the git program in a kept work tree: the plugin as a script would do it.

The private configuration holds `tree`, a clone. One action at a time, by a lock beside the tree.
"""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path
from typing import Any

import yaml
from bosun.plugin.action_status import ActionStatus, ActionStatusInfo
from bosun.plugin.bosun_plugin_base import BosunPluginBase
from bosun.plugin.constants import DeploymentState


class GitPlugin(BosunPluginBase):  # type: ignore[misc]
    def __init__(self, plugin_config: Any, private_config_file: Any, *rest: Any) -> None:
        super().__init__(plugin_config, private_config_file, *rest)
        with open(private_config_file, encoding="utf-8") as file:
            self._tree = Path(yaml.load(file, yaml.CSafeLoader)["tree"])

    def deployment_replace_model(self, deployment_info: Any) -> ActionStatusInfo:
        identifier, old = deployment_info.id, deployment_info.model_id
        home = next((self._tree / "overlays").glob(f"*/{identifier}")).relative_to(self._tree)
        with open(f"{self._tree}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._git("fetch", "--quiet", "origin", "main")
            self._git("reset", "--quiet", "--hard", "origin/main")
            for name in ("kustomization.yaml", "record.yaml"):
                path = self._tree / home / "model" / name
                text = path.read_text()
                path.write_text(text.replace(old, deployment_info.new_model_id))
            self._git("add", "--", str(home))
            self._git("commit", "--quiet", "--message", f"Replace model of {identifier}")
            self._git("push", "--quiet", "origin", "HEAD:main")
        return ActionStatusInfo(ActionStatus.OK, state=DeploymentState.REPLACING_MODEL)

    def _git(self, *arguments: str) -> None:
        command = ["git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", *arguments]
        subprocess.run(command, cwd=self._tree, check=True, capture_output=True)

    def _unsupported(self, *_: Any) -> ActionStatusInfo:
        return ActionStatusInfo(ActionStatus.ERROR, msg="not supported")

    plugin_start = plugin_stop = deployment_list = deployment_start = deployment_stop = _unsupported
    deployment_status = deployment_relaunch = pe_status = _unsupported
    endpoint_update = endpoint_status = _unsupported
