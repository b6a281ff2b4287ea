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


class Resources:
    """The lists of an environment; with `wanted` only what belongs to that deployment."""

    def __init__(
        self, cluster: Cluster, environment: Environment, wanted: Wanted | None = None
    ) -> None:
        self._cluster = cluster
        self._environment = environment
        self._wanted = wanted

    def of_environment(self) -> list[Resource]:
        """Builds that went well are left out, there are as many of them as models: what they built
        is in the registry. So are ReplicaSets, of which every past rollout leaves one: their
        Deployment repeats what they tell."""
        return [
            self._serving(Kind.DEPLOYMENTS, "/apis/apps/v1", "deployments"),
            self._serving(Kind.PODS, "/api/v1", "pods"),
            self._jobs("status.successful=0"),
            self._applications(""),
        ]

    def of_deployment(self, wanted: Wanted) -> list[Resource]:
        """Its Jobs only while an image of it is waited for."""
        return [
            self._serving(Kind.DEPLOYMENTS, "/apis/apps/v1", "deployments"),
            self._serving(Kind.REPLICA_SETS, "/apis/apps/v1", "replicasets"),
            self._serving(Kind.PODS, "/api/v1", "pods"),
            *([self._jobs()] if wanted.awaits_image else []),
            self._applications(f",{APPLICATION_LABEL}={wanted.deployment}"),
        ]

    def build_pods(self) -> Resource:
        """The Pods of builds that have not gone well."""
        return self._builds(Kind.BUILD_PODS, "/api/v1", "pods", "status.phase!=Succeeded")

    def builds_application(self) -> Resource:
        """The Application of the build Jobs: the one that is no deployment's."""
        return self._applications(f",!{APPLICATION_LABEL}")

    def _serving(self, kind: Kind, group: str, name: str) -> Resource:
        labels = (
            f"{DEPLOYMENT_LABEL}={self._wanted.deployment}" if self._wanted else DEPLOYMENT_LABEL
        )
        path = f"{group}/namespaces/{self._environment.namespace}/{name}"
        return Resource(kind, self._access, path, {"labelSelector": labels})

    def _jobs(self, fields: str = "") -> Resource:
        return self._builds(Kind.JOBS, "/apis/batch/v1", "jobs", fields)

    def _builds(self, kind: Kind, group: str, name: str, fields: str) -> Resource:
        model = self._wanted and (self._wanted.pending_model or self._wanted.model)
        labels = f"{KEY_LABEL},{BUILD_MODEL_LABEL}={model}" if model else KEY_LABEL
        query = {"labelSelector": labels, **({"fieldSelector": fields} if fields else {})}
        path = f"{group}/namespaces/{self._environment.builds}/{name}"
        return Resource(kind, self._access, path, query)

    def _applications(self, further: str) -> Resource:
        return Resource(
            Kind.APPLICATIONS,
            self._cluster.access(self._cluster.argocd_context),
            applications(self._cluster.argocd_namespace),
            {"labelSelector": f"{ENVIRONMENT_LABEL}={self._environment.name}{further}"},
        )

    @property
    def _access(self) -> ClusterAccess:
        return self._cluster.access(self._environment.context)


def applications(namespace: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications"
