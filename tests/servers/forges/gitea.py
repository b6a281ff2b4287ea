"""Gitea's REST API for pull requests. https://docs.gitea.com/api/

No filter by head branch, fifty on a page, labels by id, drafts by title, no ETags.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from tests.servers.forges.base import ForgeServer, Pull, Refused, Reply, Request, Status, sha

_REPO = "/repos/team/models"


class GiteaServer(ForgeServer):
    provider = "gitea"
    api_path = "/api/v1"
    page_size = 50
    separate_features = 2  # the labels' ids, reviewers
    completes_later = True
    closes_with_branch = True
    names_existing = True
    description = "gitea.json"
    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        f"GET {_REPO}/pulls": "list",
        f"POST {_REPO}/pulls": "create",
        rf"GET {_REPO}/pulls/(\d+)": "show",
        rf"PATCH {_REPO}/pulls/(\d+)": "edit",
        rf"POST {_REPO}/pulls/(\d+)/merge": "do_merge",
        rf"DELETE {_REPO}/pulls/(\d+)/merge": "cancel_merge",
        rf"POST {_REPO}/pulls/(\d+)/requested_reviewers": "ask_review",
        rf"GET {_REPO}/issues/(\d+)/timeline": "timeline",
        rf"GET {_REPO}/issues/(\d+)/comments": "comments",
        rf"POST {_REPO}/issues/(\d+)/comments": "add_comment",
        "GET /version": "show_version",
        rf"POST {_REPO}/issues/(\d+)/labels": "label_issue",
        rf"GET {_REPO}/statuses/([0-9a-f]{{40}})": "list_statuses",
        rf"POST {_REPO}/statuses/([0-9a-f]{{40}})": "set_status",
        f"GET {_REPO}/labels": "labels",
        f"POST {_REPO}/labels": "add_label",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.label_ids: dict[str, int] = {}
        self.takes_label_names = True  # since 1.22
        self.style = "squash"
        self.version = "1.22.3"
        self.has_timeline = True

    def have_labels(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._label(name)

    def mark_ready(self, number: int) -> None:
        self.pulls[number].title = self.pulls[number].title.removeprefix("WIP: ")
        self.touch(self.pulls[number])

    def authorized(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"token {self.token}"

    def need(self, level: str) -> None:
        if level == "write" and self.level == "unscoped":
            raise Refused(
                403, "token does not have at least one of required scope(s): [write:repository]"
            )
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"message": message, "url": f"{self.url}/api/swagger", **more}

    def repository(self, request: Request) -> Reply:
        self.need("read")
        allowed = {"admin": False, "push": self.level != "read", "pull": True}
        return Reply(
            200,
            {"full_name": self.project, "default_branch": "main", "permissions": allowed},
        )

    def list(self, request: Request) -> Reply:
        self.need("read")
        state = request.one("state", "open")
        pulls = [
            self.shape(pull)
            for pull in self.listed()
            if state == "all" or (pull.state == "open") == (state == "open")
        ]
        return self.paged(request, pulls, "limit")

    def create(self, request: Request) -> Reply:
        self.need("write")
        body = request.body
        head, base = body["head"], body["base"]
        if head not in self.branches or base not in self.branches:
            raise Refused(404, "branch does not exist")
        if existing := self.open_pull(head, base):
            raise Refused(
                409,
                "pull request already exists for these targets "
                f"[id: {1000 + existing.number}, issue_id: {existing.number}, "
                f"head_repo_id: 1, base_repo_id: 1, head_branch: {head}, base_branch: {base}]",
            )
        if head == base:
            raise Refused(422, "There are no changes between the head and the base")
        if unknown := [name for name in body.get("assignees", []) if name not in self.people]:
            raise Refused(422, f"Assignee does not exist: [name: {unknown[0]}]")
        pull = self.add(
            branch=head, base=base, title=body["title"], body=body.get("body", ""),
            assignees=body.get("assignees", []),
        )  # fmt: skip
        pull.labels = self._names(body.get("labels", []))
        return Reply(201, self.shape(pull))

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number)))

    def edit(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if "state" in request.body and pull.state == "merged":
            raise Refused(412, "cannot change state of this pull request, it was already merged")
        pull.title = request.body.get("title", pull.title)
        pull.body = request.body.get("body", pull.body)
        if "labels" in request.body:
            pull.labels = self._names(request.body["labels"])
        self.touch(pull)
        if request.body.get("state") == "closed" and pull.state == "open":
            self.decline(pull.number, by="bridge")
        return Reply(201, self.shape(pull))

    def do_merge(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if request.body["Do"] != self.style or not self.auto_merge_allowed:
            raise Refused(405, f"{request.body['Do']} is not allowed an allowed merge style")
        if self.checks_pending and request.body["merge_when_checks_succeed"]:
            if pull.auto_merge:
                raise Refused(409, "pull request is already scheduled to be auto merged")
            pull.auto_merge = pull.head  # whatever head_commit_id says
            return Reply(201)
        if request.body["head_commit_id"] != pull.head:
            raise Refused(409, "head out of date")
        self.merge(pull.number, by="bridge", how=self.style)
        return Reply(200)

    def cancel_merge(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if pull.auto_merge is None:
            raise Refused(404, "The target couldn't be found.")
        pull.auto_merge = None
        return Reply(204)

    def ask_review(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        for name in request.body["reviewers"]:
            if name not in self.people:
                raise Refused(404, f"user does not exist [uid: 0, name: {name}]")
        pull.reviewers += request.body["reviewers"] + request.body.get("team_reviewers", [])
        return Reply(201, [])

    def show_version(self, request: Request) -> Reply:
        return Reply(200, {"version": self.version})

    def timeline(self, request: Request, number: str) -> Reply:
        self.need("read")
        if not self.has_timeline:
            raise Refused(404, "Not Found")
        events = [
            {"type": kind, "user": {"login": who}, "body": text}
            for kind, who, text, *_ in self.known(number).events
        ]
        return self.paged(request, events, "limit")

    def comments(self, request: Request, number: str) -> Reply:
        self.need("read")
        said = [
            {"body": event.text, "user": {"login": event.who}, "created_at": _time(event.at)}
            for event in self.known(number).events
            if event.kind == "comment"
        ]
        return Reply(200, said)

    def add_comment(self, request: Request, number: str) -> Reply:
        self.need("write")
        self.say(self.known(number), "bridge", request.body["body"])
        return Reply(201, {"body": request.body["body"]})

    def list_statuses(self, request: Request, commit: str) -> Reply:
        self.need("read")
        assert request.one("sort") == "recentupdate"
        shown = [_status(status) for status in self.statuses.get(commit, ())]
        return self.paged(request, shown, "limit")

    def set_status(self, request: Request, commit: str) -> Reply:
        self.need("write")
        if not self.has_commit(commit):
            raise Refused(404, "object does not exist")
        body = request.body
        status = Status(
            body["state"], body.get("description", ""), body.get("context", "default"),
            body.get("target_url", ""),
        )  # fmt: skip
        self.add_status(commit, status, 65_536)
        return Reply(201, _status(status))

    def labels(self, request: Request) -> Reply:
        self.need("read")
        return self.paged(request, [self._label(name) for name in self.label_ids], "limit")

    def add_label(self, request: Request) -> Reply:
        self.need("write")
        if not request.body["color"].startswith("#"):
            raise Refused(422, "invalid color")
        self.label_ids[request.body["name"]] = len(self.label_ids) + 1
        return Reply(201, self._label(request.body["name"]))

    def label_issue(self, request: Request, number: str) -> Reply:
        """By ids or by names; a name that is none of the repository's is passed over."""
        self.need("write")
        pull, wanted = self.known(number), request.body["labels"]
        if isinstance(wanted[0], int):
            wanted = self._names(wanted)
        elif not self.takes_label_names:
            raise Refused(422, "json: cannot unmarshal string into Go value of type int64")
        known = [name for name in wanted if name in self.label_ids]
        pull.labels = list(dict.fromkeys(pull.labels + known))
        self.touch(pull)
        return Reply(200, [self._label(name) for name in pull.labels])

    def _label(self, name: str) -> dict[str, Any]:
        number = self.label_ids.setdefault(name, len(self.label_ids) + 1)
        return {"id": number, "name": name}

    def _names(self, ids: list[int]) -> list[str]:
        return [name for name, number in self.label_ids.items() if number in ids]

    def shape(self, pull: Pull) -> dict[str, Any]:
        merged = pull.state == "merged"
        home = {"full_name": self.project, "default_merge_style": self.style}
        return {
            "number": pull.number,
            "html_url": f"{self.url}/team/models/pulls/{pull.number}",
            "state": "open" if pull.state == "open" else "closed",
            "title": pull.title,
            "body": pull.body,
            "labels": [self._label(name) for name in pull.labels],
            "requested_reviewers": [{"login": name} for name in pull.reviewers] or None,
            "head": {"ref": pull.branch, "sha": pull.head, "repo_id": 2 if pull.fork else 1},
            "base": {
                "ref": pull.base,
                "sha": sha("main"),
                "repo_id": 1,
                "repo": home,
            },
            "closed_at": None if pull.state == "open" else _time(_ended(pull)),
            "merged": merged,
            "merged_by": {"login": pull.by} if merged else None,
            "merge_commit_sha": pull.commit,
        }


def _ended(pull: Pull) -> int:
    return next((event.at for event in pull.events if event.kind == "close"), pull.updated)


def _time(tick: int) -> str:
    """Two minutes from one thing that people do to the next."""
    return (datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=2 * tick)).isoformat()


def _status(status: Status) -> dict[str, Any]:
    return {
        "status": status.state,
        "description": status.description,
        "context": status.context,
        "target_url": status.link,
    }
