"""`DataRobot.facts` and `desired.comparison`: what DataRobot knows, in a full table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.datarobot import DataRobot, session
from gitops_bridge.desired import comparison
from gitops_bridge.desired.pull_request import compose
from gitops_bridge.errors import DataRobotError
from tests.servers.datarobot_monitoring import MonitoredDataRobot, production
from tests.servers.packages import Clock
from tests.subjects import subject
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B

OLD, NEW = "65f000000000000000000054", "65f000000000000000000055"


@pytest.fixture
def server():
    with MonitoredDataRobot() as server:
        for package, model, version in ((OLD, MODEL_A, 6), (NEW, MODEL_B, 7)):
            server.add_package(
                package, model_id=model, name=f"churn v{version}", registeredModelVersion=version,
                modelDescription={"modelName": f"Trees {version}",
                                  "buildEnvironmentType": "AutoML"},
                sourceMeta={"projectId": "65d0", "projectName": f"Churn {version}"},
                datasets={"datasetName": f"customers-{version}.csv"},
                importMeta={"creatorFullName": "Ann Example"},
                target={"name": "churned", "type": "Binary", "classNames": ["yes", "no"],
                        "predictionThreshold": 0.5 if version == 6 else 0.4},
            )  # fmt: skip
        server.add_deployment(DEPLOYMENT, package=OLD)
        server.deployments[DEPLOYMENT] |= {
            "importance": "CRITICAL",
            "governance": {"approvalStatus": "PENDING", "hasOpenedChangeRequests": True},
            "serviceHealth": {"status": "passing"}, "modelHealth": {"status": "failing"},
            "accuracyHealth": {"status": "warning"},
        }  # fmt: skip
        for kind, answer in production(0.71, 0.8, 0.31).items():
            server.measured[kind, MODEL_A] = answer
        for kind, answer in production(None, 0.84, 0.0).items():
            server.measured[kind, MODEL_B] = answer
        server.requests = [
            {"id": "cr-0", "createdAt": "2026-01-01", "change": {"modelPackageId": OLD}},
            {"id": "cr-1", "createdAt": "2026-01-02", "userName": "jane", "comment": "drifted",
             "change": {"modelPackageId": NEW, "replacementReason": "DATA_DRIFT"}},
        ]  # fmt: skip
        yield server


@pytest.fixture
def facts(server):
    def ask(token=None, serving=MODEL_A):
        clock = Clock()
        with session(server.url, token or server.token, timeout=(5, 5)) as rest:
            api = DataRobot(rest, clock=clock, sleep=clock.sleep, patience=20)
            return api.facts(DEPLOYMENT, serving=serving, proposed=MODEL_B, package=NEW)

    return ask


def body(found):
    change = subject()
    return compose(
        replace(
            change,
            champion=found.champion.enriched(change.champion),
            challenger=found.challenger.enriched(change.challenger),
            facts=found.deployment,
        )
    ).body


def test_a_full_table_has_something_on_every_line(facts):
    page = body(facts())
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert not any("—" in line for line in table)
    for line in (
        "| model | `Trees 6` | `Trees 7` |",
        "| type | `AutoML` | `AutoML` |",
        "| model package | `churn v6` | `churn v7` |",
        f"| model package id | `{OLD}` | `{NEW}` |",
        "| version | `6` | `7` |",
        "| project | `Churn 6` | `Churn 7` |",
        "| training data | `customers-6.csv` | `customers-7.csv` |",
        "| creator | `Ann Example` | `Ann Example` |",
        "| classes | `yes, no` | `yes, no` |",
        "| prediction threshold | `0.5` | `0.4` |",
        "| accuracy: AUC | `0.71 (0.8 in training)` | `0.84 in training` |",
        "| target drift | `psi 0.31, 5333 rows` | `psi 0, 5333 rows` |",
        "| requests | `120` | `120` |",
        "| predictions | `48000` | `48000` |",
        "| response time | `41.26 ms` | `41.26 ms` |",
        "| server errors | `0.0125` | `0.0125` |",
    ):
        assert line in table
    assert page.splitlines()[0].endswith(
        "Approval in DataRobot `PENDING` · Now serving: service `passing`, drift `failing`, "
        "accuracy `warning` · Importance: `CRITICAL`"
    )
    assert "Reason: `DATA_DRIFT`" in page
    assert "Requested by: `jane`" in page
    assert "Comment: `drifted`" in page


def test_what_the_token_may_not_see_is_not_available(server, facts):
    server.forbidden = [r"deployments/.*", "changeRequests/"]
    found = facts()
    assert found.deployment == comparison.DeploymentFacts()
    assert found.champion.metrics == {}
    page = body(found)
    assert "accuracy" not in page
    assert "| project | — | `Churn 7` |" in page
    assert "| version | `7` | `7` |" in page  # the champion's own record still tells


def test_a_champion_that_is_no_longer_the_serving_one_is_not_compared(facts):
    """DataRobot's champion may have moved on while Git has not."""
    assert facts(serving="65a000000000000000000099").champion.package is None


def test_a_wrong_token_is_an_error_without_the_token(facts):
    with pytest.raises(DataRobotError) as raised:
        facts(token="canary-wrong")
    assert "canary" not in str(raised.value)


def test_no_more_requests_than_resources(server, facts):
    facts()
    assert sum(server.seen.values()) == 10
    assert max(server.seen.values()) <= 2


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["metrics", "target", "data", "change", "model", "classNames", "value",
                         "modelDescription", "governance", "AUC", "importance", "createdAt",
                         "driftScore", "modelPackageId", "registeredModelVersion"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json, json, json, json)
def test_answers_of_any_shape_leave_facts_of_text(first, second, third, fourth):
    found = comparison.of_package(first).enriched(
        comparison.of_production(first, second, third, fourth)
    )
    deployment = comparison.of_deployment(first, second, "x")
    for _, left, right in comparison.rows(found, found):
        assert left == right
        assert left is None or isinstance(left, str)
    assert deployment.importance is None or isinstance(deployment.importance, str)
