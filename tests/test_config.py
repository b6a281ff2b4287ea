import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.agent import read_config
from gitops_bridge.config import load
from gitops_bridge.errors import ConfigError

GOOD = {
    "repository": {"url": "https://git.example.com/ml/models.git", "password": {"env": "TOKEN"}},
    "environments": {
        "65a000000000000000000001": {
            "name": "prod",
            "namespace": "mlserve-prod",
            "prediction_url": "https://predictions.example.com/deployments/",
        }
    },
}


def changed(path, value):
    import copy

    data = copy.deepcopy(GOOD)
    target = data
    *parents, last = path.split("/")
    for key in parents:
        target = target.setdefault(key, {})
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return data


def test_good_configuration_with_its_defaults():
    config = load(GOOD, "gitops-bridge.yaml")
    assert config.repository.branch == "main"
    assert config.repository.password.env == "TOKEN"
    environment = config.environment("65a000000000000000000001")
    assert environment.prediction_url == "https://predictions.example.com/deployments"
    assert config.actions.budget == 240


def test_a_gate_with_its_registry_and_datarobot():
    data = {
        **GOOD,
        "build": {"gate": "registry", "deadline": "600"},
        "registry": {
            "username": "ci", "password": {"file": "/run/p"}, "insecure": ["127.0.0.1:5000"],
        },
        "datarobot": {
            "url": "https://app.datarobot.com", "token": {"env": "T"}, "verify_ssl": "false",
        },
    }  # fmt: skip
    config = load(data, "f")
    assert (config.build.gate.value, config.build.deadline, config.build.keep) == (
        "registry",
        600,
        10,
    )
    assert config.registry.insecure == ("127.0.0.1:5000",)
    assert config.registry.password.file == "/run/p"
    assert config.datarobot.verify_ssl is False
    assert load(GOOD, "f").datarobot is None
    assert load(GOOD, "f").build.gate.value == "none"


PROD = "environments/65a000000000000000000001"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("repository/url", ..., "repository.url: is missing"),
        ("repository/url", 5, "repository.url"),
        ("repository/url", "https://u:secret@h/x", "repository.url"),
        ("repository/url", "http://[::1", "repository.url"),
        (f"{PROD}/prediction_url", "http://[::1", "prediction_url"),
        (f"{PROD}/prediction_url", "http://x:abc/", "prediction_url"),
        ("repository/brnch", "main", "did you mean branch?"),
        ("repository/branch", "a..b", "repository.branch"),
        ("repository/password", "hunter2", "never itself"),
        ("repository/password", {"env": "A", "file": "b"}, "exactly one of env and file"),
        ("environments", {}, "at least one prediction environment"),
        (f"{PROD}/name", "Prod!", "environments.65a000000000000000000001.name"),
        (f"{PROD}/name", "x" * 31, "at most 30"),
        (f"{PROD}/namespace", ..., "namespace: is missing"),
        (f"{PROD}/prediction_url", "predictions.example.com", "prediction_url"),
        (f"{PROD}/predictionUrl", "https://x", "did you mean prediction_url?"),
        ("actions/budget", "soon", "actions.budget"),
        ("actions/budget", "0", "actions.budget"),
        ("author/email", "a\nb", "author.email"),
        ("build/gate", "kubernetes", "build.gate: one of none, registry is expected"),
        ("build/deadline", "0", "build.deadline"),
        ("build/keep", "0", "build.keep"),
        ("build/gat", "none", "did you mean gate?"),
        ("registry/password", "hunter2", "registry.password: name where it is"),
        ("registry/username", "ci", "registry.username: goes with password"),
        ("registry/insecure", "registry:5000", "registry.insecure: a list is expected"),
        ("registry/insecure", ["http://registry"], "registry.insecure"),
        ("registry/skip_tls_verify", [5], "registry.skip_tls_verify"),
        ("datarobot", {"url": "https://app.datarobot.com"}, "datarobot.token: is missing"),
        ("datarobot", {"token": {"env": "T"}}, "datarobot.url: is missing"),
        (
            "datarobot",
            {"url": "https://u:hunter2@dr", "token": {"env": "T"}},
            "datarobot.url",
        ),
        (
            "datarobot",
            {"url": "https://dr", "token": {"env": "T"}, "verify_ssl": "maybe"},
            "datarobot.verify_ssl: true or false",
        ),
        ("nonsense", {}, "nonsense: is unknown"),
        ("repository/builds_branch", "main", "repository.builds_branch: 'main' is repository.bra"),
        ("repository/rollouts_branch", "main", "repository.rollouts_branch: 'main' is repository"),
        ("repository/rollouts_branch", "builds/x", "cannot both be branches"),
        ("repository/branch", "gitops-bridge", "in the way of the branches gitops-bridge/"),
        *(
            ("repository/root", root, "must be a folder of the repository by relative path")
            for root in ("/models", "a/../b", "..", "a//b", "a/", ".git", "a b", "-x", "a;b", "*")
        ),
    ],
)
def test_bad_configuration_names_the_dotted_key(path, value, told):
    with pytest.raises(ConfigError) as caught:
        load(changed(path, value), "gitops-bridge.yaml")
    assert told in str(caught.value)
    assert "gitops-bridge.yaml" in str(caught.value)


def test_a_file_of_something_else_is_told_in_a_few_words():
    with pytest.raises(ConfigError) as caught:
        load({f"xyz{number}": "x" for number in range(50)}, "values.yaml")
    said = str(caught.value)
    assert "xyz0, xyz1, xyz2" in said
    assert "xyz9" not in said
    assert "…: are unknown; known: repository, environments" in said
    assert len(said) < 600


def test_a_secret_in_the_wrong_place_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        load(changed("repository/password", "hunter2"), "f")
    assert "hunter2" not in str(caught.value)


def test_a_secret_in_an_address_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        load(changed("repository/url", "https://u:hunter2@h/x"), "f")
    assert "hunter2" not in str(caught.value)


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        load({"repository": {"url": 1, "colour": 2}, "environments": [], "limits": 3}, "f")
    for key in ("repository.url", "repository.colour", "environments", "limits"):
        assert key in str(caught.value)


def test_two_environments_may_not_share_a_folder():
    data = changed("environments/65a000000000000000000002", GOOD["environments"][PROD[13:]])
    with pytest.raises(ConfigError, match="two environments are named 'prod'"):
        load(data, "f")


def test_an_unmapped_environment_lists_the_mapped_ones():
    with pytest.raises(ConfigError, match="ffff") as caught:
        load(GOOD, "f").environment("ffff")
    assert "65a000000000000000000001 (prod)" in caught.value.hint


SECTIONS = ["repository", "environments", "author", "build", "registry", "datarobot"]
KEYS = st.sampled_from([*SECTIONS, "url", "password", "name", "env", "gate", "insecure", "token"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text(max_size=5) | st.integers(), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(ANY)
def test_any_document_is_a_configuration_or_a_config_error(data):
    try:
        load(data, "f")
    except ConfigError:
        pass


def test_a_key_that_stands_twice_in_the_file_is_told_with_its_line(tmp_path):
    file = tmp_path / "gitops-bridge.yaml"
    file.write_text("repository: {url: a}\nlimits:\n  removals: 3\n  removals: 30\n")
    with pytest.raises(ConfigError, match=r"says twice 'removals' \(line 4\)"):
        read_config(file)


def test_an_empty_address_is_not_the_current_folder():
    with pytest.raises(ConfigError, match=r"repository\.url: .* is empty"):
        load(changed("repository/url", ""), "f")
