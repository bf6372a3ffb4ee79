"""A provider at one moment, as text and as static HTML: whole without a kernel or a script."""

from __future__ import annotations

import datetime as dt

from node3nb import inert_text
from node3nb.agent.ledger import Tally
from node3nb.agent.records import Snapshot
from node3nb.notebook import page
from node3nb.notebook.jobs_list import Jobs
from node3nb.sizes import shown_bytes

#: Jobs listed.
LISTED = 10


def text(now: Snapshot) -> str:
    """Return a provider's state as plain text."""
    told = [f"{name:<12} {inert_text.line(str(value), 300)}" for name, value in _standing(now)]
    return page.paragraphs(*told, repr(Jobs(now.jobs[:LISTED])) if now.jobs else "")


def html(now: Snapshot) -> str:
    """Return a provider's state as HTML."""
    listed = Jobs(now.jobs[:LISTED])._repr_html_() if now.jobs else ""
    return page.paragraphs(page.facts(_standing(now)), listed)


def bundle(now: Snapshot) -> dict[str, str]:
    """Return both with the time, as a notebook keeps them beside the live dashboard."""
    told = f"As of {dt.datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}".strip()
    small = f"<p {page.NO_MATH}><small>{page.escape(told)}</small></p>"
    shown = f'<div class="node3-twin">{small}{html(now)}</div>'
    return {"text/plain": f"{told}\n{text(now)}", "text/html": shown}


def _standing(now: Snapshot) -> list[tuple[str, object]]:
    level = f"isolation level {now.isolation}" if now.isolation else "isolation not known yet"
    waiting = f", {now.undelivered} results wait to be sent" if now.undelivered else ""
    return [
        ("provider", f"{now.state}: {now.reason}"),
        ("marketplace", now.marketplace_url),
        ("agent", now.agent_id or "not registered yet"),
        ("runs", f"{now.slots} at once, {' or '.join(now.executors) or 'nothing'}, {level}"),
        ("limits", _limits(now)),
        ("done", f"{now.completed} completed, {now.failed} not{waiting}"),
        ("earned", f"{now.earned:g}{_sums(now.today, now.ever)}"),
    ]


def _limits(now: Snapshot) -> str:
    if now.quota is None:
        return ""
    given = now.quota
    gpus = f", {given.gpus} GPUs" if given.gpus else ""
    return f"{given.cpus} cores, {shown_bytes(given.memory_bytes)} of memory{gpus} for all jobs"


def _sums(today: Tally, ever: Tally) -> str:
    if not (ever.completed or ever.failed):
        return ""
    jobs = "1 job" if today.completed == 1 else f"{today.completed} jobs"
    return f"; today {today.earned:g} by {jobs}, in all {ever.earned:g} by {ever.completed}"
