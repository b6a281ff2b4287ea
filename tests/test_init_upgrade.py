"""`gitops-bridge init --upgrade`: an older version's files become this version's, edits stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_bridge import __version__, documents
from gitops_bridge.actions import ExecutionType, Model, ModelFormat, Scale
from gitops_bridge.desired import overlay
from gitops_bridge.scaffold import shipped
from gitops_bridge.scaffold.plan import MANIFEST, blob_id
from tests.initialised import NEEDED, Remote

SERVICE, DEPLOYMENT = "base/service.yaml", "base/deployment.yaml"
NEW = "base/image-builder/components/append/kustomization.yaml"
WORKFLOW = ".github/workflows/gitops-bridge.yaml"


@pytest.fixture
def older(tmp_path: Path) -> Remote:
    """A repository as an older version left it: three files said less, one was not there yet."""
    remote = Remote(tmp_path)
    remote.init(*NEEDED)
    old = {path: remote.read(path) + "# as it was\n" for path in (SERVICE, DEPLOYMENT, WORKFLOW)}
    listed = documents.load_verbatim(remote.read(MANIFEST))
    listed["version"] = "0.0.1"
    listed["files"] |= {path: blob_id(text.encode()) for path, text in old.items()}
    del listed["files"][NEW]
    remote.commit({**old, NEW: None, MANIFEST: documents.dump(listed)}, "Older")
    return remote


def test_ours_become_newer_and_the_version_is_written_down(older: Remote) -> None:
    done = older.init("--upgrade", "--yes")

    assert older.log()[0] == f"Upgrade to gitops-bridge {__version__}"
    assert {change["path"]: change["action"] for change in done["changes"]} == {
        SERVICE: "update", DEPLOYMENT: "update", WORKFLOW: "update", MANIFEST: "update",
        NEW: "create",
    }  # fmt: skip
    for path in (SERVICE, DEPLOYMENT):
        assert older.read(path).encode() == shipped.folders()[path]
    assert documents.load_verbatim(older.read(MANIFEST))["version"] == __version__
    assert older.init("--upgrade")["changes"] == []


def test_it_shows_the_difference_and_asks_first(older: Remote) -> None:
    said = older.refused("--upgrade")
    assert "3 existing files would change or go" in said
    shown = older.run("--upgrade", "--dry-run").stdout
    assert "~ base/service.yaml" in shown
    assert "-# as it was" in shown


def test_what_people_edited_or_removed_stays_and_is_told(older: Remote) -> None:
    edited = older.read(SERVICE) + "# our own\n"
    older.commit({SERVICE: edited, DEPLOYMENT: older.read(DEPLOYMENT), WORKFLOW: None})
    done = older.init("--upgrade", "--yes")

    assert older.read(SERVICE) == edited
    assert WORKFLOW not in older.files()
    assert done["kept"] == [WORKFLOW, SERVICE]
    assert older.read(DEPLOYMENT).encode() == shipped.folders()[DEPLOYMENT]
    assert older.init("--upgrade")["kept"] == [WORKFLOW, SERVICE]


GONE = "base/components/gone/kustomization.yaml"


def outdated(older: Remote, **files: str) -> None:
    """A file that this version ships no more, as an older one wrote it."""
    listed = documents.load_verbatim(older.read(MANIFEST))
    listed["files"][GONE] = blob_id(b"# gone\n")
    older.commit({GONE: "# gone\n", MANIFEST: documents.dump(listed), **files})


def test_what_is_shipped_no_more_goes(older: Remote) -> None:
    outdated(older)
    done = older.init("--upgrade", "--yes")
    assert {"path": GONE, "action": "remove"} in done["changes"]
    assert GONE not in older.files()
    assert GONE not in older.read(MANIFEST)


def test_what_is_shipped_no_more_but_was_edited_stays(older: Remote) -> None:
    outdated(older)
    older.commit({GONE: "# ours now\n"})
    older.init("--upgrade", "--yes")
    assert older.read(GONE) == "# ours now\n"
    assert older.init("--upgrade")["changes"] == []


DEPLOYED = "overlays/prod/65a000000000000000000010"


def deploy(older: Remote, outer: str = "") -> None:
    """A deployment, with `outer` added to people's own file."""
    seams = overlay.Seams(
        (overlay.Route("Ingress", "mlops", "/spec/rules/0/http/paths/0/path",
                       "/deployments/deployment-id(/|$)(.*)"),)
    )  # fmt: skip
    model = Model("65a000000000000000000020", ExecutionType.DEDICATED, ModelFormat.PACKAGE)
    component = overlay.component(
        deployment_id="65a000000000000000000010", environment_id="65a000000000000000000001",
        model=model, scale=Scale(), monitoring=False, seams=seams, restarts=0,
        image=overlay.Image("registry.example.com/mlops/models", "tag", "sha256:" + "85e4" * 16),
    )  # fmt: skip
    older.commit(
        {
            f"{DEPLOYED}/kustomization.yaml": overlay.seed() + outer,
            f"{DEPLOYED}/model/kustomization.yaml": component,
        }
    )


def test_it_tells_which_deployments_it_restarts(older: Remote) -> None:
    text = older.read(DEPLOYMENT).replace("timeoutSeconds: 3", "timeoutSeconds: 4")
    listed = documents.load_verbatim(older.read(MANIFEST))
    listed["files"][DEPLOYMENT] = blob_id(text.encode())
    older.commit({DEPLOYMENT: text, MANIFEST: documents.dump(listed)})
    deploy(older)

    done = older.run("--upgrade", "--dry-run")
    assert "1 of 1 deployments render differently, 1 restart" in done.stdout
    told = older.init("--upgrade", "--yes")["deployments"]
    assert told == {"changed": [DEPLOYED], "restarts": [DEPLOYED]}


def test_a_deployment_that_would_no_longer_render_keeps_the_old_base(older: Remote) -> None:
    outdated(older)
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    text = component + "patches: [{patch: 'a: b', target: {kind: None}}]\n"
    listed = documents.load_verbatim(older.read(MANIFEST))
    listed["files"][GONE] = blob_id(text.encode())
    older.commit({GONE: text, MANIFEST: documents.dump(listed)})
    deploy(older, "  - ../../../base/components/gone\n")

    said = older.refused("--upgrade", "--yes")
    assert DEPLOYED in said
    assert "base/components/gone" in said


def test_an_edit_of_a_file_that_has_nothing_new_is_not_worth_a_word(older: Remote) -> None:
    older.commit({"base/kustomization.yaml": older.read("base/kustomization.yaml") + "# our own\n"})
    assert older.init("--upgrade", "--yes")["kept"] == []


def test_the_environments_of_argocd_stay(older: Remote) -> None:
    before = older.read("argocd/serving.yaml")
    older.init("--upgrade", "--yes")
    assert older.read("argocd/serving.yaml") == before


def test_the_team_s_own_files_are_not_touched(older: Remote) -> None:
    path = "overlays/prod/environment/serving/kustomization.yaml"
    older.commit({path: older.read(path) + "# ours\n", "README.md": "ours\n"})
    before = {name: older.read(name) for name in (path, "README.md", "gitops-bridge.yaml")}
    older.init("--upgrade", "--yes")
    assert {name: older.read(name) for name in before} == before


def test_a_newer_file_where_people_have_one_is_a_conflict(older: Remote) -> None:
    older.commit({NEW: "theirs\n"})
    assert NEW in older.refused("--upgrade", "--yes")


SERVING = "overlays/prod/environment/serving/kustomization.yaml"


def needing(older: Remote, pointer: str) -> str:
    """The environment's file with a patch that only passes where `pointer` is there."""
    return older.read(SERVING) + (
        "- target: {kind: Deployment, name: mlops}\n  patch: |\n"
        f"    - {{op: test, path: {pointer}, value: 5}}\n"
    )


def test_a_newer_base_that_an_environment_does_not_render_with_is_refused(older: Remote) -> None:
    text = older.read(DEPLOYMENT).replace("\nspec:", "\nspec:\n  minReadySeconds: 5", 1)
    listed = documents.load_verbatim(older.read(MANIFEST))
    listed["files"][DEPLOYMENT] = blob_id(text.encode())
    serving = needing(older, "/spec/minReadySeconds")
    older.commit({DEPLOYMENT: text, MANIFEST: documents.dump(listed), SERVING: serving})
    assert "overlays/prod/environment" in older.refused("--upgrade", "--yes")


def test_what_did_not_hold_before_does_not_keep_a_newer_base_away(older: Remote) -> None:
    older.commit({SERVING: needing(older, "/spec/nowhere")})
    older.init("--upgrade", "--yes")
    assert older.read(SERVICE).encode() == shipped.folders()[SERVICE]


def test_a_file_of_base_that_is_gone_is_told_though_nothing_is_new_in_it(older: Remote) -> None:
    gone = "base/components/disruption-budget/pod-disruption-budget.yaml"
    older.commit({gone: None})
    done = older.init("--upgrade", "--yes", "--dry-run")
    assert gone in done["kept"]
    shown = older.run("--upgrade", "--dry-run").stdout
    assert f"! {gone} was removed here and stays away" in shown


def test_an_argocd_that_lost_its_shape_is_told(older: Remote) -> None:
    older.commit({"argocd/serving.yaml": "kind: ApplicationSet\n"})
    said = older.refused("--upgrade", "--yes")
    assert "argocd/serving.yaml no longer has the shape" in said


def test_a_damaged_list_is_told(older: Remote) -> None:
    older.commit({MANIFEST: "version: 1\nfiles: [a]\n"})
    assert MANIFEST in older.refused("--upgrade", "--yes")


def test_plain_init_leaves_an_older_base_alone(older: Remote) -> None:
    more = (
        "--environment",
        "stage=65b000000000000000000001",
        "--namespace",
        "mlops-stage",
        *NEEDED[4:],
        "--yes",
    )
    before = older.read(SERVICE)
    older.init(*more)
    assert older.read(SERVICE) == before
    assert documents.load_verbatim(older.read(MANIFEST))["version"] == "0.0.1"


BUILDER = "overlays/prod/environment/builder/kustomization.yaml"
CONTROLLER = "argocd/bridge/kustomization.yaml"
IMAGE = "registry.example.com/mlops/gitops-bridge"


def pinned(remote: Remote) -> tuple[str, str]:
    """The image of build Jobs, and that of the controller."""
    found = []
    for path in (BUILDER, CONTROLLER):
        for item in documents.load(remote.read(path))["images"]:
            if item["name"] == "bridge-image":
                found.append(f"{item['newName']}:{item['newTag']}@{item.get('digest', '')}")
    return found[0], found[1]


def as_of(remote: Remote, version: str) -> None:
    """Let the repository name an older version everywhere, as that version's init left it."""
    paths = (BUILDER, CONTROLLER, WORKFLOW)
    old = {path: remote.read(path).replace(__version__, version) for path in paths}
    listed = documents.load_verbatim(remote.read(MANIFEST))
    listed["version"] = version
    listed["files"] |= {path: blob_id(text.encode()) for path, text in old.items()}
    remote.commit({**old, MANIFEST: documents.dump(listed)}, "Older")


def test_ci_runs_the_image_unless_it_is_told_what_to_install(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.init(*NEEDED)
    (job,) = documents.load(remote.read(WORKFLOW))["jobs"].values()
    assert job["container"]["image"] == f"{IMAGE}:{__version__}"
    assert "pip install" not in remote.read(WORKFLOW)


@pytest.mark.parametrize(
    ("provider", "path"), [("github", WORKFLOW), ("gitlab", ".gitlab/gitops-bridge.yaml")]
)
def test_ci_installs_exactly_what_init_was_given(tmp_path: Path, provider: str, path: str) -> None:
    remote = Remote(tmp_path)
    source = "gitops-bridge @ git+https://git.example.com/ml/gitops-bridge@v0.1.0"
    remote.init(*NEEDED, "--provider", provider, "--bridge-source", source)
    assert f"pip install '{source}'\n" in remote.read(path)


def test_an_upgrade_raises_every_reference_to_the_tool_together(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    wheel = f"https://files.example.com/{__version__}/gitops_bridge-{__version__}-py3-none-any.whl"
    remote.init(*NEEDED, "--bridge-source", wheel)
    now, workflow = pinned(remote), remote.read(WORKFLOW)
    as_of(remote, "0.0.9")
    assert "0.0.9" in pinned(remote)[0]
    remote.init("--upgrade", "--yes")
    assert pinned(remote) == now == (f"{IMAGE}:{__version__}@", f"{IMAGE}:{__version__}@")
    assert remote.read(WORKFLOW) == workflow
    assert remote.init("--upgrade")["changes"] == []


def test_an_image_pinned_by_digest_stays_until_the_next_one_is_named(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    old, new = ("0.0.9@sha256:" + "1" * 64, f"{__version__}@sha256:" + "2" * 64)
    remote.init(*NEEDED, "--bridge-image", f"{IMAGE}:{old}")
    as_of(remote, "0.0.9")
    remote.init("--upgrade", "--yes")
    assert pinned(remote) == (f"{IMAGE}:{old}", f"{IMAGE}:{old}")
    remote.init("--upgrade", "--yes", "--bridge-image", f"{IMAGE}:{new}")
    assert pinned(remote) == (f"{IMAGE}:{new}", f"{IMAGE}:{new}")
