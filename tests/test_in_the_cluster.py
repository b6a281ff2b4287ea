"""argocd/bridge/ and deploy/agent/: what runs the bridge in a cluster, rendered and looked at."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gitops_bridge import documents
from gitops_bridge.cli.reconcile import reconcile
from gitops_bridge.cli.run import run
from gitops_bridge.scaffold.importing import File, helm_values
from gitops_bridge.serving import LookPace, StandingLoop
from gitops_bridge.serving.metrics import Metrics
from gitops_bridge.serving.server import Site
from tests.pod_security import restricted
from tests.rendering import ROOT, build
from tests.strictness import check

AGENT = ROOT / "deploy/agent"
GENERATIONS = ["first", "second"]
CONTROLLER = build(ROOT / "argocd/bridge")


def read(path):
    return documents.load((ROOT / path).read_bytes())


def one(kind, objects):
    (found,) = (item for item in objects if item["kind"] == kind)
    return found


def pod(objects):
    return one("Deployment", objects)["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def led(tmp_path_factory):
    """The controller with the component that makes one of two lead."""
    folder = tmp_path_factory.mktemp("repository") / "bridge"
    shutil.copytree(ROOT / "argocd/bridge", folder)
    with (folder / "kustomization.yaml").open("a") as file:
        file.write("components: [leader]\n")
    return build(folder)


def parsed(command, arguments):
    """The parameters that our command line makes of what a manifest says."""
    found = {}
    command = type(command)(
        name=command.name, params=command.params, callback=lambda **given: found.update(given)
    )
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return found


class TestController:
    @pytest.mark.parametrize("item", CONTROLLER, ids=lambda item: item["kind"])
    def test_every_object_is_valid(self, item):
        check(item)

    def test_it_runs_under_the_restricted_standard_and_its_namespace_enforces_that(self):
        assert restricted(pod(CONTROLLER)) == []
        (namespace,) = (item for item in CONTROLLER if item["kind"] == "Namespace")
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_it_writes_to_volumes_alone(self):
        (container,) = pod(CONTROLLER)["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert writable == {"/tmp"}

    def test_only_who_is_labelled_may_call_it_and_only_where_it_listens(self):
        policy = one("NetworkPolicy", CONTROLLER)["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        (rule,) = policy["ingress"]
        (peer,) = rule["from"]
        assert peer["namespaceSelector"]["matchLabels"] == {"gitops-bridge.io/may-call": "true"}
        (container,) = pod(CONTROLLER)["containers"]
        (port,) = container["ports"]
        assert [item["port"] for item in rule["ports"]] == [port["containerPort"]]
        labels = one("Deployment", CONTROLLER)["spec"]["template"]["metadata"]["labels"]
        for selector in (policy["podSelector"]["matchLabels"],
                         one("Service", CONTROLLER)["spec"]["selector"]):  # fmt: skip
            assert selector.items() <= labels.items()

    def test_its_probes_are_what_it_answers(self):
        (container,) = pod(CONTROLLER)["containers"]
        loop = StandingLoop(list, pace=LookPace(), clock=lambda: 0.0, chance=lambda: 0.0)
        site = Site(loop, Metrics(now=lambda: 0.0), {})
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = container[probe]["httpGet"]
            assert get["port"] == container["ports"][0]["name"]
            assert site.get(get["path"], "").status in {200, 503}

    def test_of_two_one_leads(self, led):
        (container,) = pod(led)["containers"]
        options = parsed(reconcile, container["args"][1:])
        namespace, name = options["lease"].split("/")
        role = one("Role", led)
        assert role["metadata"]["namespace"] == namespace
        assert [name] in [rule.get("resourceNames") for rule in role["rules"]]
        assert pod(led)["automountServiceAccountToken"] is True
        assert one("Deployment", led)["spec"]["replicas"] == 2
        assert one("RoleBinding", led)["subjects"][0]["namespace"] == namespace
        assert restricted(pod(led)) == []
        for item in led:
            check(item)

    def test_its_arguments_are_ours(self):
        (container,) = pod(CONTROLLER)["containers"]
        verb, *arguments = container["args"]
        assert verb == "reconcile"
        options = parsed(reconcile, arguments)
        assert options["watch"]
        port = int(options["listen"].rpartition(":")[2])
        assert port == container["ports"][0]["containerPort"]
        config = options["config_file"]
        mounts = [m["mountPath"] for m in container["volumeMounts"]]
        assert str(config.parent) in mounts

    def test_its_project_allows_its_kinds_in_its_namespace_and_no_others(self, led):
        project = read("argocd/bridge-project.yaml")
        application = read("argocd/bridge.yaml")
        check(project)
        assert application["spec"]["project"] == project["metadata"]["name"]
        assert application["spec"]["destination"] in project["spec"]["destinations"]
        allowed = {
            item["kind"]
            for key in ("clusterResourceWhitelist", "namespaceResourceWhitelist")
            for item in project["spec"][key]
        }
        kinds = {item["kind"] for item in led}
        assert kinds <= allowed
        assert allowed - kinds == {"ReplicaSet", "Pod"}, "made by the Deployment, shown in its tree"


CHART = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: bosun, namespace: datarobot-mlops}
spec:
  selector: {matchLabels: {app: bosun}}
  template:
    metadata: {labels: {app: bosun}}
    spec:
      containers:
        - name: agent
          image: registry.example.com/mlops/agent-with-bridge:11.2.0
          env: [{name: START_DELAY, value: "5"}]
          volumeMounts: [{name: conf, mountPath: /opt/conf}]
      volumes: [{name: conf, configMap: {name: bosun-conf}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bosun-conf, namespace: datarobot-mlops}
data: {a: b}
"""


@pytest.fixture(scope="module")
def rendered():
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [AGENT / "post-render"], input=CHART, capture_output=True, text=True, env=path
    )
    assert done.returncode == 0, done.stderr
    return documents.load_all(done.stdout)


class TestAgent:
    @pytest.mark.parametrize("generation", GENERATIONS)
    def test_the_values_are_keys_of_that_generation_of_the_chart(self, generation):
        path = AGENT / f"values-{generation}-generation.yaml"
        found = helm_values([File(path.name, path.read_bytes())]).findings
        assert {item.verdict for item in found} <= {"placed", "no place"}
        assert any("redictionEnvId" in item.key for item in found)

    def test_what_the_chart_rendered_is_still_there_and_valid(self, rendered):
        for item in rendered:
            check(item)
        assert {item["metadata"]["name"] for item in rendered} >= {"bosun", "bosun-conf"}

    def test_the_agent_reads_our_configuration_from_a_volume(self, rendered):
        (deployment,) = (item for item in rendered if item["kind"] == "Deployment")
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        variables = {item["name"]: item.get("value") for item in container["env"]}
        mounts = {item["mountPath"]: item["name"] for item in container["volumeMounts"]}
        volumes = {item["name"]: item for item in spec["volumes"]}
        assert set(mounts.values()) == set(volumes)
        folder, _, name = variables["BOSUN_CONF_LOC"].rpartition("/")
        generated = volumes[mounts[folder]]["configMap"]["name"]
        (config,) = (item for item in rendered if item["metadata"]["name"] == generated)
        assert name in config["data"]
        assert "emptyDir" in volumes[mounts[variables["XDG_CACHE_HOME"]]]

    def test_both_commands_of_the_agent_s_configuration_can_be_called(self):
        text = (AGENT / "mlops.bosun.conf.yaml").read_text()
        both = re.findall(r"^ +(?:# )?command: (.*gitops.*)$", text, re.MULTILINE)
        assert len(both) == 2
        ours, theirs = map(shlex.split, both)
        assert ours[:2] == ["gitops-bridge", "run"]
        assert parsed(run, ours[2:])["private_config"].name == "gitops-bridge.yaml"
        assert theirs[:3] == ["bosun-plugin-runner", "--plugin", "gitops_bridge.bosun"]

    def test_the_budget_of_an_action_stays_below_the_agent_s_own_limit(self):
        from gitops_bridge.config.model import Actions

        config = yaml.safe_load((AGENT / "mlops.bosun.conf.yaml").read_text())
        assert Actions().budget < config["actionWorkerTimeoutSec"]

    def test_the_dockerfile_has_both_targets_and_ends_as_the_agent_s_user(self):
        text = (AGENT / "Dockerfile").read_text()
        stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
        assert [stage.split()[2] for stage in stages] == ["agent", "plugin", "runner"]
        assert all(stage.rstrip().endswith("USER ${AGENT_USER}") for stage in stages[1:])

    @pytest.mark.parametrize("target", ["plugin", "runner"])
    def test_the_shell_of_the_dockerfile_is_valid(self, target):
        text = (AGENT / "Dockerfile").read_text().replace("\\\n", "")
        for command in re.findall(r"^RUN (.*)$", text, re.MULTILINE):
            subprocess.run(["sh", "-n", "-c", command], check=True)
