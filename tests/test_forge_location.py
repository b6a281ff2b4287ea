"""Whose API a remote belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import BridgeError, ForgeError
from gitops_bridge.forge import Location, locate


@pytest.mark.parametrize(
    ("url", "provider", "api", "project"),
    [
        ("https://github.com/o/r.git", "github", "https://api.github.com", "o/r"),
        ("https://me@github.com/o/r/", "github", "https://api.github.com", "o/r"),
        ("git@github.com:o/r.git", "github", "https://api.github.com", "o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "github", "https://api.github.com", "o/r"),
        ("https://acme.ghe.com/o/r", "github", "https://api.acme.ghe.com", "o/r"),
        ("git@gitlab.com:g/s/r.git", "gitlab", "https://gitlab.com/api/v4", "g%2Fs%2Fr"),
        ("https://codeberg.org/o/r", "gitea", "https://codeberg.org/api/v1", "o/r"),
        ("https://bitbucket.org/w/r", "bitbucket-cloud", "https://api.bitbucket.org/2.0", "w/r"),
        ("git@bitbucket.org:w/r.git", "bitbucket-cloud", "https://api.bitbucket.org/2.0", "w/r"),
        ("https://u@dev.azure.com/o/My%20Team/_git/r",
         "azure-devops", "https://dev.azure.com/o", "My%20Team/r"),
        ("https://dev.azure.com/o/_git/r", "azure-devops", "https://dev.azure.com/o", "r/r"),
        ("git@ssh.dev.azure.com:v3/o/p/r", "azure-devops", "https://dev.azure.com/o", "p/r"),
        ("https://o.visualstudio.com/DefaultCollection/p/_git/r",
         "azure-devops", "https://dev.azure.com/o", "p/r"),
        ("https://o.visualstudio.com/_git/r", "azure-devops", "https://dev.azure.com/o", "r/r"),
        ("o@vs-ssh.visualstudio.com:v3/o/p/r", "azure-devops", "https://dev.azure.com/o", "p/r"),
    ],
)  # fmt: skip
def test_public_services_are_known_by_their_host(url, provider, api, project):
    found = locate(url)
    assert (found.provider, found.api_url, found.project) == (provider, api, project)


@pytest.mark.parametrize(
    ("url", "provider", "api", "project"),
    [
        ("ssh://git@ghe.example.com:22/o/r", "github", "https://ghe.example.com/api/v3", "o/r"),
        ("git@forge.example.com:o/r", "forgejo", "https://forge.example.com/api/v1", "o/r"),
        ("ssh://git@bb.example.com:7999/~me/r.git",
         "bitbucket-data-center", "https://bb.example.com/rest/api/latest", "~me/r"),
        ("git@git.gitlab-mirror.example.com:g/s/r.git",
         "gitlab", "https://git.gitlab-mirror.example.com/api/v4", "g%2Fs%2Fr"),
        ("https://gitlab.gitea.example.com/g/r",
         "gitlab", "https://gitlab.gitea.example.com/api/v4", "g%2Fr"),
    ],
)  # fmt: skip
def test_a_host_that_does_not_tell_needs_the_setting(url, provider, api, project):
    found = locate(url, provider)
    assert (found.api_url, found.project) == (api, project)
    with pytest.raises(ForgeError, match="does not tell") as raised:
        locate(url)
    assert "set pull_request.provider" in raised.value.hint


@pytest.mark.parametrize(
    ("url", "provider", "api", "project"),
    [
        ("git@github.example.com:o/r", "github", "https://github.example.com/api/v3", "o/r"),
        ("https://gitlab.example.com:8443/g/s/r.git",
         "gitlab", "https://gitlab.example.com:8443/api/v4", "g%2Fs%2Fr"),
        ("ssh://git@gitlab.example.com:2222/g/r.git",
         "gitlab", "https://gitlab.example.com/api/v4", "g%2Fr"),
        ("http://gitea:3000/o/r.git", "gitea", "http://gitea:3000/api/v1", "o/r"),
        ("git@forgejo.example.com:o/r", "gitea", "https://forgejo.example.com/api/v1", "o/r"),
        ("ssh://git@bitbucket.example.com:7999/key/r.git",
         "bitbucket-server", "https://bitbucket.example.com/rest/api/latest", "key/r"),
        ("https://bb.example.com/scm/KEY/r.git",
         "bitbucket-server", "https://bb.example.com/rest/api/latest", "KEY/r"),
        ("https://x.example.com/bb/scm/KEY/r.git",
         "bitbucket-server", "https://x.example.com/bb/rest/api/latest", "KEY/r"),
        ("https://az.example.com/tfs/Coll/P/_git/R",
         "azure-devops", "https://az.example.com/tfs/Coll", "P/R"),
        ("https://az.example.com/Coll/P/_git/R",
         "azure-devops", "https://az.example.com/Coll", "P/R"),
    ],
)  # fmt: skip
def test_a_self_hosted_one_shows_by_its_name_or_its_addresses(url, provider, api, project):
    found = locate(url)
    assert (found.provider, found.api_url, found.project) == (provider, api, project)
    assert locate(url, provider) == found


@pytest.mark.parametrize(
    ("url", "api", "project"),
    [
        ("https://az.example.com/tfs/Coll/P/_git/R", "https://az.example.com/tfs/Coll", "P/R"),
        ("https://az.example.com/tfs/Coll/_git/R", "https://az.example.com/tfs/Coll", "R/R"),
        ("https://az.example.com/Coll/P/_git/R", "https://az.example.com:8443/Coll", "P/R"),
        ("ssh://az.example.com:22/tfs/Coll/P/_git/R", "https://other.example.com/x/Coll", "P/R"),
        ("https://dev.azure.com/o/p/_git/r", "https://dev.azure.com/o", "p/r"),
        ("git@ssh.dev.azure.com:v3/o/p/r", "https://dev.azure.com/o", "p/r"),
    ],
)
def test_the_address_of_azure_devops_holds_the_collection(url, api, project):
    assert locate(url, "azure-devops", api) == Location(
        "azure-devops", locate(url, "azure-devops").host, api, project
    )


def test_the_settings_win():
    url = "https://git.example.com/gitlab/g/r.git"
    api = "https://git.example.com/gitlab/api/v4"
    found = locate(url, "gitlab", api + "/")
    assert found == Location("gitlab", "git.example.com", api, "g%2Fr")
    assert locate("https://github.com/o/r", "gitea").provider == "gitea"


@pytest.mark.parametrize(
    "url",
    ["https://github.com/only", "https://github.com/a/b/c", "https://dev.azure.com/o/p/r",
     "https://github.com/o/..", "https://bitbucket.org/", "git@ssh.dev.azure.com:v3/o/p"],
)  # fmt: skip
def test_a_path_that_is_no_repository_names_the_expected_one(url):
    with pytest.raises(ForgeError, match="no repository") as raised:
        locate(url)
    assert "expected https://" in raised.value.hint


@pytest.mark.parametrize("url", ["/srv/models.git", "file:///srv/models.git", "C", "https://", ""])
def test_what_is_at_no_provider(url):
    with pytest.raises(ForgeError, match="at a provider"):
        locate(url)


def test_an_unknown_provider_lists_the_known_ones():
    with pytest.raises(ForgeError, match="'gitbucket' is unknown") as raised:
        locate("https://github.com/o/r", "gitbucket")
    assert "azure-devops" in raised.value.hint


def test_no_password_of_the_url_is_shown():
    for url in ("https://u:s3cret@git.example.com/o/r", "https://u:s3cret@github.com/o"):
        with pytest.raises(ForgeError) as raised:
            locate(url)
        assert "s3cret" not in str(raised.value)


@given(st.text(max_size=60), st.sampled_from([None, "github", "gitlab", "azure-devops"]))
def test_any_text_is_a_location_or_our_error(text, provider):
    for url in (text, f"https://host.example/{text}", f"ssh://{text}", f"git@{text}:o/r"):
        try:
            found = locate(url, provider)
        except BridgeError:
            continue
        assert found.api_url.startswith(("https://", "http://"))
        assert ".." not in found.project.split("/")
