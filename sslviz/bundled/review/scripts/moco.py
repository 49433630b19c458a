"""MoCo end to end: steps by hand (loss, backward, optimiser, momentum, queue), and a probe of h that leaves it "
"alone."""

from dataclasses import replace

import torch

from sslviz import LinearProbe, encode, info_nce, load_images
from sslviz.data.images import to_float
from sslviz.evaluation.honesty import digest, frozen
from sslviz.methods.moco import MoCo, MoCoConfig
from sslviz.methods.policies import policy_for
from sslviz.methods.views import two_views

train, test = load_images("mnist", "train", bundled=True), load_images("mnist", "test", bundled=True)
model = MoCo(replace(MoCoConfig.for_images(train.shape), queue_size=256))
optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1.5e-3)
for step in range(8):
    x1, x2 = two_views(to_float(train.x[64 * step : 64 * step + 64]), policy_for("mnist", 1))
    k = model.keys(x2)
    loss = info_nce(model(x1), k, model.queue.clone(), temperature=model.config.temperature)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    model.update_momentum()
    model.enqueue(k)
    print("step", step, "loss", float(loss.detach()))
before = digest(model.eval())
probe = LinearProbe().fit(encode(model, train.x[:500]), train.y[:500].numpy())
print("linear probe", probe.score(encode(model, test.x[:500]), test.y[:500].numpy()), frozen(before, digest(model)))
