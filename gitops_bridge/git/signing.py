"""Signers for commits: the bytes of a commit become an armoured signature.

The keys stay with
ssh-keygen and gpg, which must find them without a passphrase.
"""

from __future__ import annotations

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.commits import Sign
from gitops_bridge.git.failures import gist
from gitops_bridge.git.program import execute, search_path

_LIMIT = 30.0


def ssh_signer(key: str) -> Sign:
    """Sign with the private key in the file `key`."""
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", key]
    return lambda commit: _signature(command, commit)


def gpg_signer(key: str, home: str) -> Sign:
    """Sign with the secret key `key` (its id or address) of the GnuPG folder `home`."""
    command = [
        "gpg", "--homedir", home, "--batch", "--pinentry-mode", "error", "--quiet",
        "--local-user", key, "--detach-sign", "--armor",
    ]  # fmt: skip
    return lambda commit: _signature(command, commit)


def _signature(command: list[str], commit: bytes) -> str:
    nobody_asked = {"SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "force"}
    answer = execute(
        command, environment=search_path() | nobody_asked, timeout=_LIMIT, given=commit
    )
    if answer.code != 0 or not answer.out:
        raise RepositoryError(
            f"the commit could not be signed by {command[0]}: {gist(answer.err)}",
            hint="check the signing key, and that it needs no passphrase",
        )
    return answer.out.decode()
