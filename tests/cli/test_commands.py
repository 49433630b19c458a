"""The command as a person meets it: what it prints, how it exits, and what it says when it can't."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tinytext

from sslviz import cli
from sslviz.language import trigram
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.store.checkpoint import build, save


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(300, 100)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    small = EncoderConfig(channels=1, widths=(8, 16), strides=(2, 2), pool=1)
    save(build("simclr", SimCLRConfig(small), seed=0), folder / "contrastive", card={"dataset": "mnist"})
    save(build("vae", VAEConfig(hidden=16), seed=0), folder / "generative", card={"dataset": "mnist"})
    return folder


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_help_everywhere(capsys):
    assert run(capsys, "-h")[0] == 0
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.main([*name.split(), "-h"])
        assert ended.value.code == 0
        assert name.split()[-1] in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage(capsys):
    status, out, _ = run(capsys, "dance")
    assert status == 2
    assert "train" in out


def test_train_prints_one_event_a_line(capsys, data, tmp_path):
    words = ["train", "simclr", data, "--steps", 3, "--batch-size", 16, "--log-every", 1, "--json"]
    words += ["--model.encoder.widths", 8, 8, "--model.encoder.strides", 2, 2, "--out", tmp_path / "m"]
    status, out, _ = run(capsys, *words)
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "done"
    assert events[-1]["path"] == str(tmp_path / "m")
    assert [e["step"] for e in events if e["event"] == "step"] == [1, 2, 3]


def test_train_shows_progress_to_people(capsys, data, tmp_path):
    status, out, _ = run(capsys, "train", "vae", data, "--steps", 3, "--out", tmp_path / "m")
    assert status == 0
    assert "done in" in out
    assert "knn" in out


def test_probe_prints_one_object(capsys, data, models):
    status, out, _ = run(capsys, "probe", models / "contrastive", data, "--json")
    result = json.loads(out)
    assert status == 0
    assert {"model", "dataset", "source", "n_train", "n_test", "probe", "accuracy", "baselines", "seconds", "seed"} <= (
        result.keys()
    )
    assert (result["n_train"], result["n_test"]) == (300, 100)
    assert result["baselines"].keys() == {"random", "pixels", "pca", "whitened patches"}
    assert all(0.3 < value <= 1 for value in [result["accuracy"], *result["baselines"].values()])
    # nobody trained the model either, so the untrained one of the same seed is the model itself
    assert result["accuracy"] == result["baselines"]["random"]


def test_probe_with_neighbours(capsys, data, models):
    status, out, _ = run(capsys, "probe", models / "generative", data, "--probe", "knn", "--no-baselines")
    assert status == 0
    assert out.startswith("k-NN probe on 300 labelled images") and "%" in out


def test_eval_prints_nats(capsys, data, models):
    status, out, _ = run(capsys, "eval", models / "generative", data, "--json")
    result = json.loads(out)
    assert status == 0
    assert result["negative_elbo"] == pytest.approx(result["recon"] + result["kl"])
    assert result["measure"] == "negative ELBO, nats per image, one sample of z each"
    assert 400 < result["recon"] < 700  # an untrained decoder is near 784 ln 2 = 543 nats


def test_embed_and_map_write_arrays(capsys, data, models, tmp_path):
    status, out, _ = run(capsys, "embed", models / "contrastive", data, "--out", tmp_path / "h.npz", "--json")
    assert status == 0 and json.loads(out)["shape"] == [100, 16]
    with np.load(tmp_path / "h.npz") as found:
        assert found["h"].shape == (100, 16) and found["h"].dtype == np.float32 and found["y"].shape == (100,)
    status, out, _ = run(
        capsys, "map", models / "contrastive", data, "--method", "pca", "--out", tmp_path / "xy.npz", "--json"
    )
    assert status == 0 and 0 < json.loads(out)["trustworthiness"] <= 1
    with np.load(tmp_path / "xy.npz") as found:
        assert found["xy"].shape == (100, 2)


def test_lists(capsys, models, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(models))
    names = {row["name"] for row in json.loads(run(capsys, "models", "list", "--json")[1])["models"]}
    assert {"contrastive", "generative"} <= names
    assert "contrastive" in run(capsys, "models", "list")[1]
    rows = {row["name"]: row for row in json.loads(run(capsys, "data", "list", "--json")[1])["datasets"]}
    assert rows["mnist"]["n_train"] == 60_000
    assert rows["cifar10"]["n_train"] == 10_000
    assert "fashion_mnist" in run(capsys, "data", "list")[1]


def test_a_model_goes_out_comes_in_and_is_deleted(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "mine"))
    file = tmp_path / "vae.safetensors"
    assert run(capsys, "models", "export", "vae-mnist-2d", file)[0] == 0
    status, out, _ = run(capsys, "models", "import", file, "--name", "flat")
    assert status == 0 and str(tmp_path / "mine" / "flat") in out
    rows = {row["name"]: row for row in json.loads(run(capsys, "models", "list", "--json")[1])["models"]}
    assert not rows["flat"]["bundled"] and rows["flat"]["results"] == rows["vae-mnist-2d"]["results"]
    before = file.read_bytes()
    for words, message in (
        (["export", "vae-mnist", file], "there already"),
        (["export", "nope", tmp_path / "x"], "no model of images"),
        (["export", "vae-mnist-2d", "/dev/null/x"], "cannot be written"),
        (["import", file, "--name", "flat"], "already"),
        (["import", tmp_path / "nowhere"], "can't be read"),
        (["import", __file__], "no safetensors file"),
        (["delete", "vae-mnist"], "came with sslviz"),
    ):
        status, _, err = run(capsys, "models", *words)
        assert status == 1 and message in err and len(err.strip().splitlines()) == 1
    assert file.read_bytes() == before
    assert run(capsys, "models", "delete", "flat")[0] == 0
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["probe", "nope", "mnist"], "no model 'nope'"),
        (["probe", "MODEL", "nope"], "nope"),
        (["probe", "MODEL", "cifar10"], "takes grey images"),
        (["eval", "MODEL", "mnist"], "no measure of its own"),
        (["embed", "MODEL", "mnist", "--out", "/dev/null/h.npz"], "/dev/null"),
        (["train", "gan", "mnist"], "no method 'gan'"),
        (["train", "vae", "nope"], "nope"),
        (["train", "vae", "mnist", "--steps", "-3"], "must lie in 1 to"),
        (["models", "build", "nope"], "no recipe"),
        (["data", "fetch", "nope"], "nope"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, message, capsys, models):
    words = [models / "contrastive" if word == "MODEL" else word for word in words]
    status, out, err = run(capsys, *words)
    assert status == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


def test_wrong_usage_exits_with_2(capsys):
    for words in (["probe"], ["train"], ["train", "vae"], ["probe", "a", "b", "--probe", "cubic"]):
        try:
            status = cli.main(words)
        except SystemExit as ended:
            status = ended.code
        assert status == 2
        capsys.readouterr()


def test_the_command_answers_without_torch():
    code = "import sys; from sslviz.cli import main; main(['-h']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


# language -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tinytext.write("bert", tmp_path_factory.mktemp("language") / "bert")


def test_fill_prints_each_masks_predictions(capsys, bert):
    text = "The [MASK] sat on the [MASK]."
    status, out, _ = run(capsys, "fill", text, "--model", bert, "--top-k", 3, "--json")
    result = json.loads(out)
    assert status == 0 and result["model"] == str(bert) and result["text"] == text
    assert [mask["position"] for mask in result["masks"]] == [2, 6]
    for mask in result["masks"]:
        shares = [p["probability"] for p in mask["predictions"]]
        assert (
            len(shares) == 3 and shares == sorted(shares, reverse=True) and all(p["token"] for p in mask["predictions"])
        )
    status, out, _ = run(capsys, "fill", text, "--model", bert, "--top-k", 3)
    assert status == 0 and result["masks"][1]["predictions"][0]["token"] in out and "mask 2" in out
    status, out, err = run(capsys, "fill", "No gap.", "--model", bert)
    assert status == 1 and not out and "Nothing is masked" in err


@pytest.mark.slow
def test_finish_makes_a_language_model_small_and_judges_it(capsys, bert, tmp_path):
    folder, corpus = tmp_path / "model", tmp_path / "corpus"
    shutil.copytree(bert, folder)
    corpus.mkdir()
    text = "The cat sat on the mat.\nThe dog sat on the rug.\nThe bird sang in the tree.\n" * 4
    for name in ("train.txt", "heldout.txt", "heldout-pets.txt"):
        (corpus / name).write_text(text)
    (corpus / "corpus.json").write_text('{"pets": {"licence": "public domain"}}')
    (folder / "card.json").write_text('{"name": "model", "method": "mlm", "dataset": "train"}')
    before = (folder / "model.safetensors").stat().st_size
    status, out, _ = run(capsys, "models", "finish", folder, "--corpus", corpus)
    results, card = json.loads(out), json.loads((folder / "card.json").read_text())
    assert status == 0 and {"model": "model"} | card["results"] == results
    assert card["corpus"]["pets"]["licence"] == "public domain"
    assert results["trigram_counts"] == "whole"
    assert results["n_sentences"] == 12 and results["by_source"]["pets"]["n_masked"] == results["n_masked"]
    assert 0 < results["trigram_left_top1"] <= results["trigram_top1"] > 0.5 and (folder / "trigrams.npz").is_file()
    assert (folder / "model.safetensors").stat().st_size < before / 2
    status, out, _ = run(capsys, "eval", "mlm", folder, corpus / "heldout.txt", "--json")
    found = json.loads(out)
    assert found["top1"] == results["top1"]  # evaluated as it lies on disk
    pruned = {key: found[key] for key in ("trigram_top1", "trigram_left_top1")}
    assert found["trigram_counts"] == "pruned" and pruned == results["trigram_pruned"]
    assert run(capsys, "models", "finish", folder, "--corpus", tmp_path)[0] == 1
    assert "--corpus" in run(capsys, "models", "finish", folder)[2]


def test_eval_mlm_judges_beside_trigrams(capsys, bert, tmp_path):
    file = tmp_path / "t.txt"
    file.write_text("\n".join(tinytext.TEXTS * 2), encoding="utf-8")
    status, out, _ = run(capsys, "eval", "mlm", bert, file, "--corpus", file, "--seed", 1, "--json")
    result = json.loads(out)
    assert status == 0 and {"model", "file", "n_sentences", "n_pseudo"} <= result.keys()
    assert result["n_sentences"] == result["n_pseudo"] == 20 <= result["n_masked"]
    assert 0 <= result["top1"] <= result["top5"] <= 1 < result["pseudo_perplexity"]
    assert result["trigram_top1"] > 0.5  # it has seen these sentences
    assert 0 < result["trigram_left_top1"] < result["trigram_top1"]
    status, out, _ = run(capsys, "eval", "mlm", bert, file, "--seed", 1, "--json")
    assert json.loads(out)["trigram_top1"] is None
    beside = tmp_path / "beside"
    shutil.copytree(bert, beside)
    trigram.fit(tinytext.TEXTS * 2).save(beside / trigram.FILE)
    status, out, _ = run(capsys, "eval", "mlm", beside, file, "--seed", 1, "--json")
    assert json.loads(out)["trigram_top1"] == result["trigram_top1"]
    status, out, _ = run(capsys, "eval", "mlm", beside, file)
    assert (
        status == 0
        and "pruned counts stored beside the model" in out
        and "trigrams, both sides" in out
        and "trigrams, from the left" in out
        and "pseudo-perplexity" in out
    )
    file.write_text("... 12 !", encoding="utf-8")
    assert run(capsys, "eval", "mlm", bert, file)[0] == 1


@pytest.mark.slow
def test_a_text_of_few_sentences_trains_and_one_of_one_gets_a_sentence(capsys, bert, tmp_path):
    file, base = tmp_path / "t.txt", ["--model.base", bert, "--steps", 2]
    file.write_text("One sentence only.", encoding="utf-8")
    status, out, err = run(capsys, "train", "mlm", file, *base, "--out", tmp_path / "one")
    assert status == 1 and "more sentences" in err and "Traceback" not in out + err
    file.write_text("The cat sat. The dog sat. The bird sang.", encoding="utf-8")  # fewer than a batch
    status, out, _ = run(capsys, "train", "mlm", file, *base, "--out", tmp_path / "few", "--json")
    assert status == 0 and json.loads(out.splitlines()[-1])["event"] == "done"
    card = json.loads((tmp_path / "few" / "card.json").read_text())
    assert card["batch_size"] == 2 and card["n_train"] == 2
    file.write_text("Кошка сидит на столе. Собака спит под деревом. Мы идём домой. " * 40, encoding="utf-8")
    status, out, _ = run(capsys, "train", "mlm", file, *base, "--out", tmp_path / "ru", "--json")
    assert status == 0 and json.loads(out.splitlines()[0])["info"]["n_train"] == 119
