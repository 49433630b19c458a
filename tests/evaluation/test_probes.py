"""Probes against scikit-learn, brute force and closed forms."""

import math

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.logistic import compact, curvature, hessian, objective
from sslviz.evaluation.probes import KNNProbe, LinearProbe, _split
from sslviz.store import checkpoint


@pytest.fixture(scope="module")
def mnist():
    """Real, correlated h: 2x2 means of digits, cut by a random ReLU layer; (h, y, h_test, y_test)."""
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    weights = np.random.default_rng(0).normal(size=(196, 100)).astype(np.float32)

    def features(images, n):
        x = images.x[:n, 0].numpy().reshape(n, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(n, 196) / 255
        return np.maximum(x.astype(np.float32) @ weights, 0)

    return features(train, 3000), train.y[:3000].numpy(), features(test, 2000), test.y[:2000].numpy()


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=300)
    return (3 * np.eye(4, 6)[y] + rng.normal(size=(300, 6))).astype(np.float32), y


# linear probe -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [1e-1, 1e-3, 1e-5])
def test_linear_probe_equals_sklearn_at_the_same_l2(mnist, l2):
    h, y, h_test, y_test = mnist
    probe = LinearProbe(l2_grid=(l2,)).fit(h, y)
    scaler = StandardScaler().fit(h.astype(np.float64))
    X, X_test = scaler.transform(h.astype(np.float64)), scaler.transform(h_test.astype(np.float64))
    reference = LogisticRegression(C=1 / (len(h) * l2), tol=1e-6, max_iter=20_000).fit(X, y)
    assert abs(probe.score(h_test, y_test) - reference.score(X_test, y_test)) < 0.003
    assert np.mean(probe.predict(h_test) == reference.predict(X_test)) > 0.995

    def objective_of(model):
        log_p = log_softmax(X @ model.coef_.T + model.intercept_, axis=1)
        return -log_p[np.arange(len(y)), y].mean() + l2 / 2 * (model.coef_**2).sum()

    assert objective_of(probe) == pytest.approx(objective_of(reference), abs=1e-5)


def test_objective_and_gradient_equal_the_formula():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(20, 3)), np.ones(20)]).astype(np.float32)
    y, W, penalty = rng.integers(3, size=20), rng.normal(size=(3, 4)), np.array([0.3, 0.3, 0.3, 0.0])

    def formula(W):
        total = 0.0
        for row, label in zip(X.astype(np.float64), y, strict=True):
            logits = [float(w @ row) for w in W]
            total -= logits[label] - math.log(sum(math.exp(logit) for logit in logits))
        return total / len(X) + 0.15 * float((W[:, :3] ** 2).sum())

    loss, gradient = objective(W, X, y, penalty)
    assert loss == pytest.approx(formula(W), abs=1e-6)
    for k, d in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[k, d] = 1e-5
        assert gradient[k, d] == pytest.approx((formula(W + step) - formula(W - step)) / 2e-5, abs=1e-6)


def test_curvature_is_the_hessian_where_all_classes_are_equally_likely():
    """At W = 0 the Hessian is (I - 1/K) / K kron mean of x x'; its first factor has eigenvalue 1/K off the mean."""
    X = np.column_stack([np.random.default_rng(0).normal(size=(50, 3)), np.ones(50)]).astype(np.float32)
    L = curvature(np.zeros((5, 4)), X, np.zeros(4))
    np.testing.assert_allclose(L @ L.T, X.T @ X / 50 / 5, atol=1e-4)


def test_the_whole_hessian_is_the_slow_one():
    """Against sum over rows of (diag p - p p') kron x x', where no pair of classes is left out."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(40, 3)), np.ones(40)]).astype(np.float32)
    W = 0.1 * rng.normal(size=(3, 4))
    slow = np.zeros((12, 12))
    for row in X.astype(np.float64):
        p = np.exp(W @ row) / np.exp(W @ row).sum()
        slow += np.kron(np.diag(p) - np.outer(p, p), np.outer(row, row)) / 40
    np.testing.assert_allclose(np.tril(hessian(W, X)), np.tril(slow), atol=1e-6)


def test_fewer_rows_than_columns_are_fitted_in_their_own_directions_and_the_fit_is_the_same(mnist):
    h, y, h_test, _ = mnist
    rows = np.r_[0:60]
    X = np.column_stack([h[rows], np.ones(60)]).astype(np.float32)
    turned, directions = compact(X)
    np.testing.assert_allclose(turned[:, :-1] @ directions, h[rows], atol=1e-3)
    np.testing.assert_allclose(directions @ directions.T, np.eye(60), atol=1e-6)
    probe = LinearProbe(l2_grid=(0.01,)).fit(h[rows], y[rows])
    scaler = StandardScaler().fit(h[rows].astype(np.float64))
    reference = LogisticRegression(C=1 / 0.6, tol=1e-8, max_iter=20_000).fit(scaler.transform(h[rows]), y[rows])
    np.testing.assert_allclose(probe.coef_, reference.coef_, atol=2e-3)
    assert np.mean(probe.predict(h_test) == reference.predict(scaler.transform(h_test))) > 0.995


@pytest.mark.slow
@pytest.mark.parametrize("l2", [1e-2, 1e-4])
def test_the_probe_of_a_bundled_model_agrees_with_a_converged_sklearn(l2):
    """Ten thousand images of the bundled SimCLR encoder: both optimisers, each with its own way through."""
    model = checkpoint.load("simclr-mnist")
    sets = [load_images("mnist", split) for split in ("train", "test")]
    (h, y), (h_test, y_test) = ((encode(model, each.x[:10_000])[:, ::4], each.y[:10_000].numpy()) for each in sets)
    probe = LinearProbe(l2_grid=(l2,)).fit(h, y)
    scaler = StandardScaler().fit(h.astype(np.float64))
    X, X_test = scaler.transform(h.astype(np.float64)), scaler.transform(h_test.astype(np.float64))
    reference = LogisticRegression(C=1 / (len(h) * l2), tol=1e-6, max_iter=20_000).fit(X, y)
    assert abs(probe.score(h_test, y_test) - reference.score(X_test, y_test)) <= 0.003
    assert np.mean(probe.predict(h_test) == reference.predict(X_test)) >= 0.995


def test_l2_is_chosen_on_validation_rows_and_near_the_best(mnist):
    h, y, h_test, y_test = mnist
    probe = LinearProbe().fit(h[:1000], y[:1000])
    assert probe.l2_ in probe.val_scores_ and len(probe.val_scores_) > 3
    best = max(LinearProbe(l2_grid=(l2,)).fit(h[:1000], y[:1000]).score(h_test, y_test) for l2 in (1, 0.1, 0.01, 1e-3))
    assert probe.score(h_test, y_test) > best - 0.015
    refit = LinearProbe(l2_grid=(probe.l2_,)).fit(h[:1000], y[:1000])
    assert np.mean(refit.predict(h_test) == probe.predict(h_test)) > 0.997


def test_split_is_stratified_and_disjoint():
    y = np.repeat([0, 1, 2, 3], [100, 50, 2, 1])
    order, n_fit = _split(y, 0.1, np.random.default_rng(0))
    assert sorted(order) == list(range(153))
    assert np.bincount(y[order[n_fit:]], minlength=4).tolist() == [10, 5, 1, 0]
    again, _ = _split(y, 0.1, np.random.default_rng(0))
    np.testing.assert_array_equal(order, again)
    assert not np.array_equal(order, _split(y, 0.1, np.random.default_rng(1))[0])


def test_one_row_a_class_is_enough():
    probe = LinearProbe().fit(np.eye(3, 5), [0, 1, 2])
    assert probe.val_scores_ == {} and probe.score(np.eye(3, 5), [0, 1, 2]) == 1


def test_constant_and_huge_columns_do_no_harm(blobs):
    h, y = blobs
    odd = np.column_stack([h, np.full(300, 0.1), np.zeros(300), 1e6 + 1e3 * h[:, 0]]).astype(np.float32)
    probe = LinearProbe().fit(odd, y)
    assert np.isfinite(probe.coef_).all() and np.abs(probe.coef_[:, [6, 7]]).max() < 1e-6
    assert abs(probe.score(odd, y) - LinearProbe().fit(h, y).score(h, y)) < 0.03


def test_no_information_gives_the_class_shares():
    h = np.tile([[1.0, 0, 0], [0, 1.0, 0]], (20, 1))  # the same two rows for both classes
    probe = LinearProbe(l2_grid=(1.0,)).fit(h, np.repeat([0, 1], [30, 10]))
    np.testing.assert_allclose(probe.predict_proba(h), np.tile([[0.75, 0.25]], (40, 1)), atol=1e-3)


def test_same_seed_same_probe_and_labels_of_any_type(blobs):
    h, y = blobs
    names = np.array(["cat", "dog", "eel", "fox"])[y]
    first, again = LinearProbe(seed=1).fit(h, y), LinearProbe(seed=1).fit(h, names)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(again.predict(h), np.array(["cat", "dog", "eel", "fox"])[first.predict(h)])
    np.testing.assert_allclose(first.predict_proba(h).sum(axis=1), 1, rtol=1e-6)


def test_progress_is_monotone_ends_at_one_and_can_cancel(blobs):
    events = []
    LinearProbe().fit(*blobs, callback=events.append)
    fractions = [event["fraction"] for event in events]
    assert fractions == sorted(fractions) and fractions[0] < 0.1 and fractions[-1] == 1
    assert [event["stage"] for event in events][:: len(events) - 1] == ["choose l2", "fit"]
    assert events[0]["val_accuracy"] is None and 0 <= events[-1]["val_accuracy"] <= 1

    def cancel(event):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        LinearProbe().fit(*blobs, callback=cancel)


def test_scikit_learns_form(blobs):
    h, y = blobs
    probe = LinearProbe(l2_grid=(0.01,), seed=3)
    assert clone(probe).get_params() == probe.get_params()
    assert make_pipeline(StandardScaler(), probe).fit(h, y).score(h, y) > 0.9
    assert KNNProbe(3).set_params(temperature=0.2).temperature == 0.2


# k-NN probe ---------------------------------------------------------------------------------------------------------


def brute_force(h_train, y, h, k, temperature, n_classes):
    """Neighbours and votes in loops; similarities to 1e-9, equal ones by row number."""
    neighbours, shares = [], []
    for query in h.astype(np.float64):
        similarity = []
        for row in h_train.astype(np.float64):
            lengths = math.sqrt(row @ row) * math.sqrt(query @ query)
            similarity.append(round(float(row @ query) / lengths, 9) if lengths else 0.0)
        ids = sorted(range(len(h_train)), key=lambda i: (-similarity[i], i))[:k]
        votes = [sum(math.exp(similarity[i] / temperature) for i in ids if y[i] == c) for c in range(n_classes)]
        neighbours.append(ids)
        shares.append(np.array(votes) / sum(votes))
    return np.array(neighbours), np.array(shares)


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_knn_equals_brute_force(k, batch_size):
    rng = np.random.default_rng(k)
    h_train, h, y = rng.normal(size=(400, 8)), rng.normal(size=(30, 8)), rng.integers(3, size=400)
    probe = KNNProbe(k, 0.1, batch_size=batch_size).fit(h_train, y)
    ids, shares = brute_force(h_train.astype(np.float32), y, h.astype(np.float32), k, 0.1, 3)
    np.testing.assert_array_equal(probe.kneighbors(h)[1], ids)
    np.testing.assert_allclose(probe.predict_proba(h), shares, atol=1e-6)


def test_knn_on_points_placed_by_hand_takes_ties_in_row_order():
    grid = np.array([[a, b] for a in range(-3, 4) for b in range(-3, 4)], np.float32)  # many share a direction
    y = np.arange(49) % 3
    for k in (1, 4, 10, 49):
        ids, shares = brute_force(grid, y, grid, k, 0.5, 3)
        probe = KNNProbe(k, 0.5).fit(grid, y)
        np.testing.assert_array_equal(probe.kneighbors(grid)[1], ids)
        np.testing.assert_allclose(probe.predict_proba(grid), shares, atol=1e-7)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_knn_with_many_rows_alike_keeps_row_order_and_little_memory(metric):
    """An encoder that has all but collapsed maps nearly all images to one h: every row is as near as any other."""
    h = np.tile(np.random.default_rng(0).normal(size=(1, 16)).astype(np.float32), (20_000, 1))
    h[-1] = -h[0]
    probe = KNNProbe(5, metric=metric).fit(h, np.arange(20_000) % 2)
    nearness, ids = probe.kneighbors(h[:50])
    assert (ids == np.arange(5)).all() and np.allclose(nearness, 1 if metric == "cosine" else 0)


@pytest.mark.parametrize("probe", [LinearProbe(), KNNProbe(), KNNProbe(metric="euclidean")])
def test_a_collapsed_encoder_and_labels_of_one_class_are_refused_in_words(probe):
    with pytest.raises(UserError, match=r"All rows of h are alike, .* encoder has collapsed"):
        clone(probe).fit(np.full((20, 4), 0.3), np.arange(20) % 2)
    with pytest.raises(UserError, match="All labels are of one class"):
        clone(probe).fit(np.random.default_rng(0).normal(size=(20, 4)), np.ones(20, int))


def test_knn_of_large_sets_equals_a_full_sort():
    rng = np.random.default_rng(0)
    h_train = rng.normal(size=(30_000, 6)).astype(np.float32)
    h_train[20_000:] = 2 * h_train[:10_000]  # each of these twice, at other lengths
    h = rng.normal(size=(20, 6)).astype(np.float32)

    def unit(h):
        return h.astype(np.float64) / np.linalg.norm(h.astype(np.float64), axis=1, keepdims=True)

    expected = np.argsort(-(unit(h) @ unit(h_train).T).round(9), axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(KNNProbe().fit(h_train, np.arange(30_000) % 2).kneighbors(h)[1], expected)


@pytest.mark.parametrize("batch_size", [1, 7, 1024])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_euclidean_knn_equals_scikit_learn(k, batch_size):
    rng = np.random.default_rng(k)
    h_train, h, y = 50 + rng.normal(size=(400, 8)), 50 + rng.normal(size=(30, 8)), rng.integers(3, size=400)
    h_train[3] = h_train[2] = 60  # two rows far from the others,
    h[0] = h_train[2]  # and a query at distance 0 of both
    h_train, h = h_train.astype(np.float32), h.astype(np.float32)
    reference = KNeighborsClassifier(k, weights="distance", algorithm="brute").fit(h_train.astype(np.float64), y)
    probe = KNNProbe(k, metric="euclidean", batch_size=batch_size).fit(h_train, y)
    distance, ids = probe.kneighbors(h)
    expected, expected_ids = reference.kneighbors(h.astype(np.float64))
    np.testing.assert_array_equal(ids[1:], expected_ids[1:])
    np.testing.assert_allclose(distance, expected, atol=1e-5)
    np.testing.assert_allclose(probe.predict_proba(h)[1:], reference.predict_proba(h.astype(np.float64))[1:], atol=1e-6)
    if k > 1:
        assert set(ids[0][:2]) == {2, 3}
        votes = np.bincount(y[[2, 3]], minlength=3) / 2  # the rows at distance 0 alone
        np.testing.assert_allclose(probe.predict_proba(h[:1])[0], votes)


def test_the_metric_decides_where_classes_share_a_direction():
    """Two classes at the same angles and different lengths: the cosine is blind to them, the distance is not."""
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, np.pi / 2, 400), np.arange(400) % 2
    h = (1 + 2 * y)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    fit, test = slice(0, 300), slice(300, 400)
    assert KNNProbe(5, metric="euclidean").fit(h[fit], y[fit]).score(h[test], y[test]) > 0.98
    assert KNNProbe(5, metric="cosine").fit(h[fit], y[fit]).score(h[test], y[test]) < 0.7
    with pytest.raises(UserError, match="cosine or euclidean"):
        KNNProbe(metric="taxi").fit(h, y)


def test_knn_with_fewer_rows_than_neighbours_lets_all_vote():
    probe = KNNProbe(20).fit(np.eye(3), [0, 1, 1])
    assert probe.kneighbors(np.eye(3))[1].shape == (3, 3)
    assert probe.predict(np.eye(3)).tolist() == [0, 1, 1]


def test_knn_at_a_tiny_temperature_is_the_nearest():
    probe = KNNProbe(3, temperature=1e-6).fit([[1.0, 0], [0.9, 0.1], [0.8, 0.2]], [2, 1, 1])
    np.testing.assert_allclose(probe.predict_proba([[1.0, 0]]), [[0, 1]])


# both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [LinearProbe(), KNNProbe()])
@pytest.mark.parametrize(
    ("h", "y", "message"),
    [
        (np.full((4, 2), np.nan), [0, 1, 0, 1], "NaN"),
        (np.full((4, 2), np.inf), [0, 1, 0, 1], "NaN"),
        (np.eye(4, 2), [0, 1, 0], "one label a row"),
        (np.eye(4, 2), [0, 1, -1, 1], "no label"),
        (np.zeros(4), [0, 1, 0, 1], "Give h as numbers"),
        (np.zeros((0, 2)), [], "at least one row"),
    ],
)
def test_bad_input_is_refused(probe, h, y, message):
    with pytest.raises(UserError, match=message):
        clone(probe).fit(h, y)


def test_other_columns_and_bad_parameters_are_refused(blobs):
    for probe in (LinearProbe(), KNNProbe()):
        with pytest.raises(UserError, match="Use the encoder that the probe was fitted with"):
            probe.fit(*blobs).predict(np.zeros((2, 3)))
    with pytest.raises(UserError, match="l2_grid"):
        LinearProbe(l2_grid=()).fit(*blobs)
    with pytest.raises(UserError, match="n_neighbors"):
        KNNProbe(0).fit(*blobs)


NEGATIVE = "negative labels mean unlabelled images here and are refused; the check uses -1 as a class"
NOT_APPLICABLE = {"check_classifiers_classes": NEGATIVE}


@parametrize_with_checks(
    [LinearProbe(), KNNProbe(), KNNProbe(metric="euclidean")], expected_failed_checks=lambda probe: NOT_APPLICABLE
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_an_unfitted_probe_says_so_and_a_refusal_is_a_value_error(blobs):
    for probe in (LinearProbe(), KNNProbe()):
        with pytest.raises(NotFittedError):
            probe.predict(blobs[0])
        with pytest.raises(ValueError, match="of one class"):
            probe.fit(blobs[0], np.zeros(300, int))
        assert probe.fit(*blobs).n_features_in_ == 6


def test_two_classes_have_one_decision_value(blobs):
    h, y = blobs
    probe = LinearProbe().fit(h, y % 2)
    decision = probe.decision_function(h)
    assert decision.shape == (300,) and probe.predict_proba(h).shape == (300, 2)
    np.testing.assert_array_equal(probe.predict(h), (decision > 0).astype(int))
    np.testing.assert_allclose(probe.predict_proba(h)[:, 1], 1 / (1 + np.exp(-decision)), rtol=1e-6)
