"""Opening a pull request so that there is never a second one and no name of a person stops it.

Used by every provider's `create`, and where an open one gets what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Answer, Api
from gitops_bridge.forge.model import Proposal, PullRequest

_REFUSALS = frozenset({400, 404, 409, 422})
_LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0)  # seconds before each look for what the lists do not show yet


def post(
    api: Api,
    path: str,
    body: Mapping[str, Any],
    people: Mapping[str, Any],
    exists: Callable[[Answer], bool],
) -> tuple[Answer, tuple[str, ...]]:
    """The answer to a creation, and warnings.

    A refusal that `exists` recognises is returned for adoption. Any other is tried once more
    without `people`: a misspelt reviewer must not stop a rollout. Raises what remains refused.
    """
    wanted = {key: value for key, value in people.items() if value}
    answer = api.ask("POST", path, body={**body, **wanted}, tolerate=_REFUSALS)
    if answer.problem is None or exists(answer):
        return answer, ()
    if not wanted or answer.status == 404:
        raise answer.problem
    bare = api.ask("POST", path, body=dict(body), tolerate=_REFUSALS)
    if bare.problem is not None and not exists(bare):
        raise bare.problem
    return bare, (f"{' and '.join(wanted)} left out: {answer.problem.message}",)


def found_again(
    api: Api, find: Callable[[str], PullRequest | None], branch: str, answer: Answer
) -> PullRequest:
    """The open pull request of `branch` that `answer` says exists already, looked for until the
    provider's lists show it."""
    for pause in _LOOKS:
        if pause:
            api.sleep(pause)
        found = find(branch)
        if found is not None and found.state == "open":
            return found
    raise ForgeError(
        f"{api.provider} says the pull request exists already but does not list it: {answer.words}",
        hint="the next look tries again by itself; is it one between other repositories?",
        retry=True,
    )


def people_and_teams(proposal: Proposal) -> dict[str, list[str]]:
    """The reviewers as GitHub and Gitea are asked for them."""
    return {
        "reviewers": [name for name in proposal.reviewers if "/" not in name],
        "team_reviewers": [name.partition("/")[2] for name in proposal.reviewers if "/" in name],
    }


def tried(warnings: list[str], what: str, call: Callable[[], object]) -> None:
    """Run a call that completes an open pull request; its failure is a warning."""
    try:
        call()
    except ForgeError as error:
        warnings.append(f"{what} left out: {error}")
