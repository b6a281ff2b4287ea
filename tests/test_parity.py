"""What we render against what DataRobot's built-in plugin renders, field by field.

docs/differences.md is the list of what may differ: here it is read and held to its word.
"""

import itertools
import re

import pytest
from bosun.plugin.constants import BosunPluginConfigConstants
from bosun.plugin.k8s.config import KubernetesPluginConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_bridge.actions import ExecutionType, Model, ModelFormat, Package, Scale
from gitops_bridge.desired import overlay, proof
from gitops_bridge.desired.overlay import Image
from tests.plugin import (
    ABSENT,
    MONITORED,
    ManifestGenerationError,
    differences,
    environment,
    patch_keys,
    render,
    table,
)
from tests.rendering import DIGEST, ENVIRONMENT, Repository, build, by_kind, variables
from tests.strictness import check

PLAIN = {
    "ppsBaseImage": "r.example.com/pps:9.1.2",
    "generatedImageRepo": "r.example.com/mlops/frozen",
    "outfacingPredictionURLPrefix": "https://models.example.com/deployments/",
    "mlopsApiToken": "made-up",
    "MLOPS_BOSUN_MONITORING_URL": "https://app.example.com",
    "agentImage": "r.example.com/agent:1",
    MONITORED: True,
}
EVERYTHING = {
    "ppsServiceAccount": "models",
    "imagePullSecrets": [{"name": "pull"}],
    "ppsPodSecurityContext": {"runAsUser": 1000, "fsGroup": 1000},
    "ppsNodeSelector": {"example.com/pool": "models", "zone": "a"},
    "ppsAffinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "gpu", "operator": "NotIn", "values": ["yes"]}]}
                ]
            }
        }
    },
    "ppsTolerations": [{"key": "models", "operator": "Exists", "effect": "NoSchedule"}],
    "ppsExtraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "ppsSecurityContext": {"readOnlyRootFilesystem": False, "runAsNonRoot": True},
    "ppsResources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"cpu": 2}},
    "ppsExtraEnvironment": [
        {"name": "PREDICTION_API_WORKERS", "value": "2"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ],
    "ppsExtraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "ppsAnnotations": {"example.com~1team": "R&D", "plain": "1e5"},
    "ingressClass": "mlops",
    "ppsCpuUtilizationPercent": 65,
    "agentResources": {"requests": {"cpu": "100m"}},
    "agentSecurityContext": {"runAsNonRoot": True},
    "logFormat": "json",
    "spoolerSettings": "spooler_type=kafka;topic=a b;servers=k:9092",
}
EXTERNAL = {"agentSidecar": False, "spoolerSettings": "spooler_type=sqs;queue=https://q.example"}
CONFIGS = {
    "plain": {},
    "unmonitored": {MONITORED: False},
    "spooler": EXTERNAL,
    "spooler-unmonitored": EXTERNAL | {MONITORED: False},
    "everything": EVERYTHING,
    "everything-spooler": EVERYTHING | {"agentSidecar": False},
    "openshift": {"ingressType": "openshift", "ingressClass": "openshift-default"},
    "http": {"outfacingPredictionURLPrefix": "http://models.example.com:8080/a/b"},
    "address": {"outfacingPredictionURLPrefix": "https://10.0.0.1/deployments"},
    "digit": {"outfacingPredictionURLPrefix": "https://3scale.example.com/"},
    "autoscaled": {
        "ppsCpuUtilizationPercent": 70,
        "ppsResources": {"requests": {"cpu": "500m"}},
        "agentResources": {"requests": {"cpu": "100m"}},
    },
}
MODELS = {
    "dedicated": Model("65a000000000000000000020", ExecutionType.DEDICATED, ModelFormat.PACKAGE),
    "custom": Model("65a000000000000000000021", ExecutionType.CUSTOM),
    "custom-with-format": Model(
        "65a000000000000000000023", ExecutionType.CUSTOM, ModelFormat.PACKAGE
    ),
    "unstructured": Model(
        "65a000000000000000000022",
        ExecutionType.CUSTOM,
        package=Package("65a0", target_type="Unstructured"),
    ),
}
SCALES = [Scale(0), Scale(1), Scale(3), Scale(1, 2, 4), Scale(9, 1, 3), Scale(1, 2, 0)]


def configured(config):
    """As the plugin takes it: a `~1` in our annotation keys is its `/`."""
    whole = PLAIN | config
    if "ppsAnnotations" in whole:
        plain = {key.replace("~1", "/"): val for key, val in whole["ppsAnnotations"].items()}
        whole["ppsAnnotations"] = plain
    return whole


def asked(identifier, model, scale):
    """The deploymentInfo the agent would send."""
    return {
        "id": identifier,
        "name": "churn",
        "modelId": model.id,
        "modelExecutionType": model.execution_type.value,
        "modelFormat": model.format.value if model.format else None,
        "keyValueConfig": {
            "replicas": str(scale.replicas),
            "minReplicas": str(scale.minimum),
            "maxReplicas": str(scale.maximum),
        },
    }


def written(identifier, config, model, scale, seams, restarts=0):
    return overlay.component(
        deployment_id=identifier,
        environment_id=ENVIRONMENT,
        model=model,
        scale=scale,
        monitoring=config.get(MONITORED, True),
        image=Image("r.example.com/mlops/frozen", "tag", DIGEST),
        seams=seams,
        restarts=restarts,
        name="churn",
    )


class Allowed:
    """One row of the list."""

    def __init__(self, identifier, field, theirs, ours, _why):
        self.id = identifier
        self.field = re.compile(re.escape(field.strip("`")).replace(r"\*", ".*"))
        self.theirs, self.ours = theirs, ours
        self.count = 0

    def covers(self, field, theirs, ours):
        return bool(
            self.field.fullmatch(field)
            and self._is(self.theirs, theirs)
            and self._is(self.ours, ours)
        )

    def _is(self, cell, value):
        if cell == "—":
            return value is ABSENT
        if cell == "*empty*":
            return value == ""
        if cell.startswith("*"):
            return value is not ABSENT
        wanted = {"null": None, "[]": [], "false": False, "0": 0}.get(cell[1:-1], cell[1:-1])
        return value == wanted and type(value) is type(wanted)


def allowed():
    return [Allowed(*row) for row in table("differences.md", "id")]


def unlisted(theirs, ours, rows):
    """The differences no row covers; the rows that cover one count it."""
    found = []
    for difference in differences(theirs, ours):
        covering = [row for row in rows if row.covers(*difference)]
        for row in covering:
            row.count += 1
        if not covering:
            found.append(difference)
    return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Every configuration with every model and scale: the plugin's objects and ours."""
    repository = Repository(tmp_path_factory.mktemp("parity"))
    cases = {}
    for number, name in enumerate(CONFIGS):
        repository.add_environment(name, environment(PLAIN | CONFIGS[name]))
        seams = repository.seams(name)
        for index, (model, scale) in enumerate(itertools.product(MODELS.values(), SCALES)):
            identifier = f"65c{number:03d}{index:018d}"
            try:
                theirs = render(
                    configured(CONFIGS[name]), ENVIRONMENT, asked(identifier, model, scale)
                )
            except ManifestGenerationError:
                theirs = None
            text = written(identifier, CONFIGS[name], model, scale, seams, restarts=index % 2)
            cases[repository.add_deployment(name, identifier, text)] = (name, model, scale, theirs)
    built = repository.build_all(cases)
    return [(*case, built[folder]) for folder, case in cases.items()]


def test_only_what_is_listed_differs_and_all_that_is_listed_does(compared):
    rows, missing = allowed(), {}
    for name, model, scale, theirs, ours in compared:
        if theirs is not None:
            for difference in unlisted(theirs, ours, rows):
                missing.setdefault(difference[0], (name, model.id, scale, difference))
    assert missing == {}
    assert [(row.id, row.field.pattern) for row in rows if not row.count] == []


def test_running_processes_see_what_the_plugin_gives_them(compared):
    """Behind the downward API stand the very values the plugin writes as literals, in its order:
    one variable may refer to another before it."""
    for _, model, _, theirs, ours in compared:
        if theirs is None:
            continue
        seen, wanted = list(variables(ours).items()), list(variables(theirs).items())
        if model.execution_type is ExecutionType.CUSTOM:
            assert seen.pop(0) == ("ADDRESS", "0.0.0.0:8080")
        unlike = {("MONITOR", "False")} | (set(wanted[:4]) if model.package else set())
        assert seen == [variable for variable in wanted if variable not in unlike]


def test_the_tracking_folder_is_there_with_the_agent(compared):
    for *_, ours in compared:
        pod = by_kind(ours)["Deployment"]["spec"]["template"]["spec"]
        mounted = [
            mount["name"] for part in pod["containers"] for mount in part.get("volumeMounts", [])
        ]
        agents = len(pod["containers"]) - 1
        assert mounted.count("tracking-data") == 2 * agents
        assert [volume["name"] for volume in pod["volumes"]].count("tracking-data") == agents


def test_the_plugin_refuses_to_autoscale_where_we_name_the_problem(compared):
    refused = 0
    for name, _, scale, theirs, ours in compared:
        problems = overlay.autoscaling_problems(ours)
        if theirs is None:
            refused += 1
            assert scale.autoscaled
            assert problems or "ppsCpuUtilizationPercent" not in CONFIGS[name]
        else:
            assert problems == []
    assert refused


def test_ours_is_valid_throughout(compared):
    seen = set()
    for *_, ours in compared:
        for item in ours:
            labels = item["metadata"]["labels"]
            shape = str(item).replace(labels[overlay.DEPLOYMENT_LABEL], "")
            if shape not in seen:
                seen.add(shape)
                check(item)
        assert overlay.unresolved(ours) == []


TEXT = (
    st.text("abcXYZ019 .:=;/_-", min_size=1, max_size=12)
    .map(str.strip)
    .filter(
        lambda text: text not in {"", "="}  # YAML 1.1 has a type of its own for a bare =
    )
)
NAME = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
QUANTITY = st.sampled_from(["100m", "1", "2Gi", "0.5", "1e3", 2])
RESOURCES = st.fixed_dictionaries(
    {}, optional={part: st.dictionaries(NAME, QUANTITY) for part in ("requests", "limits")}
)
SECURITY = st.fixed_dictionaries(
    {}, optional={"runAsUser": st.integers(0, 9999), "runAsNonRoot": st.booleans()}
)


SELECTOR = st.fixed_dictionaries(
    {"matchLabels": st.dictionaries(st.sampled_from(["app", "tier"]), NAME, min_size=1)}
)
TERM = st.fixed_dictionaries({"topologyKey": NAME, "labelSelector": SELECTOR})
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        kind: st.fixed_dictionaries(
            {
                "requiredDuringSchedulingIgnoredDuringExecution": st.lists(
                    TERM, min_size=1, max_size=2
                )
            }
        )
        for kind in ("podAffinity", "podAntiAffinity")
    },
)
WORDS = ["<<", "deployment-id", "a deployment-id=none", "~", "null", "yes", "1e5", "#x", "{{ a }}"]
ODD = st.sampled_from([None, True, False, 5, 1.5])


def named(**fields):
    entry = st.fixed_dictionaries({"name": NAME.map("x{}".format), **fields})
    return st.lists(entry, max_size=4, unique_by=lambda item: item["name"])


CONFIGURATIONS = st.fixed_dictionaries(
    {},
    optional={
        MONITORED: st.booleans(),
        "agentSidecar": st.booleans(),
        "spoolerSettings": TEXT,
        "outfacingPredictionURLPrefix": st.builds(
            "{}://{}{}".format,
            st.sampled_from(["http", "https"]),
            st.sampled_from(["models.example.com", "10.1.2.3", "a1.example.com:8443"]),
            st.sampled_from(
                [
                    "",
                    "/",
                    "//",
                    "/deployments",
                    "/a/b/",
                    "/a//b//",
                    "/by-deployment-id/",
                    "/deployment-id",
                ]
            ),
        ),
        "ingressType": st.sampled_from(["nginx", "openshift"]),
        "ingressClass": NAME,
        "ppsServiceAccount": NAME,
        "imagePullSecrets": named(),
        "ppsPodSecurityContext": SECURITY,
        "ppsSecurityContext": SECURITY,
        "ppsResources": RESOURCES,
        "ppsNodeSelector": st.dictionaries(NAME, NAME),
        "ppsTolerations": st.lists(st.fixed_dictionaries({"key": NAME, "effect": TEXT})),
        "ppsAffinity": AFFINITY,
        "ppsAnnotations": st.dictionaries(NAME, st.one_of(TEXT, ODD)),
        "ppsExtraEnvironment": named(value=st.one_of(TEXT, st.sampled_from(WORDS))),
        "ppsExtraVolumes": named(emptyDir=st.fixed_dictionaries({}, optional={"medium": TEXT})),
        "ppsExtraVolumeMounts": named(mountPath=TEXT),
        "ppsCpuUtilizationPercent": st.integers(1, 100),
        "agentResources": RESOURCES,
        "agentSecurityContext": SECURITY,
        "agentImage": st.sampled_from(
            ["agent", "agent:1", "library/agent:1", "r.example.com:5000/a:1"]
        ),
        "logFormat": st.sampled_from(["plain", "json"]),
    },
).map(lambda config: {"spoolerSettings": "spooler_type=x"} | config)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=CONFIGURATIONS,
    model=st.sampled_from([MODELS[name] for name in ("dedicated", "custom", "custom-with-format")]),
    scale=st.sampled_from(SCALES),
)
def test_any_configuration(tmp_path_factory, config, model, scale):
    """Drawn ones, too: whatever an environment's folder says arrives as in the plugin."""
    repository = Repository(tmp_path_factory.mktemp("drawn"))
    repository.add_environment("drawn", environment(PLAIN | config))
    text = written("65d", config, model, scale, repository.seams("drawn"))
    ours = build(repository.add_deployment("drawn", "65d", text))
    try:
        theirs = render(configured(config), ENVIRONMENT, asked("65d", model, scale))
    except ManifestGenerationError:
        assert overlay.autoscaling_problems(ours) or "ppsCpuUtilizationPercent" not in config
        return
    found = unlisted(theirs, ours, allowed())
    odd = [key for key, value in config.get("ppsAnnotations", {}).items() if not is_text(value)]
    refused = [difference for difference in found if difference[0] in map(ANNOTATION.format, odd)]
    assert [difference for difference in found if difference not in refused] == []
    told = proof.problems(ours, deployment="65d", image="", kustomizations=[])
    assert all(any(f".{key} is " in problem for problem in told) for key in odd)


ANNOTATION = "Deployment/spec/template/metadata/annotations[{}]"


def is_text(value):
    return isinstance(value, str)


@pytest.mark.parametrize("key", sorted(patch_keys()))
def test_each_key_has_the_effect_it_has_in_the_plugin(tmp_path, key):
    """docs/seams.md, row by row: the patch does what the key does, and it does something."""
    needed = ("ppsResources", "agentResources", "ppsCpuUtilizationPercent")
    without = {name: EVERYTHING[name] for name in needed if name != key}
    without["agentSidecar"] = key != "spoolerSettings"
    config = without | {key: EVERYTHING.get(key, PLAIN.get(key))}
    model, scale = MODELS["dedicated"], Scale(1, 2, 4)
    repository, rendered = Repository(tmp_path), {}
    for name, said in (("with", PLAIN | config), ("without", unsaid(PLAIN, key) | without)):
        repository.add_environment(name, environment(said))
        text = written("65d", said, model, scale, repository.seams(name))
        rendered[name] = build(repository.add_deployment(name, "65d", text))
    theirs = render(configured(config), ENVIRONMENT, asked("65d", model, scale))
    assert unlisted(theirs, rendered["with"], allowed()) == []
    assert rendered["with"] != rendered["without"]


def unsaid(config, key):
    return {name: value for name, value in config.items() if name != key}


def test_every_key_of_the_plugin_has_its_place():
    """docs/seams.md knows every key the plugin reads, and no other."""
    known = {
        value
        for name, value in vars(KubernetesPluginConfig).items()
        if name.isupper() and isinstance(value, str)
    } | {
        BosunPluginConfigConstants.MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING_KEY,
        BosunPluginConfigConstants.MLOPS_URL_KEY,
        BosunPluginConfigConstants.MLOPS_API_TOKEN_KEY,
    }
    elsewhere = [
        key for cell, _ in table("seams.md", "key | place") for key in re.findall(r"`(\w+)`", cell)
    ]
    documented = [*patch_keys(), *elsewhere]
    assert sorted(documented) == sorted(known)
