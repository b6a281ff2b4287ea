"""What a server tells of itself and of what people did, as well as it can.

Who closed a pull request, and why, is for people to read: a server that does not tell must not hold
up what comes after it. A server that is too old is told as a right that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.model import Right

T = TypeVar("T")


def told(ask: Callable[[], T], otherwise: T) -> T:
    """What `ask` finds, or `otherwise` where this server does not tell: it has no such address, the
    token may not, the answer has another shape.

    Raises ForgeError where asking later helps: a rate limit, a fault, a server out of reach, a
    token that has to be replaced.
    """
    try:
        return ask()
    except ForgeError as error:
        if error.status == 401 or error.retry:
            raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        pass
    return otherwise


def version_right(found: str | None, minimum: str) -> Right:
    """Whether the server is of version `minimum` or newer; unknown where it does not tell.

    Forgejo names the version of Gitea that it is compatible with: 7.0.5+gitea-1.22.0.
    """
    compatible = (found or "").rpartition("+gitea-")[2]
    numbers = re.match(r"\d+(?:\.\d+)*", compatible)
    granted = _numbers(numbers[0]) >= _numbers(minimum) if numbers else None
    said = f"this server is {found}: upgrade it" if found else "the server does not tell"
    return Right(f"version {minimum} or newer", granted, said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
