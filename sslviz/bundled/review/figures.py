"""All figures of the page of revision, computed here and now: pictures, numbers, and what goes wrong going wrong.

`compute` runs in the helper process and tells what it has after each subject. Figures are plain values: pictures as
`data.packing` packs them, numbers under the names that the captions of `SUBJECTS` have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sslviz.bundled.review import DATASET, SUBJECTS, Subject
from sslviz.errors import UserError
from sslviz.evaluation.intervals import INTERVAL
from sslviz.jobs.worker import Report, Telling
from sslviz.store import checkpoint
from sslviz.store.checkpoint import ModelInfo


@dataclass(frozen=True)
class Sizes:
    """How much is computed: less for tests.

    Attributes:
        images: test images that are looked at and judged.
        labels: that probes of images are fitted on.
        few: draws of one label a class.
        sentences: that masked and next words are asked of.
        sentence_labels, sentence_tests: of the probe of sentences.
        along: labels of the encoder that learns along.
        epochs: for which it does.
        batch: views among which partners are looked for.
    """

    images: int = 2000
    labels: int = 1000
    few: int = 5
    sentences: int = 400
    sentence_labels: int = 400
    sentence_tests: int = 400
    along: int = 1000
    epochs: int = 3
    batch: int = 256


SMALL = Sizes(60, 40, 2, 4, 24, 24, 40, 1, 16)


def compute(report: Telling, sizes: str = "") -> dict[str, Any]:
    """Compute everything for the page; what there is so far is told after each subject. See `each_subject`."""
    found: dict[str, Any] = {}
    for found in each_subject(report, SMALL if sizes == "small" else Sizes()):
        report.found(found)
    return found


def each_subject(report: Report, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Compute the figures, subject after subject.

    Args:
        report: told what is being done, and how far it is.
        sizes: how much is computed.

    Yields:
        after each subject the same dict with what there is so far: "subjects": by key `missing` (a sentence or ""),
        `model`, `values` and `pictures`; "few": accuracy in [0, 1] with one label a class, by name, and `few_labels`;
        "rows" of the table of evidence; "interval", what intervals cover.
    """
    from sslviz.bundled.review import images, text

    found: dict[str, Any] = {"subjects": {}, "rows": [], "interval": INTERVAL.format(unit="images or sentences")}
    probes: dict[str, Any] = {}
    work: dict[str, Callable[..., dict[str, Any]]] = {
        "image": partial(images.of_subject, probes=probes), "text": text.of_subject,
    }  # fmt: skip
    report("loading what the page is about", 0.0)
    images.probe(_image_models(), sizes, probes, lambda stage, share: report(stage, 0.5 * share))
    found |= images.few_labels(probes, sizes)
    for number, subject in enumerate(SUBJECTS):
        report(f"{subject.name}: pictures and figures", 0.5 + 0.5 * number / len(SUBJECTS))
        found["subjects"][subject.key] = _one(subject, work[subject.about.kind], sizes)
        found["rows"] = _rows(found["subjects"])
        yield found


def _one(subject: Subject, work: Callable[..., dict[str, Any]], sizes: Sizes) -> dict[str, Any]:
    """A subject's figures, or the sentence that says what is missing."""
    blank: dict[str, Any] = {"missing": "", "model": "", "values": {}, "pictures": {}}
    info = model_of(subject)
    if info is None:
        sentence = subject.missing or f"No model of {subject.name} is here: run `sslviz models build`."
        return blank | {"missing": sentence}
    try:
        return blank | {"model": info.name} | work(subject, info, sizes=sizes)
    except UserError as error:
        return blank | {"model": info.name, "missing": str(error)}


def model_of(subject: Subject) -> ModelInfo | None:
    """The bundled model that a subject is shown with; of images, that of the page's dataset with the best probe."""
    if subject.about.kind == "image":
        return checkpoint.opens_with(i for i in _image_models() if i.method == subject.key)
    from sslviz.bundled.review import text

    return text.model_of(subject)


def _image_models() -> list[ModelInfo]:
    known = {subject.key for subject in SUBJECTS if subject.about.kind == "image"}
    found = [info for info in checkpoint.list_models("image") if info.bundled and info.dataset == DATASET]
    best = [checkpoint.opens_with(i for i in found if i.method == key) for key in known]
    return [info for info in best if info is not None]


def _rows(subjects: dict[str, Any]) -> list[dict[str, str]]:
    """The table of evidence: a row a subject that has figures, pretext and transfer apart."""
    return [
        {"key": key, "model": found["model"]} | found["values"].get("row", {})
        for key, found in subjects.items()
        if found["values"].get("row")
    ]
