"""The labelled sentences are what their card says, are drawn as it says, and are evaluated as images are."""

import hashlib
import json

import numpy as np
import pytest
import tinytext
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sslviz import cli
from sslviz.bundled import glosses
from sslviz.bundled import topics as drawn
from sslviz.bundled.sentences import OFFENSIVE, key
from sslviz.errors import UserError
from sslviz.evaluation.probes import KNNProbe, LinearProbe
from sslviz.language import explain, topics
from sslviz.language import model as language
from sslviz.paths import assets_dir
from sslviz.store import embeddings

SPLITS = ("train", "test")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """An assets folder with the first few sentences of each class only, in the layout of the bundled one."""
    root = tmp_path_factory.mktemp("assets")
    (root / "data").mkdir()
    lines = [f"{split}\t{label}\t{text}" for split, n in (("train", 20), ("test", 8)) for label, text in some(split, n)]
    (root / "data" / "topics.tsv").write_text("\n".join(["split\tlabel\tsentence", *lines, ""]), encoding="utf-8")
    return root


def some(split, n):
    found = topics.load_topics(split)
    for label, name in enumerate(found.class_names):
        yield from [(name, found.x[row]) for row in np.flatnonzero(found.y == label)[:n]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tinytext.write("bert", tmp_path_factory.mktemp("models") / "tiny-bert")
    (path / "card.json").write_text('{"method": "mlm", "dataset": "words", "results": {"top1": 0.4}}', encoding="utf-8")
    return path


# --- the bundled sentences ---


def test_the_sentences_are_what_their_card_says():
    path = assets_dir() / "data" / "topics.tsv"
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    content = path.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (card["sha256"], card["bytes"])
    assert len(content) < 400_000 and "WordNet 3.0 Copyright 2006" in card["notice"]
    for split, n in (("train", drawn.N_TRAIN), ("test", drawn.N_TEST)):
        found = topics.load_topics(split)
        assert found.class_names == tuple(card["class_names"]) == tuple(sorted(glosses.CLASSES))
        assert np.bincount(found.y).tolist() == [n] * 8 and len(found) == card[f"n_{split}"]


def test_no_sentence_is_twice_offensive_or_gives_its_label_away():
    texts = [text for split in SPLITS for text in topics.load_topics(split).x]
    assert len({key(text) for text in texts}) == len(texts)
    for text in texts:
        words = text.lower().rstrip(".").replace(",", " ").split()
        assert 5 <= len(words) <= 25 and text.endswith(".")
        assert not OFFENSIVE.search(text)
        assert not {part for name in glosses.CLASSES for part in (name, f"{name}s")} & set(words), text


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "other columns"),
        ("split\tlabel\tsentence\n", "other columns"),
        ("split\tlabel\tsentence\ntest\tfood\n", "other columns"),
        ("split\tlabel\tsentence\ntest\tfood\t \n", "other columns"),
        ("split\tlabel\tsentence\ntest\tfood\tBread.\ntrain\tplant\tA tree.\n", "lacks test sentences"),
        (b"split\tlabel\tsentence\ntest\tfood\t\xff\n", "can't be read"),
        (None, "can't be read"),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, monkeypatch, content, reason):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(tmp_path))
    if content is not None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "topics.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=reason):
        topics.load_topics("test")


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="train or test"):
        topics.load_topics("validation")


# --- how they are drawn ---


def synset(number, lemmas, gloss, offset=1):
    words = " ".join(f"{lemma} 0" for lemma in lemmas)
    return f"{offset:08d} {number:02d} n {len(lemmas):02x} {words} 000 | {gloss}  \n"


@pytest.mark.parametrize(
    "number, lemmas, gloss, expected",
    [
        (13, ["soup"], 'hot dish of meat (or fish) or beans; a starter; "she ate it"', "Hot dish of meat or beans."),
        (13, ["soup"], "a kind of thick Soup of peas and ham", None),  # its own word
        (13, ["pea_soup"], "a thick dish of dried peas and ham", None),  # one of its own words
        (20, ["oak"], "a large plant of northern woods and hills", None),  # the label
        (20, ["oak"], "tall with hard wood", None),  # four words
        (18, ["x"], "(ethnic slur) offensive term for a man from somewhere", None),
        (18, ["poet"], "English writer who lived from 1770 to 1850", None),  # digits
        (7, ["hue"], "the quality of a thing that one sees", None),  # another lexicographer file
    ],
)  # fmt: skip
def test_what_becomes_of_a_gloss(tmp_path, number, lemmas, gloss, expected):
    (tmp_path / "data.noun").write_text("  1 licence\n" + synset(number, lemmas, gloss), encoding="utf-8")
    found = [text for texts in glosses.read_glosses(tmp_path).values() for text in texts]
    assert found == ([expected] if expected else [])


def test_drawing_is_seeded_balanced_and_split_by_synset(tmp_path):
    lines = [
        synset(
            number, [f"zq{i}"], f"kind {'abcdefghijklmnopqrstuvwxyz'[i % 26]} of {name[:3]} {word(i)} with long hair", i
        )
        for name, number in glosses.CLASSES.items()
        for i in range(400)
    ]
    (tmp_path / "data.noun").write_text("".join(lines), encoding="utf-8")
    first, second = (drawn.draw(tmp_path, tmp_path / out).read_bytes() for out in ("a", "b"))
    rows = [line.split("\t") for line in first.decode().splitlines()[1:]]
    assert first == second and len(rows) == len({text for *_, text in rows}) == 8 * 350
    assert sum(split == "train" for split, *_ in rows) == 8 * 250
    (tmp_path / "data.noun").write_text("".join(lines[:500]), encoding="utf-8")
    with pytest.raises(UserError, match="only 100 definitions of artifact"):
        drawn.draw(tmp_path, tmp_path / "a")
    for text in ("00001740 zz n 01 entity 0 000 | that which is\n", "short\n"):
        (tmp_path / "data.noun").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="can't be read"):
            drawn.draw(tmp_path, tmp_path / "a")


def word(i):
    return "".join("abcdefghij"[int(digit)] for digit in str(i))


# --- vectors and probes ---


def test_a_bag_of_words_is_tf_idf_written_out(few, monkeypatch):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(few))
    train, test = topics.load_topics("train"), topics.load_topics("test")
    counted = topics.BagOfWords().fit(train.x)
    found = counted.encode(train.x), counted.encode(test.x)

    def words(text):
        return [w for w in "".join(c if c.isalnum() else " " for c in text.lower()).split() if len(w) > 1]

    bags = [words(text) for text in train.x]
    have = {w: sum(w in bag for bag in bags) for bag in bags for w in bag}
    known = sorted(w for w, count in have.items() if count > 1)
    for topic, h in zip((train, test), found, strict=True):
        for row in (0, 7, len(topic) - 1):
            bag = words(topic.x[row])
            slow = [
                (1 + np.log(bag.count(w))) * (1 + np.log((1 + len(bags)) / (1 + have[w]))) if w in bag else 0.0
                for w in known
            ]
            np.testing.assert_allclose(h[row], slow, rtol=1e-5)


@pytest.mark.slow
def test_a_bag_of_words_tells_the_bundled_topics_apart_as_scikit_learn_says():
    train, test = topics.load_topics("train"), topics.load_topics("test")
    counted = topics.BagOfWords().fit(train.x)
    h_train, h_test = counted.encode(train.x), counted.encode(test.x)
    found = KNNProbe().fit(h_train, train.y).score(h_test, test.y)
    slow = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (2000 * 0.01), max_iter=200))
    reference = slow.fit(h_train[:, :600], train.y).score(h_test[:, :600], test.y)
    linear = LinearProbe().fit(h_train[:, :600], train.y).score(h_test[:, :600], test.y)
    assert 0.6 < found < 0.85 and abs(linear - reference) < 0.03


@pytest.mark.slow
def test_an_untrained_model_has_the_same_shape_other_weights_and_a_seed(folder):
    model = language.load(folder)
    state = torch.get_rng_state()
    one, same, other = (topics.untrained(model, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state()) and not one.training
    own, found = model.state_dict(), one.state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in found.items()}
    name = next(k for k in own if k.endswith("layer.0.attention.self.query.weight"))
    assert torch.equal(found[name], same.state_dict()[name])
    assert not torch.equal(found[name], other.state_dict()[name]) and not torch.equal(found[name], own[name])


@pytest.mark.slow
def test_every_layer_is_evaluated_as_the_probes_alone_do_it(few, folder, monkeypatch):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(few))
    model, told = language.load(folder), []
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = topics.evaluate_layers(model, report=lambda stage, share: told.append(share))
    assert told == sorted(told) and told[-1] == 1
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    train, test = topics.load_topics("train"), topics.load_topics("test")
    assert found.h.shape == (4, 64, 32) and found.h_untrained.shape == (64, 32)
    for layer in (0, 3):
        h = explain.sentence_vectors(model, test.x, layer=layer)
        np.testing.assert_allclose(found.h[layer].astype(np.float32), h, atol=0.02)
        pair = explain.sentence_vectors(model, train.x, layer=layer), h
        for probe, values in ((LinearProbe(), found.linear), (KNNProbe(), found.knn)):
            assert abs(probe.fit(pair[0], train.y).score(pair[1], test.y) - values[layer]) < 0.05
    alone = topics.evaluate_topics(model, probe="knn")
    assert alone.scores.keys() == {"model", "random", "bag of words"} and alone.unit == "sentences"
    assert alone.protocol == "k-NN probe on 160 labelled sentences, 64 test sentences, seed 0"
    assert abs(alone.score.accuracy - found.knn[-1]) < 0.05
    assert abs(alone.scores["random"].accuracy - found.baselines["random"]["knn"]) < 0.05
    assert alone.scores["bag of words"].accuracy == found.baselines["bag of words"]["knn"]


@pytest.mark.slow
def test_an_evaluation_can_be_stopped(few, folder, monkeypatch):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(few))

    def stop(stage, share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        topics.evaluate_layers(language.load(folder), report=stop)


@pytest.mark.slow
def test_finishing_writes_what_the_app_shows(few, folder, monkeypatch):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(few))
    card = drawn.finish(folder)
    found = card["results"]["topics"]
    assert json.loads((folder / "card.json").read_text(encoding="utf-8")) == json.loads(json.dumps(card))
    assert card["results"]["top1"] == 0.4 and (found["n_train"], found["n_test"]) == (160, 64)
    assert len(found["linear"]) == len(found["knn"]) == 4
    assert found["baselines"].keys() == {"random", "bag of words"}
    stored = embeddings.load_embeddings(folder)
    h = explain.sentence_vectors(language.load(folder), topics.load_topics("test").x)
    assert (np.abs(stored["h"] - h) <= (h.max(0) - h.min(0)) / 255 + 0.02).all()
    assert stored["umap_xy"].shape == (64, 2) and 0 < stored["umap_trustworthiness"] <= 1


# --- the command ---


def test_the_command_prints_a_probe_with_its_baselines(few, folder, monkeypatch, capsys):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(few))
    monkeypatch.setenv("SSLVIZ_MODELS", str(folder.parent))
    assert cli.main(["probe", "tiny-bert", "topics", "--probe", "knn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["dataset"], told["n_train"], told["n_test"]) == ("tiny-bert", "topics", 160, 64)
    low, high = told["interval_95"]
    assert low <= told["accuracy"] <= high and told["baselines"].keys() == {"random", "bag of words"}
    assert cli.main(["probe", "random-tiny-bert", "topics", "--probe", "knn", "--no-baselines", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == told["baselines"]["random"]


def test_the_command_explains_what_does_not_fit(folder, monkeypatch, capsys):
    monkeypatch.setenv("SSLVIZ_MODELS", str(folder.parent))
    assert cli.main(["probe", "simclr-mnist", "topics"]) == 1
    assert "model of images" in capsys.readouterr().err
    assert cli.main(["probe", "tiny-bert", "mnist"]) == 1
    assert "sees no images" in capsys.readouterr().err
