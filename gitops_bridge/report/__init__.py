"""A fleet of deployments and what happened to each, as one page that needs no server.

`FleetReport` goes in, HTML comes out; who reads Git and the cluster hands the values in.
"""

from gitops_bridge.report.model import (
    Badge,
    DeploymentTimeline,
    Event,
    FleetReport,
    Link,
    Tone,
)
from gitops_bridge.report.page import render

__all__ = ["Badge", "DeploymentTimeline", "Event", "FleetReport", "Link", "Tone", "render"]
