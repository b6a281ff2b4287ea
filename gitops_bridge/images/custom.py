"""The package of a custom inference model, unpacked into one build context.

`context` calls `assemble`. The package is a zip with three archives that `cm_pps_manifest.json`
names: the execution environment (with its Dockerfile), the model's files, the monitoring library.
DataRobot also puts an installer script in; it is never run, the same steps are taken here:
https://docs.datarobot.com/en/docs/mlops/deployment/mlops-agent/mgmt-agent/mgmt-agent-kubernetes.html.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge import documents
from gitops_bridge.desired import dockerfile
from gitops_bridge.errors import ImageError
from gitops_bridge.images import archives

MANIFEST = "cm_pps_manifest.json"
_DOCUMENT = "deployment_document.json"
_VARIABLES = "additional_env_vars.txt"
_LARGEST_TEXT = 4 << 20


@dataclass(frozen=True)
class Assembled:
    """What the Dockerfile has to know about the context, and what a build is to leave out of it, in
    the syntax of `.dockerignore`. The environment's own two files are not in the context."""

    environment: str
    ignored: str
    wheel: str
    requirements_script: bool
    generated_files_script: bool
    variables: dict[str, str]


def assemble(package: Path, out: Path, staging: Path, limits: archives.Limits) -> Assembled:
    """The context in `out`; `staging` is a folder on the same file system that holds at most the
    package.

    The model's files win over the environment's, but for `requirements.txt`: that of a model is
    installed by its own script. Raises ImageError for a package that lacks a part.
    """
    names = _names(package)
    for part, name in names.items():
        _unpack(package, name, staging / part, limits)
    environment = _text(staging / "env" / "Dockerfile")
    if environment is None:
        raise ImageError(f"{package.name}: {names['env']} holds no Dockerfile")
    document = archives.read(package, _DOCUMENT, _LARGEST_TEXT)
    if document is None:
        raise ImageError(f"{package.name} holds no {_DOCUMENT}")
    wheel = _wheel(staging / "mlops", names["mlops"])
    (staging / "model" / "requirements.txt").unlink(missing_ok=True)
    for folder in (staging / "env", staging / "model"):
        if os.path.lexists(folder / staging.parent.name):
            raise ImageError(f"{package.name} holds {staging.parent.name}, a name we need")
        _lay_over(folder, out)
    (out / _DOCUMENT).unlink(missing_ok=True)
    (out / _DOCUMENT).write_bytes(document)
    (out / _DOCUMENT).chmod(0o644)
    os.replace(wheel, out / wheel.name)
    _make_executable(out / "start_server.sh")
    (out / "Dockerfile").unlink(missing_ok=True)
    return Assembled(
        environment=environment,
        ignored=_ignored(out, (_DOCUMENT, wheel.name)),
        wheel=wheel.name,
        requirements_script=(out / "install_requirements.sh").is_file(),
        generated_files_script=(out / "install_generated_files.sh").is_file(),
        variables=dockerfile.variables_of(_text(out / _VARIABLES) or ""),
    )


def _unpack(package: Path, name: str, into: Path, limits: archives.Limits) -> None:
    """One archive of the package into a new folder; errors call the archive by its own name."""
    packed = into.with_name(f"{into.name}-packed")
    for folder in (packed, into):
        folder.mkdir()
    archives.extract(package, name, packed / name, limits)
    archives.unpack(packed / name, into, limits)
    shutil.rmtree(packed)


def _names(package: Path) -> dict[str, str]:
    """The three archives' names by part, each a plain file name."""
    content = archives.read(package, MANIFEST, _LARGEST_TEXT)
    if content is None:
        raise ImageError(
            f"{package.name} holds no {MANIFEST}",
            hint="is it the package of a custom inference model, built with its installer?",
        )
    try:
        manifest = documents.load_json(content)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise ImageError(f"{package.name}: {MANIFEST} is no JSON object")
    names = {part: manifest.get(part) for part in ("env", "model", "mlops")}
    for part, name in names.items():
        plain = isinstance(name, str) and name.isprintable() and "/" not in name
        if not plain or name in ("", ".", ".."):
            raise ImageError(
                f"{package.name}: {MANIFEST} names {name!r:.120} as {part}",
                hint="DataRobot could not put that part in; see the custom model in DataRobot",
            )
    return {part: str(name) for part, name in names.items()}


def _wheel(folder: Path, archive: str) -> Path:
    found = sorted(
        path
        for path in folder.rglob("datarobot_mlops-*.whl")
        if path.is_file() and not path.is_symlink()
    )
    if len(found) != 1:
        raise ImageError(f"{archive} holds {len(found)} datarobot_mlops libraries, not one")
    return found[0]


def _ignored(out: Path, ours: tuple[str, ...]) -> str:
    """What the package's own ignore file says, but for the files that we put in; it is taken out.
    Builders prefer the first name."""
    names = ("Dockerfile.dockerignore", ".dockerignore")
    own = next((text for name in names if (text := _text(out / name)) is not None), "")
    for name in names:
        (out / name).unlink(missing_ok=True)
    return "\n".join([own.rstrip(), *(f"!{name}" for name in ours)]) if own.strip() else ""


def _text(path: Path) -> str | None:
    """A small text file; None when there is none. Links do not count."""
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > _LARGEST_TEXT:
        raise ImageError(f"{path.name} is larger than {_LARGEST_TEXT} bytes")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ImageError(f"{path.name} is not text in UTF-8") from None


def _lay_over(source: Path, target: Path) -> None:
    """Move all of `source` over `target`; a folder and a file of one name are an error."""
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        there = target / entry.name
        folder = entry.is_dir(follow_symlinks=False)
        if (there.is_symlink() or there.exists()) and folder != (
            there.is_dir() and not there.is_symlink()
        ):
            raise ImageError(f"{entry.name!r:.200} is a folder in one part, not in the other")
        if not folder or not there.exists():
            os.replace(entry.path, there)
        else:
            _lay_over(Path(entry.path), there)
    shutil.rmtree(source)


def _make_executable(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        path.chmod(0o755)
