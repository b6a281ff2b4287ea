"""`gitops-bridge.yaml` as data to a checked Config; the doors read the file and call `load`.

It holds endpoints, the whereabouts of credentials and policies. Everything about Kubernetes is
Kustomize in the team's repository instead. Every problem is reported at once, by dotted key, an
unknown key with the nearest known one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gitops_bridge.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Secret:
    """Where a secret is to be found: an environment variable or a file. Never the secret itself."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Person:
    """Author or committer of the bridge's commits."""

    name: str = "gitops-bridge"
    email: str = "gitops-bridge@localhost"


@dataclass(frozen=True)
class Repository:
    """The team's GitOps repository and how to reach it."""

    url: str
    branch: str = "main"
    builds_branch: str = "builds"
    username: str | None = None
    password: Secret | None = None
    ssh_key: str | None = None
    ssh_known_hosts: str | None = None
    ca_file: str | None = None
    proxy: str | None = None
    cache: str | None = None
    """Folder of the disposable mirror; default: the user's cache folder."""


@dataclass(frozen=True)
class Environment:
    """One prediction environment of DataRobot and its folder `overlays/<name>/`."""

    id: str
    name: str
    namespace: str
    prediction_url: str
    """What DataRobot shows people, up to the deployment id: https://host/path"""
    cluster: str = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class Actions:
    budget: int = 240
    """Seconds an action may block; the agent's own limit is 300 unless changed."""
    status_age: int = 0
    """Seconds for which a status may be answered from the last fetch instead of a new one. The
    agent asks for a whole environment and then for each of its deployments in one go."""


@dataclass(frozen=True)
class Limits:
    removals: int = 3
    """Overlays one commit may remove without an explicit yes."""


@dataclass(frozen=True)
class Config:
    repository: Repository
    environments: tuple[Environment, ...]
    author: Person = field(default_factory=Person)
    actions: Actions = field(default_factory=Actions)
    limits: Limits = field(default_factory=Limits)

    def environment(self, identifier: str) -> Environment:
        """The environment with DataRobot's `identifier`. Raises ConfigError when not mapped."""
        for environment in self.environments:
            if environment.id == identifier:
                return environment
        known = ", ".join(f"{item.id} ({item.name})" for item in self.environments) or "none"
        raise ConfigError(
            f"prediction environment {identifier!r} is not mapped",
            hint=f"add it under environments: in gitops-bridge.yaml; mapped: {known}",
        )


_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?")
_BRANCH = re.compile(r"(?![-/.])(?!.*(//|\.\.|@\{|\.lock$|[/.]$))[^\x00-\x20~^:?*\[\\\x7f]+")


class _Section:
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
            self.problem(key, f"{_without_userinfo(found or '')!r:.60} {complaint}")
        return found

    def required(self, key: str, check: Callable[[str], str | None] = lambda _: None) -> str:
        found = self.text(key, check)
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

    def section(self, key: str) -> _Section:
        self._known.append(key)
        return _Section(self._data.get(key), self._key(key), self.problems)

    def sections(self) -> list[tuple[str, _Section]]:
        """For a mapping whose keys are free: each key with its section."""
        self._known.extend(map(str, self._data))
        return [
            (str(key), _Section(value, self._key(str(key)), self.problems))
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
        for key in self._data:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, n=1, cutoff=0.5)
                meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(self._known)}"
                self.problem(str(key), f"is unknown; {meant}")


def load(data: object, source: str) -> Config:
    """The configuration in loaded YAML `data`, read from `source`.

    Raises ConfigError listing every problem by dotted key.
    """
    problems: list[str] = []
    top = _Section(data, "", problems)
    config = Config(
        repository=_repository(top.section("repository")),
        environments=_environments(top.section("environments")),
        author=_person(top.section("author")),
        actions=_actions(top.section("actions")),
        limits=_limits(top.section("limits")),
    )
    top.finish()
    if problems:
        raise ConfigError(
            f"{source}: " + "; ".join(problems), hint="docs/reference.md lists every key"
        )
    return config


def _repository(section: _Section) -> Repository:
    repository = Repository(
        url=section.required("url", _no_credentials),
        branch=section.text("branch", _branch) or Repository.branch,
        builds_branch=section.text("builds_branch", _branch) or Repository.builds_branch,
        username=section.text("username"),
        password=section.secret("password"),
        ssh_key=section.text("ssh_key"),
        ssh_known_hosts=section.text("ssh_known_hosts"),
        ca_file=section.text("ca_file"),
        proxy=section.text("proxy", _no_credentials),
        cache=section.text("cache"),
    )
    section.finish()
    return repository


def _environments(section: _Section) -> tuple[Environment, ...]:
    environments = []
    for identifier, item in section.sections():
        if not _ID.fullmatch(identifier):
            item.problem("", "is no prediction environment id")
        environments.append(
            Environment(
                id=identifier,
                name=item.required("name", _matching(_NAME, "a-z, 0-9 and '-', at most 30")),
                namespace=item.required("namespace", _matching(_NAMESPACE, "a namespace's name")),
                prediction_url=item.required("prediction_url", _http_url).rstrip("/"),
                cluster=item.text("cluster") or Environment.cluster,
            )
        )
        item.finish()
    if not environments:
        section.problems.append(f"{section.path}: at least one prediction environment is needed")
    names = [environment.name for environment in environments]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        section.problems.append(f"{section.path}: two environments are named {name!r}")
    return tuple(environments)


def _person(section: _Section) -> Person:
    person = Person(
        name=section.text("name", _one_line) or Person.name,
        email=section.text("email", _one_line) or Person.email,
    )
    section.finish()
    return person


def _actions(section: _Section) -> Actions:
    actions = Actions(
        budget=section.number("budget", Actions.budget, 1, 86_400),
        status_age=section.number("status_age", Actions.status_age, 0, 3_600),
    )
    section.finish()
    return actions


def _limits(section: _Section) -> Limits:
    limits = Limits(removals=section.number("removals", Limits.removals, 1, 1_000_000))
    section.finish()
    return limits


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str | None]:
    return lambda text: None if pattern.fullmatch(text) else f"must be {expected}"


def _branch(text: str) -> str | None:
    return None if _BRANCH.fullmatch(text) else "is no branch name"


def _one_line(text: str) -> str | None:
    return "must be one line without < and >" if re.search(r"[\x00-\x1f<>]", text) else None


def _without_userinfo(text: str) -> str:
    """A secret somebody put into an address is not repeated in the message about it."""
    return re.sub(r"//[^/@]*@", "//…@", text)


def _no_credentials(text: str) -> str | None:
    if re.search(r"[\x00-\x20]", text) or text.startswith("-"):
        return "is no address"
    if "://" in text and urlsplit(text).password is not None:
        return "carries a password; put it into repository.password: {env: …} or {file: …}"
    return None


def _http_url(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        return "must look like https://host/path"
    return None
