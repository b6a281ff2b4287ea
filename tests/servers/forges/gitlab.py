"""GitLab's REST API for merge requests, and its GraphQL query for users.

https://docs.gitlab.com/api/merge_requests/ · https://docs.gitlab.com/api/notes/
https://docs.gitlab.com/api/graphql/reference/#queryusers
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.servers.forges.base import ForgeServer, Pull, Refused, Reply, Request, Status

_PROJECT = "/projects/team/models"
_MRS = f"{_PROJECT}/merge_requests"
_STATES = {"open": "opened", "merged": "merged", "closed": "closed"}


class GitLabServer(ForgeServer):
    provider = "gitlab"
    api_path = "/api/v4"
    description = "gitlab.json"
    etags = True
    drops_auto_merge = True
    separate_features = 1  # one query for the ids of reviewers and assignees
    names_existing = True
    routes: ClassVar[dict[str, str]] = {
        f"GET {_PROJECT}": "show_project",
        f"GET {_MRS}": "list",
        f"POST {_MRS}": "create",
        rf"GET {_MRS}/(\d+)": "show",
        rf"PUT {_MRS}/(\d+)": "edit",
        rf"PUT {_MRS}/(\d+)/merge": "do_merge",
        rf"POST {_MRS}/(\d+)/cancel_merge_when_pipeline_succeeds": "cancel_merge",
        rf"GET {_MRS}/(\d+)/notes": "notes",
        rf"POST {_MRS}/(\d+)/notes": "add_note",
        rf"GET {_PROJECT}/repository/commits/([0-9a-f]{{40}})/statuses": "list_statuses",
        rf"POST {_PROJECT}/statuses/([0-9a-f]{{40}})": "set_status",
        "GET /version": "show_version",
        "GET /personal_access_tokens/self": "own_token",
        "POST /api/graphql": "graphql",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.version = "17.2.1-ee"
        self.carried_out: list[str] = []  # quick actions found in texts

    @property
    def location(self) -> str:
        return "team%2Fmodels"

    def authorized(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def need(self, level: str) -> None:
        if level == "write" and self.level == "unscoped":
            raise Refused(
                403, "The request requires higher privileges than provided by the access token.",
                error="insufficient_scope", scope="api",
            )  # fmt: skip
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        if "error" in more:
            return {"error_description": message, **more}
        names = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Project Not Found"}
        plain = (
            names.get(status, message)
            if message != "trouble" and "sent" not in message
            else message
        )
        return {"message": [plain] if status == 409 else plain}

    def show_project(self, request: Request) -> Reply:
        self.need("read")
        level = {"read": 20}.get(self.level, 30)
        allowed = {"project_access": {"access_level": level}, "group_access": None}
        return Reply(200, {"id": 1, "permissions": allowed})

    def show_version(self, request: Request) -> Reply:
        return Reply(200, {"version": self.version, "revision": "0123abcd"})

    def own_token(self, request: Request) -> Reply:
        return Reply(200, {"scopes": ["read_api"] if self.level == "unscoped" else ["api"]})

    def list(self, request: Request) -> Reply:
        self.need("read")
        state = request.one("state", "all")
        pulls = [p for p in self.listed() if state == "all" or _STATES[p.state] == state]
        if branch := request.one("source_branch"):
            pulls = [pull for pull in pulls if pull.branch == branch]
        if request.one("order_by", "created_at") == "created_at":
            pulls = sorted(pulls, key=lambda pull: -pull.number)
        return self.paged(request, [self.shape(pull) for pull in pulls], "per_page")

    def create(self, request: Request) -> Reply:
        self.need("write")
        body = request.body
        for name in ("source_branch", "target_branch", "title"):
            if not body.get(name):
                raise Refused(400, f"{name} is missing", error=f"{name} is missing")
        head, base = body["source_branch"], body["target_branch"]
        if head not in self.branches:
            raise Refused(400, 'source_branch "does not exist"')
        if existing := self.open_pull(head, base):
            raise Refused(
                409, "Another open merge request already exists for this source branch: "
                f"!{existing.number}",
            )  # fmt: skip
        draft, title = _draft(body["title"])
        pull = self.add(
            branch=head, base=base, title=title, body=body.get("description") or "", draft=draft,
            labels=[name for name in body.get("labels", "").split(",") if name],
            reviewers=self._names(body.get("reviewer_ids", [])),
            assignees=self._names(body.get("assignee_ids", [])),
        )  # fmt: skip
        self._act(pull.body)
        return Reply(201, self.shape(pull))

    def list_statuses(self, request: Request, commit: str) -> Reply:
        self.need("read")
        self._found(commit)
        wanted = request.one("name")
        shown = [
            _status(status) for status in self.latest_statuses(commit)
            if wanted in {"", status.context}
        ]  # fmt: skip
        return self.paged(request, shown, "per_page")

    def set_status(self, request: Request, commit: str) -> Reply:
        """A job that is pending stays as it is until it has ended."""
        self.need("write")
        self._found(commit)
        body = request.body
        status = Status(
            body["state"], body.get("description", ""), body["name"], body.get("target_url")
        )
        before = next((s for s in self.latest_statuses(commit) if s.context == body["name"]), None)
        if before and before.state == status.state == "pending":
            raise Refused(
                400, "Cannot transition status via :enqueue from :pending (Reason(s): Status "
                'cannot transition via "enqueue")',
            )  # fmt: skip
        self.add_status(commit, status, 255)
        return Reply(201, _status(status))

    def _found(self, commit: str) -> None:
        if not self.has_commit(commit):
            raise Refused(404, "404 Commit Not Found")

    def _act(self, text: str) -> None:
        self.carried_out += re.findall(r"^/(\w+)", text, re.MULTILINE)

    def _names(self, ids: list[int]) -> list[str]:
        return [name for name in sorted(self.people) if _id(name) in ids]

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number)))

    def edit(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if request.body.get("state_event") == "close":
            if pull.state == "open":
                self.decline(pull.number, by="bridge")
            return Reply(200, self.shape(pull))
        if "title" in request.body:
            pull.draft, pull.title = _draft(request.body["title"])
        pull.body = request.body.get("description", pull.body)
        self._act(pull.body)
        added = [name for name in request.body.get("add_labels", "").split(",") if name]
        pull.labels = [*pull.labels, *(name for name in added if name not in pull.labels)]
        self.touch(pull)
        return Reply(200, self.shape(pull))

    def do_merge(self, request: Request, number: str) -> Reply:
        if self.level != "write":
            raise Refused(401, "401 Unauthorized")
        pull = self.known(number)
        if request.body["sha"] != pull.head:
            raise Refused(409, "SHA does not match HEAD of source branch")
        if pull.draft or not self.auto_merge_allowed:
            raise Refused(405, "Method Not Allowed")
        assert request.body["auto_merge"] is True
        if self.checks_pending:
            pull.auto_merge = pull.head
        else:
            self.merge(pull.number, by="bridge")
        return Reply(200, self.shape(pull))

    def cancel_merge(self, request: Request, number: str) -> Reply:
        """Answers 201 whatever there was: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/255702"""
        self.need("write")
        there, self.known(number).auto_merge = self.known(number).auto_merge, None
        return Reply(201, {"status": "success" if there else "error"})

    def notes(self, request: Request, number: str) -> Reply:
        self.need("read")
        said = [
            {"author": {"username": who}, "body": text or kind, "system": kind != "comment"}
            for kind, who, text, *_ in reversed(self.known(number).events)
        ]
        return self.paged(request, said, "per_page")

    def add_note(self, request: Request, number: str) -> Reply:
        self.need("write")
        self._act(request.body["body"])
        body = request.body["body"]
        self.say(self.known(number), "bridge", body)
        return Reply(201, {"body": body, "author": {"username": "bridge"}, "system": False})

    def graphql(self, request: Request) -> Reply:
        self.need("read")
        names = [n for n in request.body["variables"]["names"] if n in self.people]
        nodes = [{"id": f"gid://gitlab/User/{_id(name)}", "username": name} for name in names]
        return Reply(200, {"data": {"users": {"nodes": nodes}}})

    def shape(self, pull: Pull) -> dict[str, Any]:
        merged = pull.state == "merged"
        squash = merged and pull.commit != pull.head and pull.number % 2
        return {
            "iid": pull.number,
            "web_url": f"{self.url}/team/models/-/merge_requests/{pull.number}",
            "state": _STATES[pull.state],
            "source_branch": pull.branch,
            "target_branch": pull.base,
            "source_project_id": 2 if pull.fork else 1,
            "target_project_id": 1,
            "sha": pull.head,
            "title": f"Draft: {pull.title}" if pull.draft else pull.title,
            "description": pull.body,
            "draft": pull.draft,
            "labels": pull.labels,
            "merge_commit_sha": None if squash or pull.commit == pull.head else pull.commit,
            "squash_commit_sha": pull.commit if squash else None,
            "merge_user": {"username": pull.by} if merged else None,
            "closed_by": {"username": pull.by} if pull.state == "closed" else None,
        }


def _status(status: Status) -> dict[str, Any]:
    return {
        "status": status.state,
        "description": status.description or None,
        "name": status.context,
        "target_url": status.link,
    }


def _id(name: str) -> int:
    return 100 + sum(name.encode())


def _draft(title: str) -> tuple[bool, str]:
    found = re.match(r"(\[Draft\]|\(Draft\)|Draft:)\s*", title, re.IGNORECASE)
    return bool(found), title[found.end() :] if found else title
