"""Arrays in, figures out: Plotly figures, PNG mosaics and the numbers written on them.

Nothing here shows anything, and nothing here knows torch or streamlit: every function takes what `np.asarray`
takes (a CPU tensor included) and works in a notebook as it does on a page.
"""

from sslviz.plots.bars import plot_accuracy, plot_counts
from sslviz.plots.curves import plot_curves, plot_losses, plot_paths, plot_queue
from sslviz.plots.evidence import (
    plot_calibration,
    plot_compute,
    plot_efficiency,
    plot_grid,
    plot_ladder,
    plot_moments,
    plot_ranks,
)
from sslviz.plots.images import (
    data_uri,
    mosaic,
    pixels,
    plot_images,
    plot_reconstructions,
    plot_traversal,
    plot_vector,
    png,
    undecided,
)
from sslviz.plots.language import (
    plot_attention_arcs,
    plot_attention_matrix,
    plot_heads,
    plot_lens,
    plot_predictions,
    plot_sentence_share,
)
from sslviz.plots.maps import aligned, class_anchors, plot_map, spread
from sslviz.plots.matrices import cell_colours, plot_confusion, plot_similarity
from sslviz.plots.spaces import plot_cosines, plot_posteriors, plot_spectra, plot_sphere
from sslviz.plots.theme import (
    BASELINE_GREY,
    GRID_GREY,
    INK,
    MODE_BAR,
    PETROFF,
    class_colour,
    in_ink,
    nats,
    percent,
    percent_interval,
    seconds,
    share,
    without_title,
)

__all__ = [
    "BASELINE_GREY",
    "GRID_GREY",
    "INK",
    "MODE_BAR",
    "PETROFF",
    "aligned",
    "cell_colours",
    "class_anchors",
    "class_colour",
    "data_uri",
    "in_ink",
    "mosaic",
    "nats",
    "percent",
    "percent_interval",
    "pixels",
    "plot_accuracy",
    "plot_attention_arcs",
    "plot_attention_matrix",
    "plot_calibration",
    "plot_compute",
    "plot_confusion",
    "plot_cosines",
    "plot_counts",
    "plot_curves",
    "plot_efficiency",
    "plot_grid",
    "plot_heads",
    "plot_images",
    "plot_ladder",
    "plot_lens",
    "plot_losses",
    "plot_map",
    "plot_moments",
    "plot_paths",
    "plot_posteriors",
    "plot_predictions",
    "plot_queue",
    "plot_ranks",
    "plot_reconstructions",
    "plot_sentence_share",
    "plot_similarity",
    "plot_spectra",
    "plot_sphere",
    "plot_traversal",
    "plot_vector",
    "png",
    "seconds",
    "share",
    "spread",
    "undecided",
    "without_title",
]
