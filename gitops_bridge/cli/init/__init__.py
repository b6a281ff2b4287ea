"""`gitops-bridge init`: set up a team's GitOps repository, add an environment, bring newer files.

Asks or reads flags (`asking`), plans with `scaffold`, shows (`showing`), renders what it is about
to commit, and delivers one commit on the main branch and the root commits of the branches for
builds and for rollouts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gitops_bridge import __version__
from gitops_bridge.cli import options
from gitops_bridge.cli.init import asking, flags, showing
from gitops_bridge.cli.init.proving import Effect, prove
from gitops_bridge.config import Config, Repository, Secret
from gitops_bridge.controller import Context, open_context
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Delivered, Edit, Remote, Snapshot
from gitops_bridge.kustomize import write_tree
from gitops_bridge.scaffold import files
from gitops_bridge.scaffold.answers import Answers
from gitops_bridge.scaffold.importing import Finding
from gitops_bridge.scaffold.plan import MANIFEST, File, Manifest, Plan, compare, manifest
from gitops_bridge.scaffold.steps import next_steps


@click.command()
@click.argument("repository_url", metavar="REPOSITORY")
@click.option(
    "-e", "--environment", "environments", multiple=True, metavar="NAME=ID",
    help="A prediction environment: its folder here, its id in DataRobot.",
)  # fmt: skip
@flags.scoped()
@click.option("--branch", default="main", show_default=True, help="Where models are committed.")
@click.option("--builds-branch", default="builds", show_default=True, help="Where builds are.")
@click.option(
    "--rollouts-branch", default="rollouts", show_default=True,
    help="Where it is recorded where each rollout stands.",
)  # fmt: skip
@click.option("--argocd-namespace", default="argocd", show_default=True, help="Where Argo CD is.")
@flags.provider()
@click.option("--owner", "owners", multiple=True, metavar="@TEAM", help="A name for CODEOWNERS.")
@click.option(
    "--bridge-source", metavar="REQUIREMENT",
    help="What pip installs of gitops-bridge in CI: the address of a wheel, git+https://…@TAG, "
    "NAME==VERSION of your own index. Unless given, CI runs in the image of gitops-bridge.",
)  # fmt: skip
@click.option(
    "--upgrade", is_flag=True,
    help="Bring this version's base/, argocd/, workflow and references to gitops-bridge itself.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing, and change existing files too.")
@click.option("--dry-run", is_flag=True, help="Show what would be committed, and stop.")
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False),
    help="Write everything into this new folder instead, and touch no repository.",
)  # fmt: skip
@flags.access()
@options.output()
def init(
    repository_url: str,
    environments: tuple[str, ...],
    branch: str,
    builds_branch: str,
    rollouts_branch: str,
    argocd_namespace: str,
    provider: str | None,
    owners: tuple[str, ...],
    bridge_source: str | None,
    upgrade: bool,
    yes: bool,
    dry_run: bool,
    directory: Path | None,
    output: str,
    **rest: Any,
) -> None:
    """Set up the Git repository REPOSITORY for models, or add to one that init set up.

    Flags marked [NAME=] take VALUE for every environment or NAME=VALUE for one. On a terminal what
    is missing is asked for. Files that init did not write are never overwritten.

    \b
      gitops-bridge init https://git.example.com/ml/models.git -e prod=65a000000000000000000001 \\
        --namespace mlops-prod --prediction-url https://predictions.example.com/deployments \\
        --image-repository registry.example.com/mlops/models \\
        --pps-image registry.example.com/datarobot/pps:11.2.1
      gitops-bridge init REPOSITORY -e prod --values values.yaml --namespace mlops-prod
      gitops-bridge init REPOSITORY --upgrade
    """
    if not repository_url.strip():
        raise click.UsageError("REPOSITORY is empty: an address or a local path")
    ask = sys.stdin.isatty() and output == "text" and not yes
    public = Remote(repository_url).address
    settings = _repository(repository_url, branch, builds_branch, rollouts_branch, rest)
    scoped = {name: rest[name] for name in flags.SCOPED}

    def answer() -> tuple[Answers, tuple[Finding, ...]]:
        told, findings = asking.told(environments, scoped, ask=ask)
        found = Answers(
            replace(settings, url=public, username=asking.username(settings)),
            told,
            asking.provider(repository_url, provider),
            owners,
            argocd_namespace,
            bridge_source,
        )
        return found, findings

    if directory is not None:
        _write(directory, *answer(), output=output)
        return
    ctx = open_context(Config(settings, ()), os.environ)
    snapshot = _snapshot(ctx, chosen=_chosen("branch"))
    if upgrade:
        images = scoped["bridge_image"]
        occasion = _upgrade(manifest(snapshot), next(iter(images), None), bridge_source)
    else:
        occasion = _occasion(manifest(snapshot), answer, asked=bool(environments))
    plan = occasion.plan(snapshot)
    if output == "text":
        showing.imported(occasion.findings)
        showing.plan(plan)
    effect = _prove(ctx, plan, snapshot, whole=upgrade)
    if output == "text":
        showing.effect(effect)
    commits: dict[str, str | None] = {}
    if not dry_run:
        _confirm(plan, yes=yes, ask=ask)
        commits = _deliver(ctx, occasion)
    steps = next_steps(occasion.answers) if occasion.answers and plan.changes else []
    if output == "json":
        showing.as_json(plan, occasion.findings, steps, commits, effect)
    else:
        showing.commits(commits, dry_run=dry_run, repository=public)
        showing.steps(steps)


@dataclass(frozen=True)
class _Occasion:
    """What init was called for: the files wanted in a tree, whose environments, how it is told."""

    wanted: Callable[[Snapshot], Mapping[str, File]]
    message: str
    upgrade: bool = False
    answers: Answers | None = None
    findings: tuple[Finding, ...] = ()

    def plan(self, snapshot: Snapshot) -> Plan:
        return compare(self.wanted(snapshot), snapshot, __version__, upgrade=self.upgrade)


def _repository(
    url: str, branch: str, builds: str, rollouts: str, access: Mapping[str, Any]
) -> Repository:
    variable, file = access["password_env"], access["password_file"]
    if variable and file:
        raise ConfigError("--password-env and --password-file exclude each other", hint="keep one")
    names = {"--branch": branch, "--builds-branch": builds, "--rollouts-branch": rollouts}
    for (one, first), (other, second) in combinations(names.items(), 2):
        if first == second:
            raise ConfigError(
                f"{one} and {other} are both {first!r}", hint=f"each needs its own: change {other}"
            )
    return Repository(
        url=url,
        branch=branch,
        builds_branch=builds,
        rollouts_branch=rollouts,
        username=access["username"],
        password=Secret(variable, file) if variable or file else None,
        ssh_key=access["ssh_key"],
        ssh_known_hosts=access["known_hosts"],
        ca_file=access["ca_file"],
        proxy=access["proxy"],
    )


def _chosen(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not ParameterSource.DEFAULT


def _snapshot(ctx: Context, *, chosen: bool) -> Snapshot:
    """The branch as it is now, which may not be there yet. Raises ConfigError when the team works
    on another one and nobody has `chosen` this one: it would grow beside theirs, from nothing."""
    found = ctx.repository.deliver(
        ctx.config.repository.branch, lambda snapshot: snapshot, create=True
    )
    assert isinstance(found, Snapshot)  # noqa: S101 - deliver gives back what the plan gave
    settings = ctx.config.repository
    own = {settings.builds_branch, settings.rollouts_branch}
    others = sorted(ctx.repository.branches(fetch=False).keys() - own)
    if not found.commit and others and not chosen:
        raise ConfigError(
            f"{settings.url} has no branch {settings.branch!r}, but {', '.join(others[:5])}",
            hint=f"--branch {others[0]} takes that one, --branch {settings.branch} makes a new one",
        )
    return found


def _upgrade(known: Manifest, image: str | None, source: str | None) -> _Occasion:
    if known.version is None:
        raise ConfigError("init never wrote to this branch", hint="run it without --upgrade first")
    return _Occasion(
        lambda snapshot: files.newer(
            snapshot, manifest(snapshot), __version__, image=image, source=source
        ),
        f"Upgrade to gitops-bridge {__version__}",
        upgrade=True,
    )


def _occasion(
    known: Manifest,
    answer: Callable[[], tuple[Answers, tuple[Finding, ...]]],
    *,
    asked: bool,
) -> _Occasion:
    if known.version is not None and not asked:
        raise ConfigError(
            f"this branch was set up by init {known.version} already",
            hint="--environment NAME=ID adds one, --upgrade brings newer files",
        )
    answers, findings = answer()
    names = ", ".join(environment.name for environment in answers.environments)
    if known.version is not None:
        return _Occasion(
            lambda snapshot: files.more(answers, snapshot, manifest(snapshot)),
            f"Add environment {names}"[:60],
            answers=answers,
            findings=findings,
        )
    return _Occasion(
        lambda snapshot: files.first(answers, snapshot),
        f"Set up gitops-bridge for {names}"[:60],
        answers=answers,
        findings=findings,
    )


def _prove(ctx: Context, plan: Plan, snapshot: Snapshot, *, whole: bool) -> Effect:
    """What the plan does, proven: to the environments, and with `whole` to every deployment."""
    if not plan.changes:
        return Effect(0, (), ())
    folders = ["base", "overlays"]
    if not whole:
        names = snapshot.entries("overlays")
        folders = ["base", *(f"overlays/{name}/environment" for name in names)]
    before = {
        f"{folder}/{path}": text
        for folder in folders
        for path, text in snapshot.files(folder).items()
    }
    after: dict[str, bytes | None] = {**before}
    after |= {change.path: change.after for change in plan.changes}
    return prove(
        before, {path: text for path, text in after.items() if text is not None}, ctx.kustomize
    )


def _confirm(plan: Plan, *, yes: bool, ask: bool) -> None:
    """New files need no yes, changes of existing ones do; init's own list is nobody else's."""
    changed = [item for item in plan.changes if item.before is not None and item.path != MANIFEST]
    if not changed or yes:
        return
    if not ask:
        raise ConfigError(
            f"{len(changed)} existing files would change or go",
            hint="look with --dry-run, then add --yes",
        )
    click.confirm(f"Change {len(changed)} existing files?", abort=True)


def _deliver(ctx: Context, occasion: _Occasion) -> dict[str, str | None]:
    """The ids of the new commits by branch; None where there was nothing to do.

    The main branch comes first: some servers take the first one pushed for the default.
    """
    settings = ctx.config.repository

    def main(snapshot: Snapshot) -> Edit | None:
        plan = occasion.plan(snapshot)
        changes = {change.path: change.after for change in plan.changes}
        return _edit(ctx, snapshot, changes, occasion.message) if changes else None

    def opened(name: str, content: Mapping[str, bytes]) -> Delivered | None:
        def begin(snapshot: Snapshot) -> Edit | None:
            message = f"Open the {name} branch"
            return None if snapshot.commit else _edit(ctx, snapshot, content, message)

        return ctx.repository.deliver(name, begin, create=True)

    delivered = {settings.branch: ctx.repository.deliver(settings.branch, main, create=True)}
    for name, content in files.other_branches(settings).items():
        delivered[name] = opened(name, content)
    commits = {branch: made.commit if made else None for branch, made in delivered.items()}
    return {branch: commit.id if commit else None for branch, commit in commits.items()}


def _edit(
    ctx: Context, snapshot: Snapshot, changes: Mapping[str, bytes | None], message: str
) -> Edit:
    text = f"{message}\n\nWritten by gitops-bridge init {__version__}.\n"
    guards = {path: snapshot.id(path) for path in changes}
    return Edit(changes=changes, guards=guards, message=text, author=ctx.author)


def _write(directory: Path, answers: Answers, findings: Sequence[Finding], *, output: str) -> None:
    """Everything that a new repository would get, into a folder that does not exist yet."""
    plan = compare(files.first(answers, _Nothing()), _Nothing(), __version__, upgrade=False)
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"{directory}: {error.strerror}", hint="--directory names a folder to be made"
        ) from None
    write_tree(directory, {change.path: change.after or b"" for change in plan.changes})
    steps = next_steps(answers)
    if output == "json":
        showing.as_json(plan, findings, steps, {}, Effect(0, (), ()))
    else:
        showing.imported(findings)
        showing.plan(plan)
        showing.steps(steps)


class _Nothing:
    """A repository that holds nothing."""

    def id(self, path: str) -> None:
        return None

    def read(self, path: str) -> None:
        return None

    def entries(self, path: str) -> dict[str, object]:
        return {}
