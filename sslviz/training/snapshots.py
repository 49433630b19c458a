"""What the app shows of a run while it trains: small arrays of the moment, a file each, and no change to the run.

Models are looked at in eval mode without gradients, and whatever is random here has generators of its own, so a run
that is watched and one that is not are the same to the last bit.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data import npz
from sslviz.data.images import ImageSet, to_float
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import fit_map
from sslviz.methods.views import ViewPolicy, two_views

LIVE = "live"  # folder of these files beside a model's
MAPPED, SHOWN, SAMPLES, PAIRS, AGES = 600, 10, 40, 16, 4
Views = Callable[[int], tuple[Tensor, Tensor]]  # a step's number -> both views (B, C, H, W) that the step was given


def look(model: nn.Module, test: ImageSet, *, policy: ViewPolicy, seed: int) -> dict[str, np.ndarray]:
    """How a model stands, in arrays for the page.

    Args:
        model: on any device and in any mode, which it keeps.
        test: held-out images; the first are shown, so that they come in every class order that the set has.
        policy: of the views of SimCLR and MoCo.
        seed: of the views and of a VAE's samples: the same at every call, so that the same images change over time.

    Returns:
        xy (N, 2) float32, the PCA of h of N <= 600 held-out images, with their labels y (N,). For a VAE x, x_hat
        (10, C, H, W) and samples (40, C, H, W), uint8. For SimCLR and MoCo x1, x2 (16, C, H, W), uint8, and
        similarity (16, 16), the cosine of z of each x1 (row) and each x2 (column).
    """
    pick = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    held = pick[:MAPPED]
    found = {"xy": fit_map(encode(model, test.x[held]), method="pca").xy.astype(np.float32), "y": test.y[held].numpy()}
    with _at_rest(model) as device:
        generator = torch.Generator().manual_seed(seed)
        if model.method == "vae":
            x = to_float(test.x[pick[:SHOWN]]).to(device)
            found |= {"x": _bytes(x), "x_hat": _bytes(model.decode(model.encode(x)[0]))}
            found["samples"] = _bytes(model.sample(SAMPLES, generator=generator))
        else:
            x1, x2 = two_views(to_float(test.x[pick[:PAIRS]]), policy, generator=generator)
            z1, z2 = (F.normalize(model(x.to(device)), dim=1) for x in (x1, x2))  # (16, D_z)
            found |= {"x1": _bytes(x1), "x2": _bytes(x2), "similarity": (z1 @ z2.T).float().cpu().numpy()}
    return found


def look_at_queue(model: nn.Module, views: Views, *, step: int, batch_size: int) -> dict[str, np.ndarray]:
    """How old MoCo's keys are, and how far the key encoder has moved since it made them.

    Args:
        model: a MoCo.
        views: gives an earlier step's views again.
        step: steps done.
        batch_size: keys that each step has written.

    Returns:
        age (K,) of each column in steps, -1 where it still holds the random numbers that it began with;
        drift_age (A,) steps, and drift (A,) the mean cosine of the keys of that age with the keys that the key encoder
        makes of the same views now: 1 is no drift. `apart`: the distance of both encoders' weights, as a share of the
        query encoder's length.
    """
    size, cursor = model.queue.shape[1], int(model.cursor)
    behind = (cursor - 1 - torch.arange(size)) % size  # 0 for the newest key
    age = torch.where(behind < step * batch_size, behind // batch_size, -1)  # (K,)
    oldest = min(step, size // batch_size) - 1
    ages = sorted({round(oldest * i / (AGES - 1)) for i in range(AGES)}) if oldest >= 0 else []
    key_side = copy.deepcopy(nn.Sequential(model.encoder_k, model.projector_k)).train()  # as when the keys were made
    drift = []
    with torch.no_grad():
        for a in ages:
            x1, x2 = views(step - 1 - a)
            device = model.queue.device
            now = F.normalize(key_side(torch.cat([x2, x1]).to(device))[: len(x1)], dim=1)  # (B, D_z)
            columns = (cursor - (a + 1) * batch_size + torch.arange(batch_size)) % size
            drift.append(float((now * model.queue[:, columns.to(device)].T).sum(1).mean()))
    pairs = list(zip(model.encoder.parameters(), model.encoder_k.parameters(), strict=True))
    apart = sum(float((q.detach() - k).square().sum()) for q, k in pairs)
    length = sum(float(q.detach().square().sum()) for q, _ in pairs)
    return {
        "age": age.numpy().astype(np.int32),
        "drift_age": np.array(ages, np.int32),
        "drift": np.array(drift, np.float32),
        "apart": np.float32((apart / max(length, 1e-30)) ** 0.5),
    }


def look_at_step(model: nn.Module, x: Tensor, views: tuple[Tensor, Tensor] | None) -> dict[str, np.ndarray]:
    """What one step was given, and what the model makes of it after the step.

    Args:
        model: any image model.
        x: the step's images (B, C, H, W) in [0, 1].
        views: both views (B, C, H, W) of a contrastive step.

    Returns:
        x (10, C, H, W) uint8; for a VAE x_hat like it; else x1, x2 like it, and similarity (10, 10) as in `look`.
    """
    found = {"x": _bytes(x[:SHOWN])}
    with _at_rest(model) as device:
        if views is None:
            found["x_hat"] = _bytes(model.decode(model.encode(x[:SHOWN].to(device))[0]))
        else:
            x1, x2 = (view[:SHOWN] for view in views)
            z1, z2 = (F.normalize(model(v.to(device)), dim=1) for v in (x1, x2))  # (10, D_z)
            found |= {"x1": _bytes(x1), "x2": _bytes(x2), "similarity": (z1 @ z2.T).float().cpu().numpy()}
    return found


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Euclidean norm of the gradient of each part of a model, as the last step has left them."""
    norms = {}
    for name, part in model.named_children():
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        if gradients:
            norms[name] = float(torch.stack([g.norm() for g in gradients]).norm())
    return norms


def write(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> Path:
    """Write arrays as `live/<name>.npz` in a run's folder, whole or not at all.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    path = folder / LIVE / f"{name}.npz"
    npz.write(path, {key: np.asarray(value) for key, value in arrays.items()}, compress=True)
    return path


class _at_rest:
    """Eval mode and no gradients for a while; gives the model's device."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.training, self.no_grad = model, model.training, torch.no_grad()

    def __enter__(self) -> torch.device:
        self.model.eval()
        self.no_grad.__enter__()
        return next(self.model.parameters()).device

    def __exit__(self, *error: object) -> None:
        self.no_grad.__exit__(*error)
        self.model.train(self.training)


def _bytes(x: Tensor) -> np.ndarray:
    """Images in [0, 1] -> uint8 (N, C, H, W)."""
    return (x.detach().float().clamp(0, 1) * 255).round().byte().cpu().contiguous().numpy()
