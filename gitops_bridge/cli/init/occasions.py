"""What `init` was called for, as a plan: a set-up, another environment, or newer files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gitops_bridge import __version__
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Snapshot
from gitops_bridge.scaffold import files, owners
from gitops_bridge.scaffold.answers import Answers
from gitops_bridge.scaffold.importing import Finding
from gitops_bridge.scaffold.placing import Rooted, in_repository
from gitops_bridge.scaffold.plan import MANIFEST, File, Manifest, Plan, Tree, compare, manifest

Answer = Callable[[], tuple[Answers, tuple[Finding, ...]]]
"""Asks, or reads the flags."""


@dataclass(frozen=True)
class Occasion:
    """The files wanted in a tree whose folder is `root`, whose environments, how it is told."""

    root: str
    wanted: Callable[[Rooted], Mapping[str, File]]
    message: str
    upgrade: bool = False
    answers: Answers | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The message as the name of a branch."""
        words = re.sub(r"[^a-z0-9.]+", "-", f"{self.message} {self.root}".lower())
        return f"gitops-bridge-init/{words.strip('-.')}"

    def plan(self, tree: Tree) -> Plan:
        """What to change in the repository. Raises ConfigError for what stands in the way."""
        rooted = Rooted(tree, self.root)
        known = manifest(rooted)
        wanted = self.wanted(rooted)
        blocked = [] if self.upgrade else owners.in_the_way(tree, self.root, wanted, known)
        plan = compare(wanted, rooted, __version__, upgrade=self.upgrade, in_the_way=blocked)
        environments = self.answers.environments if self.answers else ()
        names = [environment.name for environment in environments]
        notes = tuple(owners.beside(tree, self.root, names))
        return in_repository(replace(plan, notes=notes), self.root)


def newer(tree: Snapshot, root: str, image: str | None, source: str | None) -> Occasion:
    """Bring this version's files. Raises ConfigError where init never wrote."""
    if _known(tree, root).version is None:
        raise ConfigError("init never wrote to this branch", hint="run it without --upgrade first")
    return Occasion(
        root,
        lambda rooted: files.newer(
            rooted, manifest(rooted), __version__, root=root, image=image, source=source
        ),
        f"Upgrade to gitops-bridge {__version__}",
        upgrade=True,
    )


def asked_for(tree: Snapshot, root: str, answer: Answer, *, named: bool) -> Occasion:
    """Set up, or add the environments of `answer`; `named` tells whether any was given by flag.

    Raises ConfigError when there is nothing to do.
    """
    known = _known(tree, root)
    if known.version is not None and not named:
        raise ConfigError(
            f"this branch was set up by init {known.version} already",
            hint="--environment NAME=ID adds one, --upgrade brings newer files",
        )
    answers, findings = answer()
    names = ", ".join(environment.name for environment in answers.environments)
    if known.version is not None:
        return Occasion(
            root,
            lambda rooted: files.more(answers, rooted, manifest(rooted)),
            f"Add environment {names}"[:60],
            answers=answers,
            findings=findings,
        )
    return Occasion(
        root,
        lambda rooted: files.first(answers, rooted),
        f"Set up gitops-bridge for {names}"[:60],
        answers=answers,
        findings=findings,
    )


def _known(tree: Snapshot, root: str) -> Manifest:
    """What init wrote below `root`. Raises ConfigError when it wrote elsewhere and no `root` was
    given: nobody means to have a second one beside it without knowing."""
    known = manifest(Rooted(tree, root))
    if known.version is None and not root:
        found = next(_roots(tree, ""), None)
        if found:
            raise ConfigError(
                f"init has set up the folder {found} of this repository",
                hint=f"--root {found} works on it; another folder gets a set-up of its own",
            )
    return known


def _roots(tree: Snapshot, folder: str, depth: int = 4) -> Iterator[str]:
    """Folders that init has set up, a few levels down."""
    for name, (kind, _) in tree.entries(folder).items():
        path = f"{folder}/{name}" if folder else name
        if kind == "tree" and depth and not name.startswith("."):
            if tree.id(f"{path}/{MANIFEST}") is not None:
                yield path
            yield from _roots(tree, path, depth - 1)
