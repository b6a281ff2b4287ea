"""Pod Security Standards as a check on a Pod's spec:
https://kubernetes.io/docs/concepts/security/pod-security-standards/ (of Kubernetes 1.36)."""

_BASELINE_CAPABILITIES = """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID
    SETPCAP SETUID SYS_CHROOT
"""
BASELINE_CAPABILITIES = set(_BASELINE_CAPABILITIES.split())
_RESTRICTED_VOLUMES = """
    configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret
"""
RESTRICTED_VOLUMES = set(_RESTRICTED_VOLUMES.split())
_SYSCTLS = """
    kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start
    net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports
    net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl
    net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem
"""
SYSCTLS = set(_SYSCTLS.split())
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}


def baseline(pod):
    """What the standard *baseline* refuses about a Pod's spec."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    found += [
        f"hostPath {volume['name']}" for volume in pod.get("volumes", []) if "hostPath" in volume
    ]
    found += _security(pod.get("securityContext", {}), "pod")
    for sysctl in pod.get("securityContext", {}).get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            found.append(f"sysctl {sysctl['name']}")
    for container in _containers(pod):
        name, security = container["name"], container.get("securityContext", {})
        found += _security(security, name)
        if security.get("privileged"):
            found.append(f"{name} privileged")
        added = set(security.get("capabilities", {}).get("add", []))
        found += [
            f"{name} adds {capability}" for capability in sorted(added - BASELINE_CAPABILITIES)
        ]
        if security.get("procMount", "Default") != "Default":
            found.append(f"{name} procMount")
        found += [f"{name} hostPort" for port in container.get("ports", []) if port.get("hostPort")]
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            action = container.get(probe, {})
            if action.get("httpGet", {}).get("host") or action.get("tcpSocket", {}).get("host"):
                found.append(f"{name} {probe} host")
    return found


def restricted(pod):
    """What the standard *restricted* refuses, baseline's refusals among it."""
    found = baseline(pod)
    for volume in pod.get("volumes", []):
        found += [f"volume {kind}" for kind in volume.keys() - {"name"} - RESTRICTED_VOLUMES]
    outer = pod.get("securityContext", {})
    for container in _containers(pod):
        name, security = container["name"], container.get("securityContext", {})
        effective = {**outer, **security}
        if security.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name} allowPrivilegeEscalation")
        if effective.get("runAsNonRoot") is not True:
            found.append(f"{name} runAsNonRoot")
        if effective.get("runAsUser") == 0:
            found.append(f"{name} runAsUser 0")
        if effective.get("seccompProfile", {}).get("type") not in PROFILES:
            found.append(f"{name} seccompProfile")
        capabilities = security.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []):
            found.append(f"{name} does not drop ALL")
        found += [
            f"{name} adds {capability}"
            for capability in sorted(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"})
        ]
    return found


def _security(security, name):
    found = []
    if security.get("seccompProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
        found.append(f"{name} seccompProfile")
    if security.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
        found.append(f"{name} appArmorProfile")
    if security.get("windowsOptions", {}).get("hostProcess"):
        found.append(f"{name} hostProcess")
    linux = security.get("seLinuxOptions", {})
    if linux.get("type", "") not in SELINUX_TYPES or linux.get("user") or linux.get("role"):
        found.append(f"{name} seLinuxOptions")
    return found


def _containers(pod):
    return pod.get("initContainers", []) + pod["containers"]
