"""What a rendered overlay lacks is said before it is committed."""

from gitops_bridge.actions import Scale
from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay import Seams
from tests.rendering import FIRST, ID, Repository, a_component, build, operation


def test_why_the_namespace_is_not_kustomizes(tmp_path):
    """The trap behind the refusal: with the namespace on one object only, kustomize leaves the
    autoscaler's reference without its suffix, and says nothing."""
    repository = Repository(tmp_path)
    repository.add_environment("prod")
    serving = "overlays/prod/environment/serving/kustomization.yaml"
    text = (repository.folder / serving).read_text()
    component = overlay.component(
        **FIRST | {"scale": Scale(1, 2, 4)}, seams=repository.seams("prod")
    )
    repository.write(serving, f"{text}namespace: mlops\n")
    objects = build(repository.add_deployment("prod", ID, component))
    assert overlay.autoscaling_problems(objects) == [
        f"HorizontalPodAutoscaler mlops-{ID}: no Deployment mlops"
    ]


def test_what_a_render_lacks_is_named(tmp_path):
    repository = Repository(tmp_path)
    repository.add_environment(
        "prod",
        {
            "serving": a_component("ingress-nginx"),
            "monitoring": a_component("monitoring-agent"),
            "autoscaling": a_component("autoscaling"),
        },
    )
    request = FIRST | {"scale": Scale(1, 2, 4), "monitoring": True, "seams": Seams(())}
    objects = build(repository.add_deployment("prod", ID, overlay.component(**request)))
    assert overlay.unresolved(objects) == [
        f"Ingress mlops-{ID}: /spec/rules/0/http/paths/0/path still holds deployment-id",
        f"Deployment mlops-{ID}: container tracking-agent has the placeholder image "
        "tracking-agent: name the tracking agent's under images in environment/monitoring",
    ]
    assert overlay.autoscaling_problems(objects) == [
        f"Deployment mlops-{ID}: container {name} requests no cpu, which autoscaling needs; "
        f"set resources.requests.cpu in environment/{place}"
        for name, place in (("model-package", "serving"), ("tracking-agent", "monitoring"))
    ]
    repository.write("overlays/prod/environment/monitoring/kustomization.yaml", a_component())
    repository.write(
        "overlays/prod/environment/serving/kustomization.yaml",
        a_component(
            "ingress-nginx",
            patches={
                ("Deployment", "mlops"): [
                    operation(
                        "add",
                        "/spec/template/spec/containers/0/resources/limits",
                        {"cpu": "2"},
                    )
                ]
            },
        ),
    )
    objects = build(repository.add_deployment("prod", ID, overlay.component(**request)))
    assert overlay.autoscaling_problems(objects) == []  # a limit is a request, too
    assert overlay.unset_monitoring(objects) == [
        f"Deployment mlops-{ID}: container model-package is monitored, "
        "but environment/monitoring sets no spooler"
    ]
