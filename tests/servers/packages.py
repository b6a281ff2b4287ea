"""Model packages as DataRobot would give them out, made up; and a clock that tests move."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from dataclasses import dataclass, field

PACKAGE = "65f0aa11bb22cc33dd44ee55"
MODEL = "65a000000000000000000020"
ENVIRONMENT_DOCKERFILE = (
    "FROM python:3.11-slim\nENV CODE_DIR=/opt/code\nWORKDIR ${CODE_DIR}\nCOPY ./ ${CODE_DIR}\n"
)


@dataclass
class Clock:
    """Seconds that pass only by sleeping; `naps` are how long each was."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def zipped(files: dict[str, bytes | str], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes | str], mode: str = "w:gz", executable: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o700 if name == executable else 0o600
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def dedicated_package(size: int = 1_000_000) -> bytes:
    return zipped({"model/blob.bin": os.urandom(size), "manifest.json": "{}"})


def jar() -> bytes:
    return zipped({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", "A.class": b"\xca\xfe"})


def custom_package(
    environment: dict[str, bytes | str] | None = None,
    model: dict[str, bytes | str] | None = None,
    **changes: bytes | str | None,
) -> bytes:
    """A custom model's package; `changes` replace whole files of it, None leaves one out."""
    environment = {
        "Dockerfile": ENVIRONMENT_DOCKERFILE,
        "start_server.sh": "#!/bin/sh\nexec drum server\n",
        "requirements.txt": "of the environment\n",
        "shared.txt": "of the environment\n",
        **(environment or {}),
    }
    model = {
        "custom.py": "def load_model(path): ...\n",
        "requirements.txt": "of the model\n",
        "install_requirements.sh": "touch /canary-was-run\n",
        "additional_env_vars.txt": 'TARGET_TYPE=binary POSITIVE_CLASS_LABEL="it\'s $HOME"\n',
        "shared.txt": "of the model\n",
        "nested/weights.bin": b"\x00" * 100,
        **(model or {}),
    }
    files: dict[str, bytes | str | None] = {
        "cm_pps_installer.sh": "touch /canary-was-run; exit 1\n",
        "cm_pps_manifest.json": json.dumps(
            {"env": "env.tar.gz", "model": "model.zip", "mlops": "mlops.tar.gz"}
        ),
        "deployment_document.json": '{"deploymentId": "65a0"}',
        "env.tar.gz": tarred(environment, executable="start_server.sh"),
        "model.zip": zipped(model),
        "mlops.tar.gz": tarred(
            {"agent/lib/datarobot_mlops-11.2.62-py3-none-any.whl": b"wheel", "agent/other": b"x"}
        ),
    }
    files |= {name.replace("__", "."): content for name, content in changes.items()}
    return zipped({name: content for name, content in files.items() if content is not None})
