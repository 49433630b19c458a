"""A VAE end to end: a moment of training, its bound, reconstructions, samples, and a probe of its means."""

import tempfile
from pathlib import Path
from typing import cast

from sslviz import LinearProbe, config_for, encode, fit, load, load_images
from sslviz.data.images import to_float
from sslviz.methods.vae import VAE

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "model"
    for event in fit(config_for("vae", "mnist", steps=60, monitors=1, device="cpu", out=out)):
        print(type(event).__name__, getattr(event, "losses", ""))
    model = cast(VAE, load(out))

train, test = load_images("mnist", "train", bundled=True), load_images("mnist", "test", bundled=True)
print(model.evaluate(test.x[:500], seed=0))  # nats per image

mu, logvar = model.encode(to_float(test.x[:5]))
print("x_hat", tuple(model.decode(mu).shape), "samples", tuple(model.sample(4).shape))

probe = LinearProbe().fit(encode(model, train.x[:500]), train.y[:500].numpy())
print("linear probe", probe.score(encode(model, test.x[:500]), test.y[:500].numpy()))
