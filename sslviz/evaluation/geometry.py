"""How h and z of an encoder lie in their spaces: places, cosines, singular values, and the measures without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sslviz.data.images import to_float
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.unlabelled import alignment, lidar, rankme, singular_values, uniformity, z_std
from sslviz.methods import registry
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.views import augment

LEAST, MOST = 10, 2000  # images that are measured
PLACED = 400  # of them drawn as points
BINS = 50  # of cosines from -1 to 1
LIDAR_IMAGES, LIDAR_VIEWS = 500, 8


def geometry(model: Any, x: torch.Tensor, policy: ViewPolicy, *, seed: int = 0) -> dict[str, Any]:
    """Where an encoder puts images, by h and, where its method has a projector, by z.

    Args:
        model: of the package.
        x: images (N, C, H, W), uint8; up to 2,000 are measured, drawn with the seed.
        policy: of the random views whose agreement is measured.
        seed: of the choice of images and of the views.

    Returns:
        Plain values: `n` images, `rows` (P,) of them that are placed, by "h" and "z" what `measured` gives, and `lidar`
        of z (of h without a projector).

    Raises:
        UserError: fewer than ten images.
    """
    if len(x) < LEAST:
        raise UserError(f"{len(x)} test images are too few to measure a space by: bring {LEAST} or more.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:MOST])
    x, generator = x[torch.from_numpy(rows)], torch.Generator().manual_seed(seed)
    x1, x2 = (augment(to_float(x), policy, generator=generator) for _ in range(2))
    h, h1, h2 = (encode(model, part) for part in (x, x1, x2))
    projector = registry.info(model.method).projector
    found: dict[str, Any] = {"n": len(x), "rows": rows[:PLACED].tolist(), "h": measured(h, h1, h2)}
    if projector:
        found["z"] = measured(*(project(model, part) for part in (h, h1, h2)))
    few = to_float(x[:LIDAR_IMAGES])
    views = [encode(model, augment(few, policy, generator=generator)) for _ in range(LIDAR_VIEWS)]
    views = [project(model, part) for part in views] if projector else views
    found["lidar"] = rounded(lidar(np.stack(views, 1)))
    return found


def project(model: Any, h: np.ndarray) -> np.ndarray:
    """h (N, D_h) -> z (N, D_z) through the projector, in eval mode."""
    mode = model.training
    try:
        with torch.inference_mode():
            z: np.ndarray = model.eval().project(torch.from_numpy(h).to(model.device)).float().cpu().numpy()
            return z
    finally:
        model.train(mode)


def measured(z: np.ndarray, z1: np.ndarray, z2: np.ndarray) -> dict[str, Any]:
    """Measures of one space on its unit sphere.

    Args:
        z: (N, D) of images.
        z1, z2: (N, D) of two views of each.

    Returns:
        alignment, uniformity, rankme, z_std; `spectrum` (D,), the singular values of the covariance of z of unit
        length; `xy` (P, 2), the first rows on the first two principal directions of the sphere, not centred, so that a
        row's distance from the centre is at most 1; `pairs` and `others` (BINS,), counts of the cosines of the two
        views of an image, and of the first views of two images.
    """
    unit, a, b = (part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in (z, z1, z2))
    directions = np.linalg.svd(unit.astype(np.float64), full_matrices=False)[2][:2]  # (2, D)
    xy = unit[:PLACED] @ directions.T
    xy *= np.sign(xy.mean(0)) + (xy.mean(0) == 0)  # a direction has no sign: most rows lie to the right and above
    cosines = (a @ a.T)[np.triu_indices(len(a), 1)]
    edges = np.linspace(-1, 1, BINS + 1)
    inside = [np.histogram(np.clip(c, -1, 1), edges)[0] for c in ((a * b).sum(1), cosines)]
    return {
        "alignment": rounded(alignment(z1, z2)),
        "uniformity": rounded(uniformity(z)),
        "rankme": rounded(rankme(unit)),
        "z_std": rounded(z_std(z)),
        "spectrum": rounded(singular_values(unit)),
        "xy": rounded(xy),
        "pairs": inside[0].tolist(),
        "others": inside[1].tolist(),
    }


def rounded(values: Any) -> Any:
    """Numbers with four significant digits, as plain values."""
    if np.ndim(values) == 0:
        return float(f"{float(values):.4g}")
    return [rounded(value) for value in np.asarray(values)]
