"""A provider's pull-request API over HTTP, with state: what all stand-ins share.

A subclass knows one provider's paths, shapes and errors; this holds the pull requests, what people
do to them, the faults a test asks for and the log of requests that it counts. Where the provider's
API description is vendored, every request and answer is held against it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.forges.description import Description


class Event(NamedTuple):
    kind: str
    who: str
    text: str = ""
    at: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass
class Pull:
    number: int
    branch: str
    base: str
    title: str
    body: str
    head: str
    author: str = "bridge"
    draft: bool = False
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    by: str | None = None
    commit: str | None = None
    auto_merge: str | None = None
    fork: bool = False
    version: int = 0
    updated: int = 0


@dataclass(frozen=True)
class Status:
    """Of a commit; `name` where the provider has one besides the context."""

    state: str
    description: str
    context: str
    link: str | None
    name: str = ""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: Any

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[-1]


@dataclass(frozen=True)
class Reply:
    status: int
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.more = status, message, more


@dataclass
class Fault:
    reply: Reply | None  # None: the connection is closed without an answer
    times: int
    when: Callable[[Request], bool]
    after: bool  # the request takes effect first


def sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class ForgeServer:
    """`routes` maps "METHOD regex" to a method's name; groups become its arguments."""

    routes: ClassVar[dict[str, str]] = {}
    api_path = ""
    project = "team/models"
    username: str | None = None
    separate_features = 0  # requests for labels, reviewers and assignees together
    completes_later = False  # by requests after the creation
    closes_with_branch = False  # an open one, when its branch is deleted
    drops_auto_merge = False  # when something is pushed to the branch
    names_existing = False  # the refusal of a second one names the first
    ignores_strangers = False  # an unknown reviewer is left out without a word
    token = "canary-0123456789"
    page_size = 100
    etags = False
    description: str | None = None
    undescribed: frozenset[str] = frozenset()  # parameters described in prose only

    def __init__(self, branches: MutableMapping[str, str] | None = None) -> None:
        self.pulls: dict[int, Pull] = {}
        self.branches: MutableMapping[str, str] = (
            branches if branches is not None else {"main": sha("main")}
        )
        self.log: list[str] = []
        self.violations: list[str] = []
        self.level = "write"  # of the token: write, read, none, unscoped
        self.people = {"ann", "bob", "bridge"}
        self.commits: set[str] = set()  # that were pushed
        self.statuses: dict[str, list[Status]] = {}  # of a commit, the newest first
        self.lag = 0  # lists yet to come that do not show the newest pull request
        self.head_lag = 0  # requests yet to come that are answered without the last push
        self.auto_merge_allowed = True
        self.drafts_allowed = True
        self.checks_pending = True
        self._faults: list[Fault] = []
        self._lock = threading.RLock()
        self._clock = 0
        self._described = Description(self.description, self.undescribed, self.violations)

    # What a test arranges and what people do

    def fail(
        self,
        status: int | None,
        times: int = 1,
        *,
        message: str = "trouble",
        headers: dict[str, str] | None = None,
        when: Callable[[Request], bool] = lambda _: True,
        after: bool = False,
    ) -> None:
        """Answer the next matching requests with `status`, or not at all when it is None."""
        reply = Reply(status, self.error(status, message), headers or {}) if status else None
        self._faults.append(Fault(reply, times, when, after))

    def push(self, branch: str, commit: str) -> str:
        self.branches[branch] = commit
        self.commits.add(commit)
        for pull in self.pulls.values():
            if pull.branch == branch and pull.state == "open" and not pull.fork:
                self.move(pull, commit)
        return commit

    def move(self, pull: Pull, commit: str) -> None:
        """The provider has seen that the branch is at another commit."""
        pull.head = commit
        if self.drops_auto_merge:
            pull.auto_merge = None
        self.touch(pull)

    def merge(self, number: int, by: str = "ann", how: str = "merge") -> str:
        pull = self.pulls[number]
        pull.state, pull.by = "merged", by
        pull.commit = pull.head if how == "fast-forward" else sha(f"{how} {number}")
        self.touch(pull)
        return pull.commit

    def decline(self, number: int, by: str = "ann", comment: str | None = None) -> None:
        pull = self.pulls[number]
        if comment:
            self.say(pull, by, comment)
        pull.state, pull.by = "closed", by
        self.touch(pull)
        pull.events.append(Event("close", by, at=pull.updated))

    def mark_ready(self, number: int) -> None:
        """It is no draft any more."""
        self.pulls[number].draft = False
        self.touch(self.pulls[number])

    def say(self, pull: Pull, who: str, text: str) -> None:
        pull.comments.append((who, text))
        self.touch(pull)
        pull.events.append(Event("comment", who, text, at=pull.updated))

    def delete_branch(self, branch: str, by: str = "ann") -> None:
        del self.branches[branch]
        for pull in self.pulls.values():
            ours = pull.branch == branch and pull.state == "open" and not pull.fork
            if ours and self.closes_with_branch:
                self.decline(pull.number, by=by)

    def from_fork(self, branch: str) -> Pull:
        """What a stranger can do: propose from a fork's branch of any name."""
        pull = self.add(branch=branch, base="main", title="Not ours", body="", author="stranger")
        pull.fork = True
        return pull

    def fail_with(self, status: int, data: bytes) -> None:
        self._faults.append(Fault(Reply(status, data), 1, lambda _: True, False))

    def calm(self) -> None:
        self._faults.clear()

    def have_labels(self, names: tuple[str, ...]) -> None:
        """The repository has these labels, where labels are a repository's."""

    @property
    def location(self) -> str:
        """The project as `locate` gives it."""
        return self.project

    @property
    def remote(self) -> str:
        """The repository's path in the addresses for git."""
        return f"{self.project}.git"

    @property
    def sent_token(self) -> str:
        """The token in the form that goes over the wire."""
        return self.token

    def person(self, name: str) -> str:
        """What people write into the configuration for a person of this server."""
        return name

    def shown(self, name: str) -> str:
        """What the server calls the person."""
        return name

    # For the subclasses

    def add(self, **fields: Any) -> Pull:
        branch = fields["branch"]
        number = len(self.pulls) + 1
        head = self.branches.get(branch) or sha(branch)
        pull = self.pulls[number] = Pull(number=number, head=head, **fields)
        self.touch(pull)
        return pull

    def touch(self, pull: Pull) -> None:
        self._clock += 1
        pull.updated = self._clock
        pull.version += 1

    def open_pull(self, branch: str, base: str) -> Pull | None:
        for pull in self.pulls.values():
            if (pull.branch, pull.base, pull.state) == (branch, base, "open") and not pull.fork:
                return pull
        return None

    def listed(self) -> list[Pull]:
        pulls = sorted(self.pulls.values(), key=lambda pull: -pull.updated)
        if self.lag and pulls:
            self.lag -= 1
            newest = max(self.pulls)
            pulls = [pull for pull in pulls if pull.number != newest]
        return pulls

    def need(self, level: str) -> None:
        if self.level == "none":
            raise Refused(404, "Not Found")
        if level == "write" and self.level == "read":
            raise Refused(403, "Must have write access")

    def known(self, number: str) -> Pull:
        try:
            return self.pulls[int(number)]
        except KeyError:
            raise Refused(404, "Not Found") from None

    def has_commit(self, commit: str) -> bool:
        return commit in self.commits or commit in self.branches.values()

    def add_status(self, commit: str, status: Status, limit: int) -> None:
        """As the newest one of the commit; `limit` is that of the description's length."""
        if len(status.description) > limit:
            raise Refused(422, f"description is too long (maximum is {limit} characters)")
        if not status.context:
            raise Refused(422, "context is missing")
        self.statuses.setdefault(commit, []).insert(0, status)

    def latest_statuses(self, commit: str) -> list[Status]:
        """The newest of each context."""
        seen = {status.context: status for status in reversed(self.statuses.get(commit, []))}
        return list(seen.values())

    def error(self, status: int, message: str, **more: Any) -> Any:
        return {"message": message, **more}

    def authorized(self, request: Request) -> bool:
        raise NotImplementedError

    # HTTP

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_url(self) -> str:
        return self.url + self.api_path

    @contextlib.contextmanager
    def running(self) -> Iterator[ForgeServer]:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, request: Request) -> Reply | None:
        with self._lock:
            self.log.append(f"{request.method} {request.path}")
            fault = next((f for f in self._faults if f.times and f.when(request)), None)
            if fault:
                fault.times -= 1
                if fault.after:
                    self._route(request)
                return fault.reply
            reply = self._route(request)
        if self.etags and request.method == "GET" and reply.status == 200:
            digest = f'W/"{sha(json.dumps(reply.data, sort_keys=True))}"'
            if request.headers.get("If-None-Match") == digest:
                return Reply(304, None, {"ETag": digest})
            reply.headers["ETag"] = digest
        return reply

    def _route(self, request: Request) -> Reply:
        try:
            if not self.authorized(request):
                raise Refused(401, "Bad credentials")
            for route, name in self.routes.items():
                method, _, pattern = route.partition(" ")
                found = re.fullmatch(pattern, request.path.removeprefix(self.api_path))
                if found and method == request.method:
                    reply = getattr(self, name)(request, *found.groups())
                    self._hold(request, reply)
                    return reply
            raise Refused(404, "Not Found")
        except Refused as refusal:
            reply = Reply(
                refusal.status, self.error(refusal.status, refusal.message, **refusal.more)
            )
            self._hold(request, reply)
            return reply

    def _hold(self, request: Request, reply: Reply) -> None:
        path = request.path.removeprefix(self.api_path)
        self._described.request(request.method, path, request.query)
        if reply.status < 400:
            self._described.body(request.method, path, request.body)
            self._described.answer(request.method, path, reply.status, reply.data)

    def paged(self, request: Request, items: list[Any], size: str, start: int = 1) -> Reply:
        """A page with a `Link` header, as GitHub, GitLab and Gitea have it."""
        per_page = min(int(request.one(size, "30")), self.page_size)
        page = int(request.one("page", str(start)))
        part = items[(page - 1) * per_page : page * per_page]
        more = len(items) > page * per_page
        link = f'<{self.url}{request.path}?page={page + 1}>; rel="next"'
        return Reply(200, part, {"Link": link} if more else {})


def _content(data: Any) -> bytes:
    if data is None or isinstance(data, bytes):
        return data or b""
    return json.dumps(data).encode()


def _handler(forge: ForgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment: else Nagle waits 40 ms for the client

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            request = Request(
                self.command, unquote(parts.path), parse_qs(parts.query, keep_blank_values=True),
                self.headers, json.loads(raw) if raw else None,
            )  # fmt: skip
            reply = forge.answer(request)
            if reply is None:
                self.close_connection = True
                self.connection.close()
                return
            content = _content(reply.data)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            pass

    return Handler
