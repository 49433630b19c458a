"""Experiments of short runs: what a cell is, that runs are kept as they end, and what the shipped results say."""

import dataclasses
import json
import shlex
import signal
import subprocess

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from sslviz import cli
from sslviz.bundled import experiments
from sslviz.bundled.experiments import EXPERIMENTS, Experiment, grid, results
from sslviz.bundled.experiments import run as runs
from sslviz.cli.signals import Interrupted
from sslviz.data.images import load_images
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.jobs.protocol import Stepped
from sslviz.methods.policies import ViewPolicy
from sslviz.paths import ROOT
from sslviz.store import checkpoint

CELLS = [(name, dataset, key) for name, e in EXPERIMENTS.items() for dataset in e.datasets for key in e.cells(dataset)]
SHIPPED = [(name, dataset) for name in ("grid", "shortcut") for dataset in EXPERIMENTS[name].datasets]
SHIPPED = [(name, dataset) for name in ("grid", "shortcut") for dataset in EXPERIMENTS[name].datasets]
TINY = {
    "model.encoder.widths": (4, 4), "model.encoder.strides": (2, 2), "steps": 2, "batch_size": 16, "device": "cpu",
    "precision": "32-true", "threads": 1, "monitors": 1,
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """An experiment of two cells that takes a second."""
    cells = {"cropped": {"views.crop": 0.3}, "plain": {"views.crop": 1.0, "views.rotate": 0.0}}
    made = Experiment("Tiny", "Which?", "none", "simclr", ("mnist",), lambda dataset: cells, labels=100, fixed=TINY)
    monkeypatch.setitem(EXPERIMENTS, "tiny", made)
    return made


def parsed(words, monkeypatch):
    """The config that the command line makes of a command's words."""
    taken = []
    with monkeypatch.context() as patch:
        patch.setattr("sslviz.training.loop.fit", lambda config: taken.append(config) or iter([]))
        assert cli.main(words) == 0
    return taken[0]


@pytest.mark.slow
def test_runs_are_made_kept_and_not_made_again(tiny, tmp_path, monkeypatch, capsys):
    assert cli.main(["experiments", "run", "tiny", "mnist", "--out", str(tmp_path)]) == 0
    path = tmp_path / "tiny-mnist.json"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    found = results.read(path)
    assert [(run.cell, run.seed) for run in found.runs] == [("cropped", 0), ("plain", 0)]
    assert (
        found.n_labels == 100
        and found.runs[0].n_test == 10_000
        and found.command == "sslviz experiments run tiny mnist"
    )
    assert "k-NN" in capsys.readouterr().out
    # the command of a run trains the same model, and an independent k-NN gives the same accuracy
    words = shlex.split(found.runs[0].command)
    assert cli.main([*words[1:], "--out", str(tmp_path / "again")]) == 0
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    rows, model = stratified_sample(train.y.numpy(), 100, seed=0), checkpoint.load(tmp_path / "again")
    h, h_test = encode(model, train.x[rows]), encode(model, test.x[:2000])
    knn = KNeighborsClassifier(20, metric="cosine").fit(h, train.y.numpy()[rows])
    assert abs(np.mean(knn.predict(h_test) == test.y.numpy()[:2000]) - found.runs[0].knn) < 0.05
    assert runs.measure(model, "mnist", labels=100)["knn"] == found.runs[0].knn
    assert checkpoint.load_card(tmp_path / "again")["results"]["losses"]["loss"] == pytest.approx(
        found.runs[0].loss, abs=1e-4
    )
    # what is there stays; what is missing is made
    monkeypatch.setattr(runs, "train_cell", lambda *a, **k: pytest.fail("was made again"))
    assert list(runs.run("tiny", "mnist", folder=tmp_path)) == []
    monkeypatch.undo()


@pytest.mark.slow
def test_what_is_done_outlives_a_stop(tiny, tmp_path):
    def follow(key, seed, events):
        for event in events:
            if key == "plain" and isinstance(event, Stepped):
                raise Interrupted(signal.SIGINT)
            yield event

    with pytest.raises(Interrupted):
        list(runs.run("tiny", "mnist", folder=tmp_path, follow=follow))
    path = tmp_path / "tiny-mnist.json"
    before = results.read(path)
    assert [run.cell for run in before.runs] == ["cropped"]
    made = list(runs.run("tiny", "mnist", folder=tmp_path, cells=["plain"], seeds=[0, 3]))
    assert [(run.cell, run.seed) for run in made] == [("plain", 0), ("plain", 3)]
    assert results.read(path).runs == (*before.runs, *made)


@pytest.mark.slow
def test_a_file_is_never_half_written(tiny, tmp_path, monkeypatch):
    first = runs.begun("tiny", "mnist", tmp_path / "tiny-mnist.json")
    results.write(first, tmp_path / "tiny-mnist.json")
    monkeypatch.setattr(results.json, "dumps", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        results.write(first.added([]), tmp_path / "tiny-mnist.json")
    monkeypatch.undo()
    assert results.read(tmp_path / "tiny-mnist.json") == first and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing", "mnist"], "There is no experiment 'nothing'; choose one of grid"),
        (["shortcut", "cifar10"], "shortcut is not run on 'cifar10'; choose one of mnist"),
        (["grid", "mnist", "--cell", "flip"], "grid has no cell 'flip'; choose one of crop"),
        (["grid", "mnist", "--seeds", "-1"], "--seeds must be from 0"),
        (["grid", "mnist", "--threads", "0"], "--threads must be from 1"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs, "measure", lambda *a, **k: {"knn": 0.1, "linear": 0.1, "n_test": 10})
    assert cli.main(["experiments", "run", *words, "--out", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"runs": [{"cell": 1}]}', "\x00"])
def test_another_file_is_refused(tiny, text, tmp_path):
    (tmp_path / "tiny-mnist.json").write_text(text)
    with pytest.raises(UserError, match="does not hold the results of an experiment: delete it"):
        list(runs.run("tiny", "mnist", folder=tmp_path))


def test_runs_on_a_full_copy_are_refused(tiny, monkeypatch, tmp_path):
    real = runs.load_images

    def told(name, split, bundled=False):
        return dataclasses.replace(real(name, split), source="bundled" if bundled else "all")

    monkeypatch.setattr(runs, "load_images", told)
    with pytest.raises(UserError, match="set SSLVIZ_DATA to an empty folder"):
        list(runs.run("tiny", "mnist", folder=tmp_path))


@pytest.mark.parametrize("dataset", EXPERIMENTS["grid"].datasets)
def test_a_cell_of_the_grid_has_its_transforms_and_no_other(dataset):
    known, neutral = grid.TRANSFORMS[dataset], ViewPolicy(size=grid.SIDE)
    cells = EXPERIMENTS["grid"].cells(dataset)
    assert len(cells) == len(known) * (len(known) + 1) // 2 + 1
    for key in cells:
        wanted = {}
        for name in key.split("+"):
            wanted |= known.get(name, {})
        assert experiments.policy("grid", dataset, key) == dataclasses.replace(neutral, **wanted)


@pytest.mark.parametrize(("name", "dataset", "key"), CELLS[::7], ids="-".join)
def test_a_page_asks_for_the_run_that_the_engine_makes(name, dataset, key, monkeypatch):
    config = runs.config_of(name, dataset, key, seed=3)
    asked = parsed(experiments.request(name, dataset, key, seed=3, minutes=2).words(), monkeypatch)
    assert dataclasses.replace(asked, minutes=None) == config and asked.minutes == 2


@pytest.mark.parametrize(("name", "dataset"), SHIPPED)
def test_shipped_results_are_whole_and_of_the_runs_that_their_commands_make(name, dataset, monkeypatch):
    found, about = results.shipped(name, dataset), EXPERIMENTS[name]
    assert {run.cell for run in found.runs} >= set(about.cells(dataset)) and found.n_labels == about.labels
    assert len({(run.n_train, run.n_test) for run in found.runs}) == 1
    assert shlex.split(found.command) == ["sslviz", "experiments", "run", name, dataset]
    for run in found.runs:
        assert runs.config_of(name, dataset, run.cell, seed=run.seed) == parsed(
            shlex.split(run.command)[1:], monkeypatch
        )
        low, high = run.interval("knn")
        assert 0 < low < run.knn < high < 1 and run.loss > 0
    if (ROOT / ".git").exists():
        for revision in {run.revision for run in found.runs}:
            kind = subprocess.run(["git", "-C", ROOT, "cat-file", "-t", revision], capture_output=True, text=True)
            shallow = subprocess.run(["git", "-C", ROOT, "rev-parse", "--is-shallow-repository"], capture_output=True)
            assert kind.stdout.strip() == "commit" or shallow.stdout.strip() == b"true", revision


def test_the_list_says_how_many_runs_are_there(capsys):
    assert cli.main(["experiments", "list", "--json"]) == 0
    rows = {(row["name"], row["dataset"]): row for row in json.loads(capsys.readouterr().out)["experiments"]}
    assert rows.keys() == {(name, dataset) for name, about in EXPERIMENTS.items() for dataset in about.datasets}
    row = rows["shortcut", "mnist"]
    assert row["runs"] == len(row["cells"]) == 16
