"""Which Pods answer predictions, with which model, and whether it is the wanted one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gitops_bridge.desired.overlay import Image
from gitops_bridge.live.observed import Observed, Pod
from gitops_bridge.live.wanted import Wanted


def live(observed: Observed) -> list[Pod]:
    return [pod for pod in observed.pods if pod.live]


def answering(observed: Observed) -> list[Pod]:
    """The Pods that a Service sends requests to."""
    return [pod for pod in live(observed) if pod.ready]


def still_answering(observed: Observed) -> list[Pod]:
    """Those on their way out as well: without others they go on getting requests.
    https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#serving"""
    return [pod for pod in observed.pods if pod.ready and pod.phase == "Running"]


def is_of(wanted: Wanted, pod: Pod) -> bool:
    """Whether a Pod is meant to run the wanted model, be it started already or not."""
    return names(pod.image, wanted.image) and pod.model in (None, wanted.model)


def runs(wanted: Wanted, pod: Pod) -> bool:
    """Whether the wanted image is what the container runtime reports for the Pod."""
    if wanted.image is None or not is_of(wanted, pod) or pod.digest is None:
        return False
    if wanted.image.digest:
        return pod.digest == wanted.image.digest
    return wanted.models.get(pod.digest, wanted.model) == wanted.model


def names(name: str | None, image: Image | None) -> bool:
    """Whether an image's name in a manifest means `image`: by its digest, else by its tag."""
    if name is None or image is None:
        return False
    if image.digest:
        return name.endswith(f"@{image.digest}")
    return name.partition("@")[0] == f"{image.repository}:{image.tag}"


def model_of(wanted: Wanted, pod: Pod) -> str | None:
    """The model of the image that runs, or will; the label where Git does not know the digest."""
    digest = pod.digest or (pod.image or "").partition("@")[2]
    return wanted.models.get(digest) or pod.model


def others(wanted: Wanted, pods: Sequence[Pod]) -> list[Pod]:
    """The Pods of another model, or of one that nobody can name."""
    return [pod for pod in pods if model_of(wanted, pod) != wanted.model or wanted.model is None]


def running_model(wanted: Wanted, observed: Observed) -> tuple[str | None, str | None]:
    """The model that answers, and its digest. While two do it is the one that is being replaced:
    the other one has not taken over yet."""
    pods = answering(observed)
    chosen = others(wanted, pods) or pods
    counts = Counter((model_of(wanted, pod) or "", pod.digest or "") for pod in chosen)
    if not counts:
        return None, None
    (model, digest), _ = max(counts.items(), key=lambda item: (item[1], item[0]))
    return model or None, digest or None
