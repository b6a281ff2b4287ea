"""Where the team's environment takes the deployment's id."""

import pytest

from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay import Route, Seams
from gitops_bridge.errors import RenderError
from tests.rendering import FIRST, ID, Refused, Repository, a_component, build, by_kind, operation


def test_the_examples_seams_are_read_from_its_render(tmp_path):
    repository = Repository(tmp_path)
    repository.add_environment("example")
    assert repository.seams("example").routes == (
        Route(
            "Ingress",
            "mlops",
            "/spec/rules/0/http/paths/0/path",
            "/deployments/deployment-id(/|$)(.*)",
        ),
    )


def test_a_host_of_its_own_for_each_deployment(tmp_path):
    repository = Repository(tmp_path)
    host = operation("add", "/spec/rules/0/host", "deployment-id.models.example.com")
    serving = a_component("ingress-openshift", patches={("Ingress", "mlops"): [host]})
    repository.add_environment("prod", {"serving": serving})
    text = overlay.component(**FIRST, seams=repository.seams("prod"))
    objects = build(repository.add_deployment("prod", ID, text))
    rule = by_kind(objects)["Ingress"]["spec"]["rules"][0]
    assert rule["host"] == f"{ID}.models.example.com"
    assert rule["http"]["paths"][0]["path"] == f"/deployments/{ID}"


def test_two_routes_each_get_the_id(tmp_path):
    repository = Repository(tmp_path)
    repository.add_environment(
        "prod", {"serving": a_component("ingress-nginx", "gateway-httproute")}
    )
    seams = repository.seams("prod")
    assert [route.kind for route in seams.routes] == ["HTTPRoute", "Ingress"] or [
        route.kind for route in seams.routes
    ] == ["Ingress", "HTTPRoute"]
    objects = build(repository.add_deployment("prod", ID, overlay.component(**FIRST, seams=seams)))
    assert overlay.unresolved(objects) == []


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        (a_component(), "no route"),
        (
            a_component(
                "ingress-nginx",
                patches={
                    ("Ingress", "mlops"): [
                        operation("replace", "/spec/rules/0/http/paths/0/path", "/models")
                    ]
                },
            ),
            "all deployments would share one address",
        ),
        (a_component("ingress-nginx", namespace="mlops"), "sets the namespace"),
        (
            a_component("ingress-nginx", images=[{"name": "model-image", "newName": "x"}]),
            "no Deployment mlops with a container of image model-image",
        ),
    ],
)
def test_an_environment_without_a_place_is_refused(tmp_path, serving, message):
    repository = Repository(tmp_path)
    repository.add_environment("prod", {"serving": serving})
    with pytest.raises(RenderError, match=message) as caught:
        repository.seams("prod")
    assert caught.value.hint


def test_a_route_that_vanished_stops_the_build(tmp_path):
    """kustomize ignores a patch without a target; one whose field is gone it refuses."""
    repository = Repository(tmp_path)
    repository.add_environment("prod")
    gone = Seams((Route("Ingress", "mlops", "/spec/rules/3/host", "deployment-id.example.com"),))
    folder = repository.add_deployment("prod", ID, overlay.component(**FIRST, seams=gone))
    with pytest.raises(Refused, match="rules/3"):
        build(folder)
