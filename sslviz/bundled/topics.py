"""How the labelled sentences of `sslviz.language.topics` are drawn, and what a model's folder keeps of them.

    python -m sslviz.bundled.topics DICT_DIR

draws them from WordNet 3.0, whose folder DICT_DIR is (`dpkg-deb -x` of Debian's wordnet-base leaves it in
usr/share/wordnet), and writes assets/data/topics.tsv and its card. The same WordNet gives the same bytes.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.language.topics import COLUMNS, NAME, SPLITS, load_topics
from sslviz.paths import assets_dir

SEED = 0
N_TRAIN, N_TEST = 250, 100  # sentences of a class
NOTICE = (
    "This software and database is being provided to you, the LICENSEE, by Princeton University under the following "
    "license. By obtaining, using and/or copying this software and database, you agree that you have read, understood, "
    "and will comply with these terms and conditions: Permission to use, copy, modify and distribute this software and "
    "database and its documentation for any purpose and without fee or royalty is hereby granted, provided that you "
    "agree to comply with the following copyright notice and statements, including the disclaimer, and that the same "
    "appear on ALL copies of the software, database and documentation, including modifications that you make for "
    "internal use or for distribution. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS "
    'SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, '
    "EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR "
    "WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, "
    "DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The "
    "name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution "
    "of the software and/or database. Title to copyright in this software, database and any associated documentation "
    "shall at all times remain with Princeton University and LICENSEE agrees to preserve same."
)


def draw(dict_dir: Path, out_dir: Path | None = None) -> Path:
    """Draw the sentences from WordNet, and write them and their card.

    Args:
        dict_dir: WordNet 3.0's folder, in which data.noun is.
        out_dir: folder to write to, by default that of the bundled data.

    Returns:
        the path of the sentences.

    Raises:
        UserError: WordNet can't be read, or has too few definitions of a class, or `out_dir` can't be written to.
    """
    from sslviz.bundled.glosses import CLASSES, WORDS, read_glosses

    rng, found = np.random.default_rng(SEED), read_glosses(Path(dict_dir))
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name, texts in found.items():
        if len(texts) < N_TRAIN + N_TEST:
            raise UserError(f"WordNet in {dict_dir} has only {len(texts)} definitions of {name}; give version 3.0.")
        chosen = rng.choice(len(texts), N_TRAIN + N_TEST, replace=False)
        for split, rows in (("train", chosen[:N_TRAIN]), ("test", chosen[N_TRAIN:])):
            parts[split] += [f"{split}\t{name}\t{texts[row]}" for row in np.sort(rows)]
    content = "\n".join(["\t".join(COLUMNS), *parts["train"], *parts["test"]]).encode() + b"\n"
    card = {
        "name": NAME,
        "title": "Topics of definitions",
        "authors": "Princeton University, WordNet 3.0",
        "source": "https://wordnet.princeton.edu, as in Debian's package wordnet-base",
        "licence": "WordNet 3.0 licence; see notice",
        "citation": "C. Fellbaum (ed.): WordNet: an electronic lexical database. MIT Press, 1998.",
        "drawn": f"Nouns' definitions of {WORDS[0]} to {WORDS[1]} words, without the word that they define; the label "
        "is the lexicographer file of the synset. Left out: definitions that hold a word of their synset or a class's "
        "name, offensive ones, duplicates. Of each class the same number, drawn without replacement by "
        f"numpy.random.default_rng({SEED}); a synset is in one split only.",
        "seed": SEED,
        "n_train": len(parts["train"]),
        "n_test": len(parts["test"]),
        "class_names": sorted(CLASSES),
        "lexicographer_files": CLASSES,
        "candidates": {name: len(texts) for name, texts in found.items()},
        "format": "UTF-8, tab-separated: split, label, sentence; one header line",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "command": "python -m sslviz.bundled.topics DICT_DIR",
        "notice": NOTICE,
    }
    path = (out_dir or assets_dir() / "data") / f"{NAME}.tsv"
    npz.write_bytes(path, content)
    npz.write_bytes(path.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def finish(folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Evaluate a model's folder, and write there what the app shows of it before anything is computed.

    The last layer's vectors of the test sentences and their UMAP go to embeddings.npz, accuracies into the card as
    "topics" of its "results". Run it after the weights have got their final precision.

    Returns:
        the card.
    """
    from sslviz.evaluation.maps import fit_map
    from sslviz.language import model as language
    from sslviz.language.topics import evaluate_layers
    from sslviz.store import checkpoint, embeddings

    by_layer = evaluate_layers(language.load_any(folder), seed=seed)
    h = by_layer.h[-1].astype(np.float32)
    umap = fit_map(h, "umap", seed=seed)
    quality = {"umap_trustworthiness": umap.trustworthiness, "umap_neighbours_kept": umap.neighbours_kept}
    marks = {name: np.array(value, np.float32) for name, value in quality.items() if value is not None}
    embeddings.save_embeddings(folder, h, umap_xy=umap.xy, **marks)
    card = checkpoint.load_card(folder)
    found = {"linear": by_layer.linear, "knn": by_layer.knn, "baselines": by_layer.baselines, "seed": seed}
    found |= {"n_train": len(load_topics("train")), "n_test": len(load_topics("test"))}
    card["results"] = card.get("results", {}) | {NAME: found}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    return card


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sslviz.bundled.topics DICT_DIR")
    try:
        print(draw(Path(sys.argv[1])))
    except UserError as error:
        sys.exit(str(error))
