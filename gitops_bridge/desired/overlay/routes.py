"""Where the team's environment takes what only a rollout knows, read from its rendered form.

The route into the cluster is the team's choice (environment/serving); its objects hold the word
`deployment-id` where the id belongs. `seams` finds it in the rendered `environment_probe`, and
`component` fills it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gitops_bridge.desired.overlay.names import (
    BASE_NAME,
    ID_WORD,
    MODEL_IMAGE,
    at,
    containers,
    name_of,
    texts,
)
from gitops_bridge.errors import RenderError

WITHOUT_ROUTES = frozenset({"Deployment", "Service"})
"""Where the word is nothing but a text of somebody's."""
_WORD = re.compile(rf"(?<![\w-]){ID_WORD}(?![\w-])")
_ROUTE_KINDS = frozenset({"Ingress", "HTTPRoute"})

_PROBE = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../../../base
components:
  - ../environment/serving
"""


@dataclass(frozen=True)
class Route:
    """A field of a route object that must name the deployment."""

    kind: str
    name: str
    path: str
    """JSON pointer of the field (RFC 6901), the `path` of a JSON 6902 operation."""
    template: str
    """The field's text with `deployment-id` where the id belongs; the last one, when an address
    holds the word as well."""

    def filled(self, deployment_id: str) -> str:
        before, after = _split(self.template)
        return f"{before}{deployment_id}{after}"


@dataclass(frozen=True)
class Seams:
    """Where the team's environment takes what only a rollout knows."""

    routes: tuple[Route, ...]
    leaves_replicas: bool = False
    """Whether Argo CD leaves the number of replicas to an autoscaler that has set it."""


def holds_word(text: str) -> bool:
    """Whether the placeholder stands in a text, not only as a part of another word."""
    return _WORD.search(text) is not None


def _split(template: str) -> tuple[str, str]:
    *_, last = _WORD.finditer(template)
    return template[: last.start()], template[last.end() :]


def environment_probe() -> str:
    """A kustomization of base and environment/serving alone, to read the seams from.

    It must lie as deep as a deployment's: `overlays/<environment>/<any name>/kustomization.yaml`.
    """
    return _PROBE


def seams(objects: list[dict[str, Any]]) -> Seams:
    """The seams in the rendered `environment_probe`.

    Raises RenderError where a model has no place to run, or predictions no way in.
    """
    server = next((item for item in objects if _is_server(item)), None)
    if server is None:
        raise RenderError(
            f"base and environment/serving render no Deployment {BASE_NAME} with a container of "
            f"image {MODEL_IMAGE}",
            hint="leave that image to the rollouts, and git revert what removed it from base/",
        )
    if at(server, "metadata", "namespace"):
        raise RenderError(
            f"environment/serving sets the namespace of Deployment {BASE_NAME}",
            hint="leave it to Argo CD: kustomize would lose the autoscaler's reference to it",
        )
    routes = tuple(_routes(objects))
    _refuse_missing(objects, routes)
    return Seams(routes)


def _is_server(item: dict[str, Any]) -> bool:
    images = {str(container.get("image")) for container in containers(item)}
    return item["kind"] == "Deployment" and name_of(item) == BASE_NAME and MODEL_IMAGE in images


def _routes(objects: list[dict[str, Any]]) -> Iterator[Route]:
    for item in objects:
        if item["kind"] in WITHOUT_ROUTES:
            continue
        for pointer, text in texts(item):
            if holds_word(text):
                yield Route(item["kind"], name_of(item), pointer, text)


def _refuse_missing(objects: list[dict[str, Any]], routes: tuple[Route, ...]) -> None:
    found = {(route.kind, route.name) for route in routes}
    for item in objects:
        if item["kind"] in _ROUTE_KINDS and (item["kind"], name_of(item)) not in found:
            raise RenderError(
                f"{item['kind']} {name_of(item)} of environment/serving does not hold the word "
                f"{ID_WORD}: all deployments would share one address",
                hint=f"end its path with /{ID_WORD}",
            )
    if not found:
        raise RenderError(
            "environment/serving has no route: predictions would not arrive",
            hint="nest base/components/ingress-nginx, ingress-openshift or gateway-httproute in it",
        )
