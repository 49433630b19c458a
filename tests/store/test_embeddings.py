"""What is stored of the bundled test images comes back, and says what it is."""

import numpy as np
import pytest

from sslviz.errors import UserError
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.store import embeddings
from sslviz.store.checkpoint import build, save

SMALL = SimCLRConfig(EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2), pool=1), hidden=8, dim=4)
RESULTS = {
    "linear_probe": 0.9,
    "knn": 0.8,
    "protocol": {
        "train_source": "all 60,000", "n_train": 60_000, "n_test": 10_000, "seed": 3, "linear": "logistic", "knn": "20",
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return save(build("simclr", SMALL, seed=0), tmp_path / "m", card={"dataset": "mnist", "results": RESULTS})


@pytest.mark.parametrize(("width", "levels", "kept"), [(32, 256, 0.97), (512, 32, 0.8)])
def test_embeddings_keep_their_neighbours(folder, width, levels, kept):
    rng = np.random.default_rng(0)  # heavier tails than an encoder has, so fewer neighbours stay
    h = (rng.gamma(0.5, size=(300, 8)) @ rng.gamma(0.5, size=(8, width))).astype(np.float32)
    assert embeddings.load_embeddings(folder) is None
    embeddings.save_embeddings(folder, h, pca_xy=h[:, :2], pca_trustworthiness=np.float32(0.9))
    found = embeddings.load_embeddings(folder)
    assert found["h"].dtype == np.float32
    assert np.abs(found["h"] - h).max() <= (h.max(0) - h.min(0)).max() / (levels - 1)
    np.testing.assert_array_equal(found["pca_xy"], h[:, :2])

    def nearest(a):
        unit = a / np.linalg.norm(a, axis=1, keepdims=True)
        return (unit @ unit.T - 2 * np.eye(len(a))).argmax(1)

    assert (nearest(found["h"]) == nearest(h)).mean() > kept
    (folder / embeddings.EMBEDDINGS).write_bytes(b"PK broken")
    with pytest.raises(UserError, match="can't be read"):
        embeddings.load_embeddings(folder)


def test_predictions_come_with_the_protocol_of_their_probe(folder):
    h, y_pred = np.ones((5, 3), np.float32), np.array([0, 1, 2, 1, 9], np.uint8)
    assert embeddings.load_predictions(folder) == {}
    embeddings.save_embeddings(folder, h)
    assert embeddings.load_predictions(folder) == {}
    embeddings.save_embeddings(folder, h, y_pred_linear=y_pred, y_pred_knn=y_pred[::-1])
    found = embeddings.load_predictions(folder)
    assert list(found) == ["linear", "knn"]
    assert [(p.probe, p.accuracy, p.about) for p in found.values()] == [
        ("linear", 0.9, "logistic"), ("knn", 0.8, "20")
    ]  # fmt: skip
    assert {(p.n_train, p.n_test, p.seed, p.train_source) for p in found.values()} == {
        (60_000, 10_000, 3, "all 60,000")
    }
    np.testing.assert_array_equal(found["linear"].y_pred, y_pred)
    np.testing.assert_array_equal(found["knn"].y_pred, y_pred[::-1])
    (folder / embeddings.EMBEDDINGS).write_bytes(b"PK broken")
    with pytest.raises(UserError, match="can't be read"):
        embeddings.load_predictions(folder)
