"""A remote's URL to the provider, its API's address and the repository's path there.

`provider` and `api_url` of the configuration win.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from gitops_bridge.errors import ForgeError

PROVIDERS = ("github", "gitlab", "gitea", "bitbucket-cloud", "bitbucket-server", "azure-devops")
_ALIASES = {
    "forgejo": "gitea",
    "github-enterprise": "github",
    "bitbucket-data-center": "bitbucket-server",
}
_PUBLIC = {
    "github.com": "github",
    "ssh.github.com": "github",
    "gitlab.com": "gitlab",
    "altssh.gitlab.com": "gitlab",
    "gitea.com": "gitea",
    "codeberg.org": "gitea",
    "bitbucket.org": "bitbucket-cloud",
    "altssh.bitbucket.org": "bitbucket-cloud",
    "dev.azure.com": "azure-devops",
    "ssh.dev.azure.com": "azure-devops",
    "vs-ssh.visualstudio.com": "azure-devops",
}
_NAMED = {
    "github": "github",
    "gitlab": "gitlab",
    "gitea": "gitea",
    "forgejo": "gitea",
    "bitbucket": "bitbucket-server",
}
_FAMILIES = {".ghe.com": "github", ".visualstudio.com": "azure-devops"}
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]+|\[[^]]+\]):(?!//)(.+)")


@dataclass(frozen=True)
class Location:
    """`host` without user and port; `project` percent-encoded where it goes into a path."""

    provider: str
    host: str
    api_url: str
    project: str


@dataclass(frozen=True)
class _Remote:
    scheme: str
    host: str
    netloc: str
    segments: tuple[str, ...]


def locate(url: str, provider: str | None = None, api_url: str | None = None) -> Location:
    """Where the pull requests of the repository at `url` live.

    Takes https, ssh:// and scp-like (git@host:path) remotes. A host that is not one of the public
    services, is not called after its product (gitlab.example.com) and has no addresses by which
    the product shows needs `provider`. Raises ForgeError.
    """
    remote = _remote(url)
    chosen = _chosen(provider) if provider else _guessed(remote, url)
    segments = remote.segments
    if api_url:
        segments = _below(segments, api_url, chosen)
    try:
        default, project = _DOORS[chosen](remote, segments)
    except (ValueError, IndexError):
        raise ForgeError(
            f"{_shown(url)}: no repository of {chosen}",
            hint=f"expected {_SHAPES[chosen]}",
        ) from None
    return Location(chosen, remote.host, (api_url or default).rstrip("/"), project)


def _remote(url: str) -> _Remote:
    scp = _SCP.fullmatch(url) if "://" not in url else None
    if scp:
        host, path = scp.groups()
        return _Remote("ssh", host.lower(), host.lower(), _segments(path))
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"https", "http", "ssh", "git+ssh"}:
        raise ForgeError(
            f"{_shown(url)}: pull requests need a repository at a provider",
            hint="an https or ssh address; a local path can only be delivered to by push",
        )
    web = parts.scheme in {"https", "http"}
    netloc = f"{host}:{port}" if web and port else host
    return _Remote(parts.scheme if web else "ssh", host, netloc, _segments(parts.path))


def _segments(path: str) -> tuple[str, ...]:
    path = unquote(path).strip("/")
    segments = tuple(path.removesuffix(".git").split("/"))
    return () if any(part in {"", ".", ".."} for part in segments) else segments


def _chosen(provider: str) -> str:
    name = _ALIASES.get(provider, provider)
    if name not in PROVIDERS:
        raise ForgeError(
            f"pull_request.provider: {provider!r} is unknown", hint=f"one of {', '.join(PROVIDERS)}"
        )
    return name


def _guessed(remote: _Remote, url: str) -> str:
    if remote.host in _PUBLIC:
        return _PUBLIC[remote.host]
    for family, provider in _FAMILIES.items():
        if remote.host.endswith(family):
            return provider
    if "_git" in remote.segments:
        return "azure-devops"
    if remote.scheme != "ssh" and "scm" in remote.segments[:-2]:
        return "bitbucket-server"
    named = {_NAMED[label] for label in remote.host.split(".") if label in _NAMED}
    if len(named) == 1:
        return named.pop()
    raise ForgeError(
        f"{_shown(url)}: {remote.host} does not tell which provider it is",
        hint=f"set pull_request.provider to one of {', '.join(PROVIDERS)}",
    )


def _below(segments: tuple[str, ...], api_url: str, provider: str) -> tuple[str, ...]:
    """Without the path that a server under a sub-path has in front of its API and its remotes. The
    API of Azure DevOps ends in the organisation or collection, which is part of the remote."""
    before = re.split(r"/(?:rest/)?api(?:/|$)", urlsplit(api_url).path)[0]
    root = tuple(part for part in before.split("/") if part)
    root = root[:-1] if provider == "azure-devops" else root
    return segments[len(root) :] if root and segments[: len(root)] == root else segments


def _github(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    owner, repository = segments
    project = f"{quote(owner)}/{quote(repository)}"
    if remote.host in {"github.com", "ssh.github.com"}:
        return "https://api.github.com", project
    if remote.host.endswith(".ghe.com"):
        return f"https://api.{remote.host}", project
    return f"{_web(remote)}/api/v3", project


def _gitlab(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    if len(segments) < 2:
        raise ValueError
    site = "https://gitlab.com" if remote.host == "altssh.gitlab.com" else _web(remote)
    return f"{site}/api/v4", quote("/".join(segments), safe="")


def _gitea(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    owner, repository = segments
    return f"{_web(remote)}/api/v1", f"{quote(owner)}/{quote(repository)}"


def _bitbucket_cloud(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    workspace, repository = segments
    return "https://api.bitbucket.org/2.0", f"{quote(workspace)}/{quote(repository)}"


def _bitbucket_server(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    """https://host/context/scm/KEY/repository, ssh://git@host:7999/key/repository."""
    *context, key, repository = segments
    if context and context[-1] == "scm":
        context.pop()
    elif remote.scheme != "ssh":
        raise ValueError
    api = "/".join([_web(remote), *context, "rest/api/latest"])
    return api, f"{quote(key)}/{quote(repository)}"


def _azure_devops(remote: _Remote, segments: tuple[str, ...]) -> tuple[str, str]:
    """API down to the organisation or collection, project `project/repository`."""
    if segments[0] == "v3":
        _, organisation, project, repository = segments
        return f"https://dev.azure.com/{quote(organisation)}", _pair(project, repository)
    at = segments.index("_git")
    (repository,) = segments[at + 1 :]
    above = list(segments[:at])
    if remote.host.endswith(".visualstudio.com"):
        above = [part for part in above if part != "DefaultCollection"]
        above.insert(0, remote.host.split(".")[0])
    root = f"{_web(remote)}/tfs" if above[0] == "tfs" else _web(remote)
    if remote.host.endswith(".visualstudio.com"):
        root = "https://dev.azure.com"
    # a repository named as its project is addressed without the project: organisation/_git/name
    organisation, project = [*above[above[0] == "tfs" :], repository][:2]
    return f"{root}/{quote(organisation)}", _pair(project, repository)


def _pair(project: str, repository: str) -> str:
    return f"{quote(project)}/{quote(repository)}"


def _web(remote: _Remote) -> str:
    return f"{'http' if remote.scheme == 'http' else 'https'}://{remote.netloc}"


def _shown(url: str) -> str:
    """For messages: without user, password and query, however malformed."""
    return re.split(r"[?#]", re.sub(r"[^/]*@", "", url))[0]


_DOORS = {
    "github": _github,
    "gitlab": _gitlab,
    "gitea": _gitea,
    "bitbucket-cloud": _bitbucket_cloud,
    "bitbucket-server": _bitbucket_server,
    "azure-devops": _azure_devops,
}
_SHAPES = {
    "github": "https://github.com/owner/repository",
    "gitlab": "https://gitlab.com/group/…/repository; under a sub-path set the API's address too",
    "gitea": "https://host/owner/repository",
    "bitbucket-cloud": "https://bitbucket.org/workspace/repository",
    "bitbucket-server": "https://host/scm/project/repository or ssh://git@host/project/repository",
    "azure-devops": "https://dev.azure.com/organisation/project/_git/repository",
}
