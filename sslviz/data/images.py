"""Image data sets: names, splits, uint8 tensors, and where they come from.

A data set is known by its name ("mnist", "fashion_mnist", "cifar10") or, where the images are a person's own, by the
path of an `.npz` file (see `sslviz.data.npz`) or of a folder with one subfolder a class (see
`sslviz.data.imagefolder`). A name is looked up as `<name>.npz` in the data folder, where full copies live, then among
the bundled sets. Nothing is left out without `source` saying so.

torch is imported when images are loaded, not before: the app's first page only describes them.
"""

import difflib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sslviz.data import download, imagefolder, npz
from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.data.sampling import largest_class_share
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.paths import assets_dir, data_dir

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of a data set.

    Attributes:
        x: images (N, C, H, W), torch.uint8. Colour images lie in memory as their file has them, channels last, so
            flatten them with `flatten(1)` or `reshape`, not `view`.
        y: labels (N,), torch.int64, indices into `class_names`; all -1 where the images have no labels.
        class_names: () where the images have no labels.
        name: what `load_images` takes to load it again.
        split: "train" or "test".
        source: in words, where the images come from and how many there are.
    """

    x: "torch.Tensor"
    y: "torch.Tensor"
    class_names: tuple[str, ...]
    name: str
    split: str
    source: str

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.x.shape[1:])

    @property
    def largest_class_share(self) -> float:
        """Share of the most frequent class, in (0, 1]: the accuracy of always naming it. Labelled images only."""
        return largest_class_share(self.y.numpy())

    @property
    def labelled(self) -> bool:
        """Whether the images have labels; without, there is nothing to probe."""
        return bool(self.class_names)


@dataclass(frozen=True)
class Description:
    """What `load_images` would load, found without torch and without decompressing an image.

    `kind` is "full" (a copy in the data folder), "bundled" or "own"; `shape` is (C, H, W); `class_names` is () where
    the images have no labels; `source` covers both splits.
    """

    name: str
    title: str
    kind: Literal["full", "bundled", "own"]
    source: str
    n_train: int
    n_test: int
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    path: Path


def to_float(x: "torch.Tensor | np.ndarray") -> "torch.Tensor":
    """Images (N, C, H, W), uint8 in 0..255 or floats in [0, 1] -> float32 in [0, 1]: the one conversion there is.

    A float32 tensor comes back as it is, and arrays share their memory where it can be shared.
    """
    import torch

    if isinstance(x, np.ndarray):
        x = torch.from_numpy(x if x.flags.writeable and min(x.strides, default=0) >= 0 else x.copy())
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def load_images(name: str | os.PathLike, split: str, *, bundled: bool = False) -> ImageSet:
    """Load one split of a data set.

    Args:
        name: a key of `DATASETS`, or the path of own images. A known name is never taken for a path: write "./mnist".
        split: "train" or "test".
        bundled: pass over a full copy, for what was computed from the bundled images (embeddings, maps).

    Raises:
        UserError: unknown name or split; images missing, damaged or out of bounds.
    """
    if split not in npz.SPLITS:
        raise UserError(f"There is no split {split!r}: use train or test.")
    name, kind, path = _find(name, bundled=bundled)
    if kind == "own" and path.is_dir():
        layout = imagefolder.read_listing(path)
        x, y = imagefolder.read_images(layout, split)
    else:
        layout = _read_layout(name, kind, path)
        keys = (f"x_{split}", f"y_{split}")[: 2 if layout.class_names else 1]
        x, *labels = npz.read_arrays(path, *keys, remedy=_remedy(name, kind))
        y = labels[0].reshape(-1) if labels else np.full(len(x), -1)
    import torch

    x = torch.from_numpy(x)
    return ImageSet(
        x=x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2),  # (N, C, H, W), no copy
        y=torch.from_numpy(y.astype(np.int64, copy=False)),
        class_names=layout.class_names,
        name=name,
        split=split,
        source=_source(name, kind, path, layout, (split,)),
    )


def describe(name: str | os.PathLike, *, bundled: bool = False) -> Description:
    """Say what `load_images` would load; cheap enough for every page.

    Raises:
        UserError: as `load_images`, but for damage that only decompressing would show.
    """
    name, kind, path = _find(name, bundled=bundled)
    is_folder = kind == "own" and path.is_dir()
    layout = imagefolder.read_listing(path) if is_folder else _read_layout(name, kind, path)
    return Description(
        name=name,
        title=DATASETS[name].title if name in DATASETS else path.resolve().stem,
        kind=kind,
        source=_source(name, kind, path, layout, npz.SPLITS),
        n_train=layout.counts["train"],
        n_test=layout.counts["test"],
        shape=layout.shape,
        class_names=layout.class_names,
        path=path,
    )


def _find(name: str | os.PathLike, *, bundled: bool) -> tuple[str, Literal["full", "bundled", "own"], Path]:
    """Look a name up: full copy, bundled set, or a path."""
    name = os.fspath(name)
    name = ALIASES.get(name, name)
    if name in DATASETS:
        full, small = data_dir() / f"{name}.npz", assets_dir() / "data" / f"{name}.npz"
        if not bundled and os.path.exists(full):
            return name, "full", full
        if os.path.exists(small):
            return name, "bundled", small
        raise UserError(f"{DATASETS[name].title} is neither in {full} nor in {small}: run `sslviz data fetch {name}`.")
    path = Path(os.path.expanduser(name))
    if name and os.path.exists(path):  # unlike Path.exists, raises nothing
        return name, "own", path
    if path.suffix or len(path.parts) > 1:
        raise UserError(f"There is no file or folder {path}: check the path.")
    close = difflib.get_close_matches(name.lower().replace("-", "_"), DATASETS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use {', '.join(DATASETS)} or the path of your own images."
    raise UserError(f"There is no data set {name!r}: {hint}")


def _read_layout(name: str, kind: str, path: Path) -> npz.Layout:
    """Check a file; one that goes by a known name must hold what the name says."""
    layout = npz.read_layout(path, remedy=_remedy(name, kind))
    if kind == "own":
        return layout
    info = DATASETS[name]
    if layout.shape != info.shape or not 0 < len(layout.class_names) <= len(info.class_names):
        raise UserError(f"{path} does not hold {info.title}: {_remedy(name, kind)}")
    return npz.Layout(layout.counts, layout.shape, info.class_names)


def _remedy(name: str, kind: str) -> str:
    """What to do about a damaged file, by whose it is."""
    return {
        "full": f"delete it and run `sslviz data fetch {name}`.",
        "bundled": "install sslviz again.",
        "own": npz.SAVE_AGAIN,
    }[kind]


def _source(name: str, kind: str, path: Path, layout: npz.Layout | imagefolder.Listing, splits: Sequence[str]) -> str:
    """Say where images come from, and how many of the official ones they are."""
    counts = {split: layout.counts[split] for split in splits}
    if kind == "own":
        images = " and ".join(f"{n:,} {split}" for split, n in counts.items()) + " images"
        if isinstance(layout, imagefolder.Listing):
            return f"own folder {path.resolve().name}: {images}; {layout.rule}"
        return f"own file {path.name}: {images}"
    official = {"train": DATASETS[name].n_train, "test": DATASETS[name].n_test}
    if counts == {split: official[split] for split in splits}:
        what = "full copy in the data folder: all " if kind == "full" else "bundled, whole: all "
        return what + " and ".join(f"{n:,} {split}" for split, n in counts.items()) + " images"
    what = "partial copy in the data folder: " if kind == "full" else "bundled subset: "
    return what + " and ".join(f"{n:,} of {official[split]:,} {split}" for split, n in counts.items()) + " images"


# The download


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Download a full copy and keep it as `<name>.npz` in the data folder.

    The files, their mirrors and checksums are those of `torchvision.datasets`, which also unpacks them. Whatever goes
    wrong, nothing but a whole copy is left in the data folder; and nothing that is there already is overwritten.

    Args:
        name: a key of `DATASETS`.
        progress: called from this thread as the download goes, with the bytes so far and the bytes in all.

    Returns:
        The path of the copy; if there is a full one already, nothing is downloaded.

    Raises:
        UserError: unknown name, no network, no space, a folder that can't be written to, or another file in the way.
    """
    name = ALIASES.get(name, name)
    if name not in DATASETS:
        raise UserError(f"There is no data set {name!r} to fetch: use {', '.join(DATASETS)}.")
    info, target = DATASETS[name], data_dir()
    path = target / f"{name}.npz"
    if os.path.exists(path):
        counts = _read_layout(name, "full", path).counts
        if counts != {"train": info.n_train, "test": info.n_test}:
            raise UserError(f"{path} is a partial copy of {info.title}: move it away, then fetch again.")
        return path
    remedy = "set SSLVIZ_DATA to another folder."
    with writing(target, remedy=remedy):
        for left in target.glob(".fetch-*"):  # by a process that was killed
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)
        need = info.download_bytes + 2 * (info.n_train + info.n_test) * math.prod(info.shape)  # archive, unpacked, kept
        free = shutil.disk_usage(target).free
        if free < need:
            raise UserError(
                f"{info.title} needs {need / 2**20:,.0f} MiB while it is fetched and {target} has {free / 2**20:,.0f}: "
                f"free some space, or {remedy}"
            )
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target, ignore_cleanup_errors=True) as temporary:
            arrays = _download(name, Path(temporary), progress or (lambda done, total: None))
            whole = Path(temporary) / path.name
            npz.write(whole, arrays, remedy=remedy)  # not compressed: loads several times as fast
            whole.replace(path)
    return path


def _download(name: str, temporary: Path, progress: Callable[[int, int], None]) -> dict[str, np.ndarray]:
    """Download one data set's archives to where torchvision looks for them, and have it read them."""
    import torchvision

    info = DATASETS[name]
    source = getattr(torchvision.datasets, info.torchvision)
    if hasattr(source, "resources"):
        raw = temporary / info.torchvision / "raw"
        files = [(raw / file, [mirror + file for mirror in source.mirrors], md5) for file, md5 in source.resources]
    else:
        files = [(temporary / source.filename, [source.url], source.tgz_md5)]
    done = 0
    for path, urls, md5 in files:
        try:
            done += download.fetch_file(path, urls, md5, lambda n, done=done: progress(done + n, info.download_bytes))
        except download.DownloadError as error:
            raise UserError(
                f"{info.title} could not be downloaded ({error}): check the network and try again, "
                f"or put a {name}.npz in {data_dir()}."
            ) from None
    arrays = {}
    for split in npz.SPLITS:
        dataset = source(temporary, train=split == "train", download=True)
        arrays |= {
            f"x_{split}": np.asarray(dataset.data, np.uint8),
            f"y_{split}": np.asarray(dataset.targets, np.uint8),
        }
    return arrays
