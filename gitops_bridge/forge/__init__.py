"""Pull requests at GitHub, GitLab, Gitea, Bitbucket and Azure DevOps, behind one protocol.

`locate` finds out whose API a remote belongs to, `connect` opens it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Api
from gitops_bridge.forge.azure_devops import AzureDevOps
from gitops_bridge.forge.bitbucket_cloud import BitbucketCloud
from gitops_bridge.forge.bitbucket_server import BitbucketServer
from gitops_bridge.forge.gitea import Gitea
from gitops_bridge.forge.github import GitHub
from gitops_bridge.forge.github_app import AppTokens
from gitops_bridge.forge.gitlab import GitLab
from gitops_bridge.forge.location import Location, locate
from gitops_bridge.forge.model import (
    Closing,
    CommitStatus,
    Forge,
    Limits,
    Proposal,
    PullRequest,
    Right,
)
from gitops_bridge.secret_text import Syntax, holds

__all__ = [
    "AppTokens",
    "Closing",
    "CommitStatus",
    "Forge",
    "Limits",
    "Location",
    "Proposal",
    "PullRequest",
    "Right",
    "connect",
    "locate",
]

_Provider = GitHub | GitLab | Gitea | BitbucketCloud | BitbucketServer | AzureDevOps
_PROVIDERS: dict[str, type[_Provider]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "gitea": Gitea,
    "bitbucket-cloud": BitbucketCloud,
    "bitbucket-server": BitbucketServer,
    "azure-devops": AzureDevOps,
}


def connect(
    location: Location,
    token: Callable[[], str],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    username: str | None = None,
    ca_file: str | None = None,
    patience: float = 60.0,
    left: Callable[[], float] = lambda: math.inf,
) -> Forge:
    """The forge at `location`; nothing is sent yet.

    `token` is asked for each request (AppTokens refresh themselves). `username` goes with tokens
    that are passwords (Bitbucket). One call takes at most about `patience` seconds, rate limits and
    faults included, and no more than the seconds that `left` gives. Raises ForgeError for a token
    that cannot be sent in a header.
    """
    provider = _PROVIDERS[location.provider]
    api = Api(
        location.provider, location.api_url,
        authorize=lambda: provider.authorize(_checked(token(), location.provider), username),
        headers=provider.headers, hints=provider.hints, clock=clock, sleep=sleep,
        patience=patience, left=left, ca_file=ca_file,
    )  # fmt: skip
    return provider(api, location.project)


def _checked(token: str, provider: str) -> str:
    if not holds(token, Syntax.TOKEN):
        raise ForgeError(
            f"the {provider} API token is empty or has blanks or other signs in it",
            hint="look where the configuration says the token is; a file's last newline is fine",
        )
    return token
