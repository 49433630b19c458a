"""Next-sentence prediction end to end: pairs from running text, a head on a frozen masked model, a few steps."""

import torch
import torch.nn.functional as F

from sslviz.bundled.review.texts import RUNS
from sslviz.language.batches import tokenise
from sslviz.language.pairs import NEXT, NextSentenceBert, NextSentenceConfig, join, pairs_of

model = NextSentenceBert.begin(NextSentenceConfig(), seed=0)
tokenizer = model.tokenizer
sentences = tokenise([text for run in RUNS for text in run], tokenizer)
pairs = pairs_of([len(run) for run in RUNS], seed=0)  # (N, 3): first, second, kind
ids, types, seen, kinds = join(sentences, pairs, pad_id=tokenizer.pad_token_id)
targets = (kinds != NEXT).long()

optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
for step in range(4):
    logits = model(ids, types, seen)  # (N, 2)
    loss = F.cross_entropy(logits, targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    print("step", step, "loss", float(loss.detach()), "right", float((logits.argmax(1) == targets).float().mean()))
