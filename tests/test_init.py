"""`gitops-bridge init` against real bare repositories, by the real program."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_bridge import config, documents
from gitops_bridge.scaffold import shipped
from gitops_bridge.scaffold.plan import MANIFEST, blob_id
from tests.cli import called
from tests.initialised import NEEDED, PE, Remote
from tests.team import git

HELM = Path(__file__).parent / "fixtures" / "helm"
TWIN = ("--environment", "b=65a000000000000000000009", *NEEDED[2:])


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def test_an_empty_repository_gets_one_commit_on_main_and_the_other_branches_a_root(
    remote: Remote,
) -> None:
    done = remote.init(*NEEDED)

    assert remote.log() == ["Set up gitops-bridge for prod"]
    assert remote.log("builds") == ["Open the builds branch"]
    assert remote.files("builds") == ["README.md"]
    assert remote.log("rollouts") == ["Open the rollouts branch"]
    assert remote.files("rollouts") == ["README.md"]
    heads = git(remote.path, "rev-parse", "main", "builds", "rollouts").split()
    assert heads == list(done["commits"].values())
    assert set(remote.files()) >= {
        *shipped.folders(), "gitops-bridge.yaml", "README.md", ".github/CODEOWNERS",
        ".github/workflows/gitops-bridge.yaml", MANIFEST,
        *(f"overlays/prod/environment/{part}/kustomization.yaml"
          for part in ("serving", "autoscaling", "monitoring", "builder")),
    }  # fmt: skip
    for path in remote.files():
        if path.startswith("base/"):
            assert remote.read(path).encode() == shipped.folders()[path]


def test_the_written_configuration_is_one_the_bridge_takes(remote: Remote) -> None:
    remote.init(*NEEDED, "--cluster", "https://cluster.example.com:6443")

    text = remote.read("gitops-bridge.yaml")
    loaded = config.load(documents.load_verbatim(text), "gitops-bridge.yaml")
    assert loaded.repository.url == str(remote.path)
    assert loaded.environments == (
        config.Environment(
            PE, "prod", "mlops-prod", "https://predictions.example.com/deployments",
            "https://cluster.example.com:6443",
        ),
    )  # fmt: skip


TOKENS = (f"ghp_{'canary' * 6}", f"glpat-{'canary' * 3}", f"ATBB{'canary' * 5}", "canary" * 7)


@pytest.mark.parametrize("canary", TOKENS)
def test_a_token_in_the_address_is_written_nowhere(tmp_path: Path, canary: str) -> None:
    """Many people hand a token over as the user."""
    done = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", "init", 
         f"https://{canary}@git.example.com/t/models.git",
         *NEEDED, "--directory", str(tmp_path / "out")],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "https://git.example.com/t/models.git" in written
    assert "canary" not in written + done.stdout + done.stderr


def configured(folder: Path, url: str, *arguments: str) -> str:
    """gitops-bridge.yaml as init writes it for a repository at `url`."""
    subprocess.run(
        [sys.executable, "-m", "gitops_bridge", "init", url, *NEEDED, *arguments,
         "--directory", str(folder / "out")],
        check=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    text = (folder / "out/gitops-bridge.yaml").read_text()
    config.load(documents.load_verbatim(text), "gitops-bridge.yaml")
    return text


def test_the_user_in_an_address_is_kept_as_the_username(tmp_path: Path) -> None:
    text = configured(tmp_path, "https://jane%40x@bitbucket.example.com/scm/ml/models.git")
    repository = documents.load(text)["repository"]
    assert repository == {
        "url": "https://bitbucket.example.com/scm/ml/models.git", "username": "jane@x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "arguments", "kept"),
    [
        (
            "https://jane@git.example.com/m.git",
            ("--username", "bot", "--password-env", "TOKEN", "--proxy", "http://proxy:3128"),
            {
                "url": "https://git.example.com/m.git", "username": "bot",
                "password": {"env": "TOKEN"}, "proxy": "http://proxy:3128",
            },
        ),
        (
            "https://git.example.com/m.git",
            ("--password-file", "/run/token", "--ca-file", "/etc/ca.pem"),
            {
                "url": "https://git.example.com/m.git", "password": {"file": "/run/token"},
                "ca_file": "/etc/ca.pem",
            },
        ),
        (
            "ssh://git@git.example.com/m.git",
            ("--ssh-key", "/run/key", "--known-hosts", "/run/hosts", "--rollouts-branch", "state"),
            {
                "url": "ssh://git@git.example.com/m.git", "rollouts_branch": "state",
                "ssh_key": "/run/key", "ssh_known_hosts": "/run/hosts",
            },
        ),
    ],
)  # fmt: skip
def test_what_init_was_told_of_the_repository_is_kept(
    tmp_path: Path, url: str, arguments: tuple[str, ...], kept: dict[str, object]
) -> None:
    text = configured(tmp_path, url, *arguments)
    assert documents.load(text)["repository"] == kept
    assert "# password" not in text
    assert "# ssh_key" not in text


def test_twice_is_nothing_to_do(remote: Remote) -> None:
    remote.init(*NEEDED)
    before = remote.refs()
    again = remote.init(*NEEDED)

    assert remote.refs() == before
    assert again["commits"] == {"main": None, "builds": None, "rollouts": None}
    assert again["changes"] == again["kept"] == again["skipped"] == []


@pytest.mark.parametrize("branch", ["builds", "rollouts"])
def test_a_lost_branch_comes_back(remote: Remote, branch: str) -> None:
    remote.init(*NEEDED)
    git(remote.path, "branch", "--delete", "--force", branch)
    again = remote.init(*NEEDED)

    assert again["commits"]["main"] is None
    assert remote.log(branch) == [f"Open the {branch} branch"]


def test_what_a_team_has_stays_and_its_own_readme_and_owners_count(remote: Remote) -> None:
    remote.commit({"README.md": "ours\n", "CODEOWNERS": "* @us\n", "src/a.py": "1\n"})
    done = remote.init(*NEEDED)

    assert remote.log() == ["Set up gitops-bridge for prod", "Work"]
    assert remote.read("README.md") == "ours\n"
    assert remote.read("CODEOWNERS") == "* @us\n"
    assert ".github/CODEOWNERS" not in remote.files()
    assert done["skipped"] == ["CODEOWNERS", "README.md"]
    assert remote.read("src/a.py") == "1\n"


def test_identical_files_are_no_conflict(remote: Remote) -> None:
    text = shipped.folders()["base/service.yaml"].decode()
    remote.commit({"base/service.yaml": text})
    done = remote.init(*NEEDED)

    assert "base/service.yaml" not in [change["path"] for change in done["changes"]]
    assert blob_id(text.encode()) in remote.read(MANIFEST)


def test_all_conflicts_are_told_at_once_and_nothing_is_written(remote: Remote) -> None:
    remote.commit(
        {
            "base/service.yaml": "theirs\n",
            "argocd": "a file\n",
            "gitops-bridge.yaml/x": "a folder\n",
            "overlays/prod/environment/serving/kustomization.yaml": "theirs\n",
        }
    )
    said = remote.refused(*NEEDED)

    assert "base/service.yaml" in said
    assert "argocd (a file where a folder is needed)" in said
    assert "gitops-bridge.yaml (a folder)" in said
    assert "overlays/prod/environment/serving/kustomization.yaml" in said
    assert "hint:" in said


def test_an_empty_address_is_not_the_current_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", "init", "", *NEEDED],
        cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert "REPOSITORY is empty" in done.stderr


def test_missing_answers_are_named_with_their_flags_all_at_once(remote: Remote) -> None:
    assert "--environment NAME=ID is missing" in remote.refused()
    said = remote.refused("--environment", "prod")
    for flag in ("NAME=ID", "--namespace", "--prediction-url", "--image-repository", "--pps-image"):
        assert f"{flag} is missing" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--environment", "Prod Eins=65a000000000000000000009"), "must be a-z"),
        (("--environment", "prod=Not An Id"), "is not an id of DataRobot"),
        (("--environment", "prod=65a0"), "is not an id of DataRobot"),
        (("--environment", "prod=65A000000000000000000001"), "is not an id of DataRobot"),
        (("--environment", "prod=a", "--environment", "prod=b"), "there twice"),
        (("--environment", "a=65a000000000000000000009", *TWIN), "two environments have the id"),
        (("--environment", f"prod={PE}", "--namespace", "x", "--namespace", "y"), "several values"),
        ((*NEEDED, "--prediction-url", "predictions.example.com"), "several values for prod"),
        ((*NEEDED, "--route", "gateway-httproute"), "--gateway NAMESPACE/NAME is missing"),
        ((*NEEDED, "--gateway", "x"), "does not look like NAMESPACE/NAME"),
        ((*NEEDED, "--route", "traefik"), "'traefik' is none of gateway-httproute"),
        ((*NEEDED, "--values", "/nowhere.yaml"), "/nowhere.yaml: No such file"),
        ((*NEEDED, "--upgrade"), "init never wrote to this branch"),
        ((*NEEDED, "--password-env", "A", "--password-file", "B"), "exclude each other"),
        ((*NEEDED[:-1], "registry.example.com/pps:latest"), "an image with a version"),
        ((*NEEDED[:-1], "registry.example.com/pps"), "an image with a version"),
        ((*NEEDED[:-1], f"registry.example.com/pps@sha256:{'0' * 64}"), "an image with a version"),
        ((*NEEDED[:-3], "mlops/models", *NEEDED[-2:]), "Docker Hub is docker.io/"),
        ((*NEEDED[:-3], "r.example.com/a..b", *NEEDED[-2:]), "is not registry host and path"),
        ((*NEEDED, "--bridge-image", "not an image"), "--bridge-image: 'not an image'"),
        ((*NEEDED, "--bridge-image", "bridge-image:1"), "--bridge-image: 'bridge-image:1'"),
        ((*NEEDED, "--branch", "a b"), "repository.branch: 'a b' is no branch name"),
        ((*NEEDED, "--branch", "-x"), "repository.branch: '-x' is no branch name"),
        ((*NEEDED, "--builds-branch", "main"), "--branch and --builds-branch are both 'main'"),
    ],
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_written(
    remote: Remote, arguments: tuple[str, ...], said: str
) -> None:
    assert said in remote.refused(*arguments)


def test_what_does_not_render_is_not_committed(remote: Remote) -> None:
    values = remote.folder / "values.yaml"
    values.write_text("predictionServer: {extraVolumes: [{name: x, emptyDir: {sizeLimit: [1]}}]}")
    private = remote.folder / "private.yaml"
    private.write_text("ppsAnnotations: {'a.b/c': d}\nkanikoTolerations: []\n")
    remote.init(*NEEDED, "--values", str(values), "--plugin-config", str(private))
    remote.commit({"base/components/ingress-nginx/ingress.yaml": None})

    said = remote.refused("--environment", "stage=65b000000000000000000001", *NEEDED[2:], "--yes")
    assert "overlays/stage/environment" in said
    assert "ingress.yaml" in said


def test_an_environment_that_a_person_broke_does_not_keep_another_one_away(remote: Remote) -> None:
    remote.init(*NEEDED)
    remote.commit({"overlays/prod/environment/serving/kustomization.yaml": "patches: [{}]\n"})
    remote.init("--environment", "stage=65b000000000000000000001", *NEEDED[2:], "--yes")
    assert "overlays/stage/environment/serving/kustomization.yaml" in remote.files()


def test_what_init_writes_passes_the_check_of_its_own_workflow(remote: Remote) -> None:
    remote.init(*NEEDED)
    clone = remote.folder / "checkout"
    git(remote.folder, "clone", "--quiet", str(remote.path), str(clone))
    done = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", "check", "--against", "origin/main"],
        cwd=clone, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "overlays/prod/environment" in done.stdout


def test_two_environments_have_their_own_clusters_and_namespaces(remote: Remote) -> None:
    remote.init(
        *(
            "--environment",
            "prod=65a000000000000000000009",
            "--environment",
            "stage=65b000000000000000000001",
        ),
        *("--namespace", "prod=mlops-prod", "--namespace", "stage=mlops-stage"),
        *("--cluster", "prod=https://prod.example.com:6443", "--builds-namespace", "prod=images"),
        *NEEDED[4:],
    )
    serving = documents.load(remote.read("argocd/serving.yaml"))
    builds = documents.load(remote.read("argocd/builds.yaml"))
    lists = [item["spec"]["generators"][0]["matrix"]["generators"][0] for item in (serving, builds)]
    local = "https://kubernetes.default.svc"
    assert [item["list"]["elements"] for item in lists] == [
        [
            {
                "environment": "prod",
                "server": "https://prod.example.com:6443",
                "namespace": "mlops-prod",
            },
            {"environment": "stage", "server": local, "namespace": "mlops-stage"},
        ],
        [
            {
                "environment": "prod",
                "server": "https://prod.example.com:6443",
                "namespace": "images",
            },
            {"environment": "stage", "server": local, "namespace": "mlops-stage-builds"},
        ],
    ]
    assert {path.split("/")[1] for path in remote.files() if path.startswith("overlays/")} == {
        "prod", "stage",
    }  # fmt: skip


def test_an_environment_is_added_later_and_people_s_edits_stay(remote: Remote) -> None:
    remote.init(*NEEDED)
    text = remote.read("gitops-bridge.yaml") + "limits:\n  removals: 7 # we stop many at once\n"
    project = remote.read("argocd/serving-project.yaml") + "  orphanedResources: {warn: true}\n"
    remote.commit({"gitops-bridge.yaml": text, "argocd/serving-project.yaml": project})
    more = (
        "--environment",
        "stage=65b000000000000000000001",
        "--namespace",
        "mlops-stage",
        *NEEDED[4:],
    )

    assert "existing files would change or go" in remote.refused(*more)
    remote.init(*more, "--yes")

    assert remote.log()[0] == "Add environment stage"
    loaded = config.load(documents.load_verbatim(remote.read("gitops-bridge.yaml")), "x")
    assert {item.id: item.name for item in loaded.environments} == {
        PE: "prod",
        "65b000000000000000000001": "stage",
    }
    assert "removals: 7 # we stop many at once" in remote.read("gitops-bridge.yaml")
    project = documents.load(remote.read("argocd/serving-project.yaml"))
    assert project["spec"]["orphanedResources"] == {"warn": True}
    names = [item["namespace"] for item in project["spec"]["destinations"]]
    assert names == ["mlops-prod", "mlops-stage"]
    assert remote.init(*more, "--yes")["changes"] == []


def test_new_answers_for_an_environment_that_exists_are_told_not_written(remote: Remote) -> None:
    remote.init(*NEEDED)
    done = remote.run(*NEEDED, "--ingress-class", "other")
    assert done.returncode == 0
    assert "is your team's own and stays" in done.stdout
    assert "value: other" in done.stdout
    assert remote.log() == ["Set up gitops-bridge for prod"]


def test_an_environment_made_by_hand_is_put_into_argocd_and_configuration(remote: Remote) -> None:
    remote.init(*NEEDED)
    path = "overlays/{}/environment/{}/kustomization.yaml"
    parts = ("serving", "autoscaling", "monitoring", "builder")
    copies = {path.format("stage", part): remote.read(path.format("prod", part)) for part in parts}
    remote.commit(copies)
    more = (
        "--environment",
        "stage=65b000000000000000000001",
        "--namespace",
        "mlops-stage",
        *NEEDED[4:],
        "--yes",
    )
    remote.init(*more, "--ingress-class", "other")

    assert "name: stage" in remote.read("gitops-bridge.yaml")
    assert {name: remote.read(name) for name in copies} == copies


def test_a_known_repository_without_new_answers_says_what_can_be_done(remote: Remote) -> None:
    remote.init(*NEEDED)
    assert "--environment NAME=ID adds one" in remote.refused()


def test_an_environment_s_name_is_taken_once(remote: Remote) -> None:
    remote.init(*NEEDED)
    said = remote.refused("--environment", "prod=65b000000000000000000001", *NEEDED[2:], "--yes")
    assert "'prod' is another prediction environment's folder already" in said


def test_an_id_has_one_environment(remote: Remote) -> None:
    remote.init(*NEEDED)
    said = remote.refused("--environment", f"other={PE}", *NEEDED[2:], "--yes")
    assert f"{PE} has the folder 'prod' already" in said


def test_a_team_on_another_branch_is_asked_which_one(remote: Remote) -> None:
    remote.commit({"README.md": "ours"})
    git(remote.path, "branch", "-m", "main", "trunk")
    told = remote.refused(*NEEDED)
    assert "has no branch 'main', but trunk" in told
    assert "--branch trunk" in told
    remote.init(*NEEDED, "--branch", "trunk")
    assert remote.log("trunk")[0] == "Set up gitops-bridge for prod"
    assert remote.read("README.md", "trunk") == "ours"


def test_dry_run_shows_and_touches_nothing(remote: Remote) -> None:
    done = remote.run(*NEEDED, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert remote.refs() == ""
    assert "+ overlays/prod/environment/serving/kustomization.yaml" in done.stdout
    assert "nothing was committed" in done.stdout


def test_a_folder_to_look_at_holds_what_would_be_committed(remote: Remote, tmp_path: Path) -> None:
    folder = tmp_path / "look"
    remote.init(*NEEDED, "--directory", str(folder))
    assert remote.refs() == ""
    remote.init(*NEEDED)
    written = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    assert written == sorted(remote.files())
    assert all((folder / path).read_text() == remote.read(path) for path in written)
    assert "names a folder to be made" in remote.refused(*NEEDED, "--directory", str(folder))


def test_gitlab_gets_its_own_workflow(remote: Remote) -> None:
    remote.init(*NEEDED, "--provider", "gitlab", "--owner", "@ml/platform")
    assert documents.load(remote.read(".gitlab-ci.yml")) == {
        "include": [{"local": ".gitlab/gitops-bridge.yaml"}]
    }
    assert "gitops-bridge check" in remote.read(".gitlab/gitops-bridge.yaml")
    assert "/base/ @ml/platform" in remote.read("CODEOWNERS")


@pytest.mark.parametrize(
    ("provider", "path", "owners"),
    [
        ("gitea", ".gitea/workflows/gitops-bridge.yaml", ".gitea/CODEOWNERS"),
        ("bitbucket-cloud", "bitbucket-pipelines.yml", ".bitbucket/CODEOWNERS"),
        ("azure-devops", ".azuredevops/gitops-bridge.yaml", None),
        ("bitbucket-server", None, None),
    ],
)
@pytest.mark.parametrize("source", [(), ("--bridge-source", "gitops-bridge==0.1.0")])
def test_the_other_forges_get_theirs(
    remote: Remote, provider: str, path: str | None, owners: str | None, source: tuple[str, ...]
) -> None:
    remote.init(*NEEDED, "--provider", provider, *source)
    files = remote.files()
    assert (path in files) == (path is not None)
    assert [name for name in files if name.endswith("CODEOWNERS")] == ([owners] if owners else [])
    if path is not None:
        text = remote.read(path)
        documents.load(text)
        assert "gitops-bridge check --against origin/main" in text
        assert "@image@" not in text
        assert "@source@" not in text
        assert ("pip install" in text) == bool(source)


def test_a_team_s_own_pipelines_stay(remote: Remote) -> None:
    remote.commit({"bitbucket-pipelines.yml": "pipelines: {default: []}\n"})
    remote.init(*NEEDED, "--provider", "bitbucket-cloud")
    assert remote.read("bitbucket-pipelines.yml") == "pipelines: {default: []}\n"


def test_the_workflow_checks_pull_requests_of_the_branch(remote: Remote) -> None:
    remote.init(*NEEDED)
    workflow = documents.load(remote.read(".github/workflows/gitops-bridge.yaml"))
    on = {"branches": ["main"]}
    assert workflow[True] == {"pull_request": on, "push": on}  # YAML reads `on` as true
    for step in workflow["jobs"]["check"]["steps"]:
        assert "uses" not in step or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
    runs = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert runs[-1].startswith("gitops-bridge check")


def test_next_steps_name_what_git_must_not_hold(remote: Remote) -> None:
    done = remote.run(*NEEDED)
    assert "kubectl create namespace mlops-prod-builds" in done.stdout
    assert "create secret generic mlops-api-key" in done.stdout
    assert "kubectl apply -k argocd/" in done.stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "https://jane@git.example.com/m.git",
            "--from-literal=username=jane --from-file=password=",
        ),
        ("git@git.example.com:ml/m.git", "--from-file=sshPrivateKey=KEY_FILE"),
    ],
)
def test_next_steps_name_argo_cd_s_own_credential(tmp_path: Path, url: str, said: str) -> None:
    done = called(
        tmp_path, "init", url, *NEEDED, "--argocd-namespace", "gitops", "--directory", "out"
    )
    assert "kubectl -n gitops create secret generic mlops-repository" in done.stdout
    assert said in done.stdout
    assert "argocd.argoproj.io/secret-type=repository" in done.stdout
    assert "Argo CD is 3.2 or newer" in done.stdout


def test_a_declining_server_is_an_error_with_advice(remote: Remote) -> None:
    hook = remote.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho main is protected >&2\nexit 1\n")
    hook.chmod(0o755)
    said = remote.refused(*NEEDED)
    assert "main is protected" in said
    assert "hint:" in said


def test_on_a_terminal_what_is_missing_is_asked_for(remote: Remote) -> None:
    said = _on_a_terminal(
        remote, "prod", "no id!", PE, "", "https://predictions.example.com/d", "r.example.com/m/x",
        "r.example.com/pps:11.2.1", "gateway-httproute", "public", "infra/public", "",
        "mirror.example.com/hub", "bridge-image", "r.example.com/ours/bridge:1",
        arguments=("--registry-kind", "registry-mirror"),
    )  # fmt: skip

    assert remote.log() == ["Set up gitops-bridge for prod"], said
    assert "is not an id" in said
    assert "'public' does not look like NAMESPACE/NAME" in said
    assert "namespace: mlops-prod" in remote.read("gitops-bridge.yaml")
    serving = remote.read("overlays/prod/environment/serving/kustomization.yaml")
    assert "components/gateway-httproute" in serving
    builder = documents.load(remote.read("overlays/prod/environment/builder/kustomization.yaml"))
    assert builder["commonAnnotations"]["gitops-bridge.io/registry-mirror"] == (
        "mirror.example.com/hub"
    )
    assert "Image of gitops-bridge [r.example.com/m/gitops-bridge:" in said
    assert "'bridge-image' does not look like" in said
    assert builder["images"] == [
        {"name": "bridge-image", "newName": "r.example.com/ours/bridge", "newTag": "1"}
    ]


def test_on_a_terminal_a_change_of_files_is_asked_for(remote: Remote) -> None:
    remote.init(*NEEDED)
    more = ("-e", "stage=65b000000000000000000001", "--namespace", "mlops-stage", *NEEDED[4:])
    assert "Change 5 existing files?" in _on_a_terminal(remote, "n", arguments=more)
    assert remote.log() == ["Set up gitops-bridge for prod"]
    _on_a_terminal(remote, "y", arguments=more)
    assert remote.log()[0] == "Add environment stage"


def test_on_a_terminal_whoever_gave_all_that_is_needed_is_asked_nothing(remote: Remote) -> None:
    said = _on_a_terminal(remote, arguments=NEEDED)
    assert remote.log() == ["Set up gitops-bridge for prod"], said
    assert "]:" not in said


def test_on_a_terminal_yes_asks_nothing_at_all(remote: Remote) -> None:
    said = _on_a_terminal(remote, arguments=("--yes", "--environment", "prod"))
    assert "--namespace is missing" in said
    assert remote.refs() == ""
    remote.init(*NEEDED)
    more = ("-e", "stage=65b000000000000000000001", "--namespace", "mlops-stage", *NEEDED[4:])
    said = _on_a_terminal(remote, arguments=(*more, "--yes"))
    assert remote.log()[0] == "Add environment stage", said


def _on_a_terminal(remote: Remote, *answers: str, arguments: tuple[str, ...] = ()) -> str:
    main, side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "gitops_bridge", "init", str(remote.path), *arguments],
        stdin=side, stdout=side, stderr=side, close_fds=True,
    ):  # fmt: skip
        os.close(side)
        os.write(main, "".join(f"{answer}\n" for answer in answers).encode())
        said = b""
        try:
            while block := os.read(main, 4096):
                said += block
        except OSError:  # how Linux tells that the other side is closed
            pass
    os.close(main)
    return said.decode()
