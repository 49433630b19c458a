"""What the benchmarks share: clocks, the models and views that are compared, and the other side's data loader."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sslviz.bundled.recipes import recipe
from sslviz.methods.losses import nt_xent
from sslviz.methods.views import two_views
from sslviz.store import checkpoint
from sslviz.training.batches import batches_for
from sslviz.training.config import TrainConfig
from sslviz.training.loop import fit
from sslviz.training.stepper import precision_of


def need(*packages: str) -> None:
    """Stop with a sentence where a package that is compared with is not installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise SystemExit(f"This compares with {' and '.join(missing)}: pip install {' '.join(missing)}.")


def rate(act: Callable[[], Any], images: int, *, seconds: float, device: str = "cpu") -> float:
    """Images a second of something that takes `images` at a time: after one round to warm up, for `seconds`."""
    finish = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    act()
    finish()
    rounds, started = 0, time.perf_counter()
    while not rounds or time.perf_counter() - started < seconds:
        act()
        rounds += 1
        finish()
    return rounds * images / (time.perf_counter() - started)


def simclr(dataset: str, *, cores: int, **changes: Any) -> TrainConfig:
    """The bundled SimCLR run of a data set on so many cores."""
    config = recipe(
        {"mnist": "simclr-mnist", "fashion_mnist": "simclr-fashion", "cifar10": "simclr-cifar10-laptop"}[dataset]
    )
    return replace(config, **{"threads": cores, "name": None, "epochs": None, "precision": "auto"} | changes)


def settled(config: TrainConfig) -> TrainConfig:
    """The run in the precision that it would choose here, so that it is chosen once for all that is compared."""
    precision, rates = precision_of(config, batches_for(config))
    for name, found in rates.items():
        say(f"first steps in {name}", found)
    return replace(config, precision=precision)


def rate_of_fit(config: TrainConfig, *, seconds: float) -> float:
    """Images a second of `fit` itself, everything but the evaluations counted, after its first steps."""
    with tempfile.TemporaryDirectory() as folder:
        config = replace(config, out=Path(folder) / "m", steps=10**6, log_every=2, monitors=1, save_minutes=1e6)
        first = None
        with closing(fit(config)) as events:
            for event in events:
                if event.event != "step" or event.step < 4:
                    continue
                first = first or event
                if event.seconds - first.seconds >= seconds and event.step > first.step:
                    return (event.images - first.images) / (event.seconds - first.seconds)
    raise RuntimeError("the run ended before it was measured")


def bare(config: TrainConfig, x: Tensor, *, whole: bool, seconds: float, device: str = "cpu") -> float:
    """Images a second of forward and backward on two ready views of a batch: what nothing can be faster than.

    Args:
        config: of a SimCLR run, in a settled precision.
        x: images (B, C, H, W) in [0, 1].
        whole: with projector and loss; else of the encoder alone.
        seconds: to measure for.
        device: where.
    """
    model = checkpoint.build("simclr", config.model, seed=0).to(device, memory_format=torch.channels_last)
    views = torch.cat(two_views(x, config.views, generator=torch.Generator().manual_seed(0))).to(device)
    views = views.contiguous(memory_format=torch.channels_last)
    mixed = torch.autocast(device, torch.bfloat16) if config.precision == "bf16-mixed" else nullcontext()

    def act() -> None:
        model.zero_grad(set_to_none=True)
        with mixed:
            out = model(views) if whole else model.encode(views)
        loss = nt_xent(*out.float().chunk(2), temperature=0.2) if whole else out.float().square().mean()
        loss.backward()

    return rate(act, len(x), seconds=seconds, device=device)


class Pictures(torch.utils.data.Dataset):
    """Images as a folder of files would give them: PIL pictures, each through a transform of its own."""

    def __init__(self, x: Tensor, transform: Callable[[Any], Any]) -> None:
        from PIL import Image

        self.pictures = [Image.fromarray(image.permute(1, 2, 0).numpy().squeeze()) for image in x]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.pictures[index])


def lightly_views(x: Tensor, config: TrainConfig, *, workers: int) -> torch.utils.data.DataLoader:
    """lightly's SimCLR transform at the strengths of our colour views, in a DataLoader of worker processes."""
    from lightly.transforms import SimCLRTransform

    v, side = config.views, config.views.size or x.shape[-1]
    transform = SimCLRTransform(
        input_size=side, min_scale=v.crop, cj_prob=v.jitter, cj_strength=1.0, cj_bright=v.brightness,
        cj_contrast=v.contrast, cj_sat=v.saturation, cj_hue=v.hue, random_gray_scale=v.grey,
        gaussian_blur=v.blur, sigmas=(0.1, v.blur_sigma), hf_prob=v.flip, normalize=None,
        rr_prob=float(v.rotate > 0), rr_degrees=v.rotate or None,
    )  # fmt: skip
    return torch.utils.data.DataLoader(
        Pictures(x, transform), config.batch_size, shuffle=True, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def forever(loader: torch.utils.data.DataLoader) -> Iterator[Any]:
    while True:
        yield from loader


def say(what: str, value: float, unit: str = "images/s") -> None:
    print(f"  {what:52} {value:10,.1f} {unit}", flush=True)


def ratio(what: str, value: float, target: float) -> None:
    print(f"  {what:52} {value:10.2f} times (to reach: {target:g})", flush=True)


CORES = min(2, os.cpu_count() or 1)
