"""The page's files, joined into the one module and the one style sheet that a widget has."""

from __future__ import annotations

import functools
import re
from importlib import resources

#: Every module, those first on which others depend.
MODULES = (
    "elements.js",
    "icons.js",
    "words.js",
    "store.js",
    "controls.js",
    "meters.js",
    "limits.js",
    "job_rows.js",
    "job_list.js",
    "main.js",
)
STYLES = ("style.css", "jobs.css")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[a-z_]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const |function |class )", re.MULTILINE)


@functools.cache
def module() -> str:
    """Return the page as one module without imports: a widget's module has no address of its own.

    Modules import each other by plain lines that fall away when all stand in one text; names at
    their top are therefore unique among all of them.
    """
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in MODULES)


@functools.cache
def style() -> str:
    """Return its style sheet."""
    return "\n".join(map(_read, STYLES))


def _read(name: str) -> str:
    return (resources.files(__package__) / "view" / name).read_text(encoding="utf-8")
