"""init in repositories that others use: whose a folder is, and what reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.initialised import NEEDED, PE, Remote

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: root, namespace: argocd}}
spec: {{source: {{repoURL: https://git.example.com/ops/cluster.git, {source}}}}}
"""
SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: all}}
spec:
  generators:
    - matrix:
        generators:
          - clusters: {{}}
          - git: {{repoURL: x, directories: [{directories}]}}
  template: {{spec: {{source: {{path: "{{{{ path }}}}"}}}}}}
"""
FLUX = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: apps}}
spec: {{path: {path}}}
"""


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def test_a_folder_that_holds_something_else_is_not_written_into(remote: Remote) -> None:
    remote.commit(
        {
            "argocd/root.yaml": APPLICATION.format(source="path: argocd"),
            "argocd/web.yaml": APPLICATION.format(source="path: apps/web"),
            "base/common/a.yaml": "a: b\n",
            "overlays/prod/environment/settings.yaml": "a: b\n",
        }
    )
    said = remote.refused(*NEEDED)
    assert "argocd/ (holds root.yaml, web.yaml)" in said
    assert "argocd/ (read by the Application root, see argocd/root.yaml)" in said
    assert "base/ (holds common/a.yaml)" in said
    assert "overlays/prod/environment/ (holds settings.yaml)" in said
    assert "--root SUBFOLDER" in said
    before = set(remote.files())
    remote.init(*NEEDED, "--root", "models")
    new = set(remote.files()) - before
    assert {path.partition("/")[0] for path in new} == {"models", ".github"}


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        (APPLICATION.format(source="path: ."), "the top of the repository"),
        (APPLICATION.format(source="path: ./base/"), "base/"),
        (APPLICATION.format(source="path: overlays, directory: {recurse: true}"), "overlays/"),
        (SET.format(directories="{path: 'overlays/*/*'}"), "overlays/prod/"),
        (SET.format(directories="{path: '*'}"), "argocd/"),
        (SET.format(directories="{path: 'overlays/{{ env }}/environment/*'}"), "overlays/prod/"),
        (FLUX.format(path="./"), "the top of the repository"),
        (FLUX.format(path="./overlays/prod"), "overlays/prod/"),
    ],
)
def test_a_folder_that_something_else_reads_is_not_written_into(
    remote: Remote, text: str, reader: str
) -> None:
    remote.commit({"clusters/root.yaml": text})
    said = remote.refused(*NEEDED)
    assert f"{reader}" in said
    assert "read by the " in said
    assert "see clusters/root.yaml" in said


@pytest.mark.parametrize(
    "text",
    [
        APPLICATION.format(source="path: apps, directory: {recurse: true}"),
        APPLICATION.format(source="path: overlays"),
        APPLICATION.format(source="path: ., directory: {recurse: true, exclude: 'base/*'}"),
        APPLICATION.format(source="chart: ingress-nginx"),
        SET.format(directories="{path: 'apps/*'}"),
        SET.format(directories="{path: 'overlays/*/*'}, {path: 'overlays/prod/*', exclude: true}"),
        FLUX.format(path="./clusters/production"),
        "kind: Application\nspec: {source: {path: base}}\n",
        "{{ if .Values.x }}\nkind: Application\n",
    ],
)
def test_what_reads_other_folders_is_not_in_the_way(remote: Remote, text: str) -> None:
    remote.commit({"clusters/root.yaml": text})
    assert remote.init(*NEEDED, "--dry-run")["changes"]


def test_a_kustomization_at_the_top_reads_what_it_lists(remote: Remote) -> None:
    remote.commit(
        {
            "root.yaml": APPLICATION.format(source="path: ."),
            "kustomization.yaml": "resources: [root.yaml]\n",
        }
    )
    assert remote.init(*NEEDED, "--dry-run")["changes"]


def test_other_folders_of_an_environment_are_told_and_left_alone(remote: Remote) -> None:
    remote.commit({"overlays/prod/web/kustomization.yaml": "resources: []\n"})
    done = remote.init(*NEEDED)
    assert done["notes"] == [
        "overlays/prod/web is no model and stays as it is: Argo CD takes the folders that hold "
        "model/"
    ]
    assert remote.read("overlays/prod/web/kustomization.yaml") == "resources: []\n"


def test_an_environment_more_meets_the_same(remote: Remote) -> None:
    remote.init(*NEEDED)
    remote.commit({"apps.yaml": SET.format(directories="{path: 'overlays/stage/*'}")})
    more = ("-e", "stage=65b000000000000000000001", "--namespace", "stage", *NEEDED[4:], "--yes")
    said = remote.refused(*more)
    assert "overlays/stage/" in said
    assert "(read by the ApplicationSet all, see apps.yaml)" in said
    remote.commit({"apps.yaml": None, "overlays/stage/web/x.yaml": "a: b\n"})
    assert len(remote.init(*more)["notes"]) == 1


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("Base/x.yaml", "Base (another spelling of base/"),
        ("overlays/prod/environment/serving/kustomization.yml", "holds serving/kustomization.yml"),
        ("gitops-bridge.yml", "gitops-bridge.yml (another spelling of gitops-bridge.yaml)"),
        ("Overlays/x.yaml", "Overlays (another spelling of overlays/"),
    ],
)
def test_another_spelling_of_a_file_is_that_file(remote: Remote, there: str, said: str) -> None:
    remote.commit({there: "a: b\n"})
    assert said in remote.refused(*NEEDED)


@pytest.mark.parametrize("name", ["readme.md", "README", "README.rst"])
def test_a_readme_by_any_name_is_one(remote: Remote, name: str) -> None:
    remote.commit({name: "ours\n"})
    assert remote.init(*NEEDED)["skipped"] == [name]
    assert "README.md" not in remote.files()


@pytest.mark.parametrize("root", ["..", "a b", ".git/x"])
def test_a_root_that_is_no_folder_is_refused(remote: Remote, root: str) -> None:
    assert "must be a folder of the repository" in remote.refused(*NEEDED, "--root", root)


def test_a_repository_with_a_root_is_known_by_it(remote: Remote) -> None:
    remote.init(*NEEDED, "--root", "./platform/models/")
    more = ("-e", "stage=65b000000000000000000001", "--namespace", "stage", *NEEDED[4:], "--yes")
    assert "--root platform/models works on it" in remote.refused(*more)
    assert "--root platform/models works on it" in remote.refused("--upgrade")
    assert remote.init(*NEEDED, "--root", "platform/models")["changes"] == []
    remote.init(*more, "--root", "platform/models")
    assert "namespace: stage" in remote.read("platform/models/argocd/serving.yaml")
    assert remote.init("--upgrade", "--root", "platform/models")["changes"] == []


def test_several_teams_have_a_root_each(remote: Remote) -> None:
    remote.init(*NEEDED, "--root", "one")
    second = ("-e", "two=65c000000000000000000001", *NEEDED[2:], "--root", "two")
    remote.init(*second)
    assert {path.partition("/")[0] for path in remote.files()} == {"one", "two", ".github"}
    workflows = [path for path in remote.files() if "workflows" in path]
    assert len(workflows) == 2
    assert f'"{PE}"' in remote.read("one/gitops-bridge.yaml")
    assert PE not in remote.read("two/gitops-bridge.yaml")
