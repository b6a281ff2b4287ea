"""An Application's objects and its AppProject to what the project refuses, as Argo CD judges it.

https://github.com/argoproj/argo-cd/blob/master/pkg/apis/application/v1alpha1/app_project_types.go
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_bridge.desired.admission.platform import Application
from gitops_bridge.desired.overlay import at, mappings_at

Manifest = Mapping[str, Any]

_CLUSTER_SCOPED_WORDS = """
    APIService CertificateSigningRequest ClusterExternalSecret ClusterIssuer ClusterPolicy
    ClusterRole ClusterRoleBinding ClusterSecretStore ClusterTriggerAuthentication
    ComponentStatus CSIDriver CSINode CustomResourceDefinition DeviceClass FlowSchema
    GatewayClass IngressClass IPAddress MutatingAdmissionPolicy
    MutatingAdmissionPolicyBinding MutatingWebhookConfiguration Namespace Node
    PersistentVolume PodSecurityPolicy PriorityClass PriorityLevelConfiguration
    ResourceSlice RuntimeClass SecurityContextConstraints ServiceCIDR StorageClass
    ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
    ValidatingWebhookConfiguration VolumeAttachment VolumeAttributesClass
"""
_CLUSTER_SCOPED = frozenset(_CLUSTER_SCOPED_WORDS.split())


def refused(
    application: Application, project: Manifest, objects: list[dict[str, Any]]
) -> Iterator[str]:
    """Why Argo CD would not sync the objects of the Application."""
    name = application.project
    if not _permits_source(project, application.repository):
        yield (
            f"AppProject {name} does not allow the repository {application.repository} "
            "(sourceRepos)"
        )
    for namespace in sorted(
        {_namespace(item, application) for item in objects} or {application.namespace}
    ):
        if not _permits_destination(project, application.server, namespace):
            yield (
                f"AppProject {name} does not allow the namespace {namespace} of "
                f"{application.server} (destinations)"
            )
    for group, kind in sorted({_group_kind(item) for item in objects}):
        if not permits_kind(project, group, kind):
            scope = "cluster" if is_cluster_scoped(kind) else "namespace"
            yield (
                f"AppProject {name} does not allow {f'{group}/' if group else ''}{kind}: Argo CD "
                f"would refuse the whole sync. Add it to {scope}ResourceWhitelist, or remove it"
            )


def is_cluster_scoped(kind: str) -> bool:
    return kind in _CLUSTER_SCOPED


def permits_kind(project: Manifest, group: str, kind: str) -> bool:
    """A list of namespaced kinds that is absent allows all, of cluster-scoped kinds none."""
    scope = "cluster" if is_cluster_scoped(kind) else "namespace"
    listed = at(project, "spec", f"{scope}ResourceWhitelist")
    allowed = (
        scope == "namespace"
        if listed is None
        else _is_listed(project, f"{scope}ResourceWhitelist", group, kind)
    )
    return allowed and not _is_listed(project, f"{scope}ResourceBlacklist", group, kind)


def _is_listed(project: Manifest, key: str, group: str, kind: str) -> bool:
    return any(
        fnmatch.fnmatchcase(group, str(entry.get("group", "")))
        and fnmatch.fnmatchcase(kind, str(entry.get("kind", "")))
        for entry in mappings_at(project, "spec", key)
    )


def _permits_source(project: Manifest, repository: str) -> bool:
    listed = at(project, "spec", "sourceRepos")
    patterns = [_plain_url(str(item)) for item in listed] if isinstance(listed, list) else []
    repository = _plain_url(repository)
    denied = any(fnmatch.fnmatchcase(repository, item[1:]) for item in patterns if item[:1] == "!")
    return not denied and any(fnmatch.fnmatchcase(repository, item) for item in patterns)


def _plain_url(url: str) -> str:
    """Argo CD takes https://host/x and https://host/x.git for one repository."""
    return url.strip().lower().removesuffix("/").removesuffix(".git")


def _permits_destination(project: Manifest, server: str, namespace: str) -> bool:
    allowed = False
    for entry in mappings_at(project, "spec", "destinations"):
        where = str(entry.get("server") or entry.get("name") or "")
        scope = str(entry.get("namespace", ""))
        denies = where.startswith("!") or scope.startswith("!")
        fits = fnmatch.fnmatchcase(server, where.lstrip("!")) and fnmatch.fnmatchcase(
            namespace, scope.lstrip("!")
        )
        if denies and fits:
            return False
        allowed = allowed or (fits and not denies)
    return allowed


def _namespace(item: Manifest, application: Application) -> str:
    if is_cluster_scoped(str(item.get("kind"))):
        return application.namespace
    return str(at(item, "metadata", "namespace") or application.namespace)


def _group_kind(item: Manifest) -> tuple[str, str]:
    group, slash, _ = str(item.get("apiVersion", "")).rpartition("/")
    return group if slash else "", str(item.get("kind"))
