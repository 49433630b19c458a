"""From a drag of the temperature, or of a negative, to the picture that shows what came of it: in a browser.

    python tests/benchmarks/temperature.py
    python tests/benchmarks/temperature.py --sizes 8 64 --models simclr-mnist simclr-cifar10-resnet

The contrast page of a server of its own is opened with a batch of each size, and the slider of its matrix is dragged
from end to end by the mouse. Counted is the time from the browser's event to the end of the frame that is drawn after
it: the losses of the batch under an objective, the softmax of a row, its bars and its hardest negatives. Prints the
median and the 95th percentile in milliseconds, and how many messages went to the server while the mouse was down,
which must be none (exit status 1 else). Needs chromium and playwright (the test extra). Run it on a quiet machine.
"""

import os
import shutil
import sys
import tempfile

import numpy as np
import tyro
from playwright.sync_api import Page, sync_playwright

from pages import ARGUMENTS, _processor, serve

MOVES = 120
AT_REST = "[data-testid=stApp][data-test-script-state=notRunning]"


def drag(page: Page, name: str, points: list[tuple[float, float]]) -> np.ndarray:
    """Move the mouse over points with its button down; milliseconds to each picture."""
    page.evaluate("performance.clearMeasures()")
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
        page.wait_for_timeout(20)
    found = page.evaluate(f"performance.getEntriesByName('{name}').map((entry) => entry.duration)")
    return np.array(found)


def told(words: str, found: np.ndarray, messages: int) -> None:
    p50, p95 = np.percentile(found, (50, 95))
    print(f"{words:58} {len(found):5} {p50:9.1f} {p95:9.1f} {messages:9}", flush=True)


def main(
    models: tuple[str, ...] = ("simclr-mnist",),
    sizes: tuple[int, ...] = (8, 16, 32, 64),
    objectives: tuple[str, ...] = ("nt_xent", "cross_view", "queue"),
) -> None:
    """Measure and print.

    Args:
        models: bundled models with a projector.
        sizes: images in the batch.
        objectives: what counts as a candidate.
    """
    chromium, wrong = shutil.which("chromium") or shutil.which("chromium-browser"), False
    with tempfile.TemporaryDirectory() as folder, serve(folder) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        print(f"{_processor()}, {os.cpu_count()} CPUs, Chromium {browser.version}, load {os.getloadavg()[0]:.1f}\n")
        print(f"{'drag to picture':58} {'n':>5} {'p50, ms':>9} {'p95, ms':>9} {'messages':>9}")
        page, sent = browser.new_page(viewport={"width": 1440, "height": 900}), []
        page.set_default_timeout(90_000)
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
        for model in models:
            for size in sizes:
                for objective in objectives:
                    query = f"contrast_view=Matrix&contrast_batch={size}&contrast_objective={objective}&model={model}"
                    page.goto(f"{address}/contrastive?{query}")
                    slider = page.locator("input.temperature")
                    slider.wait_for()
                    page.wait_for_selector(AT_REST)
                    page.wait_for_timeout(1500)
                    box, before = slider.bounding_box(), len(sent)
                    across = np.linspace(0.02, 0.98, MOVES) * box["width"] + box["x"]
                    found = drag(page, "sslviz temperature", [(x, box["y"] + box["height"] / 2) for x in across])
                    told(f"temperature: {model}, {size} images, {objective}", found, len(sent) - before)
                    wrong |= len(sent) != before
                    page.mouse.up()
        page.goto(f"{address}/contrastive?contrast_view=Gradient&model={models[0]}")
        circle = page.locator("canvas.circle").first
        circle.wait_for()
        page.wait_for_selector(AT_REST)
        page.wait_for_timeout(1500)
        circle.scroll_into_view_if_needed()
        box, before = circle.bounding_box(), len(sent)
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 26
        turns, r = np.deg2rad(np.linspace(190, 100, MOVES)), box["width"] / 2 - 44
        points = [(middle[0] + r * np.cos(turn), middle[1] - r * np.sin(turn)) for turn in turns]
        told("a negative on three circles", drag(page, "sslviz gradient", points), len(sent) - before)
        wrong |= len(sent) != before
        browser.close()
    sys.exit(wrong)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
