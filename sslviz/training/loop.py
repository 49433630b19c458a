"""Training: one loop for all methods, a generator of events.

    for event in fit(config_for("simclr", "mnist", minutes=5)):
        print(event)

A step function a method says what one step is; `fit` does the rest: data order, budget, learning rate, monitoring,
saving. Every random number of step s comes from the seed and s, so that a run that was killed goes on as if nothing had
happened. Nothing is chosen by what the monitor shows: it only watches.
"""

import contextlib
import dataclasses
import gc
import io
import logging
import math
import os
import platform
import shlex
import subprocess
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from tyro.conf import Suppress

from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.data.images import ImageSet, describe, load_images, to_float
from sslviz.errors import ErrorCode, InputError, UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import KNNProbe
from sslviz.jobs.protocol import EVENTS, Moment
from sslviz.language import evaluation
from sslviz.language import model as language
from sslviz.language.batches import IGNORED, bucketed, mask_words, tokenise
from sslviz.language.model import MaskedLMConfig
from sslviz.language.text import hold_out, read_sentences
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.losses import elbo, info_nce, masked_cross_entropy, nt_xent
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.methods.views import ViewPolicy, policy_for, two_views
from sslviz.paths import ROOT, models_dir
from sslviz.store import checkpoint
from sslviz.training import snapshots

STATE = "state.pt"  # resumable state beside a model's files while it trains
WARMUP = 0.05  # share of the budget in which the learning rate rises
HISTORY_AT = (0.02, 0.1, 0.3)  # shares of the budget after which the encoder's weights are kept
BANK, QUERIES = 4000, 1000  # images of the online k-NN: from the training set, from the test set
MASKED = 1000  # held-out sentences of the online evaluation of a masked language model


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        dataset: a dataset's name, the path of a person's own images, or for "mlm" a text file.
        model: config of the method, which also says which method it is.
        views: the random views of SimCLR and MoCo; a VAE sees the images as they are.
        epochs: budget in passes over the training images (or sentences); the first budget reached ends the run, and the
            learning rate follows it.
        steps: budget in steps.
        minutes: budget in minutes of training, monitoring not counted.
        batch_size: images (or sentences) a step, over all processes.
        lr: peak learning rate of AdamW, after a linear warm-up and before a cosine to zero.
        weight_decay: of AdamW.
        seed: of the weights, the order of the images, the views and the noise.
        name: of the model, a new one by default.
        out: folder of the model; by default `name` in the folder of own models.
        resume: go on from the state in the folder.
        device: "auto" takes a GPU (CUDA, MPS) where there is one.
        precision: "auto" is bf16 mixed where it is faster, on CUDA and on CPUs that compute in bf16, and float32
            elsewhere; losses and evaluations are float32 always.
        threads: CPU threads of torch, 0 leaves its default.
        log_every: steps between two step events; slow steps are told at least every half second.
        monitors: online evaluations over the whole budget, at least 50 steps apart.
        save_minutes: minutes between two saves of the resumable state.
        live: write what the app shows: pictures at every online evaluation and before the first step, and each time
            the resumable state first, so that little is lost by a stop.
    """

    dataset: Annotated[str, Suppress]  # on the command line it comes before the options
    model: VAEConfig | SimCLRConfig | MoCoConfig | MaskedLMConfig
    views: ViewPolicy = field(default_factory=ViewPolicy)
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.0
    seed: int = 0
    name: str | None = None
    out: Path | None = None
    resume: bool = False
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    threads: int = 0
    log_every: int = 10
    monitors: int = 20
    save_minutes: float = 2.0
    live: bool = False

    @property
    def method(self) -> str:
        return {VAEConfig: "vae", SimCLRConfig: "simclr", MoCoConfig: "moco", MaskedLMConfig: "mlm"}[type(self.model)]


def config_for(method: str, dataset: str, **changes: Any) -> TrainConfig:
    """The default run of a method on a dataset, with the model's shape and the views fitted to its images.

    Raises:
        UserError: unknown method or dataset, or images of a size that the method can't take.
    """
    if method == "mlm":
        changes = {"epochs": 1.0} | changes if _has_no_budget(changes) else changes
        return TrainConfig(dataset, **({"model": MaskedLMConfig(), "batch_size": 32, "lr": 4e-4} | changes))
    dataset = ALIASES.get(dataset, dataset)
    c, h, w = DATASETS[dataset].shape if dataset in DATASETS else describe(dataset).shape
    encoder = EncoderConfig(channels=c)
    models: dict[str, tuple[Any, dict[str, Any]]] = {
        "vae": (VAEConfig(shape=(c, h, w)), {"batch_size": 128, "lr": 2e-3}),
        "simclr": (SimCLRConfig(encoder), {"batch_size": 256, "lr": 1.5e-3, "weight_decay": 1e-4}),
        "moco": (MoCoConfig(encoder), {"batch_size": 256, "lr": 1.5e-3, "weight_decay": 1e-4}),
    }
    if method not in models:
        raise UserError(f"There is no method '{method}'; choose one of {', '.join((*models, 'mlm'))}.")
    model, defaults = models[method]
    views = ViewPolicy() if method == "vae" else policy_for(dataset, c)
    if _has_no_budget(changes):
        defaults |= {"epochs": 10.0}
    return TrainConfig(dataset, **({"model": model, "views": views} | defaults | changes))


def _has_no_budget(changes: dict[str, Any]) -> bool:
    return not {"epochs", "steps", "minutes"} & {key for key, value in changes.items() if value is not None}


# one step a method --------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """What a step works with: the model, its optimiser and, through `fabric`, devices and other processes."""

    config: TrainConfig
    fabric: Fabric
    model: nn.Module
    forward: Callable[..., Any]  # the model's forward, wrapped by fabric
    optimizer: Any
    precision: str

    def views(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return two_views(x, self.config.views, generator=generator)

    def descend(self, loss: Tensor) -> None:
        """One optimiser step; a loss that is not finite stops the run before it can spoil the weights."""
        if not loss.isfinite():
            raise FloatingPointError
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimizer.step()

    def gather(self, z: Tensor) -> Tensor:
        """(B, D) of this process -> (world * B, D) of all, gradients included."""
        if self.fabric.world_size == 1:
            return z
        return self.fabric.all_gather(z, sync_grads=z.requires_grad).flatten(0, 1)


Losses = dict[str, Tensor]


def vae_step(run: Run, x: Tensor, generator: torch.Generator) -> Losses:
    config = run.model.config
    logits, mu, logvar = run.forward(x, generator=generator)
    loss = elbo(x, logits, mu, logvar, beta=config.beta, likelihood=config.likelihood, sigma=config.sigma)
    run.descend(loss.loss)
    return {"loss": loss.loss, "recon": loss.recon, "kl": loss.kl}


def simclr_step(run: Run, x: Tensor, generator: torch.Generator) -> Losses:
    x1, x2 = run.views(x, generator)
    z1, z2 = run.forward(torch.cat([x1, x2])).chunk(2)  # one pass, so both views share batch statistics
    z1, z2 = run.gather(z1), run.gather(z2)
    loss = nt_xent(z1, z2, temperature=run.model.config.temperature)
    run.descend(loss)
    return {"loss": loss} | similarities(z1.detach(), z2.detach())


def moco_step(run: Run, x: Tensor, generator: torch.Generator) -> Losses:
    model = run.model
    x1, x2 = run.views(x, generator)
    q = run.forward(torch.cat([x1, x2]))
    with run.fabric.autocast():
        k = model.keys(torch.cat([x2, x1]))  # each view is a query once and a key once
    loss = info_nce(q, k, model.queue, temperature=model.config.temperature)
    run.descend(loss)
    model.update_momentum()
    model.enqueue(run.gather(k[: len(x)]))
    return {"loss": loss} | similarities(q.detach(), k)


def mlm_step(run: Run, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Losses:
    model, (ids, words) = run.model, batch
    tokenizer = model.tokenizer
    masked, labels = mask_words(
        ids, words, rate=model.config.mask_rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer),
        generator=generator,
    )  # fmt: skip
    device = next(model.parameters()).device
    chosen = labels != IGNORED
    logits = run.forward(masked.to(device), (ids != tokenizer.pad_token_id).to(device), chosen.to(device))  # (M, V)
    targets = labels[chosen].to(device)
    loss = masked_cross_entropy(logits, targets)
    run.descend(loss)
    return {"loss": loss, "accuracy": (logits.detach().argmax(1) == targets).float().mean()}


STEPS: dict[str, Callable[[Run, Any, torch.Generator], Losses]] = {
    "vae": vae_step,
    "simclr": simclr_step,
    "moco": moco_step,
    "mlm": mlm_step,
}


def similarities(z1: Tensor, z2: Tensor) -> Losses:
    """Mean cosine similarity of the pairs (positive) and of all other cross-view pairs (negative)."""
    z1, z2, n = F.normalize(z1, dim=1), F.normalize(z2, dim=1), len(z1)
    positive = (z1 * z2).sum() / n
    negative = (z1.sum(0) @ z2.sum(0) - n * positive) / max(1, n * (n - 1))
    return {"positive": positive, "negative": negative}


# what a run trains on -----------------------------------------------------------------------------------------------


class ImageBatches:
    """Every training image once an epoch, in an order that the seed and the epoch give."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.train, self.test = load_images(config.dataset, "train"), load_images(config.dataset, "test")
        self.name, self.source = self.train.name, self.train.source
        self._order, self._order_epoch = torch.empty(0), -1

    def __len__(self) -> int:
        return len(self.train)

    def to(self, device: torch.device) -> "ImageBatches":
        self._x = self.train.x.to(device)  # uint8; a batch becomes float on its way into the model
        return self

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> Tensor:
        """Images (share, C, H, W) in [0, 1]: this process's part of a step's batch."""
        if epoch != self._order_epoch:
            self._order = torch.randperm(len(self.train), generator=generator_for(self.config.seed, epoch, stream=0))
            self._order_epoch = epoch
        first = position * self.config.batch_size + rank * share
        return _batch_to_float(self._x[self._order[first : first + share].to(self._x.device)])

    def monitor(self, model: nn.Module) -> dict[str, float]:
        return monitor(model, self.train, self.test, seed=self.config.seed)


class TextBatches:
    """Sentences of a text file in batches of like length; the file's last ones are only watched."""

    def __init__(self, config: TrainConfig) -> None:
        # every batch of text has a shape of its own; oneDNN would keep kernels for a thousand: 1 GB more in bf16
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
        self.config, path = config, Path(config.dataset).expanduser()
        texts = read_sentences(path)
        texts, heldout = hold_out(texts, config.model.heldout)
        self.tokenizer = language.load_tokenizer(config.model.base)
        self._pad_id = self.tokenizer.pad_token_id
        self.train = tokenise(texts, self.tokenizer, max_length=config.model.max_length)
        self.heldout = heldout[:MASKED]
        self.name, self.source = path.stem, f"{path.name}: {len(self.train):,} sentences"
        self._batches, self._batches_epoch = np.empty((0, 0)), -1

    def __len__(self) -> int:
        return len(self.train)

    def to(self, device: torch.device) -> "TextBatches":
        return self

    def frequencies(self) -> Tensor:
        return torch.from_numpy(np.bincount(self.train.ids, minlength=len(self.tokenizer)))

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> tuple[Tensor, Tensor]:
        """Pieces and their words, int64 (share, L): this process's part of a step's batch."""
        if epoch != self._batches_epoch:
            seed = generator_for(self.config.seed, epoch, stream=0).initial_seed()
            self._batches = bucketed(self.train.lengths, batch_size=self.config.batch_size, seed=seed)
            self._batches_epoch = epoch
        rows = self._batches[position][rank * share : (rank + 1) * share]
        return self.train.batch(rows, pad_id=self._pad_id)

    def monitor(self, model: nn.Module) -> dict[str, float]:
        """Top-1 and top-5 of masked whole words in sentences that are not trained on."""
        found = evaluation.evaluate_masked(model, self.heldout, seed=self.config.seed)
        return {key: found[key] for key in ("top1", "top5")}


# watching -----------------------------------------------------------------------------------------------------------


def monitor(model: nn.Module, train: ImageSet, test: ImageSet, *, seed: int) -> dict[str, float]:
    """What can be seen of a model in a second or two; it never changes the run.

    Returns:
        knn: accuracy in [0, 1] of a k-NN probe on h, from 4,000 training images to 1,000 test images (labelled data).
        collapse: for SimCLR and MoCo, the standard deviation of normalised z, mean over dimensions, times sqrt(D_z):
            about 1 when z fills the sphere, 0 when all images share one z (Chen & He 2021, arXiv:2011.10566).
        recon, kl: for a VAE, nats per image on these test images.
        active_units: for a VAE, latent dimensions whose mu varies (variance over 0.01; Burda et al. 2016).
    """
    pick = torch.Generator().manual_seed(seed)
    bank = torch.randperm(len(train), generator=pick)[:BANK]
    queries = torch.randperm(len(test), generator=pick)[:QUERIES]
    h_bank, h = encode(model, train.x[bank]), encode(model, test.x[queries])
    seen: dict[str, float] = {}
    if train.labelled:
        with contextlib.suppress(InputError):  # one class, or an encoder that has collapsed: nothing to tell apart
            seen["knn"] = float(KNNProbe().fit(h_bank, train.y[bank].numpy()).score(h, test.y[queries].numpy()))
    training = model.training
    model.eval()
    with torch.no_grad():
        if model.method == "vae":
            loss = evaluate_vae(model, test.x[queries], seed=seed)
            seen |= {"recon": loss["recon"], "kl": loss["kl"], "active_units": float((h.var(0) > 0.01).sum())}
        else:
            z = F.normalize(model.project(torch.from_numpy(h).to(next(model.parameters()).device)), dim=1)
            seen["collapse"] = float(z.std(0).mean() * math.sqrt(z.shape[1]))
    model.train(training)
    return seen


@torch.no_grad()
def evaluate_vae(model: nn.Module, x: Tensor, *, seed: int, batch_size: int = 1000) -> dict[str, float]:
    """Negative ELBO (beta = 1) of images in nats per image, one sample of z each, in eval mode.

    Args:
        model: a VAE in eval mode.
        x: images (N, C, H, W), uint8 or float in [0, 1].
        seed: of the samples.

    Returns:
        recon, kl, negative_elbo.
    """
    config, generator = model.config, torch.Generator().manual_seed(seed)
    device, totals = next(model.parameters()).device, torch.zeros(2, dtype=torch.float64)
    for batch in x.split(batch_size):
        batch = _batch_to_float(batch.to(device))
        logits, mu, logvar = model(batch, generator=generator)
        part = elbo(batch, logits, mu, logvar, likelihood=config.likelihood, sigma=config.sigma)
        totals += torch.tensor([part.recon, part.kl], dtype=torch.float64) * len(batch)
    recon, kl = (totals / len(x)).tolist()
    return {"recon": recon, "kl": kl, "negative_elbo": recon + kl}


# the loop -----------------------------------------------------------------------------------------------------------


def fit(config: TrainConfig) -> Generator[Moment, str | None, None]:
    """Train a model, yielding an event for each thing worth telling.

    The first event is "start", the last "done" with the folder of the finished model. Closing the generator stops the
    run after the step in progress and keeps its state, so that `resume=True` can go on. Between two events the run
    waits. Sending "step" in place of asking for the next event has the next step told whatever `log_every` says, with
    its images and views in the file that its `path` names.

    Raises:
        UserError: bad config or data, a folder that can't be written, or a loss that is not finite (the state saved
            last is kept).
    """
    _check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    data = TextBatches(config) if config.method == "mlm" else ImageBatches(config)
    folder = _folder(config)
    run = _prepare(config, data)
    fabric, model = run.fabric, run.model
    share, remainder = divmod(config.batch_size, fabric.world_size)
    if remainder or len(data) < config.batch_size:
        things = "sentences" if config.method == "mlm" else "images"
        raise UserError(
            f"A batch of {config.batch_size} {things} must divide by {fabric.world_size} processes and not be larger "
            f"than the {len(data):,} training {things}; choose another --batch-size."
        )
    per_epoch = len(data) // config.batch_size
    budgets = [config.steps, config.epochs and max(1, round(config.epochs * per_epoch))]
    total_steps = min((budget for budget in budgets if budget), default=math.inf)
    monitors = max(1, min(config.monitors, total_steps // 50))
    step, seconds = 0, 0.0
    if config.resume:
        step, seconds = _restore(run, folder / STATE)

    def progress() -> float:
        return min(1.0, max(step / total_steps, seconds / (60 * config.minutes) if config.minutes else 0.0))

    def event(kind: str, **more: Any) -> Moment:
        images = step * config.batch_size
        done = progress()
        left = round(seconds * (1 - done) / done, 1) if done else None
        return EVENTS[kind](step, round(step / per_epoch, 3), images, round(seconds, 3), done, left, **more)

    def step_views(number: int) -> tuple[Tensor, Tensor]:
        """The views that an earlier step was given."""
        x = data.batch(*divmod(number, per_epoch), rank=fabric.global_rank, share=share)
        return run.views(x, generator_for(config.seed, number, stream=1 + fabric.global_rank))

    def watch() -> Generator[Moment, str | None, str | None]:
        """Evaluate the model as it stands; whatever stops the run meanwhile finds the state saved."""
        nonlocal saved, seen
        if config.live:
            saved = seconds
            _save_state(run, folder / STATE, step, seconds)
            yield event("saved", path=str(folder / STATE))
        seen, path = data.monitor(model), None
        if config.live:
            pictures = snapshots.look(model, data.test, policy=config.views, seed=config.seed)
            if config.method == "moco":
                pictures |= snapshots.look_at_queue(model, step_views, step=step, batch_size=config.batch_size)
            path = str(snapshots.write(folder, f"step-{step:06d}", pictures))
        return (yield event("monitor", monitor=seen, path=path))

    info = {"name": config.name or folder.name, "method": config.method, "dataset": data.name, "source": data.source}
    info |= {"n_train": len(data), "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}
    info |= {"hardware": describe_hardware(fabric.device), "command": command_for(config)} | describe_origin()
    info |= {"precision": run.precision}
    if total_steps < math.inf:
        info["steps"] = total_steps
    wish = yield event("start", info=info)

    data = data.to(fabric.device)
    losses: dict[str, float] = {}
    seen: dict[str, float] = {}
    saved, logged = seconds, (step, seconds)
    model.train()
    try:
        if config.live and step == 0 and fabric.is_global_zero:
            wish = yield from watch()
        while progress() < 1:
            asked, wish = wish == "step", None
            started, before = time.perf_counter(), progress()
            batch = data.batch(*divmod(step, per_epoch), rank=fabric.global_rank, share=share)
            lr = config.lr * _schedule(before)
            for group in run.optimizer.param_groups:
                group["lr"] = lr
            generator = generator_for(config.seed, step, stream=1 + fabric.global_rank)
            parts = STEPS[config.method](run, batch, generator)
            step += 1
            seconds += time.perf_counter() - started
            if config.minutes and fabric.world_size > 1:  # all processes must end at the same step
                seconds = float(fabric.broadcast(seconds))

            after = progress()
            if step % config.log_every == 0 or step == 1 or after == 1 or asked or seconds - logged[1] > 0.5:
                losses = {key: float(value.detach()) for key, value in parts.items()}
                rate = (step - logged[0]) * config.batch_size / max(1e-9, seconds - logged[1])
                logged = (step, seconds)
                path = None
                if asked and config.method != "mlm":
                    pair = None if config.method == "vae" else step_views(step - 1)
                    path = str(snapshots.write(folder, "step", snapshots.look_at_step(model, batch, pair)))
                norms = snapshots.gradient_norms(model)
                rates = {"lr": lr, "images_per_second": round(rate, 1)}
                wish = yield event("step", losses=losses, gradients=norms, path=path, **rates)
            if not fabric.is_global_zero:
                continue
            if _crossed(before, after, (i / monitors for i in range(1, monitors + 1))):
                wish = (yield from watch()) or wish
            if _crossed(before, after, HISTORY_AT) and after < 1 and config.method != "mlm":
                checkpoint.save_history(model, folder, step=step)
            if seconds - saved > 60 * config.save_minutes:
                saved = seconds
                _save_state(run, folder / STATE, step, seconds)
                wish = (yield event("saved", path=str(folder / STATE))) or wish
    except FloatingPointError as error:
        raise UserError(
            f"The loss is no longer a finite number after {step} steps; train again with a lower --lr than "
            f"{config.lr:g} (the state saved last, if any, is kept in {folder}).",
            code=ErrorCode.LOSS_NOT_FINITE,
        ) from error
    except GeneratorExit:
        if fabric.is_global_zero:
            _save_state(run, folder / STATE, step, seconds)
        raise
    finally:
        leave(run)

    if fabric.is_global_zero:
        totals = {"seed": config.seed, "steps": step, "epochs": round(step / per_epoch, 2)}
        totals |= {"minutes": round(seconds / 60, 2), "batch_size": config.batch_size}
        checkpoint.save(model, folder, card=info | totals | {"results": {"losses": losses, "monitor": seen}})
        (folder / STATE).unlink(missing_ok=True)
    yield event("done", losses=losses, monitor=seen, path=str(folder))


def _check(config: TrainConfig) -> None:
    """Limits that hold wherever a config comes from."""
    budgets = {"--epochs": config.epochs, "--steps": config.steps, "--minutes": config.minutes}
    given = {name: value for name, value in budgets.items() if value is not None}
    if not given:
        raise UserError("A run needs a budget; give --epochs, --steps or --minutes.")
    positive = {"--batch-size": config.batch_size, "--lr": config.lr, "--log-every": config.log_every} | given
    for name, value in positive.items():
        if not 0 < value < math.inf:
            raise UserError(f"{name} must be a finite number above 0, not {value}.")
    if config.live and config.method == "mlm":
        raise UserError("--live shows images, and a language model has none; leave it out.")
    if config.method in ("simclr", "moco") and config.batch_size < 4:
        raise UserError("A contrastive batch needs at least 4 images; raise --batch-size.")
    if isinstance(config.model, MoCoConfig) and config.batch_size > config.model.queue_size:
        raise UserError("MoCo's queue must hold at least one batch; raise --model.queue-size or lower --batch-size.")


def _prepare(config: TrainConfig, data: "ImageBatches | TextBatches | None" = None) -> Run:
    world = int(os.environ.get("WORLD_SIZE", 1))  # set by torchrun and `fabric run`
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    device = _device(config.device)
    precision = precision_of(config, device)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of its own precision
    fabric = Fabric(
        accelerator=device, devices=local, num_nodes=world // local, strategy="ddp" if world > 1 else "auto",
        precision=precision,
    )  # fmt: skip
    if world > 1:
        fabric.launch()
    if isinstance(data, TextBatches):
        model: nn.Module = language.load_base(config.model, seed=config.seed, frequencies=data.frequencies())
    else:
        model = checkpoint.build(config.method, config.model, seed=config.seed).to(memory_format=torch.channels_last)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    forward, optimizer = fabric.setup(model, optimizer)
    return Run(config, fabric, model, forward, optimizer, precision)


def precision_of(config: TrainConfig, device: str) -> str:
    """In which a run computes; "auto" is bf16 where that is faster, as a CPU without it takes 7 times as long."""
    if config.precision != "auto":
        return config.precision
    able: dict[str, Any] = {}
    if device == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
    quick = device == "cuda" or able.get("avx512_bf16") or able.get("amx_bf16")
    return "bf16-mixed" if quick else "32-true"


def leave(run: Run) -> None:
    """Close the connections to other processes; what trained in step would train alone from now.

    Whatever still holds a connection keeps its threads until the interpreter ends, where gloo's now and then abort a
    process that is done (and torchrun then stops the others): so the wrapped model goes before the group.
    """
    if run.fabric.world_size > 1 and torch.distributed.is_initialized():
        run.forward = run.model
        gc.collect()
        torch.distributed.destroy_process_group()


def _device(choice: str) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if choice == "auto":
        return next(name for name, found in there.items() if found)
    if not there[choice]:
        raise UserError(f"There is no {choice} device here; use --device cpu or leave it at auto.")
    return choice


def _folder(config: TrainConfig) -> Path:
    """Where the model goes; a finished model is never overwritten."""
    if config.out:
        folder = config.out
    elif config.name:
        folder = models_dir() / checkpoint.check_name(config.name)
    else:
        stem = f"{config.method}-{Path(config.dataset).stem.lower().replace('_', '-')}"
        taken = {path.name for path in models_dir().glob(f"{stem}*")} - ({stem} if config.resume else set())
        free = (stem if i == 1 else f"{stem}-{i}" for i in range(1, 10_000))
        folder = models_dir() / next(name for name in free if name not in taken)
    if (folder / checkpoint.WEIGHTS).exists():
        raise UserError(f"{folder} already holds a finished model; choose another --name or --out.")
    if config.resume and not (folder / STATE).exists():
        raise UserError(
            f"There is no run to resume in {folder}; name its folder with --name or --out.", code=ErrorCode.STATE
        )
    with checkpoint.writing(folder):
        pass
    return folder


def _save_state(run: Run, path: Path, step: int, seconds: float) -> None:
    state = {"step": step, "seconds": seconds, "rng": torch.get_rng_state(), "run": _identity(run.config)}
    state |= {"model": run.model.state_dict(), "optimizer": run.optimizer.state_dict()}
    content = io.BytesIO()  # torch's own writer says nothing useful of a full disk
    torch.save(state, content)
    with checkpoint.writing(path.parent), checkpoint.atomic(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _restore(run: Run, path: Path) -> tuple[int, float]:
    try:
        state = torch.load(path, map_location=run.fabric.device, weights_only=True)
        if state["run"] != _identity(run.config):
            raise UserError(
                f"{path} belongs to a run with other settings; resume with the command that it began with.",
                code=ErrorCode.STATE,
            )
        run.model.load_state_dict(state["model"])
        run.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        return state["step"], state["seconds"]
    except UserError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise UserError(
            f"{path} can't be read ({error}); delete its folder and train again.", code=ErrorCode.STATE
        ) from error


def _identity(config: TrainConfig) -> str:
    """What a run and its resumption must have in common."""
    same = ("dataset", "model", "views", "epochs", "steps", "minutes", "batch_size", "lr", "weight_decay", "seed")
    return repr([getattr(config, name) for name in same])


def _schedule(progress: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero."""
    if progress < WARMUP:
        return (progress + 1e-3) / (WARMUP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def generator_for(seed: int, index: int, *, stream: int) -> torch.Generator:
    """The random numbers of one step (stream 1 + rank) or of one epoch's order (stream 0), whatever came before."""
    words = np.random.SeedSequence([seed, stream, index]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


def _crossed(before: float, after: float, marks: Iterable[float]) -> bool:
    return any(before < mark <= after for mark in marks)


def _batch_to_float(x: Tensor) -> Tensor:
    """uint8 or float images -> float in [0, 1]; channels last, which convolutions are faster on."""
    return to_float(x).contiguous(memory_format=torch.channels_last)


# where a model comes from -------------------------------------------------------------------------------------------


def describe_origin() -> dict[str, Any]:
    """Date, revision and versions for a model's card."""
    try:
        command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
        revision = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        revision = "unknown"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "sslviz": version("sslviz")}
    return {"git_revision": revision, "created": time.strftime("%Y-%m-%d"), "versions": versions}


def describe_hardware(device: torch.device) -> str:
    """The processor that trains, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{device.type.upper()} ({name}), {torch.get_num_threads()} thread(s) of {os.cpu_count()}"


def command_for(config: TrainConfig) -> str:
    """The command line that repeats a run: what differs from the defaults of its method and dataset."""
    default = _flat(config_for(config.method, config.dataset))
    words = ["sslviz", "train", config.method, config.dataset]
    skip = {"dataset", "resume", "name", "out", "live"}
    for key, value in _flat(config).items():
        if key.split(".")[0] not in skip and value != default[key]:
            if isinstance(value, bool):
                words.append(f"--{'' if value else 'no-'}{key}".replace("_", "-"))
            elif value is not None:
                words += [f"--{key}".replace("_", "-"), *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        nested = dataclasses.is_dataclass(value)
        flat |= _flat(value, f"{prefix}{item.name}.") if nested else {f"{prefix}{item.name}": value}
    return flat
