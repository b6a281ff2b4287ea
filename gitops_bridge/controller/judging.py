"""Deployments as Git wants them, to what the cluster shows of each.

One list per kind for a whole environment, or narrowed to one deployment. Without a cluster in the
configuration there are no verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, images
from gitops_bridge.controller.context import Context
from gitops_bridge.desired.record import Serving
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import TreeReader
from gitops_bridge.live.wanted import Goal, Wanted
from gitops_bridge.rollout.state import Phase, State

if TYPE_CHECKING:
    from gitops_bridge.live.verdict import Verdict

_PENDING = (Phase.BUILDING, Phase.IN_REVIEW, Phase.BLOCKED)


class Judge:
    """Judges deployments of one environment; asked within the time `until`, by the monotonic
    clock. `main` is the branch as it was last seen."""

    def __init__(
        self, ctx: Context, environment: Environment, main: TreeReader, until: float
    ) -> None:
        self._ctx = ctx
        self._environment = environment
        self._main = main
        self._remaining: Callable[[], float] = lambda: max(0.0, until - ctx.monotonic())
        self._trees = cache(self._read_trees)
        self.unknown: tuple[str, ...] = ()
        """Deployments of which something runs, though neither Git nor DataRobot knows them."""

    def one(self, deployment: str, serving: Serving | None, state: State) -> Verdict | None:
        """What the cluster shows of one deployment, by lists narrowed to it."""
        reader = self._ctx.cluster()
        if reader is None:
            return None
        from gitops_bridge.cluster import verdict_of

        wanted = self.wanted(deployment, serving, state)
        return verdict_of(reader, self._environment, wanted, self._remaining)

    def all(
        self, deployments: Mapping[str, tuple[Serving | None, State]], known: Iterable[str]
    ) -> dict[str, Verdict]:
        """What it shows of many; `known` are those that Git has, asked about or not."""
        reader = self._ctx.cluster()
        if reader is None:
            return {}
        from gitops_bridge.cluster import verdicts_of

        observation = reader.read(self._environment, self._remaining)
        self.unknown = tuple(sorted(observation.deployments - {*deployments, *known}))
        wanted = [self.wanted(name, *found) for name, found in deployments.items()]
        return verdicts_of(reader, self._environment, wanted, observation, self._remaining)

    def wanted(self, deployment: str, serving: Serving | None, state: State) -> Wanted:
        """What Git wants of it: what main serves, and what is on its way there."""
        known = state.answered is not None or state.rollouts > 0
        goal = Goal.SERVE if serving else Goal.STOP if known else Goal.NONE
        wanted = Wanted(
            self._environment.name,
            deployment,
            goal,
            build_job=self._job(serving, state),
            superseded=self._is_superseded(serving, state),
            covers=lambda revision: self._covers(deployment, revision),
            root=self._ctx.config.repository.root,
        )
        if serving:
            image = images.parsed(serving.image)
            digests = {image.digest: serving.model} if image and image.digest else {}
            wanted = replace(
                wanted, model=serving.model, image=image, restarts=serving.restarts,
                previous_model=serving.replaces, models=digests,
            )  # fmt: skip
        if state.phase in _PENDING and state.wish and state.wish.model_id:
            wanted = replace(wanted, pending_model=state.wish.model_id)
        return wanted

    def _job(self, serving: Serving | None, state: State) -> str | None:
        """The Job whose image is waited for: before the delivery or, without a gate, after it."""
        if state.phase is Phase.BUILDING:
            image = state.image
        else:
            image = serving.image if serving and "@" not in serving.image else None
        path = builds.job_of(self._ctx, image) if image else None
        return path.rpartition("/")[2].removesuffix(".yaml") if path else None

    def _is_superseded(self, serving: Serving | None, state: State) -> bool:
        """Whether a person put another model on main than the last request asked for."""
        asked = state.answered.model_id if state.answered else None
        return serving is not None and asked is not None and serving.model != asked

    def _covers(self, deployment: str, revision: str) -> bool:
        """Whether a commit holds the deployment's `model/` as main does."""
        path = f"{deployment}/model"
        ours = self._trees(self._main.commit).get(path)
        return ours is not None and self._trees(revision).get(path) == ours

    def _read_trees(self, revision: str) -> Mapping[str, str]:
        try:
            reader = self._ctx.repository.reader_of(revision)
            return reader.folders_below(f"overlays/{self._environment.name}")
        except BridgeError:
            return {}
