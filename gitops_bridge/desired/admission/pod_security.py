"""A Pod's spec to what a level of the Pod Security Standards refuses about it.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (of Kubernetes 1.36)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_bridge.desired.overlay import at, mapping_at, mappings_at

Spec = Mapping[str, Any]

DEFAULT = "baseline"

_BASELINE_CAPABILITIES_WORDS = """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID
    SETPCAP SETUID SYS_CHROOT
"""
_BASELINE_CAPABILITIES = frozenset(_BASELINE_CAPABILITIES_WORDS.split())
_RESTRICTED_VOLUMES_WORDS = """
    configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected
    secret
"""
_RESTRICTED_VOLUMES = frozenset(_RESTRICTED_VOLUMES_WORDS.split())
_SYSCTLS_WORDS = """
    kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start
    net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports
    net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl
    net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem
"""
_SYSCTLS = frozenset(_SYSCTLS_WORDS.split())
_SELINUX_TYPES = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})


def refused(level: str, pod: Spec) -> list[str]:
    """What the level refuses: of `privileged`, and of a level nobody knows, nothing."""
    return list({"baseline": baseline, "restricted": restricted}.get(level, _nothing)(pod))


def _nothing(_: Spec) -> Iterator[str]:
    return iter(())


def baseline(pod: Spec) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in mappings_at(pod, "volumes"):
        if "hostPath" in volume:
            yield f"hostPath {volume.get('name')}"
    yield from _security(mapping_at(pod, "securityContext"), "pod")
    for sysctl in mappings_at(pod, "securityContext", "sysctls"):
        if sysctl.get("name") not in _SYSCTLS:
            yield f"sysctl {sysctl.get('name')}"
    for container in _containers(pod):
        yield from _baseline_container(container)


def _baseline_container(container: Spec) -> Iterator[str]:
    name, security = container.get("name"), mapping_at(container, "securityContext")
    yield from _security(security, name)
    if security.get("privileged"):
        yield f"{name} privileged"
    for capability in sorted(_capabilities(security, "add") - _BASELINE_CAPABILITIES):
        yield f"{name} adds {capability}"
    if security.get("procMount", "Default") != "Default":
        yield f"{name} procMount"
    for port in mappings_at(container, "ports"):
        if port.get("hostPort"):
            yield f"{name} hostPort"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if at(container, probe, "httpGet", "host") or at(container, probe, "tcpSocket", "host"):
            yield f"{name} {probe} host"


def restricted(pod: Spec) -> Iterator[str]:
    """Baseline's refusals and more."""
    yield from baseline(pod)
    for volume in mappings_at(pod, "volumes"):
        for kind in sorted(volume.keys() - {"name"} - _RESTRICTED_VOLUMES):
            yield f"volume {kind}"
    outer = mapping_at(pod, "securityContext")
    for container in _containers(pod):
        yield from _restricted_container(container, outer)


def _restricted_container(container: Spec, outer: Spec) -> Iterator[str]:
    name, security = container.get("name"), mapping_at(container, "securityContext")
    effective = {**outer, **security}
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{name} allowPrivilegeEscalation"
    if effective.get("runAsNonRoot") is not True:
        yield f"{name} runAsNonRoot"
    if effective.get("runAsUser") == 0:
        yield f"{name} runAsUser 0"
    if at(effective, "seccompProfile", "type") not in _PROFILES:
        yield f"{name} seccompProfile"
    if "ALL" not in _capabilities(security, "drop"):
        yield f"{name} does not drop ALL"
    for capability in sorted(_capabilities(security, "add") - {"NET_BIND_SERVICE"}):
        yield f"{name} adds {capability}"


def _security(security: Spec, name: object) -> Iterator[str]:
    for profile in ("seccompProfile", "appArmorProfile"):
        if mapping_at(security, profile).get("type", "RuntimeDefault") not in _PROFILES:
            yield f"{name} {profile}"
    if at(security, "windowsOptions", "hostProcess"):
        yield f"{name} hostProcess"
    linux = mapping_at(security, "seLinuxOptions")
    if linux.get("type", "") not in _SELINUX_TYPES or linux.get("user") or linux.get("role"):
        yield f"{name} seLinuxOptions"


def _capabilities(security: Spec, key: str) -> set[str]:
    listed = at(security, "capabilities", key)
    return {str(item) for item in listed} if isinstance(listed, list) else set()


def _containers(pod: Spec) -> list[Spec]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in mappings_at(pod, kind)]
