"""The entry point for DataRobot's management agent, which `bosun-plugin-runner` loads by name.

    bosun-plugin-runner --plugin gitops_bridge.bosun --private-config gitops-bridge.yaml …

The runner accepts exactly one plugin class, defined in the module it was told to load. It hands the
action file over as data; the plugin answers with the Outcome of `controller.handle`, and writes the
status file itself, whole, so that one exists also when the runner is told to end (SIGTERM).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bosun.plugin.action_status import ActionStatusInfo
from bosun.plugin.bosun_plugin_base import BosunPluginBase

from gitops_bridge import agent
from gitops_bridge.actions import Action, Outcome
from gitops_bridge.errors import ConfigError


class GitOpsPlugin(BosunPluginBase):  # type: ignore[misc]
    """Every action is one call of `run_action`; the single methods exist for callers of those."""

    def __init__(
        self,
        plugin_config: dict[str, Any],
        private_config_file: str | None,
        pe_info: dict[str, Any] | None = None,
        dry_run: bool = False,
    ) -> None:
        super().__init__(plugin_config, private_config_file, pe_info, dry_run)
        self._environment_info = pe_info
        self._upkeep: Callable[[], None] = lambda: None

    def run_action(
        self,
        action: str,
        deployment_info: dict[str, Any] | None,
        endpoint_info: dict[str, Any] | None = None,
        status_file: str | None = None,
    ) -> ActionStatusInfo:
        started = time.monotonic()
        self._set_deployment_info(deployment_info)
        runners = signal.getsignal(signal.SIGTERM)
        outcome = agent.answer(action, lambda: self._handle(action))
        status = agent.status(outcome, action, duration=time.monotonic() - started, now=time.time())
        if status_file:
            agent.write_status(Path(status_file), status)
        agent.upkeep(self._upkeep)
        agent.on_sigterm(runners)
        return _info(status)

    def plugin_start(self) -> ActionStatusInfo:
        return self._answer(Action.PLUGIN_START)

    def plugin_stop(self) -> ActionStatusInfo:
        return self._answer(Action.PLUGIN_STOP)

    def deployment_list(self) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_LIST)

    def deployment_start(self, deployment_info: object) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_START)

    def deployment_stop(self, deployment_id: str) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_STOP)

    def deployment_replace_model(self, deployment_info: object) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_REPLACE_MODEL)

    def deployment_status(self, deployment_info: object) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_STATUS)

    def deployment_relaunch(self, deployment_info: object) -> ActionStatusInfo:
        return self._answer(Action.DEPLOYMENT_RELAUNCH)

    def pe_status(self) -> ActionStatusInfo:
        return self._answer(Action.PE_STATUS)

    def endpoint_update(self, endpoint_info: object) -> ActionStatusInfo:
        return self._answer(Action.ENDPOINT_UPDATE)

    def endpoint_status(self, endpoint_info: object) -> ActionStatusInfo:
        return self._answer(Action.ENDPOINT_STATUS)

    def _answer(self, action: Action) -> ActionStatusInfo:
        return self.run_action(action.value, self._deployment_info)

    def _handle(self, action: str) -> Outcome:
        from gitops_bridge.controller import handle, maintain, open_context

        request = agent.request(action, self._document())
        if not self._private_config_file:
            raise ConfigError("--private-config is missing", hint="the path of gitops-bridge.yaml")
        config = agent.read_config(Path(self._private_config_file))
        ctx = open_context(config, os.environ)
        self._upkeep = partial(maintain, ctx)
        return handle(ctx, request, dry_run=bool(self._dry_run))

    def _document(self) -> dict[str, Any]:
        """The action file as the runner handed it over, section by section."""
        return {
            "pluginConfig": self._plugin_config,
            "peInfo": self._environment_info,
            "deploymentInfo": self._deployment_info,
        }


def _info(status: dict[str, Any]) -> ActionStatusInfo:
    info = ActionStatusInfo(
        status["status"], status["msg"], status["state"], status["duration"], status["data"]
    )
    info.timestamp = status["timestamp"]
    return info
