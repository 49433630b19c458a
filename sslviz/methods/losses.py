"""The objectives, as pure functions of tensors. No state, no device, no logging."""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Elbo(NamedTuple):
    """Parts of the negative evidence lower bound, in nats per image (summed over dimensions, mean over the batch)."""

    loss: Tensor  # recon + beta * kl
    recon: Tensor  # -log p(x | z)
    kl: Tensor  # KL(q(z | x) || N(0, I))
    kl_per_dim: Tensor  # (D,), sums to kl


def elbo(
    x: Tensor,
    x_logits: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    beta: float = 1.0,
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
    sigma: float = 0.1,
) -> Elbo:
    """Negative ELBO of a VAE with a diagonal Gaussian posterior and a standard normal prior.

    Kingma & Welling 2014 (arXiv:1312.6114), equation 10; beta as in Higgins et al. 2017 (beta-VAE).

    Args:
        x: images in [0, 1], (B, ...).
        x_logits: the decoder's output before its sigmoid, same shape. The Bernoulli likelihood is evaluated on the
            logits, which is stable; the Gaussian one has mean sigmoid(x_logits) and the fixed standard deviation sigma.
        mu, logvar: posterior parameters (B, D).
        beta: weight of the KL term.
        likelihood: "bernoulli" (grey levels read as probabilities) or "gaussian".
        sigma: standard deviation of the Gaussian likelihood, in pixel units of [0, 1].

    Returns:
        Elbo(loss, recon, kl, kl_per_dim): nats per image.
    """
    recon = reconstruction(x, x_logits, likelihood=likelihood, sigma=sigma).mean()
    kl_per_dim = gaussian_kl(mu, logvar).mean(0)  # (D,)
    kl = kl_per_dim.sum()
    return Elbo(recon + beta * kl, recon, kl, kl_per_dim)


def reconstruction(x: Tensor, x_logits: Tensor, *, likelihood: str, sigma: float) -> Tensor:
    """-log p(x | z) of each image, (B,) nats; arguments as of `elbo`."""
    if likelihood == "bernoulli":
        nll: Tensor = _BernoulliNLL.apply(x_logits, x)
    elif likelihood == "gaussian":
        variance = torch.as_tensor(sigma**2, dtype=x.dtype, device=x.device)
        nll = F.gaussian_nll_loss(x_logits.sigmoid(), x, variance.expand_as(x), full=True, reduction="none")
    else:
        raise ValueError(f"likelihood must be 'bernoulli' or 'gaussian', not {likelihood!r}")
    return nll.flatten(1).sum(1)


class _BernoulliNLL(torch.autograd.Function):
    """softplus(logits) - x * logits, of each pixel: what `F.binary_cross_entropy_with_logits` computes.

    In a third of its time on a CPU, where torch's log1p is twelve times as slow as its log; to 1e-7 nats a pixel.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        softplus = logits.abs().neg_().exp_().add_(1).log_().add_(logits.relu())  # log(1 + exp(-|l|)) + max(l, 0)
        return softplus.addcmul_(x, logits, value=-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return logits.sigmoid().sub_(x).mul_(grad), None


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each image and dimension, (B, D) nats."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def nt_xent(z1: Tensor, z2: Tensor, *, temperature: float = 0.5) -> Tensor:
    """SimCLR's loss: each view picks its partner out of the other 2N - 1 views of the batch.

    Normalised temperature-scaled cross entropy, Chen et al. 2020 (arXiv:2002.05709), equation 1: one positive and
    2N - 2 negatives a view; the negatives come from both views.

    Args:
        z1, z2: projections of the two views (N, D); row i of each belongs to image i. Any length: normalised here.
        temperature: divides the cosine similarities.

    Returns:
        scalar, nats per view.
    """
    z = F.normalize(torch.cat([z1, z2]), dim=1)  # (2N, D)
    logits = z @ z.T / temperature  # (2N, 2N)
    logits.fill_diagonal_(float("-inf"))  # no view is a candidate for itself
    positive = torch.arange(len(z), device=z.device).roll(len(z1))  # i <-> i + N
    return F.cross_entropy(logits, positive)


def attraction(z1: Tensor, z2: Tensor, *, temperature: float = 0.5) -> Tensor:
    """The numerator of NT-Xent alone: views of one image are to agree, and nothing keeps other images apart.

    -sim(z1, z2) / temperature, mean over images: `nt_xent` less its log-sum-exp over all candidates. Its least value,
    -1 / temperature, is reached where all images share one z, so an encoder that minimises it collapses (Wang & Isola
    2020, arXiv:2005.10242, section 4: alignment without uniformity).

    Args:
        z1, z2: projections of the two views (N, D); row i of each belongs to image i. Any length: normalised here.
        temperature: divides the cosine similarities.

    Returns:
        scalar, nats per view.
    """
    return -F.cosine_similarity(z1, z2, dim=1).mean() / temperature


def info_nce(q: Tensor, k: Tensor, queue: Tensor | None = None, *, temperature: float = 0.5) -> Tensor:
    """InfoNCE: each query picks its own key out of a set of candidates.

    Without a queue the candidates are the keys of the batch (van den Oord et al. 2018, arXiv:1807.03748): one positive
    and N - 1 negatives, all from the other view. With a queue they are the query's own key and the queue's columns
    (MoCo, He et al. 2020, arXiv:1911.05722, algorithm 1): one positive and K negatives.

    Args:
        q, k: queries and keys (N, D); row i of each belongs to image i. Any length: normalised here.
        queue: negatives (D, K), one a column, or None.
        temperature: divides the cosine similarities.

    Returns:
        scalar, nats per query.
    """
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    if queue is None:
        logits, positive = q @ k.T, torch.arange(len(q), device=q.device)  # (N, N), the diagonal is positive
    else:
        own = (q * k).sum(1, keepdim=True)  # (N, 1)
        logits = torch.cat([own, q @ F.normalize(queue, dim=0)], 1)  # (N, 1 + K)
        positive = torch.zeros(len(q), dtype=torch.long, device=q.device)
    return F.cross_entropy(logits / temperature, positive)


def masked_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Masked language modelling: mean negative log-probability of the hidden tokens, in nats per token.

    Args:
        logits: (M, V), at the masked positions alone.
        targets: ids of the hidden tokens, int64 (M,).

    Source: Devlin et al. 2019, arXiv:1810.04805, section 3.1.
    """
    return F.cross_entropy(logits, targets)
