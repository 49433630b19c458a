"""Decode: reconstructions, samples, traversals, interpolations, and the plane of a two-dimensional latent space."""

import streamlit as st

from sslviz import ui

selection = ui.open_page("vae")
ui.need_model(selection)
shown = ui.decoding.begin(selection)
views = ui.decoding.views_of(shown)
view = ui.bound("vae_view", views[0], among=views)
st.segmented_control("View", views, key="vae_view", required=True, label_visibility="collapsed")
ui.decoding.VIEWS[view](shown)

ui.foldouts(
    latex=r"\log p(x) \;\ge\; \underbrace{\mathbb{E}_{q(z|x)}[\log p(x\,|\,z)]}_{-\,\mathrm{recon}}"
    r" - \underbrace{\mathrm{KL}\big(q(z\,|\,x)\,\|\,\mathcal{N}(0, I)\big)}_{\mathrm{kl}}"
    r", \qquad \mathcal{L} = \mathrm{recon} + \beta\,\mathrm{kl}",
    symbols={
        r"\mu, \log\sigma^2": ("posterior of an image, two heads", "VAE.encode(x) -> mu, logvar"),
        r"z = \mu + \sigma\,\epsilon": ("a sample of it", "VAE.reparameterize(mu, logvar)"),
        r"\hat{x}": ("mean of the image given z", "VAE.decode(z)"),
        r"\mathrm{recon}, \mathrm{kl}": ("nats per image; the expectation by samples of z", "VAE.bound(x, seed=0)"),
        r"\mathrm{kl}_d": ("KL of one dimension, which orders the rows", "losses.elbo(...).kl_per_dim"),
        r"\beta": (f"weight of the KL in training, here {shown.model.config.beta:g}", "VAEConfig.beta"),
    },
    source="sslviz.methods.losses:elbo",
    command=f"sslviz eval {selection.model} {selection.data} --json\n{selection.card.get('command', '')}".strip(),
    script=f"""from sslviz import load, load_images
from sslviz.data.images import to_float

model = load("{selection.model}")
x = load_images("{selection.data}", "test").x
print(model.evaluate(x, seed={int(selection.card.get("seed", 0))}))
mu, logvar = model.encode(to_float(x[:10]))
x_hat, samples = model.decode(mu), model.sample(96)""",
    way=(
        f"Images x, {' × '.join(map(str, shown.images.x.shape[1:]))}, without labels.",
        f"Encoder → μ, σ; a sample z of {shown.size} numbers; decoder → x̂. Trained to lose few nats in x̂ and to keep z "
        "near the prior.",
        "A space where near means alike, and from which new images can be drawn.",
    ),
)
