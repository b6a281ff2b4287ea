"""argocd/: valid for Argo CD, closed to everything else, and fitting this repository's folders."""

import fnmatch
import posixpath
import re
from copy import deepcopy

import jsonschema
import pytest

from gitops_bridge import documents
from tests.rendering import ROOT, build
from tests.strictness import check

FILES = ["serving-project", "serving", "builds-project", "builds"]
OVERLAYS = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "overlays").rglob("*") if path.is_dir()
)
"""Every folder below overlays/, as Argo CD's git generator sees them."""


def read(name):
    return documents.load((ROOT / f"argocd/{name}.yaml").read_bytes())


def matrix(applications):
    """The environments and the git generator of an ApplicationSet."""
    (generator,) = applications["spec"]["generators"]
    environments, git = generator["matrix"]["generators"]
    return environments["list"]["elements"], git["git"]


def filled(template, values):
    """What Argo CD's Go templates make of `{{ .a.b | dir | base }}`; a missing key is an error."""
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    if not isinstance(template, str):
        return template

    def value(match):
        found = values
        place, *functions = match[1].split(" | ")
        for step in place.split("."):
            found = found[step]
        for function in functions:
            found = {"dir": posixpath.dirname, "base": posixpath.basename}[function](found)
        return found

    return re.sub(r"\{\{ \.([a-zA-Z.| ]+) \}\}", value, template)


def applications(document, folders):
    """The Applications an ApplicationSet makes of the repository's folders."""
    elements, git = matrix(document)
    for element in elements:
        patterns = filled(git["directories"], element)
        for folder in folders:
            wanted = [
                pattern
                for pattern in patterns
                if fnmatch.fnmatch(folder, pattern["path"])
                and folder.count("/") == pattern["path"].count("/")
            ]
            if wanted and not any(pattern.get("exclude") for pattern in wanted):
                path = {"path": folder, "basename": folder.rpartition("/")[2]}
                yield filled(document["spec"]["template"], {**element, "path": path})


@pytest.mark.parametrize("name", FILES)
def test_valid_for_argo_cd(name):
    check(read(name))


def test_an_unknown_field_is_not():
    """The schemas refuse what Argo CD would silently drop."""
    for name, path in (
        ("serving", ("spec", "template", "spec", "syncPolicy", "retry")),
        ("serving", ("spec", "generators", 0, "matrix", "generators", 1, "git")),
        ("builds-project", ("spec",)),
    ):
        document = deepcopy(read(name))
        place = document
        for step in path:
            place = place[step]
        place["bogus"] = True
        with pytest.raises(jsonschema.ValidationError, match="bogus"):
            check(document)


def test_the_folder_is_one_to_apply():
    assert sorted((item["kind"], item["metadata"]["name"]) for item in build(ROOT / "argocd")) == [
        ("AppProject", "mlops-builds"),
        ("AppProject", "mlops-serving"),
        ("ApplicationSet", "mlops-builds"),
        ("ApplicationSet", "mlops-serving"),
    ]


def test_one_application_for_each_deployment_and_none_for_the_environment():
    assert "overlays/example/environment" in OVERLAYS
    made = list(applications(read("serving"), OVERLAYS))
    (example,) = made
    assert example["spec"]["source"]["path"] == "overlays/example/65a000000000000000000010"
    assert example["metadata"]["name"] == "example-65a000000000000000000010"
    assert example["metadata"]["labels"]["gitops-bridge.io/deployment"] == (
        "65a000000000000000000010"
    )
    assert example["spec"]["destination"]["namespace"] == "mlops-serving-example"


def test_folders_of_environments_that_are_not_listed_are_left_alone():
    folders = [
        "overlays/other/65a000000000000000000011/model",
        "overlays/example/a/model/x",
        "docs/a/b",
    ]
    assert list(applications(read("serving"), folders)) == []
    assert list(applications(read("builds"), ["other", "example/65a0"])) == []


def test_folders_without_a_model_are_somebody_else_s():
    folders = [
        "overlays/example/web", "overlays/example/web/modelling", "overlays/example/model",
        "overlays/example/environment/model",
    ]  # fmt: skip
    assert list(applications(read("serving"), folders)) == []


def test_several_environments_go_to_their_own_clusters():
    document = read("serving")
    elements, _ = matrix(document)
    elements.append(
        {"environment": "prod", "server": "https://prod.example.com", "namespace": "models"}
    )
    made = applications(document, ["overlays/example/a1/model", "overlays/prod/a1/model"])
    assert [(item["metadata"]["name"], item["spec"]["destination"]) for item in made] == [
        (
            "example-a1",
            {"server": "https://kubernetes.default.svc", "namespace": "mlops-serving-example"},
        ),
        ("prod-a1", {"server": "https://prod.example.com", "namespace": "models"}),
    ]


def test_builds_come_from_their_own_branch_one_application_for_each_folder():
    (application,) = applications(read("builds"), ["example"])
    assert application["metadata"]["name"] == "builds-example"
    source = application["spec"]["source"]
    assert (source["path"], source["targetRevision"]) == ("example", "refs/heads/builds")
    assert source["directory"] == {"recurse": False, "include": "*.yaml"}


@pytest.mark.parametrize("name", ["serving", "builds"])
def test_projects_allow_what_their_applications_need_and_no_more(name):
    project, document = read(f"{name}-project"), read(name)
    (application,) = applications(document, [*OVERLAYS, "example"])
    assert application["spec"]["project"] == project["metadata"]["name"]
    assert application["spec"]["destination"] in project["spec"]["destinations"]
    assert [application["spec"]["source"]["repoURL"]] == project["spec"]["sourceRepos"]
    assert matrix(document)[1]["repoURL"] == application["spec"]["source"]["repoURL"]
    assert project["spec"]["clusterResourceWhitelist"] == []


def kinds(name):
    return {
        (item["group"], item["kind"])
        for item in read(f"{name}-project")["spec"]["namespaceResourceWhitelist"]
    }


def test_served_kinds_are_those_the_base_renders_and_their_children():
    rendered = set()
    for path in (ROOT / "base").rglob("*.yaml"):
        item = documents.load(path.read_bytes())
        if "metadata" in item and "image-builder" not in path.parts:
            group, _, _ = item["apiVersion"].rpartition("/")
            rendered.add((group, item["kind"]))
    brought_along = {("external-secrets.io", "ExternalSecret")}
    children = {("apps", "ReplicaSet"), ("", "Pod")}
    assert kinds("serving") == rendered | children | brought_along
    assert kinds("builds") == {("batch", "Job"), ("", "Pod")}


def test_serving_and_builds_share_no_namespace():
    served, built = (
        {(item["server"], item["namespace"]) for item in read(name)["spec"]["destinations"]}
        for name in ("serving-project", "builds-project")
    )
    assert not served & built


@pytest.mark.parametrize(
    ("name", "automated"),
    [
        ("serving", {"prune": True, "selfHeal": True, "allowEmpty": False}),
        ("builds", {"prune": True, "selfHeal": False, "allowEmpty": True}),
    ],
)
def test_sync_policies(name, automated):
    """A failing sync takes up the next commit within seconds, so a revert heals at once."""
    document = read(name)
    policy = document["spec"]["template"]["spec"]["syncPolicy"]
    assert policy["automated"] == automated
    assert policy["retry"] == {
        "limit": 5,
        "refresh": True,
        "backoff": {"duration": "2s", "factor": 2, "maxDuration": "10s"},
    }
    assert matrix(document)[1]["requeueAfterSeconds"] <= 30


def test_every_folder_an_overlay_reads_makes_it_render_again():
    """manifest-generate-paths must cover what kustomize reads, or a change goes unseen."""
    (application,) = applications(read("serving"), OVERLAYS)
    root = application["spec"]["source"]["path"]
    annotation = "argocd.argoproj.io/manifest-generate-paths"
    watched = [
        path.lstrip("/") if path.startswith("/") else normal(f"{root}/{path}")
        for path in application["metadata"]["annotations"][annotation].split(";")
    ]
    for folder in read_by_kustomize(ROOT / root):
        assert any(f"{folder}/".startswith(f"{path}/") for path in watched), folder


def normal(path):
    steps = []
    for step in path.split("/"):
        if step == "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


def read_by_kustomize(folder):
    """The folders a kustomization reads, itself included, from the repository's root."""
    yield folder.resolve().relative_to(ROOT).as_posix()
    content = documents.load((folder / "kustomization.yaml").read_bytes())
    for reference in [*content.get("resources", []), *content.get("components", [])]:
        if (folder / reference).is_dir():
            yield from read_by_kustomize(folder / reference)
