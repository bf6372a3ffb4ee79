"""Completion of `%node3`: subcommands, options, and the values they choose from."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from node3nb.job_checks import is_job_id
from node3nb.notebook import commands
from node3nb.notebook.commands import COMMANDS

_LINE = re.compile(r"^(?:%%|(?:\s*[\w.]+\s*=)?\s*%)node3\s+(?P<rest>.*)$")


#: Subcommands that take a job.
_OF_JOBS = frozenset({"job", "logs", "outputs"})
#: An action that takes one.
_CANCEL = ["market", "cancel"]


def matcher(job_ids: Callable[[], Iterable[str]], names: Callable[[], Iterable[str]]) -> Any:
    """Return what IPython's completer asks.

    Parameters
    ----------
    job_ids
        Returns the ids of the jobs there are now.
    names
        Returns the notebook's variables.
    """

    @context_matcher()  # type: ignore[untyped-decorator, unused-ignore]
    def node3_matcher(context: CompletionContext) -> dict[str, Any]:
        line = _LINE.match(context.text_until_cursor)
        if line is None:
            return {"completions": [], "suppress": False}
        *before, begun = re.split(r"\s+", line["rest"])
        if before[-1:] == ["--in"]:
            begun = begun.rpartition(",")[2]
            offered = names()
        else:
            offered = words(before, job_ids)
        found = sorted(word for word in offered if word.startswith(begun))
        return {
            "completions": [SimpleCompletion(text=word, type="param") for word in found],
            "matched_fragment": begun,
            "suppress": True,
        }

    return node3_matcher


def words(before: list[str], job_ids: Callable[[], Iterable[str]]) -> Iterable[str]:
    """Return what may follow the words that stand there already."""
    if not before:
        return COMMANDS
    if before[0] not in COMMANDS:
        return ()
    parser = commands.parser(before[0])
    asked = parser.options.get(before[-1])
    if asked is not None and asked.nargs != 0:
        return _choices(asked)
    options = [name for name in parser.options if name.startswith("--") and name not in before]
    cancels = before[:2] == _CANCEL
    values = [] if cancels else [value for each in parser.positionals for value in _choices(each)]
    ids = filter(is_job_id, job_ids()) if cancels or before[0] in _OF_JOBS else ()
    return [*options, *values, *ids]


def _choices(action: argparse.Action) -> list[str]:
    return [str(choice) for choice in action.choices or ()]
