"""The DataRobot REST API: which package a deployment runs, the file of a package, what is known.

Paths, answers and the asynchronous protocol (202 with a status resource;
303 once it is done) are those of https://docs.datarobot.com/en/docs/api/reference/public-api/. The
session is made by `session` with no retries of its own: waiting is done here, under one deadline.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gitops_bridge.datarobot.answers import checked, items, part, retry_after, text
from gitops_bridge.desired import comparison
from gitops_bridge.errors import DataRobotError
from gitops_bridge.rest import Response, Rest, joined, without_userinfo

_BUSY = frozenset({429, 500, 502, 503, 504})
_ANSWERS = frozenset(range(200, 400)) | _BUSY
_MOVED = frozenset({301, 302, 307, 308})
_DONE = frozenset({"completed", "complete", "active", "success", "succeeded"})
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0


def session(
    url: str,
    token: str,
    *,
    ca_file: str | None = None,
    verify: bool = True,
    timeout: tuple[float, float] = (10.0, 60.0),
    left: Callable[[], float] = lambda: math.inf,
) -> Rest:
    """A session for `DataRobot`; `url` with or without `/api/v2`. No answer outlasts the seconds
    that `left` gives."""
    base = url.rstrip("/")
    if not re.search(r"/api/v2$", base):
        base += "/api/v2"
    return Rest(
        base, error=DataRobotError, secrets=(token,), ca_file=ca_file, verify=verify,
        timeout=timeout, retries=0, left=left,
        authorize=lambda: {"Authorization": f"Bearer {token}"},
    )  # fmt: skip


@dataclass(frozen=True)
class PackageDetails:
    """A model package (registered model version) as `GET modelPackages/{id}/` tells it."""

    id: str
    model_id: str | None = None
    execution_type: str | None = None
    build_status: str | None = None
    target_type: str | None = None
    target_name: str | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Download:
    """Where a built file lies: an address for the session, and its query."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a pull request shows of DataRobot's knowledge."""

    champion: comparison.ModelFacts
    challenger: comparison.ModelFacts
    deployment: comparison.DeploymentFacts


class DataRobot:
    """The API through `rest`. All waiting ends `patience` seconds after construction: then
    DataRobotError with `retry`. `clock` gives monotonic seconds; `log` takes a line for people."""

    def __init__(
        self,
        rest: Rest,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        patience: float,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.rest = rest
        self._clock = clock
        self._sleep = sleep
        self._deadline = clock() + patience
        self._patience = patience
        self._log = log

    def version(self) -> str:
        """The server's API version, such as `2.36`."""
        answer = self.mapping("version/")
        return str(answer.get("versionString") or f"{answer.get('major')}.{answer.get('minor')}")

    def admitted(self) -> None:
        """Raises DataRobotError unless the token may list deployments."""
        self.mapping("deployments/", {"limit": "1"})

    def details(self, package_id: str) -> PackageDetails:
        """Raises DataRobotError with status 404 when the token sees no such package."""
        answer = self.mapping(f"modelPackages/{checked(package_id)}/")
        return _details(answer, package_id)

    def ready(self, package_id: str) -> PackageDetails:
        """The details once the package itself is built; a custom model's is not at once."""
        pause = _FIRST_PAUSE
        while True:
            details = self.details(package_id)
            word = (details.build_status or "complete").lower()
            if word in ("failed", "error"):
                raise DataRobotError(
                    f"model package {package_id}: its build has failed in DataRobot",
                    hint="see the registered model version in DataRobot",
                )
            if word != "inprogress":
                return details
            reason = f"model package {package_id} is still being built in DataRobot"
            self._log(reason)
            self._wait(pause, reason)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def package_for(self, deployment_id: str, model_id: str) -> str:
        """The id of the package that brings `model_id` to the deployment.

        The deployment itself is asked first. While a replacement is under way it still names the
        old model, so then the registry is asked by model: exactly one package must hold it.
        """
        deployment = self.mapping(f"deployments/{checked(deployment_id)}/")
        if text(part(deployment, "model"), "id") == model_id:
            found = text(part(deployment, "modelPackage"), "id")
            return found or self.champion(deployment_id).id
        packages = self.mapping("modelPackages/", {"modelId": model_id, "limit": "2"})
        ids = [
            str(item["id"])
            for item in items(packages, "data")
            if isinstance(item, Mapping) and item.get("id") and item.get("modelId") == model_id
        ]
        if len(ids) == 1:
            return checked(ids[0])
        raise DataRobotError(
            f"deployment {deployment_id}: {'no' if not ids else 'more than one'} model package "
            f"holds model {model_id}",
            hint="register the model once, or use an agent that sends modelPackageDetails",
        )

    def champion(self, deployment_id: str) -> PackageDetails:
        """The package that a deployment runs now."""
        answer = self.mapping(f"deployments/{checked(deployment_id)}/championModelPackage/")
        return _details(answer, None)

    def importance(self, deployment_id: str) -> str | None:
        """CRITICAL, HIGH, MODERATE or LOW; None when the token may not see the deployment."""
        return comparison.text(self._seen(f"deployments/{checked(deployment_id)}/"), "importance")

    def facts(
        self, deployment_id: str, *, serving: str | None, proposed: str | None, package: str | None
    ) -> Facts:
        """What is known of a deployment, of the model `serving` there and of the one `proposed`.

        `package` is the proposed one's. Whatever the token may not see is missing in the answer;
        raises DataRobotError only when DataRobot cannot be reached or does not take the token.
        """
        home = f"deployments/{checked(deployment_id)}/"
        deployment = self._seen(home)
        about = {"entityType": "deployment", "entityId": deployment_id}
        requests = self._seen("changeRequests/", about)
        champion = comparison.of_production(deployment, *self._measured(home, serving))
        challenger = comparison.of_production(None, *self._measured(home, proposed))
        now = self._seen(f"{home}championModelPackage/") if serving else None
        new = self._seen(f"modelPackages/{checked(package)}/") if package else None
        of_champion = comparison.of_package(
            now if comparison.text(now, "modelId") == serving else None
        )
        return Facts(
            of_champion.enriched(champion),
            comparison.of_package(new).enriched(challenger),
            comparison.of_deployment(deployment, requests, package),
        )

    def _measured(self, home: str, model: str | None) -> tuple[object, object, object]:
        """Accuracy, target drift and service statistics of one model in a deployment."""
        if model is None:
            return None, None, None
        query = {"modelId": model}
        accuracy, drift, service = (
            self._seen(f"{home}{what}/", query)
            for what in ("accuracy", "targetDrift", "serviceStats")
        )
        return accuracy, drift, service

    def _seen(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """The answer, None when it is refused: nobody insists on what is only shown to people."""
        try:
            return self.mapping(path, params)
        except DataRobotError as error:
            if error.status in (401, None):
                raise
            return None

    def package_file(self, package_id: str, *, installer: bool) -> Download:
        """Have the package's file built, wait for it, tell where it is.

        `installer` asks for what a custom model needs to run outside DataRobot.
        """
        path = f"modelPackages/{checked(package_id)}"
        params = {"portablePredictionsServerInstaller": "true"} if installer else {}
        built = self._build(f"{path}/modelPackageFileBuilds/", params=params)
        return Download(built or f"{path}/modelPackageFile/", params)

    def scoring_code(self, package_id: str, *, explanations: bool) -> Download:
        """As `package_file`, for the .jar; only one with explanations has to be built."""
        path = f"modelPackages/{checked(package_id)}"
        if not explanations:
            return Download(f"{path}/scoringCode/")
        body = {"includePredictionExplanations": True}
        built = self._build(f"{path}/scoringCodeBuilds/", body=body)
        return Download(built or f"{path}/scoringCode/")

    def _build(self, path: str, **options: Any) -> str | None:
        """The address of what was built; None when the server did not name one."""
        answer = self.send("POST", path, **options)
        location = self._location(answer)
        if answer.status_code == 303 or location is None:
            return location
        pause, hops = _FIRST_PAUSE, 0
        while True:
            answer = self.send("GET", location)
            if answer.status_code == 303:
                return self._location(answer)
            moved = self._location(answer) if answer.status_code in _MOVED else None
            if moved is not None and hops < 5:
                location, hops = moved, hops + 1
                continue
            if self._done(answer, location):
                return None
            self._wait(_pause(pause, answer), "the build is not finished")
            pause, hops = min(pause * 1.5, _LONGEST_PAUSE), 0

    def _done(self, answer: Response, location: str) -> bool:
        """What a status resource says. Words that are not known count as still running: versions
        differ in them, and the deadline holds."""
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.status_code != 200 or not isinstance(body, Mapping):
            raise DataRobotError(
                f"{without_userinfo(location)}: {answer.status_code} is no status of a build",
                hint="is this the address of DataRobot?",
            )
        word = self.rest.redact(str(body.get("status")))
        plain = word.lower().replace("_", "")
        if plain.startswith(("abort", "error", "fail")):
            said = self.rest.redact(str(body.get("message") or "")) or "no reason was given"
            raise DataRobotError(
                f"DataRobot could not build the package: {word}: {said:.300}",
                hint="see the model package in DataRobot",
                retry=plain.startswith("abort"),
            )
        if plain in _DONE:
            return True
        self._log(f"DataRobot is building the package: {word:.40}")
        return False

    def mapping(self, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """The JSON object that is read at `path`."""
        return self.answer("GET", path, params=params, redirects=True)

    def answer(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        """The JSON object that a request is answered with."""
        answer = self.send(method, path, **options)
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, Mapping):
            raise DataRobotError(
                f"{method} {without_userinfo(answer.url)}: the answer is no JSON object",
                hint="is this the address of DataRobot?",
            )
        return body

    def send(self, method: str, path: str, **options: Any) -> Response:
        """The answer, once the server is neither busy nor out of reach."""
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = self.rest.request(method, path, expected=_ANSWERS, **options)
            except DataRobotError as error:
                if not error.retry or error.status is not None:
                    raise
                reason, after = error.message, pause
            else:
                if answer.status_code not in _BUSY:
                    return answer
                said = self.rest.words(answer)
                reason = f"{method} {path}: {answer.status_code}: {said:.200}"
                after = _pause(pause, answer)
            self._log(reason)
            self._wait(after, reason)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _wait(self, seconds: float, reason: str) -> None:
        if self._clock() + seconds >= self._deadline:
            raise DataRobotError(
                f"{reason}; gave up after {self._patience:.0f} s",
                hint="try again later, or allow more time",
                retry=True,
            )
        self._sleep(seconds)

    def _location(self, answer: Response) -> str | None:
        """Where the server points to. On its own host only the path counts: behind a proxy the
        scheme is often wrong, and the token must never travel in the clear."""
        location = answer.headers.get("Location")
        if not location:
            return None
        location = joined(answer.url, self.rest.redact(location), DataRobotError)
        there, here = urlsplit(location), urlsplit(self.rest.base_url)
        if there.hostname == here.hostname:
            return there._replace(scheme="", netloc="").geturl()
        if there.scheme != "https":
            raise DataRobotError(
                f"DataRobot points to {without_userinfo(location)}, another host without TLS",
                hint="check the address that DataRobot gives itself",
            )
        return location


def _pause(usual: float, answer: Response) -> float:
    """Seconds to the next question: as the server asks, but never at once."""
    asked = retry_after(answer)
    return usual if asked is None else max(asked, _FIRST_PAUSE)


def _details(answer: Mapping[str, Any], asked: str | None) -> PackageDetails:
    found = text(answer, "id")
    if found is None or (asked is not None and found != asked):
        raise DataRobotError(
            f"model package {asked or ''}: the answer is about {found!r:.80}",
            hint="is this the address of DataRobot?",
        )
    target = part(answer, "target")
    names = target.get("classNames")
    return PackageDetails(
        id=checked(found),
        model_id=text(answer, "modelId"),
        execution_type=text(answer, "modelExecutionType"),
        build_status=text(answer, "buildStatus"),
        target_type=text(target, "type"),
        target_name=text(target, "name"),
        class_names=tuple(map(str, names)) if isinstance(names, list) else (),
    )
