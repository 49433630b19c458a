"""`sslviz fill` and `sslviz eval mlm`: language models."""

from pathlib import Path
from typing import Any

from tyro.conf import Positional

from sslviz.cli.output import answer, bar, fetching
from sslviz.errors import UserError


def fill_(
    text: Positional[str],
    *,
    model: str = "bert-mini",
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

    network = language.load(model, progress=None if json else fetching(model))
    masks = fill(network, text, top_k=top_k, temperature=temperature)
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

    answer({"model": model, "text": text, "masks": rows}, json, show)


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
    from sslviz.language import evaluation, hub, trigram
    from sslviz.language import model as language
    from sslviz.language.text import read_sentences

    texts = read_sentences(textfile)
    network = language.load(model, progress=None if json else fetching(model))
    counts, which = None, None
    if corpus:
        counts, which = trigram.fit(read_sentences(corpus)), "whole"
    elif (stored := (hub.find(model) or Path()) / trigram.FILE).is_file():
        counts, which = trigram.load(stored), "pruned"
    result: dict[str, Any] = {"model": model, "file": str(textfile)} | evaluation.evaluate_masked(
        network, texts, seed=seed
    )
    if not result["n_masked"]:
        raise UserError(f"{textfile} has no word that {model} could be asked for; give a text with sentences.")
    result["pseudo_perplexity"], result["n_pseudo"] = evaluation.pseudo_perplexity(network, texts, seed=seed)
    result |= {"trigram_counts": which, "trigram_top1": None, "trigram_left_top1": None, "seed": seed}
    if counts:
        result |= counts.evaluate(texts, evaluation.masked_spans(network, texts, seed=seed))

    def show() -> None:
        print(f"{result['n_masked']:,} masked words in {result['n_sentences']:,} sentences of {textfile}")
        print(f"{model:24} {result['top1']:6.1%} first, {result['top5']:6.1%} among the first five")
        if counts:
            pruned = "from the pruned counts stored beside the model; --corpus TEXT takes the whole counts of a text"
            print(f"trigrams, {f'from the whole counts of {corpus}' if corpus else pruned}:")
            print(f"{'trigrams, both sides':24} {result['trigram_top1']:6.1%} first")
            print(f"{'trigrams, from the left':24} {result['trigram_left_top1']:6.1%} first")
        print(f"pseudo-perplexity {result['pseudo_perplexity']:.1f} a token, of {result['n_pseudo']} sentences")

    answer(result, json, show)
