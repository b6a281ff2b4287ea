import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge import documents

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"))


@pytest.mark.parametrize(
    "text", ["650000000000000000000001", "0012", "1e5", "0x1F", "2026-11-23", "12:30", "1_0", ".5"]
)
def test_verbatim_keeps_number_like_text_digit_for_digit(text):
    assert documents.load_verbatim(f"id: {text}") == {"id": text}


def test_verbatim_reads_booleans_and_nulls():
    assert documents.load_verbatim("a: true\nb: ~\nc: no\n") == {"a": True, "b": None, "c": False}


@given(st.dictionaries(st.sampled_from("abc"), TEXTS | st.integers() | st.booleans()))
def test_what_is_dumped_reads_back_the_same(data):
    assert documents.load(documents.dump(data)) == data


@given(st.text("0123456789.eE+-_xXob:", min_size=1))
def test_strings_stay_strings_in_a_yaml_1_2_reader_too(text):
    from ruamel.yaml import YAML

    assert YAML(typ="safe", pure=True).load(documents.dump({"id": text})) == {"id": text}


def test_a_lone_equals_sign_is_text():
    assert documents.load_all("args: [a, =, b]\n") == [{"args": ["a", "=", "b"]}]


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000, "? " * 100_000])
def test_deep_nesting_is_refused_not_a_crash(text):
    with pytest.raises(documents.InvalidYaml, match="nest"):  # newer libyaml says nesting
        documents.load(text)


@pytest.mark.parametrize("text", ["a: [1", "a: 1\n---\nb: 2\n", "\x00", "a: 2026-99-99", "a: *x",
    "a: !!bool nope", "a: !!timestamp 99", "a: !!int x", "a: !!float x", "a: !!binary \"\u00fc\"",
    "a: !!python/name:os.system x", "!!set [a]", "!!omap x", "a: !!int ''", "? {a: b}\n: c",
])  # fmt: skip
def test_bad_yaml_is_one_error(text):
    with pytest.raises(documents.InvalidYaml):
        documents.load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 {x: 1}\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(60)),
        "a: &a [*a]",
        "a: &a {b: *a}",
    ],
)
def test_aliases_that_would_fill_the_memory_are_refused(text):
    with pytest.raises(documents.InvalidYaml, match="aliases"):
        documents.load(text)


def test_aliases_in_moderation_are_what_they_stand_for():
    assert documents.load("a: &a {x: 1}\nb: [*a, *a]") == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]}


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{", "", b"\xff", "[]" + ",[]" * 10, "[" + "[]," * 600_000 + "[]]", "9" * 5000],
)
def test_bad_json_is_one_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        documents.load_json(text)


@given(st.text() | st.binary())
def test_any_input_is_data_or_invalid_yaml(content):
    try:
        documents.load_verbatim(content)
    except documents.InvalidYaml:
        pass


def test_keys_that_stand_twice_are_found_wherever_they_are():
    text = "a: 1\nb:\n- {c: 1, 'c': 2}\n- x: {y: 1}\nb: 3\n---\na: 1\n? [1]\n: 1\n? [1]\n: 2\n"
    assert documents.repeated_keys(text) == ["'b' (line 5)", "'c' (line 3)"]


def test_merges_and_aliases_are_no_repetition():
    nested = "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(60))
    assert documents.repeated_keys("a0: &a0 {x: 1}\n" + nested) == []
    assert documents.repeated_keys("a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: *a\n  <<: *b\n") == []
