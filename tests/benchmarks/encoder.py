"""How much of a run is the encoder itself, and how long a cold start takes to representations worth having.

    python tests/benchmarks/encoder.py                                     # share of the encoder's own speed
    python tests/benchmarks/encoder.py --dataset cifar10 --resnet --device cuda
    python tests/benchmarks/encoder.py --cold                              # and minutes to 97 % k-NN on MNIST

A share of 100 % would be a run that spends nothing on views, projector, loss, optimiser and data.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Literal

import torch
import tyro
from measure import CORES, bare, rate, rate_of_fit, say, settled, simclr
from torch import Tensor

from sslviz.data.images import load_images
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.views import two_views
from sslviz.training.batches import batches_for
from sslviz.training.config import TrainConfig
from sslviz.training.stepper import Stepper

RESNET18 = EncoderConfig(widths=(64, 64, 128, 256, 512), strides=(1, 1, 2, 2, 2), depth=2, pool=1)
ROOT = Path(__file__).resolve().parents[2]


def main(
    *,
    dataset: Literal["mnist", "cifar10"] = "mnist",
    resnet: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    seconds: float = 50.0,
    rounds: int = 5,
    cores: int = CORES,
    batch: int = 256,
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto",
    cold: bool = False,
    minutes: tuple[float, ...] = (1, 2, 3, 4, 6, 8),
    goal: float = 0.97,
) -> None:
    """Measure both in turn.

    Args:
        dataset: whose images, and whose bundled SimCLR.
        resnet: take a ResNet-18 instead of the bundled encoder, and hold `fit` against the whole model on ready
            tensors, projector and loss included.
        device: of both.
        seconds: each is measured for, in all.
        rounds: in which the two take turns, so that a machine that slows down slows both; medians are told.
        cores: CPU threads.
        batch: images a step.
        precision: of both.
        cold: also start the command line anew with one budget after another, until one reaches the goal.
        minutes: these budgets.
        goal: accuracy of 20 nearest neighbours among all training images, on all test images.
    """
    torch.set_num_threads(cores)
    config = simclr(dataset, cores=cores, batch_size=batch, precision=precision)
    if resnet:
        encoder = replace(RESNET18, channels=config.model.encoder.channels)
        config = replace(config, model=replace(config.model, encoder=encoder))
    config = settled(replace(config, device=device))
    x = load_images(dataset, "train").x[:batch].float() / 255
    where = torch.cuda.get_device_name() if device == "cuda" else f"{cores} core(s)"
    where += f", {config.precision}"
    print(f"SimCLR on {dataset}: widths {config.model.encoder.widths}, batch {batch}, {where}")
    ready, ours = [], []
    for _ in range(rounds):
        ready.append(bare(config, x, whole=resnet, seconds=seconds / rounds, device=device))
        ours.append(rate_of_fit(config, seconds=seconds / rounds))
    say(f"{'model' if resnet else 'encoder'}, forward and backward on ready tensors", median(ready))
    say("fit()", median(ours))
    shares = sorted(100 * a / b for a, b in zip(ours, ready, strict=True))
    print(f"  {'fit() : ready tensors':52} {median(shares):10.1f} % (to reach: 85 %)")
    print(f"  {rounds} rounds, from {shares[0]:.1f} to {shares[-1]:.1f} %", flush=True)
    tell_parts(config, x, step=1000 * batch / median(ours), encoder=1000 * batch / median(ready), whole=resnet)
    if cold:
        start_cold(minutes, goal, cores)


def tell_parts(config: TrainConfig, x: Tensor, *, step: float, encoder: float, whole: bool) -> None:
    """What a step of `fit` spends beside the encoder, in milliseconds.

    Args:
        config: of the run.
        x: a batch of images in [0, 1].
        step, encoder: ms of a step of `fit`, and of the encoder alone (or of the model, if `whole`).
        whole: see `encoder`.
    """
    stepper = Stepper(config, batches_for(config), precision=config.precision)
    parts, x = {}, x.to(stepper.device)
    if not whole:
        model = bare(config, x, whole=True, seconds=5, device=stepper.device.type)
        parts["projector and loss"] = 1000 * len(x) / model - encoder
    drawn = rate(lambda: two_views(x, config.views, generator=stepper.generator(0)), len(x), seconds=2)
    parts["views"] = 1000 * len(x) / drawn
    stepper.step(x, stepper.generator(0), lr=0.0)
    parts["optimiser"] = 1000 / rate(stepper.optimizer.step, 1, seconds=1)
    parts["batch, bookkeeping, telling, and the rest"] = step - encoder - sum(parts.values())
    for name, value in {"a step of fit()": step, "encoder" if not whole else "model": encoder, **parts}.items():
        print(f"  {name:52} {value:10.2f} ms, {100 * value / step:5.1f} %", flush=True)


def start_cold(minutes: tuple[float, ...], goal: float, cores: int) -> None:
    """Wall-clock time of the command from its start to its end, for the first budget whose model reaches the goal."""
    from sslviz.evaluation.embedding import encode
    from sslviz.evaluation.probes import KNNProbe
    from sslviz.store.checkpoint import load

    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    widths = [str(width) for width in simclr("mnist", cores=cores).model.encoder.widths]
    for budget in minutes:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "sslviz", "train", "simclr", "mnist", "--minutes", str(budget)]
            command += ["--model.encoder.widths", *widths, "--threads", str(cores), "--monitors", "1", "--json"]
            started = time.perf_counter()
            told = subprocess.run(
                [*command, "--out", f"{folder}/m"], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
            )
            wall = time.perf_counter() - started
            done = json.loads(told.stdout.splitlines()[-1])
            model = load(Path(folder) / "m")
            probe = KNNProbe().fit(encode(model, train.x), train.y.numpy())
            accuracy = probe.score(encode(model, test.x), test.y.numpy())
        print(
            f"  cold start, {budget:g} min of training: {wall:.0f} s in all, {done['images'] / 60_000:.2f} epochs, "
            f"k-NN {100 * accuracy:.2f} %",
            flush=True,
        )
        if accuracy >= goal:
            print(f"  {100 * goal:g} % k-NN on MNIST from a cold start after {wall:.0f} s")
            return
    raise SystemExit(f"  no budget has reached {100 * goal:g} %.")


if __name__ == "__main__":
    tyro.cli(main)
