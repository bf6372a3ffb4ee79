"""The first program of a job that has variables of a notebook: brings them in, and others out.

The cell runs in `__main__` as its own file, as it would without this program: lines in tracebacks,
`sys.argv` and what a new process of multiprocessing imports are the same.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import sys
import types
from collections.abc import Callable
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
#: The cell, and what there is to carry: see `node3nb.variables.luggage`.
CELL, TOLD = os.path.join(HERE, "cell.py"), os.path.join(HERE, "node3-variables.json")
PACKAGE = "node3_variables"


def _bundle(parts: list[str]) -> Any:
    """Return the last of the parts that carry values, from files no `import` can mean."""
    package = sys.modules[PACKAGE] = types.ModuleType(PACKAGE)
    package.__path__ = []
    for part in parts:
        module = types.ModuleType(f"{PACKAGE}.{part}")
        module.__package__ = PACKAGE
        sys.modules[module.__name__] = module
        setattr(package, part, module)
        path = os.path.join(HERE, f"node3-{part}.py")
        with open(path, "rb") as source:
            exec(compile(source.read(), path, "exec"), module.__dict__)  # noqa: S102 - our own
    return module


def _bring_in(bundle: Any, told: dict[str, Any], names: dict[str, Any]) -> None:
    directory = os.path.join(os.environ["INPUT_DIR"], bundle.PLACE)
    room = bundle.Room(told["bytes"])
    for number, name in enumerate(told["in"]):
        try:
            names[name] = bundle.read(directory, number, room)
        except bundle.Uncarried as error:
            sys.exit(f"node3nb: --in {name}: it {error}.")


def _bring_out(bundle: Any, told: dict[str, Any], names: dict[str, Any]) -> None:
    directory = os.path.join(os.environ["OUTPUT_DIR"], bundle.PLACE)
    os.makedirs(directory, exist_ok=True)
    room = bundle.Room(told["bytes"])
    for number, name in enumerate(told["out"]):
        if name not in names:
            sys.exit(f"node3nb: --out {name}: the cell has given no value to it.")
        try:
            bundle.write(names[name], directory, number, room)
        except bundle.Uncarried as error:
            of = type(names[name]).__qualname__
            sys.exit(f"node3nb: --out {name}: this {of} {error}.")


def _shown_without_us(shown: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook for exceptions that leaves out the lines of this program."""

    def show(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        shown(kind, error.with_traceback(trace), trace)

    return show


def _run(names: dict[str, Any]) -> None:
    with open(CELL, "rb") as source:
        code = compile(source.read(), CELL, "exec", dont_inherit=True)
    try:
        exec(code, names)  # noqa: S102 - the cell
    except SystemExit as end:
        if end.code not in (None, 0):
            raise


def _main() -> None:
    with open(TOLD, encoding="utf-8") as file:
        told = json.load(file)
    bundle = _bundle(told["parts"])
    first = __name__ == "__main__"
    main = types.ModuleType(__name__)
    names = main.__dict__
    # By this name a new process of multiprocessing finds this program, and so the variables.
    spec = importlib.machinery.ModuleSpec("node3-cell", None)
    names.update(__builtins__=__builtins__, __file__=CELL, __spec__=spec)
    if first:
        sys.modules["__main__"] = main
    sys.argv[0] = CELL
    _bring_in(bundle, told, names)
    sys.excepthook = _shown_without_us(sys.excepthook)
    _run(names)
    if first:
        _bring_out(bundle, told, names)
    else:
        globals().update(names)


_main()
