"""The worked example of CONTRIBUTING.md, to the letter: one file and one entry, and the method is everywhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = '    "mlm": MethodInfo('  # the new entry goes before this one
SMALL = ["--model.encoder.widths", "8", "8", "--model.encoder.strides", "2", "2", "--model.encoder.pool", "1"]
SMALL += ["--model.hidden", "32", "--model.dim", "16", "--batch-size", "64", "--threads", "1", "--lr", "0.005"]


def blocks():
    """The two blocks of code of the example, by the file that each says it belongs to."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return dict(re.findall(r"```python\n# (sslviz/methods/\w+\.py)\n(.*?)```", text, flags=re.DOTALL))


slow = pytest.mark.slow


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the package with the example in it, and its environment."""
    folder = tmp_path_factory.mktemp("house")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("sslviz", "pages"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests/visiting.py", folder / "tests")  # which opens the pages of the folder above it
    shutil.copy(ROOT / "app.py", folder)
    os.symlink(ROOT / "assets", folder / "assets")
    code = blocks()
    (folder / "sslviz/methods/barlow.py").write_text(code["sslviz/methods/barlow.py"], encoding="utf-8")
    registry = folder / "sslviz/methods/registry.py"
    before, after = registry.read_text(encoding="utf-8").split(ENTRY)
    registry.write_text(before + code["sslviz/methods/registry.py"] + ENTRY + after, encoding="utf-8")
    places = {f"SSLVIZ_{name}": str(folder / name.lower()) for name in ("DATA", "MODELS")}
    return folder, os.environ | places | {
        "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'tests'}",
        "SSLVIZ_ASSETS": str(ROOT / "assets"),
    }


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(480, 60)


def run(house, *words):
    """The output of a Python command in the copy."""
    folder, environment = house
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def sslviz(house, *words):
    return run(house, "-m", "sslviz", *words)


@pytest.fixture(scope="module")
def trained(house, data):
    """Events of a run from the command line, whose model is called "twins"."""
    told = sslviz(
        house, "train", "barlow", data, *SMALL, "--steps", 80, "--name", "twins", "--live", "--json", "--log-every", 1
    )
    return [json.loads(line) for line in told.splitlines()]


def test_the_example_is_short():
    code = blocks()
    assert sum(len(text.splitlines()) for text in code.values()) < 80


@slow
def test_it_trains_from_the_command_line_and_is_watched(house, trained):
    losses = [event["losses"]["loss"] for event in trained if event["event"] == "step"]
    assert len(losses) == 80 and sum(losses[-10:]) < 0.8 * sum(losses[:10])
    seen = [event for event in trained if event["event"] == "monitor"]
    assert all({"knn", "z_std"} <= event["monitor"].keys() and Path(event["path"]).is_file() for event in seen)
    card = json.loads((house[0] / "models/twins/card.json").read_text(encoding="utf-8"))
    assert card["method"] == "barlow" and card["command"].startswith("sslviz train barlow ")


@slow
def test_it_is_estimated(house, data):
    told = sslviz(house, "train", "barlow", data, *SMALL, "--minutes", 1, "--estimate", "--json")
    assert json.loads(told)["steps"] > 1


@slow
def test_its_numbers_are_held_to_their_bounds(house, data):
    folder, environment = house
    command = [sys.executable, "-m", "sslviz", "train", "barlow", data, "--model.redundancy", "2"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "--model.redundancy must lie in 0 to 1, not 2" in done.stderr


@slow
def test_it_is_exported_imported_and_probed(house, trained, data):
    file = house[0] / "twins.safetensors"
    sslviz(house, "models", "export", "twins", file)
    sslviz(house, "models", "import", file, "--name", "again")
    names = {model["name"] for model in json.loads(sslviz(house, "models", "list", "--json"))["models"]}
    assert {"twins", "again"} <= names
    first, second = (
        json.loads(sslviz(house, "probe", name, data, "--no-baselines", "--json")) for name in ("twins", "again")
    )
    assert first["accuracy"] == second["accuracy"] > 0.25
    untrained = json.loads(sslviz(house, "probe", "random-twins", data, "--no-baselines", "--json"))
    assert 0 < untrained["accuracy"] < 1


VISIT = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from visiting import button, components, open_page, param, said, until
from sslviz.bundled import recipes
from sslviz.jobs.process import RunProcess
from sslviz.jobs.protocol import Stored
from sslviz.jobs.record import key_of
from sslviz.jobs.request import TrainingRequest
from sslviz.methods.encoders import EncoderConfig
from sslviz.training.config import config_for
from sslviz.training.loop import fit
from sslviz.ui.training import console
folder = Path(os.environ["SSLVIZ_MODELS"]) / "twins-mnist"
run = RunProcess(TrainingRequest("barlow", "mnist", (), 1.0, "twins-mnist"), folder, key=key_of("an-id-of-a-run"))
encoder = EncoderConfig(channels=1, widths=(8, 8), strides=(2, 2))
config = config_for("barlow", "mnist", steps=20, live=True, out=folder, threads=1, batch_size=32, device="cpu")
for event in fit(replace(config, model=replace(config.model, encoder=encoder), precision="32-true")):
    run.hear(event)
run.hear(Stored(next(iter(recipes.store_maps(folder))), str(folder)))
run.record = run.ended(0)
run.write()
def tell(page, at):
    assert not at.exception and not at.error, (page, at.exception, at.error)
    print(json.dumps([page, "\\n".join([said(at), *(code.value for code in at.code)])]))
for page, address in json.loads(sys.argv[1]):
    tell(page, open_page(page, **address))
at = open_page("train", method="barlow", train_minutes="1")  # a run in a process of its own, watched while it trains
button(at, "Train").click().run()
queue, identity = console.run_queue(), param(at, "run")
until(at, lambda: queue.record(identity).points or not queue.record(identity).active)
live = queue.record(identity)
assert live.state == "running" and live.info["method"] == "barlow" and live.points[0].losses["loss"] > 0, live
tell("live", at.run())
assert "The pretext loss and its parts" in {drawn.get("title") for drawn in components(at)}
button(at, "Stop").click().run()
until(at, "Stopped at step [0-9]")
queue.close()
"""


@slow
def test_it_is_on_every_page_and_is_watched_while_it_trains(house):
    """The page that decodes shows another model; the train page offers the method, follows a run, and shows one."""
    pages = ("home", "vae", "contrastive", "embeddings", "probe", "language")
    visits = [*((page, {"model": "twins-mnist"}) for page in pages), ("train", {"method": "barlow"})]
    visits += [("train", {"run": "an-id-of-a-run"})]
    told = run(house, "-c", VISIT, json.dumps(visits)).splitlines()
    seen = [json.loads(line) for line in told if line.startswith('["')]
    assert [page for page, _ in seen] == [*(page for page, _ in visits), "live"]
    _, _, _, embeddings, probe, _, form, watched, live = (text for _, text in seen)
    assert "twins-mnist" in embeddings and "twins-mnist" in probe
    assert "sslviz train barlow mnist" in form and "def barlow_twins" in form
    assert "Views of one image agree at" in watched and "Spread" in watched
    assert "Barlow Twins on MNIST" in live and "appears here with the first step" not in live
