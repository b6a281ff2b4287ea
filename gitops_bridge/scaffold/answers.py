"""What `init` was told, by flags, prompts or imported files, to complete, checked Answers.

`cli.init` calls `missing` to know what is still to be asked, then `environment`; `files` turns
the Answers into what is written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gitops_bridge.config import Repository
from gitops_bridge.config.names import NAME, NAMESPACE
from gitops_bridge.desired.image_names import IMAGE
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import checks, registries
from gitops_bridge.scaffold.keys import API_SECRET, BY_NAME, Key

IN_CLUSTER = "https://kubernetes.default.svc"
ROUTES = ("gateway-httproute", "ingress-openshift", "ingress-nginx")
PROVIDERS = ("github", "gitlab", "gitea", "bitbucket-cloud", "bitbucket-server", "azure-devops")

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
    """One prediction environment: `settings` are checked values by the plugin's own keys,
    `registry` the components that reach the registry, in their order."""

    name: str
    settings: Mapping[str, Any]
    route: str
    registry: tuple[str, ...]
    builds_namespace: str
    bridge_image: str
    cluster: str = IN_CLUSTER
    gateway: str | None = None
    builder: str = registries.BUILDERS[0]
    registry_ca: str | None = None
    registry_mirror: str | None = None

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
    """All that `files.first` and `files.more` need. `owners` are CODEOWNERS names: @org/team or an
    address. `bridge_source` is what pip installs in CI; None: CI runs in the bridge's image. The
    address of `repository` carries neither user nor password."""

    repository: Repository
    environments: tuple[Environment, ...]
    provider: str = "github"
    owners: tuple[str, ...] = ()
    argocd_namespace: str = "argocd"
    bridge_source: str | None = None
    pull_request_token_env: str | None = None


@dataclass(frozen=True)
class Told:
    """What is known of one environment so far: raw values of flags, checked imported settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    route: str | None = None
    registry: tuple[str, ...] = ()
    registry_ca: str | None = None
    registry_mirror: str | None = None
    builder: str = registries.BUILDERS[0]
    builds_namespace: str | None = None
    cluster: str | None = None
    gateway: str | None = None
    bridge_image: str | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    """By setting, in words the key of an imported file that may have been meant for it."""


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
    route = told.route or _route(told)
    problems = [
        f"{NEEDED[setting]} is missing{told.hints.get(setting, '')}" for setting in missing(told)
    ]
    problems += [*_unfit(told), *_incomplete(told, route)]
    if problems:
        raise ConfigError(
            f"environment {told.name}: " + "; ".join(problems),
            hint="gitops-bridge init --help shows every flag",
        )
    return Environment(
        name=told.name,
        settings=told.settings,
        route=route,
        registry=registries.components(told.registry, told.settings),
        builds_namespace=told.builds_namespace or f"{told.settings['kubeNamespace'][:56]}-builds",
        cluster=told.cluster or IN_CLUSTER,
        gateway=told.gateway,
        bridge_image=told.bridge_image or bridge_image(told.settings, version),
        builder=told.builder,
        registry_ca=told.registry_ca,
        registry_mirror=told.registry_mirror,
    )


def bridge_image(settings: Mapping[str, Any], version: str) -> str:
    """Beside the model images, unless told: a name that people then push to."""
    place = str(settings["generatedImageRepo"]).rpartition("/")[0]
    return f"{place}/gitops-bridge:{version}"


def gateway(text: str) -> str:
    """NAMESPACE/NAME of a Gateway. Raises checks.Unfit."""
    namespace, _, name = text.partition("/")
    if not NAMESPACE.fullmatch(namespace) or not checks.OBJECT_NAME.fullmatch(name):
        raise checks.Unfit(f"{text!r:.60} does not look like NAMESPACE/NAME")
    return text


def mirror(text: str) -> str:
    """Host of a registry mirror, perhaps with port and path. Raises checks.Unfit."""
    if not checks.MIRROR.fullmatch(text):
        raise checks.Unfit(f"{text!r:.60} does not look like mirror.example.com")
    return text


def own_image(text: str) -> str:
    """Image of gitops-bridge, not the placeholder in base/. Raises checks.Unfit."""
    if not IMAGE.fullmatch(text) or re.split("[:@]", text)[0] == "bridge-image":
        raise checks.Unfit(f"{text!r:.60} does not look like registry/gitops-bridge:0.1.0")
    return text


def _unfit(told: Told) -> Iterator[str]:
    """What was told but cannot stand where it is to go."""
    if not NAME.fullmatch(told.name):
        yield f"{told.name!r:.60} must be a-z, 0-9 and '-', at most 30"
    for flag, check, value in (
        ("--gateway", gateway, told.gateway),
        ("--registry-mirror", mirror, told.registry_mirror),
        ("--bridge-image", own_image, told.bridge_image),
    ):
        try:
            if value is not None:
                check(value)
        except checks.Unfit as error:
            yield f"{flag}: {error}"
    if told.builds_namespace and not NAMESPACE.fullmatch(told.builds_namespace):
        yield f"--builds-namespace: {told.builds_namespace!r:.60} is no namespace's name"
    if told.registry_ca and not checks.OBJECT_NAME.fullmatch(told.registry_ca):
        yield f"--registry-ca: {told.registry_ca!r:.60} is no ConfigMap's name"


def _incomplete(told: Told, route: str) -> Iterator[str]:
    """What does not go without, or not with, something else."""
    if route == "gateway-httproute" and not told.gateway:
        yield "--gateway NAMESPACE/NAME is missing: gateway-httproute needs its parent"
    if "registry-mirror" in told.registry and not told.registry_mirror:
        yield "--registry-mirror HOST is missing: the kind registry-mirror needs it"
    for flag, value, kind in (
        ("--registry-mirror", told.registry_mirror, "registry-mirror"),
        ("--registry-ca", told.registry_ca, "private-ca"),
    ):
        if value and kind not in told.registry:
            yield f"{flag} has no use without --registry-kind {kind}"
    if "generatedImageRepo" in told.settings:
        found = registries.components(told.registry, told.settings)
        yield from registries.problems(found, told.builder, told.settings)


def _route(told: Told) -> str:
    if told.gateway:
        return "gateway-httproute"
    return f"ingress-{told.settings.get('ingressType', 'nginx')}"
