"""The sections `render` and `trust`: how overlays are rendered for the proof, and what of a team's
own is expected in them."""

from __future__ import annotations

import re
import shlex

from gitops_bridge.config.model import Render, Trust
from gitops_bridge.config.section import Section

_OPTIONS = {
    "--load-restrictor": {"LoadRestrictionsNone", "LoadRestrictionsRootOnly"},
    "--reorder": {"legacy", "none"},
    "--enable-managedby-label": {"true", "false"},
}
"""What may be passed on, of the options of `kustomize build`: those that neither run a program nor
ask the network. https://github.com/kubernetes-sigs/kustomize/tree/master/kustomize/commands/build"""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9][\w.:/-]*")


def render(section: Section) -> Render:
    remote = section.section("remote")
    found = Render(
        options=_options(section),
        hosts=remote.texts("allow", _host),
    )
    remote.finish()
    section.finish()
    return found


def trust(section: Section) -> Trust:
    found = Trust(
        builders=section.texts("builders", _word),
        sidecars=section.texts("sidecars", _word),
        service_accounts=section.texts("service_accounts", _word),
    )
    section.finish()
    return found


def _options(section: Section) -> tuple[str, ...]:
    """Each option with its value in one argument, as `--name=value`."""
    try:
        words = shlex.split(section.text("options") or "")
    except ValueError as error:
        section.problem("options", f"cannot be read: {error}")
        return ()
    found = []
    while words:
        name, equals, value = words.pop(0).partition("=")
        values = _OPTIONS.get(name)
        if values is None:
            section.problem(
                "options",
                f"{name!r:.60} is not used here: only {', '.join(_OPTIONS)} are, because rendering "
                "must not run programs or ask the network; leave it out",
            )
            continue
        if not equals:
            takes_next = words and ("true" not in values or words[0] in values)
            value = words.pop(0) if takes_next else "true"
        if value not in values:
            section.problem(
                "options", f"{name} is {value!r:.60}, not {' or '.join(sorted(values))}"
            )
        found.append(f"{name}={value}")
    return tuple(found)


def _host(text: str) -> str | None:
    return None if _HOST.fullmatch(text) else "is not a host in lower case, such as github.com"


def _word(text: str) -> str | None:
    return None if _WORD.fullmatch(text) else "is not a name"
