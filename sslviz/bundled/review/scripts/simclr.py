"""SimCLR end to end: a moment of training on views, who finds whom, and a probe of h."""

import tempfile
from pathlib import Path

from sslviz import LinearProbe, config_for, encode, fit, load, load_images, nt_xent
from sslviz.data.images import to_float
from sslviz.methods.policies import policy_for
from sslviz.methods.views import two_views

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "model"
    for event in fit(config_for("simclr", "mnist", steps=12, batch_size=64, monitors=1, device="cpu", out=out)):
        print(type(event).__name__, getattr(event, "losses", ""))
    model = load(out)

train, test = load_images("mnist", "train", bundled=True), load_images("mnist", "test", bundled=True)
x1, x2 = two_views(to_float(test.x[:64]), policy_for("mnist", 1))
z1, z2 = model(x1), model(x2)
print("loss", float(nt_xent(z1, z2, temperature=model.config.temperature).detach()), "nats")

probe = LinearProbe().fit(encode(model, train.x[:500]), train.y[:500].numpy())
print("linear probe", probe.score(encode(model, test.x[:500]), test.y[:500].numpy()))
