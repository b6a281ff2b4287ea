"""Flags, imported files and, on a terminal, questions to the environments that `init` plans with.

Every flag about one environment takes VALUE for all environments or NAME=VALUE for the one NAME.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from gitops_bridge import __version__
from gitops_bridge.config import Repository
from gitops_bridge.config.names import NAME
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import answers as scaffold
from gitops_bridge.scaffold import checks
from gitops_bridge.scaffold.importing import File, Finding, Imported, helm_values, plugin_config
from gitops_bridge.scaffold.registries import BUILDERS

Scoped = Mapping[str, Sequence[str]]
"""Flag -> its values as given, each VALUE or NAME=VALUE."""

SETTINGS = {
    "namespace": "kubeNamespace",
    "prediction_url": "outfacingPredictionURLPrefix",
    "image_repository": "generatedImageRepo",
    "pps_image": "ppsBaseImage",
    "agent_image": "agentImage",
    "datarobot_url": "MLOPS_BOSUN_MONITORING_URL",
    "ingress_class": "ingressClass",
    "registry_secret": "kanikoSecretName",
    "registry_config_map": "kanikoConfigmapName",
    "service_account": "ppsServiceAccount",
    "builder_service_account": "kanikoServiceAccount",
    "api_token_secret": "apiSecretName",
}
"""Flags that are one of the built-in plugin's settings under another name."""

_QUESTIONS = {
    "MLOPS_BOSUN_PRED_ENV_ID": "Prediction environment id, as DataRobot shows it",
    "kubeNamespace": "Namespace of the served models",
    "outfacingPredictionURLPrefix": "Prediction URL, without deployment ids (https://host/path)",
    "generatedImageRepo": "Repository for model images, without a tag",
    "ppsBaseImage": "Portable Prediction Server image, with its version",
}


def told(
    named: Sequence[str], flags: Scoped, *, ask: bool
) -> tuple[tuple[scaffold.Environment, ...], tuple[Finding, ...]]:
    """The environments asked for, complete, and what became of each imported key.

    `named` are NAME or NAME=ID. With `ask` what is missing is asked for on the terminal, and then
    what else there is to choose.
    Raises ConfigError naming what is missing or unfit.
    """
    names = _names(named, ask=ask)
    findings: list[Finding] = []
    environments = []
    for name, identifier in names.items():
        imported = _imported(name, flags, names)
        findings += [item for item in imported.findings if item not in findings]
        settings = {**imported.settings, **_flagged(name, identifier, flags, names)}
        _one_credential(settings, name, flags, names)
        asked = _asked(name, settings) if ask else {}
        said = _told(name, {**settings, **asked}, flags, names)
        said = replace(said, hints=_meant(imported.findings))
        environments.append(scaffold.environment(_asked_more(said) if asked else said, __version__))
    _distinct(environments)
    return tuple(environments), tuple(findings)


_TOKEN = re.compile(r"(gh[a-z]_|github_pat_|gl[a-z]+-|AT[A-Z]{2}|x-token-auth$).*|.{25,}")
"""What forges make tokens of, and what is too long for a name: https://user@host is how many hand
over a token."""


def username(repository: Repository) -> str | None:
    """Who the bridge is for http(s): as told, else the user in the address, unless it is a token or
    GitHub's word for one."""
    if repository.username or "://" not in repository.url:
        return repository.username
    parts = urlsplit(repository.url)
    user = unquote(parts.username or "")
    if parts.scheme not in {"http", "https"} or not user or _TOKEN.fullmatch(user):
        return None
    return user


_FORGES = {
    "gitlab": "gitlab",
    "gitea": "gitea",
    "forgejo": "gitea",
    "codeberg": "gitea",
    "bitbucket.org": "bitbucket-cloud",
    "bitbucket": "bitbucket-server",
    "dev.azure.com": "azure-devops",
    "visualstudio.com": "azure-devops",
}
"""What in a host's name tells the provider; the first that fits."""


def provider(url: str, given: str | None) -> str:
    """The forge behind the address, for the workflow's dialect and place."""
    host = urlsplit(url).hostname if "://" in url else url.partition(":")[0].rpartition("@")[2]
    found = (name for word, name in _FORGES.items() if word in (host or ""))
    return given or next(found, "github")


def _meant(findings: Sequence[Finding]) -> dict[str, str]:
    """What is said beside a missing setting: the key of a file that nearly gives it."""
    return {
        item.setting: f" ({item.source} has {item.key}: {item.text})"
        for item in findings
        if item.verdict == "unknown" and item.setting
    }


def _names(named: Sequence[str], *, ask: bool) -> dict[str, str]:
    if not named and ask:
        named = [_prompt("Name of the environment, its folder in overlays/", "prod", _name)]
    if not named:
        raise ConfigError("--environment NAME=ID is missing", hint="give one for each environment")
    names = {}
    for text in named:
        name, _, identifier = text.partition("=")
        if name in names:
            raise ConfigError(f"--environment {name} is there twice", hint="keep one")
        names[name] = identifier
    return names


def _values(flag: str, name: str, flags: Scoped, names: Mapping[str, str]) -> list[str]:
    """What `flag` says for `name`: the values for it alone if there are any, else those for all."""
    own, common = [], []
    for text in flags.get(flag, ()):
        scope, equals, value = text.partition("=")
        if equals and scope in names:
            if scope == name:
                own.append(value)
        else:
            common.append(text)
    return own or common


def _value(flag: str, name: str, flags: Scoped, names: Mapping[str, str]) -> str | None:
    found = _values(flag, name, flags, names)
    if len(found) > 1:
        shown = flag.replace("_", "-")
        raise ConfigError(f"--{shown}: several values for {name}", hint="keep one")
    return found[0] if found else None


def _imported(name: str, flags: Scoped, names: Mapping[str, str]) -> Imported:
    values = [_file(path) for path in _values("values", name, flags, names)]
    private = [_file(path) for path in _values("plugin_config", name, flags, names)]
    imported = helm_values(values) if values else Imported()
    return imported.then(plugin_config(private)) if private else imported


def _file(path: str) -> File:
    try:
        return File(path, Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="name a file that is there") from None


def _flagged(name: str, identifier: str, flags: Scoped, names: Mapping[str, str]) -> dict[str, Any]:
    raw = {SETTINGS[flag]: (flag, _value(flag, name, flags, names)) for flag in SETTINGS}
    raw["MLOPS_BOSUN_PRED_ENV_ID"] = ("environment", identifier or None)
    problems, settings = [], {}
    for setting, (flag, value) in raw.items():
        if not value:
            continue
        try:
            settings[setting] = scaffold.checked(setting, value)
        except checks.Unfit as error:
            problems.append(f"--{flag.replace('_', '-')}: {error}")
    if problems:
        raise ConfigError("; ".join(problems), hint="gitops-bridge init --help shows every flag")
    pulls = _values("pull_secret", name, flags, names)
    return (
        {**settings, "imagePullSecrets": [{"name": pull} for pull in pulls]} if pulls else settings
    )


def _one_credential(
    settings: dict[str, Any], name: str, flags: Scoped, names: Mapping[str, str]
) -> None:
    """Flags that tell the registry's credentials replace imported ones of the other kind."""
    kinds = _values("registry_kind", name, flags, names)
    secret = _values("registry_secret", name, flags, names)
    config_map = _values("registry_config_map", name, flags, names)
    if (secret or "docker-config" in kinds) and not config_map:
        settings.pop("kanikoConfigmapName", None)
    if (config_map or "docker-config-map" in kinds) and not secret:
        settings.pop("kanikoSecretName", None)


def _asked(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    missing = scaffold.missing(scaffold.Told(name, settings))
    defaults = {"kubeNamespace": f"mlops-{name}"}
    return {
        setting: _prompt(
            f"{name}: {_QUESTIONS[setting]}",
            defaults.get(setting),
            lambda text, setting=setting: str(scaffold.checked(setting, text)),
        )
        for setting in missing
    }


def _asked_more(told: scaffold.Told) -> scaffold.Told:
    """What has a default, asked all the same of somebody who is being asked: a wrong route is found
    late."""
    name, settings = told.name, dict(told.settings)
    if not told.route and not told.gateway and "ingressType" not in settings:
        route: str = click.prompt(
            f"{name}: What brings requests in (ingress-nginx is retired since March 2026)",
            type=click.Choice(scaffold.ROUTES),
            default=scaffold.ROUTES[0],
        )
        told = replace(told, route=route)
    if told.route == "gateway-httproute" and not told.gateway:
        gateway = _prompt(f"{name}: Gateway, as NAMESPACE/NAME", None, scaffold.gateway)
        told = replace(told, gateway=gateway)
    if not told.gateway and "ingressClass" not in settings:
        _optional(settings, "ingressClass", f"{name}: Ingress class, empty for the default one")
    if settings.get("agentSidecar", True) and "agentImage" not in settings:
        _optional(settings, "agentImage", f"{name}: Tracking agent image, empty to name it later")
    if "registry-mirror" in told.registry and not told.registry_mirror:
        mirror = _prompt(f"{name}: Host of the registry mirror", None, scaffold.mirror)
        told = replace(told, registry_mirror=mirror)
    if not told.bridge_image:
        own = scaffold.bridge_image(settings, __version__)
        image = _prompt(f"{name}: Image of gitops-bridge", own, scaffold.own_image)
        told = replace(told, bridge_image=image)
    return replace(told, settings=settings)


def _optional(settings: dict[str, Any], setting: str, question: str) -> None:
    def check(text: str) -> str:
        return str(scaffold.checked(setting, text)) if text else ""

    answer = _prompt(question, "", check)
    if answer:
        settings[setting] = answer


def _prompt(question: str, default: str | None, check: Any) -> str:
    def checked(text: str) -> str:
        try:
            return str(check(text))
        except checks.Unfit as error:
            raise click.UsageError(str(error)) from None

    answer: str = click.prompt(
        question, default=default, value_proc=checked, show_default=bool(default)
    )
    return answer


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise checks.Unfit("a-z, 0-9 and '-', at most 30")
    return text


def _told(
    name: str, settings: Mapping[str, Any], flags: Scoped, names: Mapping[str, str]
) -> scaffold.Told:
    return scaffold.Told(
        name=name,
        settings=settings,
        route=_value("route", name, flags, names),
        registry=tuple(_values("registry_kind", name, flags, names)),
        registry_ca=_value("registry_ca", name, flags, names),
        registry_mirror=_value("registry_mirror", name, flags, names),
        builder=_value("builder", name, flags, names) or BUILDERS[0],
        builds_namespace=_value("builds_namespace", name, flags, names),
        cluster=_value("cluster", name, flags, names),
        gateway=_value("gateway", name, flags, names),
        bridge_image=_value("bridge_image", name, flags, names),
    )


def _distinct(environments: Sequence[scaffold.Environment]) -> None:
    ids = [environment.id for environment in environments]
    for identifier in ids:
        if ids.count(identifier) > 1:
            raise ConfigError(
                f"two environments have the id {identifier}",
                hint="each prediction environment of DataRobot is one --environment NAME=ID",
            )
