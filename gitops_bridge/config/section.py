"""One mapping of the file: checked values out, problems collected by dotted key; `load` uses it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from gitops_bridge.config.model import Secret

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
_NAMED = 8
"""Unknown keys that are named: of a file that is something else altogether, some will do."""


class Section:
    """One mapping of the file: hands out checked values, collects problems by dotted key."""

    def __init__(self, data: object, path: str, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        self._known: list[str] = []
        if data is not None and not isinstance(data, Mapping):
            problems.append(f"{path or 'the file'}: a mapping is expected, not {data!r:.60}")
            data = None
        self._data: Mapping[str, Any] = data or {}

    def _key(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self._key(key)}: {text}")

    def value(self, key: str, kind: type[T], default: T | None, expected: str) -> T | None:
        self._known.append(key)
        found = self._data.get(key)
        if found is None:
            return default
        if not isinstance(found, kind):
            self.problem(key, f"{expected} is expected, not {found!r:.60}")
            return default
        return found

    def text(self, key: str, check: Callable[[str], str | None] = lambda _: None) -> str | None:
        found = self.value(key, str, None, "text")
        complaint = check(found) if found is not None else None
        if complaint:
            self.problem(key, f"{without_userinfo(found or '')!r:.60} {complaint}")
        return found

    def required(self, key: str, check: Callable[[str], str | None] = lambda _: None) -> str:
        found = self.text(key, lambda text: check(text) if text else "is empty")
        if found is None and self._data.get(key) is None:
            self.problem(key, "is missing")
        return found or ""

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Numbers arrive as the text they are written in, so that ids keep their digits."""
        found = self.value(key, str, str(default), "a whole number")
        if not found or not re.fullmatch(r"[0-9]{1,9}", found, re.ASCII):
            self.problem(key, f"a whole number is expected, not {found!r:.60}")
            return default
        if not low <= int(found) <= high:
            self.problem(key, f"must lie between {low} and {high}, not {found}")
            return default
        return int(found)

    def flag(self, key: str, default: bool) -> bool:
        """`true` and `false` arrive as what they are, in quotes as text."""
        self._known.append(key)
        found = self._data.get(key)
        if found is None or isinstance(found, bool):
            return default if found is None else found
        if isinstance(found, str) and found.lower() in {"true", "false"}:
            return found.lower() == "true"
        self.problem(key, f"true or false is expected, not {found!r:.60}")
        return default

    def choice(self, key: str, kind: type[E], default: E) -> E:
        found = self.text(key)
        words = [str(member.value) for member in kind]
        if found is None or found in words:
            return default if found is None else kind(found)
        self.problem(key, f"one of {', '.join(words)} is expected, not {found!r:.60}")
        return default

    def texts(self, key: str, check: Callable[[str], str | None]) -> tuple[str, ...]:
        found = self.value(key, list, [], "a list") or []
        for item in found:
            complaint = check(item) if isinstance(item, str) else "is not text"
            if complaint:
                self.problem(key, f"{item!r:.60} {complaint}")
        return tuple(item for item in found if isinstance(item, str))

    def has(self, key: str) -> bool:
        self._known.append(key)
        return self._data.get(key) is not None

    def is_mapping(self, key: str) -> bool:
        return isinstance(self._data.get(key), Mapping)

    def section(self, key: str) -> Section:
        self._known.append(key)
        return Section(self._data.get(key), self._key(key), self.problems)

    def sections(self) -> list[tuple[str, Section]]:
        """For a mapping whose keys are free: each key with its section."""
        self._known.extend(map(str, self._data))
        return [
            (str(key), Section(value, self._key(str(key)), self.problems))
            for key, value in self._data.items()
        ]

    def secret(self, key: str) -> Secret | None:
        self._known.append(key)
        found = self._data.get(key)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            self.problem(key, "name where it is: {env: VARIABLE} or {file: /path}; never itself")
            return None
        section = self.section(key)
        secret = Secret(section.text("env"), section.text("file"))
        section.finish()
        if (secret.env is None) == (secret.file is None):
            self.problem(key, "needs exactly one of env and file")
        return secret

    def finish(self) -> None:
        """Whatever nobody has asked for is unknown."""
        strange = []
        for key in map(str, self._data):
            if key in self._known:
                continue
            if near := difflib.get_close_matches(key, self._known, n=1, cutoff=0.5):
                self.problem(key, f"is unknown; did you mean {near[0]}?")
            else:
                strange.append(f"{self._key(key):.60}")
        if strange:
            named = ", ".join(strange[:_NAMED]) + (", …" if strange[_NAMED:] else "")
            verb = "is" if len(strange) == 1 else "are"
            self.problems.append(f"{named}: {verb} unknown; known: {', '.join(self._known)}")


def without_userinfo(text: str) -> str:
    """A secret somebody put into an address is not repeated in the message about it."""
    return re.sub(r"//[^/@]*@", "//…@", text)
