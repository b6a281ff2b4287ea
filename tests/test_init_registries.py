"""Every registry kind through a real `init` into a bare repository, and what its builder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from gitops_bridge import documents
from gitops_bridge.desired import build, jobs
from gitops_bridge.desired.job_check import job_problems
from gitops_bridge.scaffold.registries import BUILDERS, KINDS
from tests import building, pod_security
from tests.building import COMPONENTS, DEDICATED, KEY, PACKAGE
from tests.initialised import NEEDED, Remote
from tests.kaniko_flags import refused
from tests.team import git

BUILDER = "overlays/prod/environment/builder"
HOST = "registry.example.com"
CA = "/kaniko/registry-ca/ca.crt"
OPENSHIFT = "image-registry.openshift-image-registry.svc:5000/mlops/models"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops/models"


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def flags(*kinds: str) -> tuple[str, ...]:
    given = tuple(flag for kind in kinds for flag in ("--registry-kind", kind))
    return (*given, "--registry-mirror", "mirror.example.com/hub") if MIRROR in kinds else given


def to(repository: str, *more: str) -> tuple[str, ...]:
    """The needed flags with another image repository."""
    return (*NEEDED[:6], "--image-repository", repository, *NEEDED[8:], *more)


def built(remote: Remote) -> tuple[list[str], dict[str, Any]]:
    """The components that init wrote, and the Job of a sample build, held to every check."""
    clone = remote.folder / "checkout"
    git(remote.folder, "clone", "--quiet", str(remote.path), str(clone))
    listed = documents.load((clone / BUILDER / "kustomization.yaml").read_text())["components"]
    found = build.builder(documents.load_all(building.kustomize(clone / BUILDER)))
    job = jobs.job(builder=found, model=DEDICATED, package_id=PACKAGE, key=KEY)
    assert job_problems(job) == []
    for version in ("1.31", "1.36"):
        assert kubernetes_validate.validate(job, version, strict=True) == version
    pod = job["spec"]["template"]["spec"]
    assert pod_security.baseline(pod) == []
    assert [bad for argument in arguments(job, "kaniko") if (bad := refused(argument))] == []
    if found.kind == "append":
        assert pod_security.restricted(pod) == []
    return [name.rpartition("/")[2] for name in listed], job


def arguments(job: dict[str, Any], name: str) -> list[str]:
    containers = job["spec"]["template"]["spec"]["containers"]
    return [part for found in containers if found["name"] == name for part in found["args"]]


def volumes(job: dict[str, Any]) -> dict[str, Any]:
    return {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}


MIRROR, CONFIG, CONFIG_MAP = "registry-mirror", "docker-config", "docker-config-map"
CASES: dict[tuple[str, ...], tuple[list[str], str]] = {
    ("ecr",): (["ecr"], ""),
    ("acr",): (["acr"], ""),
    ("gcr",): (["gcr"], ""),
    ("openshift",): (
        ["openshift", CONFIG],
        f"--registry-certificate={HOST}=/kaniko/service-ca/service-ca.crt",
    ),
    (CONFIG,): ([CONFIG], ""),
    (CONFIG_MAP,): ([CONFIG_MAP], ""),
    ("private-ca",): ([CONFIG, "private-ca"], f"--registry-certificate={HOST}={CA}"),
    ("insecure-registry",): ([CONFIG, "insecure-registry"], f"--insecure-registry={HOST}"),
    ("skip-tls-verify",): ([CONFIG, "skip-tls-verify"], f"--skip-tls-verify-registry={HOST}"),
    (MIRROR,): ([CONFIG, MIRROR], "--registry-mirror=mirror.example.com/hub"),
    (MIRROR, "private-ca", CONFIG): (
        [CONFIG, "private-ca", MIRROR],
        "--registry-mirror=mirror.example.com/hub",
    ),
    (CONFIG_MAP, "ecr"): (["ecr", CONFIG_MAP], ""),
    ("gcr", CONFIG, "private-ca"): (
        ["gcr", CONFIG, "private-ca"],
        f"--registry-certificate={HOST}={CA}",
    ),
    ("openshift", "private-ca"): (
        ["openshift", CONFIG, "private-ca"],
        f"--registry-certificate={HOST}={CA}",
    ),
    ("openshift", "skip-tls-verify", "openshift"): (
        ["openshift", CONFIG, "skip-tls-verify"],
        f"--skip-tls-verify-registry={HOST}",
    ),
    ("skip-tls-verify", "insecure-registry"): (
        [CONFIG, "insecure-registry", "skip-tls-verify"],
        f"--insecure-registry={HOST}",
    ),
}
"""Kinds asked for to the components written, and an argument that the builder then has."""


def test_every_component_is_a_kind_or_a_builder_and_every_kind_is_tried_alone() -> None:
    assert {folder.name for folder in COMPONENTS.iterdir()} == {*KINDS, *BUILDERS} - {"kaniko"}
    assert {kinds[0] for kinds in CASES if len(kinds) == 1} == set(KINDS)


@pytest.mark.parametrize("kinds", CASES, ids="+".join)
def test_kaniko_reaches_every_kind(remote: Remote, kinds: tuple[str, ...]) -> None:
    wanted, argument = CASES[kinds]
    remote.init(*NEEDED, *flags(*kinds))
    listed, job = built(remote)
    assert listed == wanted
    assert not argument or argument in arguments(job, "kaniko")


@pytest.mark.parametrize(
    ("kinds", "argument"),
    [
        ((), ""),
        ((CONFIG_MAP,), ""),
        (("private-ca",), f"--registry-certificate={HOST}={CA}"),
        (("insecure-registry",), f"--insecure-registry={HOST}"),
        (("skip-tls-verify",), f"--skip-tls-verify-registry={HOST}"),
        ((MIRROR,), "--registry-mirror=mirror.example.com/hub"),
        *(((cloud, CONFIG_MAP), "") for cloud in ("ecr", "acr", "gcr")),
    ],
)
def test_append_stands_first_and_takes_what_it_can(
    remote: Remote, kinds: tuple[str, ...], argument: str
) -> None:
    remote.init(*NEEDED, "--builder", "append", *flags(*kinds))
    listed, job = built(remote)
    assert listed[0] == "append"
    assert set(kinds) <= set(listed)
    assert not argument or argument in arguments(job, "append-model")


def test_names_of_secrets_and_config_maps_reach_their_volumes(remote: Remote) -> None:
    done = remote.init(
        *to(OPENSHIFT), *flags("openshift", "private-ca"),
        "--registry-secret", "robot", "--registry-ca", "our-ca",
    )  # fmt: skip
    listed, job = built(remote)
    assert listed == ["openshift", CONFIG, "private-ca"]
    found = volumes(job)
    assert found["docker-config"]["secret"]["secretName"] == "robot"
    assert found["registry-ca"]["configMap"]["name"] == "our-ca"
    assert found["service-ca"]["configMap"]["name"] == "openshift-service-ca.crt"
    assert any("create configmap our-ca --from-file=ca.crt" in step for step in done["next"])


def test_each_environment_has_its_own_kinds(remote: Remote) -> None:
    remote.init(
        *("--environment", "stage=65b000000000000000000001", *NEEDED),
        *("--registry-kind", "prod=private-ca", "--registry-kind", f"prod={CONFIG}"),
        *("--builder", "stage=append", "--registry-kind", f"stage={CONFIG_MAP}"),
    )
    listed, _ = built(remote)
    assert listed == [CONFIG, "private-ca"]
    stage = documents.load(remote.read(BUILDER.replace("prod", "stage") + "/kustomization.yaml"))
    assert [name.rpartition("/")[2] for name in stage["components"]] == ["append", CONFIG_MAP]


def test_a_kind_asked_for_wins_over_imported_credentials(remote: Remote) -> None:
    private = remote.folder / "private.yaml"
    private.write_text("kanikoSecretName: imported\n")
    remote.init(*NEEDED, "--plugin-config", str(private), *flags(CONFIG_MAP))
    listed, job = built(remote)
    assert listed == [CONFIG_MAP]
    assert volumes(job)["docker-config"]["configMap"]["name"] == "docker-config"


APPEND = ("--builder", "append")
REFUSED = [
    (flags("ecr", "gcr"), "ecr and gcr do not combine: each gives the builder's service account"),
    (flags("acr", "openshift"), "acr and openshift do not combine"),
    (flags(CONFIG, CONFIG_MAP), f"{CONFIG} and {CONFIG_MAP} do not combine: both mount"),
    (flags("private-ca", "skip-tls-verify"), "private-ca and skip-tls-verify do not combine"),
    (flags("private-ca", "insecure-registry"), "private-ca and insecure-registry do not combine"),
    (flags("ecr", "insecure-registry"), "ecr and insecure-registry do not combine: its registry"),
    (("--registry-kind", MIRROR), "--registry-mirror HOST is missing"),
    ((*flags(MIRROR), "--registry-mirror", "https://m"), "several values for prod"),
    (("--registry-kind", MIRROR, "--registry-mirror", "https://m"), "does not look like mirror."),
    (("--registry-mirror", "m.example.com"), "no use without --registry-kind registry-mirror"),
    (("--registry-ca", "our-ca"), "--registry-ca has no use without --registry-kind private-ca"),
    ((*flags("private-ca"), "--registry-ca", "Our CA"), "'Our CA' is no ConfigMap's name"),
    (("--registry-secret", "s", "--registry-config-map", "c"), "do not combine: both mount"),
    (flags("harbor"), "'harbor' is none of ecr, acr"),
    (("--builder", "buildah"), "'buildah' is none of kaniko, append"),
    (("--registry", "ecr"), "No such option"),
    ((*APPEND, *flags("openshift")), "append does not take openshift: it fits Kaniko to the SCC"),
    ((*APPEND, *flags("gcr")), "append does not take gcr alone: that is Kaniko's built-in helper"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_does_not_combine_is_told_with_the_reason(
    remote: Remote, arguments: tuple[str, ...], said: str
) -> None:
    assert said in " ".join(remote.refused(*NEEDED, *arguments).split())


@pytest.mark.parametrize(
    ("repository", "said"), [(ECR, "does not take ecr alone"), (OPENSHIFT, "not take openshift")]
)
def test_append_knows_the_host_s_own_kind_too(remote: Remote, repository: str, said: str) -> None:
    assert said in remote.refused(*to(repository, *APPEND))


def test_append_declines_what_was_imported_for_kaniko(remote: Remote) -> None:
    private = remote.folder / "private.yaml"
    private.write_text("kanikoImage: r.example.com/kaniko:1\nkanikoExtraArguments: [--cache]\n")
    said = remote.refused(*NEEDED, *APPEND, "--plugin-config", str(private))
    assert "append does not take kanikoImage: it is Kaniko's" in said
    assert "append does not take kanikoExtraArguments" in said
