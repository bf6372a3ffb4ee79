"""The programs that have to do the same in a warm interpreter, and the few that do not."""

from __future__ import annotations

import sys

from support.fidelity import SCRIPTS, Case

#: What `sys.exit` is called with.
EXIT_CODES = (
    *("None", "0", "3", "256", "-1", "True", "1.5"),
    *("'words'", "b'bytes'", "(1, 2)"),
    # Later versions show, as an exception of their own shutdown, what these fail with.
    *(("2**70", "Unprintable()") if sys.version_info < (3, 12) else ()),
)
#: Arguments of scripts that do something else with each.
ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "arguments": (("a", "-b", "", "ü \udcff"),),
    "exits": tuple((code,) for code in EXIT_CODES),
    "faults": (("enabled",), ("disabled",)),
    "hooks": (("shows",), ("fails",), ("exits",), ("none",)),
    "killed": (("SIGTERM",), ("SIGABRT",), ("SIGSEGV",), ("SIGPIPE",)),
    "printing": (("to a file",),),
    "processes": (("fork",), ("spawn",), ("forkserver",)),
}
#: Standard input of scripts that read it.
STDIN = {"reading": "first\nsecond\nth\u00efrd\n".encode(), "debugged": b"p before\nc\n"}
#: Scripts that only their own test runs.
APART = {"drawn", "numerical"}


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """Return what runs one of the scripts."""
    return (str(SCRIPTS / name), *arguments)


def _of_script(name: str) -> list[Case]:
    stem = name.removesuffix(".py")
    return [
        Case(" ".join((stem, *given)), script(name, *given), STDIN.get(stem, b""))
        for given in ARGUMENTS.get(stem, ((),))
    ]


def _scripts() -> list[Case]:
    names = sorted(path.name for path in SCRIPTS.iterdir() if path.is_file())
    return [
        case
        for name in names
        if name.removesuffix(".py") not in APART and not name.endswith(".toml")
        for case in _of_script(name)
    ]


COMMANDS = [
    Case(
        "-c", ("-c", "import sys; print(__name__, sys.argv, sys.path, list(globals()))", "a", "-c")
    ),
    Case("-c fails", ("-c", "def f():\n    1 / 0\nf()")),
    Case("-c does not parse", ("-c", "print('x'")),
    Case("-c that warns", ("-c", r"1 is 1; '\d'")),
    Case("-c in no encoding", ("-c", "print('\udcff')")),
    Case(
        "-c with an import from the directory", ("-c", "open('m.py', 'w').write('x = 1'); import m")
    ),
    Case("-c empty", ("-c", "")),
    Case("-c interrupted", ("-c", "raise KeyboardInterrupt")),
    Case(
        "-c interrupted by a kind of interrupt", ("-c", "class K(KeyboardInterrupt): pass\nraise K")
    ),
    Case("-c that raises GeneratorExit", ("-c", "raise GeneratorExit('x')")),
    Case("-c with the last expression", ("-c", "41 + 1")),
    Case("-m of the standard library", ("-m", "json.tool", "--compact"), b'{"a": [1, 2]}'),
    Case("-m of what the warm interpreter has", ("-m", "runpy")),
    Case("-m of a module that prints its help", ("-m", "zipfile", "--help")),
    Case("-m missing", ("-m", "absent")),
    Case("-m missing in a package", ("-m", "json.absent")),
    Case("-m of a package that can't be run", ("-m", "xml")),
    Case("-m built in", ("-m", "sys")),
    Case("script missing", ("absent.py", "x")),
    Case("script in a missing directory", ("absent/absent.py",)),
    Case("option", ("-X", "utf8", "-c", "import sys; print(sys.flags, sys.orig_argv)")),
    Case("isolated", ("-I", "-c", "import sys; print(sys.flags, sys.path)")),
    Case("version", ("-V",)),
    Case("from stdin", ("-",), b"import sys; print(sys.argv, __name__)\n1 / 0\n"),
    Case("from stdin without a name", (), b"print(__name__)\n"),
    *(
        Case(f"-m {' '.join(arguments)}", ("-m", *arguments), among_scripts=True)
        for arguments in (
            ("whole", "x", "-m"),
            ("whole", "fail"),
            ("whole.inner.deep",),
            ("whole.absent",),
            ("groups",),
            ("parts.broken",),
            ("pickled",),
            ("processes", "spawn"),
            ("names",),
        )
    ),
    Case("relative path", ("tracebacks.py",), among_scripts=True),
    Case("path from here", ("./arguments.py", "1"), among_scripts=True),
    Case("path by its parent", ("../scripts/names.py",), among_scripts=True),
    Case("directory", (str(SCRIPTS / "whole"), "x")),
    Case("shadowed modules", (str(SCRIPTS / "shadowing" / "main.py"),)),
]
IN_ENVIRONMENT = [
    Case("path given", ("-m", "whole", "x"), env={"PYTHONPATH": str(SCRIPTS)}),
    Case("time zone", script("time_zones.py"), env={"TZ": "America/New_York"}),
    Case("time zone by rule", script("time_zones.py"), env={"TZ": "XYZ3ABC,M3.2.0,M11.1.0"}),
    Case("hash seed", script("interpreter.py"), env={"PYTHONHASHSEED": "7"}),
    Case("unbuffered", script("streams.py"), env={"PYTHONUNBUFFERED": "1"}),
    Case("other locale", script("locales.py"), env={"LANG": "C"}),
]
UNWRITABLE = [
    Case(f"stdout {kind} {when}", script("printing.py", when), stdout=kind)
    for kind in ("full", "broken")
    for when in ("flush", "leave")
]
CASES = {case.name: case for case in [*_scripts(), *COMMANDS, *IN_ENVIRONMENT, *UNWRITABLE]}

#: The only differences there are, and why each is.
DIFFERENCES = {
    "frames": "a warm program has one frame of ours below it",
    "too_deep": "that frame counts towards the recursion limit",
    "logged_stack": "logging shows that frame with a record it can't format",
    "faults enabled": "faulthandler shows that frame",
    "lost": "a finalizer's source line can still be read at the end of a warm program",
    "frozen": "the warm interpreter's objects are frozen, so that jobs share their memory",
}
