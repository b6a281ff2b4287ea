"""`gitops-bridge append-model`: what a build Job runs instead of Kaniko.

Turns flags, the context that fetch-model wrote and the Docker configuration into a Recipe and a
registry client for `images.append`, and errors into exit codes. The flags for registries are spelt
as Kaniko spells them, because the same components of base/image-builder set them.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops_bridge.cli.job import JobCommand, exit_code
from gitops_bridge.errors import BridgeError, ConfigError, ImageError, RequestError

if TYPE_CHECKING:
    from gitops_bridge.images.append import Recipe
    from gitops_bridge.images.context import Order
    from gitops_bridge.registry.client import Registry
    from gitops_bridge.registry.credentials import Keychain

_EPILOG = """
\b
Credentials
  config.json in the folder DOCKER_CONFIG names, else ~/.docker: auths, credHelpers, credsStore

\b
Exit codes
  0   the image is in the registry; its digest is printed
  64  wrong flags, or a context of something else
  65  the image cannot be made, or the tag holds another one
  66  no such base image, or no permission
  75  something that may pass: the same call again may succeed and sends nothing twice

\b
Example
  gitops-bridge append-model --context /workspace --content-key 3f9c2a71d0… \\
      --pps-image registry.example.com/datarobot/portable-prediction-api:11.2.1 \\
      --destination registry.example.com/mlops/models:65f0aa11bb22cc33dd44ee55-3f9c2a71d0
"""


@click.command("append-model", cls=JobCommand, epilog=_EPILOG)
@click.option(
    "--context",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder that fetch-model has filled.",
)
@click.option("--pps-image", required=True, help="The prediction server, by a tag X.Y.Z.")
@click.option("--content-key", required=True, help="Identifies the image; becomes its label.")
@click.option("--destination", required=True, help="Where the image goes: host/repository:tag.")
@click.option(
    "--digest-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the digest to, such as /dev/termination-log.",
)
@click.option(
    "--insecure-registry", metavar="HOST", multiple=True, help="Speaks plain HTTP; repeatable."
)
@click.option(
    "--skip-tls-verify-registry",
    metavar="HOST",
    multiple=True,
    help="Its certificate is not checked; repeatable.",
)
@click.option(
    "--registry-certificate",
    metavar="HOST=FILE",
    multiple=True,
    help="Certificates to trust for it, in PEM; repeatable.",
)
@click.option("--registry-mirror", metavar="HOST[/PATH]", help="Asked instead of Docker Hub first.")
@click.option(
    "--skip-default-registry-fallback",
    type=click.BOOL,
    default=False,
    show_default=True,
    help="Never ask Docker Hub itself when there is a mirror.",
)
def append_model(**options: Any) -> None:
    """Put a dedicated model onto the prediction server, straight in the registry.

    The model becomes one layer on top of the prediction server's; nothing is unpacked, and nothing
    runs as root. The same inputs give the same digest. An image that is there already is left.
    """
    logging.basicConfig(level="INFO", stream=sys.stderr, format="%(asctime)s %(message)s")
    try:
        digest = _run(options)
        if options["digest_file"]:
            _write(options["digest_file"], digest)
    except BridgeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code(error))
    click.echo(digest)


def _run(options: dict[str, Any]) -> str:
    from gitops_bridge.images.append import append

    recipe, model = _recipe(options)
    with _registry(options) as registry:
        return append(registry, recipe, model).digest


def _recipe(options: dict[str, Any]) -> tuple[Recipe, Path]:
    """The image to make and the model's file, from a context that must be of this very build."""
    from gitops_bridge.images import context
    from gitops_bridge.images.append import Recipe

    order, record = context.finished(options["context"])
    if record.file is None or not _is_dedicated(order):
        raise ImageError(
            f"{options['context']} is no dedicated model's: {order.execution_type} "
            f"{order.format or ''}".rstrip(),
            hint="custom models and scoring code need the Kaniko builder",
        )
    for flag, given, noted in (
        ("--content-key", options["content_key"], order.content_key),
        ("--pps-image", options["pps_image"], order.base_image),
    ):
        if given != noted:
            raise RequestError(
                f"{flag} is {given!r:.200}, but {options['context']} was fetched for "
                f"{noted!r:.200}",
                hint="give both commands the same flags",
            )
    model = options["context"] / record.file
    if not model.is_file():
        raise RequestError(f"{model} is missing", hint="run fetch-model again")
    base = _mirrored(options) or options["pps_image"]
    target = _destination(options["destination"])
    return Recipe(base, target, order.content_key, record.labels), model


def _is_dedicated(order: Order) -> bool:
    return order.execution_type == "dedicated" and order.format == "datarobot"


def _destination(text: str) -> str:
    from gitops_bridge.errors import RegistryError
    from gitops_bridge.registry.reference import parse

    try:
        found = parse(text)
    except RegistryError as error:
        raise RequestError(f"--destination: {error.message}", hint=error.hint) from None
    if found.tag is None or found.digest is not None:
        raise RequestError(
            f"--destination is {text!r:.200}", hint="host/repository:tag, with a tag and no digest"
        )
    return text


def _mirrored(options: dict[str, Any]) -> str | None:
    """The base image's name at the mirror, where Docker Hub itself must not be asked."""
    from gitops_bridge.registry.reference import DOCKER_HUB, parse

    mirror, base = options["registry_mirror"], parse(options["pps_image"])
    if not mirror or not options["skip_default_registry_fallback"] or base.host != DOCKER_HUB:
        return None
    tag = f":{base.tag}" if base.tag else ""
    digest = f"@{base.digest}" if base.digest else ""
    return f"{mirror.strip('/')}/{base.repository}{tag}{digest}"


def _registry(options: dict[str, Any]) -> Registry:
    from gitops_bridge.registry.access import Access
    from gitops_bridge.registry.client import Registry
    from gitops_bridge.registry.reference import DOCKER_HUB

    mirror = options["registry_mirror"]
    access = Access(
        plain_http=frozenset(options["insecure_registry"]),
        unverified=frozenset(options["skip_tls_verify_registry"]),
        ca_files=dict(map(_certificate, options["registry_certificate"])),
        mirrors={DOCKER_HUB: mirror} if mirror else {},
    )
    return Registry(_keychain(), access)


def _certificate(text: str) -> tuple[str, str]:
    host, equals, path = text.partition("=")
    if not host or not equals or not Path(path).is_file():
        raise RequestError(
            f"--registry-certificate is {text!r:.200}", hint="HOST=FILE, a file that is there"
        )
    return host, path


def _keychain() -> Keychain:
    from gitops_bridge.registry.credentials import keychain

    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    path = Path(folder) / "config.json"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return keychain(None, f"{path}, which does not exist")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="check DOCKER_CONFIG and its rights"
        ) from None
    return keychain(content, str(path))


def _write(path: Path, digest: str) -> None:
    try:
        path.write_text(digest)
    except OSError as error:
        raise ConfigError(f"--digest-file {path}: {error.strerror}") from None
