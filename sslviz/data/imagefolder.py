"""A person's own pictures: a folder with one subfolder a class, as uint8 arrays of one shape.

Pictures are cut to their central square and resized: to 28 x 28 grey if every file is stored as grey (as MNIST is),
else to 32 x 32 colour (as CIFAR-10 is). Transparent parts become white. Grey pictures of 16 or 32 bits and of floats
are scaled by one rule for the whole folder (`white_levels`). A folder without subfolders has no labels.

Where the subfolders are splits (train and test, by any of the names in `SPLIT_NAMES`), they are taken as such; else a
fifth of each class, chosen by a hash of its files' names, is the test set: the same on every machine, and nearly the
same after pictures are added. Messages name a picture by its folder and file, not by where they lie.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sslviz.data import npz
from sslviz.data.sampling import largest_class_share
from sslviz.errors import UserError
from sslviz.files import shown

FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "BMP": (".bmp",), "GIF": (".gif",), "WEBP": (".webp",)}
FORMATS |= {"TIFF": (".tif", ".tiff"), "PPM": (".ppm", ".pgm")}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
SPLIT_NAMES = {
    "train": ("train", "training", "trainset", "train_set"),
    "test": ("test", "testing", "testset", "test_set"),
    "val": ("val", "valid", "validation", "valset", "val_set"),
}
# folders that programs make beside pictures: of Synology, macOS archives, Windows, QNAP; "." and "@" begin others
JUNK = frozenset({"__macosx", "$recycle.bin", "#recycle", "system volume information", "thumbnails", "thumbs"})
DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})  # more than 8 bits a pixel
GREY_MODES = frozenset({"1", "L", "LA", "La"}) | DEEP_MODES
LEVELS = (255, 1_023, 4_095, 16_383, 65_535)  # the largest values of 8, 10, 12, 14 and 16 bits
GREY_SIDE, COLOUR_SIDE = 28, 32  # pixels
TEST_FRACTION = 0.2  # of each class
MAX_FILES = 200_000
MAX_PIXELS = 80_000_000  # of one picture


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, found but not read.

    Attributes:
        files: by split the pictures' paths with their labels (-1 without), classes mixed.
        class_names: () where there are no labels.
        colour: whether any picture is stored in colour.
        deep: the pictures of more than 8 bits a pixel.
        n_other: files left out because they are not pictures.
        split: in words, how the pictures are split.
        signature: changes when a file does.
    """

    files: dict[str, list[tuple[Path, int]]]
    class_names: tuple[str, ...]
    colour: bool
    deep: tuple[Path, ...]
    n_other: int
    split: str
    signature: str

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by split."""
        return {split: len(files) for split, files in self.files.items()}

    @property
    def largest_class_share(self) -> float | None:
        """Share of the most frequent class among the test pictures; None without labels."""
        labels = np.array([label for _, label in self.files["test"]])
        return largest_class_share(labels) if self.class_names else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture once read."""
        return (3, COLOUR_SIDE, COLOUR_SIDE) if self.colour else (1, GREY_SIDE, GREY_SIDE)

    @property
    def rule(self) -> str:
        """In words, what is done to the pictures and how they are split."""
        cut = f"central squares, resized to {self.shape[1]} x {self.shape[2]} {'colour' if self.colour else 'grey'}"
        n, deep, others = len(self.deep), "", ""
        if n:
            deep = f"; {n:,} of more than 8 bits, scaled by their largest value rounded up to 8, 10, 12, 14 or 16 bits"
        if self.n_other:
            what = "1 file that is no picture" if self.n_other == 1 else f"{self.n_other:,} files that are no pictures"
            others = f"; {what} left out"
        return f"{self.split}; {cut}{deep}{others}"


def read_listing(folder: Path) -> Listing:
    """Find the pictures of a folder and split them; of the files only the first bytes are read.

    Raises:
        UserError: splits or classes that can't be told apart, a class too small to split, too many files, or a broken
            picture.
    """
    try:
        return _read_listing(folder)
    except OSError as error:
        where = shown(Path(error.filename).name) if error.filename else shown(folder.name)
        raise UserError(f"{where} cannot be read ({error.strerror}): check its permissions.") from None


def _read_listing(folder: Path) -> Listing:
    splits, said = _find_splits(folder)
    roots = splits or {"train": folder}
    names = _subfolders(roots["train"])
    for root in roots.values():
        if _subfolders(root) != names:
            here, there = shown(roots["train"].name), shown(root.name)
            raise UserError(
                f"The subfolders of {here} and {there} in {shown(folder.name)} differ: give both the same classes."
            )
    if names:
        _check_classes(folder, names)
    files: dict[str, list[tuple[Path, int]]] = {split: [] for split in npz.SPLITS}
    n_files = n_pictures = 0
    for label, name in enumerate(names or [""]):
        found = {}
        for split, root in roots.items():
            found[split], n = _pictures(root / name, room=MAX_FILES - n_files)
            n_files += n
            if not found[split]:
                raise _no_pictures(folder, root / name)
        parts = found if splits else _split(found["train"], folder)
        for split, part in parts.items():
            files[split] += [(path, label if names else -1) for path in part]
            n_pictures += len(part)
    digest = hashlib.sha256()
    for labelled in files.values():
        labelled.sort(key=lambda item: _hash(item[0].relative_to(folder)))
        for path, label in labelled:
            about = os.stat(path)
            digest.update(_hash(path) + f" {label} {about.st_size} {about.st_mtime_ns}\n".encode())
    signature = digest.hexdigest()
    modes = _modes(signature, [path for labelled in files.values() for path, _ in labelled])
    return Listing(
        files=files,
        class_names=tuple(map(shown, names)),
        colour=any(mode not in GREY_MODES for mode in modes.values()),
        deep=tuple(path for path, mode in modes.items() if mode in DEEP_MODES),
        n_other=n_files - n_pictures,
        split=said,
        signature=signature,
    )


def read_images(listing: Listing, split: str, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read one split, or its first n pictures: x (N, H, W) or (N, H, W, 3) uint8, and y (N,) int64.

    Raises:
        UserError: a broken picture, by name, or more than the free memory takes.
    """
    files = listing.files[split][:n]
    side = listing.shape[1]
    npz.check_room(len(files) * side * side * listing.shape[0], f"The {split} pictures")
    white = white_levels(listing)
    x = np.empty((len(files), side, side, 3) if listing.colour else (len(files), side, side), np.uint8)
    for i, (path, _) in enumerate(files):
        x[i] = read_picture(path, side=side, colour=listing.colour, white=white)
    return x, np.array([label for _, label in files], np.int64)


def read_picture(path: Path, *, side: int, colour: bool, white: tuple[float, float] = (65_535.0, 1.0)) -> np.ndarray:
    """Read one picture as (side, side) or (side, side, 3) uint8.

    Args:
        path: the file.
        side: pixels.
        colour: whether the result is colour.
        white: the values of whole numbers of more than 8 bits, and of floats, that become 255.

    Raises:
        UserError: not a picture, broken, or too large.
    """
    image = _open(path)
    try:
        image.draft(None, (4 * side, 4 * side))  # lets a large JPEG be decoded at a fraction of its size
        cut_off = (
            ";16" in str(getattr(image, "tile", "")) and image.mode not in DEEP_MODES
        )  # Pillow keeps the upper 8 bits of 16
        image = ImageOps.exif_transpose(image)
        if image.mode in DEEP_MODES:
            level = white[image.mode == "F"]
            scaled = np.asarray(image, np.float64) * (255 / level)
            image = Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
        if cut_off and np.asarray(image.convert("RGB")).max() < 16:
            raise UserError(
                f"{_short(path)} is colour of 16 bits and uses only their lower part: save it again with 8 bits."
            )
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        image = image.convert("RGB" if colour else "L")
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0))
    except UserError:
        raise
    except Exception as error:
        raise _broken(path, error) from None
    finally:
        image.close()


def white_levels(listing: Listing) -> tuple[float, float]:
    """The values that become 255: of whole numbers of more than 8 bits, and of floats.

    The rule: the largest value in all such pictures of the folder, rounded up to what 8, 10, 12, 14 or 16 bits hold;
    floats up to 1 are taken to be fractions of 1. So 16-bit files that hold 0 to 255 are as bright as they were meant.

    Raises:
        UserError: values below 0, beyond 65,535, or that are no numbers, by the picture's name.
    """
    highest = [0.0, 0.0]
    for path in listing.deep:
        with _open(path) as image:
            try:
                values = np.asarray(image)
            except Exception as error:
                raise _broken(path, error) from None
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if not (low >= 0 and high <= LEVELS[-1]):  # not a number is neither
            raise UserError(f"{_short(path)} has values from {low:g} to {high:g}: save it again with 8 bits, 0 to 255.")
        kind = image.mode == "F"
        highest[kind] = max(highest[kind], high)
    whole, real = (float(next(level for level in LEVELS if high <= level)) for high in highest)
    return whole, 1.0 if highest[1] <= 1 else real


def _open(path: Path) -> Image.Image:
    """Open a picture by its first bytes, which give its mode and size."""
    try:
        image = Image.open(path, formats=tuple(FORMATS))
    except Exception as error:
        raise _broken(path, error) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise UserError(f"{_short(path)} has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller.")
    return image


_seen_modes: dict[str, dict[Path, str]] = {}  # by signature: pages ask again and again


def _modes(signature: str, paths: list[Path]) -> dict[Path, str]:
    """Pillow's mode of every picture, from its first bytes; kept for the folders asked for last."""
    if signature not in _seen_modes:
        found = {}
        for path in paths:
            with _open(path) as image:
                found[path] = image.mode
        while len(_seen_modes) > 3:
            _seen_modes.pop(next(iter(_seen_modes)), None)
        _seen_modes[signature] = found
    return _seen_modes[signature]


def _short(path: Path) -> str:
    """A picture as people name it: its folder and file."""
    return shown(Path(path.parent.name, path.name))


def _broken(path: Path, error: Exception) -> UserError:
    told = isinstance(error, OSError) and not error.filename and str(error)
    reason = str(error).splitlines()[0] if told and "/" not in str(error) else "broken"
    return UserError(f"{_short(path)} cannot be read as a picture ({reason.rstrip('.')}): replace it or take it out.")


# folders ------------------------------------------------------------------------------------------------------------


def _is_junk(name: str) -> bool:
    return name.startswith((".", "@")) or name.lower() in JUNK


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not _is_junk(entry.name))


def _role(name: str) -> str | None:
    """The split that a folder's name means, in any case, or None."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    return next((role for role, names in SPLIT_NAMES.items() if plain in names), None)


def _find_splits(folder: Path) -> tuple[dict[str, Path], str]:
    """The folders of train and test, by their names, and in words how the pictures are split; {} where they are not.

    Raises:
        UserError: names of splits that don't make a training and a test set.
    """
    names = _subfolders(folder)
    roles = {name: _role(name) for name in names}
    of = {role: [name for name in names if roles[name] == role] for role in SPLIT_NAMES}
    here = shown(folder.name)
    others = [name for name in names if not roles[name]]
    if not any(of.values()) or (others and not of["train"] and not of["test"]):  # "valid" and "invalid" are classes
        classes = "a fifth of each class" if names else "no labels; a fifth of the pictures"
        return {}, f"{classes}, by file name, is the test set"
    if others:
        word = next(name for name in names if roles[name])
        raise UserError(
            f"{here} has the folder {shown(word)} beside {shown(others[0])}: keep only train and test there, each with "
            f"the class folders, or rename {shown(word)} if it is a class."
        )
    for role, found in of.items():
        if len(found) > 1:
            raise UserError(
                f"{here} has two folders for one split, {shown(found[0])} and {shown(found[1])}: keep one {role}."
            )
    if not of["train"] or not (of["test"] or of["val"]):
        has = " and ".join(map(shown, names))
        lacks = "test" if of["train"] else "train"
        raise UserError(
            f"{here} has {has} and no folder named {lacks}: add it, or put the class folders straight into {here}, and "
            "a fifth of each class becomes the test set."
        )
    train, test = of["train"][0], (of["test"] or of["val"])[0]
    said = f"its own split, {shown(train)} and {shown(test)}"
    if of["test"] and of["val"]:
        said += f"; {shown(of['val'][0])} is not used"
    return {"train": folder / train, "test": folder / test}, said


def _check_classes(folder: Path, names: list[str]) -> None:
    if len(names) < 2:
        raise UserError(
            f"{shown(folder.name)} needs a subfolder for each of at least two classes and has only {shown(names[0])}: "
            "sort the pictures, or put all of them into one folder without subfolders if they have no labels."
        )
    if len(names) > npz.MAX_CLASSES:
        raise UserError(f"{shown(folder.name)} has {len(names):,} subfolders: keep to {npz.MAX_CLASSES:,} classes.")
    plain = [shown(name) for name in names]
    if twice := next((name for name in plain if plain.count(name) > 1), None):
        raise UserError(f"Two classes in {shown(folder.name)} read as {twice}: rename one.")


def _pictures(folder: Path, *, room: int) -> tuple[list[Path], int]:
    """The pictures in a folder and below, and the number of files seen.

    What programs leave beside pictures is not looked at: hidden files and folders (".thumbnails", "._a.png"), and the
    folders of thumbnails and archives in `JUNK`. A pipe that is called a picture is none.
    """
    pictures, n_files = [], 0
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not _is_junk(name))
        names = [
            name for name in names if not name.startswith(".") and name.lower() not in ("thumbs.db", "desktop.ini")
        ]
        n_files += len(names)
        if n_files > room:
            raise UserError(f"The folder has more than {MAX_FILES:,} files: make it an .npz or keep fewer.")
        paths = (Path(parent, name) for name in names if Path(name).suffix.lower() in SUFFIXES)
        pictures += [path for path in paths if _is_file(path)]
    return pictures, n_files


def _no_pictures(dataset: Path, folder: Path) -> UserError:
    kinds = ", ".join(sorted(SUFFIXES))
    if folder == dataset:
        return UserError(
            f"{shown(dataset.name)} has neither pictures ({kinds}) nor subfolders: make one for each of at least two "
            "classes and sort the pictures into them."
        )
    return UserError(f"{_short(folder)} has no pictures ({kinds}): add some or remove the folder.")


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # a link that leads nowhere
        return False


def _split(pictures: list[Path], root: Path) -> dict[str, list[Path]]:
    """Set a fifth of a class aside for testing, at least one picture; `root` is the folder of the dataset."""
    if len(pictures) < 2:
        raise UserError(
            f"{_short(pictures[0].parent)} has one picture: add another, to have one to train on and one to test."
        )
    pictures = sorted(pictures, key=lambda path: _hash(path.relative_to(root)))
    n_test = max(1, round(TEST_FRACTION * len(pictures)))
    return {"train": pictures[n_test:], "test": pictures[:n_test]}


def _hash(path: Path) -> bytes:
    return hashlib.sha256(path.as_posix().encode(errors="surrogateescape")).digest()
