"""The contract over every provider when something is wrong: tokens, rights, limits, outages."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge import Location, connect
from tests.servers.forges.contract import BRANCH, PROPOSAL, Contract, opened, proposal


class TestTrouble(Contract):
    def test_a_wrong_token(self, server, clock):
        forge = opened(server, clock, token="wrong-token-0815")
        with pytest.raises(ForgeError, match="401") as raised:
            forge.find(BRANCH)
        assert not raised.value.retry
        assert "token" in raised.value.hint
        assert "0815" not in str(raised.value)
        assert clock.slept == []

    def test_a_token_that_may_only_read(self, server, forge):
        server.level = "read"
        assert forge.find(BRANCH) is None
        with pytest.raises(ForgeError) as raised:
            forge.create(proposal(server))
        assert raised.value.status in {401, 403, 404}
        assert not raised.value.retry
        assert raised.value.hint

    def test_a_repository_that_is_not_there(self, server, forge):
        server.level = "none"
        with pytest.raises(ForgeError, match="404") as raised:
            forge.find(BRANCH)
        assert "repository" in raised.value.hint

    def test_a_branch_that_is_gone(self, server, forge):
        server.delete_branch(BRANCH)
        with pytest.raises(ForgeError) as raised:
            forge.create(proposal(server))
        assert not raised.value.retry
        assert server.pulls == {}

    def test_a_rate_limit_is_waited_for(self, server, forge, clock):
        server.fail(429, times=2, headers={"Retry-After": "7"})
        assert forge.find(BRANCH) is None
        assert clock.slept == [7.0, 7.0]

    def test_a_creation_refused_by_a_rate_limit_is_sent_again(self, server, forge, clock):
        server.fail(
            429, headers={"Retry-After": "3"}, when=lambda request: request.method == "POST"
        )
        assert forge.create(proposal(server)).number == 1
        assert 3.0 in clock.slept

    def test_a_rate_limit_beyond_the_bound_is_an_error_that_passes(self, server, forge, clock):
        server.fail(429, times=100, headers={"Retry-After": "3600"})
        with pytest.raises(ForgeError, match="3600 s") as raised:
            forge.find(BRANCH)
        assert raised.value.retry
        assert sum(clock.slept) <= 60

    @pytest.mark.parametrize("status", [500, 502, 503, 504, None])
    def test_an_api_that_is_down_is_an_error_that_passes(self, server, forge, status):
        pull = forge.create(proposal(server))
        server.fail(status, times=100)
        for call in (
            lambda: forge.find(BRANCH),
            lambda: forge.look(1),
            lambda: forge.create(proposal(server)),
            lambda: forge.update(pull, proposal(server)),
            lambda: forge.recent("gitops-bridge/"),
        ):
            with pytest.raises(ForgeError) as raised:
                call()
            assert raised.value.retry

    def test_an_update_that_is_refused_for_another_reason_is_told(self, server, forge):
        """Not every refusal means that the pull request has ended."""
        pull = forge.create(proposal(server))
        changes = {"PUT", "PATCH"}
        server.fail(400, times=9, message="too odd", when=lambda r: r.method in changes)
        with pytest.raises(ForgeError, match="too odd") as raised:
            forge.update(pull, proposal(server, body="newer"))
        assert (raised.value.status, raised.value.retry) == (400, False)
        assert server.pulls[1].body == PROPOSAL.body

    def test_a_server_that_does_not_answer_is_given_up_in_time(self, server, forge, clock):
        """Each request that is lost takes its time too, not only what is waited in between."""

        def slowly(request):
            clock.sleep(25)
            return True

        server.fail(None, times=9, when=slowly)
        with pytest.raises(ForgeError) as raised:
            forge.find(BRANCH)
        assert raised.value.retry
        assert len(server.log) == 3

    def test_a_short_fault_goes_unnoticed_by_reads(self, server, forge, clock):
        server.fail(502, times=2)
        assert forge.find(BRANCH) is None
        assert clock.slept == [0.5, 1.0]

    def test_going_down_after_the_creation_leaves_a_pull_request_with_warnings(self, server, forge):
        def after_creation(request):
            return bool(server.pulls)

        server.fail(500, times=100, when=after_creation)
        pull = forge.create(proposal(server))
        assert pull.number == 1
        if server.completes_later:
            assert pull.warnings

    def test_no_token_in_any_message(self, server, clock):
        forge = opened(server, clock)
        for status in (400, 401, 403, 404, 409, 422, 500):
            server.fail(status, times=5, message=f"you sent {server.token} and {server.sent_token}")
            with pytest.raises(ForgeError) as raised:
                forge.find(BRANCH)
            shown = f"{raised.value} {raised.value.message} {raised.value.args} {raised.value!r}"
            assert server.token not in shown
            assert server.sent_token not in shown
            server.calm()

    @pytest.mark.parametrize("status", [200, 400, 500])
    def test_no_part_of_a_token_where_a_text_is_cut(self, server, clock, status):
        forge = opened(server, clock)
        for before in (170, 190, 195, 280, 290, 295):
            for _ in range(4):
                server.fail_with(status, b"x" * before + server.sent_token.encode())
            with pytest.raises(ForgeError) as raised:
                forge.find(BRANCH)
            assert server.sent_token[:4] not in str(raised.value)
            server.calm()

    @pytest.mark.parametrize("token", ["", "two\nlines", "blank blank", "schlüssel"])
    def test_a_token_that_is_none(self, server, clock, token):
        location = Location(server.provider, "127.0.0.1", server.api_url, server.location)
        forge = connect(location, lambda: token, clock=clock, sleep=clock.sleep)
        with pytest.raises(ForgeError, match="token") as raised:
            forge.find(BRANCH)
        assert server.log == []
        assert not token or token not in str(raised.value)

    def test_an_answer_that_is_no_api(self, server, forge):
        server.fail_with(200, b"<html>Sign in</html>")
        with pytest.raises(ForgeError, match="not JSON"):
            forge.find(BRANCH)

    @pytest.mark.parametrize("answer", [b"{}", b"[{}]", b"null", b'"x"', b'{"values": [1]}', b"7"])
    def test_an_answer_of_another_shape(self, server, forge, answer):
        bare = dataclasses.replace(PROPOSAL, labels=(), reviewers=(), assignees=())
        pull = forge.create(proposal(server))
        for call in (
            lambda: forge.find(BRANCH),
            lambda: forge.look(1),
            lambda: forge.update(pull, bare),
            lambda: forge.create(bare),
            lambda: forge.recent(""),
        ):
            server.fail_with(200, answer)
            with pytest.raises(ForgeError, match="API describes") as raised:
                call()
            assert raised.value.hint
            server.calm()
        for lenient in (lambda: forge.closing(pull), forge.rights):
            server.fail_with(200, answer)
            with contextlib.suppress(ForgeError):
                lenient()
            server.calm()

    def test_a_moved_repository(self, server, forge):
        server.fail(301, headers={"Location": "https://example.invalid/elsewhere"})
        with pytest.raises(ForgeError, match="301") as raised:
            forge.find(BRANCH)
        assert "address" in raised.value.hint


class TestRights(Contract):
    def test_a_token_that_may_everything(self, server, forge):
        rights = forge.rights()
        assert all(right.granted in {True, None} for right in rights)
        assert any(right.granted for right in rights)
        assert server.pulls == {}

    @pytest.mark.parametrize("level", ["read", "unscoped"])
    def test_a_token_that_may_not_propose(self, server, forge, level):
        server.level = level
        assert False in {right.granted for right in forge.rights()}
        assert all(right.hint for right in forge.rights())
        assert server.pulls == {}
