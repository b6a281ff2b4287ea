"""A bare repository and `gitops-bridge init` run on it, for several test files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cli import called
from tests.team import git

PE = "65a000000000000000000001"
NEEDED = (
    "--environment", f"prod={PE}", "--namespace", "mlops-prod",
    "--prediction-url", "https://predictions.example.com/deployments",
    "--image-repository", "registry.example.com/mlops/models",
    "--pps-image", "registry.example.com/datarobot/pps:11.2.1",
)  # fmt: skip


class Remote:
    """A bare repository, and init run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "remote.git"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.path))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return called(self.folder, "init", self.path, *arguments)

    def init(self, *arguments: str) -> dict:
        done = self.run(*arguments, "--output", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> str:
        before = self.refs()
        done = self.run(*arguments)
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stderr
        assert self.refs() == before
        return done.stderr

    def refs(self) -> str:
        return git(self.path, "for-each-ref")

    def files(self, branch: str = "main") -> list[str]:
        return git(self.path, "ls-tree", "-r", "--name-only", branch).splitlines()

    def read(self, path: str, branch: str = "main") -> str:
        return git(self.path, "show", f"{branch}:{path}")

    def log(self, branch: str = "main") -> list[str]:
        return git(self.path, "log", "--format=%s", branch).splitlines()

    def commit(self, files: dict[str, str | None], message: str = "Work") -> None:
        """What a person does: clone, write (None: remove), commit, push."""
        clone = self.folder / "clone"
        if not clone.exists():
            git(self.folder, "clone", "--quiet", str(self.path), str(clone))
        git(clone, "checkout", "--quiet", "-B", "main")
        if "refs/heads/main" in self.refs():
            git(clone, "fetch", "--quiet")
            git(clone, "reset", "--quiet", "--hard", "origin/main")
        for path, text in files.items():
            file = clone / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", message)
        git(clone, "push", "--quiet", "origin", "main")
