"""The Kubernetes API stand-in answers the package's own typed client as an API server would."""

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from gitops_bridge.live import Kind
from tests import clusters, recordings
from tests.servers.kubernetes import KubernetesServer

DONE = next(found for found in recordings.snapshots() if found.name == "replace/12-done")


@pytest.fixture
def server():
    with KubernetesServer() as running:
        clusters.show(running, DONE)
        yield running


@pytest.fixture
def api(server, tmp_path):
    path = str(server.kubeconfig(tmp_path))
    with config.new_client_from_config(path, persist_config=False) as found:
        yield found


def test_typed_objects_in_pages_by_label(api):
    core = client.CoreV1Api(api)
    selector = "app.kubernetes.io/component in (predictionServer),bosun.datarobot.com/deployment"
    first = core.list_namespaced_pod(clusters.SERVING, label_selector=selector, limit=1)
    assert len(first.items) == 1
    assert first.items[0].status.container_statuses[0].ready
    second = core.list_namespaced_pod(
        clusters.SERVING, label_selector=selector, limit=1, _continue=first.metadata._continue
    )
    names = {pod.metadata.name for pod in first.items + second.items}
    assert names == {pod["metadata"]["name"] for pod in DONE.items(Kind.PODS)}
    assert second.metadata.resource_version == first.metadata.resource_version
    none = core.list_namespaced_pod(clusters.SERVING, label_selector=f"!{selector[:10]},x=y")
    assert none.items == []


def test_fields_of_jobs_select(api):
    batch = client.BatchV1Api(api)
    done = batch.list_namespaced_job(clusters.BUILDS, field_selector="status.successful=1")
    other = batch.list_namespaced_job(clusters.BUILDS, field_selector="status.successful=0")
    assert (len(done.items), len(other.items)) == (1, 0)


def test_a_watch_tells_what_changed_since_the_list(server, api):
    core = client.CoreV1Api(api)
    version = core.list_namespaced_pod(clusters.SERVING).metadata.resource_version
    pod = DONE.items(Kind.PODS)[0]
    server.put("pods", clusters.SERVING, pod)
    server.delete("pods", clusters.SERVING, pod["metadata"]["name"])
    events = watch.Watch().stream(
        core.list_namespaced_pod, clusters.SERVING, resource_version=version, timeout_seconds=1
    )
    told = [(event["type"], event["object"].metadata.name) for event in events]
    name = pod["metadata"]["name"]
    assert told == [("MODIFIED", name), ("DELETED", name)]


def test_a_version_that_is_too_old_is_an_error(server, api):
    core = client.CoreV1Api(api)
    version = core.list_namespaced_pod(clusters.SERVING).metadata.resource_version
    server.compact()
    stream = watch.Watch().stream(
        core.list_namespaced_pod, clusters.SERVING, resource_version=version, timeout_seconds=1
    )
    with pytest.raises(ApiException) as caught:
        list(stream)
    assert caught.value.status == 410


def test_a_lease_has_one_writer_at_a_time(api):
    leases = client.CoordinationV1Api(api)
    body = client.V1Lease(
        metadata=client.V1ObjectMeta(name="bridge"),
        spec=client.V1LeaseSpec(holder_identity="first", lease_duration_seconds=15),
    )
    made = leases.create_namespaced_lease("mlops", body)
    with pytest.raises(ApiException) as caught:
        leases.create_namespaced_lease("mlops", body)
    assert caught.value.status == 409
    made.spec.holder_identity = "second"
    changed = leases.replace_namespaced_lease("bridge", "mlops", made)
    assert changed.spec.holder_identity == "second"
    with pytest.raises(ApiException) as caught:
        leases.replace_namespaced_lease("bridge", "mlops", made)
    assert caught.value.status == 409


def test_custom_objects_take_merge_patches(server, api):
    custom = client.CustomObjectsApi(api)
    (application,) = (
        found for found in DONE.items(Kind.APPLICATIONS) if "prod-" in found["metadata"]["name"]
    )
    name = application["metadata"]["name"]
    patch = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    custom.patch_namespaced_custom_object(
        "argoproj.io", "v1alpha1", "argocd", "applications", name, patch
    )
    found = server.object("applications", "argocd", name)
    assert found["metadata"]["annotations"]["argocd.argoproj.io/refresh"] == "normal"
    assert found["spec"] == application["spec"]
