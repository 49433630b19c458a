"""A left-to-right language model end to end: the masked one under a causal mask, and steps on the token that comes "
"next."""

import torch

from sslviz.bundled.review.texts import RUNS
from sslviz.language.batches import tokenise
from sslviz.language.causal import CausalBert, CausalConfig
from sslviz.methods.losses import masked_cross_entropy

model = CausalBert.begin(CausalConfig(), seed=0)
tokenizer = model.tokenizer
texts = [text for run in RUNS for text in run]
ids, _ = tokenise(texts, tokenizer).batch(range(len(texts)), pad_id=tokenizer.pad_token_id)
comes = torch.zeros_like(ids, dtype=torch.bool)
comes[:, :-1] = ids[:, 1:] != tokenizer.pad_token_id  # whether a token comes next
places = comes.flatten().nonzero()[:, 0]
targets = ids.flatten()[places + 1]  # shifted by one: a place predicts the token after it

optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4)
for step in range(4):
    loss = masked_cross_entropy(model(ids, places), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    print("step", step, "loss", float(loss.detach()), "nats a token")
