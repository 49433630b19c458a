"""The losses against slow NumPy references written from the papers, in values and (by finite differences) gradients."""

import numpy as np
import pytest
import torch

from sslviz.methods.losses import attraction, elbo, info_nce, nt_xent


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def slow_nt_xent(z1, z2, temperature):
    """Chen et al. 2020, algorithm 1: the mean over all 2N views of -log softmax at the partner."""
    n, total = len(z1), 0.0
    views = [*z1, *z2]
    for i, view in enumerate(views):
        partner = (i + n) % (2 * n)
        terms = {j: np.exp(cosine(view, other) / temperature) for j, other in enumerate(views) if j != i}
        total -= np.log(terms[partner] / sum(terms.values()))
    return total / (2 * n)


def slow_info_nce(q, k, queue, temperature):
    """Each query's own key against the keys of the batch, or against the columns of the queue."""
    total = 0.0
    for i, query in enumerate(q):
        own = np.exp(cosine(query, k[i]) / temperature)
        others = [k[j] for j in range(len(k)) if j != i] if queue is None else list(queue.T)
        total -= np.log(own / (own + sum(np.exp(cosine(query, other) / temperature) for other in others)))
    return total / len(q)


def slow_elbo(x, logits, mu, logvar, beta, likelihood, sigma):
    recon = kl = 0.0
    for i in range(len(x)):
        for pixel, logit in zip(x[i].ravel(), logits[i].ravel(), strict=True):
            p = 1 / (1 + np.exp(-logit))
            if likelihood == "bernoulli":
                recon -= pixel * np.log(p) + (1 - pixel) * np.log(1 - p)
            else:
                recon += 0.5 * ((pixel - p) / sigma) ** 2 + np.log(sigma) + 0.5 * np.log(2 * np.pi)
        for m, lv in zip(mu[i], logvar[i], strict=True):
            kl += 0.5 * (m**2 + np.exp(lv) - 1 - lv)
    return (recon + beta * kl) / len(x), recon / len(x), kl / len(x)


def numeric_gradient(f, a, step=1e-6):
    gradient = np.zeros_like(a)
    for i in np.ndindex(*a.shape):
        up, down = a.copy(), a.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (f(up) - f(down)) / (2 * step)
    return gradient


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def grad_of(loss, *tensors):
    return [g.numpy() for g in torch.autograd.grad(loss, tensors)]


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_nt_xent_equals_the_reference(rng, temperature):
    z1, z2 = rng.normal(size=(2, 5, 3))
    t1, t2 = (torch.tensor(z, requires_grad=True) for z in (z1, z2))
    loss = nt_xent(t1, t2, temperature=temperature)
    assert loss.item() == pytest.approx(slow_nt_xent(z1, z2, temperature), abs=1e-5)
    g1, g2 = grad_of(loss, t1, t2)
    np.testing.assert_allclose(g1, numeric_gradient(lambda a: slow_nt_xent(a, z2, temperature), z1), atol=1e-5)
    np.testing.assert_allclose(g2, numeric_gradient(lambda a: slow_nt_xent(z1, a, temperature), z2), atol=1e-5)


@pytest.mark.parametrize("with_queue", [False, True])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_info_nce_equals_the_reference(rng, with_queue, temperature):
    q, k = rng.normal(size=(2, 4, 3))
    queue = rng.normal(size=(3, 6)) if with_queue else None
    tq, tk = (torch.tensor(z, requires_grad=True) for z in (q, k))
    loss = info_nce(tq, tk, None if queue is None else torch.tensor(queue), temperature=temperature)
    assert loss.item() == pytest.approx(slow_info_nce(q, k, queue, temperature), abs=1e-5)
    gq, gk = grad_of(loss, tq, tk)
    np.testing.assert_allclose(gq, numeric_gradient(lambda a: slow_info_nce(a, k, queue, temperature), q), atol=1e-5)
    np.testing.assert_allclose(gk, numeric_gradient(lambda a: slow_info_nce(q, a, queue, temperature), k), atol=1e-5)


@pytest.mark.parametrize(("likelihood", "sigma"), [("bernoulli", 0.1), ("gaussian", 0.3)])
def test_elbo_equals_the_reference(rng, likelihood, sigma):
    x, logits = rng.uniform(size=(3, 1, 2, 2)), rng.normal(size=(3, 1, 2, 2))
    mu, logvar = rng.normal(size=(2, 3, 4))
    tensors = [torch.tensor(a, requires_grad=True) for a in (logits, mu, logvar)]
    found = elbo(torch.tensor(x), *tensors, beta=2.5, likelihood=likelihood, sigma=sigma)
    loss, recon, kl = slow_elbo(x, logits, mu, logvar, 2.5, likelihood, sigma)
    assert [found.loss.item(), found.recon.item(), found.kl.item()] == pytest.approx([loss, recon, kl], abs=1e-5)
    assert found.kl_per_dim.shape == (4,)
    assert found.kl_per_dim.sum().item() == pytest.approx(kl)
    arguments = [logits, mu, logvar]
    for i, gradient in enumerate(grad_of(found.loss, *tensors)):

        def f(a, i=i):
            return slow_elbo(x, *(a if j == i else b for j, b in enumerate(arguments)), 2.5, likelihood, sigma)[0]

        np.testing.assert_allclose(gradient, numeric_gradient(f, arguments[i]), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_attraction_is_nt_xent_without_its_candidates(rng, temperature):
    z1, z2 = (torch.tensor(z, requires_grad=True) for z in rng.normal(size=(2, 5, 3)))
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    loss = attraction(z1, z2, temperature=temperature)
    pairs = zip(z1.detach().numpy(), z2.detach().numpy(), strict=True)
    assert loss.item() == pytest.approx(-np.mean([cosine(*pair) for pair in pairs]) / temperature)
    apart = nt_xent(z1, z2, temperature=temperature) - logits.logsumexp(1).mean()
    assert loss.item() == pytest.approx(apart.item())
    for found, wanted in zip(grad_of(loss, z1, z2), grad_of(apart, z1, z2), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_closed_forms():
    same = torch.ones(4, 3)
    # all views alike: every candidate is equally likely, 2N - 1 = 7 of them for NT-Xent, N = 4 for InfoNCE
    assert nt_xent(same, same, temperature=0.5).item() == pytest.approx(np.log(7))
    assert info_nce(same, same, temperature=0.5).item() == pytest.approx(np.log(4))
    assert info_nce(same, same, torch.ones(3, 9), temperature=0.5).item() == pytest.approx(np.log(10))
    assert attraction(same, same, temperature=0.5).item() == pytest.approx(-2)  # as low as it goes
    # orthogonal pairs: one candidate of cosine 1, the others of cosine 0
    eye = torch.eye(4)
    assert nt_xent(eye, eye, temperature=1.0).item() == pytest.approx(-np.log(np.e / (np.e + 6)))
    # a posterior that is the prior costs nothing
    zero = torch.zeros(2, 5)
    assert elbo(torch.zeros(2, 3), torch.zeros(2, 3), zero, zero).kl.item() == 0


def test_the_length_of_z_does_not_matter(rng):
    z1, z2 = (torch.tensor(z) for z in rng.normal(size=(2, 6, 4)))
    scaled = nt_xent(7 * z1, z2 / 100, temperature=0.2)
    assert scaled.item() == pytest.approx(nt_xent(z1, z2, temperature=0.2).item())


def test_the_bernoulli_likelihood_survives_extreme_logits():
    x = torch.tensor([[0.0, 1.0]])
    found = elbo(x, torch.tensor([[-200.0, 200.0]]), torch.zeros(1, 1), torch.zeros(1, 1))
    assert found.recon.item() == pytest.approx(0.0, abs=1e-6)
    wrong = elbo(x, torch.tensor([[200.0, -200.0]]), torch.zeros(1, 1), torch.zeros(1, 1))
    assert wrong.recon.item() == pytest.approx(400.0)


def test_an_unknown_likelihood_is_refused():
    with pytest.raises(ValueError, match="likelihood"):
        elbo(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1), likelihood="poisson")
