"""A Dockerfile of somebody else, read as far as lines that are put behind it depend on it.

`dockerfile.custom` puts a model's steps behind the Dockerfile of its execution environment; syntax:
https://docs.docker.com/reference/dockerfile/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import takewhile

from gitops_bridge.errors import ImageError

_CONTINUED = re.compile(r"\\[ \t]*\n")
_INSTRUCTION = re.compile(
    r"\s*(?P<name>FROM|WORKDIR|USER|COPY|ADD)\s+(?P<rest>.*\S)", re.IGNORECASE
)
_WHOLE_CONTEXT = re.compile(r"(?:--(?!from=)\S+\s+)*\./?\s+(?P<to>\S+)", re.IGNORECASE)
_ESCAPE_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*(?P<with>\S)", re.IGNORECASE)


@dataclass
class Stage:
    """What a stage leaves: its folder; its user, empty for root or what the base image says; and
    the folders, without a slash at the end, that it has copied the whole context to."""

    folder: str = ""
    user: str = ""
    copied_to: set[str] = field(default_factory=set)


def last_stage(text: str) -> Stage:
    """The stage that becomes the image, at its end.

    Raises ImageError where lines behind it would not mean what they say.
    """
    spoken = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    _appendable(text, spoken)
    stage = Stage()
    for line in _CONTINUED.sub(" ", "\n".join(spoken)).splitlines():
        found = _INSTRUCTION.fullmatch(line)
        if found is None:
            continue
        name, rest = found["name"].upper(), found["rest"]
        if name == "FROM":
            stage = Stage()
        elif name == "WORKDIR":
            stage.folder = rest
        elif name == "USER":
            stage.user = "" if rest.partition(":")[0] in ("root", "0") else rest
        elif whole := _WHOLE_CONTEXT.fullmatch(rest):
            to = stage.folder if whole["to"] in (".", "./") else whole["to"]
            stage.copied_to.add(to.rstrip("/"))
    return stage


def _appendable(text: str, spoken: list[str]) -> None:
    # Only a comment above the first instruction can be a directive.
    top = takewhile(lambda line: line.startswith("#"), text.lstrip("\ufeff").splitlines())
    directives = filter(None, map(_ESCAPE_DIRECTIVE.match, top))
    if any(directive["with"] != "\\" for directive in directives):
        raise ImageError(
            "the environment's Dockerfile changes the escape character",
            hint="use the default escape character, \\",
        )
    if not any(re.match(r"\s*FROM\s", line, re.IGNORECASE) for line in spoken):
        raise ImageError("the environment's Dockerfile has no FROM")
    if spoken[-1].rstrip().endswith("\\"):
        raise ImageError(
            "the environment's Dockerfile ends within an instruction",
            hint="remove the backslash at its end",
        )
