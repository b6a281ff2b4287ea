"""Deployments, events and the champion in DataRobot, against a stateful stand-in of its API."""

from datetime import datetime, timedelta, timezone

import pytest

from gitops_bridge.actions import Action, ExecutionType, ModelFormat, Scale
from gitops_bridge.datarobot import (
    DataRobot,
    Difference,
    RemoteEvent,
    RemoteEventKind,
    differences,
    in_environment,
    is_gone,
    request,
    send,
    session,
    set_model,
    validate,
)
from gitops_bridge.errors import DataRobotError
from tests.servers.datarobot_deployments import ENVIRONMENT, ManagedDataRobot
from tests.servers.packages import Clock

CHURN, FRAUD, OLD = (f"65a0000000000000000000{number}" for number in (10, 11, 12))
MODEL_A, MODEL_B = "65a000000000000000000020", "65a000000000000000000021"
PACKAGE_A, PACKAGE_B = "65f000000000000000000020", "65f000000000000000000021"
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def server():
    with ManagedDataRobot() as server:
        server.add_package(PACKAGE_A, model_id=MODEL_A)
        server.add_package(PACKAGE_B, model_id=MODEL_B)
        server.deploy(CHURN, PACKAGE_A)
        yield server


@pytest.fixture
def api(server):
    clock = Clock()
    with session(server.url, server.token, timeout=(5, 5)) as rest:
        yield DataRobot(rest, clock=clock, sleep=clock.sleep, patience=60)


class TestList:
    def test_only_those_of_the_environment(self, server, api):
        server.deploy(FRAUD, PACKAGE_B, environment="65a000000000000000000002")
        server.add_deployment(OLD, package=PACKAGE_A)  # on DataRobot's own servers
        (found,) = in_environment(api, ENVIRONMENT)
        assert (found.id, found.model, found.package) == (CHURN, MODEL_A, PACKAGE_A)
        assert (found.status, found.formats) == ("active", ("datarobot", "customModel"))

    def test_two_hundred_and_fifty_come_on_three_pages(self, server, api):
        for number in range(250):
            server.deploy(f"65b{number:021}", PACKAGE_A)
        found = in_environment(api, ENVIRONMENT)
        assert len({one.id for one in found}) == 251
        assert server.seen["GET /api/v2/deployments/"] == 3

    def test_a_list_that_changes_while_it_is_read_is_read_again(self, server, api):
        """One that goes before its page is reached would hide another."""
        for number in range(150):
            server.deploy(f"65b{number:021}", PACKAGE_A)
        server.changes = [CHURN]
        found = in_environment(api, ENVIRONMENT)
        assert len(found) == 150
        assert {one.id for one in found} == {f"65b{number:021}" for number in range(150)}

    def test_a_list_that_never_stands_still_is_an_error_that_passes(self, server, api):
        for number in range(150):
            server.deploy(f"65b{number:021}", PACKAGE_A)
        server.changes = [f"65b{number:021}" for number in range(9)]
        with pytest.raises(DataRobotError, match="changed each time") as raised:
            in_environment(api, ENVIRONMENT)
        assert raised.value.retry

    def test_rate_limits_are_waited_for(self, server, api):
        server.trouble.busy = 3
        assert len(in_environment(api, ENVIRONMENT)) == 1

    def test_a_deployment_that_is_gone_and_one_that_is_not(self, server, api):
        assert not is_gone(api, CHURN)
        del server.deployments[CHURN]
        assert is_gone(api, CHURN)

    def test_an_outage_is_not_taken_for_a_deletion(self, server, api):
        server.trouble.server_errors = 1000
        with pytest.raises(DataRobotError):
            is_gone(api, CHURN)
        with pytest.raises(DataRobotError):
            in_environment(api, ENVIRONMENT)


class TestDifferences:
    def actions(self, api, requested):
        found = differences(in_environment(api, ENVIRONMENT), requested)
        return {one.deployment: one.action for one in found}

    def test_nothing_differs(self, api):
        assert self.actions(api, {CHURN: MODEL_A}) == {}

    def test_new_replaced_stopped_and_deleted_ones(self, server, api):
        server.deploy(FRAUD, PACKAGE_B)
        server.deploy(OLD, PACKAGE_A, status="inactive")
        assert self.actions(api, {CHURN: MODEL_B, OLD: MODEL_A, "65c0": MODEL_A}) == {
            FRAUD: Action.DEPLOYMENT_START,
            CHURN: Action.DEPLOYMENT_REPLACE_MODEL,
            OLD: Action.DEPLOYMENT_STOP,
            "65c0": Action.DEPLOYMENT_STOP,
        }

    def test_a_stopped_one_that_git_has_not_needs_nothing(self, server, api):
        server.deploy(OLD, PACKAGE_A, status="inactive")
        assert self.actions(api, {CHURN: MODEL_A}) == {}

    def test_one_that_is_replaced_just_now_is_left_for_the_next_look(self, server, api):
        server.deployments[CHURN]["status"] = "replacingModel"
        assert self.actions(api, {CHURN: MODEL_B}) == {}


class TestRequest:
    def asked(self, api, requested):
        (found,) = differences(in_environment(api, ENVIRONMENT), requested)
        return request(api, ENVIRONMENT, found, key_values={"replicas": "3"}, monitoring=True)

    def test_a_start(self, api):
        asked = self.asked(api, {})
        assert asked.action is Action.DEPLOYMENT_START
        assert (asked.environment_id, asked.deployment.id) == (ENVIRONMENT, CHURN)
        assert (asked.model.id, asked.model.package.id) == (MODEL_A, PACKAGE_A)
        assert asked.model.execution_type is ExecutionType.DEDICATED
        assert asked.model.format is ModelFormat.PACKAGE
        assert (asked.scale, asked.monitoring) == (Scale(3), True)

    def test_a_replacement_names_the_model_before(self, api):
        asked = self.asked(api, {CHURN: MODEL_B})
        assert asked.action is Action.DEPLOYMENT_REPLACE_MODEL
        assert (asked.model.id, asked.previous_model_id) == (MODEL_A, MODEL_B)

    def test_scoring_code_where_the_environment_takes_nothing_else(self, server, api):
        server.deploy(CHURN, PACKAGE_A, formats=("datarobotScoringCode",))
        assert self.asked(api, {}).model.format is ModelFormat.SCORING_CODE

    def test_a_custom_model_has_no_format(self, server, api):
        server.packages[PACKAGE_A].execution_type = "custom_inference_model"
        assert self.asked(api, {}).model.format is None

    def test_a_deletion_asks_for_no_package(self, server, api):
        found = Difference(Action.DEPLOYMENT_STOP, OLD, None)
        asked = request(api, ENVIRONMENT, found, key_values={}, monitoring=False)
        assert (asked.action, asked.deployment.id) == (Action.DEPLOYMENT_STOP, OLD)
        assert server.seen == {}


class TestEvents:
    def test_all_that_happens_to_a_rollout(self, server, api):
        for what in RemoteEventKind:
            send(api, RemoteEvent(what, CHURN, NOON))
        assert [event["title"] for event in server.events] == [
            what.value for what in RemoteEventKind
        ]

    def test_an_event_tells_models_person_reason_and_link(self, server, api):
        link = "https://git.example.com/ml/models/pull/7"
        send(api, RemoteEvent(
            RemoteEventKind.CLOSED, CHURN, NOON, model=MODEL_B, previous=MODEL_A, by="ann",
            reason="Drift is too high", link=link,
        ))  # fmt: skip
        (event,) = server.events
        assert event["timestamp"] == "2026-01-02T10:00:00.000Z"
        assert event["data"] == {"newModelId": MODEL_B, "oldModelId": MODEL_A}
        assert event["message"] == (
            f"Pull request closed without merging by ann, model {MODEL_B}, in place of {MODEL_A}: "
            f"Drift is too high\n{link}"
        )

    def test_long_reasons_are_cut_to_what_datarobot_takes(self, server, api):
        send(api, RemoteEvent(RemoteEventKind.FAILED, CHURN, NOON, reason="x" * 20_000))
        assert len(server.events[0]["message"]) == 16_384

    def test_a_token_that_may_not(self, server, api):
        server.read_only = True
        with pytest.raises(DataRobotError) as raised:
            send(api, RemoteEvent(RemoteEventKind.READY, CHURN, NOON))
        assert (raised.value.status, raised.value.retry) == (403, False)
        assert server.token not in str(raised.value)


class TestSetModel:
    def test_the_model_is_set_back_once(self, server, api):
        server.replacing_looks = 1
        assert set_model(api, CHURN, PACKAGE_B) is True
        with pytest.raises(DataRobotError, match="changing it already") as raised:
            set_model(api, CHURN, PACKAGE_B)
        assert raised.value.retry
        assert set_model(api, CHURN, PACKAGE_B) is False
        assert server.deployments[CHURN]["modelPackage"]["id"] == PACKAGE_B
        assert server.reasons == ["OTHER"]

    def test_one_that_is_set_already_is_left_alone(self, server, api):
        assert set_model(api, CHURN, PACKAGE_A, "ERRORS") is False
        assert server.reasons == []

    def test_a_replacement_that_datarobot_would_not_take(self, server, api):
        server.refusals[PACKAGE_B] = "the target is another one"
        assert validate(api, CHURN, PACKAGE_B).status == "failing"
        with pytest.raises(DataRobotError, match="target: the target is another one") as raised:
            set_model(api, CHURN, PACKAGE_B)
        assert not raised.value.retry
        assert raised.value.hint
        assert server.reasons == []

    def test_somebody_else_who_changes_it_in_the_same_moment(self, server, api, monkeypatch):
        check = server.check

        def checked_while_somebody_stops_it(query, body, id):
            server.deployments[id]["status"] = "stopping"
            return check(query, body, id)

        monkeypatch.setattr(server, "check", checked_while_somebody_stops_it)
        with pytest.raises(DataRobotError, match="changing it already") as raised:
            set_model(api, CHURN, PACKAGE_B)
        assert raised.value.retry

    def test_a_token_that_may_not(self, server, api):
        server.read_only = True
        with pytest.raises(DataRobotError) as raised:
            set_model(api, CHURN, PACKAGE_B)
        assert raised.value.status == 403
