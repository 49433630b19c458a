"""The example sentences of the language page, and a bundled model's answers to them, stored beside it.

python -m sslviz.bundled.examples assets/models/bert-sslviz
"""

import sys
from pathlib import Path
from typing import Any

# A sentence, and which of its words are masked: the model gets it right by a wide margin, its answer forms over the
# last layers, and the words that decide it are those at which heads look.
DEFAULT = ("Paris is the capital of France.", (5,))
EXAMPLES: dict[str, tuple[int, ...]] = {
    DEFAULT[0]: DEFAULT[1],
    "The ship sailed across the sea to a distant island.": (1,),  # the widest margin, from behind the gap alone
    "A week has seven days, and a year has twelve months.": (3,),
    "The cat sat on the mat.": (5,),
    "The children went to school in the morning.": (4,),
    "She was so tired that she went straight to bed.": (9,),
    "He was hungry, so he went to the kitchen and ate an apple.": (8, 12),
    "The [MASK] chased the [MASK] up the tree.": (),
    "The keys to the cabinet are on the table.": (5,),
}
ASKED: dict[str, Any] = {"temperature": 1.0, "top_k": 10}  # what the page opens with


def store_answers(folder: Path) -> None:
    """Ask the model in a folder for what the page shows of the example sentences, and store it there.

    Raises:
        UserError: the folder holds no masked language model.
    """
    from sslviz.language import answers, model
    from sslviz.language.predict import fill, fill_in_turn
    from sslviz.language.sentence import tokens_of

    network = model.load(folder)
    rows: list[tuple[str, tuple, dict[str, Any], tuple]] = []
    for text, words in EXAMPLES.items():
        rows.append(("tokens_of", (text,), {}, tokens_of(network, text)))
        masks = fill(network, text, words=words, **ASKED)
        rows.append(("fill", (text,), {"words": words} | ASKED, masks))
        if len(masks) > 1:
            rows.append(("fill_in_turn", (text,), {"words": words}, fill_in_turn(network, text, words=words)))
    answers.write(folder, network.tokenizer, rows)


if __name__ == "__main__":
    store_answers(Path(sys.argv[1]))
