"""Runs the `git` program: a known environment, a time limit, and what it says without secrets.

Nothing of the caller's environment but PATH reaches git, so that no configuration, hook, helper or
GIT_* variable of a person interferes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.activity import activity
from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.budget import Budget
from gitops_bridge.git.remote import Remote
from gitops_bridge.redaction import Redactor


@dataclass(frozen=True)
class Answer:
    """How a program ended. `code` is None when it was killed because its time was up."""

    code: int | None
    out: bytes
    err: str


def execute(
    command: Sequence[str], *, environment: Mapping[str, str], timeout: float, given: bytes = b""
) -> Answer:
    """Run `command` to its end, or until `timeout` seconds have passed.

    Raises RepositoryError when the program is not installed.
    """
    with started(command, environment=environment, given=given) as answer:
        return answer(timeout)


@contextmanager
def started(
    command: Sequence[str], *, environment: Mapping[str, str], given: bytes = b""
) -> Iterator[Callable[[float], Answer]]:
    """`command` at work beside us, in a process group of its own that does not survive the block.
    What the block gets waits for its end, at most so many seconds.

    Raises RepositoryError when the program is not installed.
    """
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise RepositoryError(
            f"the program {command[0]!r} is not on PATH", hint=f"install {command[0]}"
        ) from None

    def answer(timeout: float) -> Answer:
        try:
            out, err = process.communicate(given, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            try:
                out, err = process.communicate(timeout=1)
            except subprocess.TimeoutExpired:  # somebody who left the group holds the pipes
                out, err = b"", b""
            return Answer(None, out, err.decode(errors="replace"))
        return Answer(process.returncode, out, err.decode(errors="replace"))

    try:
        yield answer
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def search_path() -> dict[str, str]:
    """The one thing taken over from our own environment: where programs are found."""
    return {"PATH": os.pathsep.join(os.get_exec_path()), "LC_ALL": "C"}


class Git:
    """The git program, set up for one remote; `folder` holds its sockets and its one file."""

    def __init__(self, remote: Remote, folder: Path, budget: Budget) -> None:
        self.remote = remote
        self.budget = budget
        self._folder = folder
        self._blanked = Redactor(*remote.secrets())

    def run(
        self,
        *arguments: str,
        repository: Path,
        timeout: float | None = None,
        given: bytes = b"",
    ) -> Answer:
        """Run git on the bare `repository`; what it said on stderr comes back redacted."""
        with self.started(
            *arguments, repository=repository, timeout=timeout, given=given
        ) as answer:
            return answer()

    @contextmanager
    def started(
        self,
        *arguments: str,
        repository: Path,
        timeout: float | None = None,
        given: bytes = b"",
    ) -> Iterator[Callable[[], Answer]]:
        """As `run`, beside the block, which asks for the answer when it wants it. Git has at most
        `timeout` seconds, by default the remote's, and never more than its caller."""
        limit = self.budget.of_step(self.remote.timeout if timeout is None else timeout)
        command = ["git", f"--git-dir={repository}", *arguments]
        with started(command, environment=self._environment(), given=given) as ended:

            def answer() -> Answer:
                with activity(self.redact(f"git {' '.join(arguments[:3])}")):
                    found = ended(limit)
                said = f"timed out after {limit:.3g} s\n" if found.code is None else ""
                return Answer(found.code, found.out, self.redact(said + found.err))

            yield answer

    def redact(self, text: str) -> str:
        text = self._blanked(text)
        return re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:[redacted]@", text)

    def prepare(self) -> None:
        """Write the file that lets git open a local remote that belongs to somebody else.

        git takes `safe.directory` from files only when it starts the other end of a local push.
        """
        lines = []
        if self.remote.transport == "file":
            lines = ["[safe]", f"\tdirectory = {_quoted(self.remote.address)}"]
        (self._folder / "gitconfig").write_text("\n".join([*lines, ""]))

    def _environment(self) -> dict[str, str]:
        environment = search_path() | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._folder / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "http:https:ssh:file",
            "GIT_DEFAULT_REF_FORMAT": "files",  # what `refs` reads
        }
        if self.remote.transport == "ssh":
            environment["GIT_SSH_COMMAND"] = self.remote.ssh_command(self._folder)
            environment["GIT_SSH_VARIANT"] = "ssh"
        settings = list(self.remote.settings())
        environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
