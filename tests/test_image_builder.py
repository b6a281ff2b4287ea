"""base/image-builder with each of its components, rendered by real kustomize."""

import json

import kubernetes_validate
import pytest

from gitops_bridge import documents
from gitops_bridge.cli.append_model import append_model
from gitops_bridge.cli.fetch_model import fetch_model
from gitops_bridge.cli.job import EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL, EX_USAGE
from gitops_bridge.desired import build, jobs
from gitops_bridge.desired.job_check import job_problems
from tests import building, pod_security
from tests.building import COMPONENTS, CUSTOM, DEDICATED, GOLDEN, KINDS, ROOT, SCORING_CODE
from tests.kaniko_flags import refused

SUPPORTED = ("1.31", "1.34", "1.36")
every_kind = pytest.mark.parametrize("kind", KINDS)


def pod(job):
    return job["spec"]["template"]["spec"]


def containers(job):
    return {
        container["name"]: container
        for container in (*pod(job).get("initContainers", []), *pod(job)["containers"])
    }


def test_every_component_is_part_of_a_kind():
    assert {name for names in KINDS.values() for name in names} == {
        folder.name for folder in COMPONENTS.iterdir()
    }


def test_every_kind_has_its_golden_job_and_no_other_is_there():
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(KINDS)


@every_kind
def test_golden(kind):
    assert documents.dump(building.job(kind)) == (GOLDEN / f"{kind}.yaml").read_text()


@every_kind
@pytest.mark.parametrize("version", SUPPORTED)
def test_kubernetes_takes_it(kind, version):
    for each in (building.job(kind), *building.objects(kind)):
        assert kubernetes_validate.validate(each, version, strict=True) == version


@every_kind
def test_it_fits_pod_security_baseline(kind):
    assert pod_security.baseline(pod(building.job(kind))) == []


@pytest.mark.parametrize(
    ("kind", "model"),
    [(kind, DEDICATED) for kind in KINDS]
    + [("docker-config", CUSTOM), ("docker-config", SCORING_CODE)],
)
def test_fetch_model_takes_what_it_is_told(kind, model):
    command, *arguments = containers(building.job(kind, model))["fetch-model"]["args"]
    assert command == fetch_model.name
    told = fetch_model.make_context(command, list(arguments)).params
    assert told["model_package_id"] == building.PACKAGE
    assert told["content_key"] == building.KEY
    assert told["execution_type"] == model.execution_type.value
    assert (told["pps_image"] is None) == (model is CUSTOM)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "openshift" in KINDS[kind]])
def test_openshift_anyuid_admits_kaniko(kind):
    """anyuid allows any user id, no seccomp profile, and no capability to be added."""
    job = building.job(kind)
    assert "seccompProfile" not in json.dumps(job)
    for container in containers(job).values():
        assert "add" not in container["securityContext"].get("capabilities", {})
    assert pod(job)["serviceAccountName"] == "image-builder"


def test_the_append_builder_fits_pod_security_restricted():
    assert pod_security.restricted(pod(building.job("append"))) == []


def test_pod_security_tells_kaniko_from_restricted():
    """The checker sees something: Kaniko needs root and capabilities."""
    assert "kaniko runAsUser 0" in pod_security.restricted(pod(building.job()))


@every_kind
def test_the_executor_knows_every_argument(kind):
    kaniko = containers(building.job(kind)).get("kaniko", {"args": []})
    assert [refused(argument) for argument in kaniko["args"] if refused(argument)] == []


@every_kind
def test_only_json6902_patches(kind):
    for name in KINDS[kind]:
        component = documents.load((COMPONENTS / name / "kustomization.yaml").read_text())
        for patch in component["patches"]:
            operations = documents.load(patch["patch"])
            assert all({"op", "path"} <= operation.keys() for operation in operations)


@every_kind
def test_argo_cd_will_not_build_again(kind):
    job = building.job(kind)
    text = json.dumps(job)
    assert "ttlSecondsAfterFinished" not in text
    assert "argocd.argoproj.io" not in text
    assert "helm.sh/hook" not in text


@every_kind
def test_secrets_only_by_reference(kind):
    """No literal stands where the name says secret; the token comes from the Secret."""
    fetch = containers(building.job(kind))["fetch-model"]
    assert fetch["env"] == [
        {
            "name": "MLOPS_API_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "mlops-api-key", "key": "secret"}},
        }
    ]


@pytest.mark.parametrize("kind", ["docker-config", "append"])
def test_a_job_that_may_fail_ends_and_tells_permanent_from_transient(kind):
    """By the exit codes that our commands end with, of each container that runs one."""
    made = building.job(kind)
    spec = made["spec"]
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["podReplacementPolicy"] == "Failed"
    ignored, *failed = spec["podFailurePolicy"]["rules"]
    assert (ignored["action"], {rule["action"] for rule in failed}) == ("Ignore", {"FailJob"})
    codes = {rule["onExitCodes"]["containerName"]: rule["onExitCodes"]["values"] for rule in failed}
    permanent = [EX_USAGE, EX_DATAERR, EX_NOINPUT]
    assert codes == dict.fromkeys(set(containers(made)) - {"kaniko"}, permanent)
    assert EX_TEMPFAIL not in permanent


def test_append_model_takes_what_it_is_told():
    made = containers(building.job("append"))
    command, *arguments = made["append-model"]["args"]
    assert command == append_model.name
    told = append_model.make_context(command, arguments).params
    assert told["content_key"] == building.KEY
    assert told["destination"].endswith(f":{building.PACKAGE}-{building.KEY[:10]}")
    assert f"--pps-image={told['pps_image']}" in made["fetch-model"]["args"]


def test_the_example_environment_builds():
    folder = ROOT / "overlays/example/environment/builder"
    found = build.builder(documents.load_all(building.kustomize(folder)))
    assert found.kind == "kaniko"
    assert found.image_repository == "registry.example.com/mlops/frozen-models"


def test_the_base_alone_says_what_to_set():
    alone = documents.load_all(building.kustomize(ROOT / "base/image-builder"))
    with pytest.raises(build.RenderError) as raised:
        build.builder(alone)
    assert "image-repository" in raised.value.message
    assert "environment/builder" in raised.value.hint


@pytest.mark.parametrize("model", [CUSTOM, SCORING_CODE], ids=["custom", "scoring-code"])
def test_other_models_build_by_kaniko(model):
    arguments = containers(building.job(model=model))["fetch-model"]["args"]
    assert ("--format=datarobotScoringCode" in arguments) == (model is SCORING_CODE)
    bases = [argument for argument in arguments if argument.startswith("--pps-image=")]
    wanted = [f"--pps-image={building.SETTINGS['drum-image']}"] if model is SCORING_CODE else []
    assert bases == wanted


@pytest.mark.parametrize("model", [CUSTOM, SCORING_CODE], ids=["custom", "scoring-code"])
def test_the_append_builder_declines_other_models(model):
    with pytest.raises(build.RenderError, match="dedicated models only"):
        building.job("append", model)


TEAM_PATCHES = [
    ("/spec/template/spec/tolerations", [{"key": "builds", "operator": "Exists"}]),
    ("/spec/template/spec/nodeSelector", {"pool": "builds"}),
    (
        "/spec/template/spec/affinity",
        {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
                    ]
                }
            }
        },
    ),
    ("/spec/template/spec/imagePullSecrets", [{"name": "pull"}]),
    ("/spec/template/spec/priorityClassName", "low"),
    ("/spec/template/spec/containers/0/args/-", "--ignore-path=/product_uuid"),
    ("/spec/template/spec/containers/0/resources/limits/memory", "8Gi"),
    ("/spec/template/spec/volumes/0/emptyDir/sizeLimit", "100Gi"),
    ("/spec/suspend", True),
    (
        "/spec/template/spec/initContainers/0/args/-",
        "--source=s3://models/{model-package-id}/{model-id}.mlpkg",
    ),
]


def test_what_a_platform_team_sets_reaches_the_job():
    patches = [{"op": "add", "path": path, "value": value} for path, value in TEAM_PATCHES]
    objects = building.rendered(building.kustomization(["docker-config"], patches=patches))
    job = jobs.job(
        builder=build.builder(objects),
        model=building.DEDICATED,
        package_id=building.PACKAGE,
        key=building.KEY,
    )
    assert job_problems(job) == []
    kubernetes_validate.validate(job, "1.36", strict=True)
    assert pod(job)["tolerations"] == [{"key": "builds", "operator": "Exists"}]
    assert "--ignore-path=/product_uuid" in containers(job)["kaniko"]["args"]
    source = f"--source=s3://models/{building.PACKAGE}/{building.DEDICATED.id}.mlpkg"
    assert source in containers(job)["fetch-model"]["args"]


def test_a_component_below_append_would_lose_its_mount_and_is_refused():
    objects = building.rendered(building.kustomization(["docker-config", "append"]))
    with pytest.raises(build.RenderError, match="docker-config is mounted nowhere"):
        jobs.job(
            builder=build.builder(objects),
            model=building.DEDICATED,
            package_id=building.PACKAGE,
            key=building.KEY,
        )


def test_a_mirror_needs_its_setting():
    objects = building.rendered(
        building.kustomization(["registry-mirror"], {"registry-mirror": None})
    )
    with pytest.raises(build.RenderError, match=r"gitops-bridge\.io/registry-mirror"):
        jobs.job(
            builder=build.builder(objects),
            model=building.DEDICATED,
            package_id=building.PACKAGE,
            key=building.KEY,
        )
