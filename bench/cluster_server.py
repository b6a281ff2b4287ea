"""`python -m bench.cluster_server FOLDER COUNT`: an API server with COUNT deployments that are
ready, two Pods each. Prints the path of its kubeconfig, and serves until its input ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gitops_bridge.live import Kind
from tests import clusters, recordings
from tests.servers.kubernetes import KubernetesServer

READY = "replace/12-done"
MANAGED = [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {
    f"f:field{number}": {"f:value": {}} for number in range(40)
}}]  # fmt: skip
"""What a real server sends along with every object."""


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    snapshot = next(found for found in recordings.snapshots() if found.name == READY)
    with KubernetesServer() as server:
        for kind in (Kind.DEPLOYMENTS, Kind.PODS, Kind.APPLICATIONS):
            text = json.dumps(snapshot.items(kind))
            for number in range(count):
                own = text.replace(snapshot.git["deployment"], f"{number:024x}")
                for item in json.loads(own):
                    item["metadata"]["managedFields"] = MANAGED
                    server.put(*clusters.PLACES[kind], clusters.labelled(kind, item))
        print(server.kubeconfig(folder), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
