"""What a program printed on a terminal of 80 columns, to a page that looks like the terminal."""

from __future__ import annotations

import html
import re

from gitops_bridge.cli.progress import FRAMES

PROGRESS = re.compile(rf"\r\x1b\[K(?:[{FRAMES}][^\r\n]*)?")
_COLOURS = {"31": "#f07178", "32": "#a6d189", "33": "#e5c890", "34": "#8caaee", "36": "#81c8be"}
_STYLE = """
body { margin: 0; background: #232634 }
pre { font: 15px/1.35 "DejaVu Sans Mono", monospace; color: #c6d0f5; width: 80ch;
      padding: 16px 20px; margin: 0; overflow: hidden }
"""


def page(printed: str) -> str:
    """The page; sequences other than colours, bold and dim are left out."""
    text = PROGRESS.sub("", printed)
    parts = re.split(r"\x1b\[([\d;]*)m", text)
    body, open_spans = html.escape(parts[0]), 0
    for codes, piece in zip(parts[1::2], parts[2::2], strict=True):
        if codes in ("", "0"):
            body += "</span>" * open_spans
            open_spans = 0
        else:
            body += f'<span style="{_style(codes)}">'
            open_spans += 1
        body += html.escape(re.sub(r"\x1b\[[^m]*[A-Za-z]", "", piece))
    spans = "</span>" * open_spans
    return f'<meta charset="utf-8"><style>{_STYLE}</style><pre>{body}{spans}</pre>'


def _style(codes: str) -> str:
    rules = [f"color: {_COLOURS[code]}" for code in codes.split(";") if code in _COLOURS]
    rules += ["font-weight: bold"] if "1" in codes.split(";") else []
    rules += ["opacity: .7"] if "2" in codes.split(";") else []
    return "; ".join(rules)
