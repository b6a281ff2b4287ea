"""The whole life of a rollout under review at every provider, over smart HTTP and a protected main.

What one provider is enough for stands in test_pull_request_flow.py.
"""

import pytest
import yaml

from gitops_bridge.actions import State, Status
from gitops_bridge.bridge import doctor
from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.proposing import BRANCH, PASSWORD, GatedSite, Proposing, noted
from tests.servers import registry as servers
from tests.servers.forges.contract import PROVIDERS
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

MODEL_C = "65a000000000000000000022"
EVERYWHERE = pytest.fixture(params=PROVIDERS, ids=lambda kind: kind.provider)


@EVERYWHERE
def site(request, tmp_path):
    with Proposing(tmp_path, request.param) as site:
        yield site


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_from_the_action_to_the_merge(site, how):
    outcome = site.start()
    assert (outcome.status, outcome.state) == (Status.PASSING, State.LAUNCHING)
    pull = site.only()
    assert (pull.branch, pull.base, pull.state) == (BRANCH, "main", "open")
    first = site.branches[BRANCH]
    assert pull.head == first
    assert "Start churn in prod" in pull.title
    assert outcome.dashboard_url == site.shop().forge().look(1).url
    assert f"waiting for pull request 1: {outcome.dashboard_url}" in outcome.message
    assert site.team.log() == ["Set up"]

    status = site.status()
    assert (status.status, status.state) == (Status.WARNING, State.LAUNCHING)
    assert status.dashboard_url == outcome.dashboard_url
    site.start(MODEL_B)
    assert MODEL_B in site.only().body
    assert site.status().dashboard_url == outcome.dashboard_url
    assert site.only().head == site.branches[BRANCH] != first

    site.merge(1, how)
    assert f"Git wants model {MODEL_B}" in site.status().message
    assert BRANCH not in site.branches
    assert "proposed" not in noted(site)
    assert "nothing to do" in site.start(MODEL_B).message
    assert "waiting for pull request 2" in site.replace(old=MODEL_B, new=MODEL_C).message


def test_closed_is_rejected_with_the_closer_s_words(site):
    site.serving()
    site.replace()
    site.forge.decline(2, comment="The AUC fell.\nSee the report")
    outcome = site.replace()
    assert (outcome.status, outcome.state) == (Status.FAILING, State.ERRORED)
    assert outcome.old_model_in_use is True
    who = site.forge.shown("ann")
    assert f"model {MODEL_B} was rejected by {who} in " in outcome.message
    assert "The AUC fell. See the report" in outcome.message
    status = site.status()
    assert (status.status, status.old_model_in_use) == (Status.WARNING, True)
    assert f"Git wants model {MODEL_A}" in status.message
    assert len(site.forge.pulls) == 2
    assert BRANCH not in site.branches
    assert "waiting for pull request 3" in site.replace(new=MODEL_C).message


def test_somebody_else_s_push_stops_us_and_is_told_once(site):
    site.serving()
    site.replace()
    theirs = site.push_to_branch("theirs", "1")
    for _ in range(2):
        assert "Jane Doe pushed" in site.replace(new=MODEL_C).message
        assert "Jane Doe pushed" in site.status().message
    assert site.branches[BRANCH] == theirs
    assert len(site.forge.pulls[2].comments) == 1
    site.merge(2, "squash")
    site.status()
    assert "waiting for pull request 3" in site.status().message
    assert MODEL_C in site.forge.pulls[3].body


def test_a_proposal_that_no_longer_applies_is_applied_anew(site):
    site.serving()
    site.replace()
    before = site.branches[BRANCH]
    path = f"overlays/prod/{DEPLOYMENT}/kustomization.yaml"
    text = git(site.team.remote, "show", f"main:{path}")
    site.commit_to_main(path, text + "# a person's note\n")
    assert "waiting for pull request 2" in site.status().message
    assert site.forge.pulls[2].head == site.branches[BRANCH] != before
    site.merge(2)
    assert "a person's note" in git(site.team.remote, "show", f"main:{path}")
    assert site.on_main()["model"] == MODEL_B


def test_down_in_the_middle_there_are_never_two(site):
    site.forge.fail(None, when=lambda request: request.method == "POST", after=True)
    site.start()
    site.forge.fail(503, times=99)
    assert site.status().status is Status.WARNING
    site.forge.calm()
    assert "waiting for pull request 1" in site.status().message
    site.start(MODEL_B)
    assert len(site.forge.pulls) == 1
    assert MODEL_B in site.only().body


def test_found_again_by_another_machine(site):
    import shutil

    site.start()
    shutil.rmtree(site.folder / "cache")
    assert "waiting for pull request 1" in site.start().message
    assert len(site.forge.pulls) == 1
    assert site.only().comments == []


def test_a_wrong_token_and_one_with_too_few_rights_are_told(site):
    site.environ["FORGE_TOKEN"] = "canary-wrong"
    outcome = site.start()
    assert outcome.status is Status.FAILING
    assert "token" in outcome.message
    assert "canary" not in outcome.message
    site.environ["FORGE_TOKEN"] = site.forge.token
    site.forge.level = "read"
    outcome = site.start()
    assert outcome.status is Status.FAILING
    assert site.forge.token not in outcome.message
    site.forge.level = "write"
    assert "waiting for pull request 1" in site.status().message


def test_the_text_fits_and_says_what_counts(site):
    """Azure DevOps takes 4 000 characters: even there nothing that decides is left out."""
    site.serving()
    site.replace()
    body = site.forge.pulls[2].body
    assert len(body) <= site.shop().forge().limits.body
    assert body.startswith("**Render ✅**")
    assert f"| model id | `{MODEL_A}` | `{MODEL_B}` |" in body
    assert "Changes the image and " in body
    assert f"gitops-bridge rollback {DEPLOYMENT} --environment prod" in body
    block = body.split("```yaml\n")[1].split("\n```")[0]
    assert yaml.safe_load(block)["commit"] == site.branches[BRANCH]
    for secret in (PASSWORD, site.forge.token):
        assert secret not in body


def test_the_doctor_finds_it_healthy(site):
    before = site.branches
    findings = list(doctor.examine(site.shop()))
    assert [found for found in findings if found.ok is False] == []
    named = [found.check for found in findings if found.check.startswith(site.forge.provider)]
    assert f"{site.forge.provider}: propose pull requests" in named
    assert (site.branches, site.forge.pulls) == (before, {})


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running.host


@EVERYWHERE
def gated(request, tmp_path, host):
    with GatedSite(tmp_path, request.param, team=Gated(tmp_path, host)) as site:
        yield site


def test_nothing_can_be_merged_before_its_image_is_there(gated):
    gated.start(package=PACKAGE_A)
    assert gated.forge.pulls == {}
    gated.team.built()
    gated.status()
    assert not gated.drafted()
    gated.start(MODEL_B, package=PACKAGE_B)
    assert gated.drafted()
    assert "Build pending: " in gated.only().title
    digest = gated.team.built(sorted(gated.team.jobs())[-1])
    assert "waiting for pull request 1" in gated.status().message
    assert not gated.drafted()
    assert gated.only().title.startswith(("Start churn", "Update settings"))
    assert digest in gated.only().body
    gated.merge(1, "squash")
    gated.status()
    assert gated.on_main()["image"].endswith(digest)
