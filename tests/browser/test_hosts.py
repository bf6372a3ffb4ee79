"""The dashboard wherever a notebook is shown: other pages, other kernels, none at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support import chromium
from support.chromium import BOUND_MS, Visit
from support.dashboards import Stall, eventually, live, press, shown, state

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=BOUND_MS)


def saved(page: Page, path: Path) -> None:
    """Save the notebook a page shows."""
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.context.save(); }")
    assert "widget-view" in path.read_text()


def test_notebook_7_shows_it_too(visit: Visit, stall: Stall) -> None:
    visit.server.write("n7.ipynb", *stall.cells, "p")
    page = visit.open("/notebooks/n7.ipynb")
    chromium.run_all(page)
    press(page, "Pause")
    state(page, "Paused")
    assert visit.errors == []


def test_voila_shows_it_and_the_plain_controls(visit: Visit, stall: Stall) -> None:
    visit.server.write("v.ipynb", *stall.cells, "p.dashboard()", "p.controls()")
    page = visit.open("/voila/render/v.ipynb")
    state(page, "Taking jobs")
    row = page.locator(".widget-hbox")
    expect(row).to_contain_text("running: ")
    row.get_by_role("button", name="Pause").click()
    state(page, "Paused")
    expect(row).to_contain_text("paused: You paused it.")
    expect(row.get_by_role("button", name="Pause")).to_be_disabled()
    job = stall.submit(["sleep", "98766.5"])
    row.get_by_role("button", name="Start").click()
    expect(row).to_contain_text("1 running")
    row.get_by_role("button", name="Stop").click()
    row.get_by_role("button", name="Stop 1 running?").click()
    state(page, "Stopped")
    eventually(lambda: stall.client.job(job).status == "available")
    assert visit.errors == []


def test_two_pages_on_one_kernel_and_a_page_that_is_opened_again(
    visit: Visit, stall: Stall
) -> None:
    first = shown(visit, stall)
    saved(first, visit.server.root / "a.ipynb")
    second = visit.open("/lab/workspaces/other/tree/a.ipynb")
    state(second, "Taking jobs")
    press(first, "Pause")
    state(second, "Paused")
    first.close()
    press(second, "Start")
    state(second, "Taking jobs")
    second.close()
    again = visit.open("/lab/workspaces/again/tree/a.ipynb")
    state(again, "Taking jobs")
    press(again, "Pause")
    state(again, "Paused")
    assert visit.errors == []


def test_a_kernel_that_is_restarted_is_told_of_and_shown_anew(visit: Visit, stall: Stall) -> None:
    page = shown(visit, stall)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    alert = page.get_by_role("region", name="node3 provider").get_by_role("alert")
    expect(alert).to_contain_text("if it was restarted, run this cell again")
    press(page, "Pause")
    expect(live(page)).to_contain_text("Pause: kernel busy, queued.")

    chromium.run_all(page)
    expect(alert).to_be_hidden()
    press(page, "Pause")
    state(page, "Paused")
    assert visit.errors == []


FINISHED = """
from node3nb import JobResult, JobSpec, NativeExecutor
from node3nb.agent.journal import now_iso
from node3nb.agent.records import JobRecord, Lease
from node3nb.job_words import ExitReason, JobState
book, native = p._manager._common.book, NativeExecutor()
for number in range(500):
    spec = JobSpec(command=("echo", "x" * 200, str(number)), job_id=f"job-{number}", reward=0.25)
    record = JobRecord(spec, Lease(spec.job_id), native, "", now_iso())
    result = JobResult(spec.job_id, JobState.COMPLETED, ExitReason.EXITED, exit_code=0)
    book.open(record)
    book.close(record, result)
    book.settle(spec.job_id, result)
"""


def test_five_hundred_jobs_that_have_ended(visit: Visit, stall: Stall) -> None:
    page = shown(visit, stall, FINISHED, "%node3 dashboard")
    rows = live(page).locator(".n3-job")
    expect(rows).to_have_count(50)
    expect(rows.first).to_have_attribute("data-job", "job-499")
    expect(live(page)).to_contain_text("The newest 50 of 500 jobs; %node3 jobs lists them all.")
    stall.submit(["sleep", "98767.5"])
    expect(rows.first).to_have_attribute("data-state", "running")
    expect(rows).to_have_count(50)
    assert visit.errors == []


HOSTILE = "</script><img src=x onerror=window.pwned=1>"
ACTS = "\x1b[2J\u202egpj.exe\r\x07<b>"
WRITES = f"open('/output/a<img src=x onerror=window.pwned=1>', 'w').write('x'); print({ACTS!r})"


def test_what_a_stranger_wrote_is_shown_and_does_nothing(visit: Visit, stall: Stall) -> None:
    page = shown(visit, stall)
    job = stall.submit(["python", "-c", WRITES, HOSTILE + ACTS], job_type=HOSTILE)
    fails = stall.submit(["/bin/false", HOSTILE], job_type="x")
    row = live(page).locator(f"[data-job='{job}']")
    expect(row).to_have_attribute("data-state", "completed")
    expect(row).to_contain_text(HOSTILE[:20])
    row.get_by_role("button").first.click()
    printed = live(page).get_by_role("log", name="stdout")
    expect(printed).to_contain_text("\\x1b[2J\\u202egpj.exe")
    expect(live(page).get_by_role("listitem").filter(has_text="onerror")).to_be_visible()
    failed = live(page).locator(f"[data-job='{fails}']")
    expect(failed).to_have_attribute("data-state", "failed")
    expect(failed).to_contain_text("<img src=x")
    assert live(page).locator("img").count() == 0
    assert page.evaluate("window.pwned") is None
    assert visit.errors == []


def test_a_saved_notebook_shows_the_last_state_without_a_kernel(visit: Visit, stall: Stall) -> None:
    page = shown(visit, stall)
    press(page, "Pause")
    state(page, "Paused")
    twin = page.locator(".node3-twin")
    expect(twin).to_be_hidden()
    expect(twin).to_contain_text("paused: You paused it.")
    path = visit.server.root / "a.ipynb"
    saved(page, path)
    page.close()
    visit.server.end_kernels()
    notebook = json.loads(path.read_text())
    assert "widgets" not in notebook["metadata"]
    notebook["metadata"]["kernelspec"]["name"] = "no-such-kernel"
    path.write_text(json.dumps(notebook))

    page = visit.open("/lab/workspaces/cold/tree/a.ipynb")
    expect(page.locator(".node3-twin")).to_be_visible()
    expect(page.locator(".node3-twin")).to_contain_text("paused: You paused it.")
    page_html = _converted(path)
    assert "paused: You paused it." in page_html
    assert "widget-view" not in page_html


def _converted(path: Path) -> str:
    """Return a notebook as nbconvert makes a page of it."""
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(path)]
    done = subprocess.run(convert, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_without_the_widgets_extension_there_is_a_table_and_a_way(
    visit: Visit, stall: Stall
) -> None:
    off = visit.server.root.parent / "config" / "labconfig" / "page_config.json"
    off.parent.mkdir(parents=True, exist_ok=True)
    off.write_text('{"disabledExtensions": {"@jupyter-widgets/jupyterlab-manager": true}}')
    try:
        visit.server.write("a.ipynb", *stall.cells, "%node3 dashboard")
        page = visit.open("/lab/tree/a.ipynb?reset")
        chromium.run_all(page)
        expect(page.locator(".node3-twin")).to_contain_text("running: ")
        expect(page.get_by_text("run `pip install jupyterlab_widgets`")).to_be_visible()
    finally:
        off.unlink()
