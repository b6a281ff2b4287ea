"""`gitops-bridge init`: set up a team's GitOps repository, add an environment, bring newer files.

Asks or reads flags (`asking`), plans with `scaffold`, shows (`showing`), renders what it is about
to commit, and delivers one commit on the main branch and the root commits of the branches for
builds and for rollouts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gitops_bridge import __version__
from gitops_bridge.cli import options
from gitops_bridge.cli.init import asking, delivering, flags, occasions, showing
from gitops_bridge.cli.init.delivering import Written
from gitops_bridge.cli.init.proving import Effect, prove
from gitops_bridge.config import Config, PullRequests, Repository, Secret
from gitops_bridge.controller import Context, clients, open_context
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Remote, Snapshot
from gitops_bridge.kustomize import write_tree
from gitops_bridge.scaffold import files
from gitops_bridge.scaffold.answers import Answers
from gitops_bridge.scaffold.importing import Finding
from gitops_bridge.scaffold.placing import Rooted, in_repository, placed
from gitops_bridge.scaffold.plan import MANIFEST, Plan, compare
from gitops_bridge.scaffold.steps import next_steps

if TYPE_CHECKING:
    from gitops_bridge.forge import Forge


@click.command()
@click.argument("repository_url", metavar="REPOSITORY")
@click.option(
    "-e", "--environment", "environments", multiple=True, metavar="NAME=ID",
    help="A prediction environment: its folder here, its id in DataRobot.",
)  # fmt: skip
@flags.scoped()
@click.option(
    "--branch", default="main", show_default=True,
    help="Where models are committed. In a repository that has others a new name is a branch for "
    "people to merge.",
)  # fmt: skip
@click.option(
    "--root", default="", metavar="SUBFOLDER", callback=flags.folder,
    help="The folder of the repository below which everything of ours lies.",
)  # fmt: skip
@click.option("--builds-branch", default="builds", show_default=True, help="Where builds are.")
@click.option(
    "--rollouts-branch", default="rollouts", show_default=True,
    help="Where it is recorded where each rollout stands.",
)  # fmt: skip
@click.option(
    "--pull-request-token-env", metavar="VARIABLE",
    help="Holds the token of the forge's API: rollouts become pull requests, and so does this, "
    "where the branch is protected.",
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
    root: str,
    builds_branch: str,
    rollouts_branch: str,
    pull_request_token_env: str | None,
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
    policy = PullRequests(token=Secret(pull_request_token_env) if pull_request_token_env else None)
    scoped = {name: rest[name] for name in flags.SCOPED}

    def answer(models: str) -> tuple[Answers, tuple[Finding, ...]]:
        told, findings = asking.told(environments, scoped, ask=ask)
        own = replace(
            settings, url=public, username=asking.username(settings), branch=models, root=root
        )
        found = Answers(
            own,
            told,
            asking.provider(repository_url, provider),
            owners,
            argocd_namespace,
            bridge_source,
            pull_request_token_env,
        )
        return found, findings

    if directory is not None:
        _write(directory, *answer(branch), output=output)
        return
    ctx = open_context(Config(settings, (), pull_request=policy), os.environ)
    at = delivering.line(ctx, root, chosen=_chosen("branch"))
    if upgrade:
        image = next(iter(scoped["bridge_image"]), None)
        occasion = occasions.newer(at.tree, root, image, bridge_source)
    else:
        occasion = occasions.asked_for(
            at.tree, root, partial(answer, at.models), named=bool(environments)
        )
    plan = occasion.plan(at.tree)
    if output == "text":
        showing.imported(occasion.findings)
        showing.plan(plan)
    effect = _prove(ctx, plan, at.tree, root, whole=upgrade)
    if output == "text":
        showing.effect(effect)
    done = Written({})
    if not dry_run:
        _confirm(plan, yes=yes, ask=ask)
        done = delivering.deliver(ctx, occasion, at, partial(_forge, ctx))
    steps = next_steps(occasion.answers) if occasion.answers and plan.changes else []
    if output == "json":
        showing.as_json(plan, occasion.findings, steps, done, effect)
    else:
        showing.delivered(done, dry_run=dry_run, repository=public)
        showing.steps(steps)


def _forge(ctx: Context, policy: PullRequests) -> Forge:
    settings = ctx.config
    return clients.forge(
        policy, settings.repository.url, os.environ, ctx.clock, ctx.sleep,
        settings.actions.budget, ctx.repository.left,
    )()  # fmt: skip


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


def _prove(ctx: Context, plan: Plan, tree: Snapshot, root: str, *, whole: bool) -> Effect:
    """What the plan does, proven: to the environments, and with `whole` to every deployment."""
    if not plan.changes:
        return Effect(0, (), ())
    folders = ["base", "overlays"]
    if not whole:
        names = tree.entries(placed(root, "overlays"))
        folders = ["base", *(f"overlays/{name}/environment" for name in names)]
    before = {
        f"{folder}/{path}": text
        for folder in ("argocd", *folders)
        for path, text in tree.files(placed(root, folder)).items()
    }
    if (text := tree.read(placed(root, files.CONFIG))) is not None:
        before[files.CONFIG] = text
    top = placed(root, "")
    after: dict[str, bytes | None] = {**before}
    after |= {
        change.path.removeprefix(f"{top}/"): change.after
        for change in plan.changes
        if change.path.startswith(f"{top}/" if top else "")
    }
    return prove(
        before, {path: text for path, text in after.items() if text is not None}, ctx.kustomize
    )


def _confirm(plan: Plan, *, yes: bool, ask: bool) -> None:
    """New files need no yes, changes of existing ones do; init's own list is nobody else's."""
    changed = [
        item
        for item in plan.changes
        if item.before is not None and not item.path.endswith(MANIFEST)
    ]
    if not changed or yes:
        return
    if not ask:
        raise ConfigError(
            f"{len(changed)} existing files would change or go",
            hint="look with --dry-run, then add --yes",
        )
    click.confirm(f"Change {len(changed)} existing files?", abort=True)


def _write(directory: Path, answers: Answers, findings: Sequence[Finding], *, output: str) -> None:
    """Everything that a new repository would get, into a folder that does not exist yet."""
    root = answers.repository.root
    nothing = Rooted(_Nothing(), root)
    plan = compare(files.first(answers, nothing), nothing, __version__, upgrade=False)
    plan = in_repository(plan, root)
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"{directory}: {error.strerror}", hint="--directory names a folder to be made"
        ) from None
    write_tree(directory, {change.path: change.after or b"" for change in plan.changes})
    steps = next_steps(answers)
    if output == "json":
        showing.as_json(plan, findings, steps, Written({}), Effect(0, (), ()))
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

    def entries(self, path: str) -> dict[str, tuple[str, str]]:
        return {}
