"""Which file is whose: a repository that changes in any way, and init after it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold.plan import MANIFEST, File, Role, blob_id, compare, manifest


class Tree:
    """Files in memory, as a snapshot offers them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def id(self, path: str) -> str | None:
        if path in self.files:
            return blob_id(self.files[path])
        return "a tree" if any(name.startswith(f"{path}/") for name in self.files) else None

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def entries(self, path: str) -> dict[str, tuple[str, str]]:
        below = [name[len(path) :].strip("/") for name in self.files if name.startswith(path)]
        return {name.partition("/")[0]: ("tree" if "/" in name else "blob", "") for name in below}


def test_ids_are_git_s_own(tmp_path: Path) -> None:
    for content in (b"", b"a\n", bytes(range(256))):
        (tmp_path / "file").write_bytes(content)
        said = subprocess.run(
            ["git", "hash-object", tmp_path / "file"], capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == blob_id(content)


CONTENTS = st.sampled_from([b"one", b"two", b"three"])
PATHS = st.sampled_from(["a", "b", "c/d", "c/e"])
FILES = st.dictionaries(PATHS, CONTENTS)


@given(
    before=FILES,
    first=st.dictionaries(PATHS, st.builds(File, CONTENTS, st.sampled_from(Role))),
    people=st.dictionaries(PATHS, st.none() | CONTENTS),
    newer=st.dictionaries(PATHS, CONTENTS),
    upgrade=st.booleans(),
)
def test_no_file_that_people_wrote_is_ever_replaced(
    before: dict[str, bytes],
    first: dict[str, File],
    people: dict[str, bytes | None],
    newer: dict[str, bytes],
    upgrade: bool,
) -> None:
    tree = Tree(dict(before))
    try:
        plan = compare(first, tree, "1", upgrade=False)
    except ConfigError:
        return
    assert all(change.before is None or change.path == MANIFEST for change in plan.changes)
    tree.files |= {change.path: change.after for change in plan.changes}
    assert compare(first, tree, "1", upgrade=False).changes == ()

    ours = manifest(tree).files
    for path, content in people.items():
        if content is None:
            tree.files.pop(path, None)
        else:
            tree.files[path] = content
    role = {path: file.role for path, file in first.items()}
    wanted = {path: File(text, role.get(path, Role.OURS)) for path, text in newer.items()}
    try:
        plan = compare(wanted, tree, "2", upgrade=upgrade)
    except ConfigError:
        return
    for change in plan.changes:
        if change.path == MANIFEST or wanted[change.path].role is Role.EDITED:
            continue
        if change.before is None:
            assert change.path not in tree.files
            assert change.path not in ours
        else:
            assert upgrade
            assert wanted[change.path].role is Role.OURS
            assert blob_id(change.before) == ours[change.path]
    tree.files |= {change.path: change.after for change in plan.changes}
    assert compare(wanted, tree, "2", upgrade=upgrade).changes == ()


@pytest.mark.parametrize(
    "text", [b"a: [", b"[]", b"version: x\n", b"version: x\nfiles: {a: yes}\n"]
)
def test_a_damaged_list_is_named(text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"scaffold\.yaml"):
        manifest(Tree({MANIFEST: text}))
