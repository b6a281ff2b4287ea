"""Azure DevOps' REST API for pull requests.

https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-requests
https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-threads
https://learn.microsoft.com/en-us/rest/api/azure/devops/security/permissions/has-permissions
"""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar

from tests.servers.forges.base import ForgeServer, Pull, Refused, Reply, Request, Status, sha

_REPO = "/team/_apis/git/repositories/models"
_PULLS = f"{_REPO}/pullrequests"
_STATES = {"open": "active", "merged": "completed", "closed": "abandoned"}
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_GIT = "2e9eb7ed-3c0a-47d4-87c1-0222a7b2d9d1"


class AzureDevOpsServer(ForgeServer):
    provider = "azure-devops"
    api_path = "/org"
    description = "azure-devops.json"
    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        rf"GET /_apis/permissions/{_GIT}/(\d+)": "permission",
        f"GET {_PULLS}": "list",
        f"POST {_PULLS}": "create",
        rf"GET {_PULLS}/(\d+)": "show",
        rf"PATCH {_PULLS}/(\d+)": "edit",
        rf"POST {_PULLS}/(\d+)/labels": "add_label",
        rf"GET {_PULLS}/(\d+)/threads": "threads",
        rf"POST {_PULLS}/(\d+)/threads": "add_thread",
        rf"GET {_REPO}/commits/([0-9a-f]{{40}})/statuses": "list_statuses",
        rf"POST {_REPO}/commits/([0-9a-f]{{40}})/statuses": "set_status",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.may_ask_permissions = True

    def person(self, name: str) -> str:
        digest = sha(name)
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))

    def shown(self, name: str) -> str:
        return f"{name}@example.com"

    @property
    def remote(self) -> str:
        return "org/team/_git/models"

    @property
    def sent_token(self) -> str:
        return base64.b64encode(f":{self.token}".encode()).decode()

    def authorized(self, request: Request) -> bool:
        if not request.one("api-version"):
            self.violations.append(f"{request.method} {request.path}: no api-version")
        return request.headers.get("Authorization") == f"Basic {self.sent_token}"

    def need(self, level: str) -> None:
        if level == "write" and self.level == "unscoped":
            raise Refused(401, "TF400813: The user is not authorized to access this resource.")
        if level == "write" and self.level == "read":
            raise Refused(403, "TF401027: You need the Git 'PullRequestContribute' permission")
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"$id": "1", "message": message, "typeKey": "GitException", "errorCode": 0, **more}

    def repository(self, request: Request) -> Reply:
        self.need("read")
        project = {"id": "p-1", "name": "team"}
        return Reply(200, {"id": "r-1", "project": project, "defaultBranch": "refs/heads/main"})

    def permission(self, request: Request, bits: str) -> Reply:
        if not self.may_ask_permissions:
            raise Refused(401, "TF400813: The user is not authorized to access this resource.")
        assert request.one("tokens") == "repoV2/p-1/r-1"
        assert int(bits) in {4, 16384}
        return Reply(200, {"count": 1, "value": [self.level != "read"]})

    def list(self, request: Request) -> Reply:
        self.need("read")
        status = request.one("searchCriteria.status", "active")
        pulls = [p for p in self.listed() if status in {"all", _STATES[p.state]}]
        if ref := request.one("searchCriteria.sourceRefName"):
            pulls = [pull for pull in pulls if f"refs/heads/{pull.branch}" == ref]
        pulls = sorted(pulls, key=lambda pull: -pull.number)
        skip, top = int(request.one("$skip", "0")), int(request.one("$top", "101"))
        shown = [self.shape(pull) for pull in pulls[skip : skip + top]]
        for item in shown:
            item["description"] = item["description"][:400]  # lists shorten it
        return Reply(200, {"count": len(shown), "value": shown})

    def create(self, request: Request) -> Reply:
        if self.level == "unscoped":
            self.need("write")
        body = request.body
        head, base = (
            body[side].removeprefix("refs/heads/") for side in ("sourceRefName", "targetRefName")
        )
        if head == base:
            raise Refused(400, "TF401398: The source and target branch cannot be the same.")
        self.need("write")
        if head not in self.branches:
            raise Refused(400, f"TF401398: refs/heads/{head} does not exist")
        if self.open_pull(head, base):
            raise Refused(
                409, "TF401179: An active pull request for the source and target branch already "
                "exists.",
            )  # fmt: skip
        if len(body["description"]) > 4000 or len(body["title"]) > 400:
            raise Refused(400, "VS403652: A maximum of 4000 characters is allowed")
        pull = self.add(
            branch=head, base=base, title=body["title"], body=body["description"],
            draft=body["isDraft"], labels=[label["name"] for label in body["labels"]],
            reviewers=self._names([one["id"] for one in body.get("reviewers", [])]),
        )  # fmt: skip
        return Reply(201, self.shape(pull))

    def _names(self, ids: list[str]) -> list[str]:
        people = {self.person(name): name for name in self.people}
        for one in ids:
            if not _GUID.fullmatch(one) or one not in people:
                raise Refused(400, f"The identity {one} could not be found.")
        return [people[one] for one in ids]

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number)))

    def edit(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull, body = self.known(number), request.body
        if unknown := set(body) - {
            "title",
            "description",
            "status",
            "autoCompleteSetBy",
            "completionOptions",
            "isDraft",
        }:
            raise Refused(400, f"cannot be updated: {unknown}")
        if pull.state != "open":
            raise Refused(400, "TF401181: The pull request cannot be edited due to its state.")
        pull.title = body.get("title", pull.title)
        pull.body = body.get("description", pull.body)
        pull.draft = body.get("isDraft", pull.draft)
        self.touch(pull)
        if body.get("status") == "abandoned":
            self.decline(pull.number, by="bridge")
        if "autoCompleteSetBy" in body:
            if body["autoCompleteSetBy"]["id"] == "00000000-0000-0000-0000-000000000000":
                pull.auto_merge = None
                return Reply(200, self.shape(pull))
            if body["autoCompleteSetBy"]["id"] != self.person("bridge"):
                raise Refused(400, "Auto-complete can only be set by yourself")
            if pull.draft or not self.auto_merge_allowed:
                raise Refused(400, "auto-complete cannot be set")
            pull.auto_merge = pull.head
            if not self.checks_pending:
                self.merge(pull.number, by="bridge")
        return Reply(200, self.shape(pull))

    def add_label(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        pull.labels.append(request.body["name"])
        self.touch(pull)
        return Reply(200, {"name": request.body["name"], "active": True})

    def threads(self, request: Request, number: str) -> Reply:
        self.need("read")
        threads = []
        for at, (kind, who, text, *_) in enumerate(self.known(number).events):
            comment = {
                "author": self._identity(who),
                "content": text or f"{who} abandoned the pull request",
                "commentType": "text" if kind == "comment" else "system",
                "publishedDate": f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z",
            }
            threads.append({"id": at, "comments": [comment]})
        return Reply(200, {"value": threads[::-1], "count": len(threads)})

    def add_thread(self, request: Request, number: str) -> Reply:
        self.need("write")
        (comment,) = request.body["comments"]
        assert comment["commentType"] == "text"
        assert request.body["status"] == "closed"
        self.say(self.known(number), "bridge", comment["content"])
        return Reply(200, {"id": 1})

    def list_statuses(self, request: Request, commit: str) -> Reply:
        self.need("read")
        assert request.one("latestOnly") == "true"
        shown = [_status(status) for status in self.latest_statuses(commit)]
        return Reply(200, {"count": len(shown), "value": shown})

    def set_status(self, request: Request, commit: str) -> Reply:
        self.need("write")
        if not self.has_commit(commit):
            raise Refused(404, f"VS403670: The commit {commit} could not be found.")
        body = request.body
        context = f"{body['context'].get('genre', '')}/{body['context']['name']}"
        status = Status(body["state"], body.get("description", ""), context, body.get("targetUrl"))
        self.add_status(commit, status, 1024)
        return Reply(201, _status(status))

    def _identity(self, name: str) -> dict[str, str]:
        return {"id": self.person(name), "displayName": name, "uniqueName": self.shown(name)}

    def shape(self, pull: Pull) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "pullRequestId": pull.number,
            "status": _STATES[pull.state],
            "createdBy": self._identity(pull.author),
            "sourceRefName": f"refs/heads/{pull.branch}",
            "targetRefName": f"refs/heads/{pull.base}",
            "title": pull.title,
            "description": pull.body,
            "isDraft": pull.draft,
            "lastMergeSourceCommit": {"commitId": pull.head},
            "lastMergeCommit": {"commitId": pull.commit or sha(f"test merge {pull.number}")},
        }
        if pull.labels:
            shown["labels"] = [{"name": name, "active": True} for name in pull.labels]
        if pull.by:
            shown["closedBy"] = self._identity(pull.by)
        if pull.fork:
            shown["forkSource"] = {"name": "refs/heads/x", "repository": {"id": "r-2"}}
        return shown


def _status(status: Status) -> dict[str, Any]:
    genre, _, name = status.context.partition("/")
    return {
        "state": status.state,
        "description": status.description,
        "context": {"genre": genre, "name": name},
        "targetUrl": status.link,
    }
