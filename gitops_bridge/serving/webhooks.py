"""Whether a webhook comes from who shares a secret with us.

What it says is not read: a webhook only makes the next look come sooner, so the worst that a forged
or repeated one could do is a look.

| sender | header | of |
|---|---|---|
| github | X-Hub-Signature-256 | sha256=HMAC-SHA256 |
| gitlab | X-Gitlab-Token | the secret itself |
| gitea (Forgejo) | X-Gitea-Signature | HMAC-SHA256 |
| bitbucket-cloud, bitbucket-server | X-Hub-Signature | sha256=HMAC-SHA256 |
| azure-devops, which does not sign | Authorization | Basic, the password is the secret |
| argocd, whose notifications do not sign | Authorization | Bearer, then the secret |

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.gitlab.com/user/project/integrations/webhooks/#webhook-request-headers
https://docs.gitea.com/usage/webhooks · https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks
https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping

Headers = Mapping[str, str]
"""Names in lower case."""


def is_authentic(sender: str, secret: str, headers: Headers, body: bytes) -> bool:
    """Whether `body` came from `sender`, one of SENDERS, with the secret that was agreed.

    An empty secret authenticates nobody. Compares in constant time.
    """
    header, expected = SENDERS[sender]
    given = headers.get(header, "")
    if not secret or not given:
        return False
    return hmac.compare_digest(_comparable(sender, given), expected(secret, body).encode())


def _comparable(sender: str, given: str) -> bytes:
    """The user's name beside the password of Azure DevOps is anybody's."""
    if sender != "azure-devops":
        return given.encode()
    scheme, _, pair = given.partition(" ")
    try:
        password = base64.b64decode(pair, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
    return password if scheme.lower() == "basic" else b""


def _digest(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _signature(secret: str, body: bytes) -> str:
    return f"sha256={_digest(secret, body)}"


def _secret(secret: str, body: bytes) -> str:
    return secret


def _bearer(secret: str, body: bytes) -> str:
    return f"Bearer {secret}"


SENDERS: Mapping[str, tuple[str, Callable[[str, bytes], str]]] = {
    "github": ("x-hub-signature-256", _signature),
    "gitlab": ("x-gitlab-token", _secret),
    "gitea": ("x-gitea-signature", _digest),
    "bitbucket-cloud": ("x-hub-signature", _signature),
    "bitbucket-server": ("x-hub-signature", _signature),
    "azure-devops": ("authorization", _secret),
    "argocd": ("authorization", _bearer),
}
"""The header that authenticates a sender, and what it must hold."""
