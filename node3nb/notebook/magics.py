"""`%node3` and `%%node3`: the notebook's way to everything node3nb does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from node3nb.agent.records import Snapshot
from node3nb.agent.settings import Settings
from node3nb.errors import Node3Error
from node3nb.jobs import JobResult
from node3nb.marketplace import consumer
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.notebook import cell_job, commands, completion, interruptible, parsing, shown
from node3nb.notebook.answers import Logs, Why
from node3nb.notebook.interruptible import Interrupted
from node3nb.notebook.jobs_list import Jobs
from node3nb.notebook.parsing import HelpAsked, Misused
from node3nb.notebook.session import Session
from node3nb.notebook.submitted import SubmittedJob
from node3nb.provider import Provider

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
        self._session = Session()
        self._matcher = completion.matcher(self._job_ids)
        shell.Completer.custom_matchers.append(self._matcher)
        self._obeys: dict[str, Callable[[argparse.Namespace], object]] = {
            "start": self._start,
            "status": self._status,
            "dashboard": lambda _: self._session.provider.dashboard(),
            "jobs": self._jobs,
            "logs": self._logs,
            "why": self._why,
            "pause": lambda _: self._control(Provider.pause),
            "resume": lambda _: self._control(Provider.resume),
            "drain": lambda _: self._control(Provider.drain),
            "stop": lambda _: self._control(Provider.stop),
            "market": self._market,
            "run": self._run,
            "submit": self._submit,
        }

    def close(self) -> None:
        """End what was started; the shell forgets the completion."""
        self._shell.Completer.custom_matchers.remove(self._matcher)
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
        except Interrupted as interrupted:
            self._shell.displayhook(interrupted.answer)
            raise UsageError(str(interrupted)) from None
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
        return self._answer(args, self._obeys[command.name])

    def _answer(
        self, args: argparse.Namespace, obey: Callable[[argparse.Namespace], object]
    ) -> object:
        """Return the answer, and keep it under the name the line gives."""
        try:
            answer = obey(args)
        except Interrupted as interrupted:
            self._keep(args.name, interrupted.answer)
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

    def _start(self, args: argparse.Namespace) -> Provider:
        running = Provider.current()
        if running is not None:
            url = running.snapshot().marketplace_url
            print(f"A provider runs already, for {url}: this is it.")  # noqa: T201 - an answer
            return running
        url = self._session.marketplace_url(args.marketplace)
        settings = Settings(
            max_concurrent_jobs=args.slots,
            wallet_address=args.wallet,
            allow_insecure_http=args.allow_insecure_http,
            allow_weak_isolation=args.allow_weak_isolation,
            allow_host_network=args.allow_host_network,
        )
        provider = Provider(
            url,
            self._session.key("agent", url, args.keys) if args.keys else None,
            docker_manager=None if args.native_only else "auto",
            settings=settings,
        )
        return self._session.start_provider(provider)

    def _status(self, _: argparse.Namespace) -> Snapshot:
        return self._session.provider.snapshot()

    def _jobs(self, _: argparse.Namespace) -> Jobs:
        return Jobs(self._session.provider.snapshot().jobs)

    def _logs(self, args: argparse.Namespace) -> Logs:
        told = self._session.provider.logs(args.job)
        if told is None:
            raise Misused(parsing.unexpected("job", args.job, self._job_ids()))
        return Logs(args.job, *told)

    def _why(self, _: argparse.Namespace) -> Why:
        provider = self._session.provider
        now = provider.snapshot()
        return Why(now.state, now.reason, provider.events())

    def _control(self, control: Callable[[Provider], None]) -> Snapshot:
        provider = self._session.provider
        control(provider)
        return provider.snapshot()

    def _market(self, args: argparse.Namespace) -> MarketplaceProcess | None:
        running = self._session.market
        if args.action == "stop":
            self._session.stop_market()
            print("The local marketplace has ended." if running else "None runs.")  # noqa: T201
            return None
        if running is not None:
            print(f"A local marketplace runs already at {running.url}: this is it.")  # noqa: T201
            return running
        return self._session.start_market(args.data, args.port)

    def _run(self, args: argparse.Namespace) -> JobResult:
        spec = cell_job.spec(args.cell, args)
        return interruptible.run(spec, self._session.executor, args.input, args.output)

    def _submit(self, args: argparse.Namespace) -> SubmittedJob | JobResult:
        client = self._session.consumer(
            args.marketplace, args.keys, allow_insecure_http=args.allow_insecure_http
        )
        job_id = consumer.submit(client, cell_job.submission(args.cell, args))
        job = SubmittedJob(client, job_id)
        if not args.wait:
            return job
        try:
            if self._session.is_ours(client.url) and Provider.current() is None:
                print("The job waits for a provider; `%node3 start` starts one.")  # noqa: T201
            return job.wait()
        except KeyboardInterrupt:
            told = f"You stopped waiting; job {job.job_id} goes on, and this is its handle."
            raise Interrupted(told, job) from None

    def _job_ids(self) -> list[str]:
        try:
            return [job.job_id for job in self._session.provider.snapshot().jobs]
        except Node3Error:
            return []


def _body(command: commands.Command, cell: str | None) -> str:
    """Return the cell's body where one belongs, an empty one where none does."""
    if command.takes_cell and not (cell or "").strip():
        raise Misused(f"Write the job's Python below a line that begins with {command.prog}.")
    if not command.takes_cell and cell is not None:
        raise Misused(
            f"{command.name} is a line of its own: write it with one %, as {command.prog}."
        )
    return cell or ""
