"""What a contrastive loss makes of a batch: against the losses of training, autograd and slow loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sslviz.evaluation.contrast import (
    OBJECTIVES,
    candidates,
    cosines,
    forces,
    gradient_shares,
    loss,
    probabilities,
    row_loss,
    unit,
)
from sslviz.methods.losses import info_nce, nt_xent

N, D, K = 5, 7, 11
TEMPERATURES = (0.02, 0.2, 2.0)


@pytest.fixture(scope="module")
def z():
    """z1, z2, k1, k2 (N, D) and a queue (K, D), of any length."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(K if name == "queue" else N, D)) for name in ("z1", "z2", "k1", "k2", "queue")}


def losses_of_training(z, objective, temperature):
    t = {name: torch.from_numpy(value) for name, value in z.items()}
    if objective == "nt_xent":
        return nt_xent(t["z1"], t["z2"], temperature=temperature)
    k1, k2, queue = (t["k1"], t["k2"], t["queue"].T) if objective == "queue" else (t["z1"], t["z2"], None)
    both = [info_nce(t[q], k, queue, temperature=temperature) for q, k in (("z1", k2), ("z2", k1))]
    return sum(both) / 2


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_are_those_of_training(z, objective, temperature):
    batch = cosines(z["z1"], z["z2"], keys=(z["k1"], z["k2"]), queue=z["queue"])
    assert loss(batch, objective, temperature) == pytest.approx(
        losses_of_training(z, objective, temperature).item(), abs=1e-9
    )


def test_without_keys_of_their_own_views_are_keys(z):
    batch = cosines(z["z1"], z["z2"], queue=z["queue"])
    q, queue = torch.from_numpy(np.concatenate([z["z1"], z["z2"]])), torch.from_numpy(z["queue"].T)
    assert loss(batch, "queue", 0.3) == pytest.approx(info_nce(q, q.roll(N, 0), queue, temperature=0.3).item())


@pytest.mark.parametrize(("objective", "negatives"), [("nt_xent", 2 * N - 2), ("cross_view", N - 1), ("queue", K)])
def test_candidates_are_the_positive_and_as_many_negatives_as_the_papers_have(z, objective, negatives):
    batch = cosines(z["z1"], z["z2"], queue=z["queue"])
    everything = np.concatenate([unit(z["z1"]), unit(z["z2"]), unit(z["queue"])])
    for row in range(2 * N):
        columns, similarity = candidates(batch, objective, row)
        assert len(columns) == len(set(columns.tolist())) == 1 + negatives and row not in columns
        assert abs(columns[0] - row) == N  # the other view of the same image
        np.testing.assert_allclose(similarity, everything[columns] @ everything[row], atol=1e-12)
        if objective == "cross_view":
            assert {column < N for column in columns} == {row >= N}  # all of the other side


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_probabilities_and_shares_are_the_gradient_by_each_cosine(temperature):
    rng = np.random.default_rng(1)
    for size in (1, 2, 9):
        similarity = torch.from_numpy(rng.uniform(-1, 1, size)).requires_grad_()
        value = F.cross_entropy((similarity / temperature)[None], torch.zeros(1, dtype=torch.long))
        value.backward()
        s, gradient = similarity.detach().numpy(), temperature * similarity.grad.numpy()  # (C,)
        p, shares = probabilities(s, temperature), gradient_shares(s, temperature)
        assert row_loss(s, temperature) == pytest.approx(value.item(), abs=1e-9)
        np.testing.assert_allclose(gradient, p - np.eye(size)[0], atol=1e-9)
        np.testing.assert_allclose(shares * -gradient[0], gradient[1:], atol=1e-9)
        assert size == 1 or shares.sum() == pytest.approx(1)


def test_shares_stay_where_the_positive_has_all_the_probability():
    shares = gradient_shares(np.array([1.0, -0.99, -1.0]), 0.01)
    np.testing.assert_allclose(shares, [np.e / (1 + np.e), 1 / (1 + np.e)])


@pytest.mark.parametrize("temperature", (0.05, 0.2, 1.0))
def test_forces_add_up_to_what_descent_does_to_the_anchor(temperature):
    rng = np.random.default_rng(2)
    for dim in (2, 5):
        anchor, others = unit(rng.normal(size=(1, dim)))[0], unit(rng.normal(size=(6, dim)))
        a = torch.from_numpy(anchor)[None].requires_grad_()
        c = torch.from_numpy(others)
        info_nce(a, c[:1], c[1:].T, temperature=temperature).backward()
        split = forces(anchor, others, temperature)
        np.testing.assert_allclose(split.sum(axis=0), -a.grad.numpy()[0], atol=1e-9)
        for k in range(6):  # each by the gradient through its own cosine alone
            b = torch.from_numpy(anchor)[None].requires_grad_()
            cut = [F.normalize(b, dim=1)[0] @ c[i] if i == k else torch.tensor(others[i] @ anchor) for i in range(6)]
            F.cross_entropy(torch.stack(cut)[None] / temperature, torch.zeros(1, dtype=torch.long)).backward()
            np.testing.assert_allclose(split[k], -b.grad.numpy()[0], atol=1e-9)
