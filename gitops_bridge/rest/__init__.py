"""One HTTP session per API: timeouts and a total time, retries, redirects, redaction.

`session` sends and retries, `bounds` keeps every answer within a time and a size, `words` says what
went wrong in the server's words.
"""

from gitops_bridge.rest.bounds import Response
from gitops_bridge.rest.session import IDEMPOTENT, Content, Headers, Rest
from gitops_bridge.rest.words import joined, without_userinfo

__all__ = [
    "IDEMPOTENT",
    "Content",
    "Headers",
    "Response",
    "Rest",
    "joined",
    "without_userinfo",
]
