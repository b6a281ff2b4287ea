"""What the cluster shows of a deployment to whether it serves, fails, or is on its way.

`judge(wanted, observation.of(wanted))` gives the Verdict. `cluster` makes the Observation from the
Kubernetes API with `parse`.
"""

from gitops_bridge.live.judge import judge
from gitops_bridge.live.observed import (
    Application,
    BuildJob,
    Container,
    Kind,
    Observation,
    Observed,
    Pod,
    Refusal,
    ReplicaSet,
    Source,
    Unseen,
    Workload,
)
from gitops_bridge.live.parsing import parse
from gitops_bridge.live.verdict import LiveState, Verdict
from gitops_bridge.live.wanted import Goal, Wanted

__all__ = [
    "Application",
    "BuildJob",
    "Container",
    "Goal",
    "Kind",
    "LiveState",
    "Observation",
    "Observed",
    "Pod",
    "Refusal",
    "ReplicaSet",
    "Source",
    "Unseen",
    "Verdict",
    "Wanted",
    "Workload",
    "judge",
    "parse",
]
