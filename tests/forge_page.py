"""A pull request as a reviewer sees it: GitHub's own Markdown parser, the measures of its page.

A column of 838 pixels in a window of 1300, tables as wide as what is in them up to that, code in a
monospaced font of 85 %.
"""

from __future__ import annotations

import html

import cmarkgfm
from cmarkgfm.cmark import Options

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0; font: 14px/1.5 "DejaVu Sans", sans-serif; color: #1f2328; background: #fff; }
main { width: 1300px; padding: 24px 32px; }
h1 { width: 838px; font-size: 24px; font-weight: 400; margin: 0 0 16px; }
article { width: 838px; border: 1px solid #d1d9e0; border-radius: 6px; padding: 16px;
  word-wrap: break-word; }
article > :first-child { margin-top: 0; }
h3 { font-size: 1.25em; margin: 24px 0 16px; }
table { display: block; width: max-content; max-width: 100%; overflow: auto;
  border-collapse: collapse; margin: 0 0 16px; }
th, td { padding: 6px 13px; border: 1px solid #d1d9e0; text-align: left; }
tr:nth-child(2n) { background: #f6f8fa; }
code { font: 85% "DejaVu Sans Mono", monospace; padding: .2em .4em; border-radius: 6px;
  background: #818b981f; white-space: break-spaces; }
pre { padding: 16px; overflow: auto; background: #f6f8fa; border-radius: 6px; }
pre code { padding: 0; background: none; white-space: pre; }
details { margin-bottom: 16px; }
"""


def page(title: str, body: str) -> str:
    shown = cmarkgfm.github_flavored_markdown_to_html(body, Options.CMARK_OPT_UNSAFE)
    return (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>"
        f"<main><h1>{html.escape(title)}</h1><article>{shown}</article></main>"
    )
