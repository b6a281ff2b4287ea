"""The flags of `gitops-bridge init`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gitops_bridge.config.names import folder_problem
from gitops_bridge.scaffold.answers import PROVIDERS, ROUTES
from gitops_bridge.scaffold.registries import BUILDERS, KINDS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SCOPED = {
    "values": ("FILE", "Helm values of the management agent to import; later files win."),
    "plugin_config": ("FILE", "Private config of the built-in Kubernetes plugin to import."),
    "namespace": ("NAMESPACE", "Where the models are served."),
    "builds_namespace": ("NAMESPACE", "Where images are built; NAMESPACE-builds unless given."),
    "cluster": ("URL", "API server as Argo CD knows it; Argo CD's own cluster unless given."),
    "prediction_url": ("URL", "What predictions are sent to, up to the deployment id."),
    "route": ("|".join(ROUTES), "What brings requests in."),
    "ingress_class": ("CLASS", "ingressClassName of the route."),
    "gateway": ("NAMESPACE/NAME", "The Gateway an HTTPRoute hangs on."),
    "image_repository": ("REPOSITORY", "Where model images go, without a tag."),
    "pps_image": ("IMAGE", "Portable Prediction Server image, with its version."),
    "bridge_image": (
        "IMAGE",
        "Image of gitops-bridge; beside the model images unless given.",
    ),
    "agent_image": ("IMAGE", "Image of the tracking agent, for monitoring."),
    "datarobot_url": ("URL", "DataRobot, as the tracking agent and the builder reach it."),
    "builder": ("|".join(BUILDERS), "What builds images; append needs no root."),
    "registry_kind": (
        "KIND",
        f"How the builder reaches the registry, repeat to combine: {', '.join(KINDS)}. The login "
        "is told by the repository's host unless given.",
    ),
    "registry_secret": ("SECRET", "docker-registry Secret the builder logs in with."),
    "registry_config_map": ("CONFIGMAP", "ConfigMap with the builder's docker config.json."),
    "registry_ca": (
        "CONFIGMAP",
        "ConfigMap with the CA of private-ca under the key `ca.crt`; registry-ca unless given.",
    ),
    "registry_mirror": ("HOST", "The mirror of registry-mirror, perhaps with a path."),
    "service_account": ("NAME", "Service account of the models."),
    "builder_service_account": ("NAME", "Service account of the builder."),
    "api_token_secret": ("SECRET", "Secret with DataRobot's API token under the key `secret`."),
    "pull_secret": ("SECRET", "Image pull secret; repeat for several."),
}
"""Flags about one environment: VALUE for all of them, NAME=VALUE for one."""

_CHOICES = {"route": ROUTES, "builder": BUILDERS, "registry_kind": KINDS}


def scoped() -> Decorator:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, (metavar, text) in reversed(SCOPED.items()):
            command = click.option(
                f"--{name.replace('_', '-')}",
                name,
                multiple=True,
                metavar=f"[NAME=]{metavar}",
                callback=_choice(name),
                help=text,
            )(command)
        return command

    return decorate


def _choice(name: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], Any]:
    def check(
        _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
    ) -> tuple[str, ...]:
        known = _CHOICES.get(name)
        for text in given if known else ():
            value = text.rpartition("=")[2]
            if value not in (known or ()):
                raise click.BadParameter(f"{value!r} is none of {', '.join(known or ())}")
        return given

    return check


def folder(_context: click.Context, _parameter: click.Parameter, given: str) -> str:
    """A folder of a repository, without the slashes and dots that say nothing."""
    text = given.strip().removeprefix("./").strip("/")
    text = "" if text == "." else text
    if text and (problem := folder_problem(text)):
        raise click.BadParameter(f"{given!r} {problem}")
    return text


def access() -> Decorator:
    """How init reaches the repository, and the bridge after it: a new gitops-bridge.yaml says so
    too. Of a password only where it is to be found."""
    options = [
        click.option("--username", help="User name for http(s)."),
        click.option("--password-env", metavar="VARIABLE", help="Holds the password or token."),
        click.option("--password-file", metavar="FILE", help="Holds the password or token."),
        click.option("--ssh-key", metavar="FILE", help="Private key for ssh."),
        click.option("--known-hosts", metavar="FILE", help="Host keys for ssh."),
        click.option("--ca-file", metavar="FILE", help="CA of the Git server."),
        click.option("--proxy", metavar="URL", help="Proxy for http(s)."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def provider() -> Decorator:
    return click.option(
        "--provider",
        type=click.Choice(PROVIDERS),
        help="Whose workflow and CODEOWNERS to write; told by the address unless given.",
    )
