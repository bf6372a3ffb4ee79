"""The dashboard in JupyterLab: what a person sees in it and does with it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from support.chromium import BOUND_MS, Visit, command
from support.dashboards import (
    TALKS,
    Stall,
    eventually,
    execute,
    live,
    lives,
    press,
    shown,
    state,
)

pytestmark = pytest.mark.timeout(300)
expect.set_options(timeout=BOUND_MS)


@pytest.fixture
def page(visit: Visit, stall: Stall) -> Page:
    """A notebook in Lab whose dashboard is live."""
    return shown(visit, stall)


def test_the_owner_stops_and_starts_while_a_cell_runs(
    page: Page, visit: Visit, stall: Stall
) -> None:
    began, ended = visit.server.root / "began", visit.server.root / "ended"
    execute(page, "import time; open('began', 'w'); time.sleep(600); open('ended', 'w')")
    eventually(began.exists)

    press(page, "Pause")
    state(page, "Paused")
    expect(live(page)).to_contain_text("You paused it.")
    press(page, "Start")
    state(page, "Taking jobs")
    press(page, "Drain")
    state(page, "Stopped")
    press(page, "Start")
    state(page, "Taking jobs")
    assert not ended.exists()
    assert visit.errors == []


def test_a_job_is_watched_and_cancelled(page: Page, visit: Visit, stall: Stall) -> None:
    sleeper = "98765.125"
    talks = stall.submit(["python", "-c", TALKS], requirements={"memory_bytes": 128 << 20})
    row = live(page).locator(f"[data-job='{talks}']")
    row.get_by_role("button", expanded=False).click()
    log = live(page).get_by_role("log", name="stdout")
    expect(log).to_contain_text("line 9\n")
    before = log.inner_text()
    expect(log).not_to_have_text(before)
    assert "line 0\n" in log.inner_text()
    expect(row.get_by_role("cell").nth(4)).to_contain_text("of 128 MiB")
    expect(row.get_by_role("cell").nth(5)).to_contain_text("native")

    sleeps = stall.submit(["sleep", sleeper])
    eventually(lambda: lives(sleeper))
    other = live(page).locator(f"[data-job='{sleeps}']")
    other.get_by_role("button", name="Cancel").click()
    eventually(lambda: not lives(sleeper))
    expect(other.get_by_role("cell").first).to_have_text("cancelled")
    expect(row.get_by_role("cell").first).to_have_text("running")
    assert visit.errors == []


def test_limits_are_changed_by_keyboard_while_it_runs(page: Page, stall: Stall) -> None:
    first = stall.submit(["sleep", "98765.25"])
    slots = live(page).get_by_role("slider", name="Jobs at once")
    slots.focus()
    page.keyboard.press("Home")
    expect(live(page)).to_contain_text("Jobs at once: 1 job from now on.")
    expect(slots).to_have_attribute("aria-valuetext", "1 job")
    eventually(lambda: stall.client.job(first).status != "available")
    stall.submit(["sleep", "98765.5"])
    expect(live(page)).to_contain_text("1 of 1")
    page.keyboard.press("ArrowRight")
    expect(live(page)).to_contain_text("2 of 2")


def test_stop_asks_first_while_jobs_run(page: Page, stall: Stall) -> None:
    stall.submit(["sleep", "98765.75"])
    eventually(lambda: lives("98765.75"))
    expect(live(page)).to_contain_text("1 of 2")
    press(page, "Stop")
    question = live(page).get_by_role("alertdialog", name="Stop the provider")
    expect(question).to_contain_text("1 job runs here.")
    expect(question.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(live(page).get_by_role("button", name="Stop", exact=True)).to_be_focused()
    state(page, "Taking jobs")

    page.keyboard.press("Enter")
    question.get_by_role("button", name="Stop 1 job").click()
    state(page, "Stopped")
    eventually(lambda: not lives("98765.75"))


def test_a_screen_reader_finds_everything_by_name(page: Page, stall: Stall) -> None:
    job = stall.submit(["true"], reward=0.5)
    expect(live(page).locator(f"[data-job='{job}']")).to_have_attribute("data-state", "completed")
    expect(live(page)).to_match_aria_snapshot("""
      - heading "Taking jobs" [level=3]
      - group "Provider controls":
        - button "Start" [disabled]
        - button "Pause"
        - button "Drain"
        - button "Stop"
      - status
      - term: Earned today
      - definition: "0.5"
      - group "Limits of all jobs together":
        - slider "Jobs at once"
        - slider "CPU"
        - slider "Memory"
      - region "Isolation":
        - heading "Isolation" [level=4]
      - table "Use of the last two minutes":
        - rowgroup:
          - row:
            - columnheader "CPU"
            - columnheader "Memory"
            - columnheader "Network"
        - rowgroup:
          - row /Machine/:
            - rowheader "Machine"
            - cell:
              - img /CPU, Machine. now .* %/
          - row /Jobs/
          - row /This kernel/
      - region "Jobs":
        - table "Jobs, newest first":
          - rowgroup:
            - row:
              - columnheader "State"
              - columnheader "Job"
          - rowgroup:
            - row /completed/:
              - cell "completed"
              - cell:
                - button "true" [expanded=false]
    """)


def test_the_keyboard_alone_reaches_every_control_in_order(page: Page, stall: Stall) -> None:
    job = stall.submit(["sleep", "98765.875"])
    live(page).locator(f"[data-job='{job}']").get_by_role("button", name="Cancel").wait_for()
    live(page).get_by_role("button", name="Pause", exact=True).focus()
    names = []
    for _ in range(7):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "document.activeElement.labels?.[0]?.textContent ?? "
                "document.activeElement.textContent"
            )
        )
    assert names[:5] == ["Drain", "Stop", "Jobs at once", "CPU", "Memory"]
    assert names[-2:] == ["sleep 98765.875", "Cancel"]


def test_it_can_be_read_in_every_theme(page: Page) -> None:
    parts = (".n3-state", ".n3-why", ".n3-button:enabled", ".n3-limits label", "dt")
    for theme in ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"):
        command(page, "apputils:change-theme", theme=theme)
        page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        eventually(lambda: min(contrast(page, f".n3-page {part}") for part in parts) >= 4.5)


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of a text with its ground, as WCAG 2 defines it."""
    ratio: float = page.evaluate(
        """selector => {
          const text = document.querySelector(selector);
          const channels = colour => colour.match(/[\\d.]+/g).map(Number);
          let ground = text;
          while (channels(getComputedStyle(ground).backgroundColor)[3] === 0)
            ground = ground.parentElement;
          const light = colour => {
            const [r, g, b] = channels(colour).slice(0, 3).map(value => {
              const part = value / 255;
              return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const sides = [getComputedStyle(text).color, getComputedStyle(ground).backgroundColor];
          const [dark, bright] = sides.map(light).sort((a, b) => a - b);
          return (bright + 0.05) / (dark + 0.05);
        }""",
        selector,
    )
    return ratio
