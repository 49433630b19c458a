"""What `pip install .` gives, outside of the checkout and without a network: the command, the app, data and models."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment where sslviz comes from its wheel, and a folder to run in, outside of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", "-q", *offline, "--no-build-isolation", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("sslviz-*.whl")
    subprocess.run([*pip, "install", "-q", *offline, "--target", folder / "site", wheel], check=True)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    return os.environ | {"PYTHONPATH": str(folder / "site")}, elsewhere


def run(installed, *words):
    environment, folder = installed
    command = [sys.executable, "-m", "sslviz", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_the_installed_one_and_typed(installed):
    environment, folder = installed
    code = "import sslviz; print(sslviz.__file__)"
    where = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    home = Path(where.stdout.strip()).parent
    assert home.parent.name == "site" and (home / "py.typed").is_file()


def test_data_and_models_are_listed(installed):
    assert {row["name"] for row in json.loads(run(installed, "data", "list", "--json"))["datasets"]} >= {
        "mnist",
        "cifar10",
    }
    assert "simclr-mnist" in run(installed, "models", "list")


def test_a_word_is_filled_in(installed):
    masks = json.loads(run(installed, "fill", "The cat sat on the [MASK].", "--json"))["masks"]
    assert len(masks) == 1 and len(masks[0]["predictions"]) == 10


def test_a_model_is_probed(installed):
    found = json.loads(run(installed, "probe", "simclr-fashion", "fashion_mnist", "--no-baselines", "--json"))
    assert found["accuracy"] > 0.7


def test_the_app_answers(installed):
    environment, folder = installed
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sslviz", "app", "--port", str(port), "--headless"]
    app = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                    assert answer.read() == b"ok"
                    break
            except (urllib.error.URLError, ConnectionError):
                assert app.poll() is None
                time.sleep(0.1)
        else:
            pytest.fail("the app did not answer within half a minute")
    finally:
        app.terminate()
        app.wait(20)
