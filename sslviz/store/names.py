"""Names of models: which may be given, which are taken, and which one a new model gets.

Bundled and own models lie in two folders, and a new model's name is free in both. An own model that was made before a
bundled one got its name stays within reach as "own/NAME".
"""

import os
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from sslviz.errors import UserError
from sslviz.paths import assets_dir, models_dir

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RANDOM = "random-"  # prefix of a model's name that stands for it untrained
OWN = "own/"  # prefix of an own model that has a bundled model's name
# what comes with sslviz, whether its files are here or not: a name that no Hub is ever asked for
BUNDLED = frozenset(
    {
        "bert-sslviz",
        "bert-sslviz-left",
        "gru-sslviz",
        "moco-cifar10-laptop",
        "moco-cifar10-resnet",
        "moco-mnist",
        "simclr-cifar10-laptop",
        "simclr-cifar10-resnet",
        "simclr-fashion",
        "simclr-fashion-resnet",
        "simclr-mnist",
        "vae-cifar10",
        "vae-fashion",
        "vae-mnist",
        "vae-mnist-2d",
    }
)
TAKEN = "There is a model '{}' already; choose another name."


def check_name(name: str) -> str:
    """The name, if a new model may have it.

    Raises:
        UserError: it can't be a model's name.
    """
    if not NAME.fullmatch(name) or name.startswith(RANDOM):
        raise UserError(
            f"{name!r:.80} can't be a model's name; use up to 64 of a-z, 0-9, '.', '_' and '-', not starting with "
            f"'{RANDOM}'."
        )
    return name


def slug(text: str, *, most: int = 40) -> str:
    """A text as a part of a model's name: small letters without accents, digits, and a dash for all else.

    A text in another script than Latin leaves nothing, and is called "images".
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:most].rstrip("-") or "images"


def bundled_path(name: str) -> Path:
    """Where a bundled model of this name would lie."""
    return assets_dir() / "models" / name


def is_component(name: str) -> bool:
    """Whether a text names something in a folder, and nothing above or below it."""
    return name not in ("", ".", "..") and not set("/\\\0") & set(name) and len(name.encode()) <= 255


def folders_of(name: str) -> list[Path]:
    """The folders that a model's name can stand for, the first to be taken if it is there; none for a path."""
    if is_component(own := name.removeprefix(OWN)) and name.startswith(OWN):
        return [models_dir() / own]
    return [bundled_path(name), models_dir() / name] if is_component(name) else []


def free_folder(name: str) -> Path:
    """The folder of a new own model, if nothing has its name: no bundled model, no own one, no run.

    Raises:
        UserError: the name is taken, or can't be a model's name.
    """
    target = models_dir() / check_name(name)
    if os.path.lexists(target) or bundled_path(name).exists():
        raise UserError(TAKEN.format(name))
    return target


def new_name(stem: str, *, taken: Collection[str] = ()) -> str:
    """A free name for a new own model: the stem, or the stem with the first number behind it that is free.

    Args:
        stem: what to call it, made a name by `slug` where it is none.
        taken: more names that are not free, those of runs that wait for instance.
    """
    stem = stem if NAME.fullmatch(stem) and not stem.startswith(RANDOM) else slug(stem.removeprefix(RANDOM), most=58)
    for number in range(1, 100_000):
        name = stem if number == 1 else f"{stem[:58]}-{number}"
        if name not in taken and not os.path.lexists(models_dir() / name) and not bundled_path(name).exists():
            return name
    raise UserError(TAKEN.format(stem))


def run_stem(method: str, dataset: str) -> str:
    """What a run's model is called where no name was asked for: "simclr-mnist", "vae-my-pictures-v2"."""
    return f"{method}-{slug(Path(dataset).stem)}"


def run_folder(method: str, dataset: str, *, name: str | None, resume: bool, state: str) -> Path:
    """Where a run's model goes: the folder of its name, of a new one, or of the run that is resumed.

    Args:
        method: of the run.
        dataset: a name or a path.
        name: that was asked for.
        resume: whether a run goes on, which one with such a state file has begun.
        state: name of the state file of a run that has not ended.

    Raises:
        UserError: the name can't be one or is a bundled model's, or several runs could be meant.
    """
    if name is not None:
        folder = models_dir() / check_name(name)
        if bundled_path(name).exists() and not resume:
            raise UserError(TAKEN.format(name))
        return folder
    stem = run_stem(method, dataset)
    if not resume:
        return models_dir() / new_name(stem)
    begun = [path.parent for path in sorted(models_dir().glob(f"{stem}*/{state}"))]
    begun = [folder for folder in begun if re.fullmatch(r"(-\d+)?", folder.name.removeprefix(stem))]
    if len(begun) > 1:
        raise UserError(f"Several runs can go on: choose one with --name {' or --name '.join(p.name for p in begun)}.")
    return begun[0] if begun else models_dir() / stem
