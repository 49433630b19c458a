"""Tiny models with random weights and everything that a page reads of a model, so that page tests need no training."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import fit_map
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.store import checkpoint, embeddings

RESULTS = {
    "linear_probe": 0.912,
    "knn": 0.9,
    "baselines": {"random": 0.85, "pixels": 0.924, "pca": 0.92, "whitened patches": 0.95},
    "n_test": 10_000,
}
GREY = EncoderConfig(channels=1)
MODELS = {
    "tiny-plane": ("vae", "mnist", VAEConfig(hidden=16, latent_dim=2)),
    "tiny-vae": ("vae", "mnist", VAEConfig(hidden=16, latent_dim=4)),
    "tiny-simclr": ("simclr", "mnist", SimCLRConfig(replace(GREY, widths=(4, 8), strides=(2, 2)), hidden=8, dim=8)),
    "tiny-colour": (
        "vae",
        "cifar10",
        VAEConfig(shape=(3, 32, 32), architecture="conv", hidden=2, latent_dim=3, likelihood="gaussian"),
    ),
}


def make_models(folder: Path) -> None:
    """Write the tiny models into a folder of models."""
    for name, (method, dataset, config) in MODELS.items():
        model = checkpoint.build(method, config, seed=0).eval()
        card = {
            "dataset": dataset,
            "n_train": 60_000,
            "minutes": 0.5,
            "hardware": "a test",
            "command": f"sslviz train {method} {dataset}",
            "results": RESULTS,
        }
        checkpoint.save(model, folder / name, card=card)
        h = encode(model, load_images(dataset, "test", bundled=True).x)
        rng = np.random.default_rng(0)
        xy = {"pca": fit_map(h).xy, "umap": rng.normal(size=(len(h), 2)).astype(np.float32)}
        arrays = {f"{way}_xy": places for way, places in xy.items()}
        trust = {f"{way}_trustworthiness": np.float32(0.8) for way in xy}
        embeddings.save_embeddings(folder / name, h, **arrays, **trust)
