"""A planned change to a commit on its branch, or to a pull request where the branch is protected,
and the root commits of the other branches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitops_bridge import __version__, config, documents
from gitops_bridge.cli.init.occasions import Occasion
from gitops_bridge.config import Config, Mode, PullRequests, Repository
from gitops_bridge.controller import Context
from gitops_bridge.errors import BridgeError, ConfigError, PushRejected, RepositoryError
from gitops_bridge.git import Edit, Snapshot
from gitops_bridge.scaffold import files
from gitops_bridge.scaffold.placing import placed
from gitops_bridge.scaffold.plan import MANIFEST

if TYPE_CHECKING:
    from gitops_bridge.forge import Forge

_PROPOSALS = "gitops-bridge/<environment>/<deployment>"
_SIGNED = f"Written by gitops-bridge init {__version__}."


@dataclass(frozen=True)
class Line:
    """Where a commit goes: onto `branch`, which begins at `start` when it is not there yet. The
    models are on the branch `models`, which is another one where people merge it by themselves.
    `tree` is what is there now."""

    branch: str
    start: str
    models: str
    tree: Snapshot


@dataclass(frozen=True)
class Written:
    """The ids of the new commits by branch, None where there was nothing to do; the pull request,
    if one was opened; what people still have to do for it."""

    commits: Mapping[str, str | None]
    pull_request: str | None = None
    words: tuple[str, ...] = ()


def line(ctx: Context, root: str, *, chosen: bool) -> Line:
    """Where this goes, by the branch that was given or, not `chosen`, by default.

    A branch that is not there, in a repository that has others, is one for people to merge: the
    models stay where they are. Raises ConfigError where nobody chose and the default is not there.
    """
    settings = ctx.config.repository
    heads = ctx.repository.branches(fetch=True).keys()
    others = sorted(heads - {settings.builds_branch, settings.rollouts_branch})
    _refuse_blocked(settings, heads)
    if settings.branch in heads or not others:
        tree = ctx.repository.last_seen(settings.branch)
        models = _models(tree, root) or settings.branch
        return Line(settings.branch, settings.branch, models, tree)
    default = ctx.repository.default_branch()
    start = default if default in others else others[0]
    if not chosen:
        raise ConfigError(
            f"{settings.url} has no branch {settings.branch!r}, but {', '.join(others[:5])}",
            hint=f"--branch {start} takes that one; --branch and a new name leaves the commit on a "
            f"branch of that name, to be merged into {start}",
        )
    tree = ctx.repository.last_seen(start)
    return Line(settings.branch, start, _models(tree, root) or start, tree)


def _models(tree: Snapshot, root: str) -> str | None:
    """The branch of the models by the tree's own configuration; None where it is not set up."""
    found = _configuration(tree, root)
    return found.repository.branch if found else None


def _configuration(tree: Snapshot, root: str) -> Config | None:
    """What is configured there already; None where nothing is, or it is damaged."""
    text = tree.read(placed(root, files.CONFIG))
    if text is None or tree.id(placed(root, MANIFEST)) is None:
        return None
    try:
        return config.load(documents.load_verbatim(text), files.CONFIG)
    except (BridgeError, documents.InvalidYaml):
        return None


def _refuse_blocked(settings: Repository, heads: Collection[str]) -> None:
    """Git keeps a branch as a file: where `a/b` is one, `a` is a folder and cannot be another."""
    wanted = {
        "--branch": settings.branch,
        "--builds-branch": settings.builds_branch,
        "--rollouts-branch": settings.rollouts_branch,
        "": _PROPOSALS,
    }
    for flag, name in wanted.items():
        for head in heads:
            if head.startswith(f"{name}/") or name.startswith(f"{head}/"):
                raise ConfigError(
                    f"the branch {head!r} is in the way of {name}: Git cannot hold both",
                    hint=f"remove or rename {head}" + (f", or give another {flag}" if flag else ""),
                )


def deliver(
    ctx: Context, occasion: Occasion, at: Line, forge: Callable[[PullRequests], Forge]
) -> Written:
    """Commit and push. Where the branch declines, or where this repository proposes everything, a
    branch of our own is left, and proposed if there is a token for it.

    The models' branch comes first: some servers take the first one pushed for the default.
    """
    settings = ctx.config.repository
    found = _configuration(at.tree, occasion.root)
    if at.branch != at.models:
        done = _on_a_branch(ctx, occasion, at)
    elif found and found.delivery.default is Mode.PULL_REQUEST:
        done = _propose(ctx, occasion, at, forge)
    else:
        try:
            done = _push(ctx, occasion, at)
        except PushRejected as refusal:
            done = _propose_instead(ctx, occasion, at, forge, refusal)
    commits = dict(done.commits)
    for name, content in files.other_branches(replace(settings, branch=at.models)).items():
        commits[name] = _opened(ctx, name, content, occasion.root)
    return replace(done, commits=commits)


def _push(ctx: Context, occasion: Occasion, at: Line) -> Written:
    return Written({at.branch: _delivered(ctx, at.branch, lambda tree: _edit(ctx, occasion, tree))})


def _opened(ctx: Context, name: str, content: Mapping[str, bytes], root: str) -> str | None:
    def begin(snapshot: Snapshot) -> Edit | None:
        if snapshot.commit:
            return None
        changes = {placed(root, path): text for path, text in content.items()}
        return _of(ctx, snapshot, changes, f"Open the {name} branch")

    return _delivered(ctx, name, begin)


def _delivered(ctx: Context, branch: str, plan: Callable[[Snapshot], Edit | None]) -> str | None:
    """The id of the commit that the plan has become; None where there was nothing to do."""
    made = ctx.repository.deliver(branch, plan, create=True)
    commit = made.commit if made else None
    return commit.id if commit else None


def _propose_instead(
    ctx: Context,
    occasion: Occasion,
    at: Line,
    forge: Callable[[PullRequests], Forge],
    refusal: PushRejected,
) -> Written:
    """Raises the `refusal` where nothing can be pushed at all."""
    if not at.tree.commit:
        raise refusal
    try:
        done = _propose(ctx, occasion, at, forge)
    except PushRejected:
        raise refusal from None
    return replace(done, words=(refusal.message, *done.words))


def _propose(
    ctx: Context, occasion: Occasion, at: Line, forge: Callable[[PullRequests], Forge]
) -> Written:
    found = _configuration(at.tree, occasion.root)
    at = replace(at, branch=occasion.name)
    done = _on_a_branch(ctx, occasion, at)
    policy = found.pull_request if found else ctx.config.pull_request
    if done.commits[at.branch] is None or not (policy.token or policy.app):
        return done
    from gitops_bridge.forge import Proposal

    body = f"{occasion.message}.\n\n{_SIGNED} Look at each file: what is not yours stays as it is."
    proposal = Proposal(at.branch, at.models, occasion.message, body, policy.labels)
    try:
        pull = forge(policy).create(proposal)
    except BridgeError as problem:
        return replace(done, words=(*done.words, f"no pull request was opened: {problem.message}"))
    return Written(done.commits, pull.url, pull.warnings)


def _on_a_branch(ctx: Context, occasion: Occasion, at: Line) -> Written:
    """The commit on a branch that only this and people write to."""
    there = ctx.repository.last_seen(at.branch)
    edit = _edit(ctx, occasion, at.tree)
    if edit is None:
        return Written({at.branch: None})
    commit = ctx.repository.commit(at.tree, edit)
    words = f"merge {at.branch} into {at.models} by a pull request of your own"
    if there.commit and there.id("") == ctx.repository.at(commit.id).id(""):
        return Written({at.branch: there.commit}, words=(words,))
    _refuse_work_of_others(ctx, at, there)
    ctx.repository.replace_branch(at.branch, commit, there.commit or None)
    return Written({at.branch: commit.id}, words=(words,))


def _refuse_work_of_others(ctx: Context, at: Line, there: Snapshot) -> None:
    if not there.commit or there.commit == at.tree.commit:
        return
    if "Written by gitops-bridge init" not in ctx.repository.commit_of(there.commit).message:
        raise RepositoryError(
            f"somebody has worked on the branch {at.branch}",
            hint="merge or remove it, or choose another one by --branch",
        )


def _edit(ctx: Context, occasion: Occasion, tree: Snapshot) -> Edit | None:
    changes = {change.path: change.after for change in occasion.plan(tree).changes}
    return _of(ctx, tree, changes, occasion.message) if changes else None


def _of(
    ctx: Context, snapshot: Snapshot, changes: Mapping[str, bytes | None], message: str
) -> Edit:
    guards = {path: snapshot.id(path) for path in changes}
    text = ctx.message(f"{message}\n\n{_SIGNED}\n", ctx.author)
    return Edit(changes=changes, guards=guards, message=text, author=ctx.author)
