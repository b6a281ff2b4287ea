"""The settings of `delivery`, `pull_request`, `signing`: what they mean and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.config import Delivery, Mode, SigningFormat, load
from gitops_bridge.config.model import CHANGES, IMPORTANCES
from gitops_bridge.desired.rollout import Change
from gitops_bridge.errors import ConfigError

PR, PUSH = Mode.PULL_REQUEST, Mode.PUSH
BASE = {
    "repository": {"url": "https://git.example.com/team/models.git"},
    "environments": {
        "65a000000000000000000001": {
            "name": "prod", "namespace": "ml", "prediction_url": "https://models.example.com",
        }
    },
}  # fmt: skip
TOKEN = {"token": {"env": "FORGE_TOKEN"}}
DATAROBOT = {"url": "https://app.datarobot.com", "token": {"env": "DATAROBOT_TOKEN"}}


def config(**sections):
    return load({**BASE, **sections}, "gitops-bridge.yaml")


def refused(**sections):
    with pytest.raises(ConfigError) as raised:
        config(**sections)
    return raised.value.message


def test_rollouts_are_pushed_unless_somebody_wants_otherwise():
    assert config().delivery == Delivery()
    assert config().delivery.mode("replace", None) is PUSH
    assert not config().delivery.proposes


def test_one_word_is_for_every_change():
    delivery = config(delivery="pull-request", pull_request=TOKEN).delivery
    assert {delivery.mode(change, None) for change in CHANGES} == {PR}


def test_kinds_of_change_may_differ():
    delivery = config(
        delivery={"default": "pull-request", "stop": "push", "scale": "push"}, pull_request=TOKEN
    ).delivery
    assert delivery.mode("stop", None) is PUSH
    assert delivery.mode("scale", "HIGH") is PUSH
    assert delivery.mode("replace", None) is PR


def test_every_change_of_a_rollout_has_a_key():
    assert {*CHANGES} == {change.value for change in Change}


class TestImportance:
    def delivery(self, **modes):
        return config(delivery=modes, pull_request=TOKEN, datarobot=DATAROBOT).delivery

    def test_important_deployments_may_differ(self):
        delivery = self.delivery(default="push", CRITICAL="pull-request", HIGH="pull-request")
        assert delivery.mode("replace", "CRITICAL") is PR
        assert delivery.mode("replace", "MODERATE") is PUSH

    def test_where_kind_and_importance_differ_a_pull_request_is_opened(self):
        delivery = self.delivery(default="push", CRITICAL="pull-request", stop="push", LOW="push")
        assert delivery.mode("stop", "CRITICAL") is PR
        assert delivery.mode("stop", "LOW") is PUSH

    def test_an_importance_nobody_could_tell_is_taken_for_the_highest(self):
        assert self.delivery(default="push", CRITICAL="pull-request").mode("replace", None) is PR
        known = self.delivery(default="push", CRITICAL="pull-request", stop="push")
        assert known.mode("stop", None) is PUSH

    @given(
        st.dictionaries(st.sampled_from(CHANGES), st.sampled_from(Mode)),
        st.dictionaries(st.sampled_from(IMPORTANCES), st.sampled_from(Mode)),
        st.sampled_from(CHANGES), st.sampled_from([*IMPORTANCES, "UNHEARD_OF", None]),
    )  # fmt: skip
    def test_what_no_entry_is_about_goes_by_default(self, changes, importances, change, importance):
        delivery = Delivery(PR, **changes, **importances)
        asked = [changes.get(change), importances.get(importance)]
        if importance is not None and asked == [None, None]:
            assert delivery.mode(change, importance) is PR
        if PR in asked:
            assert delivery.mode(change, importance) is PR


def test_everything_of_a_pull_request():
    found = config(
        pull_request={
            "provider": "gitlab", "api_url": "https://git.example.com/api/v4", "username": "bot",
            "token": {"file": "/run/token"}, "ca_file": "/etc/ca.pem", "labels": ["models"],
            "reviewers": ["ann"], "assignees": ["bob"], "draft": "true",
        }
    ).pull_request  # fmt: skip
    assert (found.provider, found.api_url) == ("gitlab", "https://git.example.com/api/v4")
    assert (found.labels, found.reviewers, found.assignees) == (("models",), ("ann",), ("bob",))
    assert found.draft
    assert not found.auto_merge


def test_a_github_app_stands_in_for_a_token():
    app = {"id": "12345", "private_key": {"file": "/run/key.pem"}, "installation": "77"}
    found = config(delivery="pull-request", pull_request={"app": app}).pull_request.app
    assert (found.id, found.installation) == ("12345", 77)


def test_signing():
    found = config(signing={"format": "gpg", "key": "ABCD", "home": "/etc/gnupg"}).signing
    assert (found.format, found.key, found.home) == (SigningFormat.GPG, "ABCD", "/etc/gnupg")


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"delivery": "pull-request"}, "pull_request.token: is missing"),
        ({"delivery": {"replace": "pull-request"}}, "pull_request.token: is missing"),
        ({"delivery": "mail"}, "delivery: one of push, pull-request is expected"),
        ({"delivery": {"replcae": "push"}}, "delivery.replcae: is unknown; did you mean replace?"),
        ({"delivery": {"stop": "mail"}}, "delivery.stop: one of push, pull-request"),
        ({"delivery": ["push"]}, "delivery: text is expected"),
        ({"delivery": {"CRITICAL": "push"}}, "delivery: CRITICAL is told by DataRobot"),
        ({"pull_request": {"token": "ghp_secret"}}, "pull_request.token: name where it is"),
        ({"pull_request": {**TOKEN, "app": {"id": "1", "private_key": {"env": "K"}}}},
         "pull_request.token: stands beside app"),
        ({"pull_request": {"app": {"id": "1"}}}, "pull_request.app.private_key: is missing"),
        ({"pull_request": {"draft": "true", "auto_merge": "true"}}, "pull_request.auto_merge:"),
        ({"pull_request": {"labels": ["a,b"]}}, "pull_request.labels: 'a,b' must not hold a comma"),
        ({"pull_request": {"api_url": "https://me:pw@git.example.com"}}, "carries a user"),
        ({"signing": {"format": "pgp", "key": "x"}}, "signing.format: one of ssh, gpg"),
        ({"signing": {"key": "x"}}, "signing.format: is missing"),
        ({"signing": {"format": "ssh"}}, "signing.key: is missing"),
        ({"signing": {"format": "gpg", "key": "--help"}}, "signing.key: '--help' is no key"),
        ({"signing": {"format": "ssh", "key": "x", "home": "y"}}, "signing.home: is the folder"),
        ({"sign_off": "maybe"}, "sign_off: true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_key(sections, key):
    said = refused(**sections)
    assert key in said
    assert "ghp_secret" not in said
    assert ":pw@" not in said


@pytest.mark.parametrize("written", [True, "true"])
def test_a_switch_may_be_in_quotes(written):
    found = config(sign_off=written, pull_request={**TOKEN, "auto_merge": written})
    assert found.sign_off
    assert found.pull_request.auto_merge


@pytest.mark.parametrize("url", ["/srv/git/models.git", "models.git", "file:///srv/git/models.git"])
def test_a_local_path_takes_no_pull_requests(url):
    repository = {"url": url}
    assert config(repository=repository).delivery.default is PUSH
    said = refused(repository=repository, delivery="pull-request", pull_request=TOKEN)
    assert "repository.url: is a local path" in said


@pytest.mark.parametrize("url", ["git@git.example.com:team/models.git", "ssh://git@h/x.git"])
def test_an_ssh_address_does(url):
    assert config(repository={"url": url}, delivery="pull-request", pull_request=TOKEN)
