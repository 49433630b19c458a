"""What the page of revision says of each method: words, formulas tied to lines of code, templates of captions, scripts.

Figures are nowhere typed: a caption is a template whose numbers `figures.py` computes in this installation, and a test
refuses one with a digit of its own. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslviz.bundled.review.lines import Tied
from sslviz.methods.registry import METHODS, MethodInfo

SCRIPTS = Path(__file__).with_name("scripts")
SLOTS = ("input", "process", "outcome")
DATASET = "mnist"  # whose encoders of images the page shows


@dataclass(frozen=True)
class Subject:
    """One method on the page.

    Attributes:
        key: of the registry.
        title: "" for the registry's own.
        object: what it is.
        path: the stages that it takes.
        tied: each symbol of the formula and the line that computes it.
        captions: templates by slot ("input", "process", "outcome", "pretext", "transfer", "wrong").
        problem: the first question's answer.
        fragile: the second one's: the step that goes wrong most often.
        missing: said where its model is not here.
    """

    key: str
    object: str
    path: tuple[str, ...]
    tied: tuple[Tied, ...]
    captions: Mapping[str, str]
    problem: str
    fragile: str
    title: str = ""
    missing: str = ""

    @property
    def about(self) -> MethodInfo:
        """Its entry in the registry."""
        return METHODS[self.key]

    @property
    def name(self) -> str:
        """For people."""
        return self.title or self.about.title

    def told(self, slot: str, values: Mapping[str, Any]) -> str:
        """A caption with its figures."""
        return re.sub(r"(?<!\w)-(?=\d)", "−", self.captions[slot].format(**values))

    @property
    def script(self) -> Path:
        """The file of the small example that runs end to end."""
        return SCRIPTS / f"{self.key}.py"


# of encoders of images, all probed in one way
PROBED = (
    "Linear probe of {labels:,} labels: {linear} of {n_test:,} test images; the best baseline on the same labels, "
    "{baseline_name}, {baseline}."
)
PROBED_TEXT = PROBED.replace("images", "sentences")
VIEWS = "Two random views of each image, {shown} of {batch:,} pairs."
NEAREST = "The first image and its nearest in h among {n_test:,}: {same} of {neighbours} are of its class."

SUBJECTS: tuple[Subject, ...] = (
    Subject(
        "vae",
        "An encoder to a Gaussian in a small latent space, and a decoder back to the image.",
        ("image", "encoder", "h", "decode"),
        (
            Tied(r"\mathrm{recon}", "what x̂ loses of x, nats", "sslviz.methods.losses:elbo", "recon = "),
            Tied(r"\mathrm{kl}", "what z costs, nats", "sslviz.methods.losses:gaussian_kl", "return 0.5"),
            Tied(r"\beta", "weight of the KL", "sslviz.methods.losses:elbo", "beta * kl"),
            Tied(r"\mu, \log\sigma^2", "two heads", "sslviz.methods.vae:VAE.encode", "self.logvar_head"),
            Tied("z", "a sample that gradients pass", "sslviz.methods.vae:VAE.reparameterize", "return mu +"),
        ),
        {
            "input": "Images x of {side} × {side} pixels, without labels.",
            "process": "μ ± σ of the first image, {dim} numbers; z is drawn from them.",
            "outcome": "x̂ in the upper rows, new images from the prior below.",
            "pretext": "Negative ELBO {elbo:.1f} nats per image: {recon:.1f} to reconstruct, {kl:.1f} of KL "
            "({n_pretext:,} test images, one sample of z each).",
            "transfer": PROBED,
            "wrong": "One head for μ and log σ² (upper row: drawn from the prior): negative ELBO {shared_elbo:.1f} "
            "nats; two heads (lower row): {own_elbo:.1f}. KL {shared_kl:.1f} and {own_kl:.1f}; linear probe "
            "{shared_linear} and {own_linear}: {verdict}.",
        },
        "Finding a few numbers from which an image can be rebuilt, in a space from which new ones can be drawn.",
        "Mean and log-variance need two heads. With one for both, a place in z fixes how sure it is.",
    ),
    Subject(
        "simclr",
        "An encoder that gives two views of one image alike projections, and other images of the batch others.",
        ("image", "augment", "encoder", "h", "project"),
        (
            Tied("z_i", "projection of a view", "sslviz.methods.base:TwoViewMethod.training_step", "z1, z2 = "
            "context.for"),
            Tied(r"\mathrm{sim}", "cosine", "sslviz.methods.losses:nt_xent", "z = F.normalize"),
            Tied(r"\tau", "temperature", "sslviz.methods.losses:nt_xent", "/ temperature"),
            Tied(r"k \ne i", "no view is its own rival", "sslviz.methods.losses:nt_xent", "fill_diagonal_"),
            Tied("i'", "the other view of the image", "sslviz.methods.losses:nt_xent", "positive = "),
        ),
        {
            "input": VIEWS,
            "process": "Cosines of their z: {positive:.2f} on the diagonal, {negative:.2f} elsewhere.",
            "outcome": NEAREST,
            "pretext": "A view finds its partner among {candidates:,} in {found} ({loss:.2f} nats; {n_pretext:,} test "
            "images).",
            "transfer": PROBED,
            "wrong": "Without negatives the loss ends at {lost:.2f}, where {least:.0f} is the least that can be, "
            "and views of two images have cosine {apart:.2f} (with them {apart_with:.2f}). k-NN of h: {knn} without, "
            "{knn_with} with, {knn_untrained} untrained.",
        },
        "Learning from images alone what two pictures of the same thing have in common.",
        "Something must push other images apart: without negatives all z fall into one place, at a perfect loss.",
    ),
    Subject(
        "moco",
        "The same with a queue of keys: a slowly moving copy of the encoder makes them, so they stay comparable.",
        ("image", "augment", "encoder", "h", "project"),
        (
            Tied("q", "query, a view through the encoder", "sslviz.methods.moco:MoCo.training_step", "q = context.for"),
            Tied("k_+", "its key, the other view", "sslviz.methods.moco:MoCo.training_step", "k = self.keys"),
            Tied("k_j", "keys of earlier batches", "sslviz.methods.losses:info_nce", "queue, dim=0"),
            Tied(r"\tau", "temperature", "sslviz.methods.losses:info_nce", "/ temperature"),
            Tied("m", "momentum of the key side", "sslviz.methods.moco:MoCo.update_momentum", "key.lerp_"),
        ),
        {
            "input": VIEWS,
            "process": "Cosines of queries and keys: {positive:.2f} on the diagonal, {negative:.2f} elsewhere.",
            "outcome": NEAREST,
            "pretext": "A query finds its key among {candidates:,} in {found} ({loss:.2f} nats; both by the query's "
            "encoder; {n_pretext:,} test images).",
            "transfer": PROBED,
            "wrong": "An encoder that learns along with its probe, {epochs} epochs on {labels_along:,} labels: "
            "{inflated} in place of {honest} on {n_along:,} test images: {told}. Its digest goes from {before} to "
            "{after}: it was not frozen.",
        },
        "Having many negatives without a large batch.",
        "The evidence: a probe must leave the encoder as it is. If it learns along, the score is not one of h.",
    ),
    Subject(
        "mlm",
        "A text encoder that reads both sides of a gap and says which word belongs there.",
        ("text", "mask", "encoder", "hidden states", "fill"),
        (
            Tied("M", "positions that are masked", "sslviz.language.batches:mask_words", "chosen = "),
            Tied(r"\tilde{w}", "the sentence with masks", "sslviz.language.batches:mask_words", "masked = torch.where"),
            Tied("w_i", "the token that is hidden", "sslviz.language.batches:mask_words", "labels = "),
            Tied("p", "head on the masked states", "sslviz.language.model:MaskedLM.forward", "return self.head"),
            Tied(r"\log p", "mean over M", "sslviz.methods.losses:masked_cross_entropy", "return F.cross"),
        ),
        {
            "input": "A sentence of {tokens} tokens, one of them hidden.",
            "process": "How probable “{word}” is after each of {layers} layers.",
            "outcome": "What the head says of the gap: “{word}” {top}.",
            "pretext": "The hidden word comes first in {found} ({n_pretext:,} words of {sentences:,} sentences, "
            "whole words hidden).",
            "transfer": PROBED_TEXT,
            "wrong": "A mask that leaks: the loss counts {n_pretext:,} words that the input still shows. “Found”: "
            "{leaked} in place of {found}.",
        },
        "Learning from text alone what words mean in their context.",
        "The mask: what the loss counts must be hidden in the input, all tokens of a word, or the answer is copied.",
        title="BERT, masked words",
    ),
    Subject(
        "nsp",
        "A head on both sentences at once that says whether the second follows the first.",
        ("text", "encoder", "hidden states"),
        (
            Tied("a, b", "two sentences, one after the other", "sslviz.language.pairs:join", "ids = torch.where(first"),
            Tied("y", "whether b follows a", "sslviz.language.pairs:NextSentenceBert.training_step", "targets = "),
            Tied(r"\log p", "two classes", "sslviz.language.pairs:NextSentenceBert.training_step", "F.cross_entropy"),
        ),
        {
            "input": "Two sentences, {tokens} tokens.",
            "process": "How probable it is that the second follows: as it stands, with another sentence, swapped.",
            "outcome": "Pairs told right by kind, {n_pretext:,} pairs.",
            "pretext": "Told right: {found} of {n_pretext:,} pairs.",
            "transfer": "No probe: it is the masked model with a head, whose sentences are probed in its own row.",
            "wrong": "Other subjects are told apart by their words. What follows or precedes has the same words: of "
            "swapped pairs {swapped} are told right, of pairs with a random sentence {random}.",
        },
        "Learning from running text whether two sentences belong together.",
        "The negatives: a random second sentence is told by its subject, so order and argument are never learnt.",
        title="BERT, next sentence",
        missing="No model with a next-sentence head is here yet: `sslviz train nsp TEXT` trains one beside the masked "
        "model.",
    ),
    Subject(
        "clm",
        "The same encoder under a causal mask: each token is predicted from those before it.",
        ("text", "encoder", "hidden states", "fill"),
        (
            Tied("w_t", "the token that comes next", "sslviz.language.causal:NextToken.training_step", "targets = "),
            Tied("w_1, \\dots, w_{t-1}", "those before it", "sslviz.language.causal:CausalBert.states", "base_model"),
            Tied("T", "places with a token after them", "sslviz.language.causal:NextToken.training_step", "places = "),
            Tied(r"\log p", "mean over places", "sslviz.methods.losses:masked_cross_entropy", "return F.cross"),
        ),
        {
            "input": "The beginning of a sentence, {tokens} tokens.",
            "process": "Attention of the last layer, a row a token: nothing to the right of the diagonal.",
            "outcome": "What comes next: “{word}” {top}.",
            "pretext": "The next word comes first in {found}, perplexity {perplexity:,.0f} a word ({n_pretext:,} "
            "words of {sentences:,} sentences).",
            "transfer": PROBED_TEXT,
            "wrong": "Labels that are not shifted by one: each place is asked for the token that it has read. “Found”: "
            "{unshifted} in place of {shifted} of {n_shift:,} tokens.",
        },
        "Learning to go on writing, and so to predict text from the left.",
        "The shift by one: a place predicts the token after it, and a causal mask hides that one.",
        title="BERT, left to right",
        missing="No left-to-right model is here yet: `sslviz train clm TEXT` trains the masked model's twin.",
    ),
)  # fmt: skip


def subject(key: str) -> Subject:
    """The subject of a method."""
    return next(each for each in SUBJECTS if each.key == key)
