"""A Kubernetes API server's answers to an Observation of an environment, and the few writes.

Reading is `Reader` (once) and `Watch` (kept up to date); `writing` and `lease` are apart from it
and need rights of their own. Of the package `kubernetes` only configuration, authentication and
transport are used, imported when a cluster is asked: its typed models cost ten times the time of
raw JSON.
"""

from gitops_bridge.cluster.connection import Connection
from gitops_bridge.cluster.lease import Lease
from gitops_bridge.cluster.reading import Reader, judged, verdict_of, verdicts_of
from gitops_bridge.cluster.watching import Watch, WatchingReader
from gitops_bridge.cluster.writing import Notice, Writer

__all__ = [
    "Connection",
    "Lease",
    "Notice",
    "Reader",
    "Watch",
    "WatchingReader",
    "Writer",
    "judged",
    "verdict_of",
    "verdicts_of",
]
