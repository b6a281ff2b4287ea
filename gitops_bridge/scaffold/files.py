"""Answers to the files that init wants in a repository, each with the role it plays there.

`cli.init` hands the result to `plan.compare`. Three occasions: a repository that init never saw, an
environment more in one that it knows, and a newer version's base/, argocd/ and workflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from gitops_bridge import config, documents
from gitops_bridge.desired import admission
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import argocd, environments, insertion, people, pins, shipped
from gitops_bridge.scaffold.answers import IN_CLUSTER, PROVIDERS, Answers, Environment
from gitops_bridge.scaffold.plan import File, Manifest, Role, Tree

CONFIG = "gitops-bridge.yaml"
_OWNERS = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    "gitea": (".gitea/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "bitbucket-cloud": (".bitbucket/CODEOWNERS",),
}
"""Where a provider looks for owners; the others have none."""
_GITLAB_INCLUDE = "include:\n- local: .gitlab/gitops-bridge.yaml\n"
PLACEHOLDER_OWNER = "@your-organisation/your-platform-team"


def first(answers: Answers, tree: Tree) -> dict[str, File]:
    """Everything, for a repository that init never wrote to."""
    targets = _targets(answers)
    tool = pins.Tool(answers.environments[0].bridge_image, answers.bridge_source)
    wanted = _ours(targets, answers.provider, tool)
    wanted[CONFIG] = File(_config(answers), Role.EDITED)
    for environment in answers.environments:
        wanted |= _folder(environment)
    values = {
        "argocd_namespace": answers.argocd_namespace,
        "branch": answers.repository.branch,
        "builds_branch": answers.repository.builds_branch,
        "rollouts_branch": answers.repository.rollouts_branch,
        "owners": " ".join(answers.owners) or PLACEHOLDER_OWNER,
        "root": f"{answers.repository.root}/" if answers.repository.root else "",
        "workflows": _workflows(answers.provider),
    }
    wanted["README.md"] = _courtesy(shipped.text("README.md", values))
    owners = _owners_path(answers.provider, tree)
    if owners is not None:
        wanted[owners] = _courtesy(shipped.text("codeowners", values))
    if answers.provider == "gitlab":
        wanted[".gitlab-ci.yml"] = _courtesy(_GITLAB_INCLUDE)
    return wanted


def more(answers: Answers, tree: Tree, known: Manifest) -> dict[str, File]:
    """What the environments of `answers` add to a repository that init knows.

    An environment's folder that people made by hand is theirs and not looked at.
    """
    theirs = {path: content for path in shipped.folders() if (content := tree.read(path))}
    in_argocd = {path: text for path, text in theirs.items() if path.startswith("argocd/")}
    extended = argocd.extend(in_argocd, _targets(answers).destinations)
    wanted = {path: File(text, Role.EDITED) for path, text in extended.items()}
    wanted[CONFIG] = File(_extended(tree.read(CONFIG) or b"", answers), Role.EDITED)
    for environment in answers.environments:
        folder = _folder(environment)
        by_hand = tree.id(f"overlays/{environment.name}/environment") is not None
        if not by_hand or folder.keys() & known.files.keys():
            wanted |= folder
    return wanted


def newer(
    tree: Tree,
    known: Manifest,
    version: str,
    *,
    root: str,
    image: str | None,
    source: str | None,
) -> dict[str, File]:
    """base/, argocd/, the workflow and the images of this version for a repository that init
    knows: `image` and `source`, or else today's references with the version raised in them.

    Raises ConfigError when its argocd/ no longer tells the environments.
    """
    paths = [path for path in shipped.folders() if path.startswith("argocd/")]
    targets = argocd.read({path: tree.read(path) or b"" for path in paths}, root)
    provider = next((item for item in PROVIDERS if pins.workflow_path(item) in known.files), None)
    old = known.version or version
    if source is None and provider is not None:
        today = pins.source_of(tree.read(pins.workflow_path(provider) or ""))
        source = today and pins.newer(today, old, version)
    builders = _builders(tree)
    newest = {path: image or pins.newer(used, old, version) for path, (_, used) in builders.items()}
    tool = pins.Tool(next(iter(newest.values()), pins.IMAGE_NAME), source)
    wanted = _ours(targets, provider, tool)
    for path, (text, used) in builders.items():
        if used != newest[path]:
            wanted[path] = File(pins.with_image(text, path, newest[path]), Role.EDITED)
    return wanted


def _builders(tree: Tree) -> dict[str, tuple[bytes, str]]:
    """The kustomizations that give the image of build Jobs, with that image."""
    found = {}
    for name in tree.entries("overlays"):
        path = f"overlays/{name}/environment/builder/kustomization.yaml"
        text = tree.read(path)
        image = pins.image_of(text, path)
        if text is not None and image is not None:
            found[path] = text, image
    return found


def other_branches(repository: config.Repository) -> dict[str, dict[str, bytes]]:
    """The branches beside that of the models, each with the files of its root commit."""
    names = {"builds.md": repository.builds_branch, "rollouts.md": repository.rollouts_branch}
    values = {"branch": repository.branch}
    return {
        branch: {"README.md": shipped.text(name, values).encode()} for name, branch in names.items()
    }


def _ours(targets: argocd.Targets, provider: str | None, tool: pins.Tool) -> dict[str, File]:
    files = shipped.folders()
    in_argocd = {path: text for path, text in files.items() if path.startswith("argocd/")}
    files |= argocd.fill(in_argocd, targets)
    files[pins.CONTROLLER] = pins.with_image(files[pins.CONTROLLER], pins.CONTROLLER, tool.image)
    path = pins.workflow_path(provider) if provider is not None else None
    if provider is not None and path is not None:
        files[path] = pins.workflow(provider, targets.branch, targets.root, tool)
    return {
        path: File(text, Role.COURTESY if path in pins.SHARED else Role.OURS)
        for path, text in files.items()
    }


def _targets(answers: Answers) -> argocd.Targets:
    return argocd.Targets(
        answers.repository.url,
        answers.repository.branch,
        answers.repository.builds_branch,
        answers.argocd_namespace,
        answers.repository.root,
        tuple(
            argocd.Destination(item.name, item.cluster, item.namespace, item.builds_namespace)
            for item in answers.environments
        ),
    )


def _folder(environment: Environment) -> dict[str, File]:
    texts = environments.folder(environment)
    return {path: File(text.encode(), Role.TEAMS) for path, text in texts.items()}


def _courtesy(text: str) -> File:
    return File(text.encode(), Role.COURTESY)


def _owners_path(provider: str, tree: Tree) -> str | None:
    """Where the team's own file is, if it has one: the forge reads only the first it finds. None
    where the forge reads none."""
    places = _OWNERS.get(provider, ())
    return next((path for path in places if tree.id(path) is not None), next(iter(places), None))


def _workflows(provider: str) -> str:
    """What owners of workflows own, from the top of the repository."""
    path = pins.workflow_path(provider) or CONFIG
    top, slash, _ = path.partition("/")
    return f"{top}{slash}"


def _config(answers: Answers) -> bytes:
    text = (
        shipped.text("gitops-bridge.yaml", {})
        + documents.dump({"repository": _told(answers.repository)})
        + _credentials(answers.repository)
        + documents.dump({"environments": {item.id: _entry(item) for item in answers.environments}})
        + _proposing(answers.pull_request_token_env)
        + _trusted(answers.environments)
    )
    return _loadable(text.encode())


def _proposing(variable: str | None) -> str:
    """That rollouts are pull requests, where there is a token for them."""
    if variable is None:
        return ""
    token = {"token": {"env": variable}}
    return documents.dump({"delivery": config.Mode.PULL_REQUEST.value, "pull_request": token})


def _trusted(environments: Sequence[Environment]) -> str:
    """What the settings name and `check` would take for somebody else's."""
    trust = {key: values for key, values in _trust(environments).items() if values}
    return documents.dump({"trust": trust}) if trust else ""


def _trust(environments: Sequence[Environment]) -> dict[str, list[str]]:
    accounts = {str(item.settings.get("ppsServiceAccount", "default")) for item in environments}
    builders = {
        admission.unknown_repository(item.settings["kanikoImage"])
        for item in environments
        if "kanikoImage" in item.settings
    }
    return {
        "service_accounts": sorted(accounts - {"", "default"}),
        "builders": sorted(name for name in builders if name),
    }


def _loadable(text: bytes) -> bytes:
    """`text` when the bridge takes it for its configuration. Raises ConfigError when not."""
    try:
        config.load(documents.load_verbatim(text), CONFIG)
    except documents.InvalidYaml as error:
        raise ConfigError(f"{CONFIG}: {error}", hint="bring it back from history") from None
    return text


def _told(repository: config.Repository) -> dict[str, Any]:
    """What differs from the defaults; of a password only where it is to be found."""
    told: dict[str, Any] = {
        item.name: value
        for item in fields(repository)
        if (value := getattr(repository, item.name)) != item.default
    }
    if repository.password:
        places = asdict(repository.password).items()
        told["password"] = {place: name for place, name in places if name is not None}
    return told


def _credentials(repository: config.Repository) -> str:
    """What a team is likely to need next, as comments, unless it was told."""
    url = repository.url
    if repository.password or repository.ssh_key:
        return ""
    if re.match(r"https?://", url):
        return (
            "  # Credentials by their whereabouts, never themselves:\n"
            + ("" if repository.username else "  # username: gitops-bridge\n")
            + "  # password: {env: GIT_PASSWORD} # or {file: /run/secrets/git-password}\n"
        )
    if "://" not in url and ":" not in url:
        return ""
    return (
        "  # ssh_key: /run/secrets/git/id_ed25519\n"
        "  # ssh_known_hosts: /run/secrets/git/known_hosts\n"
    )


def _entry(environment: Environment) -> dict[str, str]:
    entry = {
        "name": environment.name,
        "namespace": environment.namespace,
        "prediction_url": environment.prediction_url.geturl(),
    }
    if environment.cluster != IN_CLUSTER:
        entry["cluster"] = environment.cluster
    return entry


def _extended(text: bytes, answers: Answers) -> bytes:
    """The team's configuration with the environments it lacks."""
    document = people.load(text, CONFIG)
    there = document.get("environments") if isinstance(document, dict) else None
    if not isinstance(there, dict):
        raise ConfigError(f"{CONFIG}: environments is missing", hint="bring it back from history")
    known = {
        str(key): str(item.get("name")) for key, item in there.items() if isinstance(item, Mapping)
    }
    names = set(known.values())
    for item in answers.environments:
        if known.get(item.id, item.name) != item.name:
            raise ConfigError(
                f"{CONFIG}: {item.id} has the folder {known[item.id]!r} already, not {item.name!r}",
                hint="a prediction environment has one folder; each --environment needs its own id",
            )
    new = {item.id: _entry(item) for item in answers.environments if item.id not in known}
    for item in answers.environments:
        if item.id in known:
            continue
        if item.name in names:
            raise ConfigError(
                f"{CONFIG}: {item.name!r} is another prediction environment's folder already",
                hint=f"choose another name for {item.id}",
            )
    if not new:
        return text
    text = insertion.entered(text, CONFIG, ("environments",), new)
    trusted = _trust([item for item in answers.environments if item.id in new])
    return _loadable(_trusting(text, trusted))


def _trusting(text: bytes, wanted: Mapping[str, list[str]]) -> bytes:
    """The team's configuration with what it does not trust yet."""
    there = people.load(text, CONFIG).get("trust") or {}
    for key, values in wanted.items():
        missing = [value for value in values if value not in (there.get(key) or [])]
        if not missing:
            continue
        if not there:
            text = insertion.entered(text, CONFIG, (), {"trust": {key: missing}})
        elif not there.get(key):
            text = insertion.entered(text, CONFIG, ("trust",), {key: missing})
        else:
            text = insertion.appended(text, CONFIG, ("trust", key), missing)
        there = people.load(text, CONFIG)["trust"]
    return text
