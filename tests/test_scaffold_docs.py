"""docs/how-to/migrate-from-helm.md tells every key that the code knows, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from gitops_bridge.scaffold.keys import HELM_KEYS, PLUGIN_KEYS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "migrate-from-helm.md"


def rows(heading: str) -> list[list[str]]:
    """The cells below the table head that starts with `heading`."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.M)
    assert body, heading
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in body[1].splitlines()
    ]


def test_every_setting_of_the_plugin_is_told() -> None:
    assert rows("key of the plugin") == [
        [key.name, key.place or "—", key.what or key.reason] for key in PLUGIN_KEYS
    ]


def test_every_documented_value_is_told() -> None:
    assert rows("value | generation") == [
        [key.path, key.generation, key.setting or "—", key.reason]
        for key in HELM_KEYS
        if key.generation != "inferred"
    ]


def test_every_inferred_value_is_told() -> None:
    assert rows("value | key of the plugin") == [
        [key.path, key.setting or "—", key.reason]
        for key in HELM_KEYS
        if key.generation == "inferred"
    ]


def test_both_tables_of_keys_agree_on_the_folder() -> None:
    """docs/seams.md gives the exact patches of the same keys."""
    text = (PAGE.parents[1] / "seams.md").read_text(encoding="utf-8")
    folders = dict(re.findall(r"^\| `(\w+)` \| (serving|monitoring|autoscaling) \|", text, re.M))
    assert len(folders) > 15
    places = {key.name: key.place for key in PLUGIN_KEYS}
    assert {name: places[name] for name in folders} == {
        name: f"environment/{folder}" for name, folder in folders.items()
    }
