"""Dockerfiles as text: one for each way a model becomes an image.

`images.context` writes them, `desired.build` puts `recipe` into the content key, and the append
builder takes the same `labels`. Nothing that a user typed gets into a Dockerfile but through
`quoted`; syntax: https://docs.docker.com/reference/dockerfile/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge.desired.foreign_dockerfile import last_stage
from gitops_bridge.desired.image_names import IMAGE
from gitops_bridge.errors import ImageError

MODEL_FOLDER = "/opt/ml/model/"
"""Where the Portable Prediction Server looks for its one package."""
CODE_FOLDER = "/opt/code/"
"""Where DataRobot's model runner (DRUM) and its environments keep a model's code."""
PACKAGE_FILE = "model.mlpkg"
JAR_FILE = "model.jar"
CLASS_LABELS_FILE = "class-labels.txt"
KEY_LABEL = "gitops-bridge.io/content-key"
SHA256_LABEL = "gitops-bridge.io/model-sha256"
BASE_NAME_LABEL = "org.opencontainers.image.base.name"
BASE_DIGEST_LABEL = "org.opencontainers.image.base.digest"
PPS_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[._-][A-Za-z0-9._-]+)?")
"""A tag of DataRobot's prediction server: its version, perhaps with a suffix."""

_PIECE = re.compile(
    r"""(?P<blank>[ \t\r\n]+)|(?P<plain>[^ \t\r\n'"\\]+)|'(?P<single>[^']*)'"""
    r"""|"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"|\\(?P<escaped>.)""",
    re.DOTALL,
)
"""Of a word as a shell reads it, or what stands between two."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHEEL = re.compile(r"datarobot_mlops-[A-Za-z0-9._+-]+\.whl")
_CODE_FOLDERS = frozenset({CODE_FOLDER.rstrip("/"), "$CODE_DIR", "${CODE_DIR}"})
"""As DataRobot's environments write it."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class Provenance:
    """What an image was made of; `sha256` is the hex digest of the file as DataRobot gave it."""

    content_key: str
    package_id: str
    execution_type: str
    format: str | None
    sha256: str
    base_image: str | None = None
    model_id: str | None = None


@dataclass(frozen=True)
class Target:
    """What a scoring-code model predicts, for the server that runs it."""

    type: str
    name: str | None = None
    class_names: tuple[str, ...] = ()


def labels(made_of: Provenance) -> dict[str, str]:
    """The labels of an image, sorted by key. Annotation keys:
    https://github.com/opencontainers/image-spec/blob/main/annotations.md."""
    found: dict[str, str | None] = {
        KEY_LABEL: made_of.content_key,
        "gitops-bridge.io/execution-type": made_of.execution_type,
        "gitops-bridge.io/format": made_of.format,
        "gitops-bridge.io/model": made_of.model_id,
        "gitops-bridge.io/model-package": made_of.package_id,
        SHA256_LABEL: made_of.sha256,
        "org.opencontainers.image.title": f"DataRobot model package {made_of.package_id}",
        "org.opencontainers.image.version": made_of.package_id,
    }
    if made_of.base_image is not None:
        base = _image(made_of.base_image)
        found[BASE_DIGEST_LABEL] = base["digest"]
        tag = f":{base['tag']}" if base["tag"] else ""
        found[BASE_NAME_LABEL] = f"{base['name']}{tag}"
        if _is_served(made_of):
            found["com.datarobot.ppsVersion"] = base["tag"]
    return {key: value for key, value in sorted(found.items()) if value}


def dedicated(made_of: Provenance) -> str:
    """The prediction server with the package in it."""
    return _text(
        f"FROM {base_image(made_of)}",
        f"COPY {PACKAGE_FILE} {MODEL_FOLDER}",
        _labels(made_of),
    )


def scoring_code(made_of: Provenance, target: Target | None) -> str:
    """A Java environment of DataRobot's model runner with the .jar in it, told by environment
    variables what the model predicts, where that is known:
    https://github.com/datarobot/datarobot-user-models/tree/master/public_dropin_environments."""
    return _text(
        f"FROM {base_image(made_of)}",
        f"COPY {JAR_FILE} {CODE_FOLDER}",
        f"COPY {CLASS_LABELS_FILE} {CODE_FOLDER}" if has_class_labels(target) else "",
        _environment({"ADDRESS": "0.0.0.0:8080", **_target(target)}),
        "EXPOSE 8080",
        _labels(made_of),
    )


def custom(
    made_of: Provenance,
    environment: str,
    *,
    wheel: str,
    requirements_script: bool,
    generated_files_script: bool,
    variables: Mapping[str, str],
) -> str:
    """The execution environment's own Dockerfile with the steps that put the model into it, as root
    whoever it ends as.

    `environment` is that Dockerfile, `wheel` the file name of the monitoring library. Raises
    ImageError where lines put after it would not mean what they say.
    """
    if not _WHEEL.fullmatch(wheel):
        raise ImageError(f"{wheel!r:.120} is no file name of the datarobot_mlops library")
    end = last_stage(environment)
    return _text(
        environment.replace("\r\n", "\n").rstrip("\n"),
        "USER root" if end.user else "",
        "" if end.copied_to & _CODE_FOLDERS else f"COPY . {CODE_FOLDER}",
        f"COPY {wheel} /tmp/{wheel}",
        f"RUN {_PIP} install /tmp/{wheel}",
        _script("install_requirements.sh") if requirements_script else "",
        _environment(variables),
        _environment(
            {
                "ADDRESS": "0.0.0.0:8080",
                "DEPLOYMENT_CONFIG": f"{CODE_FOLDER}deployment_document.json",
            }
        ),
        _script("install_generated_files.sh") if generated_files_script else "",
        "EXPOSE 8080",
        _GROUP_WRITABLE,
        f"USER {end.user}" if end.user else "",
        f'ENTRYPOINT ["{CODE_FOLDER}start_server.sh"]',
        _labels(made_of),
    )


# DataRobot's environments had pip3 until they were cut down to what they need, which is pip:
# https://github.com/datarobot/datarobot-user-models/tree/master/public_dropin_environments
_PIP = '"$(command -v pip3 || command -v pip || echo pip)"'

# OpenShift runs containers under any user id, in group root; nginx is there in old environments.
_GROUP_WRITABLE = (
    f"RUN for folder in {CODE_FOLDER.rstrip('/')} /var/log/nginx /var/lib/nginx; do "
    'if [ -d "$folder" ]; then chgrp -R root "$folder" && chmod -R g=u "$folder"; fi; done'
)


def recipe(execution_type: str, model_format: str | None) -> str:
    """The Dockerfile with placeholders for what differs by model: it changes when, and only when,
    the way images are made does, so it belongs into the content key."""
    made_of = Provenance("key", "package", execution_type, model_format, "sha256", "base:1.0.0")
    if execution_type == "custom_inference_model":
        return custom(
            made_of, "FROM base:1.0\nUSER user", wheel="datarobot_mlops-1.whl",
            variables={"K": "V"}, requirements_script=True,
            generated_files_script=True,
        )  # fmt: skip
    if model_format == "datarobotScoringCode":
        return scoring_code(made_of, Target("multiclass", "target", ("a", "b", "c")))
    return dedicated(made_of)


def base_image(made_of: Provenance) -> str:
    """The image to build on, checked. Raises ImageError when it is missing or floats, or when it
    is the prediction server and its tag does not say the version, which becomes a label."""
    if made_of.base_image is None:
        raise ImageError("no image to put the model onto", hint="name one by --pps-image")
    found = _image(made_of.base_image)
    tag = found["tag"] or ""
    if _is_served(made_of):
        named = PPS_VERSION.fullmatch(tag) is not None
    else:
        named = found["digest"] is not None or tag not in ("", "latest")
    if not named:
        raise ImageError(
            f"image {made_of.base_image!r:.200} has no version",
            hint="name its tag, such as datarobot/portable-prediction-api:11.2.0",
        )
    return made_of.base_image


def quoted(text: str) -> str:
    """A value in a Dockerfile, between double quotes, taken literally.

    Raises ImageError for control characters: a line cannot be continued from within quotes.
    """
    if _CONTROL.search(text):
        raise ImageError(
            f"{text!r:.120} holds a line break or another control character",
            hint="an image label or environment variable is one line",
        )
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def variables_of(text: str) -> dict[str, str]:
    """`additional_env_vars.txt` of a package, `KEY=value KEY="a value"`, as a mapping."""
    found = {}
    for word in _words(text):
        key, equals, value = word.partition("=")
        if not equals or not _VARIABLE.fullmatch(key):
            raise ImageError(f"additional_env_vars.txt: {word!r:.80} is not KEY=value")
        if _CONTROL.search(value):
            raise ImageError(f"additional_env_vars.txt: {key} holds a control character")
        found[key] = value
    return found


def _words(text: str) -> list[str]:
    """As a POSIX shell splits them, in time linear in the text, which is a stranger's."""
    words: list[list[str]] = []
    at, between = 0, True
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ImageError(f"additional_env_vars.txt: no closing quotation from character {at}")
        at, blank = piece.end(), piece["blank"] is not None
        if not blank and between:
            words.append([])
        if not blank:
            words[-1].append(_unquoted(piece))
        between = blank
    return ["".join(parts) for parts in words]


def _unquoted(piece: re.Match[str]) -> str:
    if piece["double"] is not None:
        return re.sub(r'\\(["\\])', r"\1", piece["double"])
    return next(filter(None, piece.group("plain", "single", "escaped")), "")


def has_class_labels(target: Target | None) -> bool:
    """Two classes are told by variables, more by a file."""
    return target is not None and len(target.class_names) > 2


def _target(target: Target | None) -> dict[str, str]:
    if target is None:
        return {}
    found = {"TARGET_TYPE": target.type.lower()}
    if target.name:
        found["TARGET_NAME"] = target.name
    if has_class_labels(target):
        found["CLASS_LABELS_FILE"] = CODE_FOLDER + CLASS_LABELS_FILE
    elif len(target.class_names) == 2:
        found["POSITIVE_CLASS_LABEL"], found["NEGATIVE_CLASS_LABEL"] = target.class_names
    return found


def _image(text: str) -> dict[str, str | None]:
    found = IMAGE.fullmatch(text)
    if found is None:
        raise ImageError(
            f"{text!r:.200} is no image", hint="registry/name:tag, registry/name:tag@sha256:…"
        )
    return found.groupdict()


def _is_served(made_of: Provenance) -> bool:
    """Whether the Portable Prediction Server runs it."""
    return made_of.execution_type == "dedicated" and made_of.format == "datarobot"


def _script(name: str) -> str:
    return f"RUN cd {CODE_FOLDER.rstrip('/')} && chmod +x {name} && ./{name}"


def _environment(variables: Mapping[str, str]) -> str:
    return "\n".join(f"ENV {key}={quoted(value)}" for key, value in sorted(variables.items()))


def _labels(made_of: Provenance) -> str:
    return "\n".join(f"LABEL {key}={quoted(value)}" for key, value in labels(made_of).items())


def _text(*parts: str) -> str:
    return "\n".join(part for part in parts if part) + "\n"
