"""YAML text to plain data and back, for files that machines own.

Reading keeps every number-like scalar as the string that was written: DataRobot ids may be all
digits or look like floats (`1e5`), and must never change. Writing double-quotes every string that
any YAML reader might take for something else. People's files go through ruamel in the scaffold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import yaml

try:  # libyaml is 10 to 30 times faster; the wheels of PyYAML carry it
    from yaml import CSafeDumper as _Dumper
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - a PyYAML built without libyaml
    from yaml import SafeDumper as _Dumper  # type: ignore[assignment]
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9 /._-]*[A-Za-z0-9/]|[A-Za-z]")
_DEPTH_LIMIT = 200
_VALUES_LIMIT = 500_000
"""Of JSON: an empty list takes 70 bytes of memory and 3 of text."""
_MERGE = "tag:yaml.org,2002:merge"
_EXPANDED_LIMIT = 100_000
"""Of YAML with aliases: the nodes it has when each alias is written out."""
_OF_A_TAG = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What PyYAML lets through of a value that does not fit its tag: `!!bool maybe`."""
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"}


class InvalidYaml(ValueError):
    """The text is not YAML; the message names line and column."""


class _PlainLoader(_Loader):
    """A lone `=`, which YAML 1.1 gave a meaning nobody uses, is text as in YAML 1.2; so is `<<`
    where it is a value."""


def _as_text(_: _PlainLoader, node: yaml.Node) -> str:
    return str(node.value)


_PlainLoader.add_constructor("tag:yaml.org,2002:value", _as_text)
_PlainLoader.add_constructor(_MERGE, _as_text)


class _VerbatimLoader(_PlainLoader):
    """Booleans and nulls are read; numbers and dates stay the text they are."""


_VerbatimLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] in {"bool", "null", "merge"}
    ]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


class _QuotingDumper(_Dumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: _QuotingDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_QuotingDumper.add_representer(str, _represent_text)


def _invalid(error: yaml.YAMLError) -> InvalidYaml:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = getattr(error, "problem", None) or str(error).split("\n")[0]
    return InvalidYaml(f"{where}{what}")


def load(text: str | bytes) -> Any:
    """The one document in `text` with types as YAML gives them. Raises InvalidYaml."""
    return _one(text, _PlainLoader)


def first(text: str | bytes) -> Any:
    """The first document in `text`, whatever follows it: so kustomize reads its own files. Raises
    InvalidYaml."""
    return next(iter(_all(text, _PlainLoader)), None)


def load_verbatim(text: str | bytes) -> Any:
    """As `load`, but number-like scalars stay strings, digit for digit. Raises InvalidYaml."""
    return _one(text, _VerbatimLoader)


def load_all(text: str | bytes) -> list[Any]:
    """Every document in `text` that is not empty. Raises InvalidYaml."""
    return [document for document in _all(text, _PlainLoader) if document is not None]


def repeated_keys(text: str | bytes) -> list[str]:
    """The keys that a mapping in `text` holds twice, each with its line. YAML forbids them, yet
    most readers, kustomize among them, take one of the two without a word. Raises InvalidYaml."""
    try:
        _refuse_depth(_bytes(text))
        return [found for root in yaml.compose_all(text, Loader=_Loader) for found in _twice(root)]
    except yaml.YAMLError as error:
        raise _invalid(error) from None
    except InvalidYaml:
        raise
    except _OF_A_TAG as error:
        raise InvalidYaml(f"a value does not fit its tag: {error!r:.100}") from None


def _twice(root: yaml.Node | None) -> Iterator[str]:
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue  # an alias leads to a node that was seen
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        keys = set()
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in keys:
                yield f"{key.value!r:.60} (line {key.start_mark.line + 1})"
            keys.add(key.value)


def _one(text: str | bytes, loader: type[_PlainLoader]) -> Any:
    documents = _all(text, loader)
    if len(documents) > 1:
        raise InvalidYaml(f"{len(documents)} documents where one is expected")
    return documents[0] if documents else None


def _all(text: str | bytes, loader: type[_PlainLoader]) -> list[Any]:
    try:
        _refuse_excess(text)
        return list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as error:
        raise _invalid(error) from None
    except InvalidYaml:
        raise
    except _OF_A_TAG as error:
        raise InvalidYaml(f"a value does not fit its tag: {error!r:.100}") from None


def _refuse_excess(text: str | bytes) -> None:
    """What would fill memory or stack once it is data."""
    content = _bytes(text)
    _refuse_depth(content)
    if b"&" in content and b"*" in content:
        known: dict[int, int] = {}
        for root in yaml.compose_all(content, Loader=_Loader):
            if root is not None and _expanded(root, known) > _EXPANDED_LIMIT:
                raise InvalidYaml("its aliases, written out, are too much")


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """The nodes below and with this one, each alias counted like what it stands for; beyond every
    limit where one stands for what it is part of."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = _EXPANDED_LIMIT + 1
        parts = node.value if isinstance(node, yaml.SequenceNode) else chain(*node.value)
        known[id(node)] = 1 + sum(_expanded(part, known) for part in parts)
    return known[id(node)]


def _refuse_depth(content: bytes) -> None:
    """libyaml composes recursively in C and crashes the process on deep nesting; the event
    stream does not. Only text that could be deep pays for the extra pass."""
    openers = content.count(b"[") + content.count(b"{")
    longest_line = max(map(len, content.split(b"\n")))
    if openers <= _DEPTH_LIMIT and longest_line <= 2 * _DEPTH_LIMIT:
        return
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_LIMIT:
            raise InvalidYaml(f"nested more than {_DEPTH_LIMIT} levels deep")


def dump(data: Any) -> str:
    """Block-style YAML, keys in the order given, strings quoted where any reader may stumble."""
    return yaml.dump(
        data, Dumper=_QuotingDumper, sort_keys=False, default_flow_style=False, width=2**31 - 1,
        allow_unicode=True,
    )  # fmt: skip


def load_json(content: str | bytes) -> Any:
    """The data in JSON text that somebody else wrote. Raises ValueError when it is not JSON, is not
    UTF-8, is nested too deep, or holds so many values that they would fill the memory."""
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    values = text.count(",") + text.count("[") + text.count("{")
    if values > _VALUES_LIMIT:
        raise ValueError(f"more than {_VALUES_LIMIT} values")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
