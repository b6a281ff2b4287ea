"""One setting of the built-in plugin, as it was read, to a checked value or a complaint.

`importing` calls it for values of files, `answers` for flags and prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gitops_bridge.config.names import NAMESPACE
from gitops_bridge.desired.dockerfile import PPS_VERSION
from gitops_bridge.desired.image_names import IMAGE, REPOSITORY

_PART = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
OBJECT_NAME = re.compile(rf"(?=.{{1,253}}$){_PART}(\.{_PART})*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(rf"({_QUALIFIED.pattern})?")
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
MIRROR = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class Unfit(ValueError):
    """The value cannot stand here; the message says what is expected instead."""


def setting(kind: str, value: Any, verbatim: Any) -> Any:
    """The checked `value` of a key of `kind`; `verbatim` is the same with numbers as written.

    Raises Unfit.
    """
    return _KINDS[kind](value, verbatim)


def plain(value: Any) -> Any:
    """`value`, if JSON can say it: what a patch may carry. Raises Unfit."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise Unfit(f"the key {key!r:.40} is not text: quote it")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit(f"{value!r} is no number that Kubernetes knows")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise Unfit(f"{value!r:.40} is a {type(value).__name__}: quote it")


def _text(value: Any, _verbatim: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Unfit(f"text is expected, not {value!r:.60}")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value):
        raise Unfit("one line of printable text is expected")
    return value


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any, Any], str]:
    def check(value: Any, verbatim: Any) -> str:
        if not pattern.fullmatch(_text(value, verbatim)):
            raise Unfit(f"{value!r:.60} is not {expected}")
        return str(value)

    return check


_object = _matching(OBJECT_NAME, "a name that Kubernetes takes: a-z, 0-9, '-' and '.'")


def _identifier(value: Any, verbatim: Any) -> str:
    if isinstance(value, bool | None | Mapping | list):
        raise Unfit(f"an id is expected, not {value!r:.60}")
    expected = "an id of DataRobot: 24 characters of 0-9 and a-f, as its address in DataRobot ends"
    return _matching(_OBJECT_ID, expected)(str(verbatim), None)


def _url(value: Any, verbatim: Any) -> str:
    text = _text(value, verbatim)
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or parts.query or parts.fragment or " " in text:
        raise Unfit(f"{text!r:.60} does not look like https://host/path")
    if parts.username is not None:
        raise Unfit("carries a user name or password: leave it out")
    if not re.fullmatch(r"[A-Za-z0-9/._~%-]*", parts.path):
        raise Unfit(f"the path {parts.path!r:.60} has characters a route cannot match")
    return text


def _repository(value: Any, verbatim: Any) -> str:
    text = _text(value, verbatim)
    if (":" in text.rpartition("/")[2] and "/" in text) or "@" in text:
        raise Unfit(f"{text!r:.60} carries a tag or digest: name the repository alone")
    expected = "registry host and path, such as r.example.com/models; Docker Hub is docker.io/…"
    return _matching(REPOSITORY, expected)(text, None)


def _versioned(value: Any, verbatim: Any) -> str:
    found = IMAGE.fullmatch(_text(value, verbatim))
    if not found or not PPS_VERSION.fullmatch(found["tag"] or ""):
        raise Unfit(f"{value!r:.60} is not an image with a version, as :11.2.1")
    return str(value)


def _flag(value: Any, _verbatim: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"true or false is expected, not {value!r:.60}")
    return value


def _percent(value: Any, _verbatim: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
        raise Unfit(f"a whole number of percent from 1 to 1000 is expected, not {value!r:.60}")
    return value


def _mapping(value: Any, _verbatim: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Unfit(f"a mapping is expected, not {value!r:.60}")
    checked: dict[str, Any] = plain(value)
    return checked


def _labels(value: Any, verbatim: Any) -> dict[str, str]:
    checked = _mapping(value, None)
    for key, item in checked.items():
        if item is None or isinstance(item, Mapping | list):
            raise Unfit(f"{key}: text is expected, not {item!r:.60}")
    return {
        key: str(item).lower() if isinstance(item, bool) else str(verbatim[key])
        for key, item in checked.items()
    }


def _list_of(kind: type, expected: str) -> Callable[[Any, Any], list[Any]]:
    def check(value: Any, _verbatim: Any) -> list[Any]:
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            raise Unfit(f"a list of {expected} is expected, not {value!r:.60}")
        return [plain(item) for item in value]

    return check


def _named(value: Any, verbatim: Any) -> list[Any]:
    items = _list_of(dict, "mappings")(value, verbatim)
    for position, item in enumerate(items):
        if not isinstance(item.get("name"), str) or not item["name"]:
            raise Unfit(f"item {position + 1} has no name")
    return items


def _keyed(what: str, values: re.Pattern[str] | None) -> Callable[[Any, Any], dict[str, str]]:
    """Labels or annotations: a name of at most 63 signs, perhaps behind a domain and a slash.
    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
    """

    def check(value: Any, verbatim: Any) -> dict[str, str]:
        checked = _labels(value, verbatim)
        for key, text in checked.items():
            prefix, slash, name = key.rpartition("/")
            if not _QUALIFIED.fullmatch(name) or (slash and not OBJECT_NAME.fullmatch(prefix)):
                raise Unfit(f"{key!r:.80} is not {what} that Kubernetes takes")
            if values and not values.fullmatch(text):
                raise Unfit(f"{key}: {text!r:.80} is not a value that Kubernetes takes there")
        return checked

    return check


def _secrets(value: Any, verbatim: Any) -> list[Any]:
    items = _named(value, verbatim)
    for item in items:
        _object(item["name"], None)
    return items


def _volumes(value: Any, verbatim: Any) -> list[Any]:
    items = _named(value, verbatim)
    for item in items:
        if not NAMESPACE.fullmatch(item["name"]):
            raise Unfit(f"{item['name']!r:.80} is not a volume's name: a-z, 0-9, '-', at most 63")
    return _once(items)


def _variables(value: Any, verbatim: Any) -> list[Any]:
    """Kubernetes takes text only: numbers and flags become it."""
    items = _named(value, verbatim)
    for position, item in enumerate(items):
        if not _VARIABLE.fullmatch(item["name"]):
            raise Unfit(f"{item['name']!r:.80} is not a variable's name")
        given = item.get("value")
        if isinstance(given, Mapping | list):
            raise Unfit(f"{item['name']}: text is expected, not {given!r:.60}")
        if isinstance(given, bool):
            item["value"] = str(given).lower()
        elif given is not None and not isinstance(given, str):
            item["value"] = str(verbatim[position]["value"])
    return _once(items)


def _once(items: list[Any]) -> list[Any]:
    names = [item["name"] for item in items]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unfit(f"{twice!r:.80} is there twice")
    return items


def _ingress(value: Any, _verbatim: Any) -> str:
    if value not in ("nginx", "openshift"):
        raise Unfit(f"nginx or openshift is expected, not {value!r:.60}")
    return str(value)


def _secret(value: Any, _verbatim: Any) -> None:
    """A secret is neither kept nor shown, whatever it is."""


_KINDS: Mapping[str, Callable[[Any, Any], Any]] = {
    "text": _text,
    "id": _identifier,
    "url": _url,
    "image": _versioned,
    "repository": _repository,
    "namespace": _matching(NAMESPACE, "a namespace's name: a-z, 0-9 and '-', at most 63"),
    "flag": _flag,
    "percent": _percent,
    "mapping": _mapping,
    "labels": _keyed("a label", _LABEL_VALUE),
    "annotations": _keyed("an annotation", None),
    "object": _object,
    "secrets": _secrets,
    "variables": _variables,
    "volumes": _volumes,
    "mappings": _list_of(dict, "mappings"),
    "named": _named,
    "texts": _list_of(str, "texts"),
    "ingress": _ingress,
    "secret": _secret,
}
