"""A model of images as one file, to hand on: its weights in safetensors, its config and card in that file's metadata.

A file may come from anyone. Nothing in it is run, unpacked or allocated before its header has been held against the
model that its config describes; and what its card says of results is kept as the claim that it is ("imported": true).
"""

import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslviz.data.catalog import DATASETS
from sslviz.errors import UserError
from sslviz.files import atomic, writing
from sslviz.paths import assets_dir, models_dir
from sslviz.store import checkpoint, tensors
from sslviz.store.card import Damaged, card_to_hand_on, parse, read_card
from sslviz.store.checkpoint import CARD, CONFIG, WEIGHTS, ModelInfo
from sslviz.store.names import NAME, RANDOM, TAKEN, check_name, free_folder, new_name, slug

FORMAT = "sslviz-model-1"
MAX_JSON = {"config": 8 << 10, "card": 64 << 10}  # characters
MAX_VALUES = 50_000_000  # parameters and buffers: 200 MB as float32; MoCo with two ResNet-18 has 24 million
CHUNK = 1 << 20  # bytes copied at a time
MAX_DIM = 4096  # of h
AGAIN = "export the model again with `sslviz models export`."
RESTORE = "restore the file or train the model again."
IMPORTING, DELETING = ".importing-", ".deleting-"  # beginnings of folders that are gone in a moment


# own models ---------------------------------------------------------------------------------------------------------


def own_models() -> list[ModelInfo]:
    """The person's own finished models, by name."""
    return [info for info in checkpoint.list_models() if not info.bundled]


def rename(name: str, new: str) -> Path:
    """Give an own model another name; returns its new folder.

    Raises:
        UserError: no such own model, or `new` is taken or can't be a name.
    """
    info, target = _own(name), free_folder(new)
    with writing(models_dir()):
        _claim(info.path, target)
        checkpoint.write_json(info.card | {"name": new}, target / CARD)
    return target


def delete(name: str) -> None:
    """Delete an own model and all that lies in its folder.

    Raises:
        UserError: no such own model, or it can't be removed.
    """
    info = _own(name)
    with writing(models_dir()):
        gone = tempfile.mkdtemp(dir=models_dir(), prefix=DELETING)
        os.replace(info.path, Path(gone) / info.path.name)  # at once, so that no list shows half a model
        shutil.rmtree(gone)


def _own(name: str) -> ModelInfo:
    found = {info.name: info for info in own_models()}
    if name in found and models_dir().resolve() != (assets_dir() / "models").resolve():
        return found[name]
    if any(info.name == name for info in checkpoint.list_models()):
        raise UserError(f"{name} came with sslviz and stays as it is; only your own models can be renamed or deleted.")
    raise UserError(f"You have no model {name!r:.80}; yours are: {', '.join(found) or 'none yet'}.")


def _claim(folder: Path, target: Path) -> None:
    """Move a folder to a place that is still free: making the place decides between two who want it."""
    try:
        target.mkdir()
    except FileExistsError:
        raise UserError(TAKEN.format(target.name)) from None
    try:
        os.replace(folder, target)
    except OSError:
        target.rmdir()
        raise


# out ----------------------------------------------------------------------------------------------------------------


def pack(name: str) -> bytes:
    """A model of images, bundled or own, as one file.

    Raises:
        UserError: no such model, or one of language, or its files are damaged.
    """
    from safetensors.torch import save

    models = {info.name: info for info in checkpoint.list_models("image")}
    if name not in models:
        raise UserError(f"There is no model of images {name!r:.80}; choose one of {', '.join(models)}.")
    info = models[name]
    path = info.path / WEIGHTS
    method, config = checkpoint.read_config(info.path)
    card = card_to_hand_on(info.card | {"name": _plain_name(info.path.name)}, dataset=info.dataset_name)
    texts = {"config": {"method": method, "model": checkpoint.plain(config)}, "card": card}
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in texts.items()}
    with _said(path, RESTORE):
        checkpoint.check_size(_size(path), where=path)
        with tensors.opened(path) as reader:
            found = tensors.described(reader)
            _check_model(method, config, found, path)
            return save(tensors.read(reader, found), {"format": FORMAT} | metadata)


def _plain_name(name: str) -> str:
    """A name that a new model may have, from a folder's, which anyone may have named."""
    plain = name.removeprefix(RANDOM)
    return plain if NAME.fullmatch(plain) else slug(plain, most=64)


# in -----------------------------------------------------------------------------------------------------------------


def unpack(data: bytes | Path, *, name: str | None = None) -> Path:
    """Make a file that `pack` wrote one of the person's own models; returns its folder.

    Args:
        data: the file, or its bytes.
        name: of the model; by default the one in its card, with a number behind it where that is taken.

    Raises:
        UserError: the file is not such a file, or it is damaged, too large or crafted, or the name is taken. Nothing
            is left of it then.
    """
    from safetensors.torch import save_file

    where = data.name if isinstance(data, Path) else "The file"
    with _said(where, AGAIN), writing(models_dir()):
        _sweep()
        with tempfile.TemporaryDirectory(dir=models_dir(), prefix=IMPORTING) as temporary:
            brought, folder = Path(temporary) / "brought", Path(temporary) / "model"  # deeper than where lists look
            _copy(data, brought, where)
            with tensors.opened(brought) as reader:
                method, config, card = _read_metadata(reader.metadata(), where)
                found = tensors.described(reader)
                _check_model(method, config, found, where)
                _check_images(config, card["dataset"])
                target = free_folder(name) if name is not None else models_dir() / new_name(check_name(card["name"]))
                weights = tensors.read(reader, found)
            brought.unlink()
            folder.mkdir()
            with atomic(folder / WEIGHTS) as path:
                save_file(weights, path)
            del weights
            card |= {"name": target.name, "method": method, "imported": True}
            checkpoint.write_json({"method": method, "model": checkpoint.plain(config)}, folder / CONFIG)
            checkpoint.write_json(card, folder / CARD)
            _try_out(folder)
            _claim(folder, target)
    return target


def _copy(data: bytes | Path, target: Path, where: str | Path) -> None:
    """Copy a file of bounded size to where nobody changes it while it is checked."""
    if isinstance(data, bytes):
        checkpoint.check_size(len(data), where=where)
        target.write_bytes(data)
        return
    checkpoint.check_size(_size(data), where=where)
    try:
        file = open(data, "rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise UserError(f"{data} can't be read ({error.strerror}); name a file that is there.") from error
    with file, open(target, "wb") as out:
        left = checkpoint.MAX_BYTES
        while left and (part := file.read(min(left, CHUNK))):
            left -= out.write(part)


def _size(path: Path) -> int:
    """Bytes of a file.

    Raises:
        UserError: it is not there, or no regular file.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); name a file that is there.") from error
    if not stat.S_ISREG(about.st_mode):  # a pipe would never end
        raise UserError(f"{path} is not a file; name one that `sslviz models export` wrote.")
    return about.st_size


@contextmanager
def _said(where: str | Path, remedy: str) -> Iterator[None]:
    """Say what is wrong with a file, and what to do about it."""
    try:
        yield
    except Damaged as error:
        raise UserError(f"{where} {error}; {remedy}") from error


def _sweep() -> None:
    """Remove what a killed process left a day ago or longer."""
    for prefix in (IMPORTING, DELETING):
        for left in models_dir().glob(f"{prefix}*"):
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)


def _read_metadata(metadata: Any, where: str | Path) -> tuple[str, Any, dict[str, Any]]:
    """Method, config and card out of the header's metadata."""
    if not isinstance(metadata, dict) or not metadata.keys() >= {"format", "config", "card"}:
        raise Damaged("holds tensors, but no config and card of a model")
    if metadata["format"] != FORMAT or len(metadata) != 3:
        raise Damaged("is of another version of this format, or has more in it than that has")
    parsed = {}
    for key, most in MAX_JSON.items():
        if not isinstance(metadata[key], str) or len(metadata[key]) > most:
            raise Damaged(f"has a {key} of more than {most:,} characters, or none")
        parsed[key] = parse(metadata[key], key)
    _check_words(parsed["config"])
    if parsed["config"].keys() != {"method", "model"}:
        raise Damaged("has a config that is not of 'method' and 'model'")
    method, config = checkpoint.parse_config(parsed["config"], where=f"The config of {where}")
    return method, config, read_card(parsed["card"])


def _check_words(content: dict[str, Any] | list[Any], depth: int = 0) -> None:
    """A config is made of short plain words and few numbers, whatever they are."""
    parts = [*content.keys(), *content.values()] if isinstance(content, dict) else content
    if depth > 3 or len(parts) > 40:
        raise Damaged("has a config that is larger than any")
    for part in parts:
        if isinstance(part, dict | list):
            _check_words(part, depth + 1)
        elif isinstance(part, str) and not re.fullmatch(r"[a-z0-9_]{1,40}", part):
            raise Damaged("has a config with words that are in none")


def _check_model(method: str, config: Any, found: tensors.Described, where: str | Path) -> None:
    """Hold the description of a file's tensors against its config, by a model that has shapes and no memory."""
    if config.dim_h > MAX_DIM:
        raise Damaged(f"describes a model whose h has {config.dim_h:,} dimensions, more than {MAX_DIM:,}")
    model = checkpoint.outline(method, config)
    expected = model.state_dict()
    if (values := sum(value.numel() for value in expected.values())) > MAX_VALUES:
        raise Damaged(f"describes a model of {values:,} numbers, more than {MAX_VALUES:,}")
    extra = checkpoint.training_only(model, expected)
    if not extra & found.keys():
        expected = {key: value for key, value in expected.items() if key not in extra}
    checkpoint.check_tensors(found, expected, where=where)


def _check_images(config: Any, dataset: str) -> None:
    """A model that says it is of a known data set must take its images."""
    shape = config.input_shape
    if shape[0] == 2 or min(shape[1:], default=8) < 8:
        raise Damaged(f"describes a model of images of shape {tuple(shape)}, which none have")
    if dataset in DATASETS and tuple(shape) != DATASETS[dataset].shape[: len(shape)]:
        raise Damaged(f"says that its model is of {DATASETS[dataset].title}, whose images it can't take")


def _try_out(folder: Path) -> None:
    """Show the model a few random images: numbers that are finite one by one may still explode together."""
    import torch

    from sslviz.evaluation.embedding import encode

    try:
        model = checkpoint.load(folder)
        shape = (*model.config.input_shape, 32, 32)[:3]
        x = torch.randint(256, (4, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        h = torch.from_numpy(encode(model, x))
        with torch.no_grad():
            answer = model.output(h)
    except (RuntimeError, MemoryError) as error:
        raise Damaged(f"holds a model that does not run ({str(error).splitlines()[0]:.100})") from error
    if not (h.isfinite().all() and answer.isfinite().all()):
        raise Damaged("holds a model whose answer to an image is not finite")
