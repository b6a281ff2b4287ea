"""What an exception or an answer says, for people; addresses without what may be secret."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3

from gitops_bridge import documents
from gitops_bridge.errors import BridgeError

HINTS = {
    401: "the token is wrong or has expired",
    403: "the token lacks a permission",
    404: "check the address, and that the token may see it",
    429: "the server asks to slow down; try again later",
}


def server_words(text: str) -> str:
    """What the server said was wrong: the message in a JSON answer, else how the text starts."""
    try:
        answer = documents.load_json(text) if text else None
    except ValueError:
        return text[:300].strip()
    if isinstance(answer, dict):
        said = answer.get("message") or answer.get("error") or answer.get("errors") or answer
        return said if isinstance(said, str) else json.dumps(said)[:300]
    return json.dumps(answer)[:300] if answer is not None else ""


def root_cause(error: BaseException) -> str:
    """The innermost reason in words. The layers above repeat the URL, query and all."""
    inner = getattr(error, "reason", None) or next(
        (item for item in error.args if isinstance(item, Exception)), None
    )
    if isinstance(inner, Exception):
        return root_cause(inner)
    text = str(error.args[-1] if error.args and isinstance(error.args[-1], str) else error)
    return re.sub(r"^.*\bobject at 0x[0-9a-f]+>[:,] |^HTTPS?Connection\w*\([^)]*\): ", "", text)


def is_unsent(error: BaseException | None) -> bool:
    """Whether no connection came about, so that the server has not seen the request."""
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):  # a refused one is one as well
        return True
    inner = [getattr(error, "reason", None), getattr(error, "original_error", None)]
    inner += error.args if error is not None else []
    return any(is_unsent(item) for item in inner if isinstance(item, BaseException))


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: who would see the credentials."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def joined(base: str, path: str, error: type[BridgeError]) -> str:
    """The address that `path` means from `base`. Raises `error` for an invalid host or port, which
    a server may send as well as a person may write."""
    try:
        url = urljoin(base, path)
        _ = urlsplit(url).port
    except ValueError:
        shown = (path if "//" in path else base).partition("?")[0].rpartition("@")[2]
        raise error(f"{shown!r:.120} is not a valid URL", hint="check its host and port") from None
    return url


def without_userinfo(url: str) -> str:
    """The address without user, password, query and fragment: any of them may carry a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
