"""Views of the probe page on what comes along: the table, curves, moments, transfer, rules, errors, a picture."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from visiting import button, check, components, open_page, param, said, until

from sslviz import ui
from sslviz.bundled import cases
from sslviz.bundled.moments import read_log
from sslviz.errors import UserError
from sslviz.evaluation import evidence, stored_curve, transfer
from sslviz.evaluation.efficiency import Efficiency
from sslviz.evaluation.intervals import paired_difference
from sslviz.store import checkpoint
from sslviz.ui import work
from sslviz.ui.evidence import VIEWS
from sslviz.ui.evidence.labels import Sweep


def view(name: str, **address: str):
    return check(open_page("probe", probe_view=name, model="simclr-mnist", **address))


def test_the_table_comes_at_once_and_says_protocol_n_and_intervals():
    found = evidence.load("mnist")
    at = view("Evidence")
    text = said(at)
    measured = found.row("simclr-mnist").measured["linear"]
    assert f"simclr-mnist, Linear: {100 * measured.accuracy:.1f} %" in text and "n = 10,000" in text
    assert "n = 10,000 test images" in text and "Wilson" in text and found.protocols["linear"] in text
    table = next(m.value for m in at.markdown if m.value.startswith("| encoder"))
    names = [line.split("|")[1].strip(" *").split(",")[0].replace("\\", "") for line in table.splitlines()[2:]]
    assert names[0] == found.ranked("linear")[0].name and "whitened patches" in names and len(names) == len(found.rows)
    assert all("(" in line and "–" in line for line in table.splitlines()[2:])


@pytest.mark.slow
def test_a_protocol_sorts_the_rows_again_and_is_in_the_address():
    found = evidence.load("mnist")
    at = view("Evidence")
    check(at.segmented_control(key="probe_protocol").set_value("1 a class").run())
    assert param(at, "probe_protocol") == "1 a class" and found.protocols["1"] in said(at)
    table = next(m.value for m in at.markdown if m.value.startswith("| encoder"))
    first = table.splitlines()[2].split("|")[1].strip(" *").split(",")[0].replace("\\", "")
    assert first == found.ranked("1")[0].name and "1 a class (95 %)" in table
    check(at.selectbox(key="probe_row").set_value("pixels").run())
    assert "pixels, 1 a class" in said(at) and param(at, "probe_row") == "pixels"
    check(at.segmented_control(key="probe_protocol").set_value("Fine-tuned").run())
    assert "no weights to train" in said(at)  # pixels have none
    again = view("Evidence", probe_protocol="k-NN", probe_row="moco-mnist")
    assert "moco-mnist, k-NN: " in said(again)


@pytest.mark.slow
def test_an_own_model_is_measured_at_a_press_and_reads_a_picture_too(on_pages, monkeypatch):
    """In place of the minutes that measuring takes, the own copy of a bundled model is given that one's row."""

    def measured(function, report, *, model, dataset):
        found = evidence.load(dataset)
        part = found.part("vae-mnist")
        part = replace(part, row=replace(part.row, name=model, title=model))
        evidence.save(replace(found, dataset=evidence.OWN, parts=(part,)), checkpoint.find(model))
        return {"rows": 1}

    mine = Path(shutil.copytree(checkpoint.find("vae-mnist"), on_pages / "mine"))
    ui.models.clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(work, "call", measured)
            at = check(open_page("probe", model="mine"))
            assert "has no row in this table" in said(at)
            check(button(at, "Measure mine").click().run())
            until(at, lambda: not any(b.label == "Measure mine" for b in check(at.run()).button))
            table = next(m.value for m in at.markdown if m.value.startswith("| encoder"))
            assert any(line.startswith(("| mine", "| **mine")) for line in table.splitlines())
        at = view("Learned", probe_learned="Your picture", contrast_image="0")
        assert "mine" in until(at, "of 6 probes say")
    finally:
        shutil.rmtree(mine)
        ui.models.clear()


def test_a_difference_has_its_paired_interval_or_says_that_none_can_be_told():
    found = evidence.load("mnist")
    a, b = found.ranked("linear")[:2]
    expected = paired_difference(found.y, found.predictions(b.name, "linear"), found.predictions(a.name, "linear"))
    text = said(view("Evidence", probe_row=b.name))
    words = "can be told" if not expected.told else f"{abs(100 * expected.value):.1f} points below"
    assert words in text


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("Evidence", "Labels")])
def test_every_view_opens_with_something_to_see(name):
    at = view(name)
    assert not at.get("progress"), "nothing is computed unasked"
    assert at.get("plotly_chart") or len(at.markdown) > 4 or name == "Transfer"
    check(open_page("probe", probe_view=name, data="fashion_mnist"))


def test_transfer_shows_the_matrix_and_each_level_with_its_protocol():
    stored = transfer.load()
    text = said(view("Transfer"))
    assert "100 labels of each class" in text and "can be told to be above whitened patches" in text
    levels = said(view("Transfer", probe_transfer="Ladder"))
    best = max(stored["ladders"]["simclr-mnist"]["levels"], key=lambda level: level["accuracy"])
    assert f"simclr-mnist: {best['name']} is best" in levels and "n = 10,000 test images" in levels


def test_a_rule_that_is_broken_turns_the_panel_and_shows_both_scores():
    at = view("Cheat")
    stored = cases.load("mnist")
    assert ":red[" not in said(at)
    at = view("Cheat", probe_sin="batch_norm")
    text = said(at)
    assert ":red[" in text and "**broken** | eval mode" in text
    broken = stored["sins"]["batch_norm"]
    assert f"{abs(100 * broken['difference']['value']):.1f} points above the honest score" in text
    assert "It has happened." in text
    assert "sslviz honesty simclr-mnist mnist --rules batch_norm" in at.code[1].value + at.code[0].value


@pytest.mark.slow
def test_the_game_hides_the_answer_until_it_is_named():
    stored = cases.load("mnist")
    assert set(stored["sins"]) == set(cases.SINS) and len(cases.SINS) == 8
    closed = said(view("Cheat", probe_cheat="Game", probe_case="3"))
    assert "Case 3 of 8" in closed and ":red[" not in closed and "It has happened" not in closed
    assert f"{stored['accuracy']:.1%}" not in closed
    opened = said(view("Cheat", probe_cheat="Game", probe_case="3", probe_answer="copies"))
    assert ":red[" in opened and "It has happened." in opened
    for bad in ("0", "9", "x", "9" * 3000):
        assert "Case 1 of 8" in said(view("Cheat", probe_cheat="Game", probe_case=bad, probe_answer=bad))


def test_errors_are_shown_as_pictures_the_surest_first():
    found = evidence.load("mnist")
    at = view("Learned")
    gallery = next(c for c in components(at) if c.get("label") == "Most confident errors")
    ids = [item["id"] for item in gallery["items"]]
    part = found.part("simclr-mnist")
    y, y_pred, sure = found.y[found.bundled], part.y_pred[0][found.bundled], part.sure[found.bundled]
    assert len(ids) == 24 and all(y[i] != y_pred[i] for i in ids)
    assert [sure[i] for i in ids] == sorted((sure[i] for i in ids), reverse=True)
    assert "Expected calibration error" in said(at)


def test_a_sweep_in_an_address_is_read_strictly():
    sweep = Sweep("simclr-mnist", ("moco-mnist",), ("pixels", "whitened patches"), ("1", "10", "all"), 5, 0)
    assert Sweep.parse(str(sweep)) == sweep and sweep.numbers == [1, 10, None]
    for bad in ("", "a~b", "m~pixels~1~9~0", "m~evil~1~5~0", "m~pixels~3~5~0", "../x~pixels~1~5~0", "m~pixels~1~5~7"):
        with pytest.raises(ValueError):
            Sweep.parse(bad)
    check(view("Labels", probe_sweep="x" * 3000, probe_counts="7+all", probe_rows="nobody"))


def test_before_any_fit_the_curve_is_that_of_the_table():
    found = evidence.load("mnist")
    text = said(check(open_page("probe", probe_view="Labels", model="moco-mnist", probe_rows="pixels+simclr-mnist")))
    assert "5 class-balanced draws of labels at each count" in text and "10,000 test images" in text
    table = next(line for line in text.splitlines() if line.startswith("| pixels"))
    difference = found.difference("moco-mnist", "pixels", "1")
    assert difference.told and f"**+{100 * difference.value:.1f}**" in table
    assert "| simclr-mnist" in text and "| whitened patches" not in text


def test_the_curve_of_a_command_comes_along_with_training_from_scratch():
    stored = stored_curve.load("mnist")
    text = said(view("Labels"))
    assert stored.model == "simclr-mnist" and "from scratch" in stored.names and len(stored.seeds) == 5
    assert f"from scratch: {stored.notes['from scratch']}" in text and "| from scratch" in text


@pytest.mark.slow
def test_a_sweep_shows_what_there_is_and_a_moved_control_loses_nothing(own_digits, on_pages):
    at = check(open_page("probe", probe_view="Labels", model="tiny-simclr", probe_counts="1+2", probe_draws="2"))
    check(button(at, "Fit the curve").click().run())
    until(at, "Differences in points")
    check(at.number_input(key="probe_draws").set_value(3).run())  # while it may still be running
    assert "tiny-simclr" in said(at)
    until(at, lambda: "whitened patches" in said(at) and not at.get("progress"))
    (found,) = at.session_state["probe_curves"].values()
    assert isinstance(found, Efficiency) and found.names[0] == "tiny-simclr" and len(found.fits) == 3 * 4
    link = param(at, "probe_sweep")
    other = check(open_page("probe", probe_view="Labels", model="tiny-simclr", probe_sweep=link))
    assert "Differences in points" in said(other)  # from this server, without computing it again


@pytest.mark.slow
def test_one_picture_is_read_by_every_encoder():
    at = view("Learned", probe_learned="Your picture", contrast_image="0")
    text = until(at, "of 5 probes say")
    assert "“7”" in text and "vae-mnist-2d" in text


def test_damaged_files_are_answered_in_a_sentence(tmp_path):
    (tmp_path / "honesty-mnist.json").write_text('{"model": "x"}')
    (tmp_path / "labels-mnist.json").write_text("[")
    (tmp_path / "log.jsonl").write_text(json.dumps({"event": "step", "losses": {"loss": 1.0}}))
    for reading in (lambda: cases.load("mnist", tmp_path), lambda: stored_curve.load("mnist", tmp_path)):
        with pytest.raises(UserError, match="restore"):
            reading()
    with pytest.raises(UserError, match="train with --monitors"):
        read_log(tmp_path / "log.jsonl")
