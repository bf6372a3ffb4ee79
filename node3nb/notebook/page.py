"""What every display is made of: inert text, tables, quoted output; static, escaped, no script."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence

from node3nb.inert_text import inert, line

#: Lines and characters of a job's output that are shown; its end is what matters.
TAIL_LINES, TAIL_CHARS = 200, 16_384

#: Keeps a page's MathJax, 3 or later and 2, from taking `$…$` in an element for a formula, which
#: may hold links and be of any size (option `ignoreHtmlClass` of its finder of TeX).
NO_MATH = 'class="mathjax_ignore tex2jax_ignore"'

_PRE = "max-height: 24em; overflow: auto; margin: 0.3em 0; white-space: pre-wrap"


def tail(text: str) -> tuple[str, bool]:
    """Return the end of a job's output, inert, and whether its beginning was left out."""
    end = text[-TAIL_CHARS:]
    lines = end.splitlines(keepends=True)
    cut = len(end) < len(text) or len(lines) > TAIL_LINES
    return inert("".join(lines[-TAIL_LINES:])), cut


def escape(text: object) -> str:
    """Return a text that HTML shows as it is."""
    return html.escape(str(text))


def sentence(text: str) -> str:
    """Return a paragraph of HTML; nothing for an empty text."""
    return f'<p {NO_MATH} style="margin: 0.3em 0">{escape(inert(text))}</p>' if text else ""


def pre(label: str, text: str, *, name: str) -> str:
    """Return a job's output in HTML under a label; nothing when there is none.

    Parameters
    ----------
    label
        What it is.
    text
        All of it; its end is shown.
    name
        Where the reader finds all of it.
    """
    if not text:
        return ""
    shown, cut = tail(text)
    note = f" (its end; all of it is in <code>{escape(name)}</code>)" if cut else ""
    return (
        f'<div {NO_MATH} style="margin: 0.3em 0"><strong>{escape(label)}</strong>{note}'
        f'<pre style="{_PRE}">{escape(shown)}</pre></div>'
    )


def quoted(label: str, text: str) -> str:
    """Return a job's output as plain text under a label; nothing when there is none."""
    if not text:
        return ""
    shown, cut = tail(text)
    note = " (its end)" if cut else ""
    return f"{label}{note}:\n{textwrap.indent(shown.rstrip(), '  ')}"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values as an HTML table; empty values are left out."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(line(str(value), 300))}</td></tr>'
        for name, value in pairs
        if value not in {"", None}
    )
    return f"<table {NO_MATH}>{rows}</table>"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as an HTML table with a caption."""
    head = "".join(
        f'<th scope="col" style="text-align: left">{escape(each)}</th>' for each in heads
    )
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return (
        f'<table {NO_MATH}><caption style="text-align: left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f'<td style="text-align: left">{escape(line(each))}</td>' for each in row)


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as plain text in columns."""
    shown = [list(heads), *([line(each, 48) for each in row] for row in rows)]
    widths = [max(len(row[at]) for row in shown) for at in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    )


def paragraphs(*parts: str) -> str:
    """Return the parts that say something, one below the other."""
    return "\n".join(part for part in parts if part)
