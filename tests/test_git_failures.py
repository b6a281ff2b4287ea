"""What git, ssh, curl and the forges print, and what people read instead."""

import pytest

from gitops_bridge.errors import PushRejected, RepositoryError
from gitops_bridge.git import failures
from gitops_bridge.git.failures import Damaged

FETCH = [
    (
        "fatal: unable to access 'https://h/': gnutls_handshake() failed: The TLS connection was "
        "non-properly terminated.",
        "broke off",
        True,
    ),
    ("fatal: unable to access 'https://h/': Could not resolve host: h", "cannot be reached", True),
    (
        "fatal: unable to access 'https://h/x/': Failed to connect to h port 443 after 2 ms: "
        "Couldn't connect to server",
        "cannot be reached",
        True,
    ),
    ("timed out after 60 s\n", "cannot be reached", True),
    ("ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote "
     "repository.", "cannot be reached", True),
    ("kex_exchange_identification: Connection closed by remote host", "cannot be reached", True),
    ("fatal: could not read Username for 'https://h': terminal prompts disabled", "credentials",
     False),
    ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://h/x/'",
     "credentials", False),
    ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
     "credentials", False),
    ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403",
     "denies access", False),
    ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", "no repository",
     False),
    ("ERROR: Repository not found.\nfatal: Could not read from remote repository.",
     "no repository", False),
    ("fatal: '/srv/x' does not appear to be a git repository", "no repository", False),
    ("fatal: https://h/x/info/refs not valid: is this a git repository?", "no repository", False),
    ("fatal: unable to access 'https://h/x/': server certificate verification failed. CAfile: "
     "none CRLfile: none", "not trusted", False),
    ("fatal: unable to access 'https://h/x/': SSL certificate problem: self-signed certificate",
     "not trusted", False),
    ("fatal: unable to access 'https://h/x/': SSL: certificate subject name 'a' does not match "
     "target host name 'h'", "not trusted", False),
    ("Host key verification failed.\nfatal: Could not read from remote repository.",
     "host key of h is not known", False),
    ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
     "has changed", False),
    ("fatal: unable to access 'https://h/x/': CONNECT tunnel failed, response 403",
     "proxy refused", False),
    ("fatal: unable to access 'https://h/x/': Received HTTP code 407 from proxy after CONNECT",
     "proxy refused", False),
    ("fatal: unable to access 'https://h/x/': Could not resolve proxy: p", "proxy refused", False),
    ("fatal: unable to access 'https://h/x/': The requested URL returned error: 301", "redirects",
     False),
    ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503", "busy", True),
    ("error: RPC failed; HTTP 429 curl 22 The requested URL returned error: 429", "busy", True),
    ("error: RPC failed; curl 56 Recv failure\nfatal: the remote end hung up unexpectedly",
     "broke off", True),
    *(
        (f"fatal: unable to access 'https://h/x/': The requested URL returned error: {status}",
         "unknown", False)
        for status in (400, 402, 406, 418, 451, 499)
    ),
    ("remote: fatal: write error: No space left on device\nerror: remote unpack failed: "
     "unpack-objects abnormal exit", "disk of h is full", False),
    ("error: remote unpack failed: unpack-objects abnormal exit", "could not store", False),
    ("fatal: mismatched algorithms: client sha1; server sha256", "object format", False),
    ("fatal: write error: No space left on device\nfatal: index-pack failed", "disk", False),
    ("fatal: could not create work tree dir 'x': Read-only file system", "cannot be written",
     False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "what", "retry"), FETCH)
def test_a_failed_fetch_is_explained_with_a_cure(said, what, retry):
    error = failures.explain(said, "h")
    assert type(error) is RepositoryError
    assert what in error.message
    assert error.hint
    assert error.retry is retry


@pytest.mark.parametrize(
    "said",
    [
        "error: object file ./objects/1c/02 is empty\nfatal: loose object 1c02 is corrupt",
        "fatal: bad object refs/remotes/origin/main",
        "error: cannot lock ref 'refs/remotes/origin/main': Unable to create "
        "'/c/refs/remotes/origin/main.lock': File exists.",
        "fatal: unable to read tree 8a36b1f1",
        "error: file ./objects/pack/pack-1.idx is too small\nerror: packfile x cannot be accessed",
        "fatal: not a git repository: '/c/mirror.git'",
        "something nobody has ever seen",
        "",
    ],
)
def test_the_rest_is_damage(said):
    assert isinstance(failures.explain(said, "h"), Damaged)


@pytest.mark.parametrize(
    "said",
    [
        "remote: Permission to team/x.git denied to bot.\nfatal: unable to access "
        "'https://github.com/team/x/': The requested URL returned error: 403",
        "remote: You are not allowed to push code to this project.\nfatal: unable to access "
        "'https://gitlab.com/x/': The requested URL returned error: 403",
        "ERROR: The key you are authenticating with has been marked as read only.\n"
        "fatal: Could not read from remote repository.",
        "remote: Write access to repository not granted.\nfatal: unable to access 'https://h/': "
        "The requested URL returned error: 403",
    ],
)
def test_a_push_without_the_right_to_is_rejected(said):
    error = failures.explain(said, "h", pushing=True)
    assert isinstance(error, PushRejected)
    assert "pull request" in error.hint
    assert not error.retry


@pytest.mark.parametrize(
    ("reason", "for_good"),
    [
        ("[remote rejected] (protected branch hook declined)", True),
        ("[remote rejected] (pre-receive hook declined)", True),
        ("[remote rejected] (push declined due to repository rule violations)", True),
        ("[remote rejected] (TF402455: Pushes to this branch are not permitted)", True),
        ("[remote rejected] (branch is currently checked out)", True),
        ("[rejected] (stale info)", False),
        ("[rejected] (fetch first)", False),
        ("[rejected] (non-fast-forward)", False),
        ("[remote rejected] (failed to update ref)", False),
        ("[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)", False),
        ("[remote rejected] (incorrect old value provided)", False),
    ],
)
def test_a_refusal_is_a_race_or_for_good(reason, for_good):
    assert failures.declined(reason) is for_good


def test_the_words_of_the_server_are_kept_and_noise_is_not():
    said = (
        "warning: redirecting\nTo https://h/x\nremote: \nremote: GH006: Protected branch update "
        "failed\nhint: do this\nerror: failed to push some refs to 'https://h/x'\n"
    )
    assert failures.gist(said) == "remote: / remote: GH006: Protected branch update failed"
