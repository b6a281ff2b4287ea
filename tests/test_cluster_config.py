"""The section `cluster`: which API server each environment is read from."""

import pytest

from gitops_bridge.config import ClusterAccess, load
from gitops_bridge.errors import ConfigError
from tests.test_config import GOOD, changed

ENVIRONMENT = "65a000000000000000000001"


def configured(cluster, **environment):
    data = changed("cluster", cluster)
    data["environments"][ENVIRONMENT] |= environment
    return load(data, "gitops-bridge.yaml")


def test_without_the_section_nothing_is_looked_at():
    assert load(GOOD, "f").cluster is None


def test_an_empty_section_is_the_default_kubeconfig():
    config = configured({})
    assert config.cluster.access(None) == ClusterAccess()
    assert config.environments[0].builds == "mlserve-prod-builds"


def test_the_cluster_it_runs_in_and_another_by_its_context():
    config = configured(
        {"in_cluster": "true", "kubeconfig": "/etc/kube", "argocd_context": "management"},
        context="prod-eu",
        builds_namespace="mlops-builds",
    )
    cluster, (environment,) = config.cluster, config.environments
    assert cluster.access(environment.context) == ClusterAccess(False, "/etc/kube", "prod-eu")
    assert cluster.access(None) == ClusterAccess(in_cluster=True)
    assert cluster.access(cluster.argocd_context).context == "management"
    assert environment.builds == "mlops-builds"


@pytest.mark.parametrize(
    ("cluster", "environment", "told"),
    [
        ({"in_cluster": True, "context": "x"}, {}, "cluster.context: stands beside in_cluster"),
        ({"argocd_namespace": "Argo CD"}, {}, "cluster.argocd_namespace"),
        ({"kubeconfg": "x"}, {}, "cluster.kubeconfg: is unknown; did you mean kubeconfig?"),
        ({}, {"builds_namespace": "a b"}, f"environments.{ENVIRONMENT}.builds_namespace"),
        (None, {"context": "x"}, f"environments.{ENVIRONMENT}.context"),
    ],
)
def test_bad_sections_name_the_key(cluster, environment, told):
    with pytest.raises(ConfigError) as caught:
        configured(cluster, **environment)
    assert told in str(caught.value)
