"""What git printed when it failed, as one of our errors with its hint.

The wordings are those of git, curl (OpenSSL and
GnuTLS), OpenSSH and the forges; what is in no row is taken for damage of the mirror, which a new
clone answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitops_bridge.errors import PushRejected, RepositoryError


class Damaged(RepositoryError):
    """The mirror cannot be read or written: throw it away and clone again."""


@dataclass(frozen=True)
class _Row:
    words: str
    what: str
    hint: str
    retry: bool = False


_LOCAL = (
    _Row(
        r"no space left|disk quota exceeded|file too large",
        "the disk of the mirror is full",
        "free some space, or name another cache folder (repository.cache)",
    ),
    _Row(
        r"read-only file system|unable to create (?!.*file exists).*permission denied"
        r"|could not create (?!.*file exists)",
        "the mirror cannot be written",
        "make the cache folder writable, or name another one (repository.cache)",
    ),
)
_DAMAGE = re.compile(
    r"object file .* is empty|(loose object|packed object|packfile) .* (corrupt|cannot be|does not)"
    r"|bad object|bad tree object|unable to read (tree|[0-9a-f]{40})|missing (blob|tree|commit)"
    r"|pack-objects died|inflate: data stream error|\.lock': File exists|not a git repository: "
    r"|bad config|invalid object|unresolved delta|bad signature|index file .* is too small",
    re.IGNORECASE,
)
_REMOTE = (
    _Row(
        r"^remote: .*(no space left|disk quota exceeded|file too large|disk full)",
        "the disk of {where} is full",
        "tell those who run that server; the same action again carries on",
    ),
    _Row(
        r"remote unpack failed|unpacker error|index-pack abnormal exit",
        "{where} could not store what was pushed",
        "the words of the server say why; tell those who run it",
    ),
    _Row(
        r"remote host identification has changed",
        "the ssh host key of {where} has changed",
        "compare the new key with the server's administrators before replacing it in the known "
        "hosts file",
    ),
    _Row(
        r"host key verification failed|no \S+ host key is known",
        "the ssh host key of {where} is not known",
        "add it to the known hosts file (repository.ssh_known_hosts): `ssh-keyscan HOST`, then "
        "compare the fingerprint with the server's",
    ),
    _Row(
        r"tls connection was non-properly terminated|ssl_error_syscall",
        "the connection to {where} broke off",
        "try again later",
        retry=True,
    ),
    _Row(
        r"certificate|ca cert file|ssl_error|handshake",
        "the TLS certificate of {where} is not trusted",
        "name the file of the CA that signed it (repository.ca_file)",
    ),
    _Row(
        r"from proxy|CONNECT tunnel failed|resolve proxy|proxy authentication|error: 407",
        "the proxy refused the way to {where}",
        "check repository.proxy",
    ),
    _Row(
        r"returned error: 30\d|redirect",
        "{where} redirects to another address",
        "redirects are not followed, so that no credentials reach another host: configure the "
        "address it redirects to (often: with .git at the end, or https)",
    ),
    _Row(
        r"could not read (username|password)|authentication failed|returned error: 401"
        r"|permission denied \(|too many authentication failures|invalid credentials"
        r"|unprotected private key|load key |access denied|http basic: ",
        "{where} did not accept the credentials",
        "check username, password or ssh key of the repository, and that they have not expired",
    ),
    _Row(
        r"returned error: 403|permission to .* denied|not authorized|forbidden",
        "{where} denies access",
        "the credentials are known there but lack a permission on this repository",
    ),
    _Row(
        r"repository .* not found|not found\b|does not appear to be a git repository"
        r"|is this a git repository|does not exist|returned error: 404|no such (file|project)",
        "there is no repository at {where}",
        "check the address, and that the credentials may see it",
    ),
    _Row(
        r"mismatched algorithms|object format|hash algorithm",
        "{where} uses an object format that is not supported here",
        "make the repository anew with SHA-1 object names (git init --object-format=sha1): most "
        "forges and Argo CD do not take SHA-256 either",
    ),
    _Row(
        r"returned error: (5\d\d|429)",
        "{where} is out of order or busy",
        "try again later",
        retry=True,
    ),
    _Row(
        r"returned error: \d+",
        "{where} gave an answer that is unknown here",
        "see what the server or a proxy before it says; the mirror is not at fault",
    ),
    _Row(
        r"could not resolve host|failed to connect|couldn't connect|connection (refused|timed out"
        r"|reset|closed)|no route to host|network is unreachable|timed out|too slow|timeout"
        r"|name or service not known|temporary failure in name resolution|kex_exchange",
        "{where} cannot be reached",
        "check address, network and proxy, then try again",
        retry=True,
    ),
    _Row(
        r"hung up unexpectedly|rpc failed|early eof|unexpected disconnect|empty reply"
        r"|curl \d+|broken pipe|expected flush|remote end|failed to report status|unexpected eof",
        "the connection to {where} broke off",
        "try again later",
        retry=True,
    ),
)
_IN_THE_WAY = r"exists; cannot create|directory.file conflict|refname conflict|reference conflict"
_FORBIDDEN = re.compile(
    r"returned error: 403|permission to .* denied|not allowed to|not permitted|read.only"
    r"|write access|access denied|forbidden",
    re.IGNORECASE,
)
_DECLINED = re.compile(
    r"declined|protected|rule violation|not allowed|denied|permission|prohibited|not permitted"
    r"|currently checked out|hidden ref|policy|TF\d{6}",
    re.IGNORECASE,
)


def explain(said: str, where: str, *, pushing: bool = False) -> RepositoryError:
    """The error for what git said on stderr; `Damaged` when nothing else explains it."""
    own = "\n".join(line for line in said.splitlines() if not line.startswith("remote:"))
    row = _match(_LOCAL, own)
    if row is None and _DAMAGE.search(own):
        return Damaged(f"the mirror of {where} is damaged: {gist(said)}")
    if row is None and pushing and _FORBIDDEN.search(said):
        return rejected("", gist(said), where)
    row = row or _match(_REMOTE, said)
    if row is None:
        return Damaged(f"git failed on {where}: {gist(said)}")
    return RepositoryError(
        f"{row.what.format(where=where)}: {gist(said)}", hint=row.hint, retry=row.retry
    )


def local(error: Exception, where: str) -> RepositoryError:
    """The error for what pygit2 or the file system said about the mirror."""
    unwritable = isinstance(error, (PermissionError, NotADirectoryError))
    row = _LOCAL[1] if unwritable else _match(_LOCAL, str(error))
    if row is None:
        return Damaged(f"the mirror of {where} is damaged: {type(error).__name__}: {error}")
    return RepositoryError(f"{row.what}: {error}", hint=row.hint)


def declined(reason: str) -> bool:
    """Whether a server that gave this `reason` would refuse the same push again."""
    return _DECLINED.search(reason) is not None


def rejected(branch: str, reason: str, where: str) -> PushRejected:
    """The error for a push that the server refused for good, its own words included."""
    target = f"branch {branch!r} of {where}" if branch else where
    if re.search(_IN_THE_WAY, reason, re.IGNORECASE):
        hint = (
            "another branch is in the way, for Git cannot hold a branch `a` beside `a/b`: remove "
            "or rename it, or configure another name (repository.builds_branch, "
            "repository.rollouts_branch)"
        )
    elif "checked out" in reason:
        hint = "push to a bare repository, not to a work tree"
    else:
        hint = (
            "let the bridge's user push to this branch, or deliver by pull request; the server's "
            "log or its branch rules say which rule it was"
        )
    return PushRejected(f"{target} declined the push: {reason}", hint=hint)


def gist(said: str) -> str:
    """The lines that tell something, in at most 500 characters."""
    noise = re.compile(r"^(hint:|Everything up|To |Done|error: failed to push|warning: )|^\s*$")
    lines = [line.strip() for line in said.splitlines() if not noise.match(line)]
    return " / ".join(dict.fromkeys(lines))[:500] or "it gave no reason"


def _match(rows: tuple[_Row, ...], text: str) -> _Row | None:
    return next(
        (row for row in rows if re.search(row.words, text, re.IGNORECASE | re.MULTILINE)), None
    )
