"""Bitbucket Cloud's REST API 2.0 for pull requests.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/
https://developer.atlassian.com/cloud/bitbucket/rest/intro/#filtering
"""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar

from tests.servers.forges.base import ForgeServer, Pull, Refused, Reply, Request, Status
from tests.servers.forges.bitbucket import replace_status

_REPO = "/repositories/team/models"
_PULLS = f"{_REPO}/pullrequests"
_STATES = {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"}


class BitbucketCloudServer(ForgeServer):
    provider = "bitbucket-cloud"
    api_path = "/2.0"
    page_size = 50
    names_existing = True  # by changing it
    description = "bitbucket-cloud.json"
    undescribed = frozenset(
        {"q", "sort", "page", "pagelen", "fields"}
    )  # of every list, see the intro
    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        f"GET {_PULLS}": "list",
        f"POST {_PULLS}": "create",
        rf"GET {_PULLS}/(\d+)": "show",
        rf"PUT {_PULLS}/(\d+)": "edit",
        rf"POST {_PULLS}/(\d+)/decline": "do_decline",
        rf"GET {_PULLS}/(\d+)/comments": "comments",
        rf"POST {_PULLS}/(\d+)/comments": "add_comment",
        rf"GET {_REPO}/commit/([0-9a-f]{{40}})/statuses/build/(.+)": "show_status",
        rf"POST {_REPO}/commit/([0-9a-f]{{40}})/statuses/build": "set_status",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.refuses_second = False
        self.names_scopes = True

    def person(self, name: str) -> str:
        return f"{{{name}}}"

    @property
    def sent_token(self) -> str:
        if self.username is None:
            return self.token
        return base64.b64encode(f"{self.username}:{self.token}".encode()).decode()

    def authorized(self, request: Request) -> bool:
        scheme = "Basic" if self.username else "Bearer"
        return request.headers.get("Authorization") == f"{scheme} {self.sent_token}"

    def need(self, level: str) -> None:
        if level == "write" and self.level == "unscoped":
            raise Refused(
                403, "Your credentials lack one or more required privilege scopes.",
                detail={"granted": ["repository"], "required": ["pullrequest:write"]},
            )  # fmt: skip
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"type": "error", "error": {"message": message, **more}}

    def repository(self, request: Request) -> Reply:
        self.need("read")
        scopes = "repository:write, pullrequest:write"
        if self.level in {"read", "unscoped"}:
            scopes = "repository, pullrequest"
        headers = {"X-OAuth-Scopes": scopes} if self.names_scopes else {}
        return Reply(200, {"type": "repository", "full_name": self.project}, headers)

    def list(self, request: Request) -> Reply:
        self.need("read")
        states = request.query.get("state", ["OPEN"])
        pulls = [pull for pull in self.listed() if _STATES[pull.state] in states]
        if query := request.one("q"):
            found = re.fullmatch(r'source\.branch\.name = "([^"]+)"', query)
            if not found:
                raise Refused(400, f"Invalid query: {query}")
            pulls = [pull for pull in pulls if pull.branch == found[1]]
        if request.one("sort") == "-created_on":
            pulls = sorted(pulls, key=lambda pull: -pull.number)
        shown = [self.shape(pull) for pull in pulls]
        for pull, item in zip(pulls, shown, strict=True):
            if request.one("fields") == "+values.reviewers":
                item["reviewers"] = [_account(name) for name in pull.reviewers]
        return self._page(request, shown)

    def _page(self, request: Request, items: list[Any]) -> Reply:
        size = min(int(request.one("pagelen", "10")), self.page_size)
        page = int(request.one("page", "1"))
        data: dict[str, Any] = {"values": items[(page - 1) * size : page * size], "page": page}
        if len(items) > page * size:
            data["next"] = f"{self.url}{request.path}?page={page + 1}"
        return Reply(200, data)

    def create(self, request: Request) -> Reply:
        self.need("write")
        body = request.body
        head = body["source"]["branch"]["name"]
        base = body["destination"]["branch"]["name"]
        for side, branch in (("source", head), ("destination", base)):
            if branch not in self.branches:
                raise Refused(400, f"{side}: branch not found", fields={side: ["not found"]})
        names = [one.get("uuid", "").strip("{}") for one in body.get("reviewers", [])]
        if unknown := [name for name in names if name not in self.people]:
            raise Refused(
                400, "reviewers: Malformed reviewers list",
                fields={"reviewers": [f"{unknown[0]} is not a user"]},
            )  # fmt: skip
        existing = self.open_pull(head, base)
        if existing and self.refuses_second:
            raise Refused(400, "There is already an open pull request between these branches")
        if existing:
            existing.title, existing.body = body["title"], body.get("description", "")
            return Reply(201, self.shape(existing, whole=True))
        pull = self.add(
            branch=head, base=base, title=body["title"], body=body.get("description", ""),
            draft=body.get("draft", False), reviewers=names,
        )  # fmt: skip
        return Reply(201, self.shape(pull, whole=True))

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number), whole=True))

    def edit(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if pull.state != "open":
            raise Refused(400, "Only open pull requests can be mutated")
        body = request.body  # what is not named is taken away
        pull.title, pull.body = body["title"], body.get("description", "")
        pull.reviewers = [one["uuid"].strip("{}") for one in body.get("reviewers", [])]
        pull.draft = body.get("draft", False)
        self.touch(pull)
        return Reply(200, self.shape(pull, whole=True))

    def do_decline(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if pull.state != "open":
            raise Refused(400, "This pull request is already closed.")
        self.decline(pull.number, by="bridge")
        return Reply(200, self.shape(pull, whole=True))

    def comments(self, request: Request, number: str) -> Reply:
        self.need("read")
        said = [
            {"type": "comment", "user": _account(who), "content": {"raw": text}, "deleted": False}
            for who, text in reversed(self.known(number).comments)
        ]
        return self._page(request, said)

    def add_comment(self, request: Request, number: str) -> Reply:
        self.need("write")
        self.say(self.known(number), "bridge", request.body["content"]["raw"])
        return Reply(201, {"type": "comment", "content": request.body["content"]})

    def show_status(self, request: Request, commit: str, key: str) -> Reply:
        self.need("read")
        for status in self.latest_statuses(commit):
            if status.context == key:
                return Reply(200, _status(status))
        raise Refused(404, f"BuildStatus {key} does not exist")

    def set_status(self, request: Request, commit: str) -> Reply:
        """One of the same key is overwritten."""
        self.need("write")
        if not self.has_commit(commit):
            raise Refused(404, f"Commit not found: {commit}")
        body = request.body
        for name, limit in (("key", 40), ("url", 2048), ("state", 20)):
            if not 0 < len(body.get(name) or "") <= limit:
                raise Refused(400, "Bad request", fields={name: ["is not valid"]})
        status = replace_status(self, commit, body, 1024)
        return Reply(201, _status(status))

    def shape(self, pull: Pull, whole: bool = False) -> dict[str, Any]:
        home = {"type": "repository", "full_name": self.project}
        fork = {"type": "repository", "full_name": "stranger/models"}
        page = f"{self.url}/team/models/pull-requests/{pull.number}"
        shown: dict[str, Any] = {
            "type": "pullrequest",
            "id": pull.number,
            "links": {"html": {"href": page}},
            "state": _STATES[pull.state],
            "title": pull.title,
            "summary": {"raw": pull.body},
            "draft": pull.draft,
            "source": {
                "branch": {"name": pull.branch},
                "commit": {"hash": pull.head[:12]},
                "repository": fork if pull.fork else home,
            },
            "destination": {"branch": {"name": pull.base}, "repository": home},
            "reason": "",
        }
        if whole:
            shown["reviewers"] = [_account(name) for name in pull.reviewers]
        if pull.commit:
            shown["merge_commit"] = {"hash": pull.commit[:12]}
        if pull.by:
            shown["closed_by"] = _account(pull.by)
        return shown


def _status(status: Status) -> dict[str, Any]:
    return {
        "type": "build",
        "key": status.context,
        "name": status.name,
        "state": status.state,
        "description": status.description,
        "url": status.link,
    }


def _account(name: str) -> dict[str, Any]:
    return {"type": "user", "uuid": f"{{{name}}}", "display_name": name}


class BitbucketCloudWithPassword(BitbucketCloudServer):
    """With an API token or app password, which go with a user's name."""

    username = "bridge@example.com"
