"""The management agent's Helm values (both chart generations) and the plugin's private config to
settings by the plugin's own keys, each key accounted for.

`gitops-bridge init` calls it for `--values` and `--plugin-config`; `answers` completes the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gitops_bridge import documents
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import checks
from gitops_bridge.scaffold.keys import (
    ALPHA_SECTIONS,
    API_SECRET,
    BY_NAME,
    CURRENT_SECTIONS,
    HELM_KEYS,
    PLUGIN_KEYS,
    Key,
)


@dataclass(frozen=True)
class Finding:
    """What became of one key of an imported file: `text` names its place, or why it has none."""

    source: str
    key: str
    verdict: Literal["placed", "no place", "unknown"]
    text: str
    setting: str = ""
    """The plugin's key that it may have been meant for."""


@dataclass(frozen=True)
class Imported:
    """Checked settings by the plugin's keys (and `apiSecretName`), and what became of each key."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def then(self, other: Imported) -> Imported:
        """Both, `other` winning: the plugin's private config over what the chart says."""
        return Imported({**self.settings, **other.settings}, (*self.findings, *other.findings))


@dataclass(frozen=True)
class File:
    """A file to import: its name for messages, and its text."""

    name: str
    text: str | bytes


def helm_values(files: Sequence[File]) -> Imported:
    """The settings in Helm values files, later ones winning as in `helm --values a --values b`.

    Raises ConfigError listing every value that cannot be taken.
    """
    known = {key.path: key for key in HELM_KEYS}
    reader = _Reader(files)
    walked = list(_walk(reader.typed, reader.verbatim, set(known)))
    reader.refuse_two_charts([path for path, _, _ in walked])
    for path, value, verbatim in walked:
        found = known.get(path)
        if found is None:
            reader.unknown(path, {name: key.setting for name, key in sorted(known.items())})
        elif found.setting:
            reader.place(path, _key(found.setting), value, verbatim)
        else:
            reader.no_place(path, found.reason)
    return reader.finish()


def plugin_config(files: Sequence[File]) -> Imported:
    """The settings in the built-in plugin's private configuration files, later ones winning.

    Raises ConfigError listing every value that cannot be taken.
    """
    reader = _Reader(files)
    for found, value in reader.typed.items():
        name = str(found)
        key = BY_NAME.get(name)
        if key is None:
            reader.unknown(name, {key.name: key.name for key in PLUGIN_KEYS})
        elif key.place:
            reader.place(name, key, value, reader.verbatim.get(found))
        else:
            reader.no_place(name, key.reason)
    return reader.finish()


def _key(setting: str) -> Key:
    return API_SECRET if setting == API_SECRET.name else BY_NAME[setting]


_Loaded = tuple[dict[Any, Any], dict[Any, Any]]
"""A file with types as YAML gives them, and with numbers as they were written."""


class _Reader:
    """Loads and merges the files, collects settings, findings and problems."""

    def __init__(self, files: Sequence[File]) -> None:
        self._problems: list[str] = []
        self._files: list[tuple[str, _Loaded]] = [(file.name, self._load(file)) for file in files]
        self._settings: dict[str, Any] = {}
        self._given: dict[str, tuple[str, Any]] = {}
        """By setting, the first key that gave it, and its value."""
        self._findings: list[Finding] = []
        self.typed: dict[Any, Any] = {}
        self.verbatim: dict[Any, Any] = {}
        for _, (typed, verbatim) in self._files:
            self.typed = _merge(self.typed, typed)
            self.verbatim = _merge(self.verbatim, verbatim)

    def _load(self, file: File) -> _Loaded:
        try:
            typed = documents.load(file.text)
            twice = documents.repeated_keys(file.text)
            self._problems += [f"{file.name}: the key {key} is there twice" for key in twice]
            verbatim = documents.load_verbatim(file.text)
        except documents.InvalidYaml as error:
            self._problems.append(f"{file.name}: {error}")
            return {}, {}
        if typed is None:
            return {}, {}
        if not isinstance(typed, dict):
            self._problems.append(f"{file.name}: a mapping is expected, not {typed!r:.60}")
            return {}, {}
        return typed, verbatim

    def _source(self, path: str) -> str:
        """The last file that says something about `path`."""
        for name, (typed, _) in reversed(self._files):
            node: Any = typed
            for step in path.split("."):
                node = node.get(step) if isinstance(node, dict) else None
            if node is not None:
                return name
        return self._files[-1][0]

    def place(self, path: str, key: Key, value: Any, verbatim: Any) -> None:
        """An empty text is how values.yaml says that nothing is set."""
        if isinstance(value, str) and not value.strip():
            self._find(path, "no place", "it is empty, so nothing is set")
            return
        try:
            checked = checks.setting(key.kind, value, verbatim)
        except checks.Unfit as error:
            self._problems.append(f"{self._source(path)}: {path}: {error}")
            return
        before, other = self._given.setdefault(key.name, (path, checked))
        if other != checked:
            self._problems.append(f"{before} and {path} give {key.name} two values: keep one")
        self._settings[key.name] = checked
        self._find(path, "placed", f"{key.place}: {key.what}")

    def no_place(self, path: str, reason: str) -> None:
        self._find(path, "no place", reason)

    def unknown(self, path: str, known: Mapping[str, str]) -> None:
        """`known` are keys with the plugin's key that each feeds, if any."""
        near = _nearest(path, list(known))
        text = f"did you mean {near}?" if near else "nothing is taken from it"
        self._find(path, "unknown", text, known.get(near or "", ""))

    def refuse_two_charts(self, paths: Sequence[str]) -> None:
        """Each generation of the chart has sections of its own; values of both are of neither."""
        older, current = (
            next((path for path in paths if path.partition(".")[0] in sections), None)
            for sections in (ALPHA_SECTIONS, CURRENT_SECTIONS)
        )
        if older and current:
            self._problems.append(
                f"{self._source(older)}: {older} is of the older chart and {current} of the "
                "current one: keep those of the chart that runs"
            )

    def _find(
        self,
        path: str,
        verdict: Literal["placed", "no place", "unknown"],
        text: str,
        setting: str = "",
    ) -> None:
        self._findings.append(Finding(self._source(path), path, verdict, text, setting))

    def finish(self) -> Imported:
        if {"kanikoConfigmapName", "kanikoSecretName"} <= self._settings.keys():
            self._problems.append(
                "kanikoConfigmapName and kanikoSecretName exclude each other: keep one"
            )
        if self._problems:
            raise ConfigError(
                "; ".join(self._problems),
                hint="`gitops-bridge help how-to/migrate-from-helm` lists every key",
            )
        return Imported(self._settings, tuple(self._findings))


def _merge(below: dict[Any, Any], above: dict[Any, Any]) -> dict[Any, Any]:
    """As Helm merges values: mappings by key, all else replaced, null takes a key away."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = _merge({}, value) if isinstance(value, dict) else value
    return merged


def _walk(
    typed: Mapping[Any, Any], verbatim: Any, known: set[str], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Each known path with its value, and each unknown one that no known path lies beneath."""
    for key, value in typed.items():
        path = f"{prefix}{key}"
        beside = verbatim.get(key) if isinstance(verbatim, Mapping) else None
        beneath = any(name.startswith(f"{path}.") for name in known)
        if path not in known and beneath and isinstance(value, dict):
            yield from _walk(value, beside, known, f"{path}.")
        else:
            yield path, value, beside


def _nearest(path: str, known: Sequence[str]) -> str | None:
    """The known key most like `path`; one with the same last part counts as near."""
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.6)
    leaf = path.rpartition(".")[2]
    spelt = [name for name in known if name.lower() == path.lower()]
    same = [name for name in known if name.rpartition(".")[2].lower() == leaf.lower()]
    return next(iter([*spelt, *near, *same]), None)
