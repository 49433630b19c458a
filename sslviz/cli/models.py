"""`sslviz models …`: list, map, export, import, delete, and build the bundled ones."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from sslviz.cli.output import answer, show_progress
from sslviz.cli.signals import until_interrupted
from sslviz.errors import UserError


def models_list(*, json: bool = False) -> None:
    """List the bundled models and your own.

    Args:
        json: print one JSON object.
    """
    from sslviz.store.checkpoint import list_models, models_dir, unreadable_models

    models, hidden = list_models(), unreadable_models()
    rows = [
        {
            "name": m.name,
            "method": m.method,
            "dataset": m.dataset or m.dataset_name,
            "bundled": m.bundled,
            "path": str(m.path),
        }
        | {"results": m.card.get("results", {})}
        for m in models
    ]

    def show() -> None:
        for m in models:
            results = {k: v for k, v in m.card.get("results", {}).items() if isinstance(v, int | float)}
            text = ", ".join(f"{key} {value:.3f}" for key, value in results.items())
            print(f"{m.name:18} {m.method:8} {m.dataset_name:14} {'bundled' if m.bundled else 'own':8} {text}")
        for path, reason in hidden.items():
            print(f"left out: {path}, {reason}")
        print(f"Your own models are kept in {models_dir()}. `random-NAME` is NAME untrained.")

    answer({"models": rows, "left_out": {str(path): reason for path, reason in hidden.items()}}, json, show)


def models_maps(name: Positional[str], *, json: bool = False, control: Literal["none", "stdin"] = "none") -> None:
    """Store an own model's representations of the bundled test images, and their maps, for the app to show.

    Args:
        name: of the model.
        json: print one JSON object.
        control: end, soon after, when the input ends.
    """
    if control == "stdin":
        from sslviz.jobs.control import Control

        Control(sys.stdin.fileno())
    from sslviz.bundled.recipes import store_maps
    from sslviz.store.bundle import own_models

    folders = {info.name: info.path for info in own_models()}
    if name not in folders:
        raise UserError(f"You have no model '{name}'; yours are: {', '.join(folders) or 'none yet'}.")
    maps = list(store_maps(folders[name]))
    answer({"path": str(folders[name]), "maps": maps}, json, lambda: print(f"{folders[name]}: {', '.join(maps)}"))


def models_export(name: Positional[str], file: Positional[Path]) -> None:
    """Write a model of images as one file to hand on: safetensors, with its config and card inside.

    Args:
        name: of the model, bundled or your own.
        file: to write, NAME.safetensors for instance; one that is there is not overwritten.
    """
    from sslviz.data import npz
    from sslviz.store.bundle import pack

    if file.exists():
        raise UserError(f"{file} is there already; choose another file.")
    data = pack(name)
    npz.write_bytes(file, data)
    print(f"{file}: {name}, {len(data) / 1e6:.1f} MB")


def models_import(file: Positional[Path], *, name: str | None = None) -> None:
    """Make a file that `sslviz models export` wrote one of your own models, after a check of all that is in it.

    Args:
        file: the file.
        name: of the model; by default the one in its card, with a number behind it where that is taken.
    """
    from sslviz.store.bundle import unpack

    path = unpack(file, name=name)
    print(f"{path.name}: {path}; what its card says of results is the file's claim, `sslviz probe` is yours.")


def models_delete(name: Positional[str]) -> None:
    """Delete one of your own models, at once and for good.

    Args:
        name: of the model.
    """
    from sslviz.store.bundle import delete

    delete(name)
    print(f"{name} is deleted.")


def models_build(names: Positional[tuple[str, ...]] = (), *, out: Path | None = None) -> None:
    """Train the bundled models again on the full sets, and write their cards, representations and maps.

    Args:
        names: which of them (default all).
        out: the folder that gets a folder a model; by default where the bundled models lie.
    """
    from sslviz.bundled.recipes import RECIPES, finish, recipe
    from sslviz.paths import assets_dir
    from sslviz.training.loop import fit
    from sslviz.training.state import STATE

    for name in names or RECIPES:
        folder = (out or assets_dir() / "models") / name
        resume = (folder / STATE).exists()
        print(f"{name} -> {folder}{' (resumed)' if resume else ''}")
        show_progress(until_interrupted(fit(replace(recipe(name), out=folder, resume=resume))))
        results = finish(folder)["results"]
        answer(results, True)


def models_finish(
    folders: Positional[tuple[Path, ...]],
    *,
    corpus: Path | None = None,
    keep_baselines: bool = False,
    compact: bool = False,
) -> None:
    """Evaluate trained models on the full sets, and write cards, representations, predictions and maps.

    Args:
        folders: of the models, as `sslviz train` has left them here or elsewhere. Models of images are rounded to half
            precision, a language model to eight bits a weight.
        corpus: for a language model: folder that `python -m sslviz.bundled.corpus` has written, which it learnt from.
        keep_baselines: take the baselines from the card, where an earlier call has put them.
        compact: round a model of images to eight bits a weight too.
    """
    from sslviz.bundled.recipes import finish, finish_language

    if not folders:
        raise UserError("Name at least one folder of a model.")
    for folder in folders:
        card = (
            finish_language(folder, corpus)
            if corpus
            else finish(folder, keep_baselines=keep_baselines, compact=compact)
        )
        answer({"model": card["name"]} | card["results"], True)
