"""How a notebook shows what comes from the layers below, which know nothing of notebooks."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from ipykernel.kernelbase import Kernel

from node3nb import inert_text
from node3nb.agent.records import Snapshot
from node3nb.jobs import ExitReason, JobResult, OutputFile
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.notebook import page, snapshot, usage
from node3nb.provider import Provider
from node3nb.sizes import shown_bytes

#: Outputs listed within another display.
LISTED = 10


def register(formatter: Any) -> None:
    """Teach a shell's display formatter the types of the layers below."""
    for kind, (text, html) in SHOWN.items():
        formatter.formatters["text/plain"].for_type(kind, _printer(text))
        formatter.formatters["text/html"].for_type(kind, html)
    formatter.ipython_display_formatter.for_type(Provider, _show_live)
    Provider.displays.update(_LIVE)


def unregister(formatter: Any) -> None:
    """Have it forget them."""
    for kind in SHOWN:
        formatter.formatters["text/plain"].pop(kind, None)
        formatter.formatters["text/html"].pop(kind, None)
    formatter.ipython_display_formatter.pop(Provider, None)
    Provider.displays.clear()
    if _WIDGET in sys.modules:
        sys.modules[_WIDGET].close_all()


def _show_live(provider: Provider) -> None:
    """Show a provider's dashboard where there is a notebook; a text does elsewhere."""
    if not Kernel.initialized():
        raise NotImplementedError  # has IPython go on to the next formatter, here the text
    provider.dashboard()._ipython_display_()


def _when_asked(module: str, name: str) -> Callable[[Provider], Any]:
    """Return a function of a module that is loaded when it is first called.

    Widgets take longer to load than all of ours together, and many a notebook shows none.
    """

    def show(provider: Provider) -> Any:
        return getattr(importlib.import_module(module), name)(provider)

    return show


_WIDGET = "node3nb.notebook.dashboard.widget"
_LIVE = {
    "dashboard": _when_asked(_WIDGET, "dashboard"),
    "controls": _when_asked("node3nb.notebook.controls", "controls"),
}


def _printer(text: Callable[[Any], str]) -> Callable[[Any, Any, bool], None]:
    def print_into(shown: Any, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text(text(shown))

    return print_into


def result_text(result: JobResult) -> str:
    """Return a job's end as plain text."""
    return page.paragraphs(
        f"{_headline(result)} {inert_text.line(result.message, 600)}".strip(),
        page.quoted("stdout", result.stdout),
        page.quoted("stderr", result.stderr),
        _outputs_text(result.outputs),
        _measured(result),
    )


def result_html(result: JobResult) -> str:
    """Return a job's end as HTML."""
    return page.paragraphs(
        f"<p {page.NO_MATH}><strong>{page.escape(_headline(result))}</strong></p>",
        page.sentence(result.message),
        page.pre("stdout", result.stdout, name=".stdout"),
        page.pre("stderr", result.stderr, name=".stderr"),
        page.table("Outputs", ("path", "size"), map(_output_row, result.outputs[:LISTED]))
        if result.outputs
        else "",
        usage.drawn(result),
        f'<p {page.NO_MATH} style="opacity: 0.75">{page.escape(_measured(result))}</p>',
    )


def _headline(result: JobResult) -> str:
    return f"Job {inert_text.line(result.job_id)[:12]} {result.state} ({_ending(result)})."


def _ending(result: JobResult) -> str:
    if result.reason is ExitReason.EXITED:
        return f"exit code {result.exit_code}"
    if result.reason is ExitReason.SIGNALED:
        return f"signal {result.signal}"
    return result.reason.replace("_", " ")


def _measured(result: JobResult) -> str:
    """Return what the run took, and where it ran."""
    if result.started_at is None:
        return "It did not start."
    used = result.usage
    memory = f"{shown_bytes(used.peak_memory_bytes)} of memory" if used.peak_memory_bytes else ""
    where = f"{inert_text.line(result.executor, 40)}, isolation level {result.isolation}"
    took = [f"{result.wall_s:.2f} s", f"{used.cpu_s:.2f} s of CPU", memory, where]
    return " · ".join(part for part in took if part)


def _outputs_text(outputs: tuple[OutputFile, ...]) -> str:
    if not outputs:
        return ""
    named = ", ".join(" ".join(_output_row(each)) for each in outputs[:LISTED])
    more = f" and {len(outputs) - LISTED} more" if len(outputs) > LISTED else ""
    return f"outputs: {named}{more}"


def _output_row(output: OutputFile) -> tuple[str, str]:
    return inert_text.line(output.path, 60), f"({shown_bytes(output.bytes)})"


def _market_text(market: MarketplaceProcess) -> str:
    doing = "runs" if market.alive else "has ended"
    return f"A local marketplace {doing} at {market.url}; its keys are in {market.keys_file}."


#: Each type with how it is shown as plain text and as HTML.
SHOWN: dict[type, tuple[Callable[[Any], str], Callable[[Any], str]]] = {
    JobResult: (result_text, result_html),
    Snapshot: (snapshot.text, snapshot.html),
    Provider: (
        lambda provider: snapshot.text(provider.snapshot(snapshot.LISTED)),
        lambda provider: snapshot.html(provider.snapshot(snapshot.LISTED)),
    ),
    MarketplaceProcess: (_market_text, lambda market: page.sentence(_market_text(market))),
}
