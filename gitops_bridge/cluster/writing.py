"""The few things that are written to Argo CD's objects: annotations that ask it to look, or that
show people a notice. Needs the right to patch; nothing here is needed to read.

https://argo-cd.readthedocs.io/en/latest/user-guide/annotations-and-labels/
https://argo-cd.readthedocs.io/en/latest/user-guide/application-notice/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge.cluster.connection import Connection
from gitops_bridge.cluster.listing import Patience
from gitops_bridge.cluster.resources import applications
from gitops_bridge.errors import ClusterError

REFRESH = "argocd.argoproj.io/refresh"
SET_REFRESH = "argocd.argoproj.io/application-set-refresh"
_NOTICE = "notice.argocd.argoproj.io/"
_NOTICE_LIMIT = 500
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Notice:
    """What people see on top of an Application, from Argo CD 3.5 on."""

    text: str
    severity: str = "warning"
    """info, warning or critical."""
    url: str | None = None


class Writer:
    """Patches Applications and ApplicationSets in Argo CD's `namespace`.

    Each method says whether the object was there, and raises ClusterError when it may not be
    patched. Doing it again changes nothing more.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def refresh(self, application: str, patience: Patience) -> bool:
        """Asks Argo CD to compare the Application now. It takes the annotation away again, and up
        to 3.5.1 may miss it: ask again until the compared commit is the wanted one."""
        path = f"{applications(self._namespace)}/{application}"
        return self._annotate(path, {REFRESH: "normal"}, patience)

    def refresh_set(self, application_set: str, patience: Patience) -> bool:
        """Asks for the Applications of new folders now, and of removed ones."""
        path = f"{applications(self._namespace)[:-1]}sets/{application_set}"
        return self._annotate(path, {SET_REFRESH: "true"}, patience)

    def notice(self, application: str, notice: Notice | None, patience: Patience) -> bool:
        """Shows the notice on the Application; None takes it away.

        Lasts only where the ApplicationSet preserves these annotations.
        """
        values: dict[str, str | None] = {"content": None, "severity": None, "url": None}
        if notice:
            values = {
                "content": notice.text[:_NOTICE_LIMIT],
                "severity": notice.severity,
                "url": notice.url,
            }
        path = f"{applications(self._namespace)}/{application}"
        return self._annotate(
            path, {_NOTICE + key: value for key, value in values.items()}, patience
        )

    def _annotate(
        self, path: str, annotations: Mapping[str, str | None], patience: Patience
    ) -> bool:
        body = {"metadata": {"annotations": annotations}}
        try:
            patience.send(self._connection, "PATCH", path, body=body, content_type=_MERGE)
        except ClusterError as error:
            if error.status != 404:
                raise
            return False
        return True
