"""The built-in Kubernetes plugin's configuration keys and the Helm values that feed them: where
each one lives once Git is the state, or why it has no place.

`importing` reads values by these tables; the pages of docs/how-to/migrate-from-helm.md show them.
Sources: the configuration schema of datarobot-bosun 11.2 and
https://docs.datarobot.com/en/docs/mlops/deployment/mlops-agent/mgmt-agent/mgmt-agent-kubernetes.html.
The chart is not published on its own, so names its pages do not show are accepted by rule
(`section.leaf` for the plugin's `prefixLeaf`) and are marked as inferred.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVING = "environment/serving"
MONITORING = "environment/monitoring"
AUTOSCALING = "environment/autoscaling"
BUILDER = "environment/builder"
CONFIG = "gitops-bridge.yaml"


@dataclass(frozen=True)
class Key:
    """A key of the plugin: the type its value must have, and its place or the reason for none."""

    name: str
    kind: str
    place: str = ""
    what: str = ""
    reason: str = ""


_AGENT_SAYS = "the management agent says it with each action"
_ARGO_DEPLOYS = "Argo CD deploys: the bridge needs no access to write to a cluster"

PLUGIN_KEYS: tuple[Key, ...] = (
    Key("ppsBaseImage", "image", BUILDER, "the prediction server image models are put into"),
    Key("outfacingPredictionURLPrefix", "url", SERVING, "host and path of the route"),
    Key("generatedImageRepo", "repository", BUILDER, "repository of the model images"),
    Key("MLOPS_BOSUN_PRED_ENV_ID", "id", CONFIG, "the key under environments"),
    Key("MLOPS_BOSUN_MONITORING_URL", "url", MONITORING, "MLOPS_SERVICE_URL of tracking-agent"),
    Key("agentSidecar", "flag", MONITORING, "the sidecar component, or the spooler annotation"),
    Key("agentImage", "text", MONITORING, "image of tracking-agent"),
    Key("agentResources", "mapping", MONITORING, "resources of tracking-agent"),
    Key("agentSecurityContext", "mapping", MONITORING, "securityContext of tracking-agent"),
    Key("spoolerSettings", "text", MONITORING, "Pod annotation of an external spooler"),
    Key("logFormat", "text", MONITORING, "MLOPS_AGENT_LOGGING_FORMAT of tracking-agent"),
    Key("kubeNamespace", "namespace", CONFIG, "namespace; argocd/ deploys there"),
    Key("ingressClass", "object", SERVING, "ingressClassName"),
    Key("ingressType", "ingress", SERVING, "the component ingress-nginx or ingress-openshift"),
    Key("imagePullSecrets", "secrets", SERVING, "imagePullSecrets, in environment/builder too"),
    Key("ppsServiceAccount", "object", SERVING, "serviceAccountName"),
    Key("ppsResources", "mapping", SERVING, "resources of model-package"),
    Key("ppsCpuUtilizationPercent", "percent", AUTOSCALING, "target of the autoscaler"),
    Key("ppsPodSecurityContext", "mapping", SERVING, "securityContext of the Pod"),
    Key("ppsSecurityContext", "mapping", SERVING, "securityContext of model-package"),
    Key("ppsAnnotations", "annotations", SERVING, "annotations of the Pod"),
    Key("ppsNodeSelector", "labels", SERVING, "nodeSelector"),
    Key("ppsAffinity", "mapping", SERVING, "affinity"),
    Key("ppsTolerations", "mappings", SERVING, "tolerations"),
    Key("ppsExtraEnvironment", "variables", SERVING, "env of model-package"),
    Key("ppsExtraVolumes", "volumes", SERVING, "volumes"),
    Key("ppsExtraVolumeMounts", "named", SERVING, "volumeMounts of model-package"),
    Key("kanikoImage", "text", BUILDER, "image of the builder"),
    Key("kanikoConfigmapName", "object", BUILDER, "the component docker-config-map"),
    Key("kanikoSecretName", "object", BUILDER, "the component docker-config"),
    Key("kanikoServiceAccount", "object", BUILDER, "serviceAccountName"),
    Key("kanikoResources", "mapping", BUILDER, "resources of the builder"),
    Key("kanikoPodSecurityContext", "mapping", BUILDER, "securityContext of the Pod"),
    Key("kanikoSecurityContext", "mapping", BUILDER, "securityContext of the builder"),
    Key("kanikoAffinity", "mapping", BUILDER, "affinity"),
    Key("kanikoAnnotations", "annotations", BUILDER, "annotations of the Pod"),
    Key("kanikoNodeSelector", "labels", BUILDER, "nodeSelector"),
    Key("kanikoTolerations", "mappings", BUILDER, "tolerations"),
    Key("kanikoInsecureRegistries", "texts", BUILDER, "--insecure-registry arguments"),
    Key("kanikoSkipSslVerifyRegistries", "texts", BUILDER, "--skip-tls-verify-registry arguments"),
    Key("kanikoExtraArguments", "texts", BUILDER, "arguments of the builder"),
    Key("kanikoExtraVolumes", "volumes", BUILDER, "volumes"),
    Key("kanikoExtraVolumeMounts", "named", BUILDER, "volumeMounts of the builder"),
    Key("MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING", "flag", reason=_AGENT_SAYS),
    Key("MLOPS_BOSUN_PRED_ENV_TYPE", "text", reason=_AGENT_SAYS),
    Key("MLOPS_BOSUN_PRED_ENV_PLATFORM", "text", reason=_AGENT_SAYS),
    Key("command", "text", reason="it is the agent's own: let it call gitops-bridge run"),
    Key(
        "mlopsApiToken",
        "secret",
        reason="a secret is never written to Git; tracking-agent reads it from a Secret",
    ),
    Key("MLOPS_AGENT_VERIFY_SSL", "flag", reason="it is the agent's own connection to DataRobot"),
    Key("kubeConfigFile", "text", reason=_ARGO_DEPLOYS),
    Key("kubeConfigContext", "text", reason=_ARGO_DEPLOYS),
    Key(
        "alwaysUseEmbeddedCmPpsInstaller",
        "flag",
        reason="no installer script of a model package is ever run",
    ),
)

BY_NAME = {key.name: key for key in PLUGIN_KEYS}

API_SECRET = Key("apiSecretName", "object", MONITORING, "the Secret tracking-agent's token is in")
"""The one setting the chart has and the plugin has not."""


@dataclass(frozen=True)
class HelmKey:
    """A dotted Helm value: the plugin key it feeds, or the reason why it has no place."""

    path: str
    generation: str
    setting: str = ""
    reason: str = ""


ALPHA_SECTIONS = frozenset({"ingress", "tracking", "bosun"})
CURRENT_SECTIONS = frozenset({"predictionServer", "trackingAgent", "managementAgent"})
"""What only the one generation of the chart has; the other sections are of both."""

_AGENTS_OWN = "the management agent keeps its own chart; give its image gitops-bridge"
_OWN_ACCOUNT = "create it beside the namespace; the overlays name it and nothing more"
_CHART_RBAC = "builders are Jobs that Argo CD creates; the agent needs no rights for it"

_ALPHA = "alpha"
_CURRENT = "current"
_BOTH = "both"
_INFERRED = "inferred"

_SHOWN: tuple[HelmKey, ...] = (
    HelmKey("ingress.className", _ALPHA, "ingressClass"),
    HelmKey("ingress.outfacingURLPrefix", _ALPHA, "outfacingPredictionURLPrefix"),
    HelmKey("tracking.image", _ALPHA, "agentImage"),
    HelmKey("bosun", _ALPHA, reason=_AGENTS_OWN),
    HelmKey("predictionServer.ingressClassName", _CURRENT, "ingressClass"),
    HelmKey("predictionServer.outfacingUrlRoot", _CURRENT, "outfacingPredictionURLPrefix"),
    HelmKey("trackingAgent.image", _CURRENT, "agentImage"),
    HelmKey("managementAgent", _CURRENT, reason=_AGENTS_OWN),
    HelmKey("imageBuilder.rbac", _CURRENT, reason=_CHART_RBAC),
    HelmKey("imageBuilder.skipSslVerifyRegistries", _CURRENT, "kanikoSkipSslVerifyRegistries"),
    HelmKey("imageBuilder.extraVolumes", _CURRENT, "kanikoExtraVolumes"),
    HelmKey("imageBuilder.extraVolumeMounts", _CURRENT, "kanikoExtraVolumeMounts"),
    HelmKey("imageBuilder.extraArguments", _CURRENT, "kanikoExtraArguments"),
    HelmKey("datarobot.apiSecretName", _BOTH, "apiSecretName"),
    HelmKey("datarobot.predictionEnvId", _BOTH, "MLOPS_BOSUN_PRED_ENV_ID"),
    HelmKey("imageBuilder.ppsImage", _BOTH, "ppsBaseImage"),
    HelmKey("imageBuilder.generatedImageRepository", _BOTH, "generatedImageRepo"),
    HelmKey("imageBuilder.configMap", _BOTH, "kanikoConfigmapName"),
    HelmKey("imageBuilder.secretName", _BOTH, "kanikoSecretName"),
    HelmKey("imageBuilder.insecureRegistries", _BOTH, "kanikoInsecureRegistries"),
    HelmKey("imageBuilder.serviceAccount.name", _BOTH, "kanikoServiceAccount"),
    HelmKey("imageBuilder.serviceAccount.create", _BOTH, reason=_OWN_ACCOUNT),
    HelmKey("imageBuilder.serviceAccount.annotations", _BOTH, reason=_OWN_ACCOUNT),
    HelmKey("predictionServer.ingressType", _INFERRED, "ingressType"),
    HelmKey("predictionServer.image", _INFERRED, "ppsBaseImage"),
    HelmKey("predictionServer.serviceAccount.name", _INFERRED, "ppsServiceAccount"),
    HelmKey("predictionServer.serviceAccount.create", _INFERRED, reason=_OWN_ACCOUNT),
    HelmKey("predictionServer.serviceAccount.annotations", _INFERRED, reason=_OWN_ACCOUNT),
    HelmKey("trackingAgent.sidecar", _INFERRED, "agentSidecar"),
    HelmKey("trackingAgent.spoolerSettings", _INFERRED, "spoolerSettings"),
    HelmKey("trackingAgent.logFormat", _INFERRED, "logFormat"),
    HelmKey("datarobot.url", _INFERRED, "MLOPS_BOSUN_MONITORING_URL"),
    HelmKey("imagePullSecrets", _INFERRED, "imagePullSecrets"),
    HelmKey("logFormat", _INFERRED, "logFormat"),
    HelmKey("rbac", _INFERRED, reason=_CHART_RBAC),
    HelmKey("serviceAccount", _INFERRED, reason=_AGENTS_OWN),
    HelmKey("nameOverride", _INFERRED, reason=_AGENTS_OWN),
    HelmKey("fullnameOverride", _INFERRED, reason=_AGENTS_OWN),
    HelmKey("replicaCount", _INFERRED, reason=_AGENTS_OWN),
)

_SECTIONS = (
    ("predictionServer", "pps"),
    ("trackingAgent", "agent"),
    ("tracking", "agent"),
    ("imageBuilder", "kaniko"),
)


def _by_rule() -> list[HelmKey]:
    """Each plugin key `prefixLeaf` as `section.leaf`, unless a shown name stands there already."""
    found = []
    for section, prefix in _SECTIONS:
        taken = {key.setting for key in _SHOWN if key.path.startswith(f"{section}.")}
        for key in PLUGIN_KEYS:
            leaf = key.name.removeprefix(prefix)
            if leaf != key.name and leaf[0].isupper() and key.name not in taken:
                path = f"{section}.{leaf[0].lower()}{leaf[1:]}"
                found.append(HelmKey(path, _INFERRED, key.name))
    return found


HELM_KEYS: tuple[HelmKey, ...] = (*_SHOWN, *_by_rule())
