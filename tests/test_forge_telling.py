"""The contract over every provider: what a server does not tell must not hold anything up."""

from __future__ import annotations

import re

import pytest

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge import Closing
from gitops_bridge.forge.telling import version_right
from tests.servers.forges.azure_devops import AzureDevOpsServer
from tests.servers.forges.base import sha
from tests.servers.forges.contract import BRANCH, Clock, Contract, opened, proposal
from tests.servers.forges.gitea import GiteaServer
from tests.servers.forges.github import GitHubServer

_DETAILS = re.compile(r"/(comments|notes|timeline|activities|threads)$")


class TestClosing(Contract):
    @pytest.mark.parametrize("status", [403, 404])
    def test_a_server_that_does_not_tell_why(self, server, forge, status):
        pull = forge.create(proposal(server))
        server.decline(1, by="ann", comment="Drift is too high")
        server.fail(status, times=99, when=lambda request: bool(_DETAILS.search(request.path)))
        closing = forge.closing(pull)
        tells_who = server.provider not in {"gitea", "bitbucket-server"}
        assert closing == Closing(server.shown("ann") if tells_who else None, None)

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_server_that_does_not_tell_anything(self, server, forge, status):
        pull = forge.create(proposal(server))
        server.decline(1, by="ann", comment="Drift is too high")
        server.fail(status, times=99)
        assert forge.closing(pull) == Closing(None, None)

    @pytest.mark.parametrize("answer", [b"{}", b"[{}]", b"null", b"7", b"<html>"])
    def test_an_answer_of_another_shape(self, server, forge, answer):
        pull = forge.create(proposal(server))
        for _ in range(5):
            server.fail_with(200, answer)
        assert forge.closing(pull) == Closing(None, None)

    @pytest.mark.parametrize("status", [401, 429, 500, None])
    def test_what_asking_later_helps_is_an_error(self, server, forge, status):
        pull = forge.create(proposal(server))
        server.fail(status, times=99, headers={"Retry-After": "3600"} if status == 429 else {})
        with pytest.raises(ForgeError):
            forge.closing(pull)


class TestVersion(Contract):
    def test_a_server_of_today_is_new_enough(self, server, forge):
        assert all(right.granted for right in forge.rights() if right.what.startswith("version "))

    def test_one_that_is_too_old_is_told_with_the_cure(self, server, forge):
        if not hasattr(server, "version"):
            return  # a service, or one that refuses requests it is too old for
        server.version = "1.2.3"
        (found,) = [right for right in forge.rights() if right.what.startswith("version ")]
        assert found.granted is False
        assert found.hint == "this server is 1.2.3: upgrade it"


class TestGitea:
    @pytest.fixture
    def server(self):
        with GiteaServer().running() as server:
            server.push(BRANCH, sha("first"))
            server.has_timeline = False
            yield server
            assert server.violations == []

    def closed(self, server):
        forge = opened(server, Clock())
        forge.create(proposal(server))
        return forge

    def test_without_a_timeline_the_comment_made_when_closing_is_found(self, server, monkeypatch):
        forge = self.closed(server)
        server.decline(1, by="ann", comment="Drift is too high")
        comment, close = server.pulls[1].events
        server.pulls[1].events[:] = [comment, close._replace(at=comment.at)]
        assert forge.closing(forge.look(1)) == Closing(None, "Drift is too high")

    def test_an_earlier_remark_is_not_taken_for_the_reason(self, server):
        forge = self.closed(server)
        server.say(server.pulls[1], "bob", "Why?")
        server.decline(1, by="ann")
        assert forge.closing(forge.look(1)) == Closing(None, None)

    @pytest.mark.parametrize(
        ("version", "granted"),
        [("1.20.0", True), ("1.19.4", False), ("9.0.3+gitea-1.22.0", True),
         ("1.18.5-0+gitea-1.18.5", False), ("development", None), (None, None)],
    )  # fmt: skip
    def test_versions_of_gitea_and_forgejo(self, version, granted):
        assert version_right(version, "1.20").granted is granted


def test_an_azure_devops_server_that_is_too_old_says_so_itself():
    with AzureDevOpsServer().running() as server:
        said = "The requested REST API version of 6.0 is out of range for this server."
        server.fail(400, message=said)
        (right,) = opened(server, Clock()).rights()
        assert (right.what, right.granted) == ("version 2020 or newer", False)
        server.fail(400, message="something else")
        with pytest.raises(ForgeError, match="something else"):
            opened(server, Clock()).rights()


def test_github_itself_has_no_version():
    with GitHubServer().running() as server:
        server.push(BRANCH, sha("first"))
        forge = opened(server, Clock())
        assert not any(right.what.startswith("version") for right in forge.rights())
        server.version = "3.17.2"
        assert forge.rights()[0].what == "version 3.10 or newer"
