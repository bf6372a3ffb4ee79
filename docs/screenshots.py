"""Takes the pictures of the dashboard in `docs/img`: `make screenshots`; needs Chromium."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from PIL import Image  # noqa: E402
from playwright.sync_api import Page  # noqa: E402 - found beside the tests
from support import chromium, jupyter_server  # noqa: E402
from support.chromium import Visit, command, visiting  # noqa: E402
from support.dashboards import Stall, live, shown  # noqa: E402

from node3nb.marketplace import process  # noqa: E402
from node3nb.marketplace.client.client import MarketplaceClient  # noqa: E402

#: Files a reader of the README fetches.
MOST_BYTES = 150_000
#: Colours that are enough for text and lines.
COLOURS = 200
WORKS = """import sys, time
held = bytearray(int(sys.argv[2]) << 20)
for frame in range(10**6):
    print(f"frame {frame:03}: {sum(range(200_000)) % 977} rays", flush=True)
    time.sleep(0.4)
"""
ENDED = (
    ("thumbnails.py", "print('24 thumbnails')", 0.08),
    ("aggregate.py", "import time; time.sleep(1); print('2,000,000 rows')", 0.31),
    ("check.py", "raise SystemExit('checksum differs')", 0.05),
    ("fit.py", "x = sum(i * i for i in range(3_000_000)); print(x)", 0.2),
)


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as scratch:
        home = Path(scratch)
        with (
            chromium.browser() as browser,
            jupyter_server.serving(home) as server,
            process.start(home / "market") as market,
            visiting(browser, server, device_scale_factor=1.5) as visit,
        ):
            keys = json.loads(market.keys_file.read_text())
            client = MarketplaceClient(market.url, keys["consumer"])
            take(visit, Stall(market.url, client, home / "n3"))
            server.end_kernels()


def take(visit: Visit, stall: Stall) -> None:
    """Have jobs run, and take pictures of them in both themes and on a narrow page."""
    page = shown(visit, stall)
    for name, text, reward in ENDED:
        submit(stall, name, text, reward, 256)
        page.locator(".n3-job:not([data-state=running])", has_text=name).wait_for()
    for name, held in (("render.py", 180), ("denoise.py", 90)):
        submit(stall, name, WORKS, 0.5, 256, "--hold", str(held))
    render = page.locator(".n3-job[data-state=running]", has_text="render.py")
    render.wait_for()
    page.wait_for_function("document.querySelector('.n3-line').points.numberOfItems > 25")
    picture(page, "dashboard")
    command(page, "apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    render.get_by_role("button").first.click()
    page.get_by_role("log").get_by_text("frame 020").wait_for()
    picture(page, "dashboard-dark")
    command(page, "apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_selector("body[data-jp-theme-light=true]", state="attached")
    render.get_by_role("button").first.click()
    page.set_viewport_size({"width": 900, "height": 2400})
    picture(page, "dashboard-narrow")


def submit(stall: Stall, name: str, text: str, reward: float, memory_mib: int, *more: str) -> None:
    """Send a script as a job."""
    needs = {"memory_bytes": memory_mib << 20}
    command = ["python", name, *more]
    stall.submit(command, files={name: text}, reward=reward, job_type="demo", requirements=needs)


def picture(page: Page, name: str) -> None:
    """Write a picture of the dashboard alone."""
    path = HERE / "img" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    page.mouse.move(0, 0)
    live(page).screenshot(path=path, animations="disabled")
    with Image.open(path) as taken:
        few = taken.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    few.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB")
    assert size < MOST_BYTES


if __name__ == "__main__":
    main()
