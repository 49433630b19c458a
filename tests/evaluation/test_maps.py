"""Maps against scikit-learn and brute force."""

import numpy as np
import pytest

from sslviz.errors import UserError
from sslviz.evaluation.maps import MAPS, MapInfo, fit_map, maps_for, measure, stored_quality, trust
from sslviz.evaluation.neighbours import neighbours, neighbours_kept


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


@pytest.mark.slow
def test_umap_is_reproducible_and_keeps_clusters(h, umap):
    assert umap.xy.shape == (200, 2) and umap.xy.dtype == np.float32 and np.isfinite(umap.xy).all()
    np.testing.assert_array_equal(fit_map(h, method="umap", seed=3).xy, umap.xy)
    assert umap.trustworthiness > 0.9
    assert umap.params == {
        "seed": 3, "n_components": 2, "n_neighbors": 15, "min_dist": 0.1, "metric": "cosine"
    }  # fmt: skip


@pytest.mark.slow
def test_tsne_is_reproducible_keeps_clusters_and_has_no_place_for_new_rows(h):
    found = fit_map(h, "tsne", 3, perplexity=20)
    assert found.xy.shape == (200, 2) and found.trustworthiness > 0.9 and found.params["perplexity"] == 20
    np.testing.assert_array_equal(fit_map(h, "tsne", 3, perplexity=20).xy, found.xy)
    with pytest.raises(UserError, match="t-SNE has no place for new rows: choose one of UMAP, PCA"):
        found.transform(h[:2])


@pytest.mark.slow
@pytest.mark.slow
def test_umap_places_new_rows(h, umap):
    assert umap.transform(h[:3] + 0.01).shape == (3, 2)


@pytest.mark.slow
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
    assert [len(part) for part in neighbours(h[:1], 0, 8)] == [0, 0]  # a set of one image is drawn too
    ids, distance = neighbours(h, 3, 6, metric="euclidean")
    assert ids.tolist() == [0, 1, 5, 6, 4, 2]
    np.testing.assert_allclose(distance, [1, 1, 2**0.5, 2**0.5, 5**0.5, 8**0.5], atol=1e-8)


@pytest.mark.parametrize(
    ("h", "method", "message"),
    [
        (np.zeros((0, 4)), "pca", "too few"),
        (np.zeros((7, 4)), "umap", "too few"),
        (np.zeros((7, 4)), "tsne", "too few"),
        (np.full((30, 4), np.nan), "pca", "NaN"),
        (np.full((30, 4), np.inf), "umap", "NaN"),
        (np.zeros((30, 4)), "isomap", "choose one of umap, pca, tsne"),
        (np.zeros(30), "pca", "give numbers"),
    ],
)
def test_bad_input_is_refused(h, method, message):
    with pytest.raises(UserError, match=message):
        fit_map(h, method=method)


def test_other_columns_are_refused(h):
    with pytest.raises(UserError, match="same encoder"):
        fit_map(h).transform(h[:, :3])


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_rows_that_are_alike_get_words_instead_of_numbers(method, value):
    found = fit_map(np.full((40, 6), value, np.float32), method)
    assert found.trustworthiness is None and found.neighbours_kept is None and not found.xy.any()
    assert str(found.quality) == "all rows are alike, so no row is nearer than another"


def test_rows_that_differ_by_rounding_only_are_alike_and_others_are_not():
    rng = np.random.default_rng(0)
    collapsed = (np.float32(3) + 1e-7 * rng.normal(size=(50, 4))).astype(np.float32)
    assert "alike" in fit_map(collapsed).quality.note
    assert fit_map(collapsed + rng.normal(size=(50, 4))).quality.note == ""


def test_too_few_different_rows_have_no_neighbours_to_keep():
    found = fit_map(np.repeat(np.eye(3), 40, axis=0))
    assert found.trustworthiness is None and "only 3 different rows" in str(found.quality)


def brute_force_kept(h, xy, k):
    """Mean overlap of the k nearest in h by cosine and on the map by distance, in loops."""
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    shared = 0
    for i in range(len(h)):
        others = [j for j in range(len(h)) if j != i]
        in_h = set(sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[:k])
        shared += len(in_h & set(sorted(others, key=lambda j: float(((xy[i] - xy[j]) ** 2).sum()))[:k]))
    return shared / len(h)


def test_neighbours_kept_is_the_mean_overlap_of_the_ten_nearest(h):
    xy = np.random.default_rng(2).normal(size=(200, 2)) + 2 * h[:, :2]
    assert neighbours_kept(h, xy) == pytest.approx(brute_force_kept(h.astype(np.float64), xy, 10))
    assert neighbours_kept(h[:9], xy[:9]) == pytest.approx(brute_force_kept(h[:9].astype(np.float64), xy[:9], 4))
    assert neighbours_kept(xy, 3 * xy + 100, metric="euclidean") == 10  # the same map, moved and scaled
    assert neighbours_kept(xy, xy) < 10  # cosine keeps only the angle of a plane


def test_quality_names_its_sample(h):
    text = str(measure(h, h[:, :2]))
    assert text.startswith("trustworthiness 0.") and "(k = 15, all 200 rows); " in text
    assert text.endswith("of 10 nearest neighbours kept")
    many = np.random.default_rng(0).normal(size=(2100, 3))
    assert "(k = 15, 2,000 of 2,100 rows)" in str(measure(many, many[:, :2]))
    assert "(k = 3, all 8 rows)" in str(measure(h[:8], h[:8, :2])) and "of 3 nearest" in str(measure(h[:8], h[:8, :2]))


def test_the_quality_of_a_stored_map_is_read_and_completed(h):
    xy = fit_map(h).xy
    arrays = {"h": h, "pca_xy": xy, "pca_trustworthiness": np.float32(0.25)}
    found = stored_quality(arrays, "pca")
    assert found.trustworthiness == 0.25 and found.neighbours_kept == pytest.approx(neighbours_kept(h, xy))
    assert stored_quality(arrays | {"pca_neighbours_kept": np.float32(1.5)}, "pca").neighbours_kept == 1.5
    assert stored_quality({"h": h, "pca_xy": xy}, "pca") == measure(h, xy)
    assert "alike" in stored_quality(arrays | {"h": np.ones_like(h)}, "pca").note


@pytest.mark.slow  # numba compiles UMAP
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 20])
def test_small_sets_are_drawn(n):
    h = np.random.default_rng(0).normal(size=(n, 4))
    for method in maps_for(n):
        found = fit_map(h, method)
        assert found.xy.shape == (n, 2) and np.isfinite(found.xy).all()
        assert (found.trustworthiness is None) == (n < 3)
    assert maps_for(n) == (("pca", "tsne", "umap") if n >= 8 else ("pca",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "pca", "n_neighbors": 5}, "PCA has no setting 'n_neighbors'"),
        ({"method": "umap", "perplexity": 5}, "UMAP has no setting 'perplexity': it has n_neighbors, min_dist"),
        ({"method": "umap", "n_neighbors": 1}, "n_neighbors = 1 is out of bounds: give 2 to 200"),
        ({"method": "tsne", "perplexity": float("nan")}, "out of bounds"),
        ({"method": "umap", "seed": -1}, "seed -1 is out of bounds"),
        ({"n_components": 4}, "can't be drawn"),
    ],
)
def test_settings_are_refused_in_words(h, settings, message):
    with pytest.raises(UserError, match=message):
        fit_map(h, **settings)


# checks of scikit-learn that do not apply, and why
TOGETHER = "UMAP lays new rows out together, by steps drawn at random, so that each depends on its companions"
NOT_APPLICABLE = {
    "pca": {"check_fit2d_1sample": "a plane needs two rows; scikit-learn's own sentence about one names n_components"},
    "tsne": {},
    "umap": dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), TOGETHER),
}
FEW_NEIGHBOURS = {"umap": {"n_neighbors": 5}, "tsne": {"perplexity": 3.0}}  # the checks fit twenty rows


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", MAPS)
def test_maps_are_estimators_of_scikit_learn(method):
    from importlib import import_module

    from sklearn.utils.estimator_checks import check_estimator

    file = import_module(f"sslviz.evaluation.maps.{method}")
    found = file.estimator(seed=0, n_components=2, metric="euclidean", **FEW_NEIGHBOURS.get(method, {}))
    assert hasattr(found, "fit_transform") and hasattr(found, "transform") == MAPS[method].places_new_rows
    results = check_estimator(found, expected_failed_checks=NOT_APPLICABLE[method], on_skip=None)
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(NOT_APPLICABLE[method])


def test_settings_begin_within_their_bounds():
    for info in MAPS.values():
        assert all(setting.low <= setting.default <= setting.high for setting in info.settings)


def test_a_map_is_one_file_and_one_entry(h, monkeypatch, tmp_path):
    """What stands here is all that a new map needs: everything else loops over MAPS."""
    import sys
    import types

    file = types.ModuleType("sslviz.evaluation.maps.first_two")

    class FirstTwo:
        def fit_transform(self, h):
            return h[:, :2]

    file.estimator = lambda *, seed, n_components, metric: FirstTwo()
    monkeypatch.setitem(sys.modules, file.__name__, file)
    entry = MapInfo(title="First two", reads="two numbers of h", paper="none", again="always", places_new_rows=False)
    monkeypatch.setitem(MAPS, "first_two", entry)
    found = fit_map(h, "first_two")
    np.testing.assert_array_equal(found.xy, h[:, :2])
    assert "first_two" in maps_for(len(h)) and 0 <= found.neighbours_kept <= 10
