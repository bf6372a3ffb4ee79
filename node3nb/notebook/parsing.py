"""Lines of magics: split, expanded, parsed; what can't be obeyed says how it is written."""

from __future__ import annotations

import argparse
import difflib
import functools
import keyword
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from IPython.utils.text import DollarFormatter

from node3nb.errors import ConfigError

#: Width of a usage text, in columns; fixed, so that a notebook's output does not change.
WIDTH = 88
#: Options whose value is never expanded: names, and what may hold braces of its own.
_AS_WRITTEN = frozenset({"-o", "--env", "--in", "--out"})

#: First of the characters that stand for expressions while a line is split: for private use.
_HELD = 0xE000
#: What a `{expression}` outside quotes is; inside them it is found by its quotes.
_QUOTED_OR_EXPRESSION = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|(\{[^{}]*\})""")

_Value = TypeVar("_Value")


class Misused(Exception):
    """The line can't be obeyed; the message says what is wrong and how it is written."""


class HelpAsked(Exception):
    """The reader wants to know how it is written; the message is the help."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises where others print and exit."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=functools.partial(argparse.HelpFormatter, width=WIDTH),
            add_help=False,
            allow_abbrev=False,
        )
        self.color = False  # Python 3.14 would colour the usage
        self.add_argument("-h", "--help", action=_Help, help="show this help")

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Every option by the strings that name it."""
        return dict(self._option_string_actions)

    @property
    def positionals(self) -> list[argparse.Action]:
        """The arguments that are no options, in their order."""
        return self._get_positional_actions()

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words say.

        Raises
        ------
        Misused
            They say something that is not understood.
        HelpAsked
            They ask for help.
        """
        args, unknown = self.parse_known_args(words)
        if unknown:
            self.error(unexpected("option or argument", unknown[0], self.options))
        return args

    def error(self, message: str) -> NoReturn:
        """Raise what others print."""
        raise Misused(f"{message}\n{self.format_usage().strip()}")


class _Help(argparse.Action):
    """Raises the help of its parser, whatever else the line lacks."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise HelpAsked(parser.format_help().strip())


def split(text: str) -> list[str]:
    """Return the words of a line; quotes and braces keep words together, a last `;` is left out.

    Raises
    ------
    Misused
        A quotation has no end.
    """
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        held.append(match[1])
        return chr(_HELD + len(held) - 1)

    line = _QUOTED_OR_EXPRESSION.sub(hold, text.strip().removesuffix(";"))
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if os.name == "nt":
        lexer.escape = ""
    stands_for = {_HELD + at: expression for at, expression in enumerate(held)}
    try:
        return [word.translate(stands_for) for word in lexer]
    except ValueError:
        raise Misused("A quotation mark on the line has no partner; add or remove one.") from None


def expand(words: Iterable[str], names: Mapping[str, Any]) -> list[str]:
    """Return the words with `$name` and `{expression}` replaced by what the notebook has.

    Raises
    ------
    Misused
        An expression can't be worked out.
    """
    expanded: list[str] = []
    before = ""
    for word in words:
        as_written = before in _AS_WRITTEN or word.partition("=")[0] in _AS_WRITTEN
        expanded.append(word if as_written else _expand(word, names))
        before = word
    return expanded


def _expand(word: str, names: Mapping[str, Any]) -> str:
    if not {"$", "{"} & set(word):
        return word
    try:
        return DollarFormatter().vformat(word, (), names)
    except Exception as error:  # noqa: BLE001 - whatever the owner's expression raises
        told = f"{word} can't be worked out ({type(error).__name__}: {error})."
        raise Misused(told) from None


def unexpected(what: str, word: str, known: Iterable[str]) -> str:
    """Return a sentence about a word nobody knows, with the nearest that is known.

    What follows a `=` is not repeated: it may be a key that somebody put on the line.
    """
    asked, names = word.partition("=")[0], list(known)
    begun = [name for name in names if asked.strip("-") and name.startswith(asked)]
    near = begun or difflib.get_close_matches(asked, names, n=1, cutoff=0.5)
    hint = f"; did you mean {ascii(near[0])[1:-1]}?" if near else "."
    return f"There is no {what} {ascii(asked)[1:-1]} here{hint}"


def valid(read: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return a reader whose complaints argparse joins with the name of the option."""

    def checked(text: str) -> _Value:
        try:
            return read(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def variable(text: str) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("write it as NAME=VALUE.")
    return name, value


def identifier(text: str) -> str:
    """Return the name of a variable of the notebook."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!a} is no name for a variable.")
    return text


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list like `a,b`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def variables(text: str) -> tuple[str, ...]:
    """Return the names of a list like `a,b`, each once."""
    return tuple(dict.fromkeys(identifier(word) for word in words(text)))
