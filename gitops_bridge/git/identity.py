"""A person's own git configuration to who they are, for decisions they take on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.commits import Signature
from gitops_bridge.git.program import execute

_READ = ("HOME", "PATH", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")
_PATIENCE = 10.0  # seconds


def configured(environ: Mapping[str, str]) -> Signature | None:
    """What `git config` has for user.name and user.email; None unless it has both."""
    environment = {key: environ[key] for key in _READ if key in environ}
    command = ["git", "config", "--null", "--get-regexp", r"^user\.(name|email)$"]
    try:
        answer = execute(command, environment=environment, timeout=_PATIENCE)
    except RepositoryError:
        return None
    pairs = (item.partition("\n") for item in answer.out.decode(errors="replace").split("\0"))
    found = {key: value.strip() for key, _, value in pairs}
    name, email = found.get("user.name"), found.get("user.email")
    return Signature(name, email) if name and email else None
