"""An environment's builder and a model, to content key and image reference."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_bridge.actions import ExecutionType, Model, ModelFormat
from gitops_bridge.desired import build
from gitops_bridge.errors import RenderError
from tests import building
from tests.building import CUSTOM, DEDICATED, KEY, PACKAGE, SCORING_CODE, SETTINGS

DIGEST = "sha256:" + "85e4" * 16
package_ids = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)


def annotated(**settings):
    """Rendered objects with annotations of the Job changed; None takes one away."""
    objects = building.objects()
    annotations = objects[0]["metadata"]["annotations"]
    for name, value in settings.items():
        setting = f"gitops-bridge.io/{name.replace('_', '-')}"
        annotations.pop(setting, None)
        if value is not None:
            annotations[setting] = value
    return objects


def content_key(model=DEDICATED, package_id=PACKAGE, objects=None):
    return build.content_key(
        model=model,
        package_id=package_id,
        builder=build.builder(objects or building.objects()),
    )


def stated(checksum, package_id=PACKAGE):
    """Rendered objects in which the operator states a package's SHA-256."""
    return annotated(**{f"sha256.{package_id}": checksum})


def test_what_the_rendered_job_says():
    found = building.builder()
    assert found.image_repository == SETTINGS["image-repository"]
    assert found.pps_image == SETTINGS["pps-image"]
    assert found.bridge_image == "registry.example.com:5000/mlops/gitops-bridge:0.1.0"
    assert found.kind == "kaniko"
    assert found.registry == "registry.example.com:5000"
    assert building.builder("append").kind == "append"


@pytest.mark.parametrize(
    ("settings", "field", "hint"),
    [
        ({"image_repository": "image-repository"}, "image-repository", "set it"),
        ({"image_repository": None}, "image-repository", "set it"),
        ({"image_repository": "mlops/frozen-models"}, "image-repository", "docker.io"),
        (
            {"image_repository": "registry.example.com/models:v1"},
            "image-repository",
            "without a tag",
        ),
        ({"image_repository": "https://registry.example.com/models"}, "image-repository", "host"),
        ({"image_repository": "registry.example.com"}, "image-repository", "path"),
        ({"image_repository": "registry.example.com/Models"}, "image-repository", "path"),
        ({"pps_image": "pps-image"}, "pps-image", "set it"),
        ({"pps_image": None}, "pps-image", "set it"),
        ({"pps_image": "registry.example.com/pps"}, "pps-image", "a tag such as"),
        ({"pps_image": "registry.example.com/pps:latest"}, "pps-image", "a tag such as"),
        ({"pps_image": "registry.example.com:5000/pps"}, "pps-image", "a tag such as"),
        ({"pps_image": "registry.example.com/pps:11.2"}, "pps-image", "a tag such as"),
        ({"pps_image": "registry.example.com/pps:11.2.1 --force"}, "pps-image", "an image"),
        ({"pps_image": "registry.example.com/pps@sha256:85e4"}, "pps-image", "an image"),
        ({"pps_image": f"registry.example.com/pps@{DIGEST}"}, "pps-image", "beside a digest too"),
        ({"pps_image": f"registry.example.com/pps:stable@{DIGEST}"}, "pps-image", "a tag such as"),
        ({"datarobot_url": "datarobot-url"}, "datarobot-url", "set it"),
        ({"datarobot_url": None}, "datarobot-url", "https://app.datarobot.com"),
        ({"datarobot_url": "app.datarobot.com"}, "datarobot-url", "https://app.datarobot.com"),
        ({"datarobot_url": "https://user:x@app.datarobot.com"}, "datarobot-url", "address"),
        ({"drum_image": "registry.example.com/java:latest"}, "drum-image", "a tag such as"),
        ({"registry_mirror": "a b"}, "registry-mirror", "without blanks"),
    ],
)
def test_a_setting_that_does_not_hold(settings, field, hint):
    with pytest.raises(RenderError) as raised:
        build.builder(annotated(**settings))
    assert f"gitops-bridge.io/{field}" in raised.value.message
    assert "environment/builder" in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.com/pps:11.2.1",
        "registry.example.com:5000/a/b/pps:11.2.1-fips",
        "datarobot/datarobot-portable-prediction-api:9.1.2",
        f"registry.example.com/pps:11.2.1@{DIGEST}",
    ],
)
def test_images_that_stay_what_they_are(image):
    assert build.builder(annotated(pps_image=image)).pps_image == image


@pytest.mark.parametrize("tag", [":v7", f"@{DIGEST}", f":latest@{DIGEST}"])
def test_an_image_for_scoring_code_needs_a_tag_or_a_digest(tag):
    image = f"registry.example.com/java{tag}"
    assert build.builder(annotated(drum_image=image)).base_image(SCORING_CODE) == image


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_job(count):
    with pytest.raises(RenderError, match=f"renders {count} Jobs"):
        build.builder(building.objects() * count)


def test_what_would_not_reach_the_cluster_is_refused():
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "image-builder"}}
    with pytest.raises(RenderError, match="ServiceAccount 'image-builder'"):
        build.builder([*building.objects(), account])


@pytest.mark.parametrize("left", ["", ":0.1.0", f"@{DIGEST}"])
def test_a_placeholder_image_is_refused(left):
    """Also where only the tag or the digest was set under images: in the kustomization."""
    objects = building.objects()
    objects[0]["spec"]["template"]["spec"]["initContainers"][0]["image"] = f"bridge-image{left}"
    with pytest.raises(RenderError) as raised:
        build.builder(objects)
    assert "bridge-image is still the placeholder" in raised.value.message
    assert "images:" in raised.value.hint


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pod: pod.pop("initContainers"),
        lambda pod: pod["containers"][0].update(name="builder"),
        lambda pod: pod["containers"].append({**pod["containers"][0], "name": "append-model"}),
    ],
)
def test_containers_that_are_not_the_builders(spoil):
    objects = building.objects()
    spoil(objects[0]["spec"]["template"]["spec"])
    with pytest.raises(RenderError, match="containers has"):
        build.builder(objects)


def test_a_job_of_wrong_types_is_refused_when_read():
    objects = building.objects()
    objects[0]["spec"]["backoffLimit"] = "2"
    with pytest.raises(RenderError, match="backoffLimit is '2', not a whole number"):
        build.builder(objects)


def test_the_key_is_stable_and_covers_what_shapes_the_image():
    same = content_key()
    assert re.fullmatch(r"[0-9a-f]{64}", same)
    assert content_key() == same
    others = {
        "package": content_key(package_id="65f0aa11bb22cc33dd44ee56"),
        "checksum": content_key(objects=stated("0" * 64)),
        "another checksum": content_key(objects=stated("1" * 64)),
        "model": content_key(Model("other", ExecutionType.DEDICATED, ModelFormat.PACKAGE)),
        "type": content_key(CUSTOM),
        "format": content_key(SCORING_CODE),
        "base": content_key(objects=annotated(pps_image="registry.example.com/pps:11.2.2")),
    }
    assert len({same, *others.values()}) == len(others) + 1


def test_the_recipe_version_is_part_of_the_key(monkeypatch):
    before = content_key()
    monkeypatch.setattr(build, "RECIPE_VERSION", build.RECIPE_VERSION + "'")
    assert content_key() != before


def test_the_key_covers_nothing_else():
    """Moving the registry, changing resources, names or the builder builds nothing anew."""
    same = content_key()
    assert content_key(objects=annotated(image_repository="other.example.com/m")) == same
    assert content_key(objects=annotated(datarobot_url="https://eu.datarobot.com")) == same
    assert content_key(objects=building.objects("ecr")) == same
    assert content_key(objects=building.objects("append")) == same
    assert content_key(objects=stated("0" * 64, "65f0aa11bb22cc33dd44ee66")) == same
    named = Model(DEDICATED.id, DEDICATED.execution_type, DEDICATED.format, name="Churn, \n v7")
    assert content_key(named) == same
    unsaid = Model(DEDICATED.id, DEDICATED.execution_type)
    assert content_key(unsaid) == same, "a dedicated model is a package unless it says otherwise"


def test_a_new_prediction_server_leaves_other_models_alone():
    newer = annotated(pps_image="registry.example.com/pps:11.2.2")
    for model in (CUSTOM, SCORING_CODE):
        assert content_key(model, objects=newer) == content_key(model)


def test_scoring_code_needs_its_own_image():
    with pytest.raises(RenderError) as raised:
        content_key(SCORING_CODE, objects=annotated(drum_image=None))
    assert "gitops-bridge.io/drum-image" in raised.value.message
    assert "Java" in raised.value.hint


@pytest.mark.parametrize("word", ["", "A", "a b", "-a", "a-", "a" * 57, "a\n", "ä", "a:b", "../a"])
def test_nothing_user_written_gets_into_names(word):
    with pytest.raises(RenderError):
        content_key(package_id=word)
    with pytest.raises(RenderError):
        build.image(builder=building.builder(), package_id=word, key=KEY)


@pytest.mark.parametrize("word", ["", "a b", "--force", "a" * 64, "a\n", "a$(x)"])
def test_nothing_user_written_stands_for_a_model(word):
    with pytest.raises(RenderError):
        content_key(Model(word, ExecutionType.DEDICATED))


@pytest.mark.parametrize("word", ["", "0" * 63, "G" * 64, "A" * 64, "sha256:" + "0" * 64])
def test_checksums_and_keys_are_hex(word):
    with pytest.raises(RenderError, match=rf"sha256\.{PACKAGE} is '{word}'"):
        build.builder(stated(word))
    with pytest.raises(RenderError):
        build.image(builder=building.builder(), package_id=PACKAGE, key=word)


@settings(deadline=None)
@given(package_id=package_ids, key=digests)
def test_every_tag_is_one(package_id, key):
    found = build.image(builder=building.builder(), package_id=package_id, key=key)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", found.tag)
    assert found.tag == f"{package_id}-{key[:10]}"
    assert found.repository == SETTINGS["image-repository"]
    assert found.digest is None


@settings(deadline=None)
@given(one=st.tuples(package_ids, digests), other=st.tuples(package_ids, digests))
def test_different_keys_give_different_tags(one, other):
    builder = building.builder()
    first = build.image(builder=builder, package_id=one[0], key=one[1])
    second = build.image(builder=builder, package_id=other[0], key=other[1])
    assert (first == second) == ((one[0], one[1][:10]) == (other[0], other[1][:10]))
