"""base/ and argocd/ as this version ships them, and the texts of the files around them.

In a wheel they lie in `scaffold_data/`; in a checkout the repository itself is the scaffold.
`files` reads them through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "scaffold_data"
_TEXTS = Path(__file__).parent / "texts"


def folders() -> dict[str, bytes]:
    """Every file of base/ and argocd/, by its path."""
    root = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for name in ("base", "argocd")
        for path in sorted((root / name).rglob("*"))
        if path.is_file()
    }


def text(name: str, values: Mapping[str, str]) -> str:
    """The text `name` with each `@key@` replaced by its value."""
    content = (_TEXTS / name).read_text(encoding="utf-8")
    for key, value in values.items():
        content = content.replace(f"@{key}@", value)
    return content
