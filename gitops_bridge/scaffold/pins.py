"""The places where a team's repository names this tool, written for one version and brought to the
next one together: the CI workflow, the standing controller's image, the image of build Jobs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gitops_bridge.scaffold import people, shipped

CONTROLLER = "argocd/bridge/kustomization.yaml"
IMAGE_NAME = "bridge-image"
"""What base/ and argocd/bridge/ call the image; `images:` of a kustomization gives the real one."""
_PLACES = {
    "github": ".github/workflows/gitops-bridge.yaml",
    "gitlab": ".gitlab/gitops-bridge.yaml",
    "gitea": ".gitea/workflows/gitops-bridge.yaml",
    "bitbucket-cloud": "bitbucket-pipelines.yml",
    "azure-devops": ".azuredevops/gitops-bridge.yaml",
}
"""Bitbucket Server has no pipelines of its own."""
_DIALECTS = {"gitea": "github"}
SHARED = frozenset({"bitbucket-pipelines.yml"})
"""A file that the team may have for other things too: then theirs stays."""


@dataclass(frozen=True)
class Tool:
    """How a team gets this tool: its image, and what pip installs in CI (None: CI runs the
    image)."""

    image: str
    source: str | None = None


def workflow_path(provider: str) -> str | None:
    """Where the provider looks for workflows, None where it has none."""
    return _PLACES.get(provider)


def workflow(provider: str, branch: str, root: str, tool: Tool) -> bytes:
    """The CI workflow that checks each pull request for `branch`, of what lies below `root`."""
    kind = "image" if tool.source is None else "pip"
    values = {"branch": branch, "image": tool.image, "source": tool.source or ""}
    values["folder"] = f"{root} " if root else ""
    dialect = _DIALECTS.get(provider, provider)
    return shipped.text(f"{dialect}-check-{kind}.yaml", values).encode()


def source_of(workflow: bytes | None) -> str | None:
    """What pip installs in a workflow that `workflow` wrote; None: nothing."""
    found = re.search(r"pip install '(.+)'$", (workflow or b"").decode(), re.MULTILINE)
    return found[1] if found else None


def with_image(kustomization: bytes, path: str, image: str) -> bytes:
    """The kustomization with `image` for the name bridge-image, where it gives one.

    Raises ConfigError naming `path` when it cannot be read.
    """
    document = people.load(kustomization, path)
    entry = _entry(document)
    if entry is None:
        return kustomization
    name, _, digest = image.partition("@")
    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    for key in ("newName", "newTag", "digest"):
        entry.pop(key, None)
    entry["newName"] = repository
    if tag:
        entry["newTag"] = people.quoted(tag)
    if digest:
        entry["digest"] = digest
    return people.dump(document)


def image_of(kustomization: bytes | None, path: str) -> str | None:
    """The image that a kustomization gives for the name bridge-image; None when it gives none.

    Raises ConfigError naming `path` when it cannot be read.
    """
    entry = _entry(people.load(kustomization, path)) if kustomization else None
    if entry is None or "newName" not in entry:
        return None
    tag = f":{entry['newTag']}" if "newTag" in entry else ""
    digest = f"@{entry['digest']}" if "digest" in entry else ""
    return f"{entry['newName']}{tag}{digest}"


def newer(reference: str, old: str, new: str) -> str:
    """An image, address or requirement that names version `old`, naming `new` instead. One that is
    pinned by digest stays: whoever pinned it has to say which digest is next."""
    if "@sha256:" in reference or "#sha256=" in reference:
        return reference
    return re.sub(rf"(?<![\d.]){re.escape(old)}(?!\.?\d)", new, reference)


def _entry(document: Any) -> Any:
    items = document.get("images") if isinstance(document, dict) else None
    entries = items if isinstance(items, list) else []
    return next(
        (item for item in entries if isinstance(item, dict) and item.get("name") == IMAGE_NAME),
        None,
    )
