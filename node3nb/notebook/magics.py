"""`%node3` and `%%node3`: the notebook's way to everything node3nb does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from node3nb.errors import Node3Error
from node3nb.notebook import commands, completion, parsing, shown
from node3nb.notebook.cell_lines import CellLines
from node3nb.notebook.handles import Waited
from node3nb.notebook.machine_lines import MachineLines
from node3nb.notebook.market_lines import MarketLines
from node3nb.notebook.parsing import HelpAsked, Misused
from node3nb.notebook.preferences import Node3
from node3nb.notebook.provider_lines import ProviderLines
from node3nb.notebook.session import Session

#: IPython's name for our magics in its registry.
_REGISTERED = "Node3Magics"


def load(shell: Any) -> None:
    """Add the magics to a shell; a second time changes nothing."""
    if _REGISTERED in shell.magics_manager.registry:
        return
    shell.register_magics(Node3Magics(shell))
    shown.register(shell.display_formatter)


def unload(shell: Any) -> None:
    """Take them away, and end what they have started."""
    magics = shell.magics_manager.registry.pop(_REGISTERED, None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("node3", None)
    shown.unregister(shell.display_formatter)
    magics.close()


@magics_class
class Node3Magics(Magics):
    """The magics of one shell."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell
        self._chosen = Node3(parent=shell)
        self._session = Session(self._chosen, getattr(shell, "kernel", None))
        self._provider = ProviderLines(self._session)
        self._market = MarketLines(self._session)
        self._cells = CellLines(shell, self._session, self._chosen, self._market)
        machine = MachineLines(self._session, self._chosen)
        self._matcher = completion.matcher(self._job_ids, self._names)
        shell.Completer.custom_matchers.append(self._matcher)
        shell.configurables.append(self._chosen)
        self._obeys: dict[str, Callable[[argparse.Namespace], object]] = {
            **self._provider.obeys,
            **self._cells.obeys,
            **self._market.obeys,
            **machine.obeys,
        }

    def close(self) -> None:
        """End what was started; the shell forgets completion and configuration."""
        self._shell.Completer.custom_matchers.remove(self._matcher)
        for ours in (self._chosen, self):
            self._shell.configurables.remove(ours)
        self._session.close()

    @no_var_expand
    @line_cell_magic
    def node3(self, line: str, cell: str | None = None) -> object:
        """Earn with this machine, run cells as sandboxed jobs, send them to a marketplace.

        `%node3` alone lists what there is; every subcommand takes `--help`.
        """
        try:
            answer = self._obey(line, cell)
            return None if self._silenced(line, cell) else answer
        except HelpAsked as asked:
            print(asked)  # noqa: T201 - the reader's own cell asked for it
        except Waited as waited:
            self._shell.displayhook(waited.answer)
            raise UsageError(str(waited)) from None
        except (Misused, Node3Error) as error:
            raise UsageError(str(error)) from None
        return None

    def _obey(self, line: str, cell: str | None) -> object:
        words = parsing.split(line)
        if not words or words[0] in {"-h", "--help"}:
            raise HelpAsked(commands.overview())
        command = commands.find(words[0])
        expanded = parsing.expand(words[1:], self._shell.user_ns)
        args = commands.parser(command.name).read(expanded)
        args.cell = _body(command, cell)
        self._chosen.fill(args)
        return self._answer(args, self._obeys[command.name])

    def _answer(
        self, args: argparse.Namespace, obey: Callable[[argparse.Namespace], object]
    ) -> object:
        """Return the answer, and keep it under the name the line gives."""
        try:
            answer = obey(args)
        except Waited as waited:
            self._keep(args.name, waited.answer)
            raise
        self._keep(args.name, answer)
        return answer

    def _silenced(self, line: str, cell: str | None) -> bool:
        """Whether a `;` at the end asks for no display; an assignment gets its value all the same.

        IPython looks for the `;` in the cell as it is after translation, and misses it.
        """
        if not line.rstrip().endswith(";"):
            return False
        typed = (self._shell.history_manager.input_hist_raw or [""])[-1].strip().splitlines()[-1:]
        alone = [each.split() for each in typed] == [["%node3", *line.split()]]
        return alone or cell is not None

    def _keep(self, name: str | None, answer: object) -> None:
        if name is not None:
            self._shell.user_ns[name] = answer

    def _job_ids(self) -> list[str]:
        return [*self._cells.job_ids(), *self._provider.job_ids(), *self._market.job_ids()]

    def _names(self) -> list[str]:
        hidden = self._shell.user_ns_hidden
        return [name for name in self._shell.user_ns if name not in hidden and name[:1] != "_"]


def _body(command: commands.Command, cell: str | None) -> str:
    """Return the cell's body where one belongs, an empty one where none does."""
    if command.takes_cell and not (cell or "").strip():
        raise Misused(f"Write the job's Python below a line that begins with {command.prog}.")
    if not command.takes_cell and cell is not None:
        raise Misused(
            f"{command.name} is a line of its own: write it with one %, as {command.prog}."
        )
    return cell or ""
