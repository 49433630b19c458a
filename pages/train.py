"""Train: choose a method and a budget, watch it learn, and keep what it has learnt."""

from sslviz import ui
from sslviz.ui.training import console, keep

scene = ui.open_page("train")
identity = console.attached()
order, run = None, None
if identity is None:
    order = console.form(scene)
    keep.bring()
else:
    run = console.watch(identity)
    keep.afterwards(identity, run)

method = (run.request if run else order).method if run or order else "simclr"
VAE = {
    "latex": r"\mathcal{L} = \underbrace{-\mathbb{E}_{q(z|x)}[\log p(x\,|\,z)]}_{\mathrm{recon}}"
    r" + \beta\,\underbrace{\mathrm{KL}\big(q(z\,|\,x)\,\|\,\mathcal{N}(0, I)\big)}_{\mathrm{kl}}",
    "symbols": {
        r"\mathrm{recon}": ("what the picture loses, nats per image", "losses.elbo(...).recon"),
        r"\mathrm{kl}": ("what z costs, nats per image", "losses.elbo(...).kl"),
        r"\beta": ("weight of the KL", "VAEConfig.beta"),
    },
    "source": "sslviz.training.loop:vae_step",
}
PAIRS = {
    r"z_1, z_2": ("projections of two views", "model.project(model.encode(x1))"),
    r"\mathrm{sim}": ("cosine", "F.normalize(z1) @ F.normalize(z2).T"),
    r"\tau": ("temperature", "SimCLRConfig.temperature, MoCoConfig.temperature"),
}
SIMCLR = {
    "latex": r"\mathcal{L} = -\frac{1}{2N}\sum_{i=1}^{2N}\log\frac{\exp(\mathrm{sim}(z_i, z_{i'})/\tau)}"
    r"{\sum_{k \ne i}\exp(\mathrm{sim}(z_i, z_k)/\tau)}",
    "symbols": {**PAIRS, "i'": ("the other view of image i", "losses.nt_xent")},
    "source": "sslviz.training.loop:simclr_step",
}
MOCO = {
    "latex": r"\mathcal{L} = -\log\frac{\exp(q \cdot k_+/\tau)}{\exp(q \cdot k_+/\tau) + \sum_{j=1}^{K}\exp(q \cdot "
    r"k_j/\tau)}, \qquad \theta_k \leftarrow m\,\theta_k + (1 - m)\,\theta_q",
    "symbols": {
        "q": ("query, a view through the encoder", "model(x1)"),
        "k_+": ("its key, the other view through the key encoder", "model.keys(x2)"),
        "k_j": ("keys of earlier batches", "model.queue"),
        "m": ("momentum of the key encoder", "model.update_momentum()"),
    },
    "source": "sslviz.training.loop:moco_step",
}
command = keep.command_of(run, order)
ui.foldouts(
    **{"vae": VAE, "simclr": SIMCLR, "moco": MOCO}[method],
    command=command,
    script=keep.script_of(command),
    way=(
        "Images, without labels. Labels are used to watch with, never to learn from.",
        "Batch → views → encoder → loss → gradients → one step of AdamW, some thousands of times."
        if method != "vae"
        else "Batch → encoder → z → decoder → loss → gradients → one step of AdamW, some thousands of times.",
        "A model like the bundled ones, which every other page can open.",
    ),
)
