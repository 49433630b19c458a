"""The page of revision: symbols tied to lines, captions without typed figures, answers that follow the figures, "
"scripts."""

import copy
import re
import runpy
import string
import sys

import pytest

from sslviz.bundled.review import SCRIPTS, SLOTS, SUBJECTS, stored, subject
from sslviz.bundled.review.lines import line_of
from sslviz.bundled.review.questions import ASKED, _beaten, questions_of
from sslviz.errors import UserError

CAPTIONS = {*SLOTS, "pretext", "transfer", "wrong"}


@pytest.mark.parametrize("each", SUBJECTS, ids=lambda each: each.key)
def test_every_symbol_is_computed_on_the_line_that_is_named(each):
    for tied in each.tied:
        line = line_of(tied.target, tied.has)
        assert tied.has in line.code and line.number > 0
    assert each.object and each.problem and each.fragile and set(each.captions) == CAPTIONS


@pytest.mark.parametrize("each", SUBJECTS, ids=lambda each: each.key)
def test_no_caption_has_a_typed_figure(each):
    """What is left of a template without its fields has no digit, so every figure is one that was computed."""
    for slot, template in each.captions.items():
        words = "".join(text for text, *_ in string.Formatter().parse(template))
        assert not re.search(r"\d", words), (slot, words)


def test_a_line_that_has_gone_is_an_error():
    with pytest.raises(LookupError, match="no line of"):
        line_of("sslviz.methods.losses:elbo", "no such thing")
    with pytest.raises(LookupError, match="there is no"):
        line_of("sslviz.methods.losses:nothing", "x")


@pytest.mark.parametrize(("worse", "right"), [(-1, 0), (1, 1), (5, 2), (27, 3)])
def test_which_answer_is_right_follows_the_bound(worse, right):
    assert ASKED["vae"]({"shared_elbo": 100.0 + worse, "own_elbo": 100.0})[2] == right


@pytest.mark.parametrize(("without", "right"), [(0.1, 0), (0.5, 1), (0.85, 2), (0.95, 3)])
def test_which_answer_is_right_follows_k_nn(without, right):
    assert ASKED["simclr"]({"knns": [without, 0.93, 0.84], "classes": 10})[2] == right


def test_which_answer_is_right_follows_the_other_figures():
    assert [ASKED["moco"]({"gain": gain})[2] for gain in (-0.01, 0.005, 0.03, 0.2)] == [0, 1, 2, 3]
    assert [ASKED["mlm"]({"own": 0.4, "leak": leak})[2] for leak in (0.1, 0.42, 0.7, 0.99)] == [0, 1, 2, 3]
    assert [ASKED["clm"]({"shift": [0.4, now]})[2] for now in (0.01, 0.1, 0.4, 0.6)] == [0, 1, 2, 3]
    assert ASKED["nsp"]({"kinds": {"follows": 0.9, "another": 0.8, "swapped": 0.3}})[2] == 2
    for apart, right in (((0.01, 0.05), 0), ((-0.01, 0.05), 1), ((-0.05, -0.01), 2)):
        assert _beaten("A", {"apart_by": apart})[2] == right
    few = {"few": {"a": 0.3, "b": 0.6, "c": 0.5}, "few_labels": 10, "few_draws": 5}
    (question,) = questions_of(few)
    assert question.right == 1 and "b 60.0 %" in question.result


def test_what_comes_along_was_computed_from_the_models_runs_and_code_that_are_here():
    found = stored.read()
    assert found is not None, "run `sslviz review --store`"
    assert all(not each["missing"] and each["values"]["row"] for each in found["figures"]["subjects"].values())


def test_what_was_computed_from_something_else_is_not_read(monkeypatch, tmp_path):
    kept = copy.deepcopy(stored.read()["figures"])
    monkeypatch.setattr(stored, "stored_path", lambda name: tmp_path / f"{name}.json")
    assert stored.read() is None
    stored.write(kept, command="sslviz review --store")
    assert stored.read()["figures"] == kept
    monkeypatch.setattr(stored, "state", lambda: "of another model")
    assert stored.read() is None
    (tmp_path / "review.json").write_text('{"figures": {}}')
    with pytest.raises(UserError, match="sslviz review --store"):
        stored.read()


@pytest.mark.slow
def test_what_comes_along_is_what_is_computed():
    from sslviz.bundled.review import figures, text

    found = figures._one(subject("nsp"), text.of_subject, figures.Sizes())
    kept = stored.read()["figures"]["subjects"]["nsp"]
    assert kept["model"] == found["model"] and kept["values"]["row"] == found["values"]["row"]
    assert kept["values"]["kinds"] == pytest.approx(found["values"]["kinds"])
    assert kept["pictures"].keys() == found["pictures"].keys()


SHORT = pytest.mark.parametrize("each", SUBJECTS, ids=lambda each: each.key)


@SHORT
def test_a_script_is_short_and_says_what_it_does(each):
    text = each.script.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30 and text.startswith('"""')


@pytest.mark.slow
@SHORT
def test_every_script_runs_as_it_stands(each, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(each.script)])
    runpy.run_path(str(SCRIPTS / f"{each.key}.py"), run_name="__main__")
    assert re.search(r"\d\.\d", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["nsp", "clm"])
def test_rows_of_models_that_may_not_be_here_stand_when_they_are(key, monkeypatch):
    """The masked model under a causal mask, and with a new head, in place of trained ones."""
    from sslviz.bundled.review import figures, text
    from sslviz.language import begin, model
    from sslviz.ui.review.sheet import sheet

    base = model.BUNDLED_MASKED
    tokenizer = model.load_tokenizer(base)
    causal = model.CausalLM(begin.read_causal(base).eval(), tokenizer, base)
    pairs = model.NextSentence(begin.read_next_sentence(base).eval(), tokenizer, base)
    monkeypatch.setattr(text.model, "load_causal", lambda path: causal)
    monkeypatch.setattr(text.model, "load_next_sentence", lambda path: pairs)
    info = text.model_of(subject("mlm"))
    monkeypatch.setattr(figures, "model_of", lambda each: info)
    found = figures._one(subject(key), text.of_subject, figures.SMALL)
    assert not found["missing"] and found["values"]["row"]["pretext"]
    known = {"subjects": {key: found}, "rows": [{"key": key, "model": "m"} | found["values"]["row"]], "interval": ""}
    assert sheet(known).count(f'name="rv-{key}"') in (3, 4)
    if key == "clm":
        seen = found["pictures"]["process"]["values"]
        assert all(value == 0 for i, row in enumerate(seen) for value in row[i + 1 :])  # nothing from the right
