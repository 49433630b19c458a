"""`sslviz fill`, and `sslviz eval` of masked words, next words and next sentences: language models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from sslviz.cli.output import answer, bar, fetching, progress_line
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.language.trigram import Trigram


def fill_(
    text: Positional[str],
    *,
    model: str = "bert-sslviz",
    top_k: int = 10,
    temperature: float = 1.0,
    json: bool = False,
) -> None:
    """Fill each [MASK] of a sentence with what a masked language model predicts.

    Args:
        text: a sentence with [MASK] in it, up to 32 of them; each is one token, and letters that touch it are the rest
            of its word, as in [MASK]ing.
        model: a bundled or own model's name, a folder, or a name on the Hub.
        top_k: predictions a mask.
        temperature: the logits are divided by it.
        json: print one JSON object.
    """
    from sslviz.language import model as language
    from sslviz.language.predict import fill
    from sslviz.language.sentence import notes, tokens_of
    from sslviz.language.text import composed

    network = language.load(model, progress=None if json else fetching(model))
    masks = fill(network, text, top_k=top_k, temperature=temperature)
    tokenizer, found = network.tokenizer, tokens_of(network, text)
    told = notes(composed(text), found, mask_id=tokenizer.mask_token_id, unk_id=tokenizer.unk_token_id)
    rows = [
        {"position": mask.position}
        | {"predictions": [{"token": p.token, "probability": p.probability} for p in mask.predictions]}
        for mask in masks
    ]

    def show() -> None:
        for i, mask in enumerate(masks, 1):
            if len(masks) > 1:
                print(f"mask {i}")
            width = max(len(p.token) for p in mask.predictions)
            for p in mask.predictions:
                print(f"  {p.token:{width}} {p.probability:6.1%}  {bar(p.probability)}".rstrip())

        for note in told:
            print(note)

    answer({"model": model, "text": text, "masks": rows, "notes": list(told)}, json, show)


def evaluate_mlm(
    model: Positional[str], textfile: Positional[Path], *, corpus: Path | None = None, seed: int = 0, json: bool = False
) -> None:
    """Evaluate a masked language model on a text: masked words found, pseudo-perplexity, a trigram model beside it.

    Args:
        model: a bundled or own model's name, a folder, or a name on the Hub.
        textfile: sentences, UTF-8.
        corpus: text to count trigrams in, wholly; by default the pruned counts that lie beside the model are taken.
        seed: of the choice of words and sentences.
        json: print one JSON object.
    """
    from sslviz.language import evaluation
    from sslviz.language import model as language
    from sslviz.language.text import read_sentences

    texts = read_sentences(textfile)
    network = language.load(model, progress=None if json else fetching(model))
    counts, which = _trigrams(model, corpus)
    ranks = evaluation.masked_ranks(network, texts, seed=seed)
    result: dict[str, Any] = {"model": model, "file": str(textfile)} | evaluation.masked_shares(ranks)
    if not result["n_masked"]:
        raise UserError(f"{textfile} has no word that {model} could be asked for; give a text with sentences.")
    result["pseudo_perplexity"], result["n_pseudo"] = evaluation.pseudo_perplexity(network, texts, seed=seed)
    result |= {"trigram_counts": which, "trigram_top1": None, "trigram_left_top1": None, "seed": seed}
    if counts:
        found = evaluation.fillers(
            counts, texts, evaluation.masked_spans(network, texts, seed=seed), ranks, name=model
        )  # fmt: skip
        result |= {"trigram_top1": found["top1"][evaluation.BOTH], "trigram_left_top1": found["top1"][evaluation.LEFT]}
        result["fillers"] = found

    def show() -> None:
        print(f"{result['n_masked']:,} masked words in {result['n_sentences']:,} sentences of {textfile}")
        low, high = result["top1_interval"]
        first = f"{result['top1']:6.1%} first ({low:.1%} to {high:.1%})"
        print(f"{model:24} {first}, {result['top5']:6.1%} among the first five")
        if counts:
            pruned = "from the pruned counts stored beside the model; --corpus TEXT takes the whole counts of a text"
            print(f"trigrams, {f'from the whole counts of {corpus}' if corpus else pruned}:")
            print(f"{'trigrams, both sides':24} {result['trigram_top1']:6.1%} first")
            print(f"{'trigrams, from the left':24} {result['trigram_left_top1']:6.1%} first")
            shares = ", ".join(f"{name} {share:.1%}" for name, share in found["wins"].items())
            print(f"sentences of which one finds more words than the others: {shares}; none {found['ties']:.1%}")
        print(f"pseudo-perplexity {result['pseudo_perplexity']:.1f} a token, of {result['n_pseudo']} sentences")

    answer(result, json, show)


def evaluate_next_word(
    textfile: Positional[Path],
    *,
    model: str | None = None,
    corpus: Path | None = None,
    sentences: int = 500,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Evaluate how well the next word of a text is predicted from the left: by trigrams, and by a left-to-right model.

    Args:
        textfile: sentences, UTF-8.
        model: a left-to-right model: a folder, or a name on the Hub such as gpt2; by default the bundled ones.
        corpus: text to count trigrams in, wholly; by default the pruned counts of bert-sslviz are taken.
        sentences: how many of the text are drawn, at most.
        seed: of their choice.
        json: print one JSON object.
    """
    import numpy as np

    from sslviz.language import hub, next_word
    from sslviz.language import model as language
    from sslviz.language.text import read_sentences

    texts = read_sentences(textfile)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(texts))[:sentences])
    texts = [texts[i] for i in drawn]
    names = (model,) if model else tuple(name for name in (hub.TWIN, hub.GRU) if hub.find(name) is not None)
    counts, which = _trigrams(hub.COUNTED, corpus)
    line = progress_line()

    def progress(who: str) -> Callable[[float], None] | None:
        return None if json else partial(line, who, "reading")

    result: dict[str, Any] = {"file": str(textfile), "seed": seed, "models": {}}
    for name in names:
        causal = language.load_causal(name, progress=None if json else fetching(name))
        result["models"][name] = next_word.evaluate_causal(causal, texts, progress=progress(name))
    if counts:
        found = next_word.evaluate_trigrams(counts, texts, progress=progress("trigrams"))
        result["models"]["trigrams"] = found | {"counts": which}
    if not any(found["n_words"] for found in result["models"].values()):
        raise UserError(f"{textfile} has no sentence of two words; give a text with sentences.")

    def show() -> None:
        for key, found in result["models"].items():
            low, high = found["top1_interval"]
            print(
                f"{key:24} {found['top1']:6.1%} first ({low:.1%} to {high:.1%}), {found['top5']:6.1%} among the first "
                f"five, of {found['n_words']:,} words in {found['n_sentences']:,} sentences"
            )
            if found.get("perplexity"):
                print(f"{'':24} perplexity {found['perplexity']:.1f} a word")
        print("Intervals: 95 %, Wilson, over words.")

    answer(result, json, show)


def evaluate_next_sentence(
    model: Positional[str], textfile: Positional[Path], *, pairs: int = 1000, seed: int = 0, json: bool = False
) -> None:
    """Evaluate a next-sentence head on running text: does it know the sentence that follows from another one?

    Args:
        model: a bundled model's name, a folder, or a name on the Hub, of a BERT with that head.
        textfile: running text, UTF-8; sentences of a paragraph follow one another, blank lines part paragraphs.
        pairs: how many neighbouring sentences of the text are drawn, at most; each is asked in three ways.
        seed: of their choice and of the random sentences.
        json: print one JSON object.
    """
    from sslviz.language import model as language
    from sslviz.language import pairs as task
    from sslviz.language.text import read_runs

    if pairs < 1:
        raise UserError("--pairs must be at least 1.")
    runs = read_runs(textfile)
    network = language.load_next_sentence(model, progress=None if json else fetching(model))
    line = None if json else partial(progress_line(), model, "reading")
    found = task.evaluate(network, runs, seed=seed, most=pairs, progress=line)
    result = {"model": model, "file": str(textfile), "seed": seed} | found

    def show() -> None:
        print(f"{found['n_pairs']:,} neighbouring sentences of {textfile}, each asked in three ways; told right:")
        for name, title in (
            ("next", "the one that follows"),
            ("random", "a random one"),
            ("swapped", "the two swapped"),
        ):
            low, high = found["intervals"][name]
            print(f"{title:24} {found['right'][name]:6.1%}  ({low:.1%} to {high:.1%})")
        print(f"following or random      {found['accuracy']:6.1%}  (a guess: 50 %)")
        print(f"following or swapped     {found['accuracy_swapped']:6.1%}  (a guess: 50 %)")
        print("Intervals: 95 %, Wilson, over pairs.")

    answer(result, json, show)


def _trigrams(model: str, corpus: Path | None) -> tuple[Trigram | None, str | None]:
    """Counts of a text, or else those that lie beside a model, or None; and which they are."""
    from sslviz.language import hub, trigram
    from sslviz.language.text import read_sentences

    if corpus:
        return trigram.fit(read_sentences(corpus)), "whole"
    stored = (hub.find(model) or Path()) / trigram.FILE
    return (trigram.load(stored), "pruned") if stored.is_file() else (None, None)
