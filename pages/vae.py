"""Decode: reconstructions, samples, traversals, interpolations, and the plane of a two-dimensional VAE."""

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.methods.registry import METHODS

scene = ui.open_page("vae")
ui.need_model(scene)
colour = METHODS[scene.method].colour
images, model, posterior = ui.test_images(scene.data), ui.load_model(scene), ui.posterior(scene)
names, size = images.class_names, model.config.latent_dim
kl = posterior.kl.mean(axis=0)  # (D,) nats per image
order = np.argsort(-kl)


def beside() -> tuple:
    """A narrow cell for what is chosen and a wide one for the figure; on a narrow page one above the other."""
    grid = st.grid(4, min_column_width=215, gap="medium")
    return grid.cell(), grid.cell(column_span=3)


def plane() -> None:
    """The latent plane, decoded under the pointer."""
    st.markdown("**The plane of z, decoded under the pointer**")
    radius = ui.plane(scene, key=f"plane_{scene.model}")
    inside = (np.linalg.norm(posterior.mu, axis=1) < radius).mean()
    st.markdown(
        f"Move over the plane: each place is a z, the picture what the decoder makes of it. Dots are the posterior "
        f"means of test images: {100 * inside:.0f} % of all {len(images.y):,} lie in the dashed circle, where the "
        f"prior keeps 99 %. These two numbers carry {plots.nats(kl.sum())} of an image."
    )


def reconstruct() -> None:
    """Originals, reconstructions and what is lost."""
    kinds = ("One of each class", "Costliest", "Cheapest")
    way = {"default": kinds[0], "key": "vae_which", "bind": "query-params", "required": True}
    which = st.segmented_control("Images", kinds, **way)
    costs = ui.cached_costs(scene)  # (N, 2)
    total = costs.sum(axis=1)
    ids = np.argsort(-total if which == "Costliest" else total)[:10]
    ids = np.array(ui.some_of_each(scene.data, 1)[:10]) if which == kinds[0] else ids
    title = f"Images x and their reconstructions x̂ through {size} numbers"
    worst = int(ids[total[ids].argmax()])
    ui.show(
        plots.plot_reconstructions(images.x[ids] / 255, ui.decode(model, posterior.mu[ids]), costs[ids], title=title),
        key="vae_reconstruct",
        alt="Test images over their reconstructions and the absolute differences",
        still=True,
        caption=f"These {len(ids)} cost {plots.nats(costs[ids, 0].mean())} to reconstruct and "
        f"{plots.nats(costs[ids, 1].mean())} of KL on average; the costliest is the "
        f"“{ui.escape(names[images.y[worst]])}” at {plots.nats(total[worst])}. All {len(total):,} test "
        f"images cost {plots.nats(total.mean())} at their posterior means."
        + " A Gaussian density may exceed 1, so nats may be negative."
        * (model.config.likelihood == "gaussian"),
    )


def sample() -> None:
    """Images decoded from the prior."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = int(st.number_input("Seed", 0, 9999, 0, key="vae_seed", bind="query-params", width=130))
        again = {"vae_seed": (seed + 1) % 10_000}
        st.button("Draw again", icon=":material/casino:", on_click=st.session_state.update, kwargs=again)
        spread = st.slider("Spread of z (1: the prior's)", 0.0, 2.0, 1.0, 0.1, key="vae_spread", width=330)
    x = ui.decode(model, np.random.default_rng(seed).standard_normal((96, size)) * float(spread))
    ui.show(
        plots.plot_images(x, row_labels=[""] * 6, title=f"{len(x)} samples: z from the prior, decoded"),
        key="vae_sample",
        alt="A mosaic of images decoded from random z",
        still=True,
        caption=f"Seed {seed}, spread {spread:.1f}. {100 * plots.undecided(x):.0f} % of the pixels are undecided "
        f"(between 0.1 and 0.9), against {100 * plots.undecided(images.x[:500]):.0f} % in test images: where the "
        f"decoder is unsure, it paints the average.",
    )


def traverse() -> None:
    """One row a dimension, ordered by KL."""
    left, right = beside()
    with left:
        chosen = ui.choose_image(scene, "vae_from", "Start from", start=7, per_class=2)
    rows, steps = order[:7], np.linspace(-3, 3, 9)
    z = np.tile(posterior.mu[chosen], (len(rows), len(steps), 1))  # (R, K, D)
    z[np.arange(len(rows)), :, rows] = steps
    x = ui.decode(model, z.reshape(-1, size))
    title = "One dimension of z at a time, the others held; rows by KL"
    idle = int((kl < 0.05).sum())
    with right:
        ui.show(
            plots.plot_traversal(x, rows, steps, kl[rows], posterior.mu[chosen, rows], title=title, colour=colour),
            key="vae_traverse",
            alt="Decoded images, one row for each latent dimension",
            still=True,
            caption=f"z{order[0]} carries {plots.nats(kl[order[0]])} of {plots.nats(kl.sum())}, z{order[-1]} only "
            f"{plots.nats(kl[order[-1]])}. Idle dimensions, under 0.05 nats, whose walk would change nothing: "
            f"{idle or 'none'} of {size}.",
        )


def interpolate() -> None:
    """Linear and spherical paths in z beside the pixel blend."""
    left, right = beside()
    with left:
        a = ui.choose_image(scene, "vae_a", "From", start=3)
        b = ui.choose_image(scene, "vae_b", "To", start=8)
    t = np.linspace(0, 1, 7)[:, None]
    z_a, z_b = posterior.mu[a], posterior.mu[b]
    angle = np.arccos(np.clip(z_a @ z_b / max(1e-9, np.linalg.norm(z_a) * np.linalg.norm(z_b)), -1, 1))
    straight = (1 - t) * z_a + t * z_b
    bent = (
        (np.sin((1 - t) * angle) * z_a + np.sin(t * angle) * z_b) / np.sin(angle) if np.sin(angle) > 1e-3 else straight
    )
    blend = (1 - t[..., None, None]) * images.x[a] / 255 + t[..., None, None] * images.x[b] / 255
    rows = [ui.decode(model, straight), ui.decode(model, bent), blend.astype(np.float32)]
    labels, green = ("linear z", "spherical z", "pixel blend"), colour
    costs = [ui.costs(model, row).sum(axis=1) for row in rows]  # (7,) nats each
    looks = ((green, "solid"), (green, "dot"), (plots.BASELINE_GREY, "dash"))
    curves = [(label, cost, *look) for label, cost, look in zip(labels, costs, looks, strict=True)]
    middle = [plots.nats(cost[3]) for cost in costs]
    title = f"From “{names[images.y[a]]}” to “{names[images.y[b]]}”"
    with right:
        grid = plots.plot_images(np.concatenate(rows), row_labels=labels, title=title, scale=3)
        ui.show(grid, key="vae_paths", alt="Three paths between two images", still=True)
        dearer = "dearer than" if costs[2][3] > max(costs[0][3], costs[1][3]) else "not dearer than"
        ui.show(
            plots.plot_paths(t[:, 0], curves, title="What each step costs the model", y_title="nats per image"),
            key="vae_path_costs",
            alt="Negative ELBO along the three paths",
            caption=f"Halfway, the pixel blend costs the model {middle[2]}, the linear path {middle[0]} and the "
            f"spherical one {middle[1]}: here a blend of two images is {dearer} what the decoder finds between them.",
        )


VIEWS = {"Reconstruct": reconstruct, "Sample": sample, "Traverse": traverse, "Interpolate": interpolate}
VIEWS = {"Plane": plane, **VIEWS} if size == 2 else VIEWS
if st.session_state.get("vae_view") not in VIEWS:
    st.session_state.pop("vae_view", None)
view = st.segmented_control(
    "View", list(VIEWS), default=next(iter(VIEWS)), key="vae_view", bind="query-params", required=True,
    label_visibility="collapsed",
)  # fmt: skip
VIEWS[view]()

ui.foldouts(
    latex=r"\log p(x) \;\ge\; \underbrace{\mathbb{E}_{q(z|x)}[\log p(x\,|\,z)]}_{-\,\mathrm{recon}}"
    r" - \beta\,\underbrace{\mathrm{KL}\big(q(z\,|\,x)\,\|\,\mathcal{N}(0, I)\big)}_{\mathrm{kl}}",
    symbols={
        r"\mu, \log\sigma^2": ("posterior of an image, two heads", "VAE.encode(x) -> mu, logvar"),
        r"z = \mu + \sigma\,\epsilon": ("a sample of it", "VAE.reparameterize(mu, logvar)"),
        r"\hat{x}": ("mean of the image given z", "VAE.decode(z)"),
        r"\mathrm{recon}, \mathrm{kl}": ("nats per image", "losses.elbo(...).recon, .kl"),
        r"\mathrm{kl}_d": ("KL of one dimension, which orders the rows", "losses.elbo(...).kl_per_dim"),
        r"\beta": (f"weight of the KL term, here {model.config.beta:g}", "VAEConfig.beta"),
    },
    source="sslviz.methods.losses:elbo",
    command=f"sslviz eval {scene.model} {scene.data} --json\n{scene.card.get('command', '')}".strip(),
    script=f"""from sslviz.store.checkpoint import load
from sslviz.data.images import load_images

model = load("{scene.model}")
x = load_images("{scene.data}", "test").x[:10].float() / 255
mu, logvar = model.encode(x)
x_hat = model.decode(mu)
samples = model.sample(96)""",
    way=(
        f"Images x, {' × '.join(map(str, images.x.shape[1:]))}, without labels.",
        f"Encoder → μ, σ; a sample z of {size} numbers; decoder → x̂. Trained to lose few nats in x̂ and to keep z near "
        "the prior.",
        "A space where near means alike, and from which new images can be drawn.",
    ),
)
