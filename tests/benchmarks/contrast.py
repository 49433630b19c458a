"""How quick the contrast page is in a browser: cold first paint, release of a control to the picture, memory.

    python tests/benchmarks/contrast.py
    python tests/benchmarks/contrast.py --dataset cifar10 --repeats 40

A server of its own with the bundled models only is started on a free port for each dataset, and the page visited in a
new browser profile: first paint is the first picture in its main part, everything cold. Then each measure of `MEASURES`
is taken in the page itself, by its own clock: it acts, and notes when what the act asked for is painted (the first
animation frame after the picture stands). Prints median and 95th percentile over the repeats, the resident memory of
the server and the JavaScript heap of the page. Needs chromium and playwright (the test extra). Run it on a quiet
machine.
"""

import os
import platform
import shutil
import statistics
import tempfile
from dataclasses import dataclass

import tyro
from playwright.sync_api import Page, sync_playwright

from pages import ARGUMENTS, _processor, first_picture, resident, serve


@dataclass(frozen=True)
class Measure:
    """One thing that is timed.

    Attributes:
        title: what is printed.
        view: of the page, as the address has it.
        ready: selector of an element inside the part that is measured; its root is what the script looks into.
        script: (element, number of the repeat) -> a promise of milliseconds.
        target: milliseconds that the median is to stay under.
    """

    title: str
    view: str
    ready: str
    script: str
    target: float


RELEASE = """async (element, n) => {
    const root = element.getRootNode(), pair = root.querySelector(".pair"), before = pair.dataset.turn
    const range = [...root.querySelectorAll("input[type=range]")].filter((node) => !node.disabled)[n % 3]
    range.value = n % 2 ? range.min : range.max
    const began = performance.now()
    range.dispatchEvent(new Event("input", { bubbles: true }))
    range.dispatchEvent(new Event("change", { bubbles: true }))
    while (pair.dataset.turn === before) await new Promise(requestAnimationFrame)
    return performance.now() - began
}"""
SWITCH = """async (element, n) => {
    const root = element.getRootNode(), pair = root.querySelector(".pair"), before = pair.dataset.turn
    const boxes = root.querySelectorAll("input[type=checkbox]"), began = performance.now()
    boxes[n % boxes.length].click()
    while (pair.dataset.turn === before) await new Promise(requestAnimationFrame)
    return performance.now() - began
}"""
MEASURES = (
    Measure("views: release of a strength to the pictures", "Pair", ".pair canvas", RELEASE, 150),
    Measure("views: a switch to the pictures", "Pair", ".pair canvas", SWITCH, 150),
)


def take(page: Page, address: str, measure: Measure, repeats: int) -> list[float]:
    """Milliseconds of each repeat, after three that are not counted."""
    page.goto(address)
    element = page.locator(measure.ready).first
    element.wait_for(timeout=60_000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_timeout(2000)
    found = []
    for n in range(repeats + 3):
        found.append(page.locator(measure.ready).first.evaluate(measure.script, n))
        page.wait_for_timeout(150)
    return found[3:]


def heap(page: Page) -> float:
    """MB of JavaScript heap in use after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6


def main(dataset: tuple[str, ...] = ("mnist", "cifar10"), repeats: int = 30) -> None:
    """Measure and print.

    Args:
        dataset: whose images are on show.
        repeats: of each measure.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        print(f"{_processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, Chromium {browser.version},")
        print(f"load average {os.getloadavg()[0]:.1f}, {repeats} repeats")
        for name in dataset:
            with tempfile.TemporaryDirectory() as folder, serve(folder) as (address, pid):
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                url, before = f"{address}/contrastive?data={name}", resident(pid)
                seconds = first_picture(page, lambda page=page, url=url: page.goto(url, wait_until="commit"))
                print(f"\n{name}\n  {'cold first paint':46} {seconds:8.2f} s", flush=True)
                for measure in MEASURES:
                    found = take(page, f"{url}&contrast_view={measure.view}", measure, repeats)
                    late = statistics.quantiles(found, n=20)[-1]
                    told = f"median {statistics.median(found):5.0f} ms, 95 % within {late:5.0f} ms"
                    print(f"  {measure.title:46} {told} (target {measure.target:.0f})", flush=True)
                print(f"  {'server, MB':46} {before:8.0f} before, {resident(pid):.0f} after")
                print(f"  {'page, MB of JavaScript heap':46} {heap(page):8.1f}", flush=True)
                page.context.close()
        browser.close()
        print(f"\nload average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
