"""Image datasets: names, splits, uint8 tensors, and where they come from.

A dataset is known by its name ("mnist", "fashion_mnist", "cifar10") or, where the images are a person's own, by the
path of an `.npz` file (see `sslviz.data.npz`) or of a folder with one subfolder a class (see
`sslviz.data.imagefolder`). A name is looked up as `<name>.npz` in the data folder, where full copies live, then among
the bundled sets (`<name>.npz`, or `<name>.webp.zip`). Nothing is left out without `source` saying so.

torch is imported when images are loaded, not before: the app's first page only describes them.
"""

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from sslviz.data import copies, imagefolder, npz, webp
from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.data.sampling import largest_class_share
from sslviz.errors import UserError
from sslviz.files import shown
from sslviz.paths import assets_dir, data_dir, expand

if TYPE_CHECKING:
    import torch


Kind = Literal["full", "bundled", "own"]
Pixels = TypeVar("Pixels", "np.ndarray", "torch.Tensor")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of a dataset.

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
        _, c, h, w = self.x.shape
        return c, h, w

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
    the images have no labels; `largest_class_share` is that of the test labels, None without; `source` covers both
    splits.
    """

    name: str
    title: str
    kind: Kind
    source: str
    n_train: int
    n_test: int
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    largest_class_share: float | None
    path: Path


def in_unit_range(x: Pixels) -> Pixels:
    """Images of any shape, uint8 in 0..255 or floats in [0, 1] -> float32 in [0, 1]: the one conversion there is.

    An array stays an array and a tensor a tensor, on its device; torch is not imported. What is float32 comes back as
    it is.
    """
    floats = x.astype(np.float32, copy=False) if isinstance(x, np.ndarray) else x.float()
    return floats / 255 if str(x.dtype).endswith("uint8") else floats


def to_float(x: "torch.Tensor | np.ndarray") -> "torch.Tensor":
    """Images (N, C, H, W) as a tensor of `in_unit_range`; arrays share their memory where it can be shared."""
    import torch

    if isinstance(x, np.ndarray):
        x = torch.from_numpy(x if x.flags.writeable and min(x.strides, default=0) >= 0 else x.copy())
    return in_unit_range(x)


def load_images(name: str | os.PathLike, split: str, *, bundled: bool = False) -> ImageSet:
    """Load one split of a dataset.

    Args:
        name: a key of `DATASETS`, or the path of own images. A known name is never taken for a path: write "./mnist".
        split: "train" or "test".
        bundled: pass over a full copy, for what was computed from the bundled images (embeddings, maps).

    Raises:
        UserError: unknown name or split; images missing, damaged, out of bounds, or more than the free memory takes.
    """
    found = _locate(name, bundled=bundled)
    x, y = found.read(split)
    source = found.source((split,)) + found.say_copies(split, x)
    import torch

    images = torch.from_numpy(x)
    return ImageSet(
        x=images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2),  # (N, C, H, W), no copy
        y=torch.from_numpy(y),
        class_names=found.layout.class_names,
        name=found.name,
        split=split,
        source=source,
    )


def load_arrays(name: str | os.PathLike, split: str, *, bundled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """As `load_images`, without torch and without a look for copies: x (N, C, H, W) uint8 and y (N,) int64.

    Raises:
        UserError: as `load_images`.
    """
    x, y = _locate(name, bundled=bundled).read(split)
    return _channels_first(x), y


def preview(name: str | os.PathLike, split: str, n: int, *, bundled: bool = False) -> np.ndarray:
    """The first n images of a split, (n, C, H, W) uint8, read without the others and without torch.

    Raises:
        UserError: as `load_images`.
    """
    return _channels_first(_locate(name, bundled=bundled).read(split, n)[0])


def _channels_first(x: np.ndarray) -> np.ndarray:
    """x (N, H, W) or (N, H, W, C) -> (N, C, H, W), no copy."""
    return x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)


def describe(name: str | os.PathLike, *, bundled: bool = False) -> Description:
    """Say what `load_images` would load; cheap enough for every page.

    Raises:
        UserError: as `load_images`, but for damage that only decompressing would show.
    """
    found = _locate(name, bundled=bundled)
    layout = found.layout
    return Description(
        name=found.name,
        title=DATASETS[found.name].title if found.name in DATASETS else shown(found.path.resolve().stem),
        kind=found.kind,
        source=found.source(npz.SPLITS),
        n_train=layout.counts["train"],
        n_test=layout.counts["test"],
        shape=layout.shape,
        class_names=layout.class_names,
        largest_class_share=layout.largest_class_share,
        path=found.path,
    )


def count_copies(name: str | os.PathLike) -> int:
    """How many test images of own images are copies of training images: both splits are read, a file block by block.

    Raises:
        UserError: as `load_images`.
    """
    return _locate(name, bundled=False).count_copies()


def write_without_copies(name: str | os.PathLike, out: Path) -> tuple[int, int]:
    """Write own images as an `.npz` whose test split lacks the images that are also among the training images.

    Args:
        name: path of own images, a file or a folder.
        out: the file to write.

    Returns:
        how many test images were left out, and how many stay.

    Raises:
        UserError: no own images, all test images are copies, or `out` can't be written to.
    """
    found = _locate(name, bundled=False)
    if found.kind != "own":
        raise UserError(f"{DATASETS[found.name].title} is kept as it was published: name own images.")
    sets = {split: found.read(split) for split in npz.SPLITS}
    digests = {split: copies.digests([x]) for split, (x, _) in sets.items()}
    left_out = copies.find_copies(digests["train"], digests["test"])
    x, y = sets["test"]
    if len(left_out) == len(x):
        raise UserError(f"All {len(x):,} test images of {found.file} are copies of training images: bring other ones.")
    sets["test"] = np.delete(x, left_out, axis=0), np.delete(y, left_out)
    arrays: dict[str, np.ndarray] = {}
    for split, (x, y) in sets.items():
        arrays |= {f"x_{split}": x} | ({f"y_{split}": y} if found.layout.class_names else {})
    if found.layout.class_names:
        arrays["class_names"] = np.array(found.layout.class_names)
    npz.write(out, arrays, compress=True)
    return len(left_out), len(sets["test"][0])


@dataclass(frozen=True)
class _Located:
    """A dataset that was looked up: where it is, whose it is, and its checked layout."""

    name: str
    kind: Kind
    path: Path
    layout: npz.Layout | imagefolder.Listing

    @property
    def file(self) -> str:
        """What people call it: the name of its file or folder."""
        return shown(self.path.resolve().name if self.path.is_dir() else self.path.name)

    @property
    def _signature(self) -> str:
        if isinstance(self.layout, imagefolder.Listing):
            return self.layout.signature
        about = os.stat(self.path)
        return f"{self.path} {about.st_size} {about.st_mtime_ns}"

    def read(self, split: str, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """x (N, H, W) or (N, H, W, C) uint8 and y (N,) int64, -1 without labels; of the first n images, or of all."""
        if split not in npz.SPLITS:
            raise UserError(f"There is no split {split!r}: use train or test.")
        if isinstance(self.layout, imagefolder.Listing):
            return imagefolder.read_images(self.layout, split, n)
        keys, remedy = (
            (f"x_{split}", f"y_{split}")[: 2 if self.layout.class_names else 1],
            _remedy(self.name, self.kind),
        )
        reader = npz if self.kind == "own" else _reader(self.path)
        if n is None:
            x, *labels = reader.read_arrays(self.path, *keys, remedy=remedy)
        else:
            x, *labels = (reader.read_rows(self.path, key, n, remedy=remedy) for key in keys)
        y = labels[0].reshape(-1).astype(np.int64, copy=False) if labels else np.full(len(x), -1)
        return x, y

    def source(self, splits: Sequence[str]) -> str:
        """Say where images come from, and how many of the official ones they are."""
        counts = {split: self.layout.counts[split] for split in splits}
        listed = " and ".join(f"{n:,} {split}" for split, n in counts.items()) + " images"
        if isinstance(self.layout, imagefolder.Listing):
            return f"own folder {self.file}: {listed}; {self.layout.rule}"
        if self.kind == "own":
            return f"own file {self.file}: {listed}"
        info = DATASETS[self.name]
        official = {"train": info.n_train, "test": info.n_test}
        if counts == {split: official[split] for split in splits}:
            return ("full copy in the data folder: all " if self.kind == "full" else "bundled, whole: all ") + listed
        what = "partial copy in the data folder: " if self.kind == "full" else "bundled subset: "
        return what + " and ".join(f"{n:,} of {official[s]:,} {s}" for s, n in counts.items()) + " images"

    def count_copies(self, split: str = "", x: np.ndarray | None = None) -> int:
        """How many test images are copies of training images; x, where it is given, are the images of `split`."""
        return len(copies.find_copies(*(self._digests(part, x if part == split else None) for part in npz.SPLITS)))

    def say_copies(self, split: str, x: np.ndarray) -> str:
        """Of own images: how many test images are copies of training images, "" where none is; x is of `split`."""
        n = self.count_copies(split, x) if self.kind == "own" else 0
        if not n:
            return ""
        are = "is a copy of a training image" if n == 1 else "are copies of training images"
        return f"; {n:,} of its {self.layout.counts['test']:,} test images {are}: `sslviz data clean` leaves copies out"

    def _digests(self, split: str, x: np.ndarray | None) -> np.ndarray:
        """Hashes of a split's pixels; those of the splits read last are kept, and a file is read block by block."""
        key = (self._signature, split)
        if key not in _seen_digests:
            if x is not None:
                blocks: Iterable[np.ndarray] = [x]
            elif isinstance(self.layout, imagefolder.Listing):
                blocks = [imagefolder.read_images(self.layout, split)[0]]
            else:
                blocks = npz.iter_blocks(self.path, f"x_{split}")
            found = copies.digests(blocks)
            while len(_seen_digests) > 3:
                _seen_digests.pop(next(iter(_seen_digests)), None)
            _seen_digests[key] = found
        return _seen_digests[key]


_seen_digests: dict[tuple[str, str], np.ndarray] = {}


def _locate(name: str | os.PathLike, *, bundled: bool) -> _Located:
    """Look a name up (full copy, bundled set, or a path) and check what is there without reading an image."""
    name, kind, path = _find(name, bundled=bundled)
    if kind == "own" and path.is_dir():
        return _Located(name, kind, path, imagefolder.read_listing(path))
    return _Located(name, kind, path, _read_layout(name, kind, path))


def _find(name: str | os.PathLike, *, bundled: bool) -> tuple[str, Kind, Path]:
    name = os.fspath(name)
    name = ALIASES.get(name, name)
    if name in DATASETS:
        full = data_dir() / f"{name}.npz"
        if not bundled and os.path.exists(full):
            return name, "full", full
        for suffix in (".npz", webp.SUFFIX):
            if os.path.exists(small := assets_dir() / "data" / f"{name}{suffix}"):
                return name, "bundled", small
        raise UserError(
            f"{DATASETS[name].title} is neither in the data folder nor bundled: run `sslviz data fetch {name}`."
        )
    path = expand(name)
    if name and os.path.exists(path):  # unlike Path.exists, raises nothing
        return name, "own", path
    if path.suffix or len(path.parts) > 1:
        raise UserError(f"There is no file or folder {shown(path)}: check the path.")
    close = difflib.get_close_matches(name.lower().replace("-", "_"), DATASETS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use {', '.join(DATASETS)} or the path of your own images."
    raise UserError(f"There is no dataset “{shown(name)}”: {hint}")


def _reader(path: Path) -> Any:
    """The module that reads a file of images: `npz`, or `webp` for what is bundled so."""
    return webp if path.name.endswith(webp.SUFFIX) else npz


def _read_layout(name: str, kind: Kind, path: Path) -> npz.Layout:
    """Check a file; one that goes by a known name must hold what the name says."""
    layout = (npz if kind == "own" else _reader(path)).read_layout(path, remedy=_remedy(name, kind))
    if kind == "own":
        return layout
    info = DATASETS[name]
    if layout.shape != info.shape or not 0 < len(layout.class_names) <= len(info.class_names):
        where = " in the data folder" if kind == "full" else ""
        raise UserError(f"{path.name}{where} does not hold {info.title}: {_remedy(name, kind)}")
    return replace(layout, class_names=info.class_names)


def _remedy(name: str, kind: Kind) -> str:
    """What to do about a damaged file, by whose it is."""
    return {
        "full": f"delete it and run `sslviz data fetch {name}`.",
        "bundled": "install sslviz again.",
        "own": npz.SAVE_AGAIN,
    }[kind]
