"""VAE 784-400-20 on MNIST: seconds of training until a test image costs 106.7 nats, ours and the textbook's loop.

    python tests/benchmarks/vae.py

The other side is the loop of PyTorch's `examples/vae`, written again here: Adam at 1e-3, batches of 128 through a
DataLoader that turns each picture into a tensor, sigmoid and binary cross entropy, one evaluation an epoch; its default
of ten epochs ends near this mark. Ours are whole runs of `fit`, a little longer each, until one ends below it: its
learning rate falls over the budget, so that a run has to be judged at its end; they take batches of 64 and a peak of
six times the textbook's constant rate. Evaluations are not counted on either side; both are of all test images, one
sample of z each.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
import tyro
from measure import CORES, Pictures, ratio, say
from torch import Tensor, nn

from sslviz.bundled.recipes import recipe
from sslviz.data.images import load_images
from sslviz.store import checkpoint
from sslviz.training.loop import fit


def main(
    *,
    target: float = 106.7,
    epochs: tuple[float, ...] = (2, 2.5, 3, 4, 5, 6, 8, 10),
    most_epochs: int = 15,
    cores: int = CORES,
    n_train: int = 60_000,
) -> None:
    """Measure both sides, one after the other.

    Args:
        target: nats per test image.
        epochs: budgets of ours, tried in this order.
        most_epochs: after which the other side is given up.
        cores: threads; the other side's loader has one worker process, as in the example.
        n_train: training images of the other side, and what a budget of ours counts (fewer only to try this out).
    """
    torch.set_num_threads(cores)
    test = load_images("mnist", "test")
    print(f"seconds of training to {target} nats per test image of MNIST, {cores} core(s)")
    ours = None
    for budget in epochs:
        seconds, nats = our_run(budget * n_train / 60_000, test.x, cores)
        print(f"  ours, {budget:g} epochs: {seconds:.1f} s, {nats:.1f} nats", flush=True)
        if nats <= target:
            ours = seconds
            break
    theirs = None
    x = load_images("mnist", "train").x[:n_train]
    for epoch, (seconds, nats) in enumerate(textbook(x, test.x), 1):
        print(f"  the textbook's loop, {epoch} epochs: {seconds:.1f} s, {nats:.1f} nats", flush=True)
        if nats <= target:
            theirs = seconds
        if theirs or epoch == most_epochs:
            break
    if ours is None or theirs is None:
        raise SystemExit("  no ratio: one side has not reached the mark.")
    say("ours", ours, "s")
    say("the textbook's loop", theirs, "s")
    ratio("the textbook's loop : ours", theirs / ours, 4)


def our_run(epochs: float, x: Tensor, cores: int) -> tuple[float, float]:
    """Seconds of training of a whole run, and nats per image of x at its end."""
    with tempfile.TemporaryDirectory() as folder:
        config = replace(recipe("vae-mnist"), epochs=epochs, threads=cores, out=Path(folder) / "m", monitors=1)
        config = replace(config, batch_size=64, lr=6e-3, precision="auto")
        *_, done = fit(config)
        return done.seconds, checkpoint.load(config.out).evaluate(x, seed=0)["negative_elbo"]


class Textbook(nn.Module):
    """784-400-20-400-784, a ReLU in the middle of each half."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.back, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 1, 28, 28) -> x_hat (B, 784) in [0, 1], mu, logvar (B, 20)."""
        h = F.relu(self.hidden(x.view(-1, 784)))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.out(F.relu(self.back(z)))), mu, logvar


def cost(x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Nats of a whole batch."""
    recon = F.binary_cross_entropy(x_hat, x.view(-1, 784), reduction="sum")
    return recon - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def textbook(x: Tensor, test: Tensor) -> Iterator[tuple[float, float]]:
    """After each epoch: seconds of training so far, and nats per test image."""
    from torchvision.transforms import ToTensor

    torch.manual_seed(1)
    model = Textbook()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(Pictures(x, ToTensor()), 128, shuffle=True, num_workers=1)
    seconds = 0.0
    while True:
        started = time.perf_counter()
        model.train()
        for batch in loader:
            optimizer.zero_grad()
            loss = cost(batch, *model(batch))
            loss.backward()
            loss.item()  # the example adds it up
            optimizer.step()
        seconds += time.perf_counter() - started
        model.eval()
        with torch.no_grad():
            parts = [cost(part, *model(part)) for part in (test.float() / 255).split(1000)]
        yield seconds, float(sum(parts)) / len(test)


if __name__ == "__main__":
    tyro.cli(main)
