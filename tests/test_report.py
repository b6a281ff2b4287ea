"""`gitops_bridge.report`: what the page says, in Chromium, and that nothing in it gets out."""

import re
from dataclasses import replace
from datetime import timedelta
from importlib import resources

import pytest

from gitops_bridge.report import Badge, DeploymentTimeline, Event, Link, Tone, render
from gitops_bridge.report.page import diff_parts, marks
from tests.browser import measured, shown
from tests.fleets import DIFF, HELD, NOON, deployment, example, fleet

AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
HOSTILE = "</details><script>document.title='owned'</script><img src=https://evil.example/x>'\"&"


def open_to_scripts(page):
    """The page without its content security policy, which lets no script of a test in."""
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)


class TestPage:
    def test_environments_and_what_needs_people_first(self):
        names = """[...document.querySelectorAll("section")].map(section => [
          section.querySelector("h2").textContent,
          ...[...section.querySelectorAll(".name")].map(name => name.textContent)])"""
        assert measured(open_to_scripts(render(example())), names, width=1300) == [
            ["prod 5", "demand-forecast", "next-best-offer", "fraud-cards", "credit-risk", "churn"],
            ["staging 3", "fraud-cards", "churn", "stopped one"],
        ]

    def test_an_event_tells_who_when_why_and_what(self):
        page = render(fleet(deployment(0)))
        for text in (
            "2026-03-01 10:00 UTC", "reverted", "<strong>Ann Example</strong>",
            "False alarms for new customers", 'href="https://git.example.com/ml/models/pull/41"',
            "merged", "<strong>Bob Example</strong>", "<code>65a000000000000000000021</code>",
            "<ins>+  digest: sha256:bbbb",
        ):  # fmt: skip
            assert text in page

    def test_the_search_and_the_choices_narrow_the_list(self):
        page = open_to_scripts(render(example()))
        script = """(() => {
          const seen = () => [...document.querySelectorAll(".deployment")]
            .filter(row => row.offsetParent !== null).map(row => row.id);
          const set = (id, value) => {
            const control = document.getElementById(id);
            control.value = value;
            control.dispatchEvent(new Event("input"));
          };
          const found = {all: seen().length};
          set("find", "FRAUD ann"); found.words = seen();
          set("environment", "staging"); found.environment = seen();
          set("find", ""); set("phase", "in review"); found.phase = seen();
          found.said = document.getElementById("count").value;
          return found;
        })()"""
        fraud, staging = "prod/65a000000000000000000001", "staging/65a000000000000000000007"
        assert measured(page, script, width=1300) == {
            "all": 8, "words": [fraud, staging], "environment": [staging], "phase": [staging],
            "said": "1 of 8 shown",
        }  # fmt: skip

    def test_its_own_script_runs_under_its_policy_and_opens_a_linked_deployment(self):
        document = shown(render(example()), "prod/65a000000000000000000002")
        assert re.search(r'id="prod/65a000000000000000000002"[^>]* open=""', document)

    def test_an_empty_fleet(self):
        assert "There are no deployments yet." in render(fleet())

    def test_a_deployment_without_anything(self):
        bare = DeploymentTimeline("65a0", "churn", "prod", Badge("settled"))
        assert "Nothing happened yet." in render(fleet(bare))

    @pytest.mark.parametrize("width", [360, 800, 1300])
    def test_nothing_is_wider_than_the_window(self, width):
        long = replace(deployment(1), name="n" * 200, model_name="m" * 200, note="x" * 300)
        page = open_to_scripts(render(fleet(long, *example().deployments)))
        script = """(() => {
          document.querySelectorAll("details").forEach(one => { one.open = true; });
          return document.documentElement.scrollWidth;
        })()"""
        assert measured(page, script, width=width) <= max(width, 500)

    def test_a_thousand_deployments(self):
        page = render(fleet(*(deployment(number) for number in range(1000))))
        script = """({rows: document.querySelectorAll(".deployment").length,
          events: document.querySelectorAll(".event").length})"""
        found = measured(open_to_scripts(page), script, width=1300)
        assert found == {"rows": 1000, "events": 6000}
        assert len(page) < 1000 * 7000


class TestAccessible:
    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    def test_axe_finds_nothing(self, dark):
        page = open_to_scripts(render(example()))
        script = """(async () => {
          document.querySelectorAll("details").forEach(one => { one.open = true; });
          const found = await axe.run();
          const dark = matchMedia("(prefers-color-scheme: dark)").matches;
          const faults = found.violations.map(
            one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html)}`);
          return {dark, faults, held: found.passes.map(one => one.id)};
        })()"""
        found = measured(f"{page}<script>{AXE}</script>", script, width=1300, dark=dark)
        assert found["faults"] == []
        assert found["dark"] is dark
        assert "color-contrast" in found["held"]


class TestNothingGetsOut:
    def test_what_people_wrote_is_text(self):
        event = Event(
            NOON, Badge(HOSTILE), HOSTILE, by=HOSTILE, reason=HOSTILE, diff=f"+{HOSTILE}",
            links=(Link(HOSTILE, "javascript:alert(1)"), Link("x", "https://[")),
        )  # fmt: skip
        hostile = replace(
            deployment(1), name=HOSTILE, model_name=HOSTILE, note=HOSTILE, events=(event,),
            live=Badge(HOSTILE, Tone.BAD), environment=HOSTILE,
        )  # fmt: skip
        script = """({title: document.title, scripts: document.scripts.length,
          images: document.images.length, links: document.links.length,
          name: document.querySelector(".name").textContent})"""
        found = measured(open_to_scripts(render(fleet(hostile))), script, width=1300)
        assert found == {
            "title": "Model rollouts of https://git.example.com/ml/models", "scripts": 2,
            "images": 0, "links": 0, "name": HOSTILE,
        }  # fmt: skip

    def test_the_policy_lets_nothing_else_in(self):
        page = render(example())
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
        assert policy.startswith("default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;;")
        assert not re.search(r'\b(src|srcset|data|action)="|@import|url\(|<link|<iframe', page)


class TestParts:
    def test_a_diff_is_told_in_runs(self):
        assert [element for element, _ in diff_parts(DIFF)] == ["", "b", "", "del", "ins"]
        assert "".join(text for _, text in diff_parts(DIFF)) == DIFF.rstrip("\n")
        assert list(diff_parts("")) == []

    def test_marks_stand_where_their_time_is(self):
        early, late = (
            Event(NOON - timedelta(days=days), Badge("delivered", Tone.GOOD), "")
            for days in (45, 0)
        )
        gone = Event(NOON - timedelta(days=91), Badge("delivered", Tone.GOOD), "")
        found = marks(replace(deployment(1), events=(late, early, gone)), NOON)
        assert [place for _, place in found] == [500, 1000]

    def test_totals_count_phases(self):
        found = fleet(deployment(1), deployment(2), deployment(3, phase=HELD)).phases()
        assert [(badge.word, count) for badge, count in found] == [("settled", 2), ("held", 1)]
