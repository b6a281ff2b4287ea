"""GitLab. https://docs.gitlab.com/api/merge_requests/

Takes labels and people at creation, people by id: one GraphQL query turns names into ids. A draft
is a title prefix. What looks like a quick action in a text would be carried out, so it is escaped.
https://docs.gitlab.com/user/project/quick_actions/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Answer, Api, rows, understood
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
    newest,
)
from gitops_bridge.forge.status import latest, needing, reported
from gitops_bridge.forge.telling import told, version_right

_DRAFT = "Draft: "
_DRAFTS = re.compile(r"^(\[Draft\]|\(Draft\)|Draft:)\s*", re.IGNORECASE)
_QUICK_ACTION = re.compile(r"^(\s*)/(?=\w)", re.MULTILINE)
_USERS = "query($names: [String!]) { users(usernames: $names) { nodes { id username } } }"
_STATES: Mapping[str, State] = {"merged": "merged", "closed": "closed"}
_OUTCOMES = {"pending": "pending", "success": "success", "failure": "failed"}
_DEVELOPER = 30
_SCOPE = "a personal, group or project access token with scope api and the role Developer"


@understood
class GitLab:
    provider = "gitlab"
    limits = Limits(title=255, body=1_048_576)
    features = frozenset({"draft", "labels", "reviewers", "assignees", "auto-merge"})
    unseen = frozenset({"body"})
    headers: Mapping[str, str] = {}
    hints: Mapping[int, str] = {
        401: f"the GitLab token is wrong, has expired or lacks the scope; it takes {_SCOPE}",
        403: f"the GitLab token lacks a right; it takes {_SCOPE}",
        404: "GitLab shows no such repository to this token: check its path and the token's access",
    }

    @staticmethod
    def authorize(token: str, username: str | None) -> dict[str, str]:
        """Every kind of access token goes as a bearer; raises ForgeError for a CI job's token,
        which has no access to merge requests: https://docs.gitlab.com/ci/jobs/ci_job_token/"""
        if token.startswith("glcbt-"):
            raise ForgeError("a CI job token cannot open merge requests", hint=f"it takes {_SCOPE}")
        return {"Authorization": f"Bearer {token}"}

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._project = f"projects/{project}"
        self._path = f"projects/{project}/merge_requests"

    def find(self, branch: str) -> PullRequest | None:
        found = self._api.get(
            self._path, source_branch=branch, state="all", order_by="created_at", sort="desc",
            per_page=100,
        )  # fmt: skip
        return newest(_own(found), branch)

    def create(self, proposal: Proposal) -> PullRequest:
        warnings: list[str] = []
        ids = self._ids(proposal, warnings)
        body = {
            **self._text(proposal, proposal.draft),
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
            "labels": ",".join(proposal.labels),
        }
        people = {
            "reviewer_ids": [ids[name] for name in proposal.reviewers if name in ids],
            "assignee_ids": [ids[name] for name in proposal.assignees if name in ids],
        }
        answer, refused = post(self._api, self._path, body, people, _exists)
        if answer.problem is not None:
            return self.update(self._existing(proposal.branch, answer), proposal)
        return replace(_pull(answer.data), warnings=(*refused, *warnings))

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        def write(wanted: Proposal) -> PullRequest:
            body = {**self._text(wanted, pull.draft), "add_labels": ",".join(wanted.labels)}
            if proposal.title == pull.title:  # it carries the draft mark
                del body["title"]
            return _pull(self._api.ask("PUT", f"{self._path}/{pull.number}", body=body).data)

        return changed(write, self.look, pull, proposal)

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        return pull

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        title = cut((_DRAFT if draft else "") + pull.title, self.limits.title)
        path = f"{self._path}/{pull.number}"
        return _pull(self._api.ask("PUT", path, body={"title": title}).data)

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        answer = self._api.ask("GET", f"{self._path}/{number}", etag=etag)
        return None if answer.status == 304 else _pull(answer.data, answer.etag)

    def recent(self, prefix: str) -> list[PullRequest]:
        listing = {"order_by": "updated_at", "sort": "desc", "per_page": 100}
        pages = self._api.pages(self._path, state="opened", **listing)
        found = [item for page in pages for item in page]
        found += self._api.get(self._path, state="all", **listing)
        pulls = {pull.number: pull for pull in _own(found) if pull.branch.startswith(prefix)}
        return list(pulls.values())

    def comment(self, pull: PullRequest, text: str) -> None:
        body = {"body": _inert(cut(text, self.limits.body))}
        self._api.ask("POST", f"{self._path}/{pull.number}/notes", body=body)

    def closing(self, pull: PullRequest) -> Closing:
        by = told(
            lambda: self._api.get(f"{self._path}/{pull.number}")["closed_by"]["username"], None
        )
        return Closing(by, told(lambda: self._last_note(pull.number, by), None) if by else None)

    def _last_note(self, number: int, by: str) -> str | None:
        path = f"{self._path}/{number}/notes"
        for notes in self._api.pages(path, sort="desc", order_by="created_at", per_page=100):
            for note in notes:
                if not note["system"] and note["author"]["username"] == by:
                    return str(note["body"])
        return None

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        if comment:
            self.comment(pull, comment)
        path, body = f"{self._path}/{pull.number}", {"state_event": "close"}
        ended(lambda: self._api.ask("PUT", path, body=body), self.look, pull)

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        """`auto_merge` since GitLab 17.11, the longer name before. 405: not mergeable or not
        checked yet, as for some seconds after creation; 409: the head moved."""
        body = {"sha": head_sha, "auto_merge": True, "merge_when_pipeline_succeeds": True}
        answer = self._api.ask(
            "PUT", f"{self._path}/{pull.number}/merge", body=body,
            tolerate=frozenset({401, 405, 409, 422}),
        )  # fmt: skip
        if answer.problem is None:
            return
        hints = {
            401: "the token's user may not merge into this branch",
            405: "GitLab cannot merge it yet: a draft, a conflict or a check under way",
        }
        raise ForgeError(
            f"{pull.url}: auto-merge: {answer.problem.message}",
            hint=hints.get(answer.status, "the branch moved: look again"),
            retry=answer.status != 401,
        )

    def disable_auto_merge(self, pull: PullRequest) -> None:
        """405: it was merged; 406 and, in newer versions, 201: there was none."""
        path = f"{self._path}/{pull.number}/cancel_merge_when_pipeline_succeeds"
        self._api.ask("POST", path, tolerate=frozenset({405, 406}))

    def report(self, commit: str, status: CommitStatus) -> None:
        """A job of an external pipeline. One that is pending cannot become pending anew: GitLab
        keeps its description. https://gitlab.com/gitlab-org/gitlab-foss/-/issues/25807"""
        context = cut(status.context, 255)
        with needing(_SCOPE):
            listed = self._api.get(
                f"{self._project}/repository/commits/{commit}/statuses", name=context, per_page=100
            )
        state = _OUTCOMES[status.state]
        shown = latest(listed, "name", context)
        if shown and shown["status"] == state == "pending":
            return
        reported(
            self._api, f"{self._project}/statuses/{commit}",
            {"state": state, "description": cut(status.description, 255), "name": context,
             "target_url": status.link},
            shown and {**shown, "state": shown["status"]}, right=_SCOPE,
        )  # fmt: skip

    def rights(self) -> tuple[Right, ...]:
        """The role from the project, the scopes from the token's own description."""
        permissions = self._api.get(self._project).get("permissions") or {}
        levels = [access["access_level"] for access in permissions.values() if access]
        role = max(levels) >= _DEVELOPER if levels else None
        own = self._api.ask(
            "GET", "personal_access_tokens/self", tolerate=frozenset({401, 403, 404})
        )
        scoped = None if own.problem else "api" in own.data["scopes"]
        granted = False if False in {role, scoped} else role and scoped
        return (
            version_right(told(lambda: self._api.get("version")["version"], None), "15.0"),
            Right("push branches", role, "the role Developer; the branch not protected for it"),
            Right("propose pull requests", granted, _SCOPE),
            Right("set labels", granted, _SCOPE),
            Right("report commit statuses", granted, _SCOPE, needed=False),
        )

    def _existing(self, branch: str, answer: Answer) -> PullRequest:
        """GitLab's refusal names it: "Another open merge request already exists …: !12"."""
        if named := re.search(r"!(\d+)", answer.words):
            return _pull(self._api.get(f"{self._path}/{named[1]}"))
        return found_again(self._api, self.find, branch, answer)

    def _ids(self, proposal: Proposal, warnings: list[str]) -> dict[str, int]:
        names = sorted({*proposal.reviewers, *proposal.assignees})
        ids: dict[str, int] = {}
        if names:
            tried(warnings, "reviewers and assignees", lambda: ids.update(self._users(names)))
            unknown = [name for name in names if name not in ids]
            if unknown and not warnings:
                warnings.append(f"reviewers or assignees unknown to GitLab: {', '.join(unknown)}")
        return ids

    def _users(self, names: list[str]) -> dict[str, int]:
        # REST lies at /api/v4/ and GraphQL beside it at /api/graphql
        body = {"query": _USERS, "variables": {"names": names}}
        answer = self._api.ask("POST", "../graphql", body=body)
        if answer.data.get("errors"):
            raise ForgeError(answer.words)
        nodes = answer.data["data"]["users"]["nodes"]
        return {node["username"]: int(node["id"].rpartition("/")[2]) for node in nodes}

    def _text(self, proposal: Proposal, draft: bool) -> dict[str, str]:
        inert = replace(proposal, body=_inert(proposal.body))
        return self.limits.text(inert, mark=_DRAFT if draft else "")


def _inert(text: str) -> str:
    return _QUICK_ACTION.sub(r"\1\\/", text)


def _own(found: list[Any]) -> list[PullRequest]:
    """Without those from forks, whose branches may bear any name."""
    return [
        _pull(item)
        for item in rows(found)
        if item["source_project_id"] == item["target_project_id"]
    ]


def _pull(item: Mapping[str, Any], etag: str | None = None) -> PullRequest:
    """`locked` is being merged, so still open; a fast-forward leaves no commit but the head."""
    state = _STATES.get(item["state"], "open")
    commit = item.get("merge_commit_sha") or item.get("squash_commit_sha") or item["sha"]
    actor = item.get("merge_user") or item.get("merged_by") or item.get("closed_by") or {}
    return PullRequest(
        number=item["iid"],
        url=item["web_url"],
        state=state,
        branch=item["source_branch"],
        base=item["target_branch"],
        head_sha=item["sha"] or "",
        title=_DRAFTS.sub("", item["title"]),
        body=item["description"] or "",
        draft=bool(item["draft"]),
        labels=tuple(item["labels"]),
        merge_commit=commit if state == "merged" else None,
        actor=actor.get("username"),
        etag=etag,
    )


def _exists(answer: Answer) -> bool:
    return answer.status == 409 and "already exists" in answer.words
