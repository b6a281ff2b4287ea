"""What became of a commit, reported to the provider so that reviewers see it beside the commit.

A provider's module turns a CommitStatus into the body of its own request and what the provider
shows into the same form; `reported` sends the one unless it says what the other says already.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Api

BITBUCKET_STATES = {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED"}
NO_COMMIT = "0" * 40
"""Git's name for no object: a status for it is refused, for want of rights or of the commit."""


def reported(
    api: Api,
    path: str,
    body: Mapping[str, Any],
    shown: Mapping[str, Any] | None,
    *,
    right: str,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Post `body` to `path`, without its empty values, unless `shown` says the same already.

    A status that did not change is not sent again: providers keep every one (GitHub at most 1 000
    of one context on a commit) and tell people about each. Raises ForgeError, whose hint names
    `right` where the token lacks it.
    """
    if shown is not None and all((shown.get(key) or "") == (body[key] or "") for key in body):
        return
    given = {key: value for key, value in body.items() if value}
    with needing(right):
        api.ask("POST", path, body=given, params=params)


def latest(shown: Iterable[Mapping[str, Any]], key: str, context: str) -> Mapping[str, Any] | None:
    """The first of `shown`, which lists the newest first, whose `key` is `context`."""
    return next((item for item in shown if item[key] == context), None)


@contextlib.contextmanager
def needing(right: str) -> Iterator[None]:
    """What is refused inside names `right`, not what proposing a pull request takes."""
    try:
        yield
    except ForgeError as error:
        if "maximum number of statuses" in error.message:
            error.hint = "something else reports under the same context: rename that one"
        elif error.status == 403 and not error.retry:
            error.hint = f"reporting the status of a commit takes {right}"
        elif error.status in {400, 401, 404, 422}:
            known = error.hint if error.status == 401 else "is the commit pushed to the repository?"
            error.hint = f"{known}; reporting the status of a commit takes {right}"
        raise


def short_key(context: str, limit: int) -> str:
    """`context` where it fits, else its SHA-1: the same context always gives the same key."""
    digest = hashlib.sha1(context.encode(), usedforsecurity=False).hexdigest()
    return context if len(context) <= limit else digest[:limit]
