"""How long each page takes to its first picture, in a browser: after a start of the server, and reloaded.

    python tests/benchmarks/pages.py
    python tests/benchmarks/pages.py --pages home vae --rounds 3

For every page a server of its own is started on a free port, with the bundled models only, and the page is visited by
its address in a new browser profile (the first visit also loads the browser's own copy of Streamlit); then it is
reloaded in the same tab, twice, of which the second counts. The first picture is the first Plotly figure, canvas,
image, drawing or thumbnail that is painted in the main part of the page. Prints seconds, the median over rounds, the
processor time that server and browser took until then, which a busy machine changes less, and the resident memory of
the server before and after the first visit. Exit status 1 where a page showed an error or nothing within the limit.
Needs chromium and playwright (the test extra). Run it on a quiet machine.
"""

import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tyro
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("home", "vae", "contrastive", "embeddings", "probe", "train", "language", "review")
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
MAIN = "[data-testid=stMain]"
PICTURES = (".js-plotly-plot .main-svg", "canvas", "img", "svg[role=img]", ".picture")
PICTURE = ", ".join(f"{MAIN} {kind}" for kind in PICTURES)
LIMIT = 90.0  # seconds


@contextmanager
def serve(folder: str) -> Iterator[tuple[str, int]]:
    """A server of its own: (address, process id)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", *options, "--server.fileWatcherType=none"],
        cwd=ROOT,
        env=os.environ | {"SSLVIZ_MODELS": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def resident(pid: int) -> float:
    """Resident memory of a process in MB (Linux), else nan."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def first_picture(page: Page, go: object) -> float:
    """Seconds from `go` to the first picture in the main part of the page."""
    started = time.perf_counter()
    go()
    page.locator(PICTURE).first.wait_for(timeout=1000 * LIMIT)
    seconds = time.perf_counter() - started
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=1000 * LIMIT)
    page.wait_for_timeout(500)
    if said := page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts():
        raise RuntimeError(" ".join(said))
    return seconds


def _processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def spent(pid: int) -> float:
    """Seconds of processor time of a process and its descendants (Linux), else nan."""
    children, times = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = file.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        children.setdefault(int(words[1]), []).append(int(file.parent.name))
        times[int(file.parent.name)] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    found, open_ = 0.0, [pid]
    while open_:
        found += times.get(open_[-1], 0.0)
        open_ += children.get(open_.pop(), [])
    return found if times else float("nan")


def visit(browser: Browser, name: str) -> tuple[float, float, float, float, float, float]:
    """Seconds of the first visit and of a reload; processor time of server and browser; MB before and after."""
    with tempfile.TemporaryDirectory() as folder, serve(folder) as (address, pid):
        before = resident(pid)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        path = "" if name == "home" else name
        server, everything = spent(pid), spent(os.getpid())
        first = first_picture(page, lambda: page.goto(f"{address}/{path}", wait_until="commit"))
        server, everything = spent(pid) - server, spent(os.getpid()) - everything
        page.wait_for_timeout(3000)  # what is loaded in the background is there, too
        after = resident(pid)
        reload = [first_picture(page, lambda: page.reload(wait_until="commit")) for _ in range(2)][-1]
        context.close()
    return first, reload, server, everything - server, before, after


def main(pages: tuple[str, ...] = PAGES, rounds: int = 1) -> None:
    """Measure and print.

    Args:
        pages: their names in the address; "home" is the first.
        rounds: how often each is measured.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    failed = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        print(f"{_processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, Chromium {browser.version},")
        print(f"load average {os.getloadavg()[0]:.1f}, {rounds} round(s)\n")
        print(f"{'':10} {'first visit, s':>15} {'reload, s':>10} {'processor time, s':>19} {'server, MB':>16}")
        print(f"{'page':10} {'':15} {'':10} {'server':>10} {'browser':>8} {'before':>9} {'after':>6}")
        for name in pages:
            try:
                found = [visit(browser, name) for _ in range(rounds)]
            except (TooLate, RuntimeError) as error:
                failed = True
                print(f"{name:10} {str(error).splitlines()[0]}", flush=True)
                continue
            first, reload, server, own, before, after = (statistics.median(x) for x in zip(*found, strict=True))
            times = f"{first:15.2f} {reload:10.2f} {server:10.2f} {own:8.2f}"
            print(f"{name:10} {times} {before:9.0f} {after:6.0f}", flush=True)
        print(f"\nload average at the end {os.getloadavg()[0]:.1f}")
        browser.close()
    sys.exit(failed)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
