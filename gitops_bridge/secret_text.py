"""What was read as a secret, to the secret: its syntax is checked here and nowhere else.

A secret that cannot be sent as it is ends in an exception of a library, and libraries quote what
they could not use. So what does not hold is refused when it is read, and never shown.
"""

from __future__ import annotations

import re
from enum import Enum

from gitops_bridge.errors import ConfigError


class Syntax(Enum):
    """What a secret may be made of, and that in words."""

    TOKEN = r"[\x21-\x7e]+", "an API token has no blanks, line breaks or other signs in it"
    PASSWORD = r"[^\x00-\x1f\x7f]+", "a password has no line breaks or control characters in it"
    KEY = r"[^\x00]+", "a key is text"


def checked(text: str, key: str, syntax: Syntax) -> str:
    """The secret in `text`, without blanks around it; `key` is where it was set. Raises ConfigError
    when it is none."""
    secret = text.strip()
    if not holds(secret, syntax):
        raise ConfigError(f"{key}: {syntax.value[1]}", hint="look at what is stored there")
    return secret


def holds(secret: str, syntax: Syntax) -> bool:
    return re.fullmatch(syntax.value[0], secret) is not None
