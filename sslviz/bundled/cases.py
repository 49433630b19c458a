"""Rules that a probe can break, a public case of each, and what is stored of them. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sslviz.evaluation.stored import read_stored, stored_path

PARTS = (3000, 2000)  # labelled images to fit on, and to count on


class Sin(NamedTuple):
    """A rule that can be broken.

    Attributes:
        title: of the switch.
        quick: whether a page runs it, within some 20 seconds.
        claim: what a report that has done it says; {score} is put in.
        case: a public one in a sentence.
        source: where that is told.
    """

    title: str
    quick: bool
    claim: str
    case: str
    source: str


SINS = {
    "trained_along": Sin(
        "Train the encoder along", True,
        "“A linear probe on our encoder reaches {score}.”",
        "A popular repository set requires_grad of the module in place of its parameters, so that its linear "
        "evaluation of 92.9 % on CIFAR-10 trained the whole network; with the encoder frozen 88 to 89 % were left.",
        "github.com/p3i0t/SimCLR-CIFAR10, issues 1 and 8",
    ),
    "batch_norm": Sin(
        "Leave BatchNorm in training mode", True,
        "“No weight was changed, and the probe reaches {score}.”",
        "MoCo's evaluation code calls eval() on the network while its probe is trained, and says why: statistics of "
        "BatchNorm are part of the frozen model, and would move in training mode though no gradient reaches them.",
        "github.com/facebookresearch/moco, main_lincls.py",
    ),
    "best_epoch": Sin(
        "Report the best epoch on the test set", True,
        "“Our probe was trained for 30 epochs and reaches {score}.”",
        "Benchmark tables of self-supervised methods on CIFAR-10 list the highest test accuracy over all epochs, which "
        "no user of the method could have picked.",
        "docs.lightly.ai, benchmarks on CIFAR-10",
    ),
    "penalty": Sin(
        "Choose the penalty on the test set", True,
        "“With a tuned penalty the probe reaches {score}.”",
        "A survey of metric learning found that papers of years had tuned on the test set, without a validation set; "
        "under one protocol with one, most of the progress was gone.",
        "Musgrave et al. 2020, arXiv:2003.08505",
    ),
    "pretrained": Sin(
        "Pretrain on train and test", False,
        "“Pretrained without a single label, the encoder reaches {score}.”",
        "A bug in the filter left test sets in the text that GPT-3 was trained on; training again was too dear, so its "
        "authors could only report which results might be affected.",
        "Brown et al. 2020, arXiv:2005.14165, section 4",
    ),
    "copies": Sin(
        "Copies across the split", True,
        "“The nearest neighbour alone is right for {score}.”",
        "3.3 % of CIFAR-10's test images, and 10 % of CIFAR-100's, have a near-duplicate among the training images.",
        "Barz & Denzler 2020, arXiv:1902.00423",
    ),
    "metric": Sin(
        "Euclidean in place of cosine, or the reverse", True,
        "“By k-NN the rival's encoder reaches only {score}.”",
        "In one benchmark on ImageNet a masked autoencoder is last by k-NN (11.2 %), and first of all methods there "
        "when fine-tuned (81.3 %): whoever chooses how to read h chooses the winner.",
        "docs.lightly.ai, benchmarks on ImageNet",
    ),
    "lucky": Sin(
        "A small test set, drawn until it suits", True,
        "“On a held-out set of 200 images the probe reaches {score}.”",
        "Fine-tuning BERT with nothing changed but the seed moved scores on small development sets of GLUE so far that "
        "the best of many seeds passed models that were published as better.",
        "Dodge et al. 2020, arXiv:2002.06305",
    ),
}  # fmt: skip


def path_of(dataset: str, folder: Path | None = None) -> Path:
    """Where the output of `sslviz honesty` is kept."""
    return stored_path(f"honesty-{Path(dataset).stem}", folder)


def load(dataset: str, folder: Path | None = None) -> dict[str, Any] | None:
    """What is stored of a dataset; None where nothing is.

    Raises:
        UserError: the file is damaged.
    """

    def parse(found: dict[str, Any]) -> dict[str, Any]:
        if not {"model", "checks", "sins", "origin", "accuracy", "interval_95"} <= found.keys():
            raise ValueError("something is missing")
        return found

    return read_stored(path_of(dataset, folder), parse, remedy="restore it, or run `sslviz honesty` again")
