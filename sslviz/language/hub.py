"""Where a language model's folder is: bundled, own, a folder, in the Hub's cache, or fetched from the Hub.

What is here is used without a look at the network. A download runs in a process of its own (`python -m
sslviz.language.hub`), so that it can be stopped at any moment and a server that falls silent holds nobody up.
"""

import json
import os
import pickle
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.jobs.child import Child
from sslviz.memory import free_memory
from sslviz.paths import expand
from sslviz.store.names import BUNDLED, folders_of

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")  # of a model on the Hub
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")
SMALL = (
    "config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", *TOKENIZERS,
)  # fmt: skip
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
ROOM = 1.6  # bytes of memory for each byte of weights while they are read
TWIN = "bert-sslviz-left"  # the bundled model that reads from the left only, of the masked one's shape
GRU = "gru-sslviz"  # the bundled recurrent model
COUNTED = "bert-sslviz"  # the bundled model with trigrams of its training text beside it
INSTEAD = "choose bert-sslviz, which comes with sslviz, or a model's folder"


def find(name: str | Path) -> Path | None:
    """The folder of a model that is on this machine, or None: a bundled or own name, a folder, the Hub's cache."""
    text = str(name)
    for folder in folders_of(text):
        if (folder / "config.json").is_file():
            return folder
    folder = expand(name)
    if (folder / "config.json").is_file():
        return folder
    return _cached(text) if NAME.fullmatch(text) and text not in BUNDLED else None


def fetch(
    name: str,
    *,
    check: Callable[[dict[str, Any]], None],
    progress: Callable[[float], None] | None = None,
    wait_seconds: float = 20.0,
) -> Path:
    """Fetch a model from the Hub into its cache.

    Args:
        name: on the Hub.
        check: called with the model's config.json before its weights are fetched; may raise.
        progress: called with the share that has come, several times a second; raising stops the download, and what has
            come is kept for the next time.
        wait_seconds: longest silence that is borne.

    Returns:
        The folder in the cache.

    Raises:
        UserError: not a name, a bundled model's name, no such model, too large for this machine, or the Hub can't be
            reached or is silent.
    """
    if name in BUNDLED:  # whoever has that name on the Hub, it is not this model
        raise UserError(
            f"{name} comes with sslviz, but its files are not where they should be: install sslviz again, or set "
            "SSLVIZ_ASSETS to the folder that has them."
        )
    if not NAME.fullmatch(name):
        raise UserError(f"There is no model folder '{name}'; give a folder, or a name such as bert-base-uncased.")
    if _is_set("HF_HUB_OFFLINE") or _is_set("TRANSFORMERS_OFFLINE"):
        raise UserError(f"{name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it; {INSTEAD}.")
    progress = progress or (lambda share: None)
    with _Download(name, wait_seconds) as child:
        told = child.hear(lambda: progress(0.0))
        check(told["config"])
        wanted = _wanted(name, told["files"])
        total = sum(wanted.values())
        _check_room(name, wanted)
        child.say(list(wanted))
        child.hear(lambda: progress(min(1.0, child.received() / max(1, total))))
    if not (folder := _cached(name)):
        raise UserError(f"The download of {name} is not complete; try again, or {INSTEAD}.")
    progress(1.0)
    return folder


# the cache ----------------------------------------------------------------------------------------------------------


def cache_dir() -> Path:
    """The Hub's cache: `HF_HUB_CACHE`, else where huggingface_hub keeps it."""
    from huggingface_hub import constants

    return expand(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def _cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json", cache_dir=cache_dir())
    return Path(config).parent if isinstance(config, str) and _complete(Path(config).parent) else None


def _complete(folder: Path) -> bool:
    """Whether a folder has weights, all their parts, and a tokenizer."""
    if not any((folder / name).is_file() for name in TOKENIZERS):
        return False
    for weights in WEIGHTS:
        index = folder / f"{weights}.index.json"
        if (folder / weights).is_file():
            return True
        if index.is_file():
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return all((folder / part).is_file() for part in parts)
    return False


def tensor_names(folder: Path) -> list[str]:
    """Names of the tensors in a model's folder, from the headers of its files."""
    from safetensors import SafetensorError, safe_open

    names: list[str] = []
    try:
        for index in (folder / f"{weights}.index.json" for weights in WEIGHTS):
            if index.is_file():
                return list(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        if (folder / WEIGHTS[0]).is_file():
            with safe_open(folder / WEIGHTS[0], framework="pt") as file:
                names = list(file.keys())
        elif (folder / WEIGHTS[1]).is_file():
            import torch

            names = list(torch.load(folder / WEIGHTS[1], map_location="meta", weights_only=True))
    except (SafetensorError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"The weights in {folder} can't be read ({error}); restore them.") from error
    return names


# what to fetch ------------------------------------------------------------------------------------------------------


def _wanted(name: str, files: Mapping[str, int]) -> dict[str, int]:
    """Of a model's files and their bytes those that are needed: one kind of weights."""
    for weights in WEIGHTS:
        stem, suffix = weights.split(".")
        parts = {n: size for n, size in files.items() if re.fullmatch(rf"{stem}-\d+-of-\d+\.{suffix}", n)}
        if weights in files:
            parts = {weights: files[weights]}
        elif f"{weights}.index.json" in files and parts:
            parts[f"{weights}.index.json"] = files[f"{weights}.index.json"]
        else:
            continue
        return {n: files[n] for n in SMALL if n in files} | parts
    raise UserError(f"{name} has no weights for PyTorch on the Hub; choose another model.")


def _check_room(name: str, wanted: Mapping[str, int]) -> None:
    size, place = sum(wanted.values()), cache_dir()
    while not place.exists():
        place = place.parent
    disk, memory = shutil.disk_usage(place).free, free_memory()
    smaller = "choose a smaller one, such as distilbert-base-uncased or bert-sslviz"
    if size * 1.05 > disk:
        raise UserError(f"{name} is a download of {_gb(size)}, and {place} has {_gb(disk)} free; {smaller}.")
    if memory is not None and size * ROOM > memory:
        raise UserError(
            f"{name} is a download of {_gb(size)} and takes {_gb(size * ROOM)} of memory to read, of which "
            f"{_gb(memory)} is free; {smaller}."
        )


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE")


# the process that downloads -----------------------------------------------------------------------------------------


class _Download:
    """The other end of the downloading process: lines of JSON both ways."""

    def __init__(self, name: str, wait_seconds: float) -> None:
        self.name, self.wait = name, wait_seconds

    def __enter__(self) -> "_Download":
        environment = {
            "HF_HUB_CACHE": str(cache_dir()), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": str(max(1, round(self.wait))),
            "HF_HUB_ETAG_TIMEOUT": str(max(1, round(self.wait))),
        }  # fmt: skip
        self._child = Child([sys.executable, "-m", "sslviz.language.hub", self.name], env=environment, errors=False)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._child.__exit__(*exception)

    def hear(self, meanwhile: Callable[[], None]) -> dict[str, Any]:
        """The next thing that the process says; `meanwhile` is called several times a second."""
        moved, size = time.monotonic(), self.received()
        while (line := self._child.line(0.1)) is None and not self._child.over:
            meanwhile()
            if (now := self.received()) != size:
                moved, size = time.monotonic(), now
            elif time.monotonic() - moved > self.wait:
                raise UserError(
                    f"The Hub has sent nothing of {self.name} for {self.wait:.0f} s; try again later, or {INSTEAD}."
                )
        said = json.loads(line) if line else {"error": "stopped"}
        if "error" in said:
            raise UserError(_SENTENCES[said["error"]].format(name=self.name, instead=INSTEAD))
        return said

    def say(self, thing: object) -> None:
        self._child.say(json.dumps(thing))

    def received(self) -> int:
        """Bytes of the model in the cache."""
        folder = cache_dir() / f"models--{self.name.replace('/', '--')}"
        total = 0
        for path in folder.rglob("*"):
            try:
                total += path.lstat().st_size if not path.is_symlink() and path.is_file() else 0
            except OSError:  # renamed just now
                continue
        return total


_SENTENCES = {
    "unknown": "There is no model '{name}' here or on the Hub, unless it is private; check how its name is "
    "written, for example bert-base-uncased.",
    "gated": "{name} is given out on the Hub to those only who have asked for it; choose another model.",
    "unreachable": "{name} is not on this machine and the Hub can't be reached; connect to the network, or {instead}.",
    "refused": "The Hub did not give out {name}; try again later, or {instead}.",
    "disk": "The download of {name} can't be written into the Hub's cache; free some space, or {instead}.",
    "stopped": "The download of {name} has stopped; try again, or {instead}.",
}


def _download(name: str, hear: Iterator[str], say: Callable[[object], None]) -> None:
    """What the process does: tell the files and the config, hear which files are wanted, fetch them."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(name, files_metadata=True, timeout=float(os.environ["HF_HUB_ETAG_TIMEOUT"]))
        files = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
        config = {}
        if "config.json" in files:
            config = json.loads(Path(hf_hub_download(name, "config.json")).read_text(encoding="utf-8"))
        say({"files": files, "config": config})
        for file in json.loads(next(hear)):
            hf_hub_download(name, file)
        say({"done": True})
    except GatedRepoError:
        say({"error": "gated"})
    except RepositoryNotFoundError:
        say({"error": "unknown"})
    except HfHubHTTPError as error:
        say({"error": "refused" if getattr(error, "response", None) is not None else "unreachable"})
    except StopIteration:
        pass
    except OSError as error:
        say({"error": "disk" if error.errno else "unreachable"})
    except Exception:  # the network library's own errors, of many types
        say({"error": "unreachable"})


if __name__ == "__main__":
    _download(sys.argv[1], iter(sys.stdin), lambda thing: print(json.dumps(thing), flush=True))
