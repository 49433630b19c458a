"""The views of a model that decodes: plane, reconstructions, samples, traversals, and ways between two images."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.data.images import in_unit_range, to_float
from sslviz.jobs.worker import Telling
from sslviz.methods.registry import METHODS
from sslviz.ui.address import bound
from sslviz.ui.figures import show
from sslviz.ui.gallery import choose_image
from sslviz.ui.latent_plane import plane as latent_plane
from sslviz.ui.page_shell import escape, plain_errors
from sslviz.ui.selection import Selection
from sslviz.ui.stored import Images, Stored, decode, load_model, some_of_each, stored, test_images
from sslviz.ui.work import call, owner, watch, worker

KINDS = ("One of each class", "Costliest", "Cheapest")
QUICK = 1.0  # seconds that a page may compute by itself; what takes longer goes to the background
TIMED, KEPT = (4, 40, 400), 6  # images that are timed first; models whose bounds are kept
ROUNDS = 5  # of the fewest images, of which the quickest counts
NEARLY_BINARY = 0.2  # share of undecided pixels up to which they say something about blur
IDLE = 0.05  # nats of KL below which a dimension is called idle


@dataclass(frozen=True, eq=False)
class Bounds:
    """Parts of the bound of test images: mu, kl (N, D) and recon (N,), nats, and the seed of their one sample of z."""

    mu: np.ndarray
    kl: np.ndarray
    recon: np.ndarray
    seed: int

    @property
    def total(self) -> np.ndarray:
        """Negative ELBO of each image (N,), nats."""
        return self.recon + self.kl.sum(axis=1)


@dataclass(frozen=True, eq=False)
class Shown:
    """What the views look at: the test images, the model, and its posterior means as its folder keeps them (N, D)."""

    selection: Selection
    images: Images
    model: Any
    kept: Stored

    @property
    def size(self) -> int:
        """D, dimensions of z."""
        return self.kept.h.shape[1]

    @property
    def colour(self) -> str:
        """Of the model's method."""
        return METHODS[self.selection.method].colour

    def mu(self, *ids: int) -> np.ndarray:
        """Posterior means of some test images (n, D), computed now."""
        import torch

        with torch.inference_mode():
            return self.model.encode(to_float(self.images.x[list(ids)]))[0].numpy()


def begin(selection: Selection) -> Shown:
    """Load what the views look at."""
    return Shown(selection, test_images(selection.data), load_model(selection), stored(selection))


# bounds of all test images ------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[tuple, Bounds]:
    return OrderedDict()


def bounds(shown: Shown) -> Bounds | None:
    """The bounds of all test images; None while they are computed in the background, whose progress is then drawn."""
    selection, kept = shown.selection, _kept()
    key = ("bounds", selection.model, selection.card.get("created", ""), selection.data, len(shown.images.y))
    if key not in kept:
        seed = int(selection.card.get("seed", 0))
        seconds = _timed(key, shown.model, shown.images.x)
        if seconds < QUICK:
            kept[key] = Bounds(*_parts(shown.model.bound(to_tensor(shown.images.x), seed=seed)), seed)
        else:
            found = _in_background(key, selection, seed, seconds)
            if found is None:
                return None
            kept[key] = found
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return kept[key]


def to_tensor(x: np.ndarray) -> Any:
    """Images (N, C, H, W) as a tensor of the same type."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(x))


def _parts(found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return found.mu.numpy(), found.kl.numpy(), found.recon.numpy()


@st.cache_data(max_entries=16, show_spinner=False)
def _timed(key: tuple, _model: Any, _x: np.ndarray) -> float:
    """Seconds that the bound of all images (N, C, H, W) takes, by a few of them; by more where few take no time."""

    def spent(n: int) -> float:
        began = time.perf_counter()
        _model.bound(to_tensor(_x[:n]), seed=0)
        return time.perf_counter() - began

    spent(1)  # the first call of a process also loads what the others use
    seconds = 0.0
    for n in TIMED:
        # a few images are soon done, and what else a server does while it starts would be taken for theirs
        seconds = min(spent(n) for _ in range(ROUNDS if n == TIMED[0] else 1)) * len(_x) / min(n, len(_x))
        if seconds > 20 * QUICK:
            break
    return seconds


def _in_background(key: tuple, selection: Selection, seed: int, seconds: float) -> Bounds | None:
    now = worker().progress(key)

    def work(report: Telling) -> Bounds:
        arguments = {"model": selection.model, "dataset": selection.data, "seed": seed}
        found = call("sslviz.jobs.computations:image_bounds", report, **arguments)
        return Bounds(found["mu"], found["kl"], found["recon"], seed)

    def ask() -> None:
        with plain_errors():
            worker().submit(key, owner(), work, seconds=5 + 2 * seconds)

    if now is None:
        ask()
    if now is None or now.state != "done":
        watch(key)
        if now is not None and now.state in ("failed", "stopped"):
            st.button("Compute the bounds again", icon=":material/refresh:", on_click=ask)
        return None
    return now.result


# the views ----------------------------------------------------------------------------------------------------------


def beside() -> tuple:
    """A narrow cell for what is chosen beside a wide one for the figure, which a narrow page shows first."""
    grid = st.grid(4, min_column_width=215, gap="medium")
    figure = grid.cell(column_span=3)
    return grid.cell(), figure


def plane(shown: Shown) -> None:
    """The latent plane, decoded under the pointer."""
    st.markdown("**The plane of z, decoded under the pointer**")
    radius = latent_plane(shown.selection, key=f"plane_{shown.selection.model}")
    inside = (np.linalg.norm(shown.kept.h, axis=1) < radius).mean()
    st.markdown(
        f"Move over the plane: each place is a z, the picture what the decoder makes of it. Dots are the posterior "
        f"means of test images: {100 * inside:.0f} % of all {len(shown.images.y):,} lie in the dashed circle, where "
        "the prior keeps 99 %."
    )
    if (found := bounds(shown)) is not None:
        st.markdown(
            f"The KL of these two numbers is {plots.nats(found.kl.sum(axis=1).mean())} an image: an upper bound on "
            "what z tells of x."
        )


def reconstruct(shown: Shown) -> None:
    """Originals, reconstructions and what is lost."""
    bound("vae_which", KINDS[0], among=KINDS)
    which = st.segmented_control("Images", KINDS, key="vae_which", required=True)
    found, images = bounds(shown), shown.images
    if found is None and which != KINDS[0]:
        return
    ids = np.array(some_of_each(shown.selection.data, 1)[:10])
    if found is not None and which != KINDS[0]:
        ids = np.argsort(-found.total if which == "Costliest" else found.total)[:10]
    seed = int(shown.selection.card.get("seed", 0))
    parts = found or Bounds(*_parts(shown.model.bound(to_tensor(images.x[ids]), seed=seed)), seed)
    rows = ids if found is not None else np.arange(len(ids))
    costs = np.column_stack([parts.recon, parts.kl.sum(axis=1)])[rows]
    worst = int(costs.sum(axis=1).argmax())
    recon, kl = costs.mean(axis=0)
    told = f"These {len(ids)} cost {plots.nats(recon)} to reconstruct and {plots.nats(kl)} of KL on average; the "
    told += f"costliest is the “{escape(images.class_names[images.y[ids[worst]]])}” at "
    told += f"{plots.nats(costs[worst].sum())}. "
    if found is not None:
        told += f"All {len(found.total):,} {'' if _whole(shown) else 'bundled '}test images: "
        told += f"{plots.nats(found.total.mean())}. "
    told += f"Each bound has one sample of z, seed {seed}; x̂ is decoded from the posterior mean."
    if shown.model.config.likelihood == "gaussian":
        told += " A Gaussian density may exceed 1, so nats may be negative."
    show(
        plots.plot_reconstructions(
            in_unit_range(images.x[ids]), decode(shown.model, parts.mu[rows]), costs,
            title=f"Images x and their reconstructions x̂ through {shown.size} numbers",
        ),
        key="vae_reconstruct",
        alt="Test images over their reconstructions and the absolute differences",
        still=True,
        caption=told,
    )  # fmt: skip


def _whole(shown: Shown) -> bool:
    """Whether the bundled test images are those that the card's figures are of."""
    return shown.selection.card.get("results", {}).get("n_test") == len(shown.images.y)


def sample(shown: Shown) -> None:
    """Images decoded from the prior."""
    bound("vae_seed", 0, between=(0, 9999))
    bound("vae_spread", 1.0, between=(0.0, 2.0))
    state = st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Seed", 0, 9999, key="vae_seed", width=130)
        again = {"vae_seed": (int(state.vae_seed) + 1) % 10_000}
        st.button("Draw again", icon=":material/casino:", on_click=state.update, kwargs=again)
        st.slider("Spread of z (1: the prior's)", 0.0, 2.0, step=0.1, key="vae_spread", width=330)
    seed, spread = int(state.vae_seed), float(state.vae_spread)
    x = decode(shown.model, np.random.default_rng(seed).standard_normal((96, shown.size)) * spread)
    own = plots.undecided(shown.images.x[:500])
    told = f"Seed {seed}, spread {spread:.1f}."
    if own < NEARLY_BINARY:  # else grey pixels say nothing of blur
        told += f" {100 * plots.undecided(x):.0f} % of the pixels are undecided (between 0.1 and 0.9), against "
        told += f"{100 * own:.0f} % in test images: where the decoder is unsure, it paints the average."
    show(
        plots.plot_images(x, row_labels=[""] * 6, title=f"{len(x)} samples: z from the prior, decoded"),
        key="vae_sample",
        alt="A mosaic of images decoded from random z",
        still=True,
        caption=told,
    )


def traverse(shown: Shown) -> None:
    """One row a dimension, ordered by KL."""
    side, wide = beside()
    with side:
        chosen = choose_image(shown.selection, "vae_from", "Start from", start=7, per_class=2)
    with wide:
        if (found := bounds(shown)) is None:
            return
        kl, mu = found.kl.mean(axis=0), found.mu[chosen]  # (D,) nats per image
        order = np.argsort(-kl)
        rows, steps = order[:7], np.linspace(-3, 3, 9)
        z = np.tile(mu, (len(rows), len(steps), 1))  # (R, K, D)
        z[np.arange(len(rows)), :, rows] = steps
        x = decode(shown.model, z.reshape(-1, shown.size))
        idle = int((kl < IDLE).sum())
        show(
            plots.plot_traversal(
                x, rows, steps, kl[rows], mu[rows], colour=shown.colour,
                title="One dimension of z at a time, the others held; rows by KL",
            ),
            key="vae_traverse",
            alt="Decoded images, one row for each latent dimension",
            still=True,
            caption=f"The KL of z{order[0]} is {plots.nats(kl[order[0]])} of {plots.nats(kl.sum())} in all, that of "
            f"z{order[-1]} {plots.nats(kl[order[-1]])}: upper bounds on what they tell of x. Idle dimensions, under "
            f"{IDLE} nats, whose walk would change nothing: {idle or 'none'} of {shown.size}.",
        )  # fmt: skip


def interpolate(shown: Shown) -> None:
    """Linear and spherical ways in z beside the blend of their two ends, and what each picture costs."""
    from sslviz.evaluation.bound import ways_between

    images = shown.images
    side, wide = beside()
    with side:
        a = choose_image(shown.selection, "vae_a", "From", start=3)
        b = choose_image(shown.selection, "vae_b", "To", start=8)
    found = ways_between(shown.model, *shown.mu(a, b))
    title = f"From “{images.class_names[images.y[a]]}” to “{images.class_names[images.y[b]]}”, both decoded"
    with wide:
        grid = plots.plot_images(np.concatenate(found.x), row_labels=found.names, title=title, scale=3)
        show(grid, key="vae_paths", alt="Three ways between two decoded images", still=True)
        if (all_ := bounds(shown)) is None:
            return
        typical = float(all_.total.mean())
        if not found.fair(typical):
            st.markdown(
                f"No costs are compared here: to this model a uniform grey picture costs {plots.nats(found.grey)}, "
                f"less than test images do ({plots.nats(typical)} on average). Smooth pictures are cheap to it because "
                "they are smooth, so its bound can't tell a good way from a blurred one."
            )
            return
        looks = ((shown.colour, "solid"), (shown.colour, "dot"), (plots.BASELINE_GREY, "dash"))
        curves = [(name, cost, *look) for name, cost, look in zip(found.names, found.costs, looks, strict=True)]
        ends, middle = found.costs[:, [0, -1]].mean(axis=0), found.costs[:, found.costs.shape[1] // 2]
        above = [f"{value - ends.mean():+,.1f}".replace("-", "−") for value in middle]
        show(
            plots.plot_paths(
                np.linspace(0, 1, found.costs.shape[1]), curves, title="What each picture costs the model",
                y_title="nats per image",
            ),
            key="vae_path_costs",
            alt="Negative ELBO along the three ways",
            caption=f"The ends cost {plots.nats(ends[0])} and {plots.nats(ends[1])}. Against their mean, the picture "
            f"halfway costs {above[0]} nats on the linear way, {above[1]} on the spherical one and {above[2]} in the "
            f"blend of the ends ({found.n_samples} samples of z each, seed {found.seed}). A grey pixel alone costs up "
            "to 0.7 nats, whatever the decoder makes of it.",
        )  # fmt: skip


def one_head(shown: Shown) -> None:
    """What one head in place of two does to such a model; it brings its own runs."""
    import_module("sslviz.ui.one_head").show(shown.selection)


VIEWS = {"Plane": plane, "Reconstruct": reconstruct, "Sample": sample, "Traverse": traverse, "Interpolate": interpolate}
VIEWS["One head"] = one_head


def views_of(shown: Shown) -> list[str]:
    """Views that suit a model: only two dimensions of z make a plane."""
    return [name for name in VIEWS if name != "Plane" or shown.size == 2]
