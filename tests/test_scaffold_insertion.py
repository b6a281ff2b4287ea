"""An entry more in people's YAML, whatever formatter went over it: no other line changes."""

import difflib

import pytest

from gitops_bridge import documents
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold.insertion import appended, entered

ITEM = {"environment": "stage", "server": "https://s.example.com", "namespace": "1e5"}
LISTS = {
    "indented": "spec:\n  list:\n    - environment: prod # ours\n      server: x\n",
    "flush": "spec:\n  list:\n  - environment: prod\n    server: x\n  after: 1\n",
    "wide": "spec:\n    list:\n        -   a: prod\n            server: x\n    after: 1\n",
    "comments": "spec:\n  list: # all\n    - a: b\n\n    # the last one\n\n  # next\n  after: 1\n",
    "text": "spec:\n  list:\n    - a: |\n        one\n\n        two\n  after: 1\n",
    "kept text": "spec:\n  list:\n    - a: |+\n        one\n\n  after: 1\n",
    "quoted": "spec:\n  list:\n    - {a: 'b: c'}\n    - a: \"x\n        y\"\n  after: 1\n",
    "document": "---\nspec:\n  list:\n    - a: b\n...\n",
    "windows": "spec:\r\n  list:\r\n    - a: b\r\n  after: 1\r\n",
    "anchors": "spec:\n  list: &all\n    - &one {a: b}\n    - c: d\n  after: *all\n",
    "nested": "spec:\n  list:\n    - a:\n        - b:\n            - c\n# end\n",
    "latin": "spec:\n  list:\n    - a: ä # ü\n  after: 1\n",
}


def added(before: bytes, after: bytes) -> list[str]:
    """The lines that came in. Fails when any other line changed."""
    lines = [text.decode().splitlines(keepends=True) for text in (before, after)]
    found = [line for line in difflib.ndiff(*lines) if line[0] in "+-"]
    assert all(line.startswith("+ ") for line in found), found
    return [line[2:] for line in found]


def grown(text: bytes, new: object) -> object:
    data = documents.load_verbatim(text)
    place = data["spec"]["list"]
    place.update(new) if isinstance(new, dict) else place.extend(new)
    return data


@pytest.mark.parametrize("name", LISTS)
def test_a_list_gets_lines_of_its_own(name):
    before = LISTS[name].encode()
    after = appended(before, "x.yaml", ("spec", "list"), [ITEM])
    assert len(added(before, after)) == 3
    assert documents.load_verbatim(after) == grown(before, [ITEM])
    twice = appended(after, "x.yaml", ("spec", "list"), [ITEM, ITEM])
    assert len(added(after, twice)) == 6
    assert (b"\r\n" in after) is (name == "windows")


@pytest.mark.parametrize(
    "text",
    [
        "spec: {list: []}\n",
        "spec: {list: [{a: b}]}\n",
        "spec:\n  list: [ { a: b }, ]\n",
        "spec:\n  list:\n    [\n      { a: b },\n      { c: d },\n    ]\n  after: 1\n",
        '{"spec": {"list": [{"a": "b"}]}}',
    ],
)
def test_a_list_in_brackets_stays_in_brackets(text):
    before = text.encode()
    after = appended(before, "x.yaml", ("spec", "list"), [ITEM, ITEM])
    assert documents.load_verbatim(after) == grown(before, [ITEM, ITEM])


@pytest.mark.parametrize(
    "text",
    [
        "spec:\n  list:\n    a: {name: prod}\nafter: 1\n",
        "spec:\n  list:\n    'a':\n      name: prod\n\n# next\nafter: 1\n",
        "spec:\n      list:\n            a:\n                  name: prod\n",
    ],
)
def test_a_mapping_gets_lines_of_its_own(text):
    before, new = text.encode(), {"65b000000000000000000001": {"name": "stage", "space": "x"}}
    after = entered(before, "x.yaml", ("spec", "list"), new)
    assert len(added(before, after)) == 3
    assert documents.load_verbatim(after) == grown(before, new)


@pytest.mark.parametrize("text", ["spec: {list: {}}\n", "spec: {list: {a: {name: b}}}\n"])
def test_a_mapping_in_braces_stays_in_braces(text):
    before, new = text.encode(), {"65b000000000000000000001": {"name": "stage"}}
    after = entered(before, "x.yaml", ("spec", "list"), new)
    assert documents.load_verbatim(after) == grown(before, new)


def test_a_file_without_a_last_line_feed_gets_one():
    after = appended(b"spec:\n  list:\n    - a: b", "x.yaml", ("spec", "list"), [{"c": "d"}])
    assert after == b"spec:\n  list:\n    - a: b\n    - c: d\n"


@pytest.mark.parametrize("text", ["spec: {}\n", "spec:\n  list:\n", "[]\n", "spec: {list: 1}\n"])
def test_a_list_that_is_not_there_is_told(text):
    with pytest.raises(ConfigError, match=r"x\.yaml: spec\.list is missing"):
        appended(text.encode(), "x.yaml", ("spec", "list"), [ITEM])


@pytest.mark.parametrize("text", ["a: [\n", "spec: {list: [*x]}\n", "a: b\n---\nc: d\n"])
def test_what_is_no_document_is_told(text):
    with pytest.raises(ConfigError, match=r"x\.yaml: "):
        appended(text.encode(), "x.yaml", ("spec", "list"), [ITEM])


def test_what_cannot_be_added_to_in_place_is_shown_to_be_added_by_hand():
    """The last item stands elsewhere in the file."""
    text = b"first: &one {a: b}\nspec:\n  list:\n    - c: d\n    - *one\n"
    with pytest.raises(ConfigError) as caught:
        appended(text, "x.yaml", ("spec", "list"), [ITEM])
    assert "environment: stage" in (caught.value.hint or "")
