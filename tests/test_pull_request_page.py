"""Pull requests in a real browser: both columns of the comparison are in sight at 1300 pixels."""

from dataclasses import replace

from gitops_bridge.desired.comparison import ModelFacts
from gitops_bridge.desired.pull_request import compose
from gitops_bridge.desired.rollout import Change
from tests.browser import measured
from tests.forge_page import page
from tests.subjects import DIGEST, IMAGE, full_subject, subject

WIDTHS = """[...document.querySelectorAll("article, table, article > *")].map(element => ({
  name: element.tagName, seen: element.clientWidth, needed: element.scrollWidth,
  columns: element.tagName == "TABLE" ? element.rows[0].cells.length : 0,
  right: element.tagName == "TABLE"
    ? Math.max(...[...element.querySelectorAll("code")].map(c => c.getBoundingClientRect().right))
    : 0,
}))"""


def long_names():
    change = full_subject()
    facts = replace(
        change.challenger,
        name="Light Gradient Boosted Trees Classifier with Early Stopping (64 leaves) " * 2,
        training_data="customers_of_all_countries_2025_01_01_to_2025_12_31_without_test_rows.csv",
        image=f"registry.eu-central-1.example.com/team/mlops/frozen-models@{DIGEST}",
    )
    return replace(change, challenger=facts, champion=replace(facts, image=IMAGE))


def test_the_table_fits_with_both_columns():
    texts = [compose(change) for change in (subject(), full_subject(), long_names())]
    pages = "".join(page(text.title, text.body) for text in texts)
    found = measured(pages, WIDTHS, width=1300)
    tables = [element for element in found if element["name"] == "TABLE"]
    assert [table["columns"] for table in tables] == [3, 3, 3]
    for element in found:
        if element["name"] != "PRE":
            assert element["needed"] <= element["seen"] + 1, element
    assert max(table["right"] for table in tables) <= 32 + 838


def test_a_first_start_has_one_column_and_no_gap():
    change = subject()
    rollout = replace(change.rollout, change=Change.START, before=None)
    text = compose(replace(change, rollout=rollout, champion=ModelFacts()))
    cells = """[...document.querySelectorAll("table tr")].map(
      row => [...row.cells].map(cell => cell.innerText))"""
    first, *rows = measured(page(text.title, text.body), cells, width=1300)
    assert first == ["", "challenger (proposed)"]
    assert rows
    assert all(cell for row in rows for cell in row)
