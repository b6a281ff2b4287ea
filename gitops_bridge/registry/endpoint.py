"""One registry host: its session, its challenge, its tokens. `client.Registry` sends through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.access import Access
from gitops_bridge.registry.credentials import Credential, Keychain
from gitops_bridge.registry.problems import hidden, refused, unreachable
from gitops_bridge.registry.tokens import Challenge, fetch_token, parse_challenge
from gitops_bridge.rest import Headers, Response, Rest, joined

_ANY = frozenset(range(200, 600))


class Endpoint:
    """`host` as `access` says, authenticated from `keychain`; every failure a RegistryError."""

    def __init__(self, host: str, keychain: Keychain, access: Access) -> None:
        self.host = host
        self._keychain = keychain
        self._access = access
        self._base = access.base_url(host)
        self._rest = self._session(self._base)
        self._challenge: Challenge | None = None
        self._known: dict[str, Credential | None] = {}
        self._tokens: dict[tuple[Credential | None, frozenset[str]], str] = {}

    def close(self) -> None:
        self._rest.__exit__()

    def ping(self) -> Challenge:
        """What the registry wants from us. Raises RegistryError when no V2 registry answers."""
        response = self._request("GET", "v2/")
        if response.status_code not in {200, 401}:
            hint = "is this the address of a registry (API version 2)?"
            raise self._refused(f"{self._base}v2/", response, hint=hint)
        return parse_challenge(response.headers.get("WWW-Authenticate", ""))

    def send(
        self,
        method: str,
        path: str,
        repository: str,
        *,
        expected: frozenset[int],
        push: bool = False,
        also_pull: str | None = None,
        may_hide: bool = False,
        hint: str | None = None,
        **options: Any,
    ) -> Response:
        """One request about `repository`, authorized to pull, or also to `push`, and to pull from
        the repository `also_pull`. `path` may be an absolute URL the registry gave. With `may_hide`
        a refusal by a registry that takes our credential is a HiddenImage."""
        scopes = {f"repository:{repository}:{'pull,push' if push else 'pull'}"}
        scopes |= {f"repository:{also_pull}:pull"} if also_pull else set()
        try:
            response = self._authorized(method, path, repository, frozenset(scopes), options)
        except RegistryError as error:
            if error.status == 401:  # said by the token server
                self._known.pop(repository, None)
            raise
        if response.status_code in expected:
            return response
        if may_hide and response.status_code in {401, 403} and self._admits(repository, scopes):
            raise hidden(self._refused(f"{method} {self.host}/{repository}", response))
        who = self._known.pop(repository, None) if response.status_code == 401 else None
        what = f"{method} {self.host}/{repository}" + (f" for {who}" if who else "")
        if response.status_code == 401 and who is None:
            hint = f"no credential for {self.host} was found in {self._keychain.source}"
        raise self._refused(what, response, hint=hint)

    def chunks(self, response: Response) -> Iterator[bytes]:
        """The body of a `stream` answer in pieces."""
        return self._rest.chunks(response)

    def _authorized(
        self, method: str, path: str, repository: str, scopes: frozenset[str], options: Any
    ) -> Response:
        """Asks once more when the first try is refused: its token has expired, or the registry
        wants another scope or scheme here than at its root, and says so."""
        if self._challenge is None:
            self._challenge = self.ping()
        credential = self._credential(repository)
        known = self._authorization(self._challenge, credential, scopes)
        response = self._request(method, path, credentials=known, **options)
        wanted = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        offered = wanted.scheme == "bearer" or wanted.scheme not in {"", self._challenge.scheme}
        if response.status_code != 401 or not offered:
            return response
        response.close()
        self._challenge = wanted
        self._tokens.pop((credential, scopes), None)
        known = self._authorization(wanted, credential, scopes, wanted.scopes)
        return self._request(method, path, credentials=known, **options)

    def _admits(self, repository: str, scopes: Iterable[str]) -> bool:
        """Whether the registry takes the credential, whatever that may do; none is not taken."""
        credential = self._known.get(repository)
        if credential is None or self._challenge is None:
            return False
        known = self._authorization(self._challenge, credential, frozenset(scopes))
        return self._request("GET", "v2/", credentials=known).status_code == 200

    def _credential(self, repository: str) -> Credential | None:
        """Asked for once, for a helper takes its time; anew after the registry refused it."""
        if repository not in self._known:
            found = self._known[repository] = self._keychain.credential(
                self.host, repository, self._access.left()
            )
            self._rest.conceal(*(found.secrets if found else ()))
        return self._known[repository]

    def _authorization(
        self,
        challenge: Challenge,
        credential: Credential | None,
        scopes: frozenset[str],
        extra: frozenset[str] = frozenset(),
    ) -> Headers:
        if challenge.scheme == "basic" and credential:
            return {"Authorization": f"Basic {credential.basic}"}
        if challenge.scheme != "bearer":
            return {}
        key = credential, scopes
        if key not in self._tokens:
            self._tokens[key] = fetch_token(
                challenge, scopes | extra, credential,
                registry_is_tls=self._base.startswith("https:"), session=self._session,
            )  # fmt: skip
            self._rest.conceal(self._tokens[key])
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    def _request(self, method: str, path: str, **options: Any) -> Response:
        try:
            return self._rest.request(method, self._own_scheme(path), expected=_ANY, **options)
        except RegistryError as error:
            raise unreachable(error) from None

    def _own_scheme(self, path: str) -> str:
        """A registry behind a proxy that ends TLS may name itself with http: never follow that."""
        url, base = urlsplit(joined(self._base, path, RegistryError)), urlsplit(self._base)
        if url.netloc == base.netloc:
            url = url._replace(scheme=base.scheme)
        if (base.scheme, url.scheme) == ("https", "http"):
            raise RegistryError(
                f"{self.host} sends us to {url.hostname} over plain HTTP",
                hint="nothing was sent there; the registry's storage must be https too",
            )
        return urlunsplit(url)

    def _refused(self, what: str, response: Response, hint: str | None = None) -> RegistryError:
        response.read_start()
        return refused(
            what, response.status_code, self._rest.redact(response.text), hint=hint,
            retry_after=response.headers.get("Retry-After"),
        )  # fmt: skip

    def _session(self, base_url: str) -> Rest:
        """With the registry or its token server, which is mostly another host of the same people:
        what is trusted there is what is trusted here, unless something else is said of it."""
        access, host = self._access, urlsplit(base_url).netloc
        host = host if host in access.ca_files or host in access.unverified else self.host
        patience = access.patience
        return Rest(
            base_url, error=RegistryError, ca_file=access.ca_files.get(host),
            verify=host not in access.unverified,
            timeout=(patience.connect, patience.answer), retries=patience.retries,
            longest_wait=patience.pause, left=access.left,
        )  # fmt: skip
