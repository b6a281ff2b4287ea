"""Bitbucket Data Center. https://developer.atlassian.com/server/bitbucket/rest/

No labels or assignees. Every change names the version it is based on; a stale one is refused and
made once more on the present version, which the refusal tells.
https://support.atlassian.com/bitbucket-data-center/kb/bitbucket-server-rest-api-for-merging-pull-request-fails/
Each change and each push to either branch raises the version by one, a push some time after it.
https://github.com/renovatebot/renovate/issues/3257 https://github.com/renovatebot/renovate/pull/3950
Reviewers not named in a change would be removed by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
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
    moved,
    newest,
)
from gitops_bridge.forge.status import BITBUCKET_STATES, needing, reported, short_key
from gitops_bridge.forge.telling import told, version_right

_STATES: Mapping[str, State] = {"MERGED": "merged", "DECLINED": "closed"}
_PERMISSION = "an HTTP access token with 'Repository write'"


@understood
class BitbucketServer:
    provider = "bitbucket-server"
    limits = Limits(title=255, body=32_768)
    features = frozenset({"draft", "reviewers", "auto-merge"})
    unseen = frozenset({"title", "body"})
    headers: Mapping[str, str] = {}
    hints: Mapping[int, str] = {
        401: f"the Bitbucket token is wrong, has expired or lacks a right; it takes {_PERMISSION}",
        403: f"the Bitbucket token lacks a right; it takes {_PERMISSION}",
        404: "Bitbucket shows no such repository to this token: check project key and access",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        return basic(username, token) if username else {"Authorization": f"Bearer {token}"}

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._key, _, self._slug = project.partition("/")
        self._repository = f"projects/{self._key}/repos/{self._slug}"
        self._path = f"{self._repository}/pull-requests"

    def find(self, branch: str) -> PullRequest | None:
        found = self._api.get(
            self._path, at=f"refs/heads/{branch}", direction="OUTGOING", state="ALL",
            order="NEWEST", limit=100,
        )  # fmt: skip
        return newest(_own(found["values"]), branch)

    def create(self, proposal: Proposal) -> PullRequest:
        repository = {"slug": self._slug, "project": {"key": self._key}}
        body = {
            **self.limits.text(proposal),
            "fromRef": {"id": f"refs/heads/{proposal.branch}", "repository": repository},
            "toRef": {"id": f"refs/heads/{proposal.base}", "repository": repository},
            **_draft(proposal.draft),
        }
        people = {"reviewers": _named(proposal.reviewers)}
        answer, warnings = post(self._api, self._path, body, people, _exists)
        if answer.problem is not None:
            return self.update(self._existing(proposal.branch, answer), proposal)
        return replace(_pull(answer.data), warnings=warnings)

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """On the version that our own push makes, foreseen from `pull`. When the answer does not
        show that push yet, somebody else has made that version, by a change that nobody has seen.
        """
        foreseen = _pushed(pull, proposal.head_sha)

        def write(wanted: Proposal) -> PullRequest:
            base, written = self._edited(foreseen, lambda _: self.limits.text(wanted))
            if base is foreseen is not pull and not written.is_at(proposal.head_sha):
                return self._given_back(pull, written)
            return written

        return changed(write, self.look, pull, proposal)

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        return pull

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        """Servers before 8.18 leave it as it is."""
        return self._edited(pull, lambda _: {"draft": draft})[1]

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask("GET", f"{self._path}/{number}", etag=etag)
        return None if answer.status == 304 else _pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        found = [item for page in self._pages(self._path, state="OPEN", limit=100) for item in page]
        for state in _STATES:
            found += self._api.get(self._path, state=state, order="NEWEST", limit=100)["values"]
        return [pull for pull in _own(found) if pull.branch.startswith(prefix)]

    def comment(self, pull: PullRequest, text: str) -> None:
        body = {"text": cut(text, self.limits.body)}
        self._api.ask("POST", f"{self._path}/{pull.number}/comments", body=body)

    def closing(self, pull: PullRequest) -> Closing:
        """From the activities, newest first; only they tell who declined it."""
        return told(lambda: self._declined(pull.number), Closing(None, None))

    def _declined(self, number: int) -> Closing:
        pages = self._pages(f"{self._path}/{number}/activities", limit=100)
        acts = [act for page in pages for act in page]
        by = next((act["user"]["name"] for act in acts if act["action"] == "DECLINED"), None)
        for act in acts:
            if act["action"] == "COMMENTED" and act["user"]["name"] == by:
                return Closing(by, act["comment"]["text"])
        return Closing(by, None)

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)

        def decline(present: PullRequest) -> Answer:
            body = {"version": present.native["version"]}
            return self._change("POST", f"{self._path}/{pull.number}/decline", body)

        ended(lambda: self._on_present_version(pull, decline), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        """Since 8.15. Pinned to the version, which a push to the branch changes."""
        if not pull.is_at(head_sha):
            raise moved(pull, head_sha)
        body = {"autoMerge": True, "version": pull.native["version"]}
        answer = self._change("POST", f"{self._path}/{pull.number}/merge", body)
        if answer.problem is not None:
            raise ForgeError(
                f"{pull.url}: auto-merge: {answer.problem.message}",
                hint="is auto-merge on in the repository's merge settings? Else look again",
                retry="OutOfDate" in str(answer.data),
            )

    def disable_auto_merge(self, pull: PullRequest) -> None:
        path = f"{self._path}/{pull.number}/auto-merge"
        self._api.ask("DELETE", path, tolerate=frozenset({404}))

    def report(self, commit: str, status: CommitStatus) -> None:
        """Since 7.4. A link has to be there: the commit's own page, where the status has none."""
        site = self._api.base_url.partition("/rest/api")[0]
        path = f"{self._repository}/commits/{commit}/builds"
        key = short_key(status.context, 255)
        with needing(_PERMISSION):
            answer = self._api.ask("GET", path, params={"key": key}, tolerate=frozenset({404}))
        reported(
            self._api, path,
            {"state": BITBUCKET_STATES[status.state], "description": cut(status.description, 255),
             "key": key, "name": cut(status.context, 255),
             "url": status.link or f"{site}/{self._repository}/commits/{commit}"},
            None if answer.problem else answer.data, right=_PERMISSION,
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """The server lists the repositories a token may write to; reading is enough to propose."""
        name = self._api.get(self._repository)["name"]
        found = self._api.get("repos", name=name, permission="REPO_WRITE", limit=100)["values"]
        written = any(
            (item["project"]["key"], item["slug"]) == (self._key, self._slug) for item in found
        )
        version = told(lambda: self._api.get("application-properties")["version"], None)
        return (
            version_right(version, "7.4"),
            Right("push branches", written, _PERMISSION),
            Right("propose pull requests", written, _PERMISSION),
            Right("report commit statuses", written, _PERMISSION, needed=False),
        )

    def _edited(
        self, pull: PullRequest, wanted: Callable[[PullRequest], Mapping[str, Any]]
    ) -> tuple[PullRequest, PullRequest]:
        """What was changed and what became of it: all stays but what `wanted` makes of it."""

        def change(present: PullRequest) -> Answer:
            body = {
                "title": present.title, "description": present.body, **_draft(present.draft),
                "reviewers": _named(present.native["reviewers"]),
                "version": present.native["version"], **wanted(present),
            }  # fmt: skip
            return self._change("PUT", f"{self._path}/{pull.number}", body)

        base, answer = self._on_present_version(pull, change)
        return base, _pull(answer.data)

    def _given_back(self, seen: PullRequest, written: PullRequest) -> PullRequest:
        """With the reviewers as somebody set them after `seen`, before our change took that back:
        of the changes of reviewers since then, theirs is the first."""
        acts = self._api.get(f"{self._path}/{seen.number}/activities", limit=100)["values"]
        since = [
            act for act in acts
            if act["action"] == "UPDATED" and act["createdDate"] > seen.native["updated"]
        ]  # fmt: skip
        theirs = since[-1] if since else {}
        added, removed = (
            [user["name"] for user in theirs.get(key) or ()]
            for key in ("addedReviewers", "removedReviewers")
        )

        def reviewers(present: PullRequest) -> Mapping[str, Any]:
            stay = [name for name in present.native["reviewers"] if name not in removed]
            return {"reviewers": _named(dict.fromkeys([*stay, *added]))}

        return self._edited(written, reviewers)[1] if added or removed else written

    def _change(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        params = {"version": body["version"]} if method == "POST" else None
        return self._api.ask(method, path, params=params, body=body, tolerate=frozenset({409}))

    def _on_present_version(
        self, pull: PullRequest, change: Callable[[PullRequest], Answer]
    ) -> tuple[PullRequest, Answer]:
        """What was changed and the answer. The refusal of a stale version carries the pull request
        as it is."""
        answer = change(pull)
        if answer.problem is not None and "OutOfDate" in str(answer.data):
            told = _carried(answer, "pullRequest")
            pull = _pull(told or self._api.get(f"{self._path}/{pull.number}"))
            answer = change(pull)
        if answer.problem is not None:
            raise answer.problem
        return pull, answer

    def _existing(self, branch: str, answer: Answer) -> PullRequest:
        """The refusal carries it whole."""
        if existing := _carried(answer, "existingPullRequest"):
            return _pull(existing)
        return found_again(self._api, self.find, branch, answer)

    def _pages(self, path: str, **params: Any) -> Iterator[list[Any]]:
        start: int | None = 0
        while start is not None:
            page = self._api.get(path, start=start, **params)
            yield page["values"]
            start = None if page["isLastPage"] else page["nextPageStart"]


def _carried(answer: Answer, key: str) -> Mapping[str, Any] | None:
    """The pull request that a refusal tells of."""
    return next((error[key] for error in answer.data["errors"] if key in error), None)


def _pushed(pull: PullRequest, head_sha: str) -> PullRequest:
    """`pull` as the push of `head_sha` makes it. Nothing is foreseen of a draft: people make it
    ready, which a change to a version that nobody has seen would take back."""
    if not head_sha or pull.is_at(head_sha) or pull.draft:
        return pull
    return replace(pull, native={**pull.native, "version": pull.native["version"] + 1})


def _named(reviewers: Iterable[str]) -> list[dict[str, Any]]:
    return [{"user": {"name": name}} for name in reviewers]


def _draft(draft: bool) -> dict[str, bool]:
    """Named only where it is one: servers before 8.18 do not know the word."""
    return {"draft": True} if draft else {}


def _own(found: list[Any]) -> list[PullRequest]:
    """Without those from forks, whose branches may bear any name."""
    return [
        _pull(item)
        for item in rows(found)
        if item["fromRef"]["repository"]["id"] == item["toRef"]["repository"]["id"]
    ]


def _pull(item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
    """Without a merge commit a merged one was fast-forwarded to its head."""
    state = _STATES.get(item["state"], "open")
    head = item["fromRef"]["latestCommit"]
    merged = ((item.get("properties") or {}).get("mergeCommit") or {}).get("id") or head
    return PullRequest(
        number=item["id"],
        url=item["links"]["self"][0]["href"],
        state=state,
        branch=item["fromRef"]["id"].removeprefix("refs/heads/"),
        base=item["toRef"]["id"].removeprefix("refs/heads/"),
        head_sha=head,
        title=item["title"],
        body=item.get("description") or "",
        draft=bool(item.get("draft")),
        merge_commit=merged if state == "merged" else None,
        etag=etag,
        native={
            "version": item["version"],
            "updated": item["updatedDate"],
            "reviewers": [one["user"]["name"] for one in item.get("reviewers", ())],
        },
    )


def _exists(answer: Answer) -> bool:
    return answer.status == 409 and "DuplicatePullRequest" in str(answer.data)
