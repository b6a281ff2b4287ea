"""What the recordings do not show: each condition of `live`, on a snapshot that was changed."""

import copy
from dataclasses import replace

import pytest

from gitops_bridge.actions import Status
from gitops_bridge.desired.overlay import Image
from gitops_bridge.live import Goal, Kind, LiveState, Source, Unseen, Wanted, judge
from tests import recordings

BY_NAME = {snapshot.name: snapshot for snapshot in recordings.snapshots()}
READY = BY_NAME["replace/12-done"]
STARTING = BY_NAME["start/09-progressing-0-old-2-new-0-ready"]
STOPPED = BY_NAME["stop/04-done"]
OLD, NEW = "650000000000000000000101", "650000000000000000000112"


class Case:
    """A snapshot to be changed, then judged."""

    def __init__(self, snapshot, **wanted):
        self.lists = snapshot.lists()
        self.wanted = replace(snapshot.wanted(), **wanted)
        self.at, self.unseen, self.evidence = snapshot.at, (), {}

    @property
    def deployment(self):
        return self.lists[Kind.DEPLOYMENTS][0]

    @property
    def pods(self):
        return self.lists[Kind.PODS]

    @property
    def application(self):
        return next(
            one for one in self.lists[Kind.APPLICATIONS]
            if one["spec"]["source"]["path"].startswith("overlays/")
        )  # fmt: skip

    def container(self, index=0, **fields):
        self.pods[index]["status"]["containerStatuses"][0].update(fields)

    def silent(self, *indexes):
        """Pods that are not ready, as the Deployment counts them too."""
        for index in indexes:
            for found in self.pods[index]["status"]["conditions"]:
                if found["type"] in ("Ready", "ContainersReady"):
                    found["status"] = "False"
            self.container(index, ready=False)
        self.deployment["status"]["readyReplicas"] -= len(indexes)
        self.deployment["status"]["availableReplicas"] -= len(indexes)

    @property
    def verdict(self):
        observation = recordings.observation(self.lists, self.unseen, self.at)
        observed = observation.of(self.wanted).with_evidence(self.evidence)
        return judge(self.wanted, observed)


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def test_the_case_is_ready_before_it_is_changed():
    verdict = Case(READY).verdict
    assert (verdict.state, verdict.status, verdict.reason) == (
        LiveState.READY,
        Status.PASSING,
        None,
    )
    assert (verdict.running_model, verdict.old_model_in_use) == (NEW, False)


def test_one_pod_less_is_a_warning_as_long_as_another_answers():
    case = Case(READY)
    case.silent(0)
    case.container(0, restartCount=4, state=waiting("CrashLoopBackOff"),
                   lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})  # fmt: skip
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.READY, Status.WARNING)
    assert verdict.reason.startswith("1 of 2 Pods answer: container model-package")
    assert "more memory than its limit" in verdict.reason


def test_pods_that_have_been_silent_for_too_long_are_an_error():
    case = Case(READY)
    case.silent(0, 1)
    assert case.verdict.state is LiveState.LAUNCHING
    case.at = "2026-11-24T00:00:00Z"
    assert case.verdict.state is LiveState.ERRORED
    assert "have not answered for" in case.verdict.reason


def test_a_relaunch_is_not_ready_before_its_restart():
    case = Case(READY, restarts=1)
    assert case.verdict.state is not LiveState.READY
    template = case.deployment["spec"]["template"]["metadata"]
    template["annotations"] = {"gitops-bridge.io/restarts": "1"}
    assert case.verdict.state is LiveState.READY


def test_a_model_with_the_same_image_is_told_by_its_label():
    case = Case(READY)
    case.deployment["spec"]["template"]["metadata"]["labels"]["bosun.datarobot.com/model"] = OLD
    assert case.verdict.state is LiveState.REPLACING_MODEL


def test_the_image_that_runs_counts_not_the_one_that_was_asked_for():
    """An image changed in place: the kubelet has not restarted the container yet."""
    case = Case(READY)
    case.container(0, imageID="192.0.2.10:5000/models/frozen@sha256:" + "0" * 64)
    assert case.verdict.state is not LiveState.READY
    assert "answers with another image" in case.verdict.reason


def test_pods_of_one_tag_with_different_images_are_not_ready():
    adopted = BY_NAME["adopt/05-done"]
    case = Case(adopted, models={})
    assert case.verdict.state is LiveState.READY
    case.container(0, imageID="192.0.2.10:5000/models/frozen@sha256:" + "0" * 64)
    assert case.verdict.state is not LiveState.READY


def test_what_kubernetes_has_not_acted_on_is_not_ready():
    case = Case(READY)
    case.deployment["metadata"]["generation"] += 1
    assert case.verdict.state is LiveState.REPLACING_MODEL


def test_a_deployment_without_a_deadline_is_told_by_its_counts():
    case = Case(READY)
    case.deployment["spec"].pop("progressDeadlineSeconds")
    case.deployment["status"]["conditions"] = []
    assert case.verdict.state is LiveState.READY


def test_nothing_answers_when_it_is_scaled_to_nothing():
    case = Case(READY)
    case.deployment["spec"]["replicas"] = 0
    case.deployment["status"] |= {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}
    case.lists[Kind.PODS] = []
    assert case.verdict.state is LiveState.ERRORED
    assert "0 replicas" in case.verdict.reason


def test_a_paused_rollout_is_told():
    case = Case(BY_NAME["replace/08-progressing-2-old-1-new-0-ready"])
    case.deployment["spec"]["paused"] = True
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.REPLACING_MODEL, Status.WARNING)
    assert "paused" in verdict.reason


def test_two_deployments_of_one_id_are_told_unless_one_has_our_name():
    case = Case(READY)
    second = copy.deepcopy(case.deployment)
    second["metadata"]["name"] = "canary"
    case.lists[Kind.DEPLOYMENTS].append(second)
    assert case.verdict.state is LiveState.READY
    case.deployment["metadata"]["name"] = "stable"
    assert case.verdict.state is LiveState.ERRORED
    assert "canary, stable" in case.verdict.reason


STARTS = [
    (waiting("ErrImagePull", "failed: 401 Unauthorized"), "the registry refuses access"),
    (waiting("ImagePullBackOff", "x509: unknown"), "does not trust the registry's"),
    (waiting("ErrImagePull", "dial tcp: no such host"), "does not reach the registry"),
    (waiting("InvalidImageName", "couldn't parse"), "InvalidImageName"),
    (waiting("CreateContainerConfigError", "couldn't find key token in Secret ns/mlops"),
     "Secret mlops has no key token"),
    (waiting("CreateContainerConfigError", 'configmap "settings" not found'),
     "ConfigMap settings, which it needs, does not exist"),
    (waiting("RunContainerError", "exec: not found"), "RunContainerError"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "told"), STARTS, ids=lambda found: str(found)[:40])
def test_a_container_that_cannot_start_is_told_at_once(state, told):
    case = Case(STARTING)
    case.container(0, state=state)
    assert case.verdict.state is LiveState.ERRORED
    assert told in case.verdict.reason


def test_an_init_container_counts_too():
    case = Case(STARTING)
    case.pods[0]["status"]["initContainerStatuses"] = [
        {"name": "warm-up", "ready": False, "restartCount": 3, "state": waiting("CrashLoopBackOff"),
         "lastState": {"terminated": {"exitCode": 2}}},
    ]  # fmt: skip
    assert case.verdict.state is LiveState.ERRORED
    assert "warm-up" in case.verdict.reason
    assert case.verdict.needs[0].container == "warm-up"


@pytest.mark.parametrize(
    ("code", "told"),
    [(1, "exits with code 1"), (137, "killed from outside"), (139, "crashed in native code")],
)
def test_a_crash_between_two_back_offs_stays_one(code, told):
    """Running again for a moment is not healing, and its log is that of the run before."""
    case = Case(STARTING)
    case.container(0, restartCount=3, ready=False, state={"running": {}},
                   lastState={"terminated": {"exitCode": code}})  # fmt: skip
    verdict = case.verdict
    assert verdict.state is LiveState.ERRORED
    assert told in verdict.reason
    (source,) = verdict.needs
    assert source == Source("mlops-prod", case.pods[0]["metadata"]["name"], "model-package", True)
    case.evidence = {source: ("loading", "ValueError: no such file")}
    assert case.verdict.log == ("loading", "ValueError: no such file")
    assert case.verdict.needs == ()


def test_a_secret_in_a_log_is_not_repeated():
    case = Case(STARTING)
    case.container(0, restartCount=3, state=waiting("CrashLoopBackOff"),
                   lastState={"terminated": {"exitCode": 1}})  # fmt: skip
    (source,) = case.verdict.needs
    case.evidence = {source: (
        "Authorization: Bearer s3cr3t-canary", "GET https://user:s3cr3t-canary@host/x failed",
        "password=s3cr3t-canary token: s3cr3t-canary",
    )}  # fmt: skip
    assert "s3cr3t-canary" not in str(case.verdict)


def test_pod_security_is_named_by_the_replica_set_first():
    case = Case(STARTING)
    case.lists[Kind.PODS] = []
    message = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot'
    case.lists[Kind.REPLICA_SETS][0]["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
    ]
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.LAUNCHING, Status.WARNING)
    assert "Pod Security (restricted:latest) forbids the Pod: runAsNonRoot" in verdict.reason


def test_an_image_that_is_still_being_built_is_no_failure():
    """Without a gate the Pods wait for the image."""
    image = replace(STARTING.wanted().image, digest=None)
    case = Case(STARTING, image=image, build_job="build-111-a1f0")
    name = f"{image.repository}:{image.tag}"
    for place in (case.deployment["spec"]["template"], *case.pods):
        place["spec"]["containers"][0]["image"] = name
    case.container(0, state=waiting("ImagePullBackOff", "not found"))
    job = case.lists[Kind.JOBS][0]
    done, job["status"] = job["status"], {"active": 1}
    assert case.verdict.state is LiveState.LAUNCHING
    case.lists[Kind.JOBS] = []
    assert (case.verdict.state, case.verdict.status) == (LiveState.LAUNCHING, Status.WARNING)
    assert "waiting for build Job build-111-a1f0: " in case.verdict.reason
    job["status"] = done
    case.lists[Kind.JOBS] = [job]
    assert case.verdict.state is LiveState.ERRORED
    job["status"] = {
        "conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]
    }
    assert "took longer than it may" in case.verdict.reason


def building():
    return Case(BY_NAME["replace/03-building"])


def test_a_later_attempt_makes_up_for_a_failed_build():
    case = Case(BY_NAME["failed-build/04-build-failed"], build_job=None)
    assert case.verdict.state is LiveState.ERRORED
    again = copy.deepcopy(case.lists[Kind.JOBS][0])
    again["metadata"]["name"] += "-a2"
    again["status"] = {"active": 1}
    case.lists[Kind.JOBS].append(again)
    assert case.verdict.state is LiveState.REPLACING_MODEL


@pytest.mark.parametrize(("state", "told"), STARTS[:1] + STARTS[4:6], ids=["image", "key", "map"])
def test_a_build_that_cannot_start_is_told_at_once(state, told):
    case = building()
    case.lists[Kind.BUILD_PODS][0]["status"]["containerStatuses"][0]["state"] = state
    assert case.verdict.state is LiveState.ERRORED
    assert case.verdict.reason.startswith("the build cannot start: ")
    assert told in case.verdict.reason
    assert case.verdict.old_model_in_use is True


def test_a_build_in_a_queue_is_told():
    case = building()
    job = case.lists[Kind.JOBS][0]
    job["spec"]["suspend"], job["status"] = True, {}
    assert "is suspended" in case.verdict.reason


@pytest.mark.parametrize("fault", ["refused", "unreadable"])
def test_a_job_that_never_comes_to_be_is_told(fault):
    case = Case(BY_NAME["replace/02-build-pushed"], build_job="build-112-bad")
    (builds,) = (one for one in case.lists[Kind.APPLICATIONS] if one is not case.application)
    if fault == "refused":
        builds["status"]["operationState"]["syncResult"]["resources"] = [
            {"kind": "Job", "name": "build-112-bad", "status": "SyncFailed", "message": "bad"},
        ]
        assert case.verdict.state is LiveState.ERRORED
        assert "Kubernetes refuses the build Job: bad" in case.verdict.reason
    else:
        builds["status"]["sync"] = {"status": "Unknown", "revision": "builds"}
        builds["status"]["conditions"] = [{"type": "ComparisonError", "message": "yaml: line 3"}]
        assert case.verdict.status is Status.WARNING
        assert "yaml: line 3" in case.verdict.reason


def test_automatic_sync_that_is_off_is_told():
    case = Case(BY_NAME["replace/05-pushed"])
    case.application["spec"]["syncPolicy"].pop("automated")
    case.application["status"]["sync"] = {"status": "OutOfSync", "revision": case_commit(case)}
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.REPLACING_MODEL, Status.WARNING)
    assert "automatic sync" in verdict.reason


def case_commit(case):
    return BY_NAME["replace/05-pushed"].git["our_commit"]


def test_an_autoscaler_that_is_refused_is_a_warning_once_the_model_runs():
    case = Case(READY)
    state = case.application["status"]["operationState"]
    state["phase"], state["syncResult"]["resources"] = "Failed", [
        {"kind": "HorizontalPodAutoscaler", "name": "x", "status": "SyncFailed", "message": "no"},
    ]  # fmt: skip
    case.application["status"]["sync"]["status"] = "OutOfSync"
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.READY, Status.WARNING)
    assert "Kubernetes refuses HorizontalPodAutoscaler x: no" in verdict.reason


def test_a_repository_that_argo_cd_cannot_read_is_no_fault_of_the_overlay():
    case = Case(BY_NAME["replace/05-pushed"])
    case.application["status"]["sync"] = {"status": "Unknown", "revision": "main"}
    case.application["status"]["conditions"] = [
        {"type": "ComparisonError", "message": "rpc error: code = Unavailable desc = no server"}
    ]
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.REPLACING_MODEL, Status.WARNING)
    assert "cannot compare" in verdict.reason


def test_stopped_means_that_nothing_is_left():
    assert Case(STOPPED).verdict.state is LiveState.STOPPED
    case = Case(STOPPED)
    leaving = copy.deepcopy(READY.items(Kind.PODS)[0])
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T17:27:00Z"
    leaving["metadata"]["labels"]["bosun.datarobot.com/deployment"] = case.wanted.deployment
    case.lists[Kind.PODS] = [leaving]
    verdict = case.verdict
    assert verdict.state is LiveState.STOPPING
    assert verdict.running_model is None
    assert "1 Pod still answers" in verdict.reason


def test_what_no_application_owns_is_told_after_a_stop():
    case = Case(BY_NAME["stop/02-pushed"])
    case.lists[Kind.APPLICATIONS] = []
    verdict = case.verdict
    assert (verdict.state, verdict.status) == (LiveState.STOPPING, Status.WARNING)
    assert "kubectl delete" in verdict.reason


@pytest.mark.parametrize("kind", [Kind.DEPLOYMENTS, Kind.PODS])
@pytest.mark.parametrize("snapshot", [READY, STOPPED, STARTING], ids=lambda found: found.name)
def test_what_cannot_be_seen_is_not_claimed(kind, snapshot):
    case = Case(snapshot)
    case.lists[kind] = []
    case.unseen = (Unseen(kind, "forbidden", "grant it"),)
    verdict = case.verdict
    assert verdict.state in {LiveState.UNKNOWN, LiveState.STOPPING}
    if kind is Kind.PODS:
        assert (verdict.running_model, verdict.old_model_in_use) == (None, None)
    assert "grant it" in verdict.reason


def test_a_deployment_that_git_never_held_is_judged_by_itself():
    case = Case(READY)
    case.wanted = Wanted("prod", case.wanted.deployment, Goal.NONE, models=case.wanted.models)
    verdict = case.verdict
    assert (verdict.state, verdict.running_model, verdict.ready_pods) == (LiveState.READY, NEW, 2)


def test_an_image_counts_by_its_whole_name():
    image = Image("registry.example.com/models", "650000000000000000000121-x")
    case = Case(BY_NAME["adopt/05-done"], image=image)
    assert case.verdict.state is not LiveState.READY
