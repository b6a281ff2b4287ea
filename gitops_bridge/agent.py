"""The management agent's files: an action file in, a status file out, and an answer whatever
happens between the two.

Formats: the action-config and status YAML of datarobot-bosun 11.2. The status file is written
whole or not at all.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from gitops_bridge import documents
from gitops_bridge.actions import Action, DeploymentState, Outcome, Request, Status, parse
from gitops_bridge.config import Config, load
from gitops_bridge.errors import BridgeError, ConfigError, RequestError

log = logging.getLogger("gitops_bridge")
EXIT_CODES = {Status.PASSING: 0, Status.FAILING: 1, Status.WARNING: 2, Status.UNKNOWN: 3}
_MESSAGE_LIMIT = 4000  # characters; DataRobot shows a message, it is no log
_ATTACHMENTS = ("modelPackageDetails",)


def read_yaml(path: Path, error: type[BridgeError], what: str, *, strict: bool = False) -> Any:
    """The data in a YAML file. With `strict` no key may stand twice in a mapping: a reader would
    take one of the two without a word. Raises `error` naming the file and the cure."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise error(
            f"{what} {path}: {problem.strerror or problem}", hint="check path and rights"
        ) from None
    try:
        data = documents.load_verbatim(content)
        twice = documents.repeated_keys(content) if strict else []
    except documents.InvalidYaml as problem:
        raise error(f"{what} {path} is not YAML: {problem}", hint="correct that line") from None
    if twice:
        raise error(f"{what} {path} says twice {', '.join(twice)}", hint="keep one of the two")
    return data


def read_request(action: str, path: Path) -> Request:
    """The Request in an action file. Raises RequestError."""
    document = read_yaml(path, RequestError, "action file")
    if document is None:
        raise RequestError(f"action file {path} is empty", hint="it must hold pluginConfig")
    try:
        return request(action, document)
    except RequestError as error:
        raise RequestError(f"{path}: {error.message}", hint=error.hint) from None


def request(action: str, document: object) -> Request:
    """As `read_request`, for a document already loaded; reads the JSON files it points to."""
    info = document.get("deploymentInfo") if isinstance(document, Mapping) else None
    info = info if isinstance(info, Mapping) else {}
    attachments = {key: _attachment(info.get(key), key) for key in _ATTACHMENTS}
    return parse(action, document, attachments)


def _attachment(path: object, key: str) -> object:
    if path in (None, ""):
        return None
    if not isinstance(path, (str, os.PathLike)):
        raise RequestError(f"deploymentInfo.{key} is {path!r:.80}", hint="the path of a JSON file")
    try:
        return documents.load_json(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise RequestError(
            f"deploymentInfo.{key}: {path} cannot be read: {error}",
            hint="the management agent writes it; is its scratch folder visible here?",
        ) from None


def read_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every problem in it."""
    data = read_yaml(path, ConfigError, "configuration", strict=True)
    return load(data, str(path))


class _Terminated(BaseException):
    """SIGTERM arrived; not an Exception, so that nothing on the way takes it for one."""


def answer(action: str, work: Callable[[], Outcome]) -> Outcome:
    """What `work` answers, or the answer to whatever kept it from that.

    A SIGTERM ends the work, once. From then on, and when there is an answer, it is ignored: the
    status file is written next. One that was held back until now comes at once.
    """
    try:
        on_sigterm(_terminate)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        outcome = _worked(action, work)
        on_sigterm(signal.SIG_IGN)
        return outcome
    except (_Terminated, KeyboardInterrupt, SystemExit):
        on_sigterm(signal.SIG_IGN)
        log.error("%s: told to end", action)
        return failure(_interrupted(action))


def upkeep(work: Callable[[], None]) -> None:
    """Run `work` once the answer is given. A SIGTERM ends it early, and changes nothing else."""
    try:
        on_sigterm(_terminate)
        work()
    except (_Terminated, KeyboardInterrupt):
        log.info("told to end: the upkeep of the mirror is left to the next action")
    finally:
        on_sigterm(signal.SIG_IGN)


def _worked(action: str, work: Callable[[], Outcome]) -> Outcome:
    try:
        outcome = work()
        log.info("%s: %s: %s", action, outcome.status.value, outcome.message)
        return outcome
    except BridgeError as error:
        log.error("%s: %s", action, error)
        return failure(error)
    except Exception as error:
        log.exception("%s: fault", action)
        return failure(_fault(error))


def _terminate(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def on_sigterm(handler: Any) -> None:
    """Let `handler` have the signal; in a thread that gets none, nothing happens."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _interrupted(action: str) -> BridgeError:
    return BridgeError(
        f"{action} was told to end before it was done",
        hint="nothing is half done: the same action again carries on",
        retry=True,
    )


def _fault(error: Exception) -> BridgeError:
    """An error nobody foresaw: a bug of ours, told as one."""
    return BridgeError(
        f"fault in gitops-bridge: {type(error).__name__}: {error}",
        hint="the log holds the traceback; please report it",
    )


def failure(error: BridgeError) -> Outcome:
    """The answer to an action that ended in an error. It names the model that Git holds, where that
    was seen, and claims nothing of what runs."""
    held = f"; Git holds model {error.serving}" if error.serving else ""
    return Outcome(Status.FAILING, DeploymentState.ERRORED, f"{error}{held}")


def status(
    outcome: Outcome, action: str | None, *, duration: float | None, now: float
) -> dict[str, Any]:
    """The status document: `duration` in seconds, `now` in seconds since the epoch."""
    return {
        "data": _data(outcome, action, now),
        "duration": None if duration is None else round(duration, 4),
        "msg": None if outcome.message is None else _shortened(outcome.message),
        "state": outcome.state.value if outcome.state else None,
        "status": outcome.status.value,
        "timestamp": int(now * 1000),
    }


def _data(outcome: Outcome, action: str | None, now: float) -> dict[str, Any] | None:
    """deployment_list puts the map of deployments into `data` itself, pe_status under a key."""
    listed = {
        identifier: status(item, None, duration=None, now=now)
        for identifier, item in sorted((outcome.deployments or {}).items())
    }
    if action == Action.DEPLOYMENT_LIST.value:
        return listed or None
    found: dict[str, Any] = {
        "currentModelId": outcome.current_model_id,
        "dashboardUrl": outcome.dashboard_url,
        "deploymentsStatus": listed or None,
        "oldModelInUse": outcome.old_model_in_use,
        "predictionUrl": outcome.prediction_url,
    }
    return {key: value for key, value in found.items() if value is not None} or None


def _shortened(message: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in message)
    return line if len(line) <= _MESSAGE_LIMIT else line[: _MESSAGE_LIMIT - 1] + "…"


def write_status(path: Path, document: Mapping[str, Any]) -> None:
    """Put the status file in place at once. Raises RequestError when it cannot be written."""
    text = documents.dump(dict(document))
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or terminal: nothing to rename over
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RequestError(
            f"status file {path}: {error.strerror or error}", hint="check --status-file"
        ) from None
