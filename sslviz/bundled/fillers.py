"""Of how many held-out sentences each way to fill a gap finds most words, written on the card of a bundled model.

python -m sslviz.bundled.fillers assets/models/bert-sslviz CORPUS/heldout.txt

The fillers are trigrams, the bundled models that read from the left, and the model itself. It comes after
`recipes.finish_language` for all of them, and is computed from the stored weights and the pruned counts beside them.
"""

import sys
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.store import checkpoint


def store_fillers(folder: Path, heldout: Path) -> dict[str, Any]:
    """Compute `evaluation.fillers` on held-out text and write it to the model's card.

    Args:
        folder: of the model, with its trigrams.
        heldout: the text that the card's other figures are of.

    Returns:
        what is written, results["fillers"].

    Raises:
        UserError: words or top-1 are further than 1 % or a point from the card's: this is another text
            or another model. (Packages and the rule of sentences may give the text a sentence more or less.)
    """
    from sslviz.language import evaluation, hub, model, next_word, trigram
    from sslviz.language.text import read_sentences

    card, texts, network = checkpoint.load_card(folder), read_sentences(heldout), model.load(folder)
    seed, results = card["seed_of_results"], card["results"]
    ranks = evaluation.masked_ranks(network, texts, seed=seed)
    found = evaluation.masked_shares(ranks)
    if abs(found["n_masked"] / results["n_masked"] - 1) > 0.01 or abs(found["top1"] - results["top1"]) > 0.01:
        raise UserError(
            f"Of {heldout} the model finds {found['top1']:.3%} of {found['n_masked']:,} words, and its card says "
            f"{results['top1']:.3%} of {results['n_masked']:,}; give the text that the card is of."
        )
    spans = evaluation.masked_spans(network, texts, seed=seed)
    left = {
        name: next_word.gap_hits(model.load_causal(name), texts, spans)
        for name in (hub.TWIN, hub.GRU)
        if hub.find(name) is not None
    }
    wins = evaluation.fillers(trigram.load(folder / trigram.FILE), texts, spans, ranks, name=card["name"], others=left)
    checkpoint.write_json(card | {"results": results | {"fillers": wins}}, folder / checkpoint.CARD)
    return wins


if __name__ == "__main__":
    print(store_fillers(Path(sys.argv[1]), Path(sys.argv[2])))
