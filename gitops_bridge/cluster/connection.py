"""One API server: requests in, status and bytes out; every failure of the way a ClusterError."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gitops_bridge.config import ClusterAccess
from gitops_bridge.errors import ClusterError

Query = Mapping[str, str | int]
_CONNECT = 10.0
"""Seconds to reach the server."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Raises ClusterError for what is no JSON, such as the page of a proxy."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ClusterError(
                "the API server's answer is not JSON",
                hint="is this the address of a Kubernetes API server?",
            ) from None


class Connection:
    """`access` as an HTTP connection pool, made at the first request."""

    def __init__(self, access: ClusterAccess) -> None:
        self.access = access
        self._configuration: Any = None
        self._pool: Any = None

    def __str__(self) -> str:
        if self.access.in_cluster:
            return "the cluster this runs in"
        context = f"context {self.access.context}" if self.access.context else "current context"
        return f"{context} of {self.access.kubeconfig or 'the default kubeconfig'}"

    def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        timeout: float,
        body: object = None,
        content_type: str = "application/json",
    ) -> Answer:
        """One request, once. `timeout` in seconds. Raises ClusterError when no answer comes."""
        with self._translated():
            response = self._send(method, path, query, timeout, body, content_type)
            with closing(response):
                return Answer(response.status, response.read(), dict(response.headers))

    def lines(self, path: str, query: Query, *, timeout: float) -> Iterator[Answer]:
        """The answer of a watch, line by line as it comes; after `timeout` seconds of silence a
        ClusterError with `retry`. An answer that is no 200 comes in one piece."""
        with self._translated():
            response = self._send("GET", path, query, timeout, None, "application/json")
            with closing(response):
                if response.status != 200:
                    yield Answer(response.status, response.read(), dict(response.headers))
                    return
                yield from (Answer(200, line) for line in _split(response.stream(65_536)))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        timeout: float,
        body: object,
        content_type: str,
    ) -> Any:
        import urllib3

        pool = self._connected()
        headers = {"Accept": "application/json", "User-Agent": "gitops-bridge"}
        for setting in self._configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        if body is not None:
            headers["Content-Type"] = content_type
        return pool.request(
            method,
            f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else ""),
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            timeout=urllib3.Timeout(connect=min(_CONNECT, timeout), read=timeout),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _connected(self) -> Any:
        if self._pool is None:
            self._configuration = _configuration(self.access, str(self))
            from kubernetes.client.rest import RESTClientObject

            self._pool = RESTClientObject(self._configuration).pool_manager
        return self._pool

    def _translated(self) -> _Translated:
        return _Translated(str(self))


class _Translated:
    """Turns the failures of the HTTP library into ClusterError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import urllib3

        if isinstance(error, urllib3.exceptions.SSLError):
            raise ClusterError(
                f"{self._name}: the API server's certificate is not trusted",
                hint="set certificate-authority in the kubeconfig",
            ) from None
        if isinstance(error, urllib3.exceptions.HTTPError | OSError):
            raise ClusterError(
                f"{self._name}: the API server does not answer ({type(error).__name__})",
                hint="check the address, the network and the proxy",
                retry=True,
            ) from None


def _configuration(access: ClusterAccess, name: str) -> Any:
    """The library's Configuration: address, certificates, token and how it is renewed."""
    load = _loader(access)
    try:
        return load()
    except Exception as error:  # kubeconfigs call programs and parse what those print
        raise ClusterError(
            f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="correct cluster.kubeconfig and cluster.context, or set cluster.in_cluster",
        ) from None


def _loader(access: ClusterAccess) -> Callable[[], Any]:
    try:
        from kubernetes import client, config
    except ImportError:
        raise ClusterError(
            "the package kubernetes is not installed",
            hint="install it with the extra `cluster`: gitops-bridge help how-to/install",
        ) from None
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it repeats what we tell

    def load() -> Any:
        configuration = client.Configuration()
        if access.in_cluster:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                config_file=str(Path(access.kubeconfig).expanduser())
                if access.kubeconfig
                else None,
                context=access.context,
                client_configuration=configuration,
                persist_config=False,
            )
        return configuration

    return load


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines; the rest of a stream that breaks off in the middle of one is dropped."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
