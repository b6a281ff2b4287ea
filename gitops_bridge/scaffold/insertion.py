"""YAML that people read and write, with an entry more in one of its lists or mappings.

Lines are put in and no other line is touched, so whatever formatter went over the file, a review
shows the new entry and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from gitops_bridge import documents
from gitops_bridge.errors import ConfigError

Place = Sequence[str | int]
"""Keys and positions that lead from the top of a document to a collection in it."""


def appended(text: bytes, path: str, place: Place, items: Sequence[Any]) -> bytes:
    """`text`, the file at `path`, with `items` at the end of the list at `place`.

    Raises ConfigError when it has no such list or cannot take them in lines of their own.
    """
    return _extended(text, path, place, list(items))


def entered(text: bytes, path: str, place: Place, entries: Mapping[str, Any]) -> bytes:
    """`text`, the file at `path`, with `entries` at the end of the mapping at `place`.

    Raises ConfigError when it has no such mapping or cannot take them in lines of their own.
    """
    return _extended(text, path, place, dict(entries))


def _extended(text: bytes, path: str, place: Place, new: Any) -> bytes:
    if not new:
        return text
    content = text.decode("utf-8", "surrogateescape")
    after = _inserted(content, _collection(content, path, place), new)
    result = after.encode("utf-8", "surrogateescape")
    if not _holds(result, _with(documents.load_verbatim(text), place, new)):
        shown = documents.dump(new).rstrip("\n").replace("\n", "\n  ")
        where = ".".join(map(str, place))
        raise ConfigError(
            f"{path}: {where} is written in a way that cannot be added to in place",
            hint=f"add this to it by hand, and run init again:\n  {shown}",
        )
    return result


def _collection(content: str, path: str, place: Place) -> CollectionNode:
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(content)
        for step in place:
            node = _child(node, step)
    except (YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"{path}: {why:.200}", hint="it must be one YAML document") from None
    except LookupError:
        node = None
    if not isinstance(node, CollectionNode):
        raise ConfigError(
            f"{path}: {'.'.join(map(str, place))} is missing", hint="bring it back from history"
        )
    return node


def _child(node: Node | None, step: str | int) -> Node:
    if isinstance(node, SequenceNode) and isinstance(step, int):
        found: Node = node.value[step]
        return found
    if isinstance(node, MappingNode):
        children: dict[str, Node] = {str(key.value): value for key, value in node.value}
        return children[str(step)]
    raise LookupError(step)


def _inserted(content: str, node: CollectionNode, new: Any) -> str:
    if node.flow_style:
        return _in_flow(content, node, new)
    newline = "\r\n" if "\r\n" in content else "\n"
    margin = " " * _column(content, node)
    lines = [f"{margin}{line}{newline}" for line in documents.dump(new).splitlines()]
    at = _line_after(content, _end(node))
    before = content[:at]
    if before and not before.endswith("\n"):
        before += newline
    return before + "".join(lines) + content[at:]


def _column(content: str, node: CollectionNode) -> int:
    """Where the keys of a block mapping, or the dashes of a block list, stand."""
    if isinstance(node, MappingNode):
        return int(node.value[0][0].start_mark.column)
    dash = content.rfind("-", 0, node.value[0].start_mark.index)
    return dash - (content.rfind("\n", 0, dash) + 1)


def _in_flow(content: str, node: CollectionNode, new: Any) -> str:
    """Between brackets: on a line of its own where the last one is, else behind it."""
    if isinstance(new, dict):
        texts = [f"{json.dumps(key)}: {_json(value)}" for key, value in new.items()]
    else:
        texts = [_json(item) for item in new]
    if not node.value:
        at = node.start_mark.index + 1
        return content[:at] + ", ".join(texts) + content[at:]
    last = node.value[-1]
    start = (last[0] if isinstance(node, MappingNode) else last).start_mark
    margin = content[start.index - start.column : start.index]
    between = f",\n{margin}" if not margin.strip() else ", "
    at = _end(node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1])
    return content[:at] + "".join(f"{between}{text}" for text in texts) + content[at:]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _end(node: Node) -> int:
    """Where the last thing that is written in the node ends: a block ends only where the next thing
    begins, behind blank lines and comments."""
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(node, MappingNode) else last)


def _line_after(content: str, at: int) -> int:
    if at and content[at - 1] == "\n":  # a block scalar ends with its line
        return at
    found = content.find("\n", at)
    return len(content) if found < 0 else found + 1


def _with(data: Any, place: Place, new: Any) -> Any:
    inner = data
    for step in place:
        inner = inner[step]
    if isinstance(new, dict):
        inner.update(new)
    else:
        inner.extend(new)
    return data


def _holds(text: bytes, wanted: Any) -> bool:
    try:
        return bool(documents.load_verbatim(text) == wanted)
    except documents.InvalidYaml:
        return False
