"""Requests and answers held against a provider's API description, as it publishes it or, where that
cannot be had, as it was written after its documentation; each file's `source` tells.

The files of tests/schemas give, per path and method, the query parameters, the body and the answers
as JSON schemas; what they do not name is a violation. A refused request's body is not held: tests
refuse on purpose.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

_SCHEMAS = Path(__file__).parents[2] / "schemas"


class Description:
    """`file` None describes nothing; `loose` are parameters described in prose only."""

    def __init__(self, file: str | None, loose: frozenset[str], violations: list[str]) -> None:
        described = json.loads((_SCHEMAS / file).read_text()) if file else {"paths": {}}
        self._paths = described["paths"]
        self._shared = {"$defs": described.get("$defs", {})}
        self._loose = loose
        self._violations = violations

    def request(self, method: str, path: str, query: dict[str, list[str]]) -> None:
        operation = self._operation(method, path)
        for name in query if operation else ():
            if name in self._loose:
                continue
            if name not in operation["query"]:
                self._violations.append(f"{method} {path}: parameter {name} is not described")
                continue
            for value in query[name]:
                typed = int(value) if value.isdigit() else value
                self._hold(f"{method} {path}: {name}", typed, operation["query"][name])

    def body(self, method: str, path: str, body: Any) -> None:
        operation = self._operation(method, path)
        if operation and operation["body"] is not None:
            self._hold(f"{method} {path}: body", body or {}, operation["body"])

    def answer(self, method: str, path: str, status: int, data: Any) -> None:
        operation = self._operation(method, path)
        described = operation and operation["responses"].get(str(status))
        if described:
            self._hold(f"{method} {path}: answer", data, described)

    def _operation(self, method: str, path: str) -> Any:
        for template, methods in self._paths.items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
                if method.lower() not in methods:
                    self._violations.append(f"{method} {path} is not described")
                return methods.get(method.lower())
        return None

    def _hold(self, where: str, value: Any, schema: Any) -> None:
        validator = jsonschema.Draft202012Validator({**schema, **self._shared})
        for error in validator.iter_errors(value):
            self._violations.append(f"{where}: {error.json_path}: {error.message:.300}")
