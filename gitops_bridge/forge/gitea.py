"""Gitea and Forgejo. https://docs.gitea.com/api/ · https://forgejo.org/docs/latest/user/api-usage/

Their lists have no filter by head branch, so `find` reads the newest page and, where that is not
all there is, the open ones. `pulls/{base}/{head}` is no way around: of all that a branch ever had
it gives the first, closed or not, and none that people have pointed at another base.
https://github.com/go-gitea/gitea/issues/16289 (`GetPullRequestByBaseHeadInfo` in models/issues)
Labels of a new one go by id. A draft is a title prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
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
    moved,
    newest,
)
from gitops_bridge.forge.status import latest, needing, reported
from gitops_bridge.forge.telling import told, version_right

_DRAFT = "WIP: "
_DRAFTS = re.compile(r"^(WIP:|\[WIP\])\s*", re.IGNORECASE)
_PAGE = 50  # the default maximum of a server
_SCOPES = "scopes write:repository and write:issue"


@understood
class Gitea:
    provider = "gitea"
    limits = Limits(title=255, body=65_536)
    features = frozenset({"draft", "labels", "reviewers", "assignees", "auto-merge"})
    unseen = frozenset({"body"})
    headers: Mapping[str, str] = {}
    hints: Mapping[int, str] = {
        401: "the Gitea token is wrong or was deleted",
        403: f"the Gitea token lacks a scope or its user write access; it needs {_SCOPES}",
        404: "Gitea shows no such repository to this token: check its name and the user's access",
        423: "the repository is archived",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        return {"Authorization": f"token {token}"}

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._path = f"repos/{project}"
        self._labels: dict[str, int] = {}

    def find(self, branch: str) -> PullRequest | None:
        first = self._api.ask("GET", f"{self._path}/pulls", params=_listing("all"))
        pull = newest(_own(first.data), branch)
        complete = 'rel="next"' not in first.headers.get("Link", "")
        if complete or (pull and pull.state == "open"):
            return pull
        return self._open(branch) or pull

    def create(self, proposal: Proposal) -> PullRequest:
        warnings: list[str] = []
        ids: list[int] = []
        tried(warnings, "labels", lambda: ids.extend(self._label_ids(proposal.labels)))
        answer, refused = post(
            self._api, f"{self._path}/pulls",
            {**self._text(proposal, proposal.draft), "head": proposal.branch,
             "base": proposal.base, "labels": ids},
            {"assignees": list(proposal.assignees)}, _exists,
        )  # fmt: skip
        if answer.problem is not None:
            existing = self._existing(proposal.branch, answer)
            return self.update(self.complete(existing, proposal), proposal)
        pull = self.complete(_pull(answer.data), proposal)
        return replace(pull, warnings=(*refused, *warnings, *pull.warnings))

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """Servers that do not tell whether anybody is asked for a review are asked again."""
        warnings: list[str] = []
        if proposal.reviewers and not pull.native["asked"]:
            path = f"{self._path}/pulls/{pull.number}/requested_reviewers"
            body = people_and_teams(proposal)
            tried(warnings, "reviewers", lambda: self._api.ask("POST", path, body=body))
        return replace(pull, warnings=tuple(warnings))

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        path, warnings = f"{self._path}/pulls/{pull.number}", list(pull.warnings)

        def write(wanted: Proposal) -> PullRequest:
            body = self._text(wanted, pull.draft)
            if proposal.title == pull.title:  # it carries the draft mark
                del body["title"]
            return _pull(self._api.ask("PATCH", path, body=body).data)

        if labels := lacking(pull, proposal):
            tried(warnings, "labels", lambda: self._add_labels(pull.number, labels))
        written = changed(write, self.look, pull, proposal)
        return replace(written, warnings=tuple(warnings))

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        title = cut((_DRAFT if draft else "") + pull.title, self.limits.title)
        path = f"{self._path}/pulls/{pull.number}"
        return _pull(self._api.ask("PATCH", path, body={"title": title}).data)

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask("GET", f"{self._path}/pulls/{number}", etag=etag)
        return None if answer.status == 304 else _pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        path = f"{self._path}/pulls"
        pulls = [p for page in self._api.pages(path, **_listing("open")) for p in page]
        pulls += self._api.get(path, **_listing("closed"))
        return [pull for pull in _own(pulls) if pull.branch.startswith(prefix)]

    def comment(self, pull: PullRequest, text: str) -> None:
        body = {"body": cut(text, self.limits.body)}
        self._api.ask("POST", f"{self._path}/issues/{pull.number}/comments", body=body)

    def closing(self, pull: PullRequest) -> Closing:
        """A server without a timeline tells the comments, but not who closed it."""
        found = told(lambda: self._closed(pull.number), None)
        return found or Closing(None, told(lambda: self._said_when_closed(pull.number), None))

    def _closed(self, number: int) -> Closing | None:
        """From the timeline; comments stand in it, oldest first."""
        path = f"{self._path}/issues/{number}/timeline"
        events = [event for page in self._api.pages(path, limit=_PAGE) for event in page]
        closers = [_login(event["user"]) for event in events if event["type"] == "close"]
        if not closers:
            return None
        by = closers[-1]
        said = [e["body"] for e in events if e["type"] == "comment" and _login(e["user"]) == by]
        return Closing(by, said[-1] if said else None)

    def _said_when_closed(self, number: int) -> str | None:
        """The last comment, if it came in the minute before the end: closing with a comment makes
        both at once."""
        closed = _moment(self._api.get(f"{self._path}/pulls/{number}")["closed_at"])
        comments = rows(self._api.get(f"{self._path}/issues/{number}/comments"))
        said = [one["body"] for one in comments if 0 <= closed - _moment(one["created_at"]) <= 60]
        return said[-1] if said else None

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)
        path, body = f"{self._path}/pulls/{pull.number}", {"state": "closed"}
        ended(lambda: self._api.ask("PATCH", path, body=body), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        """In the repository's default style. Gitea holds `head_commit_id` only against a merge that
        is made at once, so that the head is looked at here; 409 also to one already scheduled.
        https://github.com/go-gitea/gitea/blob/main/routers/api/v1/repo/pull.go"""
        if not pull.is_at(head_sha):
            raise moved(pull, head_sha)
        body = {
            "Do": pull.native["style"], "head_commit_id": head_sha,
            "merge_when_checks_succeed": True,
        }  # fmt: skip
        path = f"{self._path}/pulls/{pull.number}/merge"
        answer = self._api.ask("POST", path, body=body, tolerate=frozenset({405, 409}))
        if answer.problem is None or "scheduled" in answer.words:
            return
        raise ForgeError(
            f"{pull.url}: auto-merge: {answer.problem.message}",
            hint="the branch moved: look again" if answer.status == 409
            else "Gitea cannot merge it yet: a draft, a conflict, or protection without this user",
            retry=True,
        )  # fmt: skip

    def disable_auto_merge(self, pull: PullRequest) -> None:
        path = f"{self._path}/pulls/{pull.number}/merge"
        self._api.ask("DELETE", path, tolerate=frozenset({404}))

    def report(self, commit: str, status: CommitStatus) -> None:
        right = "scope write:repository and write access to the repository"
        path = f"{self._path}/statuses/{commit}"
        with needing(right):
            listed = self._api.get(path, sort="recentupdate", limit=_PAGE)
        shown = latest(listed, "context", status.context)
        reported(
            self._api, path,
            {"state": status.state, "description": cut(status.description, 255),
             "context": status.context, "target_url": status.link},
            shown and {**shown, "state": shown["status"]}, right=right,
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """A token's scopes are checked before anything else: a pull request of the base onto itself
        is refused as forbidden without them, else as invalid. Labels belong to the issue scope."""
        repository = self._api.get(self._path)
        push = repository["permissions"]["push"]
        base = repository["default_branch"]
        probe = self._api.ask(
            "POST", f"{self._path}/pulls", body={"title": "-", "head": base, "base": base},
            tolerate=frozenset({403, 404, 409, 422, 500}),
        )  # fmt: skip
        nothing = self._api.ask(
            "POST", f"{self._path}/labels", body={"name": "-", "color": "no colour"},
            tolerate=frozenset({403, 422}),
        )  # fmt: skip
        scoped = probe.status not in {403, 404}
        return (
            version_right(told(lambda: self._api.get("version")["version"], None), "1.20"),
            Right("push branches", push, "write access to the repository"),
            Right("propose pull requests", scoped, f"{_SCOPES}"),
            Right("set labels", push and nothing.status != 403, "scope write:issue, write access"),
            Right("report commit statuses", push and scoped, f"{_SCOPES}", needed=False),
        )

    def _existing(self, branch: str, answer: Answer) -> PullRequest:
        """Gitea's refusal names it: "… already exists for these targets [… issue_id: 12, …"."""
        if named := re.search(r"issue_id: (\d+)", answer.words):
            pull = _pull(self._api.get(f"{self._path}/pulls/{named[1]}"))
            if pull.branch == branch:
                return pull
        return found_again(self._api, self._open, branch, answer)

    def _open(self, branch: str) -> PullRequest | None:
        for page in self._api.pages(f"{self._path}/pulls", **_listing("open")):
            pull = newest(_own(page), branch)
            if pull:
                return pull
        return None

    def _add_labels(self, number: int, names: list[str]) -> None:
        """By name where the server takes names, as Gitea does since 1.22: one that is not there is
        left out without a word. Else by id. https://github.com/go-gitea/gitea/pull/30943"""
        path = f"{self._path}/issues/{number}/labels"
        answer = self._api.ask("POST", path, body={"labels": names}, tolerate=frozenset({422}))
        added = [] if answer.problem else [label["name"] for label in rows(answer.data)]
        if not set(names) <= set(added):
            self._api.ask("POST", path, body={"labels": self._label_ids(names)})

    def _label_ids(self, names: Iterable[str]) -> list[int]:
        """Ids of the repository's labels; read once, missing ones created."""
        if any(name not in self._labels for name in names):
            for page in self._api.pages(f"{self._path}/labels", limit=_PAGE):
                self._labels.update({label["name"]: label["id"] for label in page})
        for name in names:
            if name not in self._labels:
                body = {"name": name, "color": "#326ce5"}
                created = self._api.ask("POST", f"{self._path}/labels", body=body).data
                self._labels[name] = created["id"]
        return [self._labels[name] for name in names]

    def _text(self, proposal: Proposal, draft: bool) -> dict[str, str]:
        return self.limits.text(proposal, "body", _DRAFT if draft else "")


def _listing(state: str) -> dict[str, Any]:
    return {"state": state, "sort": "recentupdate", "limit": _PAGE}


def _own(found: list[Any]) -> list[PullRequest]:
    """Without those from forks, whose branches may bear any name."""
    return [
        _pull(item) for item in rows(found) if item["head"]["repo_id"] == item["base"]["repo_id"]
    ]


def _pull(item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
    state: State = "open" if item["state"] == "open" else "closed"
    if item["merged"]:
        state = "merged"
    return PullRequest(
        number=item["number"],
        url=item["html_url"],
        state=state,
        branch=item["head"]["ref"],
        base=item["base"]["ref"],
        head_sha=item["head"]["sha"],
        title=_DRAFTS.sub("", item["title"]),
        body=item["body"],
        draft=bool(_DRAFTS.match(item["title"])),
        labels=tuple(label["name"] for label in item["labels"] or ()),
        merge_commit=item["merge_commit_sha"] if state == "merged" else None,
        actor=_login(item.get("merged_by")),
        etag=etag,
        native={
            "asked": bool(item.get("requested_reviewers")),
            "style": (item["base"].get("repo") or {}).get("default_merge_style") or "merge",
        },
    )


def _moment(text: str) -> float:
    """Epoch seconds of a time as Gitea writes it: 2026-01-02T03:04:05Z, or with an offset."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _login(user: Mapping[str, Any] | None) -> str | None:
    return user["login"] if user else None


def _exists(answer: Answer) -> bool:
    return answer.status == 409 and "already exists" in answer.words
