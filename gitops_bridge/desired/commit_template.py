"""A team's pattern for commit messages and our message to one that a server with such a rule takes.

Servers that demand an issue number or a prefix look at the first line mostly, so the pattern is
about it; body and trailers follow as they are.
"""

from __future__ import annotations

SUBJECT = "{subject}"


def framed(message: str, template: str | None) -> str:
    """The message with its first line in the template's, and the template's other lines behind the
    body, before the trailers."""
    if not template:
        return message
    subject, _, rest = message.partition("\n")
    first, _, more = template.rstrip().partition("\n")
    lines = rest.strip("\n")
    body, _, trailers = lines.rpartition("\n\n")
    if not _are_trailers(trailers):
        body, trailers = lines, ""
    parts = (first.replace(SUBJECT, subject), body, more.strip("\n"), trailers)
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _are_trailers(text: str) -> bool:
    lines = text.splitlines()
    return bool(lines) and all(
        ": " in line and " " not in line.partition(": ")[0] for line in lines
    )
