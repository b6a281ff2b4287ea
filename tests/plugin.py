"""DataRobot's built-in Kubernetes plugin as an oracle, and the way from its settings to ours.

`render` is what the plugin makes of a configuration; `environment` translates the configuration
into the folders of an environment, by the tables of docs/seams.md; `differences` compares both.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from bosun.plugin.deployment_info import DeploymentInfo
from bosun.plugin.k8s.config import KubernetesPluginConfig
from bosun.plugin.k8s.manifests import ManifestGenerationError, ResourceBuilder
from bosun.plugin.pe_info import PEInfo

from tests.rendering import ROOT, a_component, operation

__all__ = ["ManifestGenerationError", "differences", "environment", "render", "table"]

MONITORED = "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING"
ABSENT = object()


def render(config, environment_id, deployment):
    """The objects the plugin creates for `deployment`, a deploymentInfo, its Secret included."""
    builder = ResourceBuilder(
        KubernetesPluginConfig(dict(config)), PEInfo({"id": environment_id, "name": "x"})
    )
    info = DeploymentInfo(deployment)
    objects = builder.get_pps_manifest(info)["items"]
    return [*objects, builder.get_mlops_secret_manifest(info)]


def table(document, first):
    """The rows of the table in docs/<document> whose first column is headed `first`."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    body = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.M)
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in body[1].splitlines()
    ]


def patch_keys():
    """docs/seams.md's first table: key to folder, kind of object, operation, path."""
    return {key.strip("`"): row for key, *row in table("seams.md", "key | folder")}


def environment(config):
    """The environment folders (text by folder) that say what `config` says to the plugin."""
    sidecar = config.get("agentSidecar", True)
    patches = {"serving": {}, "monitoring": {}, "autoscaling": {}}
    for key, (folder, kind, how, path) in patch_keys().items():
        if key not in config or (folder == "monitoring" and sidecar == (key == "spoolerSettings")):
            continue
        found = patches[folder].setdefault((kind, "mlops"), [])
        if how == "add, each":
            for name, value in config[key].items():
                found.append(operation("add", path.strip("`").replace("<key>", name), value))
        else:
            found.append(operation(how, path.strip("`"), config[key]))
    route = config.get("ingressType", "nginx")
    patches["serving"].setdefault(("Ingress", "mlops"), []).extend(_address(config, route))
    name, colon, tag = config["agentImage"].rpartition(":")
    whole = not colon or "/" in tag  # a port is no tag
    agent = {"name": "tracking-agent", "newName": config["agentImage"] if whole else name}
    agent |= {} if whole else {"newTag": tag}
    return {
        "serving": a_component(f"ingress-{route}", patches=patches["serving"]),
        "autoscaling": a_component("autoscaling", patches=patches["autoscaling"]),
        "monitoring": a_component(
            *(["monitoring-agent"] if sidecar else []),
            patches=patches["monitoring"],
            images=[agent] if sidecar else [],
        ),
    }


def _address(config, route):
    parts = urlsplit(config["outfacingPredictionURLPrefix"])
    path = parts.path.rstrip("/") + "/deployment-id"
    yield operation(
        "replace",
        "/spec/rules/0/http/paths/0/path",
        f"{path}(/|$)(.*)" if route == "nginx" else path,
    )
    try:
        ip_address(parts.hostname)
    except ValueError:
        yield operation("add", "/spec/rules/0/host", parts.hostname)
    if route == "nginx" and parts.scheme == "http":
        yield operation(
            "replace",
            "/metadata/annotations/nginx.ingress.kubernetes.io~1force-ssl-redirect",
            "false",
        )


def differences(theirs, ours):
    """(field, theirs, ours) wherever two lists of objects differ; ABSENT where there is none."""
    theirs, ours = ({item["kind"]: item for item in items} for items in (theirs, ours))
    for kind in sorted({*theirs, *ours}):
        if kind not in theirs or kind not in ours:
            yield kind, theirs.get(kind, ABSENT), ours.get(kind, ABSENT)
            continue
        left, right = (dict(_fields(items[kind], kind)) for items in (theirs, ours))
        for field in sorted({*left, *right}):
            if _is_opened(field, left, right) or _is_opened(field, right, left):
                continue
            values = left.get(field, ABSENT), right.get(field, ABSENT)
            if values[0] != values[1] or type(values[0]) is not type(values[1]):
                yield field, *values


def _is_opened(field, one, other):
    """Empty on one side, with content on the other: the content is the difference."""
    return one.get(field, ABSENT) in ({}, [], None) and any(
        name.startswith((f"{field}/", f"{field}[")) for name in other
    )


def _fields(node, path):
    """Every leaf of a document; an empty mapping or list is a leaf, too."""
    if isinstance(node, dict) and node:
        bracketed = path.endswith(("labels", "annotations", "matchLabels", "nodeSelector"))
        for key, value in node.items():
            yield from _fields(value, f"{path}[{key}]" if bracketed else f"{path}/{key}")
    elif isinstance(node, list) and node:
        names = [item.get("name") if isinstance(item, dict) else None for item in node]
        named = None not in names and len(set(names)) == len(names)
        for index, value in enumerate(node):
            if named:
                value = {key: inner for key, inner in value.items() if key != "name"}
            yield from _fields(value, f"{path}[{names[index] if named else index}]")
    else:
        yield path, node
