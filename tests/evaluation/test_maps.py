"""Maps against scikit-learn and brute force."""

import numpy as np
import pytest

from sslviz.errors import UserError
from sslviz.evaluation.maps import fit_map, neighbours, trust


@pytest.fixture(scope="module")
def h():
    rng = np.random.default_rng(0)
    centres = 4 * rng.normal(size=(5, 16))
    return (centres[rng.integers(5, size=200)] + rng.normal(size=(200, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def umap(h):
    return fit_map(h, method="umap", seed=3)


@pytest.mark.parametrize("n_components", [2, 3])
def test_pca_equals_sklearn_up_to_sign(h, n_components):
    from sklearn.decomposition import PCA

    reference = PCA(n_components, svd_solver="full")
    expected = reference.fit_transform(h.astype(np.float64))
    found = fit_map(h, n_components=n_components)
    signs = np.sign((expected * found.xy).sum(axis=0))
    np.testing.assert_allclose(found.xy, expected * signs, atol=1e-4)
    np.testing.assert_allclose(found.explained, reference.explained_variance_ratio_, rtol=1e-5)


def test_pca_sign_does_not_hang_on_row_order(h):
    np.testing.assert_allclose(fit_map(h[::-1]).xy[::-1], fit_map(h).xy, atol=1e-4)


def test_pca_of_more_columns_than_rows_and_of_one_column():
    from sklearn.decomposition import PCA

    wide = np.random.default_rng(1).normal(size=(10, 40))
    expected = PCA(2, svd_solver="full").fit_transform(wide)
    np.testing.assert_allclose(np.abs(fit_map(wide).xy), np.abs(expected), atol=1e-4)
    line = fit_map(np.arange(1.0, 7)[:, None])
    np.testing.assert_allclose(line.xy, np.column_stack([np.arange(-2.5, 3), np.zeros(6)]), atol=1e-6)


def test_map_is_an_array_and_places_its_own_rows_where_they_are(h):
    found = fit_map(h)
    assert np.asarray(found) is found.xy and found.xy.dtype == np.float32 and len(found) == 200
    assert np.asarray(found, dtype=np.float64).dtype == np.float64
    np.testing.assert_allclose(found.transform(h[:7]), found.xy[:7], atol=1e-5)


def test_umap_is_reproducible_and_keeps_clusters(h, umap):
    assert umap.xy.shape == (200, 2) and umap.xy.dtype == np.float32 and np.isfinite(umap.xy).all()
    np.testing.assert_array_equal(fit_map(h, method="umap", seed=3).xy, umap.xy)
    assert umap.trustworthiness > 0.9
    assert umap.params == {
        "seed": 3, "n_components": 2, "n_neighbors": 15, "min_dist": 0.1, "metric": "cosine"
    }  # fmt: skip


def test_umap_places_new_rows(h, umap):
    assert umap.transform(h[:3] + 0.01).shape == (3, 2)


def test_umap_says_nothing(h, recwarn):
    fit_map(h[:40], method="umap")
    assert not recwarn.list


def brute_force_trust(h, xy, k):
    """Venna and Kaski 2001, equation 1, in loops."""
    n = len(h)
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    penalty = 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        rank = {j: r + 1 for r, j in enumerate(sorted(others, key=lambda j: -float(unit[i] @ unit[j])))}
        near = sorted(others, key=lambda j: float(((xy[i] - xy[j]) ** 2).sum()))[:k]
        penalty += sum(max(0, rank[j] - k) for j in near)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty


def test_trust_is_venna_and_kaskis(h):
    xy = np.random.default_rng(2).normal(size=(80, 2))
    assert trust(h[:80], xy) == pytest.approx(brute_force_trust(h[:80].astype(np.float64), xy, 15), abs=1e-6)
    assert trust(h[:10], h[:10, :2]) == pytest.approx(brute_force_trust(h[:10].astype(np.float64), h[:10, :2], 4))


def test_trust_of_many_rows_is_a_seeded_sample():
    h = np.random.default_rng(0).normal(size=(2500, 4))
    assert trust(h, h[:, :2], seed=1) == trust(h, h[:, :2], seed=1) != trust(h, h[:, :2], seed=2)


def test_neighbours_equal_brute_force_with_ties_in_row_order():
    h = np.array([[1, 0], [0, 1], [3, 3], [1, 1], [-1, 0], [0, 0], [2, 2]], np.float32)
    ids, similarity = neighbours(h, 3, 6)
    assert ids.tolist() == [2, 6, 0, 1, 5, 4]
    np.testing.assert_allclose(similarity, [1, 1, 0.5**0.5, 0.5**0.5, 0, -(0.5**0.5)], atol=1e-8)
    assert neighbours(h, -1, 2)[0].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("h", "method", "message"),
    [
        (np.zeros((3, 4)), "pca", "too few"),
        (np.zeros((10, 4)), "umap", "too few"),
        (np.full((30, 4), np.nan), "pca", "NaN"),
        (np.full((30, 4), np.inf), "umap", "NaN"),
        (np.zeros((30, 4)), "tsne", "choose pca or umap"),
        (np.zeros(30), "pca", "give numbers"),
    ],
)
def test_bad_input_is_refused(h, method, message):
    with pytest.raises(UserError, match=message):
        fit_map(h, method=method)


def test_other_columns_are_refused(h):
    with pytest.raises(UserError, match="same encoder"):
        fit_map(h).transform(h[:, :3])
