"""Bitbucket Data Center's REST API for pull requests.

https://developer.atlassian.com/server/bitbucket/rest/v905/api-group-pull-requests/
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.servers.forges.base import Event, ForgeServer, Pull, Refused, Reply, Request, Status
from tests.servers.forges.bitbucket import replace_status

_REPO = "/projects/TEAM/repos/models"
_PULLS = f"{_REPO}/pull-requests"
_STATES = {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"}
_ACTIONS = {"comment": "COMMENTED", "close": "DECLINED", "update": "UPDATED"}
_PULL_ERRORS = "com.atlassian.bitbucket.pull."


class BitbucketServerServer(ForgeServer):
    provider = "bitbucket-server"
    api_path = "/rest/api/latest"
    description = "bitbucket-server.json"
    project = "TEAM/models"
    names_existing = True
    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        "GET /repos": "repositories",
        "GET /application-properties": "properties",
        f"GET {_PULLS}": "list",
        f"POST {_PULLS}": "create",
        rf"GET {_PULLS}/(\d+)": "show",
        rf"PUT {_PULLS}/(\d+)": "edit",
        rf"POST {_PULLS}/(\d+)/decline": "do_decline",
        rf"POST {_PULLS}/(\d+)/merge": "do_merge",
        rf"DELETE {_PULLS}/(\d+)/auto-merge": "cancel_merge",
        rf"POST {_PULLS}/(\d+)/comments": "add_comment",
        rf"GET {_PULLS}/(\d+)/activities": "activities",
        rf"GET {_REPO}/commits/([0-9a-f]{{40}})/builds": "show_build",
        rf"POST {_REPO}/commits/([0-9a-f]{{40}})/builds": "set_build",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.version = "8.19.1"
        self._bases: dict[int, str] = {}

    def answer(self, request: Request) -> Reply | None:
        """What is pushed to the base changes a pull request too."""
        heads = dict(self.branches.items())
        for pull in self.pulls.values():
            before = self._bases.get(pull.number)
            self._bases[pull.number] = heads[pull.base]
            if pull.state == "open" and before not in {None, heads[pull.base]}:
                self.touch(pull)
        return super().answer(request)

    def ask_for_review(self, number: int, *names: str, by: str = "ann") -> None:
        """The reviewers of a pull request shall be these."""
        pull = self.pulls[number]
        added = tuple(name for name in names if name not in pull.reviewers)
        removed = tuple(name for name in pull.reviewers if name not in names)
        pull.reviewers = list(names)
        self.touch(pull)
        if added or removed:
            event = Event("update", by, at=pull.updated, added=added, removed=removed)
            pull.events.append(event)

    @property
    def remote(self) -> str:
        return f"scm/{self.project}.git"

    def authorized(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def need(self, level: str) -> None:
        if level == "write" and self.level in {"read", "unscoped"}:
            raise Refused(
                401, "You are not permitted to access this resource",
                exceptionName="com.atlassian.bitbucket.AuthorisationException",
            )  # fmt: skip
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"errors": [{"context": None, "message": message, **more}]}

    def repository(self, request: Request) -> Reply:
        self.need("read")
        return Reply(200, self._repository())

    def properties(self, request: Request) -> Reply:
        return Reply(200, {"version": self.version, "displayName": "Bitbucket"})

    def repositories(self, request: Request) -> Reply:
        assert request.one("permission") == "REPO_WRITE"
        mine = [self._repository()] if self.level == "write" else []
        other = {"id": 9, "slug": "models-2", "name": "Models 2", "project": {"key": "TEAM"}}
        return self._page(request, [other, *mine])

    def _repository(self, fork: bool = False) -> dict[str, Any]:
        key = "~STRANGER" if fork else "TEAM"
        return {"id": 2 if fork else 1, "slug": "models", "name": "Models", "project": {"key": key}}

    def list(self, request: Request) -> Reply:
        self.need("read")
        state = request.one("state", "OPEN")
        pulls = [p for p in self.listed() if state in {"ALL", _STATES[p.state]}]
        if at := request.one("at"):
            assert request.one("direction") == "OUTGOING"
            pulls = [pull for pull in pulls if f"refs/heads/{pull.branch}" == at]
        pulls = sorted(pulls, key=lambda pull: -pull.number)
        return self._page(request, [self.shape(pull) for pull in pulls])

    def _page(self, request: Request, items: list[Any]) -> Reply:
        start = int(request.one("start", "0"))
        size = min(int(request.one("limit", "25")), self.page_size)
        last = start + size >= len(items)
        more = {} if last else {"nextPageStart": start + size}
        return Reply(200, {"values": items[start : start + size], "isLastPage": last, **more})

    def create(self, request: Request) -> Reply:
        self.need("read")
        if self.level != "write":
            self.need("write")
        body = request.body
        head, base = (body[side]["id"].removeprefix("refs/heads/") for side in ("fromRef", "toRef"))
        if body["fromRef"]["repository"] != {"slug": "models", "project": {"key": "TEAM"}}:
            raise Refused(404, "Repository does not exist")
        if head not in self.branches:
            raise Refused(404, f"{head} does not exist in models")
        if existing := self.open_pull(head, base):
            raise Refused(
                409, "Only one pull request may be open for a given source and target branch",
                exceptionName=f"{_PULL_ERRORS}DuplicatePullRequestException",
                existingPullRequest=self.shape(existing),
            )  # fmt: skip
        if self.branches[head] == self.branches[base]:
            raise Refused(
                409, f"{head} is already up-to-date with branch {base}",
                exceptionName=f"{_PULL_ERRORS}EmptyPullRequestException",
            )  # fmt: skip
        names = self._reviewers(body)
        if len(body["title"]) > 255 or len(body.get("description", "")) > 32_768:
            raise Refused(400, "too long")
        pull = self.add(
            branch=head, base=base, title=body["title"], body=body.get("description", ""),
            draft=body.get("draft", False), reviewers=names,
        )  # fmt: skip
        return Reply(201, self.shape(pull))

    def _reviewers(self, body: dict[str, Any]) -> list[str]:
        names = [one["user"]["name"] for one in body.get("reviewers", [])]
        if unknown := [name for name in names if name not in self.people]:
            raise Refused(
                409, f"{unknown[0]} is not a user",
                exceptionName=f"{_PULL_ERRORS}InvalidPullRequestReviewersException",
            )  # fmt: skip
        return names

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number)))

    def _current(self, number: str, version: Any) -> Pull:
        pull = self.known(number)
        if int(version) != pull.version:
            raise Refused(
                409, "You are attempting to modify a pull request based on out-of-date information",
                exceptionName=f"{_PULL_ERRORS}PullRequestOutOfDateException",
                currentVersion=pull.version, expectedVersion=int(version),
                pullRequest=self.shape(pull),
            )  # fmt: skip
        if pull.state != "open":
            raise Refused(
                409, f"This pull request has already been {_STATES[pull.state].lower()}",
                exceptionName=f"{_PULL_ERRORS}IllegalPullRequestStateException",
            )  # fmt: skip
        return pull

    def edit(self, request: Request, number: str) -> Reply:
        """What is not named is taken away: so it is with reviewers."""
        self.need("write")
        pull = self._current(number, request.body["version"])
        names = self._reviewers(request.body)
        pull.title, pull.body = request.body["title"], request.body["description"]
        if self.drafts_allowed:
            pull.draft = request.body.get("draft", False)
        self.ask_for_review(pull.number, *names, by="bridge")
        return Reply(200, self.shape(pull))

    def do_decline(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self._current(number, request.one("version", "-1"))
        self.decline(pull.number, by="bridge")
        return Reply(200, self.shape(pull))

    def do_merge(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self._current(number, request.one("version", "-1"))
        assert request.body["autoMerge"] is True
        if not self.auto_merge_allowed or pull.draft:
            raise Refused(
                409, "Auto-merge is not enabled",
                exceptionName=f"{_PULL_ERRORS}PullRequestMergeVetoedException",
            )  # fmt: skip
        if self.checks_pending:
            pull.auto_merge = pull.head
        else:
            self.merge(pull.number, by="bridge")
        return Reply(200, self.shape(pull))

    def cancel_merge(self, request: Request, number: str) -> Reply:
        self.need("write")
        self.known(number).auto_merge = None
        return Reply(204)

    def add_comment(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        version = pull.version
        self.say(pull, "bridge", request.body["text"])
        pull.version = version  # comments do not count
        return Reply(201, {"text": request.body["text"]})

    def activities(self, request: Request, number: str) -> Reply:
        self.need("read")
        acts: list[dict[str, Any]] = []
        for event in reversed(self.known(number).events):
            act = {"action": _ACTIONS[event.kind], "createdDate": event.at}
            acts.append({**act, "user": {"name": event.who}})
            if event.kind == "comment":
                acts[-1]["comment"] = {"text": event.text}
            if event.kind == "update":
                acts[-1]["addedReviewers"] = [{"name": name} for name in event.added]
                acts[-1]["removedReviewers"] = [{"name": name} for name in event.removed]
        return self._page(request, acts)

    def show_build(self, request: Request, commit: str) -> Reply:
        self.need("read")
        self._found(commit)
        for status in self.latest_statuses(commit):
            if status.context == request.one("key"):
                return Reply(200, _build(status))
        raise Refused(404, "There is no such build status")

    def set_build(self, request: Request, commit: str) -> Reply:
        """One of the same key is overwritten. Reading the repository is enough for it."""
        self.need("read")
        if self.level == "unscoped":
            self.need("write")
        self._found(commit)
        body = request.body
        if not (body.get("key") and body.get("url", "").startswith("http") and body.get("state")):
            raise Refused(400, "A build status takes a key, a state and an absolute URL")
        replace_status(self, commit, body, 255)
        return Reply(204)

    def _found(self, commit: str) -> None:
        if not self.has_commit(commit):
            raise Refused(404, f"Commit '{commit}' does not exist in repository 'models'.")

    def shape(self, pull: Pull) -> dict[str, Any]:
        page = f"{self.url}/projects/TEAM/repos/models/pull-requests/{pull.number}"
        merged = pull.commit and pull.commit != pull.head
        return {
            "id": pull.number,
            "version": pull.version,
            "updatedDate": pull.updated,
            "state": _STATES[pull.state],
            "title": pull.title,
            "description": pull.body,
            "draft": pull.draft,
            "fromRef": {
                "id": f"refs/heads/{pull.branch}",
                "latestCommit": pull.head,
                "repository": self._repository(pull.fork),
            },
            "toRef": {
                "id": f"refs/heads/{pull.base}",
                "latestCommit": self.branches[pull.base],
                "repository": self._repository(),
            },
            "reviewers": [{"user": {"name": name}, "approved": False} for name in pull.reviewers],
            "properties": {"mergeCommit": {"id": pull.commit}} if merged else {},
            "links": {"self": [{"href": page}]},
        }


def _build(status: Status) -> dict[str, Any]:
    return {
        "key": status.context,
        "name": status.name,
        "state": status.state,
        "description": status.description,
        "url": status.link,
    }
