"""A page in headless Chromium: what it measures, and how it looks.

    page = "<p>…</p>"
    measured(page, "document.body.scrollWidth", width=1300)
    screenshot(page, Path("page.png"), width=1300, height=900)

Debian's `chromium` by its command line alone: no driver, no network.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip

_DARK = ("--blink-settings=preferredColorScheme=0",)


def measured(
    page: str, expression: str, *, width: int, height: int = 900, dark: bool = False
) -> Any:
    """What the JavaScript `expression`, which may be a promise, gives as JSON once the page is
    there. A content security policy of the page would not let it run."""
    script = f"""
    addEventListener("load", async () => {{
      let said;
      try {{ said = await ({expression}); }} catch (error) {{ said = {{error: String(error)}}; }}
      document.documentElement.innerHTML = "<pre id=measured></pre>";
      document.getElementById("measured").textContent = JSON.stringify(said);
    }});
    """
    dumped = _run(
        f"{page}<script>{script}</script>", width, height, "--dump-dom",
        "--virtual-time-budget=20000", *(_DARK if dark else ()),
    )  # fmt: skip
    found = re.search(r'<pre id="measured">(.*?)</pre>', dumped, re.DOTALL)
    assert found, f"the page was not measured: {dumped[:500]}"
    value = json.loads(html.unescape(found[1]))
    assert not (isinstance(value, dict) and "error" in value), value
    return value


def screenshot(page: str, path: Path, *, width: int, height: int, dark: bool = False) -> None:
    """A picture of the top of the page."""
    _run(page, width, height, f"--screenshot={path}", *(_DARK if dark else ()))
    assert path.stat().st_size > 1000


def shown(page: str, fragment: str = "") -> str:
    """The document as the page's own script left it, opened at `#fragment`."""
    return _run(page, 1300, 900, "--dump-dom", fragment=fragment)


def _run(page: str, width: int, height: int, *flags: str, fragment: str = "") -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        finished = subprocess.run(
            ["chromium", *_FLAGS, f"--user-data-dir={folder}/profile",
             f"--window-size={width},{height}", *flags, f"{file.as_uri()}#{fragment}"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
