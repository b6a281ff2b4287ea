"""Sources in object stores: `s3://bucket/key` and `gs://bucket/name`.

The command `fetch-model` makes them. Credentials are found by each cloud's own rules (a workload's
identity, a profile, a node's role) in its own library, an optional extra that is imported here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from gitops_bridge.errors import ConfigError, ImageError, RequestError
from gitops_bridge.images.sources import CHUNK, Body
from gitops_bridge.rest import Rest

_GOOGLE = "https://storage.googleapis.com"
_READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"


@dataclass(frozen=True)
class S3Source:
    """An object of S3 or of a store that speaks its protocol; `client` is boto3's."""

    client: Any
    bucket: str
    key: str

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def open(self, start: int, validator: str | None) -> Body:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
        )

        options = {"Range": f"bytes={start}-", "IfMatch": validator} if start and validator else {}
        try:
            answer = self.client.get_object(
                Bucket=self.bucket, Key=self.key, ChecksumMode="ENABLED", **options
            )
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if options and status in (412, 416):  # another object by now: from the start
                return self.open(0, None)
            raise _refused(self.name, status, error.response.get("Error", {})) from None
        except BotoCoreError as error:
            raise ImageError(
                f"{self.name}: {type(error).__name__}: {error!s:.300}",
                hint="check the region, the endpoint and the credentials of the service account",
                retry="Credentials" not in type(error).__name__,
            ) from None
        begin = start if answer["ResponseMetadata"]["HTTPStatusCode"] == 206 else 0
        size = int(answer["ContentLength"]) + begin
        stated = answer.get("ChecksumSHA256") if begin == 0 else None
        return Body(
            begin, size, _s3_chunks(answer["Body"], self.name), answer["Body"].close,
            answer.get("ETag"),
            base64.b64decode(stated).hex() if stated and "-" not in stated else None,
        )  # fmt: skip


def _s3_chunks(stream: Any, name: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError, HTTPClientError

    try:
        while chunk := stream.read(CHUNK):
            yield chunk
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise ImageError(
            f"{name}: the connection broke off ({type(error).__name__})", retry=True
        ) from None


def _refused(name: str, status: int, answer: dict[str, Any]) -> ImageError:
    problem = ImageError(
        f"{name}: {status} {answer.get('Code')}: {answer.get('Message')!s:.300}",
        hint="check the address and the rights of the service account",
        retry=status == 429 or status >= 500,
    )
    problem.status = status
    return problem


def s3(url: str, *, ca_file: str | None, verify: bool) -> S3Source:
    """The source at `s3://bucket/key`. Endpoint, region and credentials are boto3's business:
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html."""
    bucket, key = _split(url)
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise _missing("s3") from None
    from botocore.exceptions import BotoCoreError

    try:
        client = boto3.session.Session().client(
            "s3",
            verify=(ca_file or None) if verify else False,
            config=Config(
                connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 2}
            ),
        )
    except BotoCoreError as error:
        raise ConfigError(f"s3: {error!s:.300}", hint="check the AWS_… variables") from None
    return S3Source(client, bucket, key)


def gs(
    url: str,
    *,
    emulator: str | None,
    ca_file: str | None,
    verify: bool,
    left: Callable[[], float] = lambda: math.inf,
) -> tuple[Rest, str, dict[str, str]]:
    """Session, address and query that download `gs://bucket/name`, for an HttpSource:
    https://cloud.google.com/storage/docs/json_api/v1/objects/get. An `emulator` needs no login."""
    bucket, name = _split(url)
    path = f"storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
    options: dict[str, Any] = {
        "error": ImageError, "ca_file": ca_file, "verify": verify, "left": left
    }  # fmt: skip
    if emulator is not None:
        base = emulator if "://" in emulator else f"http://{emulator}"
        return Rest(base, retries=0, **options), path, {"alt": "media"}
    return Rest(_GOOGLE, retries=0, authorize=_google_login(), **options), path, {"alt": "media"}


def _google_login() -> Any:
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
    except ImportError:
        raise _missing("gs") from None
    try:
        credentials, _project = google.auth.default(scopes=[_READ_ONLY])
    except GoogleAuthError as error:
        raise ConfigError(
            f"gs: {error!s:.300}", hint="give the service account a Workload Identity"
        ) from None

    def authorize() -> dict[str, str]:
        try:
            if not credentials.valid:
                credentials.refresh(Request())
        except GoogleAuthError as error:
            raise ImageError(f"gs: no token: {error!s:.300}", retry=True) from None
        return {"Authorization": f"Bearer {credentials.token}"}

    return authorize


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    key = parts.path.lstrip("/")
    if not parts.netloc or not key or parts.query or parts.fragment:
        raise RequestError(
            f"--source {url!r:.200} names no object", hint=f"{parts.scheme}://bucket/path/to/file"
        )
    return parts.netloc, key


def _missing(extra: str) -> ConfigError:
    return ConfigError(
        f"--source {extra}://… needs a library that is not installed",
        hint=f"install gitops-bridge with the extra `{extra}` (gitops-bridge help how-to/install); "
        "the image of the bridge has it",
    )
