"""The DataRobot REST API: model packages and their files, what is known of models, deployments."""

from gitops_bridge.datarobot.api import (
    DataRobot,
    Download,
    Facts,
    PackageDetails,
    retry_after,
    session,
)

__all__ = ["DataRobot", "Download", "Facts", "PackageDetails", "retry_after", "session"]
