"""Does nothing: what the agent's runner itself costs."""

from __future__ import annotations

from typing import Any

from bosun.plugin.action_status import ActionStatus, ActionStatusInfo
from bosun.plugin.bosun_plugin_base import BosunPluginBase


class NoopPlugin(BosunPluginBase):  # type: ignore[misc]
    def _nothing(self, *_: Any) -> ActionStatusInfo:
        return ActionStatusInfo(ActionStatus.OK, msg="nothing done")

    plugin_start = plugin_stop = deployment_list = deployment_start = deployment_stop = _nothing
    deployment_replace_model = deployment_status = deployment_relaunch = pe_status = _nothing
    endpoint_update = endpoint_status = _nothing
