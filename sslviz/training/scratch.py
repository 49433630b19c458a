"""Training from scratch on few labels: what an encoder reaches that has seen nothing but the labelled images.

Each draw of labels is written as a person's own file and trained on by the loop that trains everything else.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslviz.data import npz
from sslviz.data.images import ImageSet
from sslviz.evaluation.embedding import encode
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.policies import policy_for
from sslviz.methods.registry import LABELLED, info
from sslviz.store import checkpoint
from sslviz.training.config import TrainConfig, config_for
from sslviz.training.loop import fit

BATCH = 128  # images a step, fewer where there are fewer
FEW = 8  # test images that a run is given; nothing is chosen by them


class FromScratch:
    """Trains an encoder with a classifier on rows of the training images, and classifies all test images.

    Args:
        train, test: both splits of a dataset, labelled.
        like: a model whose encoder's shape is taken, where it has one of the usual kind.
        steps: of each training.
    """

    def __init__(self, train: ImageSet, test: ImageSet, *, like: Any = None, steps: int) -> None:
        self.train, self.test, self.steps = train, test, steps
        shape = getattr(getattr(like, "config", None), "encoder", None)
        self.encoder = shape if isinstance(shape, EncoderConfig) else None

    @property
    def words(self) -> str:
        """How it is trained."""
        widths = "the same encoder" if self.encoder else "an encoder of this package's usual shape"
        return (
            f"{widths} and a linear classifier, trained on each draw's labels alone by `sslviz train {LABELLED}`: "
            f"{self.steps:,} steps of at most {BATCH} images, {info(LABELLED).defaults['lr']:g} as peak learning rate, "
            "no validation"
        )

    def config(self, path: Path, rows: int, seed: int, out: Path) -> TrainConfig:
        """The run on a file of so many training images."""
        views = policy_for(self.train.name, self.train.shape[0])
        fixed: dict[str, Any] = {
            "device": "cpu",
            "precision": "32-true",
            "threads": 1,
            "monitors": 0,
            "log_every": 10**6,
        }
        config = config_for(
            LABELLED, str(path), views=views, steps=self.steps, batch_size=min(BATCH, rows), seed=seed, out=out, **fixed
        )
        model: Any = config.model
        return replace(config, model=replace(model, encoder=self.encoder)) if self.encoder else config

    def __call__(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Predictions of all test images (M,), int64, after a training on some rows of the training images."""
        with tempfile.TemporaryDirectory(prefix="sslviz-") as folder:
            path, out = Path(folder) / "draw.npz", Path(folder) / "model"
            npz.write(path, self._arrays(rows), compress=False)
            for _ in fit(self.config(path, len(rows), seed, out)):
                pass
            model = checkpoint.load(out)
        h = torch.from_numpy(encode(model, self.test.x))
        with torch.no_grad():
            y_pred: np.ndarray = model.output(h).argmax(1).numpy()
        return y_pred

    def _arrays(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        sets = {"train": (self.train, rows), "test": (self.test, np.arange(min(FEW, len(self.test))))}
        arrays: dict[str, np.ndarray] = {"class_names": np.array(self.train.class_names)}
        for split, (images, chosen) in sets.items():
            x = images.x[torch.from_numpy(chosen)].permute(0, 2, 3, 1).contiguous().numpy()  # (n, H, W, C)
            arrays |= {f"x_{split}": x[..., 0] if x.shape[-1] == 1 else x, f"y_{split}": images.y[chosen].numpy()}
        return arrays
