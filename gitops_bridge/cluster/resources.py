"""Where the API keeps each kind, and which of its objects are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge.config import Cluster, ClusterAccess, Environment
from gitops_bridge.desired.jobs import KEY_LABEL
from gitops_bridge.desired.jobs import MODEL_LABEL as BUILD_MODEL_LABEL
from gitops_bridge.desired.overlay.names import DEPLOYMENT_LABEL
from gitops_bridge.live import Kind, Wanted

ENVIRONMENT_LABEL = "gitops-bridge.io/environment"
APPLICATION_LABEL = "gitops-bridge.io/deployment"
"""Labels that the shipped ApplicationSets give every Application."""

_ROLES = {
    Kind.DEPLOYMENTS: "serving",
    Kind.REPLICA_SETS: "serving",
    Kind.PODS: "serving",
    Kind.JOBS: "builds",
    Kind.BUILD_PODS: "builds",
    Kind.APPLICATIONS: "applications",
}


@dataclass(frozen=True)
class Resource:
    """A list of the API: which server, which path, which query."""

    kind: Kind
    access: ClusterAccess
    path: str
    query: Mapping[str, str]

    @property
    def grant(self) -> str:
        """The command that gives the right to list it."""
        namespace, folder = self.path.split("/namespaces/")[1].split("/")[0], _ROLES[self.kind]
        return f"kubectl apply -n {namespace} -k argocd/live-state/{folder}"


def resources(cluster: Cluster, environment: Environment, wanted: Wanted | None) -> list[Resource]:
    """The lists of an environment, or of one deployment in it.

    Builds that went well are left out, there are as many of them as models: what they built is in
    the registry. ReplicaSets, of which every past rollout leaves one, are listed for one deployment
    only; their Deployment repeats what they tell.
    """
    serving = cluster.access(environment.context)
    ours = f"{DEPLOYMENT_LABEL}={wanted.deployment}" if wanted else DEPLOYMENT_LABEL
    apps, pods = f"/apis/apps/v1/namespaces/{environment.namespace}", "/api/v1/namespaces"
    builds = KEY_LABEL
    if wanted and (model := wanted.pending_model or wanted.model):
        builds = f"{KEY_LABEL},{BUILD_MODEL_LABEL}={model}"
    application = f"{ENVIRONMENT_LABEL}={environment.name}"
    if wanted:
        application += f",{APPLICATION_LABEL}={wanted.deployment}"
    found = [
        Resource(Kind.DEPLOYMENTS, serving, f"{apps}/deployments", selects(ours)),
        Resource(Kind.PODS, serving, f"{pods}/{environment.namespace}/pods", selects(ours)),
        Resource(
            Kind.JOBS,
            serving,
            f"/apis/batch/v1/namespaces/{environment.builds}/jobs",
            selects(builds, None if wanted else "status.successful=0"),
        ),
        Resource(
            Kind.APPLICATIONS,
            cluster.access(cluster.argocd_context),
            applications(cluster.argocd_namespace),
            selects(application),
        ),
    ]
    if wanted:
        sets = Resource(Kind.REPLICA_SETS, serving, f"{apps}/replicasets", selects(ours))
        found.append(sets)
    return found


def build_pods(cluster: Cluster, environment: Environment, wanted: Wanted | None) -> Resource:
    """The Pods of builds that have not gone well."""
    serving = cluster.access(environment.context)
    builds = KEY_LABEL
    if wanted and (model := wanted.pending_model or wanted.model):
        builds = f"{KEY_LABEL},{BUILD_MODEL_LABEL}={model}"
    return Resource(
        Kind.BUILD_PODS,
        serving,
        f"/api/v1/namespaces/{environment.builds}/pods",
        selects(builds, "status.phase!=Succeeded"),
    )


def builds_application(cluster: Cluster, environment: Environment) -> Resource:
    """The Application of the build Jobs: the one of the environment that is no deployment's."""
    return Resource(
        Kind.APPLICATIONS,
        cluster.access(cluster.argocd_context),
        applications(cluster.argocd_namespace),
        selects(f"{ENVIRONMENT_LABEL}={environment.name},!{APPLICATION_LABEL}"),
    )


def applications(namespace: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications"


def selects(labels: str, fields: str | None = None) -> dict[str, str]:
    query = {"labelSelector": labels}
    return {**query, "fieldSelector": fields} if fields else query
