"""What `init` was told, by flags, prompts or imported files, to complete, checked Answers.

`cli.init` calls `missing` to know what is still to be asked, then `environment`; `files` turns
the Answers into what is written.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import checks
from gitops_bridge.scaffold.keys import API_SECRET, BY_NAME, Key

IN_CLUSTER = "https://kubernetes.default.svc"
ROUTES = ("ingress-nginx", "ingress-openshift", "gateway-httproute")
REGISTRIES = ("ecr", "acr", "gcr", "openshift", "docker-config", "docker-config-map")
PROVIDERS = ("github", "gitlab")

NEEDED = {
    "MLOPS_BOSUN_PRED_ENV_ID": "--environment NAME=ID",
    "kubeNamespace": "--namespace",
    "outfacingPredictionURLPrefix": "--prediction-url",
    "generatedImageRepo": "--image-repository",
    "ppsBaseImage": "--pps-image",
}
"""The settings an environment cannot do without, and the flag that gives each."""


@dataclass(frozen=True)
class Environment:
    """One prediction environment: `settings` are checked values by the plugin's own keys."""

    name: str
    settings: Mapping[str, Any]
    route: str
    registry: tuple[str, ...]
    builds_namespace: str
    bridge_image: str
    cluster: str = IN_CLUSTER
    gateway: str | None = None

    @property
    def id(self) -> str:
        return str(self.settings["MLOPS_BOSUN_PRED_ENV_ID"])

    @property
    def namespace(self) -> str:
        return str(self.settings["kubeNamespace"])

    @property
    def prediction_url(self) -> SplitResult:
        return urlsplit(str(self.settings["outfacingPredictionURLPrefix"]).rstrip("/"))

    @property
    def host(self) -> str | None:
        """The route's host name; none when people reach it by address, which no route can name."""
        host = self.prediction_url.hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host
        return None


@dataclass(frozen=True)
class Answers:
    """All that `files.all_files` needs. `owners` are CODEOWNERS names: @org/team or an address."""

    repository: str
    environments: tuple[Environment, ...]
    branch: str = "main"
    builds_branch: str = "builds"
    provider: str = "github"
    owners: tuple[str, ...] = ()
    argocd_namespace: str = "argocd"


@dataclass(frozen=True)
class Told:
    """What is known of one environment so far: raw values of flags, checked imported settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    route: str | None = None
    registry: str | None = None
    builds_namespace: str | None = None
    cluster: str | None = None
    gateway: str | None = None
    bridge_image: str | None = None


def missing(told: Told) -> list[str]:
    """The needed settings that nobody has given yet."""
    return [setting for setting in NEEDED if setting not in told.settings]


def checked(setting: str, value: Any) -> Any:
    """`value` as the setting wants it, for a flag or a prompt. Raises checks.Unfit."""
    key: Key = API_SECRET if setting == API_SECRET.name else BY_NAME[setting]
    return checks.setting(key.kind, value, value)


def environment(told: Told, version: str) -> Environment:
    """The complete Environment, as `version` writes it.

    Raises ConfigError naming every flag that is missing or unfit.
    """
    problems = [f"{NEEDED[setting]} is missing" for setting in missing(told)]
    if not checks.NAME.fullmatch(told.name):
        problems.append(f"{told.name!r:.60} must be a-z, 0-9 and '-', at most 30")
    route = told.route or _route(told)
    if route == "gateway-httproute" and not told.gateway:
        problems.append("--gateway NAMESPACE/NAME is missing: gateway-httproute needs its parent")
    try:
        gateway(told.gateway or "namespace/name")
    except checks.Unfit as error:
        problems.append(f"--gateway: {error}")
    if told.builds_namespace and not checks.NAMESPACE.fullmatch(told.builds_namespace):
        problems.append(f"--builds-namespace: {told.builds_namespace!r:.60} is no namespace's name")
    if problems:
        raise ConfigError(
            f"environment {told.name}: " + "; ".join(problems),
            hint="gitops-bridge init --help shows every flag",
        )
    return Environment(
        name=told.name,
        settings=told.settings,
        route=route,
        registry=_registry(told),
        builds_namespace=told.builds_namespace or f"{told.settings['kubeNamespace'][:56]}-builds",
        cluster=told.cluster or IN_CLUSTER,
        gateway=told.gateway,
        bridge_image=told.bridge_image or bridge_image(told.settings, version),
    )


def bridge_image(settings: Mapping[str, Any], version: str) -> str:
    """Beside the model images, unless told: a name that people then push to."""
    place = str(settings["generatedImageRepo"]).rpartition("/")[0]
    return f"{place}/gitops-bridge:{version}"


def gateway(text: str) -> str:
    """NAMESPACE/NAME of a Gateway. Raises checks.Unfit."""
    namespace, _, name = text.partition("/")
    if not checks.NAMESPACE.fullmatch(namespace) or not checks.OBJECT_NAME.fullmatch(name):
        raise checks.Unfit(f"{text!r:.60} does not look like NAMESPACE/NAME")
    return text


def _route(told: Told) -> str:
    if told.gateway:
        return "gateway-httproute"
    return f"ingress-{told.settings.get('ingressType', 'nginx')}"


_CLOUDS = (
    (("ecr",), ".amazonaws.com"),
    (("acr",), ".azurecr.io"),
    (("gcr",), "gcr.io"),
    (("gcr",), "-docker.pkg.dev"),
    (("openshift", "docker-config"), "image-registry.openshift-image-registry.svc"),
)


def _registry(told: Told) -> tuple[str, ...]:
    """The image builder's components: as asked for, else by the credentials named, else by host.

    A Secret logs in by itself, so it stands in for the cloud's own component.
    """
    if told.registry:
        chosen: tuple[str, ...] = (told.registry,)
    else:
        host = str(told.settings["generatedImageRepo"]).partition("/")[0].partition(":")[0]
        chosen = next((kinds for kinds, end in _CLOUDS if host.endswith(end)), ())
    if "kanikoSecretName" in told.settings:
        return (*(kind for kind in chosen if kind == "openshift"), "docker-config")
    if "kanikoConfigmapName" in told.settings:
        return (*(kind for kind in chosen if kind != "docker-config"), "docker-config-map")
    return chosen or ("docker-config",)
