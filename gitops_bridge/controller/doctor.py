"""What the first rollout will need, looked at one by one and harmlessly; `gitops-bridge doctor`.

Each look yields Findings. A look that cannot be made because an earlier one failed says so, instead
of repeating its complaint. Nothing is changed but for a branch of our own, made and removed again,
where rollouts are proposed: no other question would be answered by the server's own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from gitops_bridge import documents
from gitops_bridge.config import Gate
from gitops_bridge.controller import checks, environments
from gitops_bridge.controller.context import Context
from gitops_bridge.desired import pull_request
from gitops_bridge.errors import BridgeError, HiddenImage, RepositoryError, StaleBase
from gitops_bridge.git import Snapshot
from gitops_bridge.scaffold.steps import repository_credential

SCRATCH = "gitops-bridge/_doctor"
"""No environment can be called so, so no proposal's branch lies below it."""
_UNREAD = "not looked at, because the repository cannot be read"


@dataclass(frozen=True)
class Finding:
    """`ok`: green, red, or None where only trying would tell; `hint` is for what is not green."""

    check: str
    ok: bool | None
    said: str
    hint: str | None = None


def examine(ctx: Context) -> Iterator[Finding]:
    """Everything the configuration makes a rollout need, in the order a rollout would."""
    yield from _tried(
        "kustomize", lambda: f"version {ctx.kustomize.version()} ({ctx.kustomize.origin})"
    )
    yield from _tried("signing", partial(_signed, ctx))
    snapshot: Snapshot | None = None
    try:
        snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    except BridgeError as error:
        yield _bad("repository", error)
    if snapshot is not None:
        yield Finding("repository", True, f"{snapshot.branch} is at {snapshot.commit[:12]}")
        yield from _initialised(ctx, snapshot)
        yield from _argocd(ctx, snapshot)
    yield from _rendered(ctx, snapshot)
    yield from _pushes(ctx, snapshot)
    if ctx.config.delivery.proposes:
        yield from _proposals(ctx, snapshot)
    yield from _registries(ctx, snapshot)
    if ctx.config.datarobot:
        yield from _tried("DataRobot", partial(_datarobot, ctx))


def _tried(check: str, look: Callable[[], str | None]) -> Iterator[Finding]:
    """What `look` says is green; None: there is nothing to look at."""
    try:
        said = look()
    except HiddenImage as hidden:
        yield Finding(check, None, hidden.message, hidden.hint)
    except BridgeError as error:
        yield _bad(check, error)
    else:
        if said is not None:
            yield Finding(check, True, said)


def _bad(check: str, error: BridgeError) -> Finding:
    return Finding(check, False, error.message, error.hint)


def _signed(ctx: Context) -> str | None:
    if ctx.sign is None or ctx.config.signing is None:
        return None
    ctx.sign(b"gitops-bridge doctor\n")
    return f"{ctx.config.signing.format.value} signs with {ctx.config.signing.key}"


def _initialised(ctx: Context, snapshot: Snapshot) -> Iterator[Finding]:
    settings = ctx.config.repository
    missing = [name for name in ("base", "overlays") if snapshot.id(name) is None]
    branches = (settings.builds_branch, settings.rollouts_branch)
    missing += [f"branch {name}" for name in branches if ctx.repository.branch(name) is None]
    said = f"{', '.join(missing)} missing" if missing else "folders and branches are there"
    yield Finding("initialised", not missing, said, "gitops-bridge init" if missing else None)


def _argocd(ctx: Context, snapshot: Snapshot) -> Iterator[Finding]:
    """Argo CD reads the repository by a credential of its own, which nobody sees from here."""
    namespace = _namespace(snapshot)
    credential = repository_credential(ctx.config.repository, namespace)
    if credential:
        yield Finding(
            "Argo CD",
            None,
            "not seen from here: it needs a credential of its own for this repository, unless "
            "anybody may read it, and version 3.2 or newer (retry.refresh)",
            f"{credential}; whether it can read is told by: kubectl -n {namespace} describe "
            "applicationset mlops-serving",
        )


def _namespace(snapshot: Snapshot) -> str:
    """Where argocd/ says that Argo CD is."""
    try:
        found = documents.load(snapshot.read("argocd/serving.yaml") or b"")
        return str(found["metadata"]["namespace"])
    except (documents.InvalidYaml, KeyError, TypeError):
        return "argocd"


def _rendered(ctx: Context, snapshot: Snapshot | None) -> Iterator[Finding]:
    """As `gitops-bridge check`, of what is on the branch."""
    if snapshot is None:
        for environment in ctx.config.environments:
            yield Finding(f"environment {environment.name}", None, _UNREAD)
        return
    found = {item.folder: item for item in checks.examine(snapshot, ctx.kustomize, ctx.config)}
    for environment in ctx.config.environments:
        check = f"environment {environment.name}"
        judged = found.pop(environments.folder(environment.name), None)
        rendered = list(_tried(check, partial(_renders, ctx, snapshot, environment.name)))
        if judged is None or rendered[0].ok is False:
            yield from rendered
        else:
            yield from _judged(check, judged, rendered)
    for judged in found.values():
        yield from _judged(judged.folder, judged, ())
    if not any(item.problems for item in found.values()):
        yield Finding("overlays", True, f"{len(found)} folders hold, and Argo CD takes them")


def _judged(check: str, judged: checks.Finding, green: Iterable[Finding]) -> Iterator[Finding]:
    hint = "gitops-bridge check tells the same of a checkout"
    for problem in judged.problems:
        yield Finding(check, False, problem, hint)
    if not judged.problems:
        yield from green
    for warning in judged.warnings:
        yield Finding(check, None, warning)


def _renders(ctx: Context, snapshot: Snapshot, environment: str) -> str:
    facts = environments.facts(ctx.reader(snapshot), environment, ctx.kustomize)
    return f"renders; images go to {facts.builder.image_repository}"


def _pushes(ctx: Context, snapshot: Snapshot | None) -> Iterator[Finding]:
    settings, delivery = ctx.config.repository, ctx.config.delivery
    for branch in (*([settings.branch] if delivery.pushes else []), settings.builds_branch):
        check = f"push to {branch}"
        if snapshot is None or ctx.repository.branch(branch) is None:
            said = _UNREAD if snapshot is None else "not looked at, because it is not there"
            yield Finding(check, None, said)
            continue
        yield from _tried(check, partial(_let_in, ctx, branch))
    if snapshot is not None:
        yield from _tried(f"push to {settings.rollouts_branch}", partial(_written, ctx))


def _written(ctx: Context) -> str | None:
    """Nothing reaches main without the branch of rollouts, so a commit is pushed there that changes
    nothing: only a real push asks the server's rules."""
    branch = ctx.config.repository.rollouts_branch
    if ctx.repository.branch(branch) is None:
        return None
    message = ctx.message("Check that this branch can be written", ctx.author)
    ctx.repository.append(branch, message, ctx.author)
    return "the server takes it"


def _let_in(ctx: Context, branch: str) -> str:
    ctx.repository.rehearse(branch)
    return "the server lets us in to write; its rules for this branch are asked at a real push only"


def _proposals(ctx: Context, snapshot: Snapshot | None) -> Iterator[Finding]:
    check = "push of proposal branches"
    if snapshot is None:
        yield Finding(check, None, _UNREAD)
    else:
        yield from _tried(check, partial(_scratched, ctx, snapshot))
        yield from _tried("template", partial(_template, snapshot))
    try:
        forge = ctx.forge()
        rights = forge.rights()
    except BridgeError as error:
        yield _bad("pull requests", error)
        return
    for right in rights:
        said = {True: "granted", False: "not granted", None: "only trying would tell"}
        hint = None if right.granted else right.hint
        is_needed = right.needed or ctx.config.controller.commit_status
        passed = right.granted if is_needed else right.granted or None
        yield Finding(f"{forge.provider}: {right.what}", passed, said[right.granted], hint)
    wanted = ctx.config.pull_request
    for feature in ("draft", "auto-merge", "labels", "reviewers", "assignees"):
        key = feature.replace("-", "_")
        if getattr(wanted, key) and feature not in forge.features:
            yield Finding(
                f"{forge.provider}: {feature}", feature != "auto-merge" and None,
                f"{forge.provider} has none", f"remove pull_request.{key}",
            )  # fmt: skip


def _scratched(ctx: Context, snapshot: Snapshot) -> str:
    ref = SCRATCH
    commit = ctx.repository.commit_of(snapshot.commit)
    left_over = ctx.repository.branch(ref)
    if left_over:
        ctx.repository.delete_branch(ref, left_over)
    try:
        ctx.repository.replace_branch(ref, commit, None)
        ctx.repository.fetch()
        shown = ctx.repository.branch(ref)
        ctx.repository.delete_branch(ref, commit.id)
    except StaleBase:
        return f"another doctor is at {ref} just now"
    if shown is None:
        raise RepositoryError(
            f"the server takes {ref} and does not show it",
            hint="let the server advertise refs below it (uploadpack.hideRefs, transfer.hideRefs)",
        )
    return f"{ref} was made and removed again"


def _template(snapshot: Snapshot) -> str | None:
    content = snapshot.read(pull_request.TEMPLATE)
    if content is None:
        return None
    pull_request.check(content.decode("utf-8", "replace"))
    return f"{pull_request.TEMPLATE} renders"


def _registries(ctx: Context, snapshot: Snapshot | None) -> Iterator[Finding]:
    if ctx.config.build.gate is not Gate.REGISTRY or snapshot is None:
        return
    repositories = set()
    for environment in ctx.config.environments:
        try:
            facts = environments.facts(ctx.reader(snapshot), environment.name, ctx.kustomize)
        except BridgeError:
            continue  # told above
        repositories.add(facts.builder.image_repository)
    for repository in sorted(repositories):
        yield from _tried(f"registry {repository}", partial(_shows, ctx, repository))


def _shows(ctx: Context, repository: str) -> str:
    ctx.registry(repository.split("/", 1)[0]).digest(f"{repository}:gitops-bridge-doctor")
    return "can be read"


def _datarobot(ctx: Context) -> str:
    api = ctx.datarobot(20.0)
    if api is None:
        return "not configured"
    version = api.version()
    api.admitted()
    return f"version {version}; the token may list deployments"
