"""`python -m bench.cluster_reader ours|typed KUBECONFIG COUNT`: asks once whether all serve, and
prints what it took as JSON: seconds of CPU after the imports, of the imports, and megabytes."""

from __future__ import annotations

import json
import resource
import sys
import time


def main() -> None:
    who, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began = time.process_time()
    from kubernetes import client, config  # both need it

    imported = time.process_time()
    ready = ours(path, count) if who == "ours" else typed(client, config, path)
    taken = time.process_time() - imported
    if ready != count:
        raise SystemExit(f"{ready} of {count} are ready")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": taken, "imports": imported - began, "megabytes": peak}))


def ours(path: str, count: int) -> int:
    from gitops_bridge.cluster import Reader, verdicts_of
    from gitops_bridge.config import Cluster
    from gitops_bridge.desired.overlay import Image
    from gitops_bridge.live import Goal, LiveState, Wanted
    from tests.clusters import PROD
    from tests.recordings import REPOSITORY

    model = "650000000000000000000112"
    digest = "sha256:1a145ffe88dbb528c70a09639fc41b932f1cc361a2aae1bb9ef6f7c35ae16cf6"
    image = Image(REPOSITORY, model, digest)
    wanted = [
        Wanted("prod", f"{number:024x}", Goal.SERVE, model, image, models={digest: model})
        for number in range(count)
    ]
    reader = Reader(Cluster(kubeconfig=path))
    observation = reader.read(PROD, lambda: 60.0)
    verdicts = verdicts_of(reader, PROD, wanted, observation, lambda: 60.0)
    return sum(verdict.state is LiveState.READY for verdict in verdicts.values())


def typed(client, config, path: str) -> int:  # type: ignore[no-untyped-def]
    """As DataRobot's built-in plugin asks: the Deployments as objects of the package."""
    with config.new_client_from_config(path, persist_config=False) as api:
        apps = client.AppsV1Api(api)
        found = apps.list_namespaced_deployment(
            "mlops-prod", label_selector="bosun.datarobot.com/env"
        )
    return sum(
        item.status.available_replicas == item.status.replicas == item.spec.replicas
        for item in found.items
    )


if __name__ == "__main__":
    main()
