"""What `init` makes of the chart's values, beside what the built-in plugin makes of them.

`fixtures/helm` holds values of both chart generations, `fixtures/plugin` what each chart hands to
the plugin. `init` reads either; kustomize renders a deployment; docs/differences.md is the list of
what may differ.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from bosun.plugin.deployment_info import DeploymentInfo
from bosun.plugin.k8s.config import KubernetesPluginConfig
from bosun.plugin.k8s.manifests import ResourceBuilder
from bosun.plugin.pe_info import PEInfo

from gitops_bridge import documents
from gitops_bridge.actions import Model, Scale
from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay import Image
from tests.initialised import Remote
from tests.plugin import MONITORED, render
from tests.rendering import build, build_text, by_kind
from tests.test_parity import MODELS, allowed, asked, unlisted

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in (FIXTURES / "helm").glob("*.yaml"))
ID = "65a000000000000000000010"
PE = "65a000000000000000000001"
TOKEN = "mlops-api-key"


def private(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((FIXTURES / "plugin" / f"{name}.yaml").read_text())
    return config


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's clone after `init --values`."""
    return clone(tmp_path_factory.mktemp(name), "--values", FIXTURES / "helm" / f"{name}.yaml")


def clone(folder: Path, *arguments: str | Path) -> Path:
    remote = Remote(folder)
    remote.init("-e", f"prod={PE}", "--namespace", "mlops-prod", *map(str, arguments))
    target = folder / "checkout"
    subprocess.run(["git", "clone", "--quiet", remote.path, target], check=True)
    return target


def rendered(folder: Path, model: Model, scale: Scale, *, monitoring: bool) -> list[Any]:
    """The objects of one deployment in the environment, as the bridge would commit it."""
    probe, place = (folder / "overlays" / "prod" / part for part in ("probe", ID))
    (place / "model").mkdir(parents=True, exist_ok=True)
    if not probe.exists():
        probe.mkdir()
        (probe / "kustomization.yaml").write_text(overlay.environment_probe())
        (probe / "built.yaml").write_text(build_text(probe))
    text = overlay.component(
        deployment_id=ID, environment_id=PE, model=model, scale=scale, monitoring=monitoring,
        image=Image("r.example.com/frozen", "tag", "sha256:" + "85e4" * 16),
        seams=overlay.seams(documents.load_all((probe / "built.yaml").read_text())), restarts=0,
        name="churn",
    )  # fmt: skip
    (place / "kustomization.yaml").write_text(overlay.seed())
    (place / "model" / "kustomization.yaml").write_text(text)
    objects = build(place)
    assert overlay.unresolved(objects) == []
    return objects


def plugin_settings(name: str, *, monitoring: bool) -> dict[str, Any]:
    return {
        "mlopsApiToken": "made-up",
        "MLOPS_BOSUN_MONITORING_URL": "https://app.datarobot.com",
        MONITORED: monitoring,
        **private(name),
    }


@pytest.mark.parametrize("monitoring", [True, False])
@pytest.mark.parametrize(
    "model", [MODELS["dedicated"], MODELS["custom"]], ids=lambda model: model.id
)
def test_a_deployment_differs_only_as_listed(
    name: str, folder: Path, model: Model, monitoring: bool
) -> None:
    scales = [Scale(1), Scale(3)]
    if "ppsCpuUtilizationPercent" in private(name):
        scales.append(Scale(1, 2, 4))
    for scale in scales:
        theirs = render(plugin_settings(name, monitoring=monitoring), PE, asked(ID, model, scale))
        ours = rendered(folder, model, scale, monitoring=monitoring)
        _same_token(ours, name)
        assert unlisted(theirs, ours, allowed()) == []


def _same_token(objects: list[Any], name: str) -> None:
    """The Secret is the one the chart's values name; the list knows it by its usual name."""
    told = yaml.safe_load((FIXTURES / "helm" / f"{name}.yaml").read_text())
    for part in by_kind(objects)["Deployment"]["spec"]["template"]["spec"]["containers"]:
        for variable in part["env"]:
            secret = variable.get("valueFrom", {}).get("secretKeyRef")
            if secret:
                assert secret["name"] == told["datarobot"]["apiSecretName"]
                secret["name"] = TOKEN


def test_the_private_config_gives_the_same_environment(
    name: str, folder: Path, tmp_path: Path
) -> None:
    told = yaml.safe_load((FIXTURES / "helm" / f"{name}.yaml").read_text())
    other = clone(
        tmp_path, "--plugin-config", FIXTURES / "plugin" / f"{name}.yaml",
        "--api-token-secret", told["datarobot"]["apiSecretName"],
    )  # fmt: skip
    for path in sorted((folder / "overlays/prod/environment").rglob("*.yaml")):
        assert (other / path.relative_to(folder)).read_text() == path.read_text()


def test_the_builder_runs_with_what_the_plugin_s_pod_runs_with(name: str, folder: Path) -> None:
    config = KubernetesPluginConfig(plugin_settings(name, monitoring=False))
    info = DeploymentInfo(asked(ID, MODELS["dedicated"], Scale(1)))
    pod = ResourceBuilder(config, PEInfo({"id": PE, "name": "x"})).get_builder_manifest(info)
    [job] = build(folder / "overlays/prod/environment/builder")

    told, settings = private(name), pod["spec"]
    ours = job["spec"]["template"]["spec"]
    kaniko, theirs = ours["containers"][0], settings["containers"][0]
    for field, key in {
        "serviceAccountName": "kanikoServiceAccount",
        "imagePullSecrets": "imagePullSecrets",
        "nodeSelector": "kanikoNodeSelector",
        "affinity": "kanikoAffinity",
        "tolerations": "kanikoTolerations",
        "securityContext": "kanikoPodSecurityContext",
    }.items():
        if key in told:
            assert ours[field] == settings[field], key
    if "kanikoResources" in told:
        assert kaniko["resources"] == theirs["resources"]
    for key in told.get("kanikoAnnotations", {}):
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        assert annotations[key] == pod["metadata"]["annotations"][key]
    _same_files(ours, settings, kaniko, theirs)
    _same_arguments(kaniko, theirs, told)


def _same_files(
    ours: dict[str, Any], settings: dict[str, Any], kaniko: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Each volume the plugin's Pod has is there and mounted in the same place."""
    volumes = {volume["name"]: volume for volume in ours["volumes"]}
    mounts = {mount["name"]: mount for mount in kaniko["volumeMounts"]}
    for volume in settings["volumes"]:
        here = dict(volumes[volume["name"]])
        if "configMap" in here and "items" not in volume["configMap"]:
            here["configMap"] = {"name": here["configMap"]["name"]}
        assert here == volume
    for mount in theirs["volumeMounts"]:
        assert mounts[mount["name"]]["mountPath"].rstrip("/") == mount["mountPath"].rstrip("/")


def _same_arguments(kaniko: dict[str, Any], theirs: dict[str, Any], told: dict[str, Any]) -> None:
    """Every argument of the settings, in its order; the bridge fills in the registry's host.

    The plugin renders them into YAML unquoted and escaped as HTML, so they are compared with what
    was told instead where that changes them.
    """
    registry = told["generatedImageRepo"].partition("/")[0]
    here = [argument.replace("{image-registry}", registry) for argument in kaniko["args"]]
    wanted = [
        *(
            f"--skip-tls-verify-registry={host}"
            for host in told.get("kanikoSkipSslVerifyRegistries", [])
        ),
        *(f"--insecure-registry={host}" for host in told.get("kanikoInsecureRegistries", [])),
        *told.get("kanikoExtraArguments", []),
    ]
    assert len(theirs["args"]) == len(wanted) + 3
    assert [argument for argument in here if argument in wanted] == wanted


def test_images_and_addresses_of_the_builder_are_annotations(name: str, folder: Path) -> None:
    [job] = build(folder / "overlays/prod/environment/builder")
    told = private(name)
    prefix = "gitops-bridge.io/"
    assert {
        key.removeprefix(prefix): value
        for key, value in job["metadata"]["annotations"].items()
        if key.startswith(prefix)
    } == {
        "image-repository": told["generatedImageRepo"],
        "pps-image": told["ppsBaseImage"],
        "datarobot-url": "https://app.datarobot.com",
    }


def test_a_gateway_brings_requests_to_the_same_paths(tmp_path: Path) -> None:
    values = FIXTURES / "helm" / "current-aws.yaml"
    folder = clone(tmp_path, "--values", values, "--gateway", "infra/public")
    objects = rendered(folder, MODELS["dedicated"], Scale(1), monitoring=False)
    route = by_kind(objects)["HTTPRoute"]["spec"]
    assert route["parentRefs"] == [{"namespace": "infra", "name": "public"}]
    assert route["hostnames"] == ["models.example.com"]
    assert route["rules"][0]["matches"][0]["path"]["value"] == f"/deployments/{ID}"


def test_what_init_writes_is_canonical_yaml(folder: Path) -> None:
    for path in (folder / "overlays").rglob("environment/*/kustomization.yaml"):
        text = path.read_text()
        body = "".join(line for line in text.splitlines(keepends=True) if line[:1] != "#")
        assert documents.dump(documents.load(text)) == body
