"""GitHub's REST API for pull requests, and its one GraphQL mutation for auto-merge.

https://docs.github.com/en/rest/pulls/pulls · https://docs.github.com/en/rest/issues/issues
https://docs.github.com/en/graphql/reference/mutations#enablepullrequestautomerge
https://docs.github.com/en/graphql/reference/mutations#convertpullrequesttodraft
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.servers.forges.base import ForgeServer, Pull, Refused, Reply, Request, Status, sha

_REPO = "/repos/team/models"


class GitHubServer(ForgeServer):
    provider = "github"
    api_path = "/api/v3"
    etags = True
    separate_features = 3
    completes_later = True
    closes_with_branch = True
    description = "github.json"
    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        f"GET {_REPO}/pulls": "list",
        f"POST {_REPO}/pulls": "create",
        rf"GET {_REPO}/pulls/(\d+)": "show",
        rf"PATCH {_REPO}/pulls/(\d+)": "edit",
        rf"PUT {_REPO}/pulls/(\d+)/merge": "do_merge",
        rf"POST {_REPO}/pulls/(\d+)/requested_reviewers": "ask_review",
        rf"GET {_REPO}/issues/(\d+)": "issue",
        rf"PATCH {_REPO}/issues/(\d+)": "edit_issue",
        rf"POST {_REPO}/issues/(\d+)/labels": "add_labels",
        rf"POST {_REPO}/issues/(\d+)/assignees": "assign",
        rf"GET {_REPO}/issues/(\d+)/comments": "comments",
        rf"POST {_REPO}/issues/(\d+)/comments": "add_comment",
        rf"GET {_REPO}/commits/([0-9a-f]{{40}})/status": "combined_status",
        rf"POST {_REPO}/statuses/([0-9a-f]{{40}})": "set_status",
        f"GET {_REPO}/installation": "installation",
        r"POST /app/installations/(\d+)/access_tokens": "mint",
        "POST /api/graphql": "graphql",
    }

    def __init__(self, branches: Any = None) -> None:
        super().__init__(branches)
        self.version: str | None = None  # of an Enterprise Server
        self.methods = {"MERGE", "SQUASH", "REBASE"}
        self.now = 1_700_000_000.0
        self.minted = 0
        self.app_key: str | None = None
        """The App's public key; with it the token is one minted for the installation."""

    def authorized(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not request.headers.get("User-Agent"):
            return False
        if self.app_key is None:
            return token == self.token
        if "/app/" in request.path or request.path.endswith("/installation"):
            return self._signed(token)
        return self.minted > 0 and token == f"ghs_{self.minted}" and self.now < self.expires

    def _signed(self, token: str) -> bool:
        import jwt

        options = {"verify_exp": False, "verify_iat": False}
        try:
            claims = jwt.decode(token, self.app_key or "", algorithms=["RS256"], options=options)
        except jwt.PyJWTError:
            return False
        lives = claims["exp"] - claims["iat"]
        return claims["iss"] == "12345" and lives <= 600 and claims["iat"] <= self.now

    def need(self, level: str) -> None:
        if level == "write" and self.level == "unscoped":
            raise Refused(403, "Resource not accessible by personal access token")
        super().need(level)

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"message": message, "documentation_url": "https://docs.github.com/rest", **more}

    def installation(self, request: Request) -> Reply:
        return Reply(200, {"id": 77})

    def mint(self, request: Request, installation: str) -> Reply:
        if installation != "77":
            raise Refused(404, "Not Found")
        self.minted += 1
        self.expires = self.now + 3600
        from datetime import datetime, timezone

        expires = datetime.fromtimestamp(self.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Reply(201, {"token": f"ghs_{self.minted}", "expires_at": expires})

    def repository(self, request: Request) -> Reply:
        self.need("read")
        write = self.level == "write"
        allowed = {"admin": False, "maintain": False, "push": write, "triage": write, "pull": True}
        return Reply(
            200,
            {"full_name": self.project, "default_branch": "main", "permissions": allowed},
            {"X-GitHub-Enterprise-Version": self.version} if self.version else {},
        )

    def list(self, request: Request) -> Reply:
        self.need("read")
        pulls = self.listed()
        state = request.one("state", "open")
        if state != "all":
            pulls = [pull for pull in pulls if (pull.state == "open") == (state == "open")]
        if head := request.one("head"):
            owner, _, branch = head.partition(":")
            pulls = [p for p in pulls if p.branch == branch and _owner(p) == owner]
        if request.one("sort", "created") == "created":
            pulls = sorted(pulls, key=lambda pull: -pull.number)
        return self.paged(request, [self.shape(pull, listed=True) for pull in pulls], "per_page")

    def create(self, request: Request) -> Reply:
        self.need("write")
        body = request.body
        head, base = body["head"], body["base"]
        problem = None
        if body.get("draft") and not self.drafts_allowed:
            raise Refused(422, "Draft pull requests are not supported in this repository.")
        if head not in self.branches:
            problem = {"field": "head", "code": "invalid"}
        elif base not in self.branches:
            problem = {"field": "base", "code": "invalid"}
        elif self.open_pull(head, base):
            problem = {
                "code": "custom",
                "message": f"A pull request already exists for team:{head}.",
            }
        elif self.branches[head] == self.branches[base]:
            problem = {"code": "custom", "message": f"No commits between {base} and {head}"}
        if len(body.get("body") or "") > 65_536:
            problem = {"field": "body", "code": "custom", "message": "body is too long"}
        if problem:
            error = {"resource": "PullRequest", **problem}
            raise Refused(422, "Validation Failed", errors=[error])
        pull = self.add(
            branch=head, base=base, title=body["title"], body=body.get("body"),
            draft=body.get("draft", False),
        )  # fmt: skip
        return Reply(201, self.shape(pull))

    def show(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self.shape(self.known(number)))

    def edit(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        if request.body.get("state") == "closed" and pull.state == "open":
            self.decline(pull.number, by="bridge")
        return Reply(200, self.shape(pull))

    def do_merge(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        method = request.body.get("merge_method", "merge")
        if method.upper() not in self.methods:
            raise Refused(405, f"{_NAMES[method.upper()]} are not allowed on this repository.")
        if request.body["sha"] != pull.head:
            raise Refused(409, "Head branch was modified. Review and try the merge again.")
        if pull.draft or pull.state != "open":
            raise Refused(405, "Pull Request is not mergeable")
        commit = self.merge(pull.number, by="bridge", how=method)
        return Reply(200, {"sha": commit, "merged": True, "message": "merged"})

    def ask_review(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        names = request.body.get("reviewers", [])
        if any(name not in self.people or name == pull.author for name in names):
            raise Refused(
                422, "Reviews may only be requested from collaborators. One or more of the users "
                "or teams you specified is not a collaborator of the team/models repository."
            )  # fmt: skip
        pull.reviewers += names + request.body.get("team_reviewers", [])
        return Reply(201, self.shape(pull, listed=True))

    def issue(self, request: Request, number: str) -> Reply:
        self.need("read")
        return Reply(200, self._issue(self.known(number)))

    def _issue(self, pull: Pull) -> dict[str, Any]:
        return {
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "state": "open" if pull.state == "open" else "closed",
            "labels": [{"name": name} for name in pull.labels],
            "comments": len(pull.comments),
            "closed_by": {"login": pull.by} if pull.by else None,
        }

    def edit_issue(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        pull.title = request.body.get("title", pull.title)
        pull.body = request.body.get("body", pull.body)
        pull.labels = list(request.body.get("labels", pull.labels))
        self.touch(pull)
        return Reply(200, self._issue(pull))

    def add_labels(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        pull.labels = list(dict.fromkeys(pull.labels + request.body["labels"]))
        self.touch(pull)
        return Reply(200, [{"name": name} for name in pull.labels])

    def assign(self, request: Request, number: str) -> Reply:
        self.need("write")
        pull = self.known(number)
        pull.assignees += [name for name in request.body["assignees"] if name in self.people]
        return Reply(201, self._issue(pull))

    def comments(self, request: Request, number: str) -> Reply:
        self.need("read")
        said = [{"user": {"login": who}, "body": text} for who, text in self.known(number).comments]
        return self.paged(request, said, "per_page")

    def add_comment(self, request: Request, number: str) -> Reply:
        self.need("write")
        self.say(self.known(number), "bridge", request.body["body"])
        return Reply(201, {"body": request.body["body"]})

    def combined_status(self, request: Request, commit: str) -> Reply:
        self.need("read")
        self._found(commit)
        shown = [_status(status) for status in self.latest_statuses(commit)]
        return Reply(200, {"state": "pending", "sha": commit, "statuses": shown})

    def set_status(self, request: Request, commit: str) -> Reply:
        self.need("write")
        self._found(commit)
        body = request.body
        context = body.get("context", "default")
        if len([one for one in self.statuses.get(commit, ()) if one.context == context]) >= 1000:
            problem = "This SHA and context has reached the maximum number of statuses."
            error = {"resource": "Status", "code": "custom", "message": problem}
            raise Refused(422, "Validation Failed", errors=[error])
        status = Status(
            body["state"], body.get("description") or "", context, body.get("target_url")
        )
        self.add_status(commit, status, 140)
        return Reply(201, _status(status))

    def _found(self, commit: str) -> None:
        if not self.has_commit(commit):
            raise Refused(422, f"No commit found for SHA: {commit}")

    def graphql(self, request: Request) -> Reply:
        self.need("read")
        query, given = request.body["query"], request.body["variables"]
        pull = self.known(given["id"].removeprefix("PR_"))
        (name,) = re.findall(
            "convertPullRequestToDraft|markPullRequestReadyForReview|"
            "enablePullRequestAutoMerge|disablePullRequestAutoMerge",
            query,
        )
        if name == "disablePullRequestAutoMerge":
            return self._disable(pull)
        if name != "enablePullRequestAutoMerge":
            return self._set_draft(pull, name)
        problem = None
        if self.level != "write":
            problem = "Resource not accessible by personal access token"
        elif not self.auto_merge_allowed:
            problem = "Pull request Auto merge is not allowed for this repository"
        elif given["method"] not in self.methods:
            problem = f"Merge method {_NAMES[given['method']]} are not allowed on this repository"
        elif given["head"] != pull.head:
            problem = "Expected head sha didn't match current head ref."
        elif not self.checks_pending:
            problem = "Pull request Pull request is in clean status"
        if problem:
            error = {"type": "UNPROCESSABLE", "message": problem}
            return Reply(200, {"data": {"enablePullRequestAutoMerge": None}, "errors": [error]})
        pull.auto_merge = given["head"]
        return Reply(200, {"data": {"enablePullRequestAutoMerge": {"clientMutationId": None}}})

    def _disable(self, pull: Pull) -> Reply:
        name = "disablePullRequestAutoMerge"
        problem = None
        if self.level != "write":
            problem = "Resource not accessible by personal access token"
        elif pull.auto_merge is None:
            problem = "Can't disable auto-merge for this pull request."
        if problem:
            error = {"type": "UNPROCESSABLE", "message": problem}
            return Reply(200, {"data": {name: None}, "errors": [error]})
        pull.auto_merge = None
        return Reply(200, {"data": {name: {"clientMutationId": None}}})

    def _set_draft(self, pull: Pull, name: str) -> Reply:
        problem = None
        if self.level != "write":
            problem = "Resource not accessible by personal access token"
        elif not self.drafts_allowed:
            problem = "Draft pull requests are not supported in this repository."
        if problem:
            error = {"type": "UNPROCESSABLE", "message": problem}
            return Reply(200, {"data": {name: None}, "errors": [error]})
        pull.draft = name == "convertPullRequestToDraft"
        self.touch(pull)
        return Reply(200, {"data": {name: {"clientMutationId": None}}})

    def shape(self, pull: Pull, listed: bool = False) -> dict[str, Any]:
        home = {"full_name": self.project}
        stamp = f"2026-01-01T00:00:{pull.updated % 60:02}Z"
        shown = {
            "number": pull.number,
            "node_id": f"PR_{pull.number}",
            "html_url": f"{self.url}/team/models/pull/{pull.number}",
            "state": "open" if pull.state == "open" else "closed",
            "title": pull.title,
            "body": pull.body or None,
            "draft": pull.draft,
            "labels": [{"name": name} for name in pull.labels],
            "head": {
                "ref": pull.branch,
                "sha": pull.head,
                "repo": {"full_name": "stranger/models"} if pull.fork else home,
            },
            "base": {"ref": pull.base, "sha": self.branches[pull.base], "repo": home},
            # an open one shows the commit of a test merge here
            "merge_commit_sha": pull.commit or sha(f"test merge {pull.number}"),
            "merged_at": stamp if pull.state == "merged" else None,
            "updated_at": stamp,
        }
        if not listed:
            shown["merged"] = pull.state == "merged"
            shown["auto_merge"] = {"merge_method": "merge"} if pull.auto_merge else None
            shown["merged_by"] = {"login": pull.by} if pull.state == "merged" else None
        return shown


def _status(status: Status) -> dict[str, Any]:
    return {
        "state": status.state,
        "description": status.description or None,
        "context": status.context,
        "target_url": status.link,
    }


def _owner(pull: Pull) -> str:
    return "stranger" if pull.fork else "team"


_NAMES = {"MERGE": "Merge commits", "SQUASH": "Squash merges", "REBASE": "Rebase merges"}
