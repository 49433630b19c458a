"""A person's own pictures: a folder with one subfolder a class, as uint8 arrays of one shape.

Pictures are cut to their central square and resized: to 28 x 28 grey if every file is stored as grey (as MNIST is),
else to 32 x 32 colour (as CIFAR-10 is). Transparent parts become white. If the folder has just the subfolders `train`
and `test`, they are the splits; else a fifth of each class, chosen by a hash of its files' names, is the test set: the
same on every machine, and nearly the same after pictures are added.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sslviz.data import npz
from sslviz.errors import UserError

FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "BMP": (".bmp",), "GIF": (".gif",), "WEBP": (".webp",)}
FORMATS |= {"TIFF": (".tif", ".tiff"), "PPM": (".ppm", ".pgm")}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B"})
GREY_SIDE, COLOUR_SIDE = 28, 32  # pixels
TEST_FRACTION = 0.2  # of each class
MAX_FILES = 200_000
MAX_PIXELS = 80_000_000  # of one picture


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, found but not read.

    `files` gives by split the pictures' paths with their labels, classes mixed; `n_other` is the number of files left
    out because they are not pictures; `split_by_folder` says whether the folder came with its own `train` and `test`.
    """

    files: dict[str, list[tuple[Path, int]]]
    class_names: tuple[str, ...]
    colour: bool
    n_other: int
    split_by_folder: bool

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by split."""
        return {split: len(files) for split, files in self.files.items()}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture once read."""
        return (3, COLOUR_SIDE, COLOUR_SIDE) if self.colour else (1, GREY_SIDE, GREY_SIDE)

    @property
    def rule(self) -> str:
        """In words, what is done to the pictures and how they are split."""
        split = "its own split" if self.split_by_folder else "a fifth of each class, by file name, is the test set"
        cut = f"central squares, resized to {self.shape[1]} x {self.shape[2]} {'colour' if self.colour else 'grey'}"
        others = "1 file that is no picture" if self.n_other == 1 else f"{self.n_other:,} files that are no pictures"
        left_out = f"; {others} left out" if self.n_other else ""
        return f"{split}; {cut}{left_out}"


def read_listing(folder: Path) -> Listing:
    """Find the pictures of a folder and split them; of the files only the first bytes are read.

    Raises:
        UserError: fewer than two classes, a class too small to split, too many files, or a broken picture.
    """
    try:
        names = _subfolders(folder)
        split_by_folder = sorted(names) == ["test", "train"]
        names = _subfolders(folder / "train") if split_by_folder else names
        if split_by_folder and names != _subfolders(folder / "test"):
            raise UserError(f"The subfolders of train and test in {folder} differ: give both the same classes.")
        _check_classes(folder, names)
        files: dict[str, list[tuple[Path, int]]] = {split: [] for split in npz.SPLITS}
        n_files = n_pictures = 0
        for label, name in enumerate(names):
            if split_by_folder:
                found = {split: _pictures(folder / split / name, room=MAX_FILES - n_files) for split in npz.SPLITS}
                parts = {split: pictures for split, (pictures, _) in found.items()}
                n_files += sum(n for _, n in found.values())
            else:
                pictures, n = _pictures(folder / name, room=MAX_FILES - n_files)
                parts = _split(folder / name, pictures)
                n_files += n
            for split, part in parts.items():
                files[split] += [(path, label) for path in part]
                n_pictures += len(part)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({error.strerror}): check its permissions."
        ) from None
    for part in files.values():
        part.sort(key=lambda item: _hash(item[0].relative_to(folder)))
    colour = any(not _is_grey(path) for part in files.values() for path, _ in part)
    return Listing(files, tuple(names), colour, n_files - n_pictures, split_by_folder)


def read_images(listing: Listing, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one split: x (N, H, W) or (N, H, W, 3) uint8, and y (N,) int64.

    Raises:
        UserError: a broken picture, by name.
    """
    files = listing.files[split]
    side = listing.shape[1]
    x = np.empty((len(files), side, side, 3) if listing.colour else (len(files), side, side), np.uint8)
    for i, (path, _) in enumerate(files):
        x[i] = read_picture(path, side=side, colour=listing.colour)
    return x, np.array([label for _, label in files], np.int64)


def read_picture(path: Path, *, side: int, colour: bool) -> np.ndarray:
    """Read one picture as (side, side) or (side, side, 3) uint8.

    Raises:
        UserError: not a picture, broken, or too large.
    """
    image = _open(path)
    try:
        image.draft(None, (4 * side, 4 * side))  # lets a large JPEG be decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits
            image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        image = image.convert("RGB" if colour else "L")
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0))
    except Exception as error:
        raise _broken(path, error) from None
    finally:
        image.close()


def _open(path: Path) -> Image.Image:
    """Open a picture by its first bytes, which give its mode and size."""
    try:
        image = Image.open(path, formats=tuple(FORMATS))
    except Exception as error:
        raise _broken(path, error) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise UserError(f"{path} has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller.")
    return image


def _is_grey(path: Path) -> bool:
    with _open(path) as image:
        return image.mode in GREY_MODES


def _broken(path: Path, error: Exception) -> UserError:
    reason = (
        str(error).splitlines()[0] if isinstance(error, OSError) and not error.filename and str(error) else "broken"
    )
    return UserError(f"{path} cannot be read as a picture ({reason.rstrip('.')}): replace it or take it out.")


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _check_classes(folder: Path, names: list[str]) -> None:
    if len(names) < 2:
        has = f"only {names[0]}" if names else "none"
        raise UserError(
            f"{folder} needs a subfolder for each of at least two classes and has {has}: sort the pictures."
        )
    if len(names) > npz.MAX_CLASSES:
        raise UserError(f"{folder} has {len(names):,} subfolders: keep to {npz.MAX_CLASSES:,} classes.")


def _pictures(folder: Path, *, room: int) -> tuple[list[Path], int]:
    """The pictures in a folder and below, and the number of files seen; hidden files and folders are not looked at."""
    pictures, n_files = [], 0
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        names = [name for name in names if not name.startswith(".")]
        n_files += len(names)
        if n_files > room:
            raise UserError(f"{folder.parent} has more than {MAX_FILES:,} files: make it an .npz or keep fewer.")
        pictures += [Path(parent, name) for name in names if Path(name).suffix.lower() in SUFFIXES]
    if not pictures:
        raise UserError(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}): add some or remove the folder.")
    return pictures, n_files


def _split(folder: Path, pictures: list[Path]) -> dict[str, list[Path]]:
    """Set a fifth of a class aside for testing, at least one picture."""
    if len(pictures) < 2:
        raise UserError(f"{folder} has one picture: add another, so that there is one to train on and one to test.")
    pictures = sorted(pictures, key=lambda path: _hash(path.relative_to(folder.parent)))
    n_test = max(1, round(TEST_FRACTION * len(pictures)))
    return {"train": pictures[n_test:], "test": pictures[:n_test]}


def _hash(path: Path) -> bytes:
    return hashlib.sha256(path.as_posix().encode(errors="surrogateescape")).digest()
