"""How long the bound of all images would take is told from a few of them, on a server that is still busy too."""

import numpy as np
import pytest

from sslviz.ui import decoding


class Slow:
    """A model whose clock runs: so much an image, and more in its first calls, while other things are being loaded."""

    def __init__(self, an_image: float, busy: list[float]) -> None:
        self.now, self.an_image, self.busy, self.calls = 0.0, an_image, busy, []

    def bound(self, x, *, seed: int) -> None:
        self.calls.append(len(x))
        self.now += len(x) * self.an_image + (self.busy.pop(0) if self.busy else 0.0)


@pytest.mark.parametrize(
    ("an_image", "busy", "expected", "most"),
    [(1e-5, [], 0.1, 400), (1e-5, [2.0, 0.3, 0.2, 0.1], 0.1, 400), (0.05, [], 500.0, 4)],
)
def test_what_a_busy_start_costs_is_not_taken_for_the_images_cost(monkeypatch, an_image, busy, expected, most):
    model = Slow(an_image, list(busy))
    monkeypatch.setattr(decoding.time, "perf_counter", lambda: model.now)
    x = np.zeros((10_000, 1, 2, 2), np.uint8)
    assert decoding._timed(("test", an_image, *busy), model, x) == pytest.approx(expected)
    assert max(model.calls) == most  # a slow model is not timed on many images
