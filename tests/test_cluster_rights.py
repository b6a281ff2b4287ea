"""argocd/live-state/ grants what is asked of the API server, and nothing else."""

import re
from pathlib import Path

import pytest

from gitops_bridge import documents
from gitops_bridge.cluster import Connection, Reader, Writer, judged
from gitops_bridge.cluster.listing import Patience
from tests import clusters, recordings
from tests.clusters import PROD
from tests.rendering import ROOT, build
from tests.servers.kubernetes import KubernetesServer
from tests.strictness import check

FOLDER = ROOT / "argocd/live-state"
READING = {"serving": clusters.SERVING, "builds": clusters.BUILDS, "applications": clusters.ARGOCD}
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<resource>[a-z]+)"
    r"(?P<name>/[^/]+)?(?P<sub>/log)?"
)


def granted(folder):
    role = documents.load((FOLDER / folder / "role.yaml").read_bytes())
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(server):
    """Namespace, group, resource and verb of every request."""
    for method, path, query in server.requests:
        found = _PATH.fullmatch(path)
        resource = found["resource"] + (found["sub"] or "")
        verb = {"GET": "get" if found["name"] else "list", "PATCH": "patch"}[method]
        verb = "watch" if query.get("watch") else verb
        yield found["namespace"], (found["group"] or "", resource, verb)


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


def test_reading_asks_for_what_the_roles_grant(server, tmp_path):
    reader = Reader(clusters.configured(server, tmp_path))
    for snapshot in recordings.snapshots():
        clusters.show(server, snapshot)
        wanted = snapshot.wanted()
        observed = reader.read(PROD, lambda: 60.0, wanted).of(wanted)
        judged(reader, PROD, wanted, observed, lambda: 60.0)
        reader.read(PROD, lambda: 60.0)
    seen = set(asked(server))
    for folder, namespace in READING.items():
        used = {right for where, right in seen if where == namespace}
        assert used <= granted(folder)
        unused = {right[:2] for right in granted(folder)} - {right[:2] for right in used}
        assert not unused, folder
    assert {where for where, _ in seen} == set(READING.values())


def test_asking_argo_cd_needs_the_right_to_patch_alone(server, tmp_path):
    connection = Connection(clusters.configured(server, tmp_path).access(None))
    writer, patience = Writer(connection, "argocd"), Patience(lambda: 60.0)
    writer.refresh("prod-churn", patience)
    writer.refresh_set("mlops-serving", patience)
    assert {right for _, right in asked(server)} == granted("refresh")


@pytest.mark.parametrize("folder", ["serving", "builds", "applications", "refresh"])
def test_the_roles_are_valid_and_bound_to_the_bridge(folder):
    role, binding = sorted(build(Path("argocd/live-state") / folder), key=lambda one: one["kind"])
    assert (role["kind"], binding["kind"]) == ("Role", "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == ["gitops-bridge"]
    assert "namespace" not in role["metadata"]
    for item in (role, binding):
        check(item)
