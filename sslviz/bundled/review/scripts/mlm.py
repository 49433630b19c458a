"""A masked language model end to end: mask, predict, count the loss, and vectors of sentences for a probe."""

import torch

from sslviz.evaluation.probes import LinearProbe
from sslviz.language import model as language
from sslviz.language.batches import IGNORED, mask_words, tokenise
from sslviz.language.explain import sentence_vectors
from sslviz.language.predict import fill
from sslviz.language.topics import load_topics
from sslviz.methods.losses import masked_cross_entropy

model = language.load(language.BUNDLED_MASKED)
for guess in fill(model, "The ship sailed across the [MASK].", top_k=3)[0].predictions:
    print(f"{guess.token:10} {guess.probability:.3f}")

train, test = load_topics("train"), load_topics("test")
tokenizer = model.tokenizer
ids, words = tokenise(test.x[:16], tokenizer).batch(range(16), pad_id=tokenizer.pad_token_id)
hidden = {"mask_id": tokenizer.mask_token_id, "vocab_size": len(tokenizer), "corrupt": False}
masked, labels = mask_words(ids, words, rate=0.15, generator=torch.Generator().manual_seed(0), **hidden)
chosen = labels != IGNORED
with torch.no_grad():
    logits = model(masked, ids != tokenizer.pad_token_id, chosen)  # (M, V)
print("loss", float(masked_cross_entropy(logits, labels[chosen])), "nats a hidden token")

probe = LinearProbe().fit(sentence_vectors(model, train.x[::20]), train.y[::20])
print("linear probe", probe.score(sentence_vectors(model, test.x[::10]), test.y[::10]))
