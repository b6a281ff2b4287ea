"""Structural edits of YAML that people read and write: comments, order and quotes stay.

`argocd` and `files` edit through here; everything machines own goes through `documents`.
"""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from gitops_bridge.errors import ConfigError


def load(text: bytes, path: str) -> Any:
    """The one document in `text`. Raises ConfigError naming `path`."""
    try:
        return _yaml().load(text.decode())
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        why = str(error).replace("\n", " ")
        raise ConfigError(f"{path}: {why:.200}", hint="it must be one YAML document") from None


def dump(data: Any) -> bytes:
    stream = StringIO()
    _yaml().dump(data, stream)
    return stream.getvalue().encode()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**16
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def quoted(text: str) -> str:
    """Text that is dumped in double quotes: an id must never become a number."""
    scalar: str = DoubleQuotedScalarString(text)
    return scalar
