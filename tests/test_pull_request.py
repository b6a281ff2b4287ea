"""`desired.pull_request`: what reviewers read, and that no user's text steers it.

Bodies are parsed by cmark-gfm, GitHub's own Markdown parser.
"""

import re
import subprocess
from dataclasses import replace

import cmarkgfm
import pytest
import yaml
from cmarkgfm.cmark import Options
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gitops_bridge.desired.comparison import DeploymentFacts, ModelFacts
from gitops_bridge.desired.effect import effect
from gitops_bridge.desired.markdown import quiet
from gitops_bridge.desired.messages import clean
from gitops_bridge.desired.pull_request import Build, check, compose
from gitops_bridge.desired.rollout import Change, Touch
from gitops_bridge.errors import ConfigError
from tests.subjects import DIGEST, IMAGE, huge, manifest, subject
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B


def html(body):
    return cmarkgfm.github_flavored_markdown_to_html(body, Options.CMARK_OPT_UNSAFE)


def skeleton(body):
    """The page without what stands in code: all that a text could have steered."""
    return re.sub(r"(<code[^>]*>).*?(</code>)", r"\1\2", html(body), flags=re.DOTALL)


def machine(body):
    blocks = re.findall(r"^(`{3,})yaml\n(.*?)^\1$", body, re.DOTALL | re.MULTILINE)
    return yaml.safe_load(blocks[-1][1])


class TestText:
    def test_the_title_says_what_where_and_why(self):
        facts = DeploymentFacts(importance="HIGH", reason="ACCURACY")
        text = compose(subject(facts=facts))
        assert text.title == (
            "Replace model of churn in prod · Gradient Boosted Trees · ACCURACY · HIGH"
        )
        assert text.labels == ("env/prod", "change/replace", "importance/high")

    def test_the_verdict_opens_the_body(self):
        facts = DeploymentFacts(importance="HIGH", approval="PENDING", health={"drift": "failing"})
        first = compose(subject(facts=facts)).body.splitlines()[0]
        assert first == (
            "**Render ✅** · Build ✅ `sha256:abababababab…` · Approval in DataRobot `PENDING` · "
            "Now serving: drift `failing` · Importance: `HIGH`"
        )

    @pytest.mark.parametrize(
        ("build", "said"),
        [
            (Build(IMAGE, gated=True), "Build ⏳ not in the registry yet"),
            (Build(IMAGE), "Build: not looked at"),
            (None, "Build: not looked at"),
        ],
    )
    def test_the_verdict_claims_no_image_that_was_not_seen(self, build, said):
        assert said in compose(replace(subject(), build=build)).body.splitlines()[0]

    def test_both_models_stand_side_by_side_without_lines_that_nobody_knows(self):
        body = compose(subject()).body
        assert f"| model id | `{MODEL_A}` | `{MODEL_B}` |" in body
        assert "| target | `churned` | `churned` |" in body
        assert "| version | `7` | `7` |" in body
        assert "| prediction threshold | `0.5` | `0.5` |" in body
        for unknown in ("training data", "accuracy", "target drift", "not available"):
            assert unknown not in body

    def test_long_values_are_short_in_the_table_and_full_below(self):
        image = f"registry.example.com/mlops/frozen-models@{DIGEST}"
        change = subject()
        challenger = replace(change.challenger, image=image, training_data="d" * 60)
        body = compose(replace(change, challenger=challenger)).body
        assert "| `sha256:abababababab…` |" in body
        assert f"| training data | — | `…{'d' * 27}` |" in body
        assert f"- image, challenger (proposed): `{image}`" in body
        assert f"- training data, challenger (proposed): `{'d' * 60}`" in body
        table = [line for line in body.splitlines() if line.startswith("| ")]
        assert max(len(word) for line in table for word in line.split()) <= 30

    def test_a_side_that_is_not_there_has_no_column(self):
        change = subject()
        started = compose(replace(change, champion=ModelFacts())).body
        assert "|  | challenger (proposed) |" in started
        assert f"| model id | `{MODEL_B}` |" in started
        nothing = replace(change, champion=ModelFacts(), challenger=ModelFacts())
        assert "Champion and challenger" not in compose(nothing).body

    def test_metrics_of_either_side_get_a_line(self):
        change = subject()
        champion = replace(change.champion, metrics={"AUC": "0.71 (0.8 in training)"})
        challenger = replace(change.challenger, metrics={"LogLoss": "0.3"})
        body = compose(replace(change, champion=champion, challenger=challenger)).body
        assert "| accuracy: AUC | `0.71 (0.8 in training)` | — |" in body
        assert "| accuracy: LogLoss | — | `0.3` |" in body

    def test_why_and_who(self):
        facts = DeploymentFacts(reason="DATA_DRIFT", requester="jane", comment="see the report")
        body = compose(subject(facts=facts)).body
        assert "- Action in DataRobot: `deployment_replace_model`\n- Reason: `DATA_DRIFT`" in body
        assert "\n- Requested by: `jane`\n- Comment: `see the report`\n\n" in body
        assert "Reason" not in compose(subject()).body

    def test_a_person_s_change_that_it_goes_over_is_named(self):
        change = subject()
        person = Touch("f" * 40, "Ann Example")
        rollout = replace(change.rollout, overrides=(person,))
        body = compose(replace(change, rollout=rollout)).body
        assert f"Overrides a person's change**: `{'f' * 40}` by `Ann Example`" in body

    def test_the_exact_effect_is_a_sentence_and_a_folded_diff(self):
        body = compose(subject()).body
        assert (
            "\nChanges the image and 1 label (`datarobot.com/model-id`); pods are replaced.\n"
            in body
        )
        assert "<details><summary>Rendered manifests, before and after</summary>" in body
        assert f'-    datarobot.com/model-id: "{MODEL_A}"' in body
        assert "<details>" not in compose(subject(), fold=False).body

    def test_provenance_rollback_and_what_machines_read(self):
        body = compose(subject()).body
        assert f"Digest: `{DIGEST}`" in body
        assert "Build Job: `build-65f0`" in body
        assert "SHA-256" not in body
        assert "Built on" not in body
        assert f"gitops-bridge rollback {DEPLOYMENT} --environment prod" in body
        assert machine(body) == {
            "schema": "gitops-bridge.io/rollout/v1", "change": "replace", "environment": "prod",
            "deployment": DEPLOYMENT, "name": "churn", "action": "deployment_replace_model",
            "rollout": 2, "model": MODEL_B, "previous_model": MODEL_A,
            "package": "65f000000000000000000055", "image": IMAGE, "digest": DIGEST,
            "job": "build-65f0", "restarts_pods": True,
        }  # fmt: skip

    def test_a_first_start_has_nothing_earlier_to_go_back_to(self):
        change = subject()
        rollout = replace(change.rollout, change=Change.START, before=None)
        body = compose(replace(change, rollout=rollout)).body
        assert "git revert --no-edit" in body
        assert "gitops-bridge rollback" not in body

    def test_the_title_says_that_the_image_is_not_there(self):
        waiting = replace(subject(), build=Build(IMAGE, gated=True))
        assert compose(waiting).title.startswith("Build pending: Replace model of churn")
        assert "pending" not in compose(replace(subject(), build=Build(IMAGE))).title

    def test_a_stop_needs_no_image(self):
        change = subject()
        rollout = replace(change.rollout, change=Change.STOP, after=None)
        stopped = replace(change, rollout=rollout, challenger=ModelFacts(), build=None)
        body = compose(stopped).body
        assert "Build: none needed" in body
        assert "Provenance" not in body
        assert machine(body)["action"] == "deployment_stop"
        assert "|  | champion (now) |" in body
        assert f"| model id | `{MODEL_A}` |" in body


class TestEffect:
    def test_kinds_of_fields_are_counted_once_wherever_they_recur(self):
        before = [manifest(MODEL_A, team="a"), {"kind": "Service", "metadata": {"name": "gone"}}]
        after = [manifest(MODEL_B, image="new"), {"kind": "Service", "metadata": {"name": "new"}}]
        after[0]["spec"]["replicas"] = 3
        after[0]["metadata"]["annotations"] = {"a": "b"}
        found = effect(before, after)
        assert found.sentence() == (
            "Changes the image, 2 labels (datarobot.com/model-id and team), 1 annotation (a) and "
            "the number of replicas; adds Service new; removes Service gone; pods are replaced."
        )

    def test_scaling_replaces_no_pod(self):
        scaled = manifest(MODEL_A)
        scaled["spec"]["replicas"] = 5
        found = effect([manifest(MODEL_A)], [scaled])
        assert found.sentence() == "Changes the number of replicas; no running pod is replaced."
        assert not found.restarts

    def test_variables_are_told_by_name(self):
        after = manifest(MODEL_A)
        after["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
        assert "1 environment variable (A)" in effect([manifest(MODEL_A)], [after]).sentence()

    def test_nothing_is_nothing(self):
        found = effect([manifest(MODEL_A)], [manifest(MODEL_A)])
        assert found.sentence() == "Renders to the same objects as before."
        assert found.diff == ()


HOSTILE = [
    "</details><script>alert(1)</script>", "a | b |", "``` \n# heading", "`code` @octocat",
    "[x](https://evil.example)", "![x](https://evil.example/x.png)", "fixes #12", "group!7",
    "https://evil.example", "www.evil.example", "x\n\nSigned-off-by: Mallory <m@evil.example>",
    "{{ 7 * 7 }}{% for x in y %}", "\\`\\", "a\\|b", "<!-- x", "&lt;b&gt;", "$`x`$", "/close",
    "~~~\nx", "\u202egnp", "a@b.example", "* x", "1. x", "---", "x\r## y", "x\x00", "`", "````",
]  # fmt: skip


class TestNoUserTextSteers:
    @settings(max_examples=150, deadline=None)
    @given(st.text(min_size=1, max_size=120), st.text(min_size=1, max_size=120))
    @example("</details>", "| a |")
    def test_a_page_is_the_same_whatever_it_quotes(self, name, comment):
        assume(clean(name) and clean(comment))
        plain = compose(self.page(self.shape(name), self.shape(comment))).body
        assert skeleton(compose(self.page(name, comment)).body) == skeleton(plain)

    def shape(self, text):
        """Words of the same lengths: long ones are shortened in the table and told in full."""
        return re.sub(r"\S", "x", clean(text))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_known_attacks_change_nothing(self, text):
        plain = compose(self.page(self.shape(text), self.shape(text))).body
        body = compose(self.page(text, text)).body
        assert skeleton(body) == skeleton(plain)
        assert machine(body)["name"] == clean(text)

    def page(self, name, comment):
        facts = DeploymentFacts(
            importance=comment, approval=comment, health={"service": comment}, reason=comment,
            requester=name, comment=comment,
        )  # fmt: skip
        change = subject(facts=facts, name=name, model_name=name, package=name)
        person = Touch("f" * 40, name)
        side = replace(
            change.champion, metrics={"AUC": comment}, drift=comment, use={"requests": comment}
        )
        return replace(
            change, champion=side, rollout=replace(change.rollout, overrides=(person,)),
            build=Build(IMAGE, DIGEST, comment, comment, comment, gated=True),
        )  # fmt: skip

    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_squashed_commit_gets_no_trailer_from_it(self, text):
        """Squash merges make the title and the body the commit's message."""
        made = compose(self.page(text, text))
        said = subprocess.run(
            ["git", "interpret-trailers", "--parse"], input=f"{made.title}\n\n{made.body}",
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert said == ""

    @given(st.text(max_size=200))
    @example("@octocat fixes #12, org/repo#3 !4 ~label GH-7 https://x.example www.x.example `x`")
    def test_a_title_refers_to_nobody_and_nothing(self, name):
        title = quiet(name, 200)
        assert not re.search(r"[@#!~%$^&]\w|://|\bwww\.|GH-\d|[\x00-\x1f\x7f\u2028\u2029`]", title)

    @given(st.text(max_size=3000))
    def test_a_title_is_one_line_within_the_limit(self, name):
        title = compose(subject(name=name), title_limit=255).title
        assert len(title) <= 255
        assert title == " ".join(title.split())

    @given(st.lists(st.sampled_from(["`", "~", " ", "x", "```", "\n", "\r", "</details>"])))
    def test_no_line_of_a_diff_ends_its_block(self, signs):
        value = "".join(signs)
        before = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": value, "b": "1"}}
        after = {**before, "data": {"a": value, "b": "2"}}
        plain = {**before, "data": {"a": "plain", "b": "1"}}
        plainer = {**before, "data": {"a": "plain", "b": "2"}}
        hostile = compose(subject(before=[before], after=[after])).body
        assert skeleton(hostile) == skeleton(compose(subject(before=[plain], after=[plainer])).body)


class TestLength:
    @pytest.mark.parametrize("limit", [65_536, 32_768, 4_000, 2_000])
    def test_no_body_is_longer_than_the_provider_takes(self, limit):
        assert len(compose(huge(), limit=limit).body) <= limit

    def test_the_diff_is_shortened_first_and_says_so(self):
        body = compose(huge()).body
        assert len(body) > 60_000
        assert "more lines left out." in body
        assert "- image, challenger (proposed):" in body
        assert machine(body)["model"] == MODEL_B

    def test_what_machines_read_goes_last(self):
        """Found by narrowing: each part that goes, goes in this order and never comes back."""
        marks = ["```diff", "- image, champion", "Comment:", "### Provenance", "| model id |",
                 "schema:"]  # fmt: skip
        facts = DeploymentFacts(comment="c" * 200)
        change = replace(huge(500), facts=facts)
        gone: list[str] = []
        for limit in range(20_000, 1_200, -50):
            body = compose(change, limit=limit).body
            assert len(body) <= limit
            gone += [mark for mark in marks if mark not in body and mark not in gone]
        assert gone == marks

    def test_even_a_short_limit_leaves_no_block_open(self):
        for limit in range(100, 3_000, 100):
            body = compose(huge(50), limit=limit).body
            assert len(body) <= limit
            assert html(body).count("<pre") == html(body).count("</pre>")
            fences = [line for line in body.splitlines() if line.startswith("```")]
            assert len(fences) % 2 == 0


class TestTemplate:
    def test_a_team_s_own_takes_its_place(self):
        text = compose(subject(), template="# {{ name }}\n\n{{ comparison }}\n{{ machine }}")
        assert text.body.startswith("# `churn`\n\n| ")
        assert machine(text.body)["model"] == MODEL_B

    def test_what_it_prints_is_quoted_too(self):
        body = compose(subject(name="<b>@all"), template="{{ name }} {{ name | upper }}").body
        assert body == "`<b>@all` `<B>@ALL`\n"

    @pytest.mark.parametrize(
        ("template", "named"),
        [
            ("{{ nmae }}", "nmae"),
            ("{% if %}", "line 1"),
            ("a\n{{ name | nofilter }}", "line 2"),
            ("{{ champion.__class__.__mro__ }}", "unsafe"),
            ("{{ ''.__class__ }}", "unsafe"),
            ("{% include 'x' %}", "loader"),
            ("{{ 1 / 0 }}", "ZeroDivisionError"),
            ("{{ name + 1 }}", "TypeError"),
            ("{{ health.update({}) }}", "unsafe"),
        ],
    )
    def test_a_wrong_one_is_an_error_that_names_the_file(self, template, named):
        with pytest.raises(ConfigError, match=re.escape(named)) as raised:
            compose(subject(), template=template)
        assert raised.value.message.startswith("templates/pull_request.md.j2")

    def test_it_can_be_checked_without_a_rollout(self):
        check("{{ name }}")
        with pytest.raises(ConfigError, match="line 1"):
            check("{{ name")
        with pytest.raises(ConfigError, match="nmae"):
            check("{{ nmae }}")

    def test_one_without_end_is_cut(self):
        endless = "{% for i in range(90000) %}line {{ i }}\n{% endfor %}"
        assert len(compose(subject(), limit=4000, template=endless).body) <= 4000
