"""Ways between points have their ends, equal steps or equal angles, and stand what is degenerate."""

import numpy as np
import pytest

from sslviz.errors import InputError
from sslviz.evaluation.paths import spherical, straight


def test_a_straight_way_has_its_ends_and_equal_steps():
    a, b = np.random.default_rng(0).normal(size=(2, 1, 4, 4))
    way = straight(a, b, 5)
    np.testing.assert_allclose(way[[0, -1]], [a, b])
    np.testing.assert_allclose(np.diff(way, axis=0), np.tile((b - a) / 4, (4, 1, 1, 1)))


def test_a_spherical_way_turns_by_equal_angles_and_keeps_a_common_length():
    a, b = np.array([2.0, 0, 0]), np.array([0, 2.0, 0])
    way = spherical(a, b, 4)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2)
    angles = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(angles, [0, 30, 60, 90], atol=1e-9)
    a, b = np.random.default_rng(0).normal(size=(2, 7))
    np.testing.assert_allclose(spherical(a, b, 3)[[0, -1]], [a, b])


def test_points_on_one_line_through_the_origin_are_joined_straight():
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(spherical(a, 3 * a, 3), straight(a, 3 * a, 3))
    np.testing.assert_allclose(spherical(a, -a, 3), [a, [0, 0], -a], atol=1e-12)
    np.testing.assert_allclose(spherical(0 * a, a, 3), [0 * a, a / 2, a])


def test_shapes_that_differ_are_refused():
    with pytest.raises(InputError, match="one shape"):
        straight(np.zeros(2), np.zeros(3), 3)
