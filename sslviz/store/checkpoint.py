"""Models as folders: weights, config and a card that says where every number comes from.

    <name>/model.safetensors   weights and buffers
           config.json         method and the frozen config that the model is built from
           card.json           data, source, seed, command, revision, time, hardware, results
           embeddings.npz      optional: h, maps and predictions of the bundled test images (see `store.embeddings`)
           history/*.safetensors  optional: the encoder's weights at a few earlier steps (see `store.history`)

Files are written whole or not at all, and read strictly: what is missing, left over or of another shape is an error.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.errors import UserError
from sslviz.files import atomic, writing
from sslviz.methods import registry
from sslviz.methods.config import OutOfBounds
from sslviz.paths import assets_dir, expand, models_dir
from sslviz.store.card import Damaged, read_fields
from sslviz.store.names import OWN, RANDOM, bundled_path, folders_of

if TYPE_CHECKING:
    import torch

    from sslviz.methods.base import Method

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.json"
MAX_BYTES = 500_000_000  # larger weight files are refused before anything is read


def all_tensors(key: str) -> bool:
    """Keeps every tensor of a file."""
    return True


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without loading it."""

    name: str  # what `find` takes
    method: str  # key of the registry
    dataset: str  # what `load_images` takes; "" where a model from elsewhere is of images that are not here
    path: Path
    bundled: bool
    card: dict[str, Any]

    @property
    def dataset_name(self) -> str:
        """The dataset's name for people, which is no path."""
        return dataset_name(self.card)

    @property
    def kind(self) -> Literal["image", "language"]:
        about = registry.METHODS.get(self.method)
        return "language" if about and about.kind == "text" else "image"


# finding ------------------------------------------------------------------------------------------------------------


def list_models(kind: Literal["image", "language"] | None = None) -> list[ModelInfo]:
    """Bundled models first, then the person's own, each by name.

    An own model with a bundled one's name is listed as "own/NAME". Folders that can't be read are left out, whatever
    is wrong with them; `unreadable_models` says what that is.

    Args:
        kind: of what the models are, None for all.
    """
    return [info for info, _ in _look() if info is not None and kind in (None, info.kind)]


def unreadable_models() -> dict[Path, str]:
    """Folders of models that `list_models` leaves out, and why."""
    return {path: reason for info, (path, reason) in _look() if info is None}


def _look() -> Iterator[tuple[ModelInfo | None, tuple[Path, str]]]:
    """Each folder of a model: what is known of it, or None and the reason."""
    for folder, bundled in ((assets_dir() / "models", True), (models_dir(), False)):
        try:
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
        except OSError:
            continue
        for path in paths:
            try:
                if not ((path / WEIGHTS).is_file() and (path / CONFIG).is_file()):
                    continue
                yield _info(path, bundled=bundled), (path, "")
            except Damaged as error:
                yield None, (path, f"its card {str(error).removeprefix('has a card ')}")
            except (UserError, OSError, ValueError, RecursionError) as error:
                yield None, (path, str(error))


def _info(path: Path, *, bundled: bool) -> ModelInfo:
    """What the folder of a model says of it.

    Raises:
        UserError: the card is missing or no JSON object.
        Damaged: a field of the card is not what it must be.
    """
    raw = read_json(path / CARD)
    method = raw.get("method")
    if not isinstance(method, str) or method not in registry.METHODS:
        raise Damaged("has a card whose method is not one that is known here")
    if not isinstance(raw.get("dataset"), str):
        raise Damaged("has a card whose dataset is not a name")
    name = path.name if bundled or not bundled_path(path.name).exists() else f"{OWN}{path.name}"
    card = raw | read_fields(raw)
    if bundled:  # what comes with sslviz has more results than a stranger's card may
        card["results"] = raw["results"] | card["results"]
    return ModelInfo(name, method, dataset_of(raw) or "", path, bundled, card)


def dataset_name(card: dict[str, Any]) -> str:
    """The dataset that a card names, for people: of own images the name of the file or folder, without its path."""
    dataset = str(card.get("dataset", ""))
    if dataset in DATASETS or card.get("imported") or "dataset_path" in card:
        return dataset
    return Path(dataset).name.removesuffix(".npz") or dataset


def dataset_of(card: dict[str, Any]) -> str | None:
    """What `load_images` takes for the images that a model was trained on: a known name, or the path of own images.

    None for own images of someone else: a card from elsewhere never names a path of this machine.
    """
    dataset = card.get("dataset")
    if dataset in DATASETS:
        return dataset
    path = card.get("dataset_path", dataset)
    return path if isinstance(path, str) and not card.get("imported") else None


def opens_with(models: Iterable[ModelInfo], method: str | None = None) -> ModelInfo | None:
    """The model that a dataset's models open with: of a method, where there is one of it, and of bundled ones before
    own ones that whose linear probe on the card is best; the first of equals."""
    found = list(models)
    found = [info for info in found if info.method == method] or found
    return max(found, key=lambda info: (info.bundled, _linear_probe(info)), default=None)


def _linear_probe(info: ModelInfo) -> float:
    accuracy = info.card.get("results", {}).get("linear_probe")
    return float(accuracy) if isinstance(accuracy, int | float) else 0.0


def find(name: str | Path) -> Path:
    """The folder of a model, given its name or its path.

    Raises:
        UserError: there is no such model; the message lists those that there are.
    """
    for path in folders_of(str(name)):
        if (path / CONFIG).is_file():
            return path
    path = expand(name)
    if path.name in (WEIGHTS, CONFIG):
        path = path.parent
    if (path / CONFIG).is_file():
        return path
    if path.is_dir():
        raise UserError(f"{path} is not a model: it has no {CONFIG}; name a folder that `sslviz train` has written.")
    names = ", ".join(info.name for info in list_models()) or "none yet"
    raise UserError(f"There is no model '{name}'; give the path of a model folder or one of these names: {names}.")


def load_card(name: str | Path) -> dict[str, Any]:
    """The card of a model (see the module's docstring); imports no torch."""
    return read_json(find(name) / CARD)


# reading ------------------------------------------------------------------------------------------------------------


def load(name: str | Path, *, device: str = "cpu", seed: int = 0) -> "Method":
    """Load a model, ready to encode (eval mode, float32).

    Args:
        name: a bundled or own model's name, a folder, or "random-" and one of these for that model untrained
            ("random-mnist" stands for the model that MNIST opens with, untrained).
        device: where the weights go.
        seed: of an untrained model's weights; a trained one does not depend on it.

    Raises:
        UserError: no such model, or its files are incomplete, damaged or do not fit together.
    """
    if str(name).startswith(RANDOM) and not any((path / CONFIG).is_file() for path in folders_of(str(name))):
        trained = str(name).removeprefix(RANDOM)
        models = list_models("image")
        if not any(trained == info.name for info in models) and not Path(trained).exists():
            opening = opens_with(info for info in models if info.dataset == ALIASES.get(trained, trained))
            trained = opening.name if opening else trained
        return build(*read_config(find(trained)), seed=seed).eval().to(device)
    folder = find(name)
    return load_weights(folder / WEIGHTS, *read_config(folder)).eval().to(device)


def build(method: str, config: object, *, seed: int) -> "Method":
    """A freshly initialised model; the same seed gives the same weights, and the global generator is left alone."""
    return registry.method_class(method).begin(config, seed=seed)


def read_config(folder: Path) -> tuple[str, Any]:
    content = read_json(folder / CONFIG)
    if "method" not in content and "model_type" in content:
        raise UserError(f"{folder.name} is a language model, which sees no images; ask it with `sslviz fill`.")
    return parse_config(content, where=folder / CONFIG)


def parse_config(content: dict[str, Any], *, where: str | Path) -> tuple[str, Any]:
    """The method and the frozen config in a parsed config.json; `where` it was found begins the sentence of an error.

    Raises:
        UserError: an unknown method, or keys and values that are not those of its config.
    """
    import cattrs

    method, known = content.get("method"), registry.image_methods()
    if not isinstance(method, str) or method not in known:
        raise UserError(f"{where} names the method {method!r:.60}; known methods are {', '.join(known)}.")
    make = registry.config_class(method)
    try:
        return method, cattrs.Converter(forbid_extra_keys=True).structure(content["model"], make)
    except Exception as error:  # cattrs groups errors of many types; whichever it is, the file is not a config
        reason = _refusal(error)
        raise UserError(f"{where} is not a valid {method} config: {reason:.300}.") from error


def _refusal(error: BaseException) -> str:
    """Why a config is none: the sentence of a number out of its bounds, if there is one."""
    import cattrs

    if not isinstance(error, ExceptionGroup):
        return str(error)
    found: BaseException | None = error.split(OutOfBounds)[0]
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return str(found).removesuffix(".") if found else "; ".join(cattrs.transform_error(error))


def outline(method: str, config: object) -> "Method":
    """The model of a config without memory: its tensors have names, shapes and dtypes, and no values."""
    import torch

    with torch.device("meta"):
        return registry.method_class(method)(config)


def training_only(model: "Method", names: Iterable[str]) -> set[str]:
    """Which of these tensors only training needs: those of the parts that the model's `training_only` names.

    MoCo's are its key side and queue: encoding and projecting an image work without.
    """
    return {name for name in names if name.split(".")[0] in model.training_only}


def _needed(model: "Method", key: str) -> bool:
    return not training_only(model, (key,))


def load_weights(path: Path, method: str, config: object, *, keep: Callable[[str], bool] = all_tensors) -> "Method":
    """Build the model without memory, compare the file's header with it, and only then read tensors.

    `keep` says which tensors the file must have; the others stay without memory, and using them is an error. What
    only training needs may be absent as a whole; the model has None in its place then.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    model = outline(method, config)
    expected = {key: value for key, value in model.state_dict().items() if keep(key)}
    extra = training_only(model, expected)
    try:
        check_size(path.stat().st_size, where=path)
        with safe_open(path, framework="pt") as file:
            header = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            found = {key: (value.get_dtype(), tuple(value.get_shape())) for key, value in header.items()}
        if absent := bool(extra) and not extra & found.keys():
            expected = {key: value for key, value in expected.items() if key not in extra}
        check_tensors(found, expected, where=path)
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; train the model again or restore the file.") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} can't be read ({error}); it is damaged or not a safetensors file.") from error
    tensors = {key: value.to(expected[key].dtype) for key, value in tensors.items()}
    if bad := [key for key, value in tensors.items() if not value.isfinite().all()]:
        raise UserError(f"{path}: tensor '{bad[0]}' holds values that are not finite; train the model again.")
    if absent:
        for part in model.training_only:
            setattr(model, part, None)
    model.load_state_dict(tensors, strict=False, assign=True)  # the keys were compared above
    return model


def check_size(n_bytes: int, *, where: str | Path) -> None:
    """Refuse weights that are larger than `MAX_BYTES`, before anything is read."""
    if n_bytes > MAX_BYTES:
        raise UserError(f"{where} is larger than {MAX_BYTES / 1e6:.0f} MB, the most that is read.")


def check_tensors(
    found: Mapping[str, tuple[str, tuple[int, ...]]], expected: "Mapping[str, torch.Tensor]", *, where: str | Path
) -> None:
    """Hold what a file's header says of its tensors, (dtype, shape) by name, against those of a model.

    Raises:
        UserError: a tensor is missing, left over, or of another shape or type.
    """
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        parts = [f"{what} {', '.join(keys[:3])}" for what, keys in (("missing", missing), ("left over", extra)) if keys]
        raise UserError(f"{where} does not fit its {CONFIG}: tensors {' and '.join(parts)}.")
    for key, value in expected.items():
        dtype, shape = found[key]
        if shape != tuple(value.shape):
            raise UserError(
                f"{where}: tensor '{key}' has the shape {shape}, its {CONFIG} asks for {tuple(value.shape)}."
            )
        allowed = ("F32", "F16", "BF16", "F8_E4M3") if value.is_floating_point() else ("I64",)
        if dtype not in allowed:
            raise UserError(f"{where}: tensor '{key}' has the type {dtype}, expected {' or '.join(allowed)}.")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: it is missing, damaged or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; train the model again or restore the file.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error}); restore the file or train the model again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a JSON object; restore the file or train the model again.")
    return content


# writing ------------------------------------------------------------------------------------------------------------


def save(
    model: "Method",
    folder: Path,
    *,
    card: dict[str, Any],
    dtype: "torch.dtype | None" = None,
    matrices: "torch.dtype | None" = None,
    training: bool = True,
) -> Path:
    """Write a model's weights, config and card into a folder, each file whole or not at all.

    Args:
        model: any of the package's models.
        folder: made when it is not there; other files in it (history) stay.
        card: must have "dataset"; "name" and "method" are filled in.
        dtype: of the floating-point tensors on disk (default as they are).
        matrices: of those with two dimensions or more (default as `dtype`).
        training: whether to write what only training needs (see `training_only`).

    Raises:
        UserError: the folder can't be written or the disk is full.
    """
    card = {"name": folder.name, "method": model.method} | card
    with writing(folder):
        if not model.write_files(folder):
            keep = all_tensors if training else partial(_needed, model)
            save_weights(model, folder / WEIGHTS, dtype=dtype, matrices=matrices, keep=keep)
            write_json({"method": model.method, "model": plain(model.config)}, folder / CONFIG)
            card = _named(card)
        write_json(card, folder / CARD)
    return folder


def _named(card: dict[str, Any]) -> dict[str, Any]:
    """The card with own images by their name, and their path in "dataset_path", which is for this machine alone."""
    path = expand(dataset_of(card) or "")
    if card.get("dataset") in DATASETS or card.get("imported") or not path.name or not path.exists():
        return card
    return card | {"dataset": dataset_name(card), "dataset_path": str(path.resolve())}


def save_weights(
    model: "Method",
    path: Path,
    *,
    dtype: "torch.dtype | None" = None,
    matrices: "torch.dtype | None" = None,
    keep: Callable[[str], bool] = all_tensors,
) -> None:
    """Write the parameters and buffers (those whose name `keep` accepts) as safetensors, atomically.

    Args:
        model: whose state is written.
        path: of the file.
        dtype: of floating-point tensors (default as they are).
        matrices: of those with two dimensions or more (default as `dtype`).
        keep: which names are written.
    """
    from safetensors.torch import save_file

    def on_disk(tensor: "torch.Tensor") -> "torch.Tensor":
        wanted = (matrices if tensor.ndim > 1 else None) or dtype
        tensor = tensor.detach().to("cpu", wanted if wanted and tensor.is_floating_point() else tensor.dtype)
        return tensor.clone().contiguous()

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        save_file({key: on_disk(value) for key, value in model.state_dict().items() if keep(key)}, temporary)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a JSON object, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def plain(config: object) -> dict[str, Any]:
    """A config as the JSON object that `parse_config` takes for its "model"."""
    import cattrs

    return cattrs.unstructure(config)
