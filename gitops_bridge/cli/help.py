"""`gitops-bridge help`: the documentation that belongs to this version, offline."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_bridge.cli import VERBS, cli
from gitops_bridge.errors import RequestError

_PACKAGED = Path(__file__).parents[1] / "documentation"


def pages() -> dict[str, Path]:
    """Every page by its name, the path below docs/ without the ending."""
    root = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "docs"
    return {
        path.relative_to(root).with_suffix("").as_posix(): path
        for path in sorted(root.rglob("*.md"))
    }


def _names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in [*pages(), *VERBS] if name.startswith(incomplete)]


@click.command()
@click.argument("page", required=False, shell_complete=_names)
@click.pass_context
def help(ctx: click.Context, page: str | None) -> None:
    """Show a page of the documentation, or the help of a verb.

    \b
      gitops-bridge help            the list of the pages
      gitops-bridge help reference  one of them
      gitops-bridge help rollback   the same as gitops-bridge rollback --help
    """
    if page is None:
        _list_pages()
    elif page in VERBS:
        command = cli.get_command(ctx.find_root(), page)
        assert command is not None  # noqa: S101 - every verb has a module
        click.echo(command.get_help(click.Context(command, ctx.find_root(), page)))
    else:
        click.echo_via_pager(_text(page))


def _list_pages() -> None:
    found = {name: _title(path) for name, path in pages().items()}
    width = max(map(len, found))
    for name, title in found.items():
        click.echo(f"{name:<{width}}  {title}")


def _title(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def _text(page: str) -> str:
    found = pages()
    name = page.removesuffix(".md").removeprefix("docs/")
    if name not in found:
        import difflib

        near = difflib.get_close_matches(name, [*found, *VERBS], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "without a name all are listed"
        raise RequestError(f"there is no page {page!r:.80}", hint=hint)
    return found[name].read_text(encoding="utf-8")
