"""A body's template, shipped or a team's own, to the function that renders it.

Whatever a template prints is quoted as code (see `markdown`) unless it is markup made by us, so
that a name cannot steer the page whoever wrote the template. Templates are sandboxed: they see the
values they are handed and nothing of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from gitops_bridge.desired.markdown import Markdown, code
from gitops_bridge.desired.messages import clean
from gitops_bridge.errors import ConfigError

TEMPLATE = "templates/pull_request.md.j2"

Render = Callable[[Mapping[str, Any]], str]


def renderer(template: str | None) -> Render:
    """Raises ConfigError for a template that cannot be parsed; rendering raises it as well."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=_quoted, keep_trailing_newline=False
    )
    try:
        parsed = environment.from_string(template or _shipped())
    except jinja2.TemplateSyntaxError as error:
        raise _unusable(f"line {error.lineno}: {error.message}") from None

    def render(context: Mapping[str, Any]) -> str:
        try:
            return parsed.render(context).strip() + "\n"
        except (jinja2.TemplateError, *_FAULTS) as error:
            raise _unusable(f"{type(error).__name__}: {error}") from None

    return render


_FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


def _quoted(value: object) -> object:
    """What Jinja prints of an expression; undefined ones are left to its own complaint."""
    import jinja2

    if isinstance(value, (Markdown, jinja2.Undefined)):
        return value
    return code(value)


def _shipped() -> str:
    return (resources.files("gitops_bridge.desired") / TEMPLATE).read_text(encoding="utf-8")


def _unusable(reason: str) -> ConfigError:
    return ConfigError(
        f"{TEMPLATE} of the repository cannot be used: {clean(reason, 300)}",
        hint="`gitops-bridge help pull-requests` lists what a template may print",
    )
