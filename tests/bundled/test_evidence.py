"""The table of evidence on a few real digits: the same draws for all rows, stored and read again, exported, refused."""

import csv
import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from sslviz import cli
from sslviz.bundled import evidence as maker
from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation import evidence as store
from sslviz.evaluation.efficiency import label_draws
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.intervals import accuracy_interval, paired_difference
from sslviz.evaluation.probes import KNNProbe, LinearProbe
from sslviz.evaluation.tables import FORMATS
from sslviz.store import checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(own_digits):
    return own_digits(300, 300)


@pytest.fixture(scope="module")
def found(path):
    seen = []
    made = maker.build(
        path, models=("simclr-mnist",), baselines=("pixels", "random"), seeds=2, counts=(1, 5), tuned=5,
        command="a command", progress=lambda *told: seen.append(told),
    )  # fmt: skip
    assert {name for name, *_ in seen} == {"simclr-mnist", "pixels", "random"}
    fractions = [fraction for *_, fraction in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    return made


def test_rows_are_what_the_probes_say(found, path):
    train, test = (load_images(path, split) for split in ("train", "test"))
    y, y_test = train.y.numpy(), test.y.numpy()
    model = checkpoint.load("simclr-mnist")
    h, h_test = encode(model, train.x), encode(model, test.x)
    row = found.row("simclr-mnist")
    for key, probe in (("linear", LinearProbe()), ("knn", KNNProbe(metric="cosine"))):
        y_pred = probe.fit(h, y).predict(h_test)
        np.testing.assert_array_equal(found.predictions("simclr-mnist", key), y_pred)
        accuracy = float(np.mean(y_pred == y_test))
        assert row.measured[key].accuracy == accuracy
        assert (row.measured[key].low, row.measured[key].high) == accuracy_interval(accuracy, 300)
    drawn = label_draws(y, (5,), (0, 1), class_names=train.class_names)
    accuracies = [LinearProbe(seed=s).fit(h[drawn[5, s]], y[drawn[5, s]]).score(h_test, y_test) for s in (0, 1)]
    assert row.measured["5"].draws == pytest.approx(accuracies)
    assert row.measured["5"].accuracy == pytest.approx(np.mean(accuracies))
    assert row.measured["linear"].detail["l2"] > 0 and row.measured["knn"].detail == {"k": 20, "metric": "cosine"}
    assert set(row.unlabelled) == {"rankme", "uniformity", "alignment", "lidar"}
    assert [r.measured["linear"].accuracy for r in found.rows] == sorted(
        (r.measured["linear"].accuracy for r in found.rows), reverse=True
    )


def test_compute_is_counted_for_models_and_nothing_for_baselines(found):
    card = checkpoint.load_card("simclr-mnist")
    row = found.row("simclr-mnist")
    assert (row.steps, row.batch_size, row.minutes) == (card["steps"], card["batch_size"], card["minutes"])
    # by hand: two views of 24 x 24, three convolutions, the first without a gradient to its input; and the head
    layers = [9 * 1 * 32 * 12 * 12, 9 * 32 * 64 * 6 * 6, 9 * 64 * 128 * 3 * 3]
    head = [512 * 512, 512 * 128]
    macs = 2 * (2 * layers[0] + 3 * sum(layers[1:]) + 3 * sum(head))
    assert row.pflop == pytest.approx(2 * macs * row.steps * row.batch_size / 1e15, rel=0.03)
    assert found.row("pixels").pflop == 0 and found.row("pixels").minutes is None


def test_differences_are_paired(found):
    a, b = (found.predictions(name, "linear") for name in ("simclr-mnist", "pixels"))
    assert found.difference("simclr-mnist", "pixels", "linear") == paired_difference(found.y, a, b)
    forth, back = found.difference("simclr-mnist", "pixels", "5"), found.difference("pixels", "simclr-mnist", "5")
    assert forth.value == -back.value and (forth.low, forth.high) == (-back.high, -back.low)
    gap = found.row("simclr-mnist").measured["5"].accuracy - found.row("pixels").measured["5"].accuracy
    assert forth.value == pytest.approx(gap) and forth.draws == 2
    with pytest.raises(UserError, match="no figure under this protocol"):
        found.difference("pixels", "random", "tuned")


def test_stored_probes_read_what_was_predicted(found, path):
    model, test = checkpoint.load("simclr-mnist"), load_images(path, "test")
    sure = found.part("simclr-mnist").reader.probabilities(encode(model, test.x))
    np.testing.assert_array_equal(sure.argmax(axis=1), found.predictions("simclr-mnist", "linear"))
    np.testing.assert_allclose(found.part("simclr-mnist").sure / 255, sure.max(axis=1), atol=1 / 255)


def test_a_row_is_kept_while_weights_images_and_protocols_are_the_same(found, path):
    said = []
    settings = {"baselines": ("pixels", "random"), "seeds": 2, "counts": (1, 5), "tuned": 5, "known": found}
    again = maker.build(
        path, models=("simclr-mnist", "vae-mnist-2d"), **settings, progress=lambda *told: said.append(told[:2])
    )
    kept = {name for name, stage in said if stage == "as it was"}
    assert kept == {"simclr-mnist", "pixels", "random"} and len(again.rows) == 4
    assert again.row("pixels") == found.row("pixels")
    assert again.difference("vae-mnist-2d", "pixels", "5").draws == 2


def test_it_is_stored_and_read_again(found, tmp_path):
    own = dataclasses.replace(found, dataset="digits")
    path = store.save(own, tmp_path)
    again = store.load("digits", tmp_path)
    assert again.rows == own.rows and again.protocols == own.protocols
    np.testing.assert_array_equal(again.y, own.y)
    for mine, other in zip(own.parts, again.parts, strict=True):
        np.testing.assert_array_equal(mine.y_pred, other.y_pred)
        np.testing.assert_array_equal(mine.sure, other.sure)
        assert mine.right.keys() == other.right.keys() and (mine.reader is None) == (other.reader is None)
        for key, right in mine.right.items():
            np.testing.assert_array_equal(right, other.right[key])
    assert store.load("nothing", tmp_path) is None
    path.write_text(path.read_text()[:-40])
    with pytest.raises(UserError, match="run `sslviz evidence digits`"):
        store.load("digits", tmp_path)


def test_it_is_read_without_torch():
    code = "import sslviz.evaluation.evidence, sslviz.evaluation.tables, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_exports_hold_every_row_and_say_the_protocols(found):
    for name, write in FORMATS.items():
        text = write(found)
        assert "all training labels" in text and "5 labels of each class" in text, name
        assert all(row.name in text or row.title in text or name == "latex" for row in found.rows)
    lines = FORMATS["csv"](found).splitlines()
    assert lines[0].startswith("# ")
    table = list(csv.DictReader(io.StringIO("\n".join(lines[1:]))))
    assert [row["encoder"] for row in table] == [row.name for row in found.rows]
    assert float(table[0]["linear_accuracy"]) == found.rows[0].measured["linear"].accuracy
    latex = FORMATS["latex"](dataclasses.replace(found, title="50 % & more_"))
    assert r"50 \% \& more\_" in latex and latex.count(r"\\") == len(found.rows) + 1


def test_the_command_stores_and_prints_again_what_is_stored(path, tmp_path, capsys):
    words = ["evidence", path, "--models", "vae-mnist-2d", "--seeds", "1", "--no-baselines", "--out", str(tmp_path)]
    assert cli.main([*words, "--labels-per-class", "1", "--tuned", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["rows"][0]["measured"]) == ["linear", "knn", "1"] and told["origin"]["git_revision"]
    assert told["origin"]["command"].startswith("sslviz evidence digits.npz --models vae-mnist-2d --labels-per-class 1")
    stored = next(tmp_path.glob("*.json"))
    assert cli.main(["evidence", stored.stem, "--out", str(tmp_path), "--stored", "--format", "csv"]) == 0
    assert "vae-mnist-2d" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 1  # by default up to 100 a class, which are not there
    assert "labels a class can't be drawn" in json.loads(capsys.readouterr().out)["message"]


def test_what_cannot_be_is_said(path, tmp_path, capsys):
    assert cli.main(["evidence", path]) == 1
    assert "name one with --models" in capsys.readouterr().err
    assert cli.main(["evidence", "mnist", "--stored", "--out", str(tmp_path)]) == 1
    assert "run `sslviz evidence mnist`" in capsys.readouterr().err
