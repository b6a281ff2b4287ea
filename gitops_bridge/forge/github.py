"""GitHub and GitHub Enterprise Server. https://docs.github.com/en/rest/pulls/pulls

Labels, reviewers and assignees are requests of their own; auto-merge exists in GraphQL only. A
status look is a conditional request, which does not count against the rate limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Answer, Api, rows, understood
from gitops_bridge.forge.change import changed, ended
from gitops_bridge.forge.creation import found_again, people_and_teams, post, tried
from gitops_bridge.forge.model import (
    Closing,
    CommitStatus,
    Limits,
    Proposal,
    PullRequest,
    Right,
    State,
    cut,
    lacking,
    newest,
)
from gitops_bridge.forge.status import NO_COMMIT, latest, needing, reported
from gitops_bridge.forge.telling import told, version_right

_AUTO_MERGE = """
mutation($id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!) {
  enablePullRequestAutoMerge(
    input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method}
  ) { clientMutationId }
}
"""
_SET_DRAFT = """
mutation($id: ID!) { %s(input: {pullRequestId: $id}) { clientMutationId } }
"""
_NO_AUTO_MERGE = """
mutation($id: ID!) {
  disablePullRequestAutoMerge(input: {pullRequestId: $id}) { clientMutationId }
}
"""
_METHODS = ("MERGE", "SQUASH", "REBASE")
_METHOD_REFUSED = re.compile(r"(merge commits|squash merges|rebase merges) are not allowed", re.I)
_STATUSES = "fine-grained token or App: 'Commit statuses' read and write; classic token: repo"
_PROPOSING = "fine-grained token or App: 'Pull requests' read and write; classic token: repo"


@understood
class GitHub:
    provider = "github"
    limits = Limits(title=256, body=65_536)
    features = frozenset({"draft", "labels", "reviewers", "assignees", "auto-merge"})
    unseen = frozenset({"title", "body"})
    headers: Mapping[str, str] = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    hints: Mapping[int, str] = {
        401: "the GitHub token is wrong or has expired",
        403: f"the GitHub token lacks a permission; {_PROPOSING}; an organisation with SAML wants "
        "the token authorised for it",
        404: "GitHub shows no such repository to this token: check its name, and that the token or "
        "App installation includes it",
        301: "the repository was renamed or moved: set repository.url to its present address",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._project = project
        self._path = f"repos/{project}"

    def find(self, branch: str) -> PullRequest | None:
        owner = self._project.partition("/")[0]
        found = self._api.get(
            f"{self._path}/pulls", head=f"{owner}:{branch}", state="all", sort="created",
            direction="desc", per_page=100,
        )  # fmt: skip
        return newest(self._own(found), branch)

    def create(self, proposal: Proposal) -> PullRequest:
        """Not every plan of GitHub has drafts in private repositories: there it is none."""
        answer, refused = post(
            self._api, f"{self._path}/pulls",
            {**self.limits.text(proposal, "body"), "head": proposal.branch, "base": proposal.base},
            {"draft": proposal.draft}, _exists,
        )  # fmt: skip
        if answer.problem is not None:
            existing = found_again(self._api, self.find, proposal.branch, answer)
            return self.update(self.complete(existing, proposal), proposal)
        pull = self.complete(_pull(answer.data), proposal)
        return replace(pull, warnings=(*refused, *pull.warnings))

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """The labels are set last: one that has them is complete."""
        if proposal.labels and not lacking(pull, proposal):
            return pull
        warnings: list[str] = []
        for what, path, body in _additions(proposal, pull.number):
            tried(warnings, what, partial(self._post, path, body))
        labels = tuple(dict.fromkeys(pull.labels + proposal.labels))
        return replace(pull, labels=labels, warnings=tuple(warnings))

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """By the issue behind the pull request, whose answer has the labels too."""
        path, warnings = f"issues/{pull.number}", list(pull.warnings)

        def write(wanted: Proposal) -> PullRequest:
            text = self.limits.text(wanted, "body")
            issue = self._api.ask("PATCH", f"{self._path}/{path}", body=text).data
            return replace(
                pull, title=issue["title"], body=issue["body"] or "", etag=None,
                state="open" if issue["state"] == "open" else "closed",
                labels=tuple(label["name"] for label in issue["labels"]),
            )  # fmt: skip

        if labels := lacking(pull, proposal):
            tried(warnings, "labels", lambda: self._post(f"{path}/labels", {"labels": labels}))
        written = changed(write, self.look, pull, proposal)
        return replace(written, warnings=tuple(warnings))

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        name = "convertPullRequestToDraft" if draft else "markPullRequestReadyForReview"
        answer = self._graphql(_SET_DRAFT % name, {"id": pull.native["node_id"]})
        if answer.data.get("errors"):
            raise ForgeError(
                f"{pull.url}: draft: {answer.words}",
                hint="not every plan of GitHub has drafts in private repositories",
            )
        return replace(pull, draft=draft, etag=None)

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask("GET", f"{self._path}/pulls/{number}", etag=etag)
        return None if answer.status == 304 else _pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        listing = {"sort": "updated", "direction": "desc", "per_page": 100}
        path = f"{self._path}/pulls"
        pulls = [p for page in self._api.pages(path, state="open", **listing) for p in page]
        pulls += self._api.get(path, state="closed", **listing)
        return [pull for pull in self._own(pulls) if pull.branch.startswith(prefix)]

    def comment(self, pull: PullRequest, text: str) -> None:
        self._post(f"issues/{pull.number}/comments", {"body": cut(text, self.limits.body)})

    def closing(self, pull: PullRequest) -> Closing:
        issue: dict[str, Any] = told(
            lambda: dict(self._api.get(f"{self._path}/issues/{pull.number}")), {}
        )
        by = (issue.get("closed_by") or {}).get("login")
        return Closing(
            by, told(lambda: self._last_comment(pull.number, issue["comments"], by), None)
        )

    def _last_comment(self, number: int, count: int, by: str | None) -> str | None:
        """The comments are paged from the oldest: their `count` leads to the last page."""
        path = f"{self._path}/issues/{number}/comments"
        for page in range(-(-count // 100), 0, -1):
            for comment in reversed(self._api.get(path, per_page=100, page=page)):
                if (comment.get("user") or {}).get("login") == by:
                    return str(comment["body"])
        return None

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)
        path, body = f"{self._path}/pulls/{pull.number}", {"state": "closed"}
        ended(lambda: self._api.ask("PATCH", path, body=body), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        """GitHub refuses where nothing is left to wait for: then it is merged, at `head_sha`."""
        refusal = _until_allowed(lambda method: self._auto_merge(pull, head_sha, method))
        if refusal and "clean status" in refusal:
            refusal = _until_allowed(lambda method: self._merge(pull, head_sha, method))
        if refusal:
            passing = "unstable" in refusal or "head" in refusal.lower()
            raise ForgeError(
                f"{pull.url}: auto-merge: {refusal}", hint=_auto_merge_hint(refusal), retry=passing
            )

    def disable_auto_merge(self, pull: PullRequest) -> None:
        """It is an error to GitHub when there is none."""
        answer = self._graphql(_NO_AUTO_MERGE, {"id": pull.native["node_id"]})
        if not answer.data.get("errors"):
            return
        if self._api.get(f"{self._path}/pulls/{pull.number}").get("auto_merge"):
            raise ForgeError(
                f"{pull.url}: auto-merge: {answer.words}", hint=_auto_merge_hint(answer.words)
            )

    def _auto_merge(self, pull: PullRequest, head_sha: str, method: str) -> str | None:
        variables = {"id": pull.native["node_id"], "head": head_sha, "method": method}
        answer = self._graphql(_AUTO_MERGE, variables)
        return answer.words if answer.data.get("errors") else None

    def _graphql(self, query: str, variables: Mapping[str, Any]) -> Answer:
        """REST lies at /api/v3/ of an Enterprise Server and GraphQL beside it at /api/graphql."""
        body = {"query": query, "variables": dict(variables)}
        return self._api.ask("POST", "../graphql", body=body)

    def _merge(self, pull: PullRequest, head_sha: str, method: str) -> str | None:
        answer = self._api.ask(
            "PUT", f"{self._path}/pulls/{pull.number}/merge",
            body={"sha": head_sha, "merge_method": method.lower()},
            tolerate=frozenset({405, 409}),
        )  # fmt: skip
        return answer.words if answer.problem else None

    def report(self, commit: str, status: CommitStatus) -> None:
        """The combined status shows the newest of each context, up to 100 of them."""
        with needing(_STATUSES):
            shown = self._api.get(f"{self._path}/commits/{commit}/status", per_page=100)
        reported(
            self._api, f"{self._path}/statuses/{commit}",
            {"state": status.state, "description": cut(status.description, 140),
             "context": status.context, "target_url": status.link},
            latest(shown["statuses"], "context", status.context), right=_STATUSES,
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """Permissions where GitHub names them. The rights to propose and to report it does not
        name: a pull request of the base onto itself and a status of no commit are refused as
        invalid (422) to who has them, else as forbidden."""
        answer = self._api.ask("GET", self._path)
        allowed = answer.data.get("permissions") or {}
        base = answer.data["default_branch"]
        probe = self._api.ask(
            "POST", f"{self._path}/pulls", body={"title": "-", "head": base, "base": base},
            tolerate=frozenset({403, 404, 422}),
        )  # fmt: skip
        reporting = self._api.ask(
            "POST", f"{self._path}/statuses/{NO_COMMIT}", body={"state": "pending"},
            tolerate=frozenset({403, 404, 422}),
        )  # fmt: skip
        labels = allowed.get("triage") or allowed.get("push")
        enterprise = answer.headers.get("X-GitHub-Enterprise-Version")
        return (
            *([version_right(enterprise, "3.10")] if enterprise else []),
            Right("push branches", allowed.get("push"), "'Contents' read and write"),
            Right("propose pull requests", probe.status == 422, _PROPOSING),
            Right(
                "set labels", labels, "at least the triage role, to create labels the write role"
            ),
            Right("report commit statuses", reporting.status == 422, _STATUSES, needed=False),
        )

    def _post(self, path: str, body: Any) -> Any:
        return self._api.ask("POST", f"{self._path}/{path}", body=body).data

    def _own(self, found: list[Any]) -> list[PullRequest]:
        """Without those from forks, whose branches may bear any name."""
        return [_pull(item) for item in rows(found) if _home(item["head"]) == _home(item["base"])]


def _additions(proposal: Proposal, number: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What a creation does not take: name, path and body of each request."""
    if proposal.reviewers:
        yield "reviewers", f"pulls/{number}/requested_reviewers", people_and_teams(proposal)
    if proposal.assignees:
        yield "assignees", f"issues/{number}/assignees", {"assignees": list(proposal.assignees)}
    if proposal.labels:
        yield "labels", f"issues/{number}/labels", {"labels": list(proposal.labels)}


def _pull(item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
    state: State = "open" if item["state"] == "open" else "closed"
    if item.get("merged_at"):
        state = "merged"
    return PullRequest(
        number=item["number"],
        url=item["html_url"],
        state=state,
        branch=item["head"]["ref"],
        base=item["base"]["ref"],
        head_sha=item["head"]["sha"],
        title=item["title"],
        body=item["body"] or "",
        draft=bool(item.get("draft")),
        labels=tuple(label["name"] for label in item["labels"]),
        merge_commit=item["merge_commit_sha"] if state == "merged" else None,
        actor=(item.get("merged_by") or {}).get("login"),
        etag=etag,
        native={"node_id": item["node_id"]},
    )


def _home(side: Mapping[str, Any]) -> str | None:
    """The repository of a head or base; a deleted fork has none."""
    return (side.get("repo") or {}).get("full_name")


def _exists(answer: Answer) -> bool:
    return answer.status == 422 and "already exists" in answer.words


def _until_allowed(attempt: Callable[[str], str | None]) -> str | None:
    """The refusal of the first way of merging the repository allows; None when it was taken."""
    refusal = None
    for method in _METHODS:
        refusal = attempt(method)
        if refusal is None or not _METHOD_REFUSED.search(refusal):
            break
    return refusal


def _auto_merge_hint(refusal: str) -> str:
    if "not allowed for this repository" in refusal:
        return "tick 'Allow auto-merge' under Settings, General of the repository"
    if "not accessible" in refusal:
        return "the token needs 'Contents' and 'Pull requests', both read and write"
    if "head" in refusal.lower():
        return "the branch moved: look again"
    return "protect the base branch with a required check or review: auto-merge waits for those"
