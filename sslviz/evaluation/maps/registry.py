"""The maps that there are. An entry here and a file beside it make a map; pages, command line and store loop over MAPS.

The file is named as the entry and has a function `estimator(*, seed, n_components, metric, **settings)`, which returns
an unfitted scikit-learn estimator with `fit_transform`, and with `transform` where the method can place new rows. It
imports its library inside that function: this module is read before anything is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A number that a map takes: its argument, a word or two, a title, bounds, default and step of a form."""

    name: str
    words: str
    title: str
    low: float
    high: float
    default: float
    step: float


@dataclass(frozen=True)
class MapInfo:
    """What is known of a map without fitting it.

    Attributes:
        title: for people.
        reads: what to read off it, and what not; one sentence.
        paper: where it comes from.
        again: whether the same command gives the same map.
        settings: its numbers, besides the seed.
        least_rows: of h; fewer are refused.
        places_new_rows: whether a fitted map has `transform`.
        seconds: of a fit of 1,000 rows on one core, its library's import and compilation left out; and those.
    """

    title: str
    reads: str
    paper: str
    again: str
    settings: tuple[Setting, ...] = ()
    least_rows: int = 1
    places_new_rows: bool = True
    seconds: tuple[float, float] = (0.1, 1.0)

    def expected_seconds(self, n: int) -> float:
        """About how long a fit of n rows takes in a new process, on one core."""
        return self.seconds[0] * n / 1000 + self.seconds[1]


AMPLIFIED = (
    "the same map comes out on the same machine and libraries; elsewhere sums differ in their last digits, and the "
    "layout amplifies that, so that neighbourhoods agree and places don't"
)
MAPS: dict[str, MapInfo] = {
    "umap": MapInfo(
        title="UMAP",
        reads="neighbourhoods; distances between clusters mean little",
        paper="McInnes et al. 2018, arXiv:1802.03426",
        again=AMPLIFIED,
        settings=(
            Setting("n_neighbors", "neighbours", "Neighbours: few show detail, many the whole", 2, 200, 15, 5),
            Setting("min_dist", "least distance", "Least distance of points on the map", 0.0, 1.0, 0.1, 0.05),
        ),
        least_rows=8,
        seconds=(2.0, 22.0),
    ),
    "pca": MapInfo(
        title="PCA",
        reads="the two directions of largest variance; what differs in others only lies on top of each other",
        paper="Pearson 1901; Hotelling 1933",
        again="the same map comes out on any machine, up to rounding",
    ),
    "tsne": MapInfo(
        title="t-SNE",
        reads="neighbourhoods; sizes of clusters and distances between them mean nothing",
        paper="van der Maaten and Hinton 2008, JMLR 9",
        again=AMPLIFIED,
        settings=(Setting("perplexity", "perplexity", "Perplexity: about as many neighbours as count", 2, 200, 30, 5),),
        least_rows=8,
        places_new_rows=False,
        seconds=(4.0, 3.0),
    ),
}


def maps_for(n: int) -> tuple[str, ...]:
    """The maps that n rows are enough for, quick ones first."""
    return tuple(sorted((m for m in MAPS if n >= MAPS[m].least_rows), key=lambda m: MAPS[m].expected_seconds(n)))
