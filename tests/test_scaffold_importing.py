"""Helm values of both chart generations and the plugin's private config to checked settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from bosun.plugin.constants import BosunPluginConfigConstants
from bosun.plugin.k8s.config import KubernetesPluginConfig
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold.importing import File, Imported, helm_values, plugin_config
from gitops_bridge.scaffold.keys import BY_NAME, HELM_KEYS, PLUGIN_KEYS

FIXTURES = sorted((Path(__file__).parent / "fixtures" / "helm").glob("*.yaml"))


def values(*texts: str) -> Imported:
    return helm_values([File(f"{number}.yaml", text) for number, text in enumerate(texts)])


def verdicts(imported: Imported) -> dict[str, str]:
    return {finding.key: finding.verdict for finding in imported.findings}


def test_every_key_of_the_plugin_is_accounted_for() -> None:
    constants = vars(KubernetesPluginConfig).items()
    keys = {value for name, value in constants if name.isupper() and isinstance(value, str)}
    shared = (
        BosunPluginConfigConstants.MLOPS_API_TOKEN_KEY,
        BosunPluginConfigConstants.MLOPS_URL_KEY,
        BosunPluginConfigConstants.MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING_KEY,
    )
    assert keys >= {"ppsBaseImage", "kanikoExtraArguments"}
    assert (keys | set(shared)) - BY_NAME.keys() == set()


def test_every_key_has_a_place_or_a_reason_never_both() -> None:
    for key in PLUGIN_KEYS:
        assert bool(key.place) != bool(key.reason), key.name
    for helm in HELM_KEYS:
        assert bool(helm.setting) != bool(helm.reason), helm.path


def test_no_helm_path_stands_for_two_things() -> None:
    paths = [key.path for key in HELM_KEYS]
    assert sorted(set(paths)) == sorted(paths)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_chart_s_values_give_the_needed_settings_and_no_unknown_key(path: Path) -> None:
    imported = helm_values([File(path.name, path.read_bytes())])

    needed = {"ppsBaseImage", "generatedImageRepo", "outfacingPredictionURLPrefix"}
    assert imported.settings.keys() >= {*needed, "MLOPS_BOSUN_PRED_ENV_ID"}
    assert [item for item in imported.findings if item.verdict == "unknown"] == []
    assert all(item.source == path.name and item.text for item in imported.findings)


def test_both_generations_name_the_same_settings() -> None:
    alpha = values(
        "ingress: {className: a, outfacingURLPrefix: 'http://h/p'}\ntracking: {image: i}"
    )
    current = values(
        "predictionServer: {ingressClassName: a, outfacingUrlRoot: 'http://h/p'}\n"
        "trackingAgent: {image: i}"
    )
    assert alpha.settings == current.settings != {}


def test_later_files_win_key_by_key_lists_whole_and_null_removes() -> None:
    imported = values(
        "predictionServer: {nodeSelector: {a: x, b: y}, tolerations: [{key: 1}], affinity: {q: 1}}",
        "predictionServer: {nodeSelector: {b: z}, tolerations: [{key: two}], affinity: null}",
    )
    assert imported.settings == {
        "ppsNodeSelector": {"a": "x", "b": "z"},
        "ppsTolerations": [{"key": "two"}],
    }
    sources = {finding.key: finding.source for finding in imported.findings}
    assert sources == {
        "predictionServer.nodeSelector": "1.yaml",
        "predictionServer.tolerations": "1.yaml",
    }


def test_an_id_keeps_its_digits_and_label_values_are_text() -> None:
    imported = values(
        "datarobot: {predictionEnvId: 650000000000000000000001}\n"
        "predictionServer: {nodeSelector: {zone: 007, spot: true}}"
    )
    assert imported.settings["MLOPS_BOSUN_PRED_ENV_ID"] == "650000000000000000000001"
    assert imported.settings["ppsNodeSelector"] == {"zone": "007", "spot": "true"}
    like_a_number = "6500000000000000000000e1"
    assert values(f"datarobot: {{predictionEnvId: {like_a_number}}}").settings == {
        "MLOPS_BOSUN_PRED_ENV_ID": like_a_number
    }


def test_numbers_inside_manifests_stay_numbers() -> None:
    imported = values("predictionServer: {tolerations: [{tolerationSeconds: 300}]}")
    assert imported.settings["ppsTolerations"] == [{"tolerationSeconds": 300}]


def test_an_unknown_key_is_told_with_the_nearest_known_one() -> None:
    imported = values("imageBuilder: {ppsImages: x}\nqueue: {size: 3}")
    told = {finding.key: finding.text for finding in imported.findings}
    assert told == {
        "imageBuilder.ppsImages": "did you mean imageBuilder.ppsImage?",
        "queue": "nothing is taken from it",
    }
    private = plugin_config([File("p.yaml", "ppsTolerationz: []\n7: x")])
    assert {item.text for item in private.findings} == {
        "did you mean ppsTolerations?",
        "nothing is taken from it",
    }


def test_a_key_without_place_says_why() -> None:
    imported = plugin_config([File("p.yaml", "kubeConfigFile: /x\nagentSidecar: true")])
    assert verdicts(imported) == {"kubeConfigFile": "no place", "agentSidecar": "placed"}
    assert "Argo CD deploys" in imported.findings[0].text


def test_a_token_is_neither_kept_nor_shown() -> None:
    imported = plugin_config([File("p.yaml", "mlopsApiToken: NjVh-secret")])
    assert imported.settings == {}
    assert "NjVh" not in repr(imported)


def test_every_wrong_type_is_reported_at_once_by_file_and_key() -> None:
    with pytest.raises(ConfigError) as caught:
        values(
            "predictionServer: {resources: 3, tolerations: {a: b}, cpuUtilizationPercent: many}",
            "imageBuilder: {generatedImageRepository: 'r.example.com/x:tag', extraVolumes: [{}]}",
        )
    message = caught.value.message
    assert "0.yaml: predictionServer.resources: a mapping is expected, not 3" in message
    assert "0.yaml: predictionServer.tolerations: a list of mappings" in message
    assert "cpuUtilizationPercent: a whole number of percent" in message
    assert "1.yaml: imageBuilder.generatedImageRepository" in message
    assert "carries a tag or digest" in message
    assert "extraVolumes: item 1 has no name" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "bad.yaml: line 2"),
        ("- a", "bad.yaml: a mapping is expected"),
        ("ppsResources: {limits: {1: 2}}", "the key 1 is not text: quote it"),
        ("ppsAffinity: {x: .nan}", "no number that Kubernetes knows"),
        ("ppsAffinity: {x: 2020-01-01}", "is a date: quote it"),
        ("ppsAnnotations: {x: [1]}", "text is expected"),
        ("outfacingPredictionURLPrefix: ftp://x", "https://host/path"),
        ("outfacingPredictionURLPrefix: https://u:p@x/", "user name or password"),
        ("outfacingPredictionURLPrefix: 'https://x/(a|b)'", "characters a route cannot match"),
        ("ingressType: traefik", "nginx or openshift"),
        ("kanikoSecretName: a\nkanikoConfigmapName: b", "exclude each other"),
        ("kubeNamespace: Prod_1", "a namespace's name"),
        ("ppsBaseImage: 'Registry/UPPER image'", "an image"),
        ("agentSidecar: 'yes'", "true or false"),
        ('agentImage: "a\\nb"', "one line of printable text"),
    ],
)
def test_bad_values_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin_config([File("bad.yaml", text)])
    assert said in caught.value.message
    assert caught.value.hint


def test_an_empty_file_says_nothing() -> None:
    assert values("", "# only a comment\n") == Imported()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=12)
    | st.sampled_from(["https://h.example.com/p", "nginx", "r.example.com/a/b", "65a0", "x:1.2.3"])
)
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["name", "requests"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
PATHS = st.sampled_from([key.path for key in HELM_KEYS])


def nested(pairs: dict[str, Any]) -> dict[str, Any]:
    """Dotted paths as nested mappings; a path below a value that is none is dropped."""
    top: dict[str, Any] = {}
    for path, value in pairs.items():
        *parents, leaf = path.split(".")
        node: Any = top
        for step in parents:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[leaf] = value
    return top


def outcome(read: Callable[[list[File]], Imported], *texts: str | bytes) -> Imported | str:
    """What was imported, or the message of the one error that may come instead."""
    try:
        return read([File("x.yaml", text) for text in texts])
    except ConfigError as error:
        return error.message


DOCUMENTS = st.dictionaries(PATHS | st.text(max_size=8), ANY, max_size=5)


@given(st.lists(DOCUMENTS, min_size=1, max_size=3))
def test_any_values_give_settings_or_one_clean_error(documents: list[dict[str, Any]]) -> None:
    texts = [yaml.safe_dump(nested(pairs), allow_unicode=True) for pairs in documents]
    found = outcome(helm_values, *texts)
    if isinstance(found, str):
        assert found
    else:
        assert all(item.text and item.source for item in found.findings)
        assert set(found.settings) <= {*BY_NAME, "apiSecretName"}


@given(st.dictionaries(st.sampled_from(sorted(BY_NAME)), ANY, max_size=6))
def test_any_private_config_gives_settings_or_one_clean_error(data: dict[str, Any]) -> None:
    found = outcome(plugin_config, yaml.safe_dump(data, allow_unicode=True))
    if isinstance(found, str):
        assert "x.yaml: " in found or "exclude each other" in found
    else:
        assert len(found.findings) == sum(value is not None for value in data.values())


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_give_settings_or_one_clean_error(text: bytes | str) -> None:
    for read in (helm_values, plugin_config):
        found = outcome(read, text)
        assert isinstance(found, Imported) or found.startswith("x.yaml: ")


PARITY = "registry.example.com/pps:11.2.1"


def refused(*files: File) -> str:
    with pytest.raises(ConfigError) as caught:
        helm_values(files)
    return str(caught.value)


def test_an_empty_text_is_nothing_set() -> None:
    text = "ingress: {className: ''}\nimageBuilder: {configMap: '', secretName: ' ', ppsImage: ''}"
    imported = helm_values([File("values.yaml", text)])
    assert imported.settings == {}
    assert {item.verdict for item in imported.findings} == {"no place"}


def test_a_later_file_unsets_by_an_empty_text() -> None:
    files = [File("a", "ingress: {className: x}"), File("b", "ingress: {className: ''}")]
    assert helm_values(files).settings == {}


def test_a_key_that_stands_twice_is_named() -> None:
    said = refused(File("values.yaml", f"imageBuilder:\n  ppsImage: {PARITY}\n  ppsImage: x\n"))
    assert "values.yaml: the key 'ppsImage' (line 3) is there twice" in said


def test_values_of_both_charts_are_refused_by_name() -> None:
    text = "ingress: {className: x}\ntrackingAgent: {image: r/a:1}\n"
    assert "ingress.className is of the older chart and trackingAgent.image of" in refused(
        File("values.yaml", text)
    )
    several = refused(File("a.yaml", "bosun: {x: 1}"), File("b.yaml", "managementAgent: {x: 1}"))
    assert "bosun is of the older chart and managementAgent of the current one" in several


def test_two_keys_that_give_one_setting_two_values_are_named() -> None:
    said = refused(File("values.yaml", "logFormat: plain\ntrackingAgent: {logFormat: json}\n"))
    assert "logFormat and trackingAgent.logFormat give logFormat two values" in said


@pytest.mark.parametrize(
    "text",
    [
        "imageBuilder:\n  extraVolumes: &v\n  - {name: x, emptyDir: {a: *v}}\n",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n"
            for below, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ],
)
def test_aliases_without_end_are_refused_at_once(text: str) -> None:
    began = time.monotonic()
    assert "aliases" in refused(File("values.yaml", text))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ppsServiceAccount: Bad_Name", "'Bad_Name' is not a name that Kubernetes takes"),
        ("kanikoSecretName: a..b", "is not a name that Kubernetes takes"),
        ("ingressClass: '-x'", "is not a name that Kubernetes takes"),
        ("imagePullSecrets: [{name: A}]", "is not a name that Kubernetes takes"),
        ("ppsNodeSelector: {'a b': c}", "'a b' is not a label that Kubernetes takes"),
        ("ppsNodeSelector: {a: 'b c'}", "a: 'b c' is not a value that Kubernetes takes there"),
        ("ppsAnnotations: {'a/b/c': d}", "is not an annotation that Kubernetes takes"),
        (f"kanikoNodeSelector: {{a: {'x' * 64}}}", "is not a value that Kubernetes takes there"),
        ("ppsExtraVolumes: [{name: A_b}]", "'A_b' is not a volume's name"),
        ("ppsExtraVolumes: [{name: a}, {name: a}]", "'a' is there twice"),
        ("ppsExtraEnvironment: [{name: '1'}]", "'1' is not a variable's name"),
        ("ppsExtraEnvironment: [{name: a}, {name: a}]", "'a' is there twice"),
        ("ppsExtraEnvironment: [{name: a, value: [1]}]", "a: text is expected"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin_config([File("private.yaml", text)])
    assert said in str(caught.value)


def test_numbers_and_flags_become_the_text_of_a_variable() -> None:
    variables = "{name: A, value: 4}, {name: B, value: true}, {name: C, value: 1e3}"
    imported = plugin_config([File("private.yaml", f"ppsExtraEnvironment: [{variables}]")])
    values = [item["value"] for item in imported.settings["ppsExtraEnvironment"]]
    assert values == ["4", "true", "1e3"]


def test_a_misspelt_key_is_told_beside_what_is_missing() -> None:
    found = helm_values([File("values.yaml", "imageBuilder: {ppsimage: x}")]).findings
    assert [(item.text, item.setting) for item in found] == [
        ("did you mean imageBuilder.ppsImage?", "ppsBaseImage")
    ]
