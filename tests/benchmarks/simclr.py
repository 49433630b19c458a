"""SimCLR from end to end: images a second of `fit` against the same encoder, batch and cores with lightly.

    python tests/benchmarks/simclr.py

Lightly's side is its tutorial's loop: PIL pictures through its transform in a DataLoader, its NT-Xent, AdamW. The
transforms are those of our run where lightly has them; it has neither the shift nor the shear of digits, which makes
its side the faster. Ours computes in bf16 where the processor can, lightly's in float32 as its tutorial does; a second
ratio compares float32 with float32. Beside them stands the bound that the model's own cost sets: no views can make a
step faster than forward and backward on ready tensors.
"""

import time
from dataclasses import replace
from typing import Literal

import torch
import tyro
from measure import CORES, bare, forever, lightly_views, need, rate_of_fit, ratio, say, settled, simclr

from sslviz.data.images import load_images
from sslviz.store import checkpoint

TARGETS = {"cifar10": 2.5, "mnist": 3.5}


def main(
    *,
    datasets: tuple[Literal["cifar10", "mnist"], ...] = ("cifar10", "mnist"),
    seconds: float = 40.0,
    cores: int = CORES,
) -> None:
    """Measure both sides, one after the other, for each data set.

    Args:
        datasets: cifar10 (stride-2 CNN, 64 to 256 channels) and mnist (32 to 128).
        seconds: each side is measured for.
        cores: threads of ours; of lightly's as many threads and as many worker processes, on the same cores.
    """
    need("lightly")
    for dataset in datasets:
        torch.set_num_threads(cores)
        config = settled(simclr(dataset, cores=cores))
        images = load_images(dataset, "train").x
        print(f"SimCLR on {dataset}: widths {config.model.encoder.widths}, batch {config.batch_size}, {cores} core(s)")
        ours, ours_in = rate_of_fit(config, seconds=seconds), config.precision
        say(f"ours, fit(), {ours_in}", ours)
        exact = rate_of_fit(replace(config, precision="32-true"), seconds=seconds)
        say("ours, fit(), 32-true", exact)
        x = images[: config.batch_size].float() / 255
        ready = bare(config, x, whole=True, seconds=seconds / 4)
        say(f"the model alone, ready tensors, {ours_in}", ready)
        lightlys = lightly_rate(images[: 40 * config.batch_size], config, cores=cores, seconds=seconds)
        say(f"lightly, {cores} worker process(es), 32-true", lightlys)
        ratio("ours : lightly", ours / lightlys, TARGETS[dataset])
        ratio("ours in float32 : lightly", exact / lightlys, TARGETS[dataset])
        print(f"  {'the most that the model itself allows':52} {ready / lightlys:10.2f} times", flush=True)


def lightly_rate(images: torch.Tensor, config, *, cores: int, seconds: float) -> float:
    """Images a second of lightly's loop, after the batches that its workers have made while they were started."""
    from lightly.loss import NTXentLoss

    model = checkpoint.build("simclr", config.model, seed=0).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    criterion = NTXentLoss(temperature=config.model.temperature)
    before = 2 * cores + 2
    started = 0.0
    for step, (x1, x2) in enumerate(forever(lightly_views(images, config, workers=cores)), 1):
        loss = criterion(model(x1), model(x2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == before:
            started = time.perf_counter()
        elif step > before and time.perf_counter() - started >= seconds:
            return (step - before) * config.batch_size / (time.perf_counter() - started)
    raise RuntimeError("unreachable: the loader has no end")


if __name__ == "__main__":
    tyro.cli(main)
