"""What one value of the configuration must look like: each check takes a text and says what is
wrong with it, None when nothing is."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_BRANCH = re.compile(r"(?![-/.])(?!.*(//|\.\.|@\{|\.lock$|[/.]$))[^\x00-\x20~^:?*\[\\\x7f]+")


def label(text: str) -> str | None:
    return one_line(text) or ("must not hold a comma" if "," in text else None)


def template(text: str) -> str | None:
    """What a server demands of messages is about the first line, or lines behind the body."""
    first, _, rest = text.partition("\n")
    if first.count("{subject}") != 1 or "{subject}" in rest:
        return "must hold {subject} once, in its first line, such as '[OPS-1] {subject}'"
    if re.search(r"[\x00-\x09\x0b-\x1f]", text):
        return "must be printable"
    return None


def not_an_option(text: str) -> str | None:
    return "is no key" if text.startswith("-") or not text.strip() else one_line(text)


def matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str | None]:
    return lambda text: None if pattern.fullmatch(text) else f"must be {expected}"


def branch(text: str) -> str | None:
    return None if _BRANCH.fullmatch(text) else "is no branch name"


def one_line(text: str) -> str | None:
    return "must be one line without < and >" if re.search(r"[\x00-\x1f<>]", text) else None


def no_credentials(text: str) -> str | None:
    if re.search(r"[\x00-\x20]", text) or text.startswith("-"):
        return "is not a valid URL"
    parts = _split(text) if "://" in text else None
    if "://" in text and parts is None:
        return "is not a valid URL"
    if parts is not None and parts.password is not None:
        return "carries a password; put it into repository.password: {env: …} or {file: …}"
    return None


def rstripped(url: str | None) -> str | None:
    return url.rstrip("/") if url else None


def http_url(text: str) -> str | None:
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must look like https://host/path"
    if parts.query or parts.fragment:
        return "must look like https://host/path"
    return None


def _split(text: str) -> SplitResult | None:
    """The parts of an address, None when its host or port is none."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def plain_url(text: str) -> str | None:
    return http_url(text) or ("carries a user" if "@" in urlsplit(text).netloc else None)


def host(text: str) -> str | None:
    return None if _HOST.fullmatch(text) else "is no host, such as registry.example.com:5000"
