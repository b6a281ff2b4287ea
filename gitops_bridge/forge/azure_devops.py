"""Azure DevOps Services and Server.
https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-requests

Reviewers are identity ids (GUIDs). A description holds 4 000 characters. Auto-merge is
auto-complete: not pinned to a commit, but a branch policy can reset votes on a push. A token that
is none is answered with a sign-in page, by 203 or a redirect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Answer, Api, basic, rows, understood
from gitops_bridge.forge.change import changed, ended
from gitops_bridge.forge.creation import found_again, post, tried
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
    moved,
    newest,
)
from gitops_bridge.forge.status import NO_COMMIT, needing, reported
from gitops_bridge.forge.telling import told

_VERSION = "6.0"  # Azure DevOps Server 2020 and everything since
_PAGE = 100
_STATES: Mapping[str, State] = {"completed": "merged", "abandoned": "closed"}
_SCOPE = "a personal access token with scope 'Code: read & write', its user allowed to contribute"
_STATUS_SCOPE = "scope 'Code: status' too, and its user allowed to contribute"
_OUTCOMES = {"pending": "pending", "success": "succeeded", "failure": "failed"}
_TOKEN = f"the Azure DevOps token is wrong or has expired; it takes {_SCOPE}"
# https://learn.microsoft.com/en-us/azure/devops/organizations/security/namespace-reference
_NOBODY = "00000000-0000-0000-0000-000000000000"
_GIT_NAMESPACE = "2e9eb7ed-3c0a-47d4-87c1-0222a7b2d9d1"
_CONTRIBUTE, _CONTRIBUTE_TO_PULL_REQUESTS = 4, 16384


@understood
class AzureDevOps:
    provider = "azure-devops"
    limits = Limits(title=400, body=4_000)
    features = frozenset({"draft", "labels", "reviewers", "auto-merge"})
    unseen = frozenset({"title", "body"})
    headers: Mapping[str, str] = {}
    hints: Mapping[int, str] = {
        203: _TOKEN,
        302: _TOKEN,
        401: _TOKEN,
        403: f"the Azure DevOps token or its user lacks a right; it takes {_SCOPE}",
        404: "Azure DevOps shows no such repository to this token: check its name and access",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        return basic(username or "", token)

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        team, _, repository = project.partition("/")
        self._page = f"{api.base_url}{team}/_git/{repository}/pullrequest"
        self._repository = f"{team}/_apis/git/repositories/{repository}"
        self._path = f"{self._repository}/pullrequests"

    def find(self, branch: str) -> PullRequest | None:
        return newest(self._own(self._list("all", sourceRefName=f"refs/heads/{branch}")), branch)

    def create(self, proposal: Proposal) -> PullRequest:
        body = {
            **self.limits.text(proposal),
            "sourceRefName": f"refs/heads/{proposal.branch}",
            "targetRefName": f"refs/heads/{proposal.base}",
            "isDraft": proposal.draft,
            "labels": [{"name": name} for name in proposal.labels],
        }
        people = {"reviewers": [{"id": name} for name in proposal.reviewers]}
        path = f"{self._path}?api-version={_VERSION}"
        answer, warnings = post(self._api, path, body, people, _exists)
        if answer.problem is not None:
            existing = found_again(self._api, self.find, proposal.branch, answer)
            return self.update(existing, proposal)
        return replace(self._pull(answer.data), warnings=warnings)

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """Each new label is a request."""
        path, labels = f"{self._path}/{pull.number}", list(pull.labels)
        warnings: list[str] = []

        def write(wanted: Proposal) -> PullRequest:
            return self._pull(self._ask("PATCH", path, self.limits.text(wanted)))

        def add(name: str) -> None:
            self._ask("POST", f"{path}/labels", {"name": name})
            labels.append(name)

        for name in lacking(pull, proposal):
            tried(warnings, "labels", partial(add, name))
        written = changed(write, self.look, pull, proposal)
        return replace(written, labels=tuple(labels), warnings=tuple(warnings))

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        return pull

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        changed = self._ask("PATCH", f"{self._path}/{pull.number}", {"isDraft": draft})
        return replace(self._pull(changed), labels=pull.labels)

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask(
            "GET", f"{self._path}/{number}", params={"api-version": _VERSION}, etag=etag
        )
        return None if answer.status == 304 else self._pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        found = [item for page in self._pages("active") for item in page]
        for status in _STATES:
            found += self._list(status)
        return [pull for pull in self._own(found) if pull.branch.startswith(prefix)]

    def comment(self, pull: PullRequest, text: str) -> None:
        """As a closed thread: an active one may block the completion by policy."""
        comment = {"parentCommentId": 0, "content": cut(text, 150_000), "commentType": "text"}
        body = {"comments": [comment], "status": "closed"}
        self._ask("POST", f"{self._path}/{pull.number}/threads", body)

    def closing(self, pull: PullRequest) -> Closing:
        shown: dict[str, Any] = told(
            lambda: dict(self._ask("GET", f"{self._path}/{pull.number}")), {}
        )
        by = shown.get("closedBy")
        if not by:
            return Closing(None, None)
        last = told(lambda: self._last_comment(pull.number, by["id"]), None)
        return Closing(by["uniqueName"], last)

    def _last_comment(self, number: int, by: str) -> str | None:
        threads = self._ask("GET", f"{self._path}/{number}/threads")["value"]
        said = [
            comment
            for thread in threads
            for comment in thread["comments"]
            if comment.get("commentType") == "text" and comment["author"]["id"] == by
        ]
        last = max(said, key=lambda comment: str(comment["publishedDate"]), default=None)
        return last["content"] if last else None

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)
        path, body = f"{self._path}/{pull.number}", {"status": "abandoned"}
        ended(lambda: self._ask("PATCH", path, body), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        if not pull.is_at(head_sha):
            raise moved(pull, head_sha)
        body = {
            "autoCompleteSetBy": {"id": pull.native["author"]},
            "completionOptions": {"deleteSourceBranch": False},
        }
        self._ask("PATCH", f"{self._path}/{pull.number}", body)

    def disable_auto_merge(self, pull: PullRequest) -> None:
        body = {"autoCompleteSetBy": {"id": _NOBODY}}
        self._ask("PATCH", f"{self._path}/{pull.number}", body)

    def report(self, commit: str, status: CommitStatus) -> None:
        """A context is a name and the genre of what reports."""
        path = f"{self._repository}/commits/{commit}/statuses"
        context = {"genre": "gitops-bridge", "name": cut(status.context, 255)}
        with needing(_STATUS_SCOPE):
            listed = self._api.get(path, latestOnly="true", **{"api-version": _VERSION})["value"]
        reported(
            self._api, path,
            {"state": _OUTCOMES[status.state], "description": cut(status.description, 255),
             "context": context, "targetUrl": status.link},
            next((item for item in listed if item["context"] == context), None),
            right=_STATUS_SCOPE, params={"api-version": _VERSION},
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """The user's rights by the security service, where the token may ask it; the token's scope
        by a pull request of the base onto itself, invalid whoever asks. A server before 2020 does
        not know this version of the API."""
        try:
            shown = self._ask("GET", self._repository)
        except ForgeError as error:
            if error.status == 400 and "out of range" in error.message:
                return (Right("version 2020 or newer", False, "upgrade Azure DevOps Server"),)
            raise
        base = shown.get("defaultBranch") or "refs/heads/main"
        probe = self._api.ask(
            "POST", self._path, params={"api-version": _VERSION},
            body={"sourceRefName": base, "targetRefName": base, "title": "-"},
            tolerate=frozenset({400, 401, 403, 404, 409}),
        )  # fmt: skip
        scoped = probe.status not in {401, 403, 404}
        reporting = self._api.ask(
            "POST", f"{self._repository}/commits/{NO_COMMIT}/statuses",
            params={"api-version": _VERSION}, body={"state": "pending", "context": {"name": "-"}},
            tolerate=frozenset({400, 401, 403, 404, 409}),
        )  # fmt: skip
        token = f"repoV2/{shown['project']['id']}/{shown['id']}"
        push, propose = (
            self._allowed(token, bit) if scoped else False
            for bit in (_CONTRIBUTE, _CONTRIBUTE_TO_PULL_REQUESTS)
        )
        may_report = False if reporting.status in {401, 403} else push
        return (
            Right("push branches", push, "'Contribute' on the repository"),
            Right("propose pull requests", propose, "'Contribute to pull requests'; " + _SCOPE),
            Right("set labels", propose, "'Contribute to pull requests'"),
            Right("report commit statuses", may_report, _STATUS_SCOPE, needed=False),
        )

    def _allowed(self, token: str, bit: int) -> bool | None:
        answer = self._api.ask(
            "GET", f"_apis/permissions/{_GIT_NAMESPACE}/{bit}",
            params={"tokens": token, "api-version": _VERSION}, tolerate=frozenset({401, 403}),
        )  # fmt: skip
        return None if answer.problem else bool(answer.data["value"][0])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._api.ask(method, path, params={"api-version": _VERSION}, body=body).data

    def _list(self, status: str, skip: int = 0, **criteria: str) -> list[Any]:
        params = {f"searchCriteria.{key}": value for key, value in criteria.items()}
        params |= {"searchCriteria.status": status, "api-version": _VERSION}
        found = self._api.get(self._path, **params, **{"$top": _PAGE, "$skip": skip})
        items: list[Any] = found["value"]
        return items

    def _pages(self, status: str) -> Iterator[list[Any]]:
        for skip in count(0, _PAGE):
            page = self._list(status, skip)
            yield page
            if len(page) < _PAGE:
                return

    def _own(self, found: list[Any]) -> list[PullRequest]:
        """Without those from forks, whose branches may bear any name."""
        return [self._pull(item) for item in rows(found) if not item.get("forkSource")]

    def _pull(self, item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
        state = _STATES.get(item["status"], "open")
        merged = (item.get("lastMergeCommit") or {}).get("commitId")
        return PullRequest(
            number=item["pullRequestId"],
            url=f"{self._page}/{item['pullRequestId']}",
            state=state,
            branch=item["sourceRefName"].removeprefix("refs/heads/"),
            base=item["targetRefName"].removeprefix("refs/heads/"),
            head_sha=(item.get("lastMergeSourceCommit") or {}).get("commitId", ""),
            title=item["title"],
            body=item.get("description") or "",
            draft=bool(item.get("isDraft")),
            labels=tuple(label["name"] for label in item.get("labels") or ()),
            merge_commit=merged if state == "merged" else None,
            actor=(item.get("closedBy") or {}).get("uniqueName"),
            etag=etag,
            native={"author": item["createdBy"]["id"]},
        )


def _exists(answer: Answer) -> bool:
    return answer.status == 409 and "TF401179" in answer.words
