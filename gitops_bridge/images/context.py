"""A model package as a build context: a folder with a Dockerfile, for Kaniko or the append builder.

The command `fetch-model` calls `prepare`. Beside the context lies `.gitops-bridge/`: `record.json`
says what was asked for and, written last, what came of it; so a run that was killed is taken up,
and one that was done is recognised. The same request gives the same folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitops_bridge.desired import dockerfile
from gitops_bridge.desired.dockerfile import Provenance, Target
from gitops_bridge.errors import BridgeError, ImageError, RequestError
from gitops_bridge.images import archives, custom, disk, fetch
from gitops_bridge.images.sources import Source

OURS = ".gitops-bridge"
_TOLERATED = frozenset({OURS, "lost+found"})
_CUSTOM, _SCORING_CODE = "custom_inference_model", "datarobotScoringCode"
_JAR_SIGN = "META-INF/MANIFEST.MF"
_LARGEST_RECORD = 1 << 20


@dataclass(frozen=True)
class Order:
    """What is asked for. `source` names where from; `sha256` is what the file must have, in hex;
    `model_id` is the model's, None when only the source may know it."""

    content_key: str
    package_id: str
    execution_type: str
    format: str | None
    base_image: str | None
    source: str
    sha256: str | None = None
    model_id: str | None = None


@dataclass(frozen=True)
class Found:
    """What the order's source turned out to be."""

    source: Source
    model_id: str | None = None
    target: Target | None = None


@dataclass(frozen=True)
class Record:
    """A finished context: the model's file in it (None once unpacked), its SHA-256 and size in
    bytes as it came, the labels of the image to be."""

    file: str | None
    sha256: str
    size: int
    labels: dict[str, str]


def prepare(
    order: Order,
    out: Path,
    find: Callable[[], Found],
    pace: fetch.Pace,
    limits: archives.Limits = archives.DEFAULT,
) -> Record:
    """The context of `order` in the folder `out`; `find` is only called when it is not there yet.

    Raises RequestError for a folder that holds something else, BridgeError for what goes wrong on
    the way, also when another run is at work there. After an error of its own `out` is empty, but
    for a part file that the next run can go on with.
    """
    _buildable(order)
    with disk.writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with disk.alone(out):
            done = _finished(order, out)
            if done is not None:
                pace.log(f"{out} already holds the build context of {order.package_id}")
                return done
            _claim(order, out)
            try:
                with disk.writing(out):
                    return _fill(order, out, find(), pace, limits)
            except BridgeError:
                _empty(out)
                raise


def finished(out: Path) -> tuple[Order, Record]:
    """What an earlier `prepare` has put into `out`, and for which order; only its note is read.

    Raises RequestError when it holds no finished context.
    """
    noted = _noted(out)
    try:
        return Order(**noted["order"]), Record(**noted["record"])
    except (KeyError, TypeError):
        raise RequestError(
            f"{out} holds no finished build context",
            hint="gitops-bridge fetch-model writes it; has it ended with 0?",
        ) from None


def _buildable(order: Order) -> None:
    """Faults that are known without the package, before anything is fetched."""
    if order.execution_type == _CUSTOM:
        return
    if order.execution_type != "dedicated" or order.format not in ("datarobot", _SCORING_CODE):
        raise RequestError(
            f"no image can be made of a {order.execution_type!r:.60} model in the format "
            f"{order.format!r:.60}",
            hint="dedicated with datarobot or datarobotScoringCode, or custom_inference_model",
        )
    try:
        dockerfile.base_image(_provenance(order, None, "0" * 64))
    except ImageError as error:
        raise RequestError(error.message, hint=error.hint) from None


def _fill(
    order: Order, out: Path, found: Found, pace: fetch.Pace, limits: archives.Limits
) -> Record:
    name = dockerfile.JAR_FILE if order.format == _SCORING_CODE else dockerfile.PACKAGE_FILE
    folder = out
    if order.execution_type == _CUSTOM:  # only unpacked, and beside files of any name
        folder = out / OURS / "staging"
        folder.mkdir()
    fetched = fetch.download(
        found.source, folder / name, parts=out / OURS, pace=pace, sha256=order.sha256
    )
    pace.log(f"{name}: SHA-256 {fetched.sha256}, {fetched.size} bytes")
    try:
        _check(order, fetched.path, limits)
    except ImageError as error:
        error.retry = error.retry or fetched.doubtful  # it may have broken off unnoticed
        raise
    made_of = _provenance(order, found.model_id, fetched.sha256)
    if order.execution_type == _CUSTOM:
        text = _custom(made_of, fetched.path, out, limits)
        shutil.rmtree(folder)
    elif order.format == _SCORING_CODE:
        text = dockerfile.scoring_code(made_of, found.target)
        if found.target is not None and dockerfile.has_class_labels(found.target):
            _write(out / dockerfile.CLASS_LABELS_FILE, _class_labels(found.target))
    else:
        text = dockerfile.dedicated(made_of)
    _write(out / "Dockerfile", text)
    record = Record(
        file=None if order.execution_type == _CUSTOM else name,
        sha256=fetched.sha256, size=fetched.size, labels=dockerfile.labels(made_of),
    )  # fmt: skip
    known = {name: fetched.sha256} if record.file else {}
    _note(order, out, {"record": asdict(record), "context": _digest(out, known)})
    return record


def _provenance(order: Order, model_id: str | None, sha256: str) -> Provenance:
    return Provenance(
        content_key=order.content_key,
        package_id=order.package_id,
        execution_type=order.execution_type,
        format=order.format,
        sha256=sha256,
        base_image=None if order.execution_type == _CUSTOM else order.base_image,
        model_id=order.model_id or model_id,
    )


def _check(order: Order, path: Path, limits: archives.Limits) -> None:
    """The file is whole, and of the kind that the order says. DataRobot does not document how a
    dedicated package is packed, so there anything but text passes that is no broken archive."""
    if archives.kind(path) is None and order.format == "datarobot":
        if archives.looks_like_text(path):
            raise ImageError(
                f"{path.name} is text: {archives.start(path)!r}",
                hint="is the source the package itself, or a web page about it?",
            )
        return
    archives.check(path, limits)
    if order.execution_type == _CUSTOM:
        return
    is_jar = archives.holds(path, _JAR_SIGN)
    if order.format == _SCORING_CODE and not is_jar:
        raise ImageError(f"{path.name} is no .jar: it lacks {_JAR_SIGN}")
    if order.format == "datarobot" and (is_jar or archives.holds(path, custom.MANIFEST)):
        what = "scoring code (a .jar)" if is_jar else "the package of a custom model"
        raise ImageError(
            f"{path.name} is {what}, not a dedicated model's package",
            hint="check the execution type and the format of the model",
        )


def _custom(made_of: Provenance, package: Path, out: Path, limits: archives.Limits) -> str:
    parts = custom.assemble(package, out, package.parent, limits)
    _write(out / ".dockerignore", f"{parts.ignored}\n{OURS}\n".lstrip())
    return dockerfile.custom(
        made_of,
        parts.environment,
        wheel=parts.wheel,
        requirements_script=parts.requirements_script,
        generated_files_script=parts.generated_files_script,
        variables=parts.variables,
    )


def _class_labels(target: Target) -> str:
    for name in target.class_names:
        dockerfile.quoted(name)
    return "".join(f"{name}\n" for name in target.class_names)


def _finished(order: Order, out: Path) -> Record | None:
    """What an earlier run made of the same order, when it is all still there."""
    noted = _noted(out)
    if noted.get("order") != asdict(order) or "record" not in noted:
        return None
    if _digest(out, {}) != noted.get("context"):
        return None
    try:
        return Record(**noted["record"])
    except TypeError:  # of another version of this program
        return None


def _claim(order: Order, out: Path) -> None:
    """Make the folder ours and empty; the part file stays, `fetch` knows whether it fits."""
    foreign = sorted(set(os.listdir(out)) - _TOLERATED)
    if foreign and not (out / OURS / "record.json").is_file():
        raise RequestError(
            f"--out {out} is not empty: it holds {foreign[0]!r:.100}", hint="use an empty folder"
        )
    (out / OURS).mkdir(exist_ok=True)
    _note(order, out, {})
    _empty(out)


def _empty(out: Path) -> None:
    for path in [*out.iterdir(), out / OURS / "staging"]:
        if path.name in _TOLERATED:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _noted(out: Path) -> dict[str, Any]:
    try:
        noted = json.loads((out / OURS / "record.json").read_bytes()[:_LARGEST_RECORD])
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note(order: Order, out: Path, outcome: dict[str, Any]) -> None:
    text = json.dumps({"order": asdict(order), **outcome}, indent=1, sort_keys=True)
    temporary = out / OURS / "record.json.new"
    temporary.write_text(text + "\n")
    temporary.chmod(0o644)
    os.replace(temporary, out / OURS / "record.json")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")
    path.chmod(0o644)


def _digest(out: Path, known: dict[str, str]) -> str:
    """One hash over all names, modes and contents; `known` saves reading a file again."""
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(out):
        folders[:] = sorted(name for name in folders if name not in _TOLERATED)
        for name in sorted([*files, *folders]):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                content = f"-> {os.readlink(path)}"
            elif stat.S_ISDIR(mode):
                content = "/"
            else:
                content = known.get(str(path.relative_to(out))) or _sha256(path)
            entry = [str(path.relative_to(out)), mode, content]
            whole.update(json.dumps(entry).encode() + b"\n")
    return whole.hexdigest()


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(archives.CHUNK):
            found.update(chunk)
    return found.hexdigest()
