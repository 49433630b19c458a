"""`sslviz embed` and `sslviz map`: representations and their maps as files."""

from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from sslviz.cli.inputs import encoded
from sslviz.cli.output import answer
from sslviz.evaluation.maps.registry import MAPS
from sslviz.methods.registry import METHODS


def embed(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    out: Path,
    split: Literal["train", "test"] = "test",
    bundled: bool = False,
    json: bool = False,
) -> None:
    """Write the representations h of a dataset's images to an .npz file (h, y).

    Args:
        checkpoint: a model's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        out: the file to write.
        split: which images.
        bundled: take the bundled images where there is a full copy too.
        json: print one JSON object.
    """
    from sslviz.data import npz

    h, images, _ = encoded(checkpoint, dataset, split, bundled=bundled)
    npz.write(out, {"h": h, "y": images.y.numpy()})
    result = {"path": str(out), "model": checkpoint, "dataset": dataset, "split": split, "shape": list(h.shape)}
    answer(result, json, lambda: print(f"{out}: h {h.shape[0]:,} x {h.shape[1]} ({images.source})"))


def map_(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    out: Path,
    method: Literal[tuple(MAPS)] = "umap",  # type: ignore[valid-type]
    split: Literal["train", "test"] = "test",
    seed: int = 0,
    settings: tuple[tuple[str, float], ...] = (),
    bundled: bool = False,
    json: bool = False,
) -> None:
    """Write a 2-D map of a dataset's representations to an .npz file (xy, y).

    Neighbours in h are those by the metric that suits the model's h, cosine or distance.

    Args:
        checkpoint: a model's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        out: the file to write.
        method: how h is laid out.
        split: which images.
        seed: of the map, where it is drawn at random.
        settings: names and values, such as `n_neighbors 30 min_dist 0.5` of umap or `perplexity 50` of tsne.
        bundled: take the bundled images where there is a full copy too, as the maps stored beside a model do.
        json: print one JSON object.
    """
    from sslviz.data import npz
    from sslviz.evaluation.maps import fit_map

    h, images, model = encoded(checkpoint, dataset, split, bundled=bundled)
    chosen: dict[str, Any] = dict(settings)
    found = fit_map(h, method, seed, metric=METHODS[model.method].metric, **chosen)
    npz.write(out, {"xy": found.xy, "y": images.y.numpy()})
    result = {"path": str(out), "model": checkpoint, "dataset": dataset, "split": split, "method": method}
    result |= {"n": len(h), "trustworthiness": found.trustworthiness, "trustworthiness_n": found.quality.n}
    result |= {"trustworthiness_k": found.quality.k, "neighbours_kept": found.neighbours_kept, "seed": seed}
    result |= {"note": found.quality.note, "settings": found.params, "source": images.source}
    answer(result, json, lambda: print(f"{out}: {MAPS[method].title} of h ({images.source}); {found.quality}"))
