"""An ApplicationSet's Go template and its parameters to text, for the few functions that name a
folder.

https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/GoTemplate/
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

_FUNCTIONS: Mapping[str, Callable[[str], str]] = {
    "dir": posixpath.dirname,
    "base": posixpath.basename,
    "lower": str.lower,
}
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}")


class NotUnderstood(ValueError):
    """A template that uses more than is known here; the message is the part in question."""


def filled(text: str, parameters: Mapping[str, Any]) -> str:
    """`text` with its actions replaced. Raises NotUnderstood."""
    return _ACTION.sub(lambda found: _value(found[1].strip(), parameters), text)


def _value(action: str, parameters: Mapping[str, Any]) -> str:
    try:
        stages = [shlex.split(stage) for stage in action.split("|")]
    except ValueError:
        raise NotUnderstood(action) from None
    value: Any = None
    for position, words in enumerate(stages):
        if not words:
            raise NotUnderstood(action)
        given = [_argument(word, parameters, action) for word in words[1:]]
        if position:
            given.append(value)
        value = _called(words[0], given, parameters, action)
    return str(value)


def _called(name: str, given: list[Any], parameters: Mapping[str, Any], action: str) -> Any:
    if name.startswith(".") and not given:
        return _looked_up(name, parameters, action)
    if name == "index" and len(given) == 2 and isinstance(given[0], list):
        position = str(given[1])
        if position.isdigit() and int(position) < len(given[0]):
            return given[0][int(position)]
    if len(given) == 1 and isinstance(given[0], str) and name in _FUNCTIONS:
        return _FUNCTIONS[name](given[0])
    raise NotUnderstood(action)


def _argument(word: str, parameters: Mapping[str, Any], action: str) -> Any:
    return _looked_up(word, parameters, action) if word.startswith(".") else word


def _looked_up(name: str, parameters: Mapping[str, Any], action: str) -> Any:
    value: Any = parameters
    for step in name[1:].split("."):
        if not isinstance(value, Mapping) or step not in value:
            raise NotUnderstood(action)
        value = value[step]
    return value
