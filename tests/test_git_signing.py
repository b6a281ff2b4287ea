"""Signed commits, checked by git itself."""

import shutil
import subprocess

import pytest

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import gpg_signer, ssh_signer
from tests.git_team import bare, git, open_repository, put, subjects


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


@pytest.fixture
def ssh_key(tmp_path):
    key = tmp_path / "signing key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    return key


@pytest.fixture
def gpg_home(tmp_path_factory):
    """Short, as the path of the agent's socket must be."""
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    make = ["--batch", "--passphrase", "", "--quick-gen-key", "bridge@example.com", "ed25519"]
    subprocess.run(["gpg", "--homedir", home, *make], check=True, capture_output=True)
    yield str(home)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    shutil.rmtree(home)


def test_ssh_signatures_are_good(team, tmp_path, ssh_key):
    repository = open_repository(team, tmp_path / "cache", sign=ssh_signer(str(ssh_key)))
    made = repository.deliver("main", put("ä", "ü".encode())).commit
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bridge@example.com {ssh_key.with_suffix('.pub').read_text()}")
    git(team, "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", made.id)
    assert made.message == "Put ä\n\nContent: ü\n"


def test_gpg_signatures_are_good(team, tmp_path, gpg_home, monkeypatch):
    sign = gpg_signer("bridge@example.com", gpg_home)
    made = (
        open_repository(team, tmp_path / "cache", sign=sign).deliver("main", put("a", b"1")).commit
    )
    monkeypatch.setenv("GNUPGHOME", gpg_home)
    git(team, "verify-commit", made.id)


@pytest.mark.parametrize(
    "sign",
    [ssh_signer("/nowhere"), gpg_signer("nobody@example.com", "/nowhere")],
    ids=["ssh", "gpg"],
)
def test_a_key_that_is_not_there_is_an_error_and_no_commit(team, tmp_path, sign):
    repository = open_repository(team, tmp_path / "cache", sign=sign)
    with pytest.raises(RepositoryError, match=r"could not be signed.*signing key"):
        repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Begin"]
