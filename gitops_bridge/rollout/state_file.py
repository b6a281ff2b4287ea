"""A State to `<environment>/<deployment>.yaml` on the branch `rollouts`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import Action, Deployment, Request
from gitops_bridge.desired import record as records
from gitops_bridge.errors import RenderError
from gitops_bridge.rollout.state import Phase, Review, State, Who, Wish

_HEADER = "# Where this rollout stands; written by gitops-bridge, not for editing.\n"


def path(environment: str, deployment: str) -> str:
    return f"{environment}/{deployment}.yaml"


def write(state: State) -> bytes:
    """The file's text; the same state gives the same bytes."""
    data: dict[str, Any] = {
        "phase": state.phase.value,
        "rollouts": state.rollouts,
        "delivered": state.delivered,
        "tree": state.tree or None,
        "answered": _wish(state.answered),
        "wish": _wish(state.wish),
        "base": state.base,
        "image": state.image,
        "since": state.since or None,
        "review": _review(state.review),
        "reason": state.reason or None,
        "by": _who(state.by),
        "hold": _who(state.hold),
        "told": state.told or None,
    }
    return (_HEADER + documents.dump(_given(data))).encode()


def read(text: bytes, where: str) -> State:
    """The state in a file. Raises RenderError that names `where`."""
    try:
        data = documents.load(text)
        return State(
            phase=Phase(data["phase"]),
            answered=_wish_from(data.get("answered")),
            delivered=data.get("delivered"),
            tree=str(data.get("tree", "")),
            rollouts=int(data["rollouts"]),
            wish=_wish_from(data.get("wish")),
            base=data.get("base"),
            image=data.get("image"),
            since=int(data.get("since", 0)),
            review=_review_from(data.get("review")),
            reason=str(data.get("reason", "")),
            by=_who_from(data.get("by")),
            hold=_who_from(data.get("hold")),
            told=str(data.get("told", "")),
        )
    except (documents.InvalidYaml, RenderError, KeyError, TypeError, ValueError) as error:
        raise RenderError(
            f"{where} on the branch of rollouts cannot be read: {type(error).__name__}: {error}",
            hint="git revert the commit that changed it by hand, or remove the file: what main "
            "holds then counts as delivered, and nothing waits",
        ) from None


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _who(who: Who | None) -> dict[str, Any] | None:
    return {key: value for key, value in asdict(who).items() if value} if who else None


def _who_from(data: Mapping[str, Any] | None) -> Who | None:
    return Who(**data) if data else None


def _wish(wish: Wish | None) -> dict[str, Any] | None:
    if wish is None:
        return None
    return _given(
        {
            "request": _request(wish.request) if wish.request else None,
            "rollback_to": wish.rollback_to or None,
            "by": _who(wish.by),
            "restarts": wish.restarts,
            "over": wish.over or None,
        }
    )


def _wish_from(data: Mapping[str, Any] | None) -> Wish | None:
    if data is None:
        return None
    return Wish(
        request=_request_from(data["request"]) if "request" in data else None,
        rollback_to=str(data.get("rollback_to", "")),
        by=_who_from(data.get("by")),
        restarts=data.get("restarts"),
        over=bool(data.get("over", False)),
    )


def _request(request: Request) -> dict[str, Any]:
    """A request as its record tells it; a stop has no model, so it has no record."""
    if request.model is not None:
        return records.asked(request)
    deployment = request.deployment
    return {
        "deployment": deployment.id if deployment else "",
        "name": deployment.name if deployment else "",
        "action": request.action.value,
        "environment": request.environment_id,
    }


def _request_from(data: Mapping[str, Any]) -> Request:
    if "model" in data:
        return records.request_from(data)
    deployment = Deployment(str(data["deployment"]), str(data["name"]))
    return Request(Action(data["action"]), str(data["environment"]), deployment)


def _review(review: Review | None) -> dict[str, Any] | None:
    if review is None:
        return None
    return _given(
        {
            "head": review.head,
            "content": review.content,
            "tree": review.tree or None,
            "base": review.base,
            "number": review.number,
            "url": review.url or None,
            "suspended": review.suspended or None,
            "earlier": list(review.earlier) or None,
            "ended": review.ended,
            "wish": _wish(review.wish),
        }
    )


def _review_from(data: Mapping[str, Any] | None) -> Review | None:
    if data is None:
        return None
    return Review(
        wish=_wish_from(data["wish"]) or Wish(),
        content=data.get("content"),
        tree=str(data.get("tree", "")),
        head=str(data["head"]),
        base=data.get("base"),
        number=data.get("number"),
        url=str(data.get("url", "")),
        suspended=bool(data.get("suspended", False)),
        earlier=tuple(data.get("earlier", ())),
        ended=data.get("ended"),
    )
