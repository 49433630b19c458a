"""The bundled datasets: how they are drawn from full copies, and the cards that say so."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sslviz.data import npz, webp
from sslviz.data.catalog import DATASETS
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError

SEED = 0
COMMAND = "sslviz data bundle"
NPZ_FORMAT = "x_train, x_test uint8 (N, H, W); y_train, y_test uint8 (N,); pixels unchanged"
WEBP_FORMAT = (
    f"zip: x_train-0000.webp and on, {webp.PART} images each, one below the other, lossless; y_train.npy uint8 (N,); "
    "the same for test; pixels unchanged"
)


def bundle(source_dir: Path, out_dir: Path, *, progress: Callable[[str], None] | None = None) -> list[Path]:
    """Draw the bundled sets from full copies: `<name>.npz`, of colour images `<name>.webp.zip`, and a card each.

    The same full copies give the same arrays, and with the same versions of zlib and libwebp the same bytes.

    Args:
        source_dir: folder of full copies `<name>.npz`, as `sslviz.data.download.fetch` keeps them.
        out_dir: folder to write to.
        progress: called with the name of each set before it is drawn.

    Returns:
        The paths of the sets.

    Raises:
        UserError: a full copy is missing, damaged or not full, or `out_dir` can't be written to.
    """
    paths = []
    for name in DATASETS:
        if progress is not None:
            progress(name)
        arrays = _draw(name, Path(source_dir) / f"{name}.npz")
        colour = DATASETS[name].channels == 3
        path = Path(out_dir) / f"{name}{webp.SUFFIX if colour else '.npz'}"
        if colour:
            webp.write(path, arrays)
        else:
            npz.write(path, arrays, compress=True)
        card = json.dumps(_card(name, arrays, path.read_bytes()), indent=2, ensure_ascii=False) + "\n"
        npz.write_bytes(path.parent / f"{name}.json", card.encode())
        paths.append(path)
    return paths


def _draw(name: str, path: Path) -> dict[str, np.ndarray]:
    """The arrays of one bundled set."""
    info = DATASETS[name]
    if not path.is_file():
        raise UserError(f"There is no {path}: fetch it with `sslviz data fetch {name}` or name the folder that has it.")
    counts = npz.read_layout(path).counts
    if counts != {"train": info.n_train, "test": info.n_test}:
        raise UserError(f"{path} is not a full copy of {info.title}: delete it and run `sslviz data fetch {name}`.")
    arrays: dict[str, np.ndarray] = {}
    for split, n in zip(npz.SPLITS, info.bundled or (None, None), strict=True):
        x, y = npz.read_arrays(path, f"x_{split}", f"y_{split}")
        y = y.reshape(-1).astype(np.uint8)
        kept = slice(None) if n is None else stratified_sample(y, n, seed=SEED)
        arrays |= {f"x_{split}": x[kept], f"y_{split}": y[kept]}
    return arrays


def _card(name: str, arrays: dict[str, np.ndarray], content: bytes) -> dict:
    """What a bundled set is, whose it is, and how it was drawn."""
    info = DATASETS[name]
    rule = (
        "From the official training set and, apart from it, the official test set: of each class the same number of "
        f"images, drawn without replacement by numpy.random.default_rng({SEED}), kept in their official order."
    )
    return {
        "name": name,
        "title": info.title,
        "authors": info.authors,
        "source": info.home,
        "licence": info.licence,
        "citation": info.citation,
        "drawn": rule if info.bundled else "Whole, in its official order.",
        "seed": SEED if info.bundled else None,
        "n_train": len(arrays["x_train"]),
        "n_test": len(arrays["x_test"]),
        "official": {"n_train": info.n_train, "n_test": info.n_test},
        "shape": list(info.shape),
        "class_names": list(info.class_names),
        "format": WEBP_FORMAT if info.channels == 3 else NPZ_FORMAT,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "command": COMMAND,
    }
