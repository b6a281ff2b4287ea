import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.actions import Action, ExecutionType, Scale, parse
from gitops_bridge.errors import RequestError

ENVIRONMENT = "65a000000000000000000001"
INFO = {
    "id": "65a000000000000000000010",
    "name": "churn",
    "modelId": "65a000000000000000000020",
    "modelExecutionType": "dedicated",
    "modelFormat": "datarobot",
    "keyValueConfig": {},
}


def document(**changes):
    info = {key: value for key, value in {**INFO, **changes}.items() if value is not ...}
    return {"pluginConfig": {}, "peInfo": {"id": ENVIRONMENT}, "deploymentInfo": info}


def start(**changes):
    return parse("deployment_start", document(**changes))


def test_start():
    request = start()
    assert request.action is Action.DEPLOYMENT_START
    assert request.environment_id == ENVIRONMENT
    assert request.deployment.name == "churn"
    assert request.model.id == INFO["modelId"]
    assert request.model.execution_type is ExecutionType.DEDICATED
    assert request.scale == Scale(1, 0, 0)
    assert not request.monitoring
    assert request.previous_model_id is None


def test_replacement_serves_the_new_model_and_remembers_the_old():
    request = parse("deployment_replace_model", document(newModelId="65a000000000000000000021"))
    assert request.model.id == "65a000000000000000000021"
    assert request.previous_model_id == INFO["modelId"]


def test_stop_needs_no_model():
    request = parse("deployment_stop", document(modelId=..., modelExecutionType=...))
    assert request.model is None


def test_plugin_start_of_an_agent_that_sends_no_environment():
    plain = {"pluginConfig": {"MLOPS_BOSUN_PRED_ENV_ID": ENVIRONMENT}, "peInfo": None}
    assert parse("plugin_start", plain).environment_id == ENVIRONMENT


@pytest.mark.parametrize("wrong", [[ENVIRONMENT], ENVIRONMENT, True])
def test_an_environment_of_the_wrong_shape_is_told(wrong):
    data = {"pluginConfig": {"MLOPS_BOSUN_PRED_ENV_ID": ENVIRONMENT}, "peInfo": wrong}
    with pytest.raises(RequestError, match=r"peInfo is .+ not a mapping"):
        parse("plugin_start", data)


@pytest.mark.parametrize("shape", [lambda i: i, lambda i: {"id": i, "modelId": "x"}])
def test_known_deployments_come_in_two_shapes(shape):
    data = document()
    data["peInfo"]["deployments"] = [shape(INFO["id"])]
    assert parse("pe_status", data).known_deployments == (INFO["id"],)


def test_package_details():
    details = {"id": "65c000000000000000000030", "target": {"name": "loss", "type": "Regression"}}
    request = parse("deployment_start", document(), {"modelPackageDetails": details})
    assert request.model.package.id == details["id"]
    assert request.model.package.target_name == "loss"


def test_scale_of_an_autoscaled_deployment():
    scale = start(keyValueConfig={"replicas": "3", "minReplicas": "2", "maxReplicas": "5"}).scale
    assert scale.autoscaled
    assert scale.at_least == 2
    assert start(keyValueConfig={"minReplicas": "2"}).scale == Scale(1)


def test_a_24_digit_id_read_as_a_number_loses_nothing():
    assert start(id=650000000000000000000001).deployment.id == "650000000000000000000001"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"id": ...}, "deploymentInfo.id"),
        ({"id": ""}, "deploymentInfo.id"),
        ({"id": 12345}, "deploymentInfo.id"),
        ({"id": 6.5e23}, "deploymentInfo.id"),
        ({"id": "../../etc"}, "deploymentInfo.id"),
        ({"id": "a/b"}, "deploymentInfo.id"),
        ({"id": "UPPER"}, "deploymentInfo.id"),
        ({"id": "a\nb"}, "deploymentInfo.id"),
        ({"id": "abc\n"}, "deploymentInfo.id"),
        ({"id": "x" * 57}, "deploymentInfo.id"),
        ({"id": "environment"}, "deploymentInfo.id"),
        ({"id": ["a"]}, "deploymentInfo.id"),
        ({"modelId": ...}, "deploymentInfo.modelId"),
        ({"modelId": "a b"}, "deploymentInfo.modelId"),
        ({"modelId": "x" * 64}, "deploymentInfo.modelId"),
        ({"modelExecutionType": "external"}, "deploymentInfo.modelExecutionType"),
        ({"modelExecutionType": None}, "deploymentInfo.modelExecutionType is missing"),
        ({"modelFormat": "pickle"}, "deploymentInfo.modelFormat"),
        ({"name": ["x"]}, "deploymentInfo.name"),
        ({"keyValueConfig": "replicas=2"}, "deploymentInfo.keyValueConfig"),
        ({"keyValueConfig": {"replicas": "two"}}, "keyValueConfig.replicas"),
        ({"keyValueConfig": {"replicas": "-1"}}, "keyValueConfig.replicas"),
        ({"keyValueConfig": {"replicas": "1.5"}}, "keyValueConfig.replicas"),
        ({"keyValueConfig": {"replicas": True}}, "keyValueConfig.replicas"),
        ({"keyValueConfig": {"maxReplicas": "10001"}}, "keyValueConfig.maxReplicas"),
        ({"keyValueConfig": {"minReplicas": "5", "maxReplicas": "2"}}, "minReplicas 5"),
    ],
)
def test_bad_values_name_the_key_and_the_cure(changes, names):
    with pytest.raises(RequestError, match=names) as caught:
        start(**changes)
    assert caught.value.hint


def test_replacement_without_a_new_model():
    with pytest.raises(RequestError, match=r"deploymentInfo\.newModelId is missing"):
        parse("deployment_replace_model", document())


@pytest.mark.parametrize("broken", [None, [], "text", {}, {"pluginConfig": []}])
def test_documents_that_are_no_action_file(broken):
    with pytest.raises(RequestError):
        parse("deployment_start", broken)


def test_unknown_action_lists_the_known_ones():
    with pytest.raises(RequestError, match="explode") as caught:
        parse("explode", document())
    assert "deployment_start" in caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*INFO, "newModelId", "replicas"]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(
    st.sampled_from([action.value for action in Action]) | st.text(),
    st.fixed_dictionaries({"pluginConfig": JSON, "peInfo": JSON, "deploymentInfo": JSON}) | JSON,
    JSON,
)
def test_any_document_is_a_request_or_a_request_error(action, anything, details):
    try:
        parse(action, anything, {"modelPackageDetails": details})
    except RequestError as error:
        assert len(str(error)) < 1000


@given(st.text(max_size=50))
def test_ids_that_are_accepted_are_safe_as_folder_and_label(text):
    try:
        identifier = start(id=text).deployment.id
    except RequestError:
        return
    assert identifier == text
    assert identifier.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
    assert not identifier.startswith("-")
