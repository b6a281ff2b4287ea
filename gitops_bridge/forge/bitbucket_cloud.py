"""Bitbucket Cloud. https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/

No labels, assignees or auto-merge. A creation between the branches of an open pull request changes
that one, so there is nothing to adopt. Commits are abbreviated to twelve digits. What a change does
not name is taken away, so each names the reviewers, whom lists show only when told to:
https://developer.atlassian.com/cloud/bitbucket/rest/intro/#partial-response
https://github.com/sourcegraph/sourcegraph-public-snapshot/issues/46970
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Answer, Api, basic, rows, understood
from gitops_bridge.forge.change import changed, ended
from gitops_bridge.forge.creation import found_again, post
from gitops_bridge.forge.model import (
    Closing,
    CommitStatus,
    Limits,
    Proposal,
    PullRequest,
    Right,
    State,
    cut,
    newest,
)
from gitops_bridge.forge.status import BITBUCKET_STATES, needing, reported, short_key
from gitops_bridge.forge.telling import told

_ENDED = ["MERGED", "DECLINED", "SUPERSEDED"]
_STATES: Mapping[str, State] = {"MERGED": "merged", "DECLINED": "closed", "SUPERSEDED": "closed"}
_SCOPES = (
    "repository or project access token: repositories write, pull requests write; "
    "API token: read:repository:bitbucket, write:repository:bitbucket, "
    "write:pullrequest:bitbucket, with the account's e-mail as username"
)


@understood
class BitbucketCloud:
    provider = "bitbucket-cloud"
    limits = Limits(title=255, body=32_768)
    features = frozenset({"draft", "reviewers"})
    unseen: frozenset[str] = frozenset()
    headers: Mapping[str, str] = {}
    hints: Mapping[int, str] = {
        401: f"the Bitbucket token is wrong or has expired; {_SCOPES}",
        403: f"the Bitbucket token lacks a scope or write access to the repository; {_SCOPES}",
        404: "Bitbucket shows no such repository to this token: check its name and access",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        """Access tokens are bearers; API tokens and app passwords are a user's password."""
        return basic(username, token) if username else {"Authorization": f"Bearer {token}"}

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._project = project
        self._repository = f"repositories/{project}"
        self._path = f"repositories/{project}/pullrequests"

    def find(self, branch: str) -> PullRequest | None:
        found = self._api.get(
            self._path, q=f"source.branch.name = {json.dumps(branch)}", state=["OPEN", *_ENDED],
            sort="-created_on", pagelen=50, fields="+values.reviewers",
        )  # fmt: skip
        return newest(_own(found["values"]), branch)

    def create(self, proposal: Proposal) -> PullRequest:
        body = {
            **self.limits.text(proposal),
            "source": {"branch": {"name": proposal.branch}},
            "destination": {"branch": {"name": proposal.base}},
            "draft": proposal.draft,
        }
        people = {"reviewers": [_account(name) for name in proposal.reviewers]}
        answer, warnings = post(self._api, self._path, body, people, _exists)
        if answer.problem is not None:
            existing = found_again(self._api, self.find, proposal.branch, answer)
            return self.update(existing, proposal)
        return replace(_pull(answer.data), warnings=warnings)

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        def write(wanted: Proposal) -> PullRequest:
            return self._change(pull, {**self.limits.text(wanted), "draft": pull.draft})

        return changed(write, self.look, pull, proposal)

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        return pull

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        present = self.look(pull.number) or pull
        text = {"title": present.title, "description": present.body}
        return self._change(present, {**text, "draft": draft})

    def _change(self, pull: PullRequest, body: Mapping[str, Any]) -> PullRequest:
        path = f"{self._path}/{pull.number}"
        reviewers = pull.native["reviewers"]
        if reviewers is None:
            reviewers = _reviewers(self._api.get(path))
        return _pull(self._api.ask("PUT", path, body={**body, "reviewers": reviewers}).data)

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask("GET", f"{self._path}/{number}", etag=etag)
        return None if answer.status == 304 else _pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        found = [
            item for page in self._pages(self._path, state="OPEN", pagelen=50) for item in page
        ]
        ended = self._api.get(self._path, state=_ENDED, sort="-updated_on", pagelen=50)
        pulls = _own(found + ended["values"])
        return [pull for pull in pulls if pull.branch.startswith(prefix)]

    def comment(self, pull: PullRequest, text: str) -> None:
        body = {"content": {"raw": cut(text, self.limits.body)}}
        self._api.ask("POST", f"{self._path}/{pull.number}/comments", body=body)

    def closing(self, pull: PullRequest) -> Closing:
        """The reason given when declining, else the closer's last comment."""
        shown: dict[str, Any] = told(lambda: dict(self._api.get(f"{self._path}/{pull.number}")), {})
        by, reason = shown.get("closed_by"), shown.get("reason") or None
        if by and not reason:
            reason = told(lambda: self._last_comment(pull.number, by["uuid"]), None)
        return Closing(_name(by), reason)

    def _last_comment(self, number: int, by: str) -> str | None:
        path = f"{self._path}/{number}/comments"
        for page in self._pages(path, sort="-created_on", pagelen=100):
            for comment in page:
                if comment["user"]["uuid"] == by and not comment.get("deleted"):
                    return str(comment["content"]["raw"])
        return None

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)
        path = f"{self._path}/{pull.number}/decline"
        ended(lambda: self._api.ask("POST", path), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        raise ForgeError(
            f"{pull.url}: Bitbucket Cloud's API offers no auto-merge",
            hint="turn auto-merge off in the configuration, or deliver this kind of change by push",
        )

    def disable_auto_merge(self, pull: PullRequest) -> None:
        """There is none."""

    def report(self, commit: str, status: CommitStatus) -> None:
        """A key has at most 40 characters, and a link has to be there: the commit's own page."""
        page = f"https://bitbucket.org/{self._project}/commits/{commit}"
        path = f"{self._repository}/commit/{commit}/statuses/build"
        key = short_key(status.context, 40)
        with needing(_SCOPES):
            answer = self._api.ask("GET", f"{path}/{key}", tolerate=frozenset({404}))
        reported(
            self._api, path,
            {"state": BITBUCKET_STATES[status.state], "description": cut(status.description, 255),
             "key": key, "name": cut(status.context, 255), "url": status.link or page},
            None if answer.problem else answer.data, right=_SCOPES,
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """By the scopes that every answer names; of the account's own rights the API is silent."""
        answer = self._api.ask("GET", self._repository)
        named = answer.headers.get("X-OAuth-Scopes")
        scopes = {scope.strip() for scope in named.split(",")} if named else None
        return (
            Right("push branches", _has(scopes, "repository"), _SCOPES),
            Right("propose pull requests", _has(scopes, "pullrequest"), _SCOPES),
            Right("report commit statuses", _has(scopes, "repository"), _SCOPES, needed=False),
        )

    def _pages(self, path: str, **params: Any) -> Iterator[list[Any]]:
        for page in count(1):
            found = self._api.get(path, page=page, **params)
            yield found["values"]
            if "next" not in found:
                return


def _account(name: str) -> dict[str, str]:
    """People go by uuid, written in braces, or by account id; names are not taken."""
    return {"uuid" if name.startswith("{") else "account_id": name}


def _name(account: Mapping[str, Any] | None) -> str | None:
    return (account.get("nickname") or account.get("display_name")) if account else None


def _has(scopes: set[str] | None, what: str) -> bool | None:
    """OAuth and access tokens name it `repository:write`, API tokens `write:repository:bitbucket`;
    admin includes write."""
    if scopes is None:
        return None
    accepted = {f"{what}:{level}" for level in ("write", "admin")}
    accepted |= {f"{level}:{what}:bitbucket" for level in ("write", "admin")}
    return bool(scopes & accepted)


def _own(found: list[Any]) -> list[PullRequest]:
    """Without those from forks, whose branches may bear any name."""
    return [
        _pull(item) for item in rows(found) if _home(item["source"]) == _home(item["destination"])
    ]


def _home(side: Mapping[str, Any]) -> str | None:
    return (side.get("repository") or {}).get("full_name")


def _pull(item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
    state = _STATES.get(item["state"], "open")
    return PullRequest(
        number=item["id"],
        url=item["links"]["html"]["href"],
        state=state,
        branch=item["source"]["branch"]["name"],
        base=item["destination"]["branch"]["name"],
        head_sha=(item["source"].get("commit") or {}).get("hash", ""),
        title=item["title"],
        body=item.get("description") or (item.get("summary") or {}).get("raw") or "",
        draft=bool(item.get("draft")),
        merge_commit=(item.get("merge_commit") or {}).get("hash"),
        actor=_name(item.get("closed_by")),
        etag=etag,
        native={"reviewers": _reviewers(item)},
    )


def _reviewers(item: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """As a change names them; None where the answer does not show them."""
    shown = item.get("reviewers")
    return None if shown is None else [{"uuid": one["uuid"]} for one in shown]


def _exists(answer: Answer) -> bool:
    return answer.status in {400, 409} and "already" in answer.words and "open" in answer.words
