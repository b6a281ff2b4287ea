"""A registry's refusal in the reader's words: which image, what the registry said, the cure.

`endpoint` raises what this makes. The error codes are those of
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes.
"""

from __future__ import annotations

import re

from gitops_bridge import documents
from gitops_bridge.errors import HiddenImage, RegistryError

_PASSING = frozenset({429, 500, 502, 503, 504})
_HINTS = (
    (r"immutable", "the tag is immutable and taken: another image was pushed under it"),
    (r"DIGEST_INVALID|SIZE_INVALID", "what arrived is not what was sent; push it again"),
    (r"NAME_UNKNOWN|RepositoryNotFound", "create the repository first: ECR, among others, does not"
     " create it on push"),
    (r"MANIFEST_BLOB_UNKNOWN|BLOB_UNKNOWN", "the registry lost a part of this image; push again"),
    (r"HTTPS server", "the registry speaks TLS: take its host off the plain HTTP list"),
)  # fmt: skip
_HINTS_BY_STATUS = {
    401: "check user and password or token; some registries answer so where the repository does not"
    " exist yet",
    403: "the credential lacks the right to do this, or the repository does not exist",
    404: "check the name of the image, and that the credential may see it",
    413: "a proxy before the registry limits the size of uploads (nginx: client_max_body_size)",
    429: "the registry limits the rate; try again later",
}


def refused(
    what: str, status: int, body: str, *, retry_after: str | None = None, hint: str | None = None
) -> RegistryError:
    """The error for an answer `status` with `body`, its secrets blanked out; `what` was tried."""
    words = _words(body)
    wait = f" (retry after {retry_after} s)" if (retry_after or "").isdigit() else ""
    matching = next((hint for pattern, hint in _HINTS if re.search(pattern, words, re.I)), None)
    problem = RegistryError(
        f"{what}: {status} {words or '(empty response)'}{wait}",
        hint=matching or hint or _HINTS_BY_STATUS.get(status),
        retry=status in _PASSING or "BLOB_UPLOAD_" in words,  # a lost upload is opened anew
    )
    problem.status = status
    return problem


def hidden(refusal: RegistryError) -> HiddenImage:
    """A refusal by a registry that takes the credential: Artifactory, GHCR and Docker Hub, among
    others, answer so for whatever is not there."""
    problem = HiddenImage(
        refusal.message,
        hint="either the image is not there yet, which this registry does not tell apart, or the "
        "credential may not read the repository",
    )
    problem.status = refusal.status
    return problem


def unreachable(error: RegistryError) -> RegistryError:
    """The session's own error, with a better cure where TLS is what is wrong."""
    if re.search(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST", error.message):
        error.hint = "the registry seems to speak plain HTTP: list its host under plain HTTP"
    elif re.search(r"CERTIFICATE_VERIFY_FAILED", error.message):
        error.hint = "name the CA that signed the registry's certificate"
    return error


def _words(body: str) -> str:
    """`CODE: message` of each error, else how the text starts."""
    try:
        answer = documents.load_json(body)
        said = "; ".join(
            ": ".join(str(item[key]) for key in ("code", "message") if item.get(key))
            for item in answer["errors"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        said = ""
    return " ".join((said or body).split())[:400]
