"""How people write an image's name in settings, Dockerfiles and manifests.

`build`, `dockerfile` and `job_check` read names by these; the grammar is that of
https://github.com/distribution/reference, without IPv6 hosts.
"""

from __future__ import annotations

import re

_HOST = r"(?:localhost|(?=[^/]*[.:])[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?)"
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"

REPOSITORY = re.compile(rf"{_HOST}(?:/{_PATH})+")
"""Where images go: a registry's host and a path there."""

IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
"""An image to pull, with tag, digest, both or neither."""
