"""The parts of admission one by one: projects, templates, generators, levels of Pod Security."""

import pytest
import yaml

from gitops_bridge.desired import admission
from gitops_bridge.desired.admission import pod_security, templates
from gitops_bridge.desired.admission.generate_paths import extended
from gitops_bridge.desired.admission.platform import Platform
from gitops_bridge.desired.admission.projects import permits_kind
from tests.team import TOP

HOME = "overlays/example/65a000000000000000000010"


def test_a_project_s_lists_as_argo_cd_reads_them():
    def project(**spec):
        return {"spec": spec}

    assert permits_kind(project(), "apps", "Deployment")
    assert not permits_kind(project(), "", "Namespace")
    assert not permits_kind(project(namespaceResourceWhitelist=[]), "apps", "Deployment")
    everything = [{"group": "*", "kind": "*"}]
    assert permits_kind(project(clusterResourceWhitelist=everything), "", "Namespace")
    refused = project(namespaceResourceBlacklist=[{"group": "", "kind": "Secret"}])
    assert permits_kind(refused, "", "Service")
    assert not permits_kind(refused, "", "Secret")


def test_templates():
    parameters = {"environment": "prod", "path": {"segments": ["a", "b"], "path": "a/b"}}
    text = (
        "{{ .environment }}-{{ index .path.segments 1 }}-{{ .path.path | base }}-{{dir .path.path}}"
    )
    assert templates.filled(text, parameters) == "prod-b-b-a"
    for strange in (
        "{{ .none }}",
        "{{ index .path.segments 7 }}",
        "{{ printf 1 }}",
        "{{ }}",
        '{{ " }}',
    ):
        with pytest.raises(templates.NotUnderstood):
            templates.filled(strange, parameters)


def test_sets_that_take_folders_by_their_files():
    text = (TOP / "argocd/serving.yaml").read_text()
    data = yaml.safe_load(text)
    git = data["spec"]["generators"][0]["matrix"]["generators"][1]["git"]
    git["files"] = [{"path": "overlays/{{ .environment }}/*/model/record.yaml"}]
    del git["directories"]
    template = data["spec"]["template"]
    template["metadata"]["name"] = "{{ .environment }}-{{ index .path.segments 2 }}"
    template["spec"]["source"]["path"] = "overlays/{{ .environment }}/{{ index .path.segments 2 }}"
    platform = admission.read({"argocd/serving.yaml": yaml.safe_dump(data).encode()})
    applications, strange = platform.applications([HOME])
    assert strange == []
    assert [(item.name, item.path) for item in applications] == [(f"example-{HOME[-24:]}", HOME)]


def test_no_argocd_folder_no_judgement_about_it():
    rules = admission.rules(Platform(), environments=["prod"])
    assert list(rules.of_environment("prod", [])) == []


def test_a_longer_annotation():
    assert extended(".;/base", ["platform/b", "platform/a"]) == ".;/base;/platform/a;/platform/b"


def test_levels_that_are_none_refuse_nothing():
    pod = {"hostNetwork": True, "containers": [{"name": "a"}]}
    assert pod_security.refused("privileged", pod) == []
    assert pod_security.refused("baseline", pod) == ["hostNetwork"]
    assert "a runAsNonRoot" in pod_security.refused("restricted", pod)
    assert pod_security.refused("restricted", {"containers": "x", "volumes": [1]}) == []
