"""How an API server is reached: over TLS, from inside the cluster, with a token that is renewed."""

import pytest

from gitops_bridge.cluster import Connection
from gitops_bridge.config import ClusterAccess
from gitops_bridge.errors import ClusterError
from tests.servers import registry
from tests.servers.kubernetes import TOKEN, KubernetesServer

PATH = "/api/v1/namespaces/prod/pods"


@pytest.fixture
def tls(tmp_path):
    return registry.make_tls(tmp_path / "tls")


@pytest.fixture
def server(tls):
    with KubernetesServer(tls) as running:
        yield running


@pytest.fixture
def inside(server, tls, tmp_path, monkeypatch):
    """What a Pod of that cluster finds: the address in variables, token and authority in files."""
    from kubernetes.config import incluster_config

    token = tmp_path / "token"
    token.write_text(TOKEN)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", tls.ca)
    return Connection(ClusterAccess(in_cluster=True))


def test_a_pod_reads_as_its_service_account(inside):
    assert inside.request("GET", PATH, timeout=10).status == 200
    assert str(inside) == "the cluster this runs in"


def test_a_token_that_was_renewed_is_used(inside, server, tmp_path, monkeypatch):
    inside.request("GET", PATH, timeout=10)
    (tmp_path / "token").write_text("renewed-token")
    server.token = "renewed-token"
    import datetime

    from kubernetes.config import incluster_config

    class Later(datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return super().now(zone) + datetime.timedelta(minutes=2)

    monkeypatch.setattr(incluster_config.datetime, "datetime", Later)
    assert inside.request("GET", PATH, timeout=10).status == 200


def test_an_authority_that_is_not_trusted_is_told(server, tmp_path):
    connection = Connection(ClusterAccess(kubeconfig=str(server.kubeconfig(tmp_path))))
    with pytest.raises(ClusterError, match="certificate is not trusted") as caught:
        connection.request("GET", PATH, timeout=10)
    assert "certificate-authority" in caught.value.hint
    assert not caught.value.retry


def test_no_error_shows_the_token(server, tmp_path):
    connection = Connection(ClusterAccess(kubeconfig=str(server.kubeconfig(tmp_path))))
    with pytest.raises(ClusterError) as caught:
        connection.request("GET", PATH, timeout=10)
    assert TOKEN not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
