"""Grid and Shortcut of the contrast page: what they say of the shipped runs, and a run that is started from them."""

import importlib
import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest
from visiting import check, open_page

from sslviz.bundled.experiments import EXPERIMENTS, results
from sslviz.ui import work

pytestmark = pytest.mark.usefixtures("on_pages")


def open_view(view: str, **address: str) -> AppTest:
    return check(open_page("contrastive", contrast_view=view, **address))


def words(at: AppTest) -> str:
    return "\n".join(m.value for m in (*at.markdown, *at.caption)).replace("\\", "")


@pytest.mark.parametrize("dataset", EXPERIMENTS["grid"].datasets)
def test_the_grid_says_the_best_pair_and_how_it_was_found(dataset):
    at, found = open_view("Grid", data=dataset), results.shipped("grid", dataset)
    best = max((run for run in found.runs if "+" in run.cell), key=lambda run: run.knn)
    low, high = best.interval("knn")
    digits = 0 if high - low >= 0.02 else 1
    said = words(at)
    assert f"Best pair: {best.cell.replace('+', ' + ')}, {100 * best.knn:.{digits}f} % ({100 * low:.{digits}f}" in said
    assert "2,000 labels" in said and f"{found.runs[0].n_test:,} images" in said and "95 %" in said
    assert any(best.command.split(" --")[0] in block.value for block in at.code)
    check(at.segmented_control(key="contrast_probe").set_value("Linear").run())
    assert "logistic regression" in words(at) and "20 neighbours" not in words(at)


def test_a_cell_of_the_address_is_on_show_and_a_foreign_one_is_not():
    at = open_view("Grid", data="cifar10", contrast_cell="crop+blur")
    assert "**Views: crop + blur**" in words(at)
    at = open_view("Grid", data="mnist", contrast_cell="crop+flip")
    assert "crop + flip" not in words(at)


def test_the_shortcut_compares_with_no_bits():
    at, found = open_view("Shortcut", data="mnist", contrast_bits="12"), results.shipped("shortcut", "mnist")
    (none,), (here,) = found.of("0"), found.of("12 over")
    assert f"ends at {here.loss:.2f} nats in place of {none.loss:.2f}" in words(at)
    check(at.segmented_control(key="contrast_place").set_value("under").run())
    (under,) = found.of("12 under")
    assert f"ends at {under.loss:.2f} nats" in words(at) and "Over both views the same 12 bits leave" in words(at)
    check(at.select_slider(key="contrast_bits").set_value(0).run())
    assert "Without bits" in words(at)


def test_other_datasets_are_told_where_to_look():
    at = open_view("Shortcut", data="cifar10")
    assert "made for MNIST" in at.info[0].value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "name", "beside"),
    [
        ("Shortcut", "shortcut", "| 1 | "),
        ("Collapse", "collapse", "2 steps without negatives, seed 1 |"),
        ("Queue", "momentum", "| 0.99, seed 1 | "),
    ],
)
def test_a_run_made_now_stands_beside_the_one_that_comes_along(view, name, beside, models, monkeypatch):
    """The real queue, process and evaluation, with two steps in place of hundreds."""
    about = EXPERIMENTS[name]
    fixed = {**about.fixed, "steps": 2, "batch_size": 32, "monitors": 1}
    monkeypatch.setitem(EXPERIMENTS, name, replace(about, fixed=fixed))

    def call(function, report, **arguments):
        module, name = function.split(":")
        return getattr(importlib.import_module(module), name)(report=report, **arguments)

    monkeypatch.setattr(work, "call", call)  # the helper process would have the true number of steps
    before = {path.name for path in models.iterdir()}
    at = open_view(view, model="simclr-mnist")
    check(next(b for b in at.button if b.label == "Run it now with seed 1").click().run())
    for _ in range(300):
        if "is added, for this visit" in words(at):
            break
        time.sleep(0.2)
        check(at.run())
    assert (
        "Seed 1 of " in words(at)
        and beside in words(at)
        and any(b.label == "Run it now with seed 2" for b in at.button)
    )
    assert {path.name for path in models.iterdir()} == before
