"""Addresses, cache keys and what a Remote shows of itself."""

from pathlib import Path

import pytest

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Remote
from gitops_bridge.git.budget import Budget
from gitops_bridge.git.program import Git
from gitops_bridge.git.remote import cache_key, where


@pytest.mark.parametrize(
    "spellings",
    [
        [
            "https://git.example.com/team/gitops",
            "https://git.example.com/team/gitops.git",
            "https://git.example.com/team/gitops.git/",
            "https://git.example.com:443/team//gitops/",
            "HTTPS://ann@GIT.example.com/team/gitops.git",
        ],
        [
            "git@git.example.com:team/gitops.git",
            "git@git.example.com:/team/gitops",
            "ssh://git@git.example.com/team/gitops.git",
            "ssh://git@git.example.com:22/team/gitops/",
        ],
        ["ssh://git@git.example.com:2222/team/gitops"],
        ["ssh://bob@git.example.com/team/gitops"],
        ["http://git.example.com/team/gitops", "http://git.example.com:80/team/gitops.git"],
        ["https://git.example.com/team/GitOps"],
        ["https://git.example.com/other/gitops"],
        ["https://git.example.com:8443/team/gitops"],
        ["https://[::1]:8443/team/gitops"],
    ],
)
def test_spellings_of_one_remote_share_a_mirror_and_no_other(spellings):
    keys = {cache_key(Remote(url)) for url in spellings}
    assert len(keys) == 1
    others = {cache_key(Remote(url)) for url in ("https://x.example.com/team/gitops", "/srv/x.git")}
    assert not keys & others
    assert all("/" not in key for key in keys)


def test_distinct_remotes_have_mirrors_of_their_own():
    urls = [
        "https://h/a/b", "http://h/a/b", "ssh://h/a/b", "ssh://g@h/a/b", "ssh://h:23/a/b",
        "https://h:444/a/b", "https://h/a/B", "https://h/a", "/h/a/b",
    ]  # fmt: skip
    assert len({cache_key(Remote(url)) for url in urls}) == len(urls)


def test_local_spellings_share_a_mirror(tmp_path, monkeypatch):
    (tmp_path / "team.git").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "team.git")
    monkeypatch.chdir(tmp_path)
    urls = ["team.git", "team", "./team.git/", "link", f"file://{tmp_path}/team.git"]
    assert len({cache_key(Remote(url)) for url in urls}) == 1
    assert Remote("team").address == str(tmp_path / "team.git")


@pytest.mark.parametrize("url", ["ext::sh -c true", "ftp://h/x", "gopher://h", "--upload-pack=x"])
def test_other_addresses_are_refused(url):
    with pytest.raises(RepositoryError, match="no kind known"):
        _ = Remote(url).address


@pytest.mark.parametrize("url", ["git@[::1", "https://h:port/x", "http://[::1", "ssh://h:99999/x"])
def test_an_address_without_a_host_or_port_that_can_be_told(url):
    with pytest.raises(RepositoryError, match="is not a valid URL"):
        cache_key(Remote(url))


def test_a_user_in_an_http_address_stays_out_of_git_s_arguments():
    assert Remote("https://canary@h/x", password="p").address == "https://h/x"
    assert Remote("ssh://git@h/x").address == "ssh://git@h/x"


def test_a_password_in_the_address_is_refused_without_repeating_it():
    with pytest.raises(RepositoryError, match="carries a password") as caught:
        _ = Remote("https://ann:canary@h/x").address
    assert "canary" not in str(caught.value)


def test_secrets_are_not_shown():
    remote = Remote("https://bob@h/x", password="canary", proxy="http://u:canary2@p:3128")
    assert "canary" not in repr(remote)
    assert where(remote) == "https://h/x"


@pytest.mark.parametrize(
    "text",
    [
        "password canary/+ü was refused",
        "as canary%2F%2B%C3%BC",
        "Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LyvDvA==",
        "proxy http://u:canary2@p:3128 refused",
        "at https://ann:other-canary@h/x",
    ],
)
def test_what_git_says_is_redacted(text):
    remote = Remote("https://h/x", password="canary/+ü", proxy="http://u:canary2@p:3128")
    shown = Git(remote, Path("/nowhere"), Budget()).redact(text)
    assert "[redacted]" in shown
    assert "canary" not in shown
    assert "Y2FuYXJ5" not in shown


def test_ssh_words_with_spaces_and_quotes_survive_the_shell(tmp_path):
    key = tmp_path / "my 'key'"
    key.write_text("")
    command = Remote("git@h:x", ssh_key=str(key)).ssh_command(tmp_path)
    import shlex

    words = shlex.split(command)
    assert words[words.index("-i") + 1] == str(key)
    assert "StrictHostKeyChecking=yes" in words
    assert "BatchMode=yes" in words
