"""A recorded snapshot put into the Kubernetes API stand-in, and the configuration that reads it."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime

from gitops_bridge.config import Cluster, Environment
from gitops_bridge.live import Kind
from tests.recordings import REPOSITORY
from tests.team import ENVIRONMENT_ID

SERVING, BUILDS, ARGOCD = "mlops-prod", "mlops-builds", "argocd"
PLACES = {
    Kind.DEPLOYMENTS: ("deployments", SERVING),
    Kind.REPLICA_SETS: ("replicasets", SERVING),
    Kind.PODS: ("pods", SERVING),
    Kind.JOBS: ("jobs", BUILDS),
    Kind.BUILD_PODS: ("pods", BUILDS),
    Kind.APPLICATIONS: ("applications", ARGOCD),
}


PROD = Environment("65a0", "prod", SERVING, "https://x.example.com", builds_namespace=BUILDS)


def configured(server, folder, **contexts) -> Cluster:
    return Cluster(kubeconfig=str(server.kubeconfig(folder, **contexts)))


def connect(team, server) -> None:
    """Has a team's bridge see the server as the cluster of its environment."""
    environment = {
        "name": "prod",
        "namespace": SERVING,
        "builds_namespace": BUILDS,
        "prediction_url": "https://predictions.example.com/deployments",
    }
    team.configure(
        actions={"budget": 1},
        cluster={"kubeconfig": str(server.kubeconfig(team.folder / "kube"))},
        environments={ENVIRONMENT_ID: environment},
    )


def labelled(kind: Kind, item: dict) -> dict:
    """With the labels that our build Jobs and the shipped ApplicationSets give: the recorded
    cluster was set up by hand."""
    item = copy.deepcopy(item)
    labels = item["metadata"].setdefault("labels", {})
    if kind in (Kind.JOBS, Kind.BUILD_PODS):
        model = labels.get("bosun.datarobot.com/model", "")
        labels |= {"gitops-bridge.io/content-key": "3f9c1d2000", "gitops-bridge.io/model-id": model}
    if kind is Kind.APPLICATIONS:
        labels["gitops-bridge.io/environment"] = "prod"
        path = item["spec"]["source"]["path"]
        if path.startswith("overlays/"):
            labels["gitops-bridge.io/deployment"] = path.rpartition("/")[2]
    return item


def show(server, snapshot) -> None:
    """Makes the cluster hold what the snapshot shows, and nothing else, at that time."""
    server.now = datetime.fromisoformat(snapshot.at.replace("Z", "+00:00")).timestamp()
    for kind, (resource, namespace) in PLACES.items():
        items = [labelled(kind, item) for item in snapshot.items(kind)]
        server.replace_all(resource, namespace, items)
    for item in snapshot.items(Kind.BUILD_PODS):
        statuses = item["status"]
        for found in [
            *statuses.get("initContainerStatuses", []),
            *statuses.get("containerStatuses", []),
        ]:
            log = "\n".join(snapshot.build_log)
            server.logs[item["metadata"]["name"], found["name"], False] = log


def deployed(server, snapshot, *, deployment, model, image, commits, old_model=None) -> None:
    """Makes the cluster hold the serving part of a snapshot, as if it were of another deployment.

    `image` is `repository:tag@digest` of the model that the snapshot wants, `commits` the last one
    without it and the first one with it, for what Argo CD compared.
    """
    git, (before, ours) = snapshot.git, commits
    repository, digest = image.rpartition("@")[0].rpartition(":")[0], image.rpartition("@")[2]
    swaps = {
        f"{REPOSITORY}:{git['tag']}@{git['digest']}": image,
        f"{REPOSITORY}@{git['digest']}": f"{repository}@{digest}",
        git["deployment"]: deployment,
        git["model"]: model,
        **({git["previous_model"]: old_model} if old_model else {}),
    }

    def revision(found):
        return found[1] + (ours if snapshot.is_ours(found[2]) else before) + '"'

    for kind in (Kind.DEPLOYMENTS, Kind.REPLICA_SETS, Kind.PODS, Kind.APPLICATIONS):
        text = json.dumps(snapshot.items(kind))
        for old, new in swaps.items():
            text = text.replace(old, new)
        text = re.sub(r'("revision": ")([0-9a-f]{40})"', revision, text)
        resource, namespace = PLACES[kind]
        items = [labelled(kind, item) for item in json.loads(text)]
        server.replace_all(resource, namespace, items)
