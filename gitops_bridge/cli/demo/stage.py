"""Commands to what a person at a terminal of 80 columns would see of them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NoReturn

import click

from gitops_bridge.activity import activity
from gitops_bridge.cli import EXIT_PROBLEM

WIDTH = 79
_INDENT = "    "


class Stage:
    """A folder with the team's repository, a person's clone and the agent's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clone = folder / "clone"
        self._place = self._clone
        roles = {"AUTHOR", "COMMITTER"}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            **{f"GIT_{role}_NAME": "Jane Doe" for role in roles},
            **{f"GIT_{role}_EMAIL": "jane@example.com" for role in roles},
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PAGER": "cat",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def work_in(self, place: str) -> None:
        """From now on git is called in this folder, or in the clone until it is there."""
        self._place = self.folder / place

    def git(self, *arguments: str) -> None:
        colour = ["-c", "color.ui=always"] if _coloured() else []
        place = self._place if self._place.is_dir() else self._clone
        self._call(["git", *colour, *arguments], ["git", *arguments], place)

    def bridge(self, *arguments: str, show_output: bool = True) -> str:
        """Call ourselves; what that printed."""
        command = [sys.executable, "-m", "gitops_bridge", *arguments]
        shown = ["gitops-bridge", *arguments]
        return self._call(command, shown, self.folder, show_output=show_output)

    def run(self, *command: str) -> None:
        self._call([*command], [*command], self.folder)

    def pull(self) -> None:
        """Bring the person's clone up to date, without a word."""
        self.read("pull", "--quiet")

    def read(self, *arguments: str) -> str:
        """What git prints in the person's clone, not shown."""
        return subprocess.run(
            ["git", *arguments], cwd=self._clone, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
        ).stdout  # fmt: skip

    def fail(self) -> NoReturn:
        sys.exit(EXIT_PROBLEM)

    def _call(
        self, command: list[str], shown: list[str], place: Path, *, show_output: bool = True
    ) -> str:
        click.secho(prompt(shown), bold=True)
        with activity(" ".join(shown[:2])):
            finished = subprocess.run(
                command, cwd=place, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if show_output or finished.returncode:
            click.echo(finished.stdout.rstrip("\n") or None, nl=bool(finished.stdout))
        if finished.returncode:
            self.fail()
        return finished.stdout


def _coloured() -> bool:
    choice = click.get_current_context().color
    return sys.stdout.isatty() if choice is None else choice


def prompt(command: list[str]) -> str:
    """A command as it would be typed, wrapped as shells allow it; a flag keeps its value."""
    lines = [f"$ {shlex.quote(command[0])}"]
    for part in _units(command[1:]):
        if len(lines[-1]) + len(part) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append(f"{_INDENT}{part}")
        else:
            lines[-1] += f" {part}"
    return "\n".join(lines)


def _units(arguments: list[str]) -> list[str]:
    units: list[str] = []
    before = ""
    for argument in arguments:
        if before.startswith("--") and "=" not in before and not argument.startswith("-"):
            units[-1] += f" {shlex.quote(argument)}"
        else:
            units.append(shlex.quote(argument))
        before = argument
    return units


def chapter(title: str, explained: str) -> None:
    click.echo()
    click.secho(f"── {title} ".ljust(WIDTH, "─"), fg="cyan", bold=True)
    if explained:
        explain(explained)
    click.echo()


def explain(text: str) -> None:
    click.secho(text, dim=True)


def paragraph(text: str, colour: str) -> None:
    """A long message between the margins, its first words in a colour."""
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    head, colon, rest = "\n".join(lines).partition(":")
    click.echo(f"{click.style(head + colon, fg=colour)}{rest}")
