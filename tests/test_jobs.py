"""The build Jobs of the branch `builds`: names, manifests, attempts, lookup, garbage."""

import re
import subprocess
import sys

import kubernetes_validate
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gitops_bridge import documents
from gitops_bridge.desired import build, jobs
from gitops_bridge.desired.job_check import job_problems
from gitops_bridge.errors import RenderError
from tests import building
from tests.building import CUSTOM, DEDICATED, KEY, PACKAGE, ROOT, SCORING_CODE

OTHER = "ab" * 32
package_ids = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
attempts = st.integers(1, jobs.ATTEMPTS)


def file_name(key=KEY, package_id=PACKAGE, attempt=1):
    return jobs.job_name(key=key, package_id=package_id, attempt=attempt) + ".yaml"


def test_names():
    assert file_name() == f"build-{PACKAGE}-3f9c2a71d0.yaml"
    assert file_name(attempt=2) == f"build-{PACKAGE}-3f9c2a71d0-a2.yaml"


@given(key=digests, package_id=package_ids, attempt=attempts)
def test_every_name_is_a_label_and_says_key_and_attempt(key, package_id, attempt):
    name = jobs.job_name(key=key, package_id=package_id, attempt=attempt)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert jobs.attempt([f"{name}.yaml"], key) == attempt + 1
    assert jobs.builds_of(key, [f"prod/{name}.yaml"]) == [f"prod/{name}.yaml"]
    assert name.startswith(jobs.prefix(package_id))


@given(
    one=st.tuples(digests, package_ids, attempts),
    other=st.tuples(digests, package_ids, attempts),
)
def test_names_are_unique(one, other):
    """Two builds share a name only with the same package, short key and attempt; package ids
    that are cut to fit leave it to the key, which covers the package."""
    assume(one[0][:10] != other[0][:10] or one[2] != other[2])
    names = [jobs.job_name(key=key, package_id=id_, attempt=n) for key, id_, n in (one, other)]
    assert names[0] != names[1]


@pytest.mark.parametrize("attempt", [0, -1, 1000])
def test_attempts_are_bounded(attempt):
    with pytest.raises(RenderError, match="attempt"):
        jobs.job_name(key=KEY, package_id=PACKAGE, attempt=attempt)


def test_the_next_attempt_is_counted_from_what_the_branch_holds():
    others = ["README.md", file_name(OTHER), file_name(OTHER, attempt=7), "x.yaml"]
    assert jobs.attempt([], KEY) == 1
    assert jobs.attempt(others, KEY) == 1
    assert jobs.attempt([*others, file_name()], KEY) == 2
    assert jobs.attempt([*others, file_name(attempt=3)], KEY) == 4
    assert jobs.attempt([f"prod/{file_name(attempt=10)}", file_name(attempt=9)], KEY) == 11


def test_a_build_is_found_in_any_folder():
    paths = [
        "README.md",
        f"prod/{file_name(OTHER)}",
        f"staging/{file_name()}",
        f"prod/{file_name(attempt=2)}",
    ]
    assert jobs.builds_of(KEY, paths) == [paths[3], paths[2]]
    assert jobs.builds_of("00" * 32, paths) == []


def test_where_a_job_pushes_to():
    target = f"{building.SETTINGS['image-repository']}:{PACKAGE}-3f9c2a71d0"
    assert jobs.destination(building.job()) == target
    for other in ({}, {"metadata": None}, {"metadata": {"annotations": {"a": "b"}}}):
        assert jobs.destination(other) is None


@pytest.mark.parametrize("model", [DEDICATED, CUSTOM, SCORING_CODE])
def test_a_job_is_complete(model):
    job = building.job(model=model, attempt=2)
    assert job_problems(job) == []
    metadata = job["metadata"]
    assert metadata["name"] == f"build-{PACKAGE}-3f9c2a71d0-a2"
    assert metadata["annotations"]["gitops-bridge.io/content-key"] == KEY
    wanted = {
        "app.kubernetes.io/managed-by": "gitops-bridge",
        "gitops-bridge.io/content-key": "3f9c2a71d0",
        "gitops-bridge.io/model-id": model.id,
        "gitops-bridge.io/model-package-id": PACKAGE,
    }
    template = job["spec"]["template"]["metadata"]
    for described in (metadata, template):
        assert wanted.items() <= described["labels"].items()
    assert not [name for name in template["annotations"] if name.startswith("gitops-bridge.io/")]


def test_what_the_containers_are_told():
    pod = building.job()["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["args"] == [
        "fetch-model",
        f"--model-package-id={PACKAGE}",
        f"--model-id={DEDICATED.id}",
        "--execution-type=dedicated",
        "--format=datarobot",
        f"--pps-image={building.SETTINGS['pps-image']}",
        f"--content-key={KEY}",
        "--datarobot-url=https://app.datarobot.com",
        "--out=/workspace",
    ]
    target = f"{building.SETTINGS['image-repository']}:{PACKAGE}-3f9c2a71d0"
    assert pod["containers"][0]["args"][-1] == f"--destination={target}"


def test_a_stated_checksum_reaches_the_download_of_that_package_alone():
    """And of a list of hundreds, none is in the Job's annotations."""
    stated = {f"sha256.{PACKAGE}": "0" * 64, "sha256.65f0aa11bb22cc33dd44ee66": "1" * 64}
    objects = building.rendered(building.kustomization(["docker-config"], stated))
    job = jobs.job(builder=build.builder(objects), model=DEDICATED, package_id=PACKAGE, key=KEY)
    arguments = job["spec"]["template"]["spec"]["initContainers"][0]["args"]
    assert [word for word in arguments if "sha256" in word] == [f"--sha256={'0' * 64}"]
    assert "sha256." not in documents.dump(job)


def test_the_builder_is_left_as_it_was():
    builder = building.builder()
    before = documents.dump(builder.job)
    jobs.job(builder=builder, model=DEDICATED, package_id=PACKAGE, key=KEY)
    assert documents.dump(builder.job) == before


@settings(max_examples=25, deadline=None)
@given(key=digests, package_id=package_ids, attempt=attempts)
def test_any_build_is_one_that_kubernetes_takes(key, package_id, attempt):
    arguments = {"model": DEDICATED, "package_id": package_id, "key": key, "attempt": attempt}
    job = jobs.job(builder=building.builder(), **arguments)
    again = documents.load(documents.dump(job))
    assert again == job
    assert kubernetes_validate.validate(again, "1.36", strict=True) == "1.36"


def test_the_same_build_gives_the_same_bytes_in_any_process():
    code = (
        "from tests import building; from gitops_bridge import documents;"
        "print(documents.dump(building.job('private-ca')), end='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert texts == {(building.GOLDEN / "private-ca.yaml").read_text()}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "ttlSecondsAfterFinished"), 60, "build again"),
        (("metadata", "annotations", "argocd.argoproj.io/hook"), "PreSync", "every sync"),
        (("spec", "template", "spec", "restartPolicy"), "OnFailure", "restartPolicy"),
        (("spec", "template", "spec", "serviceAccountNam"), "x", "serviceAccountNam is unknown"),
    ],
)
def test_a_job_that_would_harm_the_folder_is_not_made(path, value, message):
    objects = building.objects()
    *folder, field = path
    place = objects[0]
    for key in folder:
        place = place[key]
    place[field] = value
    with pytest.raises(RenderError) as raised:
        jobs.job(builder=build.builder(objects), model=DEDICATED, package_id=PACKAGE, key=KEY)
    assert message in raised.value.message
    assert "environment/builder" in raised.value.message


KEYS = [f"{number:02d}" * 32 for number in range(10, 20)]


def test_garbage_is_what_nobody_names_but_the_last_few():
    existing = ["README.md", *(f"prod/{file_name(key)}" for key in KEYS)]
    named = [KEYS[0][:10], KEYS[3][:10]]
    newest = existing[::-1]
    kept = {existing[1], existing[4], *existing[-2:], "README.md"}
    left = [path for path in existing if path not in kept]
    assert jobs.garbage(existing, named, [], newest, 2) == left
    assert jobs.garbage(existing, named, left[:1], newest, 2) == left[1:]
    assert jobs.garbage(existing, named, [], newest, 0) == [
        path for path in existing[1:] if path not in (existing[1], existing[4])
    ]
    assert jobs.garbage(existing, [], [], newest, 100) == []


def test_the_last_few_are_counted_by_environment():
    existing = [
        f"{environment}/{file_name(key)}" for key in KEYS[:3] for environment in ("prod", "test")
    ]
    assert jobs.garbage(existing, [], [], existing[::-1], 1) == existing[:4]


@given(
    order=st.permutations(KEYS),
    named=st.sets(st.sampled_from(KEYS)),
    keep=st.integers(0, 12),
    attempt=st.integers(1, 3),
)
def test_garbage_never_takes_what_is_named_or_recent(order, named, keep, attempt):
    existing = [f"prod/{file_name(key, attempt=attempt)}" for key in order]
    newest = existing[::-1]
    wanted = [key[:10] for key in named]
    gone = jobs.garbage(existing, wanted, [], newest, keep)
    left = [path for path in existing if path not in gone]
    assert all(jobs.builds_of(key, left) for key in named)
    assert existing[len(existing) - keep if keep < len(existing) else 0 :] == [
        path for path in left if path in (existing[-keep:] if keep else [])
    ]
    assert jobs.garbage(left, wanted, [], newest, keep) == []
