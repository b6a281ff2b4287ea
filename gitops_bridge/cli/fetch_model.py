"""`gitops-bridge fetch-model`: what the init container of a build Job runs.

Turns flags and environment variables into an Order and a Source, and errors into exit codes that
tell the Job whether another attempt may help.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from gitops_bridge.cli.job import JobCommand, exit_code
from gitops_bridge.errors import BridgeError, ConfigError, RequestError

if TYPE_CHECKING:
    from gitops_bridge.datarobot import DataRobot
    from gitops_bridge.images.context import Found, Order
    from gitops_bridge.images.fetch import Pace

_TYPES = ("dedicated", "custom_inference_model")
_FORMATS = ("datarobot", "datarobotScoringCode")

_EPILOG = """
\b
Sources
  (none)                 DataRobot: has the package built, waits, downloads it
  https://host/file      a web server; http:// only on this machine or with --plain-http
  s3://bucket/key        S3 and what speaks its protocol; credentials as boto3 finds them
  gs://bucket/name       Google Cloud Storage; credentials as google-auth finds them
  /models/file           a mounted volume

\b
Exit codes
  0   the build context is complete
  64  wrong flags, or a model that no image can be made of
  65  the file is broken, harmful or has another SHA-256
  66  no such package or file, or no permission
  75  something that may pass: the same call again may succeed and goes on where it can

\b
Examples
  MLOPS_API_TOKEN=… gitops-bridge fetch-model --model-package-id 65f0aa11bb22cc33dd44ee55 \\
      --execution-type dedicated --format datarobot --content-key 3f9c2a71d0 \\
      --pps-image datarobot/portable-prediction-api:11.2.0 \\
      --datarobot-url https://app.datarobot.com --out /workspace
  gitops-bridge fetch-model --source /models/churn.mlpkg --sha256 9f86d0… …
"""


@click.command("fetch-model", cls=JobCommand, epilog=_EPILOG)
@click.option("--model-package-id", required=True, help="DataRobot's id of the model package.")
@click.option(
    "--model-id", help="DataRobot's id of the model; becomes a label. Default: DataRobot is asked."
)
@click.option(
    "--execution-type", type=click.Choice(_TYPES), required=True, help="What runs the model."
)
@click.option(
    "--format",
    "model_format",
    type=click.Choice(_FORMATS),
    help="The file of a dedicated model; custom models have none.",
)
@click.option(
    "--pps-image",
    help="Image the model is put onto: the Portable Prediction Server, or for scoring code a Java "
    "environment. A custom model brings its own.",
)
@click.option("--content-key", required=True, help="Identifies the image; becomes its label.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the build context: empty, or one an earlier call worked on.",
)
@click.option("--source", help="Where to get the file instead of DataRobot; see below.")
@click.option("--plain-http", is_flag=True, help="Allow an http:// source on another machine.")
@click.option("--sha256", help="What the file must have, in hex.")
@click.option(
    "--prediction-explanations", is_flag=True, help="Have the scoring code built with them."
)
@click.option("--datarobot-url", help="Such as https://app.datarobot.com.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the API token of DataRobot. Default: the variable MLOPS_API_TOKEN.",
)
@click.option(
    "--deadline",
    type=click.IntRange(1, 604_800),
    default=3600,
    show_default=True,
    help="Seconds after which to give up with 75.",
)
@click.option("--ca-file", help="Certificates to trust instead of the system's, in PEM.")
@click.option(
    "--verify-ssl/--no-verify-ssl", default=True, show_default=True, help="Check certificates."
)
def fetch_model(**options: Any) -> None:
    """Download a model package and write a build context around it.

    The context is a Dockerfile and what it copies. It is checked (length, archive, SHA-256),
    unpacked safely, and nothing in it is run. Calling again after any end, also a kill, gives the
    same folder; a context that is complete is left as it is.
    """
    try:
        _run(options)
    except BridgeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code(error))


def _run(options: dict[str, Any]) -> None:
    from gitops_bridge.images import context, fetch

    order = _order(options)
    pace = fetch.Pace(time.monotonic, time.sleep, time.monotonic() + options["deadline"], _log)
    record = context.prepare(order, options["out"], _finder(order, options, pace), pace)
    click.echo(f"sha256:{record.sha256}")


def _log(line: str) -> None:
    click.echo(line, file=sys.stderr)


def _order(options: dict[str, Any]) -> Order:
    from gitops_bridge.images.context import Order
    from gitops_bridge.rest import without_userinfo

    for key, pattern in (
        ("model_package_id", r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"),
        ("model_id", r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"),
        ("content_key", r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"),
        ("sha256", r"[0-9a-fA-F]{64}"),
    ):
        value = options[key]
        if value is not None and not re.fullmatch(pattern, value):
            flag = "--" + key.replace("_", "-")
            raise RequestError(f"{flag} is {value!r:.100}", hint=f"it must match {pattern}")
    custom = options["execution_type"] == "custom_inference_model"
    if custom and options["model_format"] is not None:
        raise RequestError("--format does not go with a custom model", hint="leave it out")
    source = _address("--source", options["source"]) or _address(
        "--datarobot-url", options["datarobot_url"]
    )
    return Order(
        content_key=options["content_key"],
        package_id=options["model_package_id"],
        execution_type=options["execution_type"],
        format=options["model_format"],
        base_image=options["pps_image"],
        source=without_userinfo(source),
        sha256=options["sha256"] and options["sha256"].lower(),
        model_id=options["model_id"],
    )


def _address(flag: str, url: str | None) -> str:
    """As it is. Raises RequestError, without what it may carry, where host or port are none."""
    try:
        _ = urlsplit(url or "").port
    except ValueError:
        raise RequestError(f"{flag} is not a valid URL", hint="check its host and port") from None
    return url or ""


def _finder(order: Order, options: dict[str, Any], pace: Pace) -> Callable[[], Found]:
    """What finds the source, once it is needed; faults of the flags are raised right away."""
    if options["source"] is not None:
        return _elsewhere(options["source"], options, pace)
    client = _datarobot(options, pace)
    return lambda: _in_datarobot(client, order, options["prediction_explanations"])


def _datarobot(options: dict[str, Any], pace: Pace) -> DataRobot:
    from gitops_bridge import datarobot

    url = options["datarobot_url"]
    if not url or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise RequestError(
            f"--datarobot-url is {url!r:.200}", hint="such as https://app.datarobot.com"
        )
    if "@" in urlsplit(url).netloc:
        raise RequestError("--datarobot-url carries a user", hint="the token is the only login")
    rest = datarobot.session(
        url, _token(options["token_file"]), ca_file=options["ca_file"],
        verify=options["verify_ssl"], left=pace.left,
    )  # fmt: skip
    return datarobot.DataRobot(
        rest, clock=pace.clock, sleep=pace.sleep, patience=options["deadline"], log=pace.log
    )


def _token(file: Path | None) -> str:
    from gitops_bridge.secret_text import Syntax, checked

    try:
        token = (file.read_text() if file else os.environ.get("MLOPS_API_TOKEN", "")).strip()
    except OSError as error:
        raise ConfigError(f"--token-file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {file} is not text") from None
    if not token:
        raise ConfigError("no API token", hint="set MLOPS_API_TOKEN, or --token-file")
    return checked(token, f"--token-file {file}" if file else "MLOPS_API_TOKEN", Syntax.TOKEN)


def _in_datarobot(client: DataRobot, order: Order, explanations: bool) -> Found:
    from gitops_bridge.datarobot import retry_after
    from gitops_bridge.desired.dockerfile import Target
    from gitops_bridge.errors import DataRobotError
    from gitops_bridge.images.context import Found
    from gitops_bridge.images.sources import HttpSource

    details = client.ready(order.package_id)
    if details.execution_type not in (None, order.execution_type):
        raise DataRobotError(
            f"model package {details.id} is {details.execution_type!r:.60}, "
            f"not {order.execution_type}",
            hint="check the model in DataRobot",
        )
    if order.format == "datarobotScoringCode":
        download = client.scoring_code(order.package_id, explanations=explanations)
    else:
        installer = order.execution_type == "custom_inference_model"
        download = client.package_file(order.package_id, installer=installer)
    target = None
    if details.target_type:
        target = Target(details.target_type, details.target_name, details.class_names)
    source = HttpSource(client.rest, download.path, download.params, retry_after)
    return Found(source, details.model_id, target)


def _elsewhere(url: str, options: dict[str, Any], pace: Pace) -> Callable[[], Found]:
    from gitops_bridge.datarobot import retry_after
    from gitops_bridge.errors import ImageError
    from gitops_bridge.images import object_stores
    from gitops_bridge.images.context import Found
    from gitops_bridge.images.sources import FileSource, HttpSource, Source
    from gitops_bridge.rest import Rest

    tls = {"ca_file": options["ca_file"], "verify": options["verify_ssl"]}
    http = {**tls, "left": pace.left}
    parts = urlsplit(url)
    source: Source
    if parts.scheme in ("http", "https"):
        _check_http(url, options["plain_http"])
        source = HttpSource(Rest(url, error=ImageError, retries=0, **http), url, {}, retry_after)
    elif parts.scheme == "s3":
        source = object_stores.s3(url, **tls)
    elif parts.scheme == "gs":
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        rest, path, params = object_stores.gs(url, emulator=emulator, **http)
        source = HttpSource(rest, path, params, retry_after)
    elif url.startswith("/"):
        source = FileSource(Path(url))
    else:
        raise RequestError(
            f"--source {url!r:.200} is unknown",
            hint="https://…, s3://bucket/key, gs://bucket/name or an absolute path",
        )
    return lambda: Found(source)


def _check_http(url: str, plain: bool) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise RequestError(
            "--source carries a user or password", hint="flags are visible to everyone on the node"
        )
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not (local or plain):
        raise RequestError(
            f"--source http://{parts.hostname} is not encrypted", hint="use https or --plain-http"
        )
