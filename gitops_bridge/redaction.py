"""Text to the same text with the secrets in it blanked out, whatever spelling they are in.

Libraries and servers quote what they were given: by `repr`, as JSON, percent-encoded in an address,
for a shell, in base64 behind a user's name. So a Redactor looks for each of these forms.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

_MARK = "[redacted]"
_SHORTEST_LINE = 16
"""Characters of a line within a secret, such as a key's, that is looked for by itself."""
_SHORTEST_CODE = 8
"""Characters of base64 that are looked for: fewer occur by chance."""


def userinfo(url: str) -> str:
    """User and password of an address, as they stand there; "" where there are none. Of any text,
    also where the address is not valid."""
    found = re.match(r"(?:[^/@]*:)?(?://)?([^@]*)@", url)
    return found[1] if found else ""


class Redactor:
    """Blanks out `secrets`, and whatever is added later."""

    def __init__(self, *secrets: str) -> None:
        self._secrets: list[str] = []
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        news = [secret for secret in secrets if secret and secret not in self._secrets]
        self._secrets += news
        if news:
            self._pattern = None

    def __call__(self, text: str) -> str:
        if not self._secrets:
            return text
        if self._pattern is None:
            found = {form for secret in self._secrets for form in _forms(secret)}
            longest_first = sorted(found, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_written, longest_first)))
        return self._pattern.sub(_MARK, text)


def _written(form: str) -> str:
    """The pattern of a form, percent codes in upper or lower case."""
    return re.sub("%[0-9A-F]{2}", r"(?i:\g<0>)", re.escape(form))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield from _encoded(secret)
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (
            line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----")
        )


def _encoded(secret: str) -> Iterator[str]:
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))
    content = secret.encode("utf-8", "surrogateescape")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(content)[2:-1]
    yield shlex.quote(secret).removeprefix("'").removesuffix("'")
    yield html.escape(secret)
    yield from _in_base64(content)


def _in_base64(content: bytes) -> Iterator[str]:
    """How the bytes show in base64 of something longer: it depends on how many stand before them,
    modulo 3, and on the neighbours at both ends, which are left out."""
    for before in range(3):
        code = base64.b64encode(bytes(before) + content)
        inner = code[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6].decode()
        if len(inner) >= _SHORTEST_CODE:
            yield inner
            yield inner.translate(str.maketrans("+/", "-_"))
