"""No more requests to a provider than it takes, over every provider; git's own are not counted."""

import contextlib
import shutil
from pathlib import Path

import pytest
import yaml

from gitops_bridge import agent
from gitops_bridge.controller import handle
from gitops_bridge.rest import Rest
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.contract import PROVIDERS
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, action_file, git

LABELS = ("models", "env/prod", "change/start", "change/replace", "change/stop", "eu", "risk")
UPDATES = {
    # of a known number, with: a newer text, a new title too, two new labels too
    "github": (1, 1, 2),  # labels are a request of their own
    "gitlab": (1, 2, 1),  # a title carries the draft mark, which people may have changed: a look
    "gitea": (1, 2, 2),  # both
    "bitbucket-cloud": (2, 2, 2),  # takes away the reviewers a change does not name: a look
    "bitbucket-server": (1, 1, 1),
    "azure-devops": (1, 1, 3),  # each label is a request of its own
}
"""Requests for an update. No look goes before it but where it keeps what people did."""


@pytest.fixture(params=PROVIDERS, ids=lambda kind: kind.provider)
def site(request, tmp_path):
    server = request.param()
    wanted = {
        "labels": ["models"],
        "reviewers": [server.person("ann")],
        "assignees": [server.person("bob")],
    }
    with Proposing(tmp_path, request.param, pull_request=wanted) as site:
        site.forge.have_labels(LABELS)
        yield site


def counted(site):
    found = list(site.forge.log)
    site.forge.log.clear()
    return found


def test_a_new_proposal_is_found_and_created_and_one_for_each_feature_not_taken(site):
    for number in range(120):  # however many others there are
        site.forge.add(branch=f"feature-{number}", base="main", title="-", body="")
    site.start()
    assert len(counted(site)) <= 2 + site.forge.separate_features
    assert site.forge.pulls[121].head == site.branches[BRANCH]
    assert site.forge.pulls[121].reviewers == ["ann"]


def test_a_status_is_one_request_also_in_a_new_process(site):
    site.start()
    counted(site)
    known = []
    site.forge.fail(400, when=lambda request: known.append(request.headers["If-None-Match"]))
    for _ in range(2):
        site.status()
        assert len(counted(site)) == 1
    assert bool(known[-1]) == site.forge.etags


def test_a_replay_is_one(site):
    site.start()
    counted(site)
    site.start()
    assert len(counted(site)) == 1


def test_an_update_is_one_when_its_number_is_known_and_one_where_people_may_have_changed_it(site):
    text, title, labels = UPDATES[site.forge.provider]
    site.start()
    counted(site)
    site.start(MODEL_B)
    assert len(counted(site)) == text
    assert MODEL_B in site.only().body
    site.start(MODEL_A, name="Churn of customers")
    assert len(counted(site)) == title
    assert "Churn of customers" in site.only().title
    site.configure(pull_request=site.settings(labels=["models", "eu", "risk"]))
    site.start(MODEL_B, name="Churn of customers")
    assert len(counted(site)) == labels
    if site.only().labels:
        assert {"models", "eu", "risk"} <= set(site.only().labels)


def test_what_people_did_since_the_last_look_stays(site):
    """Whatever is new of the request: text, title, labels."""
    site.configure(pull_request=site.settings(draft=True))
    site.start()
    pull = site.only()
    pull.labels.append("theirs")
    pull.reviewers.append("bob")
    site.forge.mark_ready(1)
    site.configure(pull_request=site.settings(draft=True, labels=["models", "eu", "risk"]))
    site.start(MODEL_B, name="Churn of customers")
    assert MODEL_B in pull.body
    assert "Churn of customers" in pull.title
    assert not site.ctx().forge().look(1).draft
    assert pull.reviewers == ["ann", "bob"]
    assert pull.labels[-1:] == ["theirs"] or {"theirs", "eu", "risk"} <= set(pull.labels)


def test_an_update_is_two_when_its_number_is_not_known(site):
    site.start()
    shutil.rmtree(site.folder / "cache")
    counted(site)
    site.start(MODEL_B, name="Churn of customers")
    assert len(counted(site)) == 2
    assert MODEL_B in site.only().body


def test_the_look_before_an_update_asks_only_for_what_has_changed(tmp_path):
    with Proposing(tmp_path, GitLabServer) as site:
        site.start()
        site.status()
        site.forge.head_lag = 1  # else the push changes what there is to see
        asked = []
        site.forge.fail(400, when=lambda request: asked.append(request.headers["If-None-Match"]))
        site.start(MODEL_B, name="Churn of customers")
        assert [bool(etag) for etag in asked] == [True, False]
        assert "Churn of customers" in site.only().title


class Killed(BaseException):
    pass


@pytest.mark.parametrize("done", [0, 1, 2])
def test_killed_between_labels_and_text_an_update_is_made_whole(site, monkeypatch, done):
    """A list in between shows what is there, which must not be taken for all of it."""
    site.start()
    site.configure(pull_request=site.settings(labels=["models", "eu", "risk"]))
    sent, left = Rest.request, iter(range(done))

    def request(self, method, *args, **options):
        if method != "GET" and next(left, None) is None:
            raise Killed
        return sent(self, method, *args, **options)

    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(Rest, "request", request)
        site.start(MODEL_B)
    pulls = site.ctx().pulls()
    with pulls.listing("gitops-bridge/"):
        assert pulls.look(BRANCH).is_at(site.branches[BRANCH])
    site.start(MODEL_B)
    assert MODEL_B in site.only().body
    if site.only().labels:
        assert {"models", "eu", "risk"} <= set(site.only().labels)


def test_closed_in_the_moment_of_an_update(site):
    """The newer request gets a pull request of its own; the closed one stays as it was."""
    site.start()
    text = site.only().title, site.only().body
    site.forge.decline(1, comment="Not this one")
    assert "waiting for pull request 2" in site.start(MODEL_B).message
    closed, newer = site.forge.pulls.values()
    assert (closed.state, closed.title, closed.body) == ("closed", *text)
    assert (newer.state, newer.head) == ("open", site.branches[BRANCH])
    assert MODEL_B in newer.body


def test_merged_in_the_moment_of_a_look_is_delivered(site):
    """What people have merged keeps its text, although a crash had left an older one on it."""
    site.start()
    memory = {path: path.read_bytes() for path in memories(site)}
    site.start(MODEL_B)
    for path, content in memory.items():
        path.write_bytes(content)
    text = site.only().body
    site.merge(1)
    assert f"wants model {MODEL_B}" in site.status().message
    assert len(site.forge.pulls) == 1
    assert site.forge.pulls[1].body == text


def test_closed_before_main_moved_is_not_proposed_again(site):
    """Somebody closes the pull request, changes the overlay on main, and only then we look."""
    site.serving()
    site.replace()
    site.forge.decline(2, comment="Not yet")
    path = f"overlays/prod/{DEPLOYMENT}/kustomization.yaml"
    text = git(site.team.remote, "show", f"main:{path}")
    site.commit_to_main(path, f"{text}# by hand\n")
    for outcome in (site.status(), site.replace()):
        assert "was rejected by" in outcome.message
    assert len(site.forge.pulls) == 2


def test_a_creation_that_was_cut_off_before_its_people_and_labels_is_completed(site):
    """Where they are requests of their own; a process may be killed between any two."""
    site.start()
    pull = site.only()
    whole = list(pull.reviewers), list(pull.assignees), list(pull.labels)
    if site.forge.completes_later:
        pull.reviewers.clear()
    if site.forge.provider == "github":
        pull.assignees, pull.labels = [], []
    text = pull.body = f"A person's remark\n\n{pull.body}"
    shutil.rmtree(site.folder / "cache")
    site.status()
    assert (pull.reviewers, pull.assignees, pull.labels) == whole
    anew = site.forge.provider == "azure-devops"  # its lists show but the start of a text
    assert anew or pull.body == text
    counted(site)
    shutil.rmtree(site.folder / "cache")
    site.status()
    site.status()
    assert len(counted(site)) == (3 if anew else 2)


@pytest.mark.parametrize("lag", [0, 2], ids=["", "lists-lag-behind"])
@pytest.mark.parametrize("by", ["status", "start"])
def test_a_creation_whose_answer_was_lost_is_not_made_twice(site, by, lag):
    site.forge.fail(None, after=True, when=lambda request: "title" in (request.body or ()))
    assert "waits for the provider" in site.start().message
    assert len(site.forge.pulls) == 1
    site.forge.lag = lag
    assert "waiting for pull request 1" in getattr(site, by)().message
    assert site.only().head == site.branches[BRANCH]


def memories(site):
    found = list((site.folder / "cache").glob("pull-requests-*/*.json"))
    assert found
    return found


def test_a_number_that_has_become_another_s(site):
    """The repository was made anew at its address: the memory of it leads nowhere."""
    site.start()
    pull = site.forge.pulls.pop(1)
    site.forge.add(branch="theirs", base="main", title="Theirs", body="")
    pull.number = 2
    site.forge.pulls[2] = pull
    site.forge.touch(pull)
    for _ in range(2):
        assert "waiting for pull request 2" in site.status().message
    assert site.forge.pulls[1].title == "Theirs"


def test_merged_and_closed_are_told_once(site):
    site.serving()
    counted(site)
    site.status()
    assert counted(site) == []
    site.replace()
    site.forge.decline(2)
    site.status()
    counted(site)
    site.status()
    site.replace()
    assert counted(site) == []


def test_without_pull_requests_nobody_is_asked(tmp_path):
    with Proposing(tmp_path, GitHubServer, protected=False, delivery="push") as site:
        site.start()
        site.status()
        assert site.forge.log == []


def test_fifty_are_looked_at_with_lists(tmp_path):
    ids = [f"65a0000000000000000001{number:02}" for number in range(50)]
    with Proposing(tmp_path, GitHubServer) as site:
        for identifier in ids:
            site.start(id=identifier)
        assert len(site.forge.pulls) == 50
        site.forge.decline(7, comment="no")
        site.merge(8, "squash")
        counted(site)
        document = yaml.safe_load(Path(action_file(site.folder)).read_text())
        document["peInfo"]["deployments"] = ids
        path = site.folder / "all.yaml"
        path.write_text(yaml.safe_dump(document))
        outcome = handle(site.ctx(), agent.read_request("pe_status", path))
        calls = counted(site)
        assert len(calls) <= 6, calls  # two lists; who closed one, and why
        assert sum(call.endswith("/pulls") for call in calls) == 2
        said = {key: item.message for key, item in outcome.deployments.items()}
        assert "was rejected by ann" in said[ids[6]]
        assert f"Git wants model {MODEL_A}" in said[ids[7]]
        waiting = [text for text in said.values() if "waiting for pull request" in text]
        assert len(waiting) == 48
