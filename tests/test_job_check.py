"""Why a Job manifest must not be committed: held against Kubernetes' own schema."""

import copy
import json
from functools import cache
from importlib.resources import files

import jsonschema
import pytest
import referencing
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_bridge.desired.job_check import job_problems
from gitops_bridge.desired.job_schema import KINDS
from tests import building, kubernetes_schema

POD = ("spec", "template", "spec")
FETCH = (*POD, "initContainers", 0)
KANIKO = (*POD, "containers", 0)
GONE = object()


@cache
def kubernetes():
    """kubernetes-validate's strict schema of a Job, loaded once."""
    folder = files("kubernetes_validate") / (
        f"kubernetes-json-schema/v{kubernetes_schema.VERSION}-local-strict"
    )
    schema = json.loads((folder / "job-batch-v1.json").read_text())
    known = json.loads((folder / "_definitions.json").read_text())
    registry = referencing.Resource.from_contents(known) @ referencing.Registry()
    return jsonschema.Draft202012Validator(schema, registry=registry)


def changed(path, value, kind="docker-config"):
    """A sample Job with `value` at `path`; GONE takes away what is there."""
    job = copy.deepcopy(sample(kind))
    *folder, field = path
    place = job
    for key in folder:
        place = place[key]
    if value is GONE:
        del place[field]
    elif isinstance(place, list) and field == len(place):
        place.append(value)
    else:
        place[field] = value
    return job


@cache
def sample(kind):
    return building.job(kind)


def test_the_table_is_kubernetes_own():
    paragraphs = KINDS.replace("\n  ", " ").splitlines()
    assert paragraphs == kubernetes_schema.table()


@pytest.mark.parametrize("kind", building.KINDS)
def test_what_we_make_has_no_problems(kind):
    assert job_problems(sample(kind)) == []
    assert kubernetes().is_valid(sample(kind))


BY_SCHEMA = [
    (("apiVersion",), "batch/v1beta1"),
    (("kind",), "CronJob"),
    (("spec",), []),
    (("status",), "done"),
    (("specs",), {}),
    (("metadata", "labels", "a"), 1),
    (("metadata", "annotations", "a"), True),
    (("metadata", "labels"), ["a"]),
    (("spec", "backoffLimit"), "zero"),
    (("spec", "backoffLimit"), "2"),
    (("spec", "backoffLimit"), 1.5),
    (("spec", "backoffLimit"), True),
    (("spec", "activeDeadlineSeconds"), "5400"),
    (("spec", "template"), GONE),
    (("spec", "unknown"), 1),
    (("spec", "podFailurePolicy", "rules"), GONE),
    (("spec", "podFailurePolicy", "rules", 0, "action"), GONE),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), ["64"]),
    ((*POD, "containers"), GONE),
    ((*POD, "containers"), {}),
    ((*POD, "serviceAccountNam"), "x"),
    ((*POD, "automountServiceAccountToken"), "false"),
    ((*POD, "tolerations"), [{"key": 1}]),
    ((*POD, "volumes", 0, "name"), GONE),
    ((*POD, "volumes", 0, "emptydir"), {}),
    ((*POD, "volumes", 0, "emptyDir", "sizeLimit"), True),
    ((*KANIKO, "name"), GONE),
    ((*KANIKO, "args"), "--no-push"),
    ((*KANIKO, "args", 0), 1),
    ((*KANIKO, "args", 0), False),
    ((*KANIKO, "image"), 1.28),
    ((*KANIKO, "env", 0, "value"), True),
    ((*KANIKO, "env", 0, "name"), GONE),
    ((*KANIKO, "securityContext", "runAsUser"), "0"),
    ((*KANIKO, "securityContext", "capabilities", "add"), "CHOWN"),
    ((*KANIKO, "resources", "limits", "memory"), ["4Gi"]),
    ((*KANIKO, "volumeMounts", 0, "mountPath"), GONE),
    ((*FETCH, "env", 0, "valueFrom", "secretKeyRef", "key"), GONE),
]


@pytest.mark.parametrize(("path", "value"), BY_SCHEMA)
def test_what_the_schema_refuses(path, value):
    job = changed(path, value)
    assert not kubernetes().is_valid(job), "the schema itself would take this"
    assert job_problems(job)


BEYOND_THE_SCHEMA = [
    (("apiVersion",), GONE, "apiVersion"),
    (("metadata",), GONE, "metadata"),
    (("spec",), GONE, "spec"),
    (("metadata", "name"), "Build_1", "metadata.name"),
    (("metadata", "name"), "b" * 64, "metadata.name"),
    (("metadata", "name"), GONE, "metadata.name"),
    (("metadata", "namespace"), "a.b", "metadata.namespace"),
    (("metadata", "generateName"), "build-", "generateName"),
    (("metadata", "finalizers"), ["a/b"], "finalizers"),
    (("metadata", "labels", "-a"), "b", "labels key"),
    (("metadata", "labels", "a"), "b c", "labels a"),
    (("metadata", "labels", "a"), "b" * 64, "labels a"),
    (("metadata", "annotations", "a b"), "c", "annotations key"),
    (("metadata", "annotations", "argocd.argoproj.io/hook"), "Sync", "every sync"),
    (("metadata", "annotations", "argocd.argoproj.io/sync-options"), "Force=true", "every sync"),
    (("metadata", "annotations", "argocd.argoproj.io/sync-wave"), "-5", "wait"),
    (("metadata", "annotations", "helm.sh/hook"), "pre-install", "every sync"),
    (("metadata", "annotations", "gitops-bridge.io/pps-image"), "pps-image", "placeholder"),
    (("status",), {}, "status"),
    (("spec", "ttlSecondsAfterFinished"), 0, "build again"),
    (("spec", "selector"), {"matchLabels": {"a": "b"}}, "selector"),
    (("spec", "manualSelector"), True, "manualSelector"),
    (("spec", "backoffLimit"), -1, "backoffLimit"),
    (("spec", "backoffLimit"), 2**31, "backoffLimit"),
    (("spec", "backoffLimit"), None, "backoffLimit"),
    (("spec", "activeDeadlineSeconds"), 0, "activeDeadlineSeconds"),
    (("spec", "podReplacementPolicy"), "Never", "podReplacementPolicy"),
    (("spec", "podReplacementPolicy"), "TerminatingOrFailed", "podReplacementPolicy"),
    (("spec", "podFailurePolicy", "rules", 0, "action"), "Stop", "action"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "containerName"), "x", "no container"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), [0], "values"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), [65, 64], "values"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), [64, 64], "values"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), [], "values"),
    (("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "operator"), "Is", "operator"),
    (
        ("spec", "podFailurePolicy", "rules", 0, "onExitCodes"),
        {"operator": "NotIn", "values": [1]},
        "one of",
    ),
    (("spec", "template", "spec"), GONE, "spec.template.spec"),
    (("spec", "template", "metadata", "labels", "a"), "b/c", "labels a"),
    ((*POD, "restartPolicy"), GONE, "restartPolicy"),
    ((*POD, "restartPolicy"), "Always", "restartPolicy"),
    ((*POD, "containers"), [], "containers is empty"),
    ((*POD, "containers", 0, "name"), "fetch-model", "twice"),
    ((*POD, "volumes", 0, "name"), "Work", "volumes"),
    ((*POD, "volumes", 0, "name"), "other", "no volume workspace"),
    ((*POD, "volumes", 2), {"name": "workspace", "emptyDir": {}}, "twice"),
    ((*POD, "volumes", 2), {"name": "unused", "emptyDir": {}}, "mounted nowhere"),
    ((*POD, "volumes", 0, "configMap"), {"name": "x"}, "2 sources"),
    ((*POD, "volumes", 0, "emptyDir"), GONE, "0 sources"),
    ((*POD, "volumes", 0, "emptyDir", "sizeLimit"), "20GiB", "quantity"),
    ((*KANIKO, "image"), "", "image"),
    ((*KANIKO, "image"), GONE, "image"),
    ((*KANIKO, "image"), "bridge-image", "placeholder"),
    ((*KANIKO, "image"), "bridge-image:1", "placeholder"),
    ((*KANIKO, "image"), "bridge-image@sha256:" + "0" * 64, "placeholder"),
    ((*KANIKO, "image"), "https://ghcr.io/kaniko:v1", "image"),
    ((*KANIKO, "image"), "ghcr.io/kaniko:v1 ", "image"),
    ((*KANIKO, "name"), "Kaniko", "name"),
    ((*KANIKO, "imagePullPolicy"), "Sometimes", "imagePullPolicy"),
    ((*KANIKO, "args", 0), "--insecure-registry={image-registry}", "placeholder"),
    ((*KANIKO, "args", 0), "datarobot-url", "placeholder"),
    ((*KANIKO, "env", 1), {"name": "FF_KANIKO_COPY_AS_ROOT", "value": "x"}, "twice"),
    ((*KANIKO, "env", 1), {"name": "A=B", "value": "x"}, "variable"),
    ((*KANIKO, "env", 1), {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}, "secret in clear"),
    ((*FETCH, "env", 0), {"name": "MLOPS_API_TOKEN", "value": "x"}, "secret in clear"),
    ((*FETCH, "env", 0, "value"), "x", "both value and valueFrom"),
    ((*FETCH, "env", 0, "valueFrom"), {}, "one source"),
    ((*KANIKO, "resources", "requests", "memory"), "5Gi", "more than its limit"),
    ((*KANIKO, "resources", "requests", "memory"), "4097Mi", "more than its limit"),
    ((*KANIKO, "resources", "requests", "cpu"), "-1", "negative"),
    ((*KANIKO, "resources", "requests", "cpu"), "one", "quantity"),
    ((*KANIKO, "resources", "limits", "big memory"), "1", "resource"),
    ((*KANIKO, "volumeMounts", 0, "mountPath"), "workspace", "absolute path"),
    ((*KANIKO, "volumeMounts", 1, "mountPath"), "/workspace", "twice"),
    ((*KANIKO, "volumeMounts", 0, "name"), "x", "no volume x"),
    ((*KANIKO, "securityContext", "runAsNonRoot"), True, "exclude each other"),
    ((*KANIKO, "securityContext", "runAsUser"), -1, "runAsUser"),
]


@pytest.mark.parametrize(("path", "value", "said"), BEYOND_THE_SCHEMA)
def test_what_kubernetes_or_argo_cd_refuses_beyond_the_schema(path, value, said):
    problems = job_problems(changed(path, value))
    assert [problem for problem in problems if said in problem], problems


TAKEN = [
    (("spec", "suspend"), True),
    (("metadata", "namespace"), "builds-prod"),
    (("metadata", "labels", "kueue.x-k8s.io/queue-name"), "builds"),
    (("metadata", "labels", "empty"), ""),
    ((*POD, "tolerations"), [{"operator": "Exists"}]),
    ((*KANIKO, "resources", "requests", "memory"), "4Gi"),
    ((*KANIKO, "resources", "requests", "memory"), "4096Mi"),
    ((*KANIKO, "resources", "requests", "cpu"), 0.5),
    ((*KANIKO, "resources", "requests", "cpu"), 2),
    ((*KANIKO, "resources", "limits", "cpu"), "1e3"),
    ((*KANIKO, "resources", "limits", "nvidia.com/gpu"), 1),
    ((*KANIKO, "image"), "registry.example.com:5000/kaniko:v1@sha256:" + "0" * 64),
    ((*KANIKO, "env", 1), {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/token"}),
    ((*KANIKO, "env", 1), {"name": "EMPTY"}),
    ((*KANIKO, "args", 0), "--label=a={}"),
    ((*KANIKO, "volumeMounts", 0, "subPath"), "a"),
]


@pytest.mark.parametrize(("path", "value"), TAKEN)
def test_what_is_right_is_taken(path, value):
    job = changed(path, value)
    assert kubernetes().is_valid(job)
    assert job_problems(job) == []


def places(value, path=()):
    """Every path into a manifest."""
    items = value.items() if isinstance(value, dict) else []
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield (*path, key)
        yield from places(item, (*path, key))


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just(GONE),
)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), kind=st.sampled_from(("docker-config", "openshift", "append")))
def test_whatever_the_schema_refuses_is_caught(data, kind):
    """Any corruption of one or two places: a verdict always, and never milder than the schema."""
    job = changed(data.draw(st.sampled_from(list(places(sample(kind))))), data.draw(junk), kind)
    if data.draw(st.booleans()):
        *folder, field = data.draw(st.sampled_from(list(places(job)) or [("kind",)]))
        place = job
        for key in folder:
            place = place[key]
        place[field] = data.draw(junk.filter(lambda value: value is not GONE))
    problems = job_problems(job)
    assert all(isinstance(problem, str) and problem for problem in problems)
    assert problems or kubernetes().is_valid(job)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), field=st.text(min_size=1, max_size=8))
def test_unknown_fields_are_caught_wherever_they_stand(data, field):
    job = copy.deepcopy(sample("docker-config"))
    mappings = [path for path in places(job) if isinstance(_at(job, path), dict)]
    _at(job, data.draw(st.sampled_from([(), *mappings])))[field] = data.draw(
        junk.filter(lambda value: value is not GONE)
    )
    assert job_problems(job) or kubernetes().is_valid(job)


def _at(value, path):
    for key in path:
        value = value[key]
    return value
