"""Two views of an image: ours, lightly's in a DataLoader with worker processes, and kornia's a batch at a time.

    python tests/benchmarks/views.py                      # images a second, and the ratios
    python tests/benchmarks/views.py --probe-steps 2000   # and what a linear probe makes of encoders trained on each

All three make pairs of the same size with the same transforms at the same strengths; CIFAR-10, as many cores each.
"""

import time

import torch
import tyro
from measure import CORES, forever, lightly_views, need, rate, ratio, say, simclr

from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import LinearProbe
from sslviz.methods.losses import nt_xent
from sslviz.methods.views import two_views
from sslviz.store import checkpoint


def main(*, seconds: float = 20.0, cores: int = CORES, batch: int = 256, probe_steps: int = 0) -> None:
    """Measure all three, one after the other.

    Args:
        seconds: each is measured for.
        cores: threads of ours and of kornia's, worker processes of lightly's.
        batch: images at a time.
        probe_steps: also train an encoder for so many steps on ours and on lightly's views, and probe both.
    """
    need("lightly", "kornia")
    torch.set_num_threads(cores)
    config = simclr("cifar10", cores=cores, batch_size=batch)
    images = load_images("cifar10", "train").x
    x, policy = images[:batch].float() / 255, config.views
    print(f"two views of {batch} images of CIFAR-10, {policy.size or 32} pixels a side, {cores} core(s)")

    generator = torch.Generator().manual_seed(0)
    ours = rate(lambda: two_views(x, policy, generator=generator), batch, seconds=seconds)
    say("ours", ours)
    kornias = rate(kornia_views(x, policy), batch, seconds=seconds)
    say("kornia, a batch at a time", kornias)
    loader = forever(lightly_views(images[: 8 * batch], config, workers=cores))
    for _ in range(2 * cores + 1):  # what the workers have made while they were started
        next(loader)
    lightlys = rate(lambda: next(loader), batch, seconds=seconds)
    say(f"lightly, {cores} worker process(es)", lightlys)
    ratio("ours : lightly", ours / lightlys, 20)
    ratio("ours : kornia", ours / kornias, 3)
    if probe_steps:
        del loader
        compare_probes(images, config, probe_steps, cores)


def kornia_views(x: torch.Tensor, policy):
    """A function that makes two views of x (B, 3, H, W) by kornia."""
    import kornia.augmentation as K

    side = policy.size or x.shape[-1]
    views = K.AugmentationSequential(
        K.RandomResizedCrop((side, side), scale=(policy.crop, 1.0), ratio=(1 / policy.ratio, policy.ratio)),
        K.RandomHorizontalFlip(p=policy.flip),
        K.ColorJitter(policy.brightness, policy.contrast, policy.saturation, policy.hue, p=policy.jitter),
        K.RandomGrayscale(p=policy.grey),
        same_on_batch=False,
    )
    return lambda: (views(x), views(x))


def compare_probes(images: torch.Tensor, config, steps: int, cores: int) -> None:
    """Linear-probe accuracy after as many steps on ours and on lightly's views; all else is alike."""
    train, test = load_images("cifar10", "train"), load_images("cifar10", "test")
    loader = forever(lightly_views(images, config, workers=cores))
    generator, order = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)

    def our_pairs():
        x = images[torch.randint(len(images), (config.batch_size,), generator=order)].float() / 255
        return two_views(x, config.views, generator=generator)

    accuracies = {}
    for name, pairs in (("ours", our_pairs), ("lightly", lambda: next(loader))):
        started = time.perf_counter()
        model = checkpoint.build("simclr", config.model, seed=0).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=steps, pct_start=0.05)
        for _ in range(steps):
            x1, x2 = pairs()
            loss = nt_xent(*model(torch.cat([x1, x2])).chunk(2), temperature=config.model.temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        probe = LinearProbe().fit(encode(model.eval(), train.x), train.y.numpy())
        accuracies[name] = 100 * probe.score(encode(model, test.x), test.y.numpy())
        say(
            f"linear probe after {steps:,} steps on {name}",
            accuracies[name],
            f"% ({time.perf_counter() - started:.0f} s)",
        )
    print(f"  ours - lightly: {accuracies['ours'] - accuracies['lightly']:+.2f} points (to reach: within 0.5)")


if __name__ == "__main__":
    tyro.cli(main)
