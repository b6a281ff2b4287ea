"""From where the configuration says a secret is, to the secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitops_bridge.config import Secret
from gitops_bridge.errors import ConfigError
from gitops_bridge.secret_text import Syntax, checked


def secret(
    whereabouts: Secret | None, key: str, environ: Mapping[str, str], syntax: Syntax
) -> str | None:
    """The secret behind a configuration key. Raises ConfigError naming the key, never the value."""
    if whereabouts is None:
        return None
    if whereabouts.env is not None:
        found = environ.get(whereabouts.env, "")
        missing = f"the environment variable {whereabouts.env} is not set"
    else:
        found, missing = _from_file(Path(whereabouts.file or ""))
    if not found.strip():
        raise ConfigError(f"{key}: {missing}", hint="set it, or correct the key")
    return checked(found, key, syntax)


def _from_file(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(encoding="utf-8"), f"the file {path} is empty"
    except (OSError, UnicodeDecodeError) as error:
        return "", f"the file {path} cannot be read: {getattr(error, 'strerror', None) or error}"
