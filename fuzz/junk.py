"""Valid documents to documents that are almost valid: each differs in a few places."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\x00", "\x1b[31m", "../..", "/", "1e5", "~", "a" * 300, "é" * 40, "{{ x }}",
         "http://[", "sha256:" + "0" * 64, "-1", "9" * 30, "@", "0x1f", "NaN"]
    ),
    st.just([]), st.just({}), st.just([None]), st.just([{}]), st.just({"": ""}), st.just([[[[]]]]),
    st.just({"data": 5}), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in the document, itself included."""
    found = [path]
    inside = document.items() if isinstance(document, dict) else ()
    inside = enumerate(document) if isinstance(document, list) else inside
    for key, value in inside:
        found += places(value, (*path, key))
    return found


@st.composite
def almost(draw: st.DrawFn, document: Any) -> Any:
    """`document` with up to three of its values replaced by junk, removed, or given a neighbour."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(changed)))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                changed = copy.deepcopy(draw(JUNK))
            continue
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if how == "replace":
            parent[path[-1]] = copy.deepcopy(draw(JUNK))
        elif how == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = copy.deepcopy(draw(JUNK))
        else:
            parent.append(copy.deepcopy(draw(JUNK)))
    return changed


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` cut short, with some bytes changed, or with others put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        how = draw(st.sampled_from(["cut", "flip", "insert", "zero"]))
        if how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=20))
        elif how == "zero":
            data[at : at + 64] = bytes(len(data[at : at + 64]))
        elif data:
            data[at] ^= draw(st.integers(1, 255))
    return bytes(data)
