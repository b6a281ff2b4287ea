"""A transition to its commit message on the branch `rollouts`, and that message to an AuditEntry.

What users wrote (names, reasons) is data: it is cleaned to one line each, so that it can neither
become a trailer nor end a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gitops_bridge.actions import Action
from gitops_bridge.desired import messages
from gitops_bridge.desired.messages import clean, inert
from gitops_bridge.rollout.machine import Transition
from gitops_bridge.rollout.state import Phase, State, Who, Wish

EVENT = "Rollout-Event"
ENVIRONMENT = "Environment"
BY = "By"
COMMIT = "Commit"
REASON = "Reason"

_TITLE = 72  # characters
_SHORTEST_NAME = 12  # characters of a deployment's name that a title keeps
_CHANGES = {
    Action.DEPLOYMENT_START: "start",
    Action.DEPLOYMENT_REPLACE_MODEL: "replace model of",
    Action.DEPLOYMENT_RELAUNCH: "relaunch",
    Action.DEPLOYMENT_STOP: "stop",
}
_TRAILER = re.compile(r"([A-Za-z0-9-]+): (.*)")
_WHO = re.compile(r"(?P<name>.*?)(?: <(?P<email>[^<>]*)>)?")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class AuditEntry:
    """One transition as history tells it; what does not apply to it is "" or None.

    event         as in the transition table: "asked", "proposed", "delivered", "rejected" …
    action        the action of DataRobot that it is about; None for a rollback or a hold
    rolled_back   the commit that a rollback goes back to
    model         the model's id, and `previous` the one that it replaces
    pull_request  its address
    by            the person who caused it; `by.where` is their commit or the pull request
    """

    event: str
    title: str
    environment: str
    deployment: str
    action: Action | None = None
    rolled_back: str = ""
    model: str = ""
    previous: str = ""
    image: str = ""
    pull_request: str = ""
    by: Who | None = None
    reason: str = ""


def message(
    before: State,
    transition: Transition,
    *,
    environment: str,
    deployment: str,
    name: str,
    image: str | None = None,
) -> str:
    """The message of the commit that moves the state on: a title, what and why, trailers.

    `name` is the deployment's name in DataRobot, `image` what was delivered, by digest if known.
    """
    paragraphs = [
        _title(transition, environment, clean(name) or deployment),
        " ".join(_body(transition)),
        "\n".join(
            f"{key}: {value}"
            for key, value in _trailers(before, transition, environment, deployment, image)
            if value
        ),
    ]
    return "\n\n".join(paragraphs) + "\n"


def entry(text: str) -> AuditEntry | None:
    """The entry in a commit's message; None when it is not one, or of no interest to people."""
    title, _, rest = text.strip().partition("\n")
    trailers = _read_trailers(rest)
    if EVENT not in trailers:
        return None
    pull_request, commit = trailers.get(messages.PULL_REQUEST, ""), trailers.get(COMMIT, "")
    return AuditEntry(
        event=trailers[EVENT],
        title=title,
        environment=trailers.get(ENVIRONMENT, ""),
        deployment=trailers.get(messages.DEPLOYMENT, ""),
        action=_read_action(trailers.get(messages.ACTION, "")),
        rolled_back=trailers.get(messages.ROLLED_BACK_TO, ""),
        model=trailers.get(messages.MODEL, ""),
        previous=trailers.get(messages.PREVIOUS_MODEL, ""),
        image=trailers.get(messages.IMAGE, ""),
        pull_request=pull_request,
        by=_read_who(trailers.get(BY, ""), commit or pull_request),
        reason=trailers.get(REASON, ""),
    )


def _title(transition: Transition, environment: str, name: str) -> str:
    event = transition.event or "cleaned up"
    change = "" if event == "rolled back" else _change(transition.wish)
    start, end = f"{event.capitalize()}: {change}", f" in {environment}"
    room = max(_TITLE - len(start) - len(end), _SHORTEST_NAME)
    return inert(f"{start}{clean(name, room)}{end}", _TITLE)


def _change(wish: Wish | None) -> str:
    if wish is None:
        return ""
    if wish.request is None:
        return "roll back "
    word = _CHANGES.get(wish.request.action)
    return f"{word} " if word else ""


def _body(transition: Transition) -> Iterator[str]:
    """Why, then what: the situation in words, and the model."""
    why = transition.situation.value
    yield f"{why[0].upper()}{why[1:]}."
    request = transition.wish.request if transition.wish else None
    if request and request.model:
        title = inert(request.model.name or "", 80)
        yield f"Model {request.model.id}" + (f" ({title})." if title else ".")


def _trailers(
    before: State,
    transition: Transition,
    environment: str,
    deployment: str,
    image: str | None,
) -> Iterator[tuple[str, str]]:
    wish, by, after = transition.wish, transition.by, transition.state
    request = wish.request if wish else None
    yield EVENT, transition.event
    yield ENVIRONMENT, environment
    yield messages.DEPLOYMENT, deployment
    yield messages.ACTION, request.action.value if request else ""
    yield messages.ROLLED_BACK_TO, clean(wish.rollback_to) if wish else ""
    yield messages.MODEL, (wish.model_id or "") if wish else ""
    yield messages.PREVIOUS_MODEL, (request.previous_model_id or "") if request else ""
    yield messages.IMAGE, clean(image or after.image or "", 500)
    yield messages.PULL_REQUEST, clean(_address(before, after, wish), 500)
    if by:
        yield BY, _who(by)
        yield COMMIT, by.where if _COMMIT.fullmatch(by.where) else ""
    yield REASON, inert(transition.reason, 1000)


def _address(before: State, after: State, wish: Wish | None) -> str:
    """The pull request, where the transition is about what is under review there."""
    review = after.review or before.review
    if review is None or wish is None:
        return ""
    is_about = wish == review.wish or wish.same(review.wish) or after.phase is Phase.BLOCKED
    return review.url if is_about else ""


def _who(who: Who) -> str:
    """As git names people; what would look like an e-mail address in a name does not."""
    name = inert(who.name.replace("<", " ").replace(">", " "), 80) or "somebody"
    email = clean(who.email.replace("<", " ").replace(">", " "), 200)
    return f"{name} <{email}>" if email else name


def _read_who(text: str, where: str) -> Who | None:
    found = _WHO.fullmatch(text)
    return Who(found["name"], found["email"] or "", where) if found and text else None


def _read_action(text: str) -> Action | None:
    return Action(text) if text in {action.value for action in Action} else None


def _read_trailers(text: str) -> dict[str, str]:
    """The `Key: value` lines of the last paragraph."""
    lines = re.split(r"\n\s*\n", text.strip())[-1].split("\n")
    found = [_TRAILER.fullmatch(line) for line in lines]
    pairs = {match[1]: match[2].strip() for match in found if match}
    return pairs if len(pairs) == len(lines) else {}
