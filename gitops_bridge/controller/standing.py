"""Looks of a process that stays: every environment a step further, and each delivery followed until
it serves. What a look finds unchanged costs one fetch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gitops_bridge.config import Environment
from gitops_bridge.controller import collecting, fleet, looking, recovery, requesting
from gitops_bridge.controller.announcing import Announcer
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.following import Flight, follow, show_hold
from gitops_bridge.controller.loop import Result
from gitops_bridge.controller.observing import Target
from gitops_bridge.errors import BridgeError
from gitops_bridge.rollout.answer import View, describe
from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Phase
from gitops_bridge.serving import LookResult, Span

_LONGEST_LOOK = 600.0  # seconds
_RECENT = 3600.0  # seconds; what was delivered before a process began is followed this long
_REVERTED = (Situation.REPLAYED, Situation.MOVED)


@dataclass
class _Place:
    """One environment as the last look left it: branches, `model/` trees, deliveries under way."""

    environment: Environment
    commits: tuple[str, str] = ("", "")
    trees: dict[str, str] | None = None
    flights: dict[str, Flight] = field(default_factory=dict)
    is_quiet: bool = False


class Standing:
    """Keeps between looks what a look need not find out again."""

    def __init__(
        self, ctx: Context, environments: Iterable[Environment], *, from_datarobot: bool = False
    ) -> None:
        self._ctx = ctx
        self._places = [_Place(environment) for environment in environments]
        self._announcer = Announcer(ctx)
        self._from_datarobot = from_datarobot
        self._shown: dict[Target, str] = {}

    @property
    def follows(self) -> bool:
        """Whether a change in a cluster may be news: a delivery, or a build, is under way."""
        return any(place.flights or not place.is_quiet for place in self._places)

    def look(self) -> Sequence[LookResult]:
        """What was done, and for which deployments. Raises BridgeError when Git cannot be read."""
        until = self._ctx.monotonic() + _LONGEST_LOOK
        with self._ctx.repository.limited(lambda: until - self._ctx.monotonic()):
            return self._look()

    def _look(self) -> Sequence[LookResult]:
        self._ctx.repository.fetch()
        recovery.ensure(self._ctx)
        found: list[LookResult] = []
        for place in self._places:
            if self._from_datarobot:
                found += requesting.requests(self._ctx, place.environment)
            found += self._look_at(place)
        self._announcer.tell()
        if found:
            collecting.collect(self._ctx)
        self._ctx.repository.maintain()
        return found

    def _look_at(self, place: _Place) -> list[LookResult]:
        commits = self._commits()
        if place.is_quiet and commits == place.commits and not place.flights:
            return []
        found = [*self._steps(place), *self._follow(place)]
        place.commits = self._commits()
        return found

    def _commits(self) -> tuple[str, str]:
        repository, settings = self._ctx.repository, self._ctx.config.repository
        return (
            repository.branch(settings.branch) or "",
            repository.branch(settings.rollouts_branch) or "",
        )

    def _steps(self, place: _Place) -> Iterable[LookResult]:
        """Each rollout that is not settled a step further."""
        ctx, environment = self._ctx, place.environment
        main = ctx.repository.tree_reader(ctx.config.repository.branch, fetch=False)
        rollouts = ctx.repository.reader_of_last_seen(ctx.config.repository.rollouts_branch)
        unsettled = ctx.listing.unsettled(main, rollouts, environment.name)
        until = ctx.monotonic() + ctx.config.actions.budget
        place.is_quiet = True
        for target, run in looking.look(ctx, environment, unsettled, until=until):
            result = self._result(target, run)
            place.is_quiet = place.is_quiet and not result.waiting and result.problem is None
            yield result

    def _result(self, target: Target, run: Result | BridgeError) -> LookResult:
        where = target.environment.name, target.deployment
        if isinstance(run, BridgeError):
            return LookResult(*where, "problem", problem=str(run), waiting=True)
        from gitops_bridge.controller import views

        view = views.of_result(self._ctx, target, run)
        self._announcer.moved(target, view)
        self._show_hold(target, view)
        phase = run.state.phase
        said = describe(view)
        reverted = [
            made.by.name for made in run.transitions if made.situation in _REVERTED and made.by
        ]
        spans: dict[Span, float] = {}
        if run.commit and run.since:
            spans["action_to_commit"] = run.commit.time - run.since
        return LookResult(
            *where,
            "delivered" if run.commit else phase.value,
            said,
            problem=said if phase is Phase.FAILED else None,
            held=phase is Phase.HELD,
            waiting=phase in (Phase.BUILDING, Phase.IN_REVIEW, Phase.BLOCKED),
            reverted_by=reverted[0] if reverted else None,
            spans=spans,
            pushes=sum(made.push is not None for made in run.transitions),
        )

    def _show_hold(self, target: Target, view: View) -> None:
        """On the Application in Argo CD, once when it begins and once when it ends."""
        if not self._ctx.config.controller.notices:
            return
        text = describe(view) if view.state.phase is Phase.HELD else ""
        if text != self._shown.get(target, ""):
            show_hold(self._ctx, target.environment, target.deployment, text)
            self._shown[target] = text

    def _follow(self, place: _Place) -> Iterable[LookResult]:
        """Deliveries until they serve; without a cluster nobody can tell."""
        ctx, environment = self._ctx, place.environment
        if ctx.config.cluster is None:
            return
        self._take_off(place)
        if not place.flights:
            return
        until = ctx.monotonic() + ctx.config.actions.budget
        found = fleet.look_at(
            ctx, environment, sorted(place.flights), until=until, read_only=True, fetch=False
        )
        for name, view in found.views.items():
            result, is_over = follow(ctx, environment, place.flights[name], view, self._announcer)
            if is_over:
                del place.flights[name]
            yield result

    def _take_off(self, place: _Place) -> None:
        """The deployments whose `model/` on main is another one than at the last look."""
        repository, name = self._ctx.repository, place.environment.name
        main = repository.tree_reader(self._ctx.config.repository.branch, fetch=False)
        folders = main.folders_below(f"overlays/{name}")
        trees = {path.split("/")[0]: it for path, it in folders.items() if path.endswith("/model")}
        before, place.trees = place.trees, trees
        if before is not None:
            moved = {it for it in before.keys() | trees.keys() if before.get(it) != trees.get(it)}
            if not moved:
                return
        touches = repository.newest_touches(main.commit, f"overlays/{name}")
        young = self._ctx.clock() - _RECENT
        for deployment, touch in touches.items():
            is_new = touch.time >= young if before is None else deployment in moved
            if is_new and deployment != "environment":
                place.flights[deployment] = Flight(deployment, touch.id, touch.time)
