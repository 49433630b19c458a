"""Refits as texts of an address, and as options of the command line."""

import shlex

import pytest

from sslviz.evaluation.maps import MAPS
from sslviz.ui import refits

REFITS = [
    refits.Refit("umap", 1, (15.0, 0.1)),
    refits.Refit("umap", 0, (200.0, 0.0)),
    refits.Refit("tsne", 9999, (2.0,)),
    refits.Refit("pca", 3, ()),
]


@pytest.mark.parametrize("refit", REFITS, ids=str)
def test_a_refit_comes_back_from_its_text(refit):
    assert refits.Refit.parse(str(refit)) == refit
    assert MAPS[refit.method].title in refit.title and f"seed {refit.seed}" in refit.title


@pytest.mark.parametrize(
    "text",
    ["", "umap", "umap,1", "umap,1,15", "umap,-1,15,0.1", "umap,1,1e9,0.1", "umap,1,nan,0.1", "isomap,1", "pca,1,2"],
)
def test_what_is_no_refit_is_refused(text):
    with pytest.raises((ValueError, KeyError)):
        refits.Refit.parse(text)


def test_the_title_says_what_differs_from_the_defaults():
    assert REFITS[0].title == "UMAP, seed 1"
    assert REFITS[1].title == "UMAP, neighbours 200, least distance 0, seed 0"


@pytest.mark.parametrize("refit", REFITS, ids=str)
def test_the_command_shown_is_one_that_the_command_line_takes(refit, monkeypatch, tmp_path):
    """The options are read back to the arguments that they were made of."""
    import numpy as np

    from sslviz import cli
    from sslviz.evaluation import maps

    asked = {}
    monkeypatch.setattr("sslviz.cli.maps.encoded", lambda *a, **k: (np.eye(20, 4), _Images(), _Model()))
    real = maps.fit_map

    def fit_map(h, method, seed, **settings):
        asked.update(method=method, seed=seed, **settings)
        return real(h, "pca", seed)

    monkeypatch.setattr("sslviz.evaluation.maps.fit_map", fit_map)
    words = shlex.split(f"map a-model mnist --bundled {refits.options(refit.arguments())} --out {tmp_path / 'map.npz'}")
    assert cli.main(words) == 0
    assert asked == refit.arguments() | {"metric": "euclidean"}  # that of the method's h


class _Model:
    method = "vae"


class _Images:
    source = "20 images"

    @property
    def y(self):
        return _Labels()


class _Labels:
    def numpy(self):
        import numpy as np

        return np.zeros(20, int)
