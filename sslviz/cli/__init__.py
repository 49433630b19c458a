"""The `sslviz` command. Each function below is one command; its arguments are the command's options."""

import itertools
import json as json_
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from sslviz.errors import UserError
from sslviz.paths import ROOT

# heavy modules are imported inside the commands, so that `sslviz -h` answers at once


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 can't be done, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:
        print(usage())
        return 0 if words in ([], ["-h"], ["--help"]) else 2
    try:
        rest = words[len(name.split()) :]
        command = COMMANDS[name]
        if command is train:
            train(rest)
        else:
            tyro.cli(command, args=rest, prog=f"sslviz {name}")
        return 0
    except UserError as error:
        print(f"sslviz {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1


def usage() -> str:
    """The text of `sslviz -h`."""
    lines = (f"  {name:13} {(command.__doc__ or '').strip().splitlines()[0]}" for name, command in COMMANDS.items())
    head = ("usage: sslviz COMMAND …", "", "See self-supervised learning work, and check whether it worked.", "")
    return "\n".join((*head, *lines, "", "`sslviz COMMAND -h` lists a command's options."))


# train --------------------------------------------------------------------------------------------------------------


def train(args: list[str]) -> None:
    """Train METHOD (vae, simclr, moco) on DATASET (a name, an .npz file or a folder of class folders)."""
    if len(args) < 2 or args[0].startswith("-") or args[1].startswith("-"):
        print(f"usage: sslviz train METHOD DATASET [OPTIONS]\n\n{train.__doc__}\n")
        print("`sslviz train simclr mnist -h` lists the options of SimCLR on MNIST with their defaults.")
        sys.exit(0 if args in (["-h"], ["--help"]) else 2)
    method, dataset, *rest = args
    control = _listen(rest)
    from sslviz.training.loop import TrainConfig, config_for, fit

    default = config_for(method, dataset)
    if any(word.split("=")[0] in ("--epochs", "--steps", "--minutes") for word in rest):
        default = replace(default, epochs=None)

    @dataclass(frozen=True)
    class Arguments:
        run: Annotated[TrainConfig, tyro.conf.arg(name="")]
        json: bool = False
        """Print one JSON object a line; "done" ends the training, and with --live "stored" follows for each map."""
        estimate: bool = False
        """Only measure a few steps, and print what the run would cost here."""
        control: Literal["none", "stdin"] = "none"
        """Obey "pause", "resume" and "step", a line each; the end of the input stops the run and keeps its state."""

    arguments = tyro.cli(
        Arguments, args=rest, default=Arguments(default), prog=f"sslviz train {method} {dataset}",
        description=f"Train {method} on {dataset}.", config=(tyro.conf.AvoidSubcommands,),
    )  # fmt: skip
    if arguments.estimate:
        _estimate(arguments.run, json=arguments.json)
    elif control:
        _obedient(arguments.run, control)
    elif arguments.json:
        for event in fit(arguments.run):
            _tell(event.as_dict())
    else:
        _show(fit(arguments.run))


def _estimate(run: Any, *, json: bool) -> None:
    """Print what a run would cost."""
    from sslviz.training.estimate import plan

    _, told = plan(run)
    free = f", {told.free_mb:,.0f} are free" if told.free_mb else ""
    _answer(
        told.as_dict(),
        json,
        lambda: print(
            f"{told.images_per_second:,.0f} images/s: {told.steps:,} steps, {told.epochs:.1f} epochs, "
            f"{told.seconds / 60:.1f} min; {told.memory_mb:,.0f} MiB of memory{free}"
        ),
    )


def _listen(args: list[str]) -> Any:
    """Obey the input from the first moment: torch takes seconds to load, and a server may end meanwhile."""
    from sslviz.jobs.control import Control

    asked = "--control=stdin" in args or ("--control", "stdin") in itertools.pairwise(args)
    return Control(sys.stdin.fileno()) if asked else None


def _obedient(run: Any, control: Any) -> None:
    """Train for a page, which reads JSON lines and writes commands. A new run is measured first."""
    from sslviz.bundled.recipes import store_maps
    from sslviz.training.estimate import plan
    from sslviz.training.loop import fit

    try:
        if not run.resume:
            run, told = plan(run)
            _tell({"event": "estimate", "info": told.as_dict()})
        done = None
        for event in control.drive(fit(run)):
            _tell(event.as_dict())
            done = Path(event.path) if event.event == "done" else None
        for method in store_maps(done) if done and run.live else ():
            _tell({"event": "stored", "path": str(done), "info": {"map": method}})
    finally:
        control.end()


def _tell(content: dict[str, Any]) -> None:
    print(json_.dumps(content), flush=True)


def _show(events: Any) -> None:
    """A progress bar with the newest losses, and a line for each thing that stays."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("starting", total=1.0)
        for event in events:
            text = ", ".join(f"{key} {value:.3f}" for key, value in (event.losses or event.monitor).items())
            bar.update(task, completed=event.progress)
            if event.event == "start":
                info = event.info
                bar.print(
                    f"{info['method']} on {info['dataset']} ({info['source']}), {info['parameters']:,} parameters"
                )
            elif event.event == "step":
                bar.update(task, description=f"step {event.step}, {event.images_per_second:,.0f} images/s: {text}")
            elif event.event == "monitor":
                bar.print(f"epoch {event.epoch:.2f}: {', '.join(f'{k} {v:.3f}' for k, v in event.monitor.items())}")
            elif event.event == "done":
                bar.print(f"done in {event.seconds / 60:.1f} min: {event.path}")


# judge --------------------------------------------------------------------------------------------------------------


def probe(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    probe: Literal["linear", "knn"] = "linear",
    baselines: bool = True,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Probe a frozen model: accuracy of a linear or k-NN classifier on h, beside baselines.

    Args:
        checkpoint: a model's name or path ("random-…" is the untrained twin).
        dataset: a name, an .npz file or a folder of class folders; for a language model "topics", labelled sentences.
        probe: multinomial logistic regression on standardised h, or 20 cosine neighbours.
        baselines: also probe the untrained twin, and pixels, PCA and whitened patches, or a bag of words.
        seed: of the validation split, the baselines and the untrained twin.
        json: print one JSON object.
    """
    from sslviz.evaluation.probes import accuracy_interval
    from sslviz.evaluation.protocol import evaluate

    started = time.perf_counter()
    if dataset == "topics":
        sets, accuracies = _topics(checkpoint, probe=probe, baselines=baselines, seed=seed, json=json)
    else:
        model, sets = _model(checkpoint), _images(dataset)
        _fits(model, sets[0], checkpoint)
        encoders = {checkpoint: model} | (_baselines(checkpoint, sets[0], seed) if baselines else {})
        accuracies = evaluate(encoders, *sets, probe=probe, seed=seed, callback=None if json else _status())
    accuracy = accuracies.pop(checkpoint)
    result = {
        "model": checkpoint, "dataset": dataset, "source": sets[0].source, "test_source": sets[1].source,
        "n_train": len(sets[0]), "n_test": len(sets[1]), "probe": probe, "accuracy": accuracy,
        "interval_95": list(accuracy_interval(accuracy, len(sets[1]))), "baselines": accuracies,
        "seconds": round(time.perf_counter() - started, 1), "seed": seed,
    }  # fmt: skip

    def show() -> None:
        low, high = result["interval_95"]
        print(f"{result['source']}; {len(sets[1]):,} {'sentences' if dataset == 'topics' else 'images'} to test on, "
              f"{probe} probe")  # fmt: skip
        print(f"{checkpoint:24} {accuracy:6.1%}  (95 % interval {low:.1%} to {high:.1%})")
        for name, value in accuracies.items():
            print(f"{name:24} {value:6.1%}")

    _answer(result, json, show)


def evaluate(checkpoint: Positional[str], dataset: Positional[str], *, seed: int = 0, json: bool = False) -> None:
    """Evaluate a VAE on the test images: recon, kl and negative ELBO in nats per image.

    Args:
        checkpoint: a VAE's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        seed: of the samples of z.
        json: print one JSON object.
    """
    from sslviz.training.loop import evaluate_vae

    model, (_, test) = _model(checkpoint), _images(dataset)
    _fits(model, test, checkpoint)
    if model.method != "vae":
        raise UserError(
            f"{checkpoint} is no VAE, so it has no ELBO; judge it with `sslviz probe {checkpoint} {dataset}`."
        )
    result = {"model": checkpoint, "dataset": dataset, "source": test.source, "n_test": len(test), "seed": seed}
    result |= evaluate_vae(model, test.x, seed=seed)
    text = f"recon {result['recon']:.2f} + KL {result['kl']:.2f} = {result['negative_elbo']:.2f} nats per image"
    _answer(result, json, lambda: print(f"{text} ({test.source})"))


def evaluate_mlm(
    model: Positional[str], textfile: Positional[Path], *, corpus: Path | None = None, seed: int = 0, json: bool = False
) -> None:
    """Evaluate a masked language model on a text: masked words found, pseudo-perplexity, a trigram model beside it.

    Args:
        model: a bundled or own model's name, a folder, or a name on the Hub.
        textfile: sentences, UTF-8.
        corpus: text to count trigrams in (default the counts that lie beside the model).
        seed: of the choice of words and sentences.
        json: print one JSON object.
    """
    from sslviz.language import hub, predict, trigram
    from sslviz.language import model as language
    from sslviz.language.text import read_sentences

    network, texts = language.load(model, progress=None if json else _fetching(model)), read_sentences(textfile)
    counts = None
    if corpus:
        counts = trigram.fit(read_sentences(corpus))
    elif (stored := (hub.find(model) or Path()) / trigram.FILE).is_file():
        counts = trigram.load(stored)
    result = {"model": model, "file": str(textfile)} | language.evaluate_masked(network, texts, seed=seed)
    if not result["n_masked"]:
        raise UserError(f"{textfile} has no word that {model} could be asked for; give a text with sentences.")
    result["pseudo_perplexity"], result["n_pseudo"] = predict.pseudo_perplexity(network, texts, seed=seed)
    result |= {"trigram_top1": None, "trigram_left_top1": None, "seed": seed}
    if counts:
        result |= counts.judge(texts, language.masked_spans(network, texts, seed=seed))

    def show() -> None:
        print(f"{result['n_masked']:,} masked words in {result['n_sentences']:,} sentences of {textfile}")
        print(f"{model:24} {result['top1']:6.1%} first, {result['top5']:6.1%} among the first five")
        if counts:
            print(f"{'trigrams, both sides':24} {result['trigram_top1']:6.1%} first")
            print(f"{'trigrams, from the left':24} {result['trigram_left_top1']:6.1%} first")
        print(f"pseudo-perplexity {result['pseudo_perplexity']:.1f} a piece, of {result['n_pseudo']} sentences")

    _answer(result, json, show)


def fill_(
    text: Positional[str],
    *,
    model: str = "bert-mini",
    top_k: int = 10,
    temperature: float = 1.0,
    json: bool = False,
) -> None:
    """Fill each [MASK] of a sentence with what a masked language model predicts.

    Args:
        text: a sentence with [MASK] in it.
        model: a bundled or own model's name, a folder, or a name on the Hub.
        top_k: predictions a mask.
        temperature: the logits are divided by it.
        json: print one JSON object.
    """
    from sslviz.language import model as language
    from sslviz.language.predict import fill

    network = language.load(model, progress=None if json else _fetching(model))
    masks = fill(network, text, top_k=top_k, temperature=temperature)
    rows = [
        {"position": mask.position}
        | {"predictions": [{"token": p.token, "probability": p.probability} for p in mask.predictions]}
        for mask in masks
    ]

    def show() -> None:
        for i, mask in enumerate(masks, 1):
            if len(masks) > 1:
                print(f"mask {i}")
            width = max(len(p.token) for p in mask.predictions)
            for p in mask.predictions:
                print(f"  {p.token:{width}} {p.probability:6.1%}  {'█' * round(p.probability * 40)}".rstrip())

    _answer({"model": model, "text": text, "masks": rows}, json, show)


def embed(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    out: Path,
    split: Literal["train", "test"] = "test",
    json: bool = False,
) -> None:
    """Write the representations h of a dataset's images to an .npz file (h, y).

    Args:
        checkpoint: a model's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        out: the file to write.
        split: which images.
        json: print one JSON object.
    """
    from sslviz.data import npz

    h, images = _embed(checkpoint, dataset, split)
    npz.write(out, {"h": h, "y": images.y.numpy()})
    result = {"path": str(out), "model": checkpoint, "dataset": dataset, "split": split, "shape": list(h.shape)}
    _answer(result, json, lambda: print(f"{out}: h {h.shape[0]:,} x {h.shape[1]} ({images.source})"))


def map_(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    out: Path,
    method: Literal["pca", "umap"] = "umap",
    split: Literal["train", "test"] = "test",
    seed: int = 0,
    json: bool = False,
) -> None:
    """Write a 2-D map of a dataset's representations to an .npz file (xy, y).

    Args:
        checkpoint: a model's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        out: the file to write.
        method: PCA or UMAP of h.
        split: which images.
        seed: of UMAP.
        json: print one JSON object.
    """
    from sslviz.data import npz
    from sslviz.evaluation.maps import fit_map

    h, images = _embed(checkpoint, dataset, split)
    found = fit_map(h, method=method, seed=seed)
    npz.write(out, {"xy": found.xy, "y": images.y.numpy()})
    result = {"path": str(out), "model": checkpoint, "dataset": dataset, "split": split, "method": method}
    result |= {"n": len(h), "trustworthiness": found.trustworthiness, "seed": seed}
    _answer(result, json, lambda: print(f"{out}: {method} of {len(h):,}, trustworthiness {found.trustworthiness:.3f}"))


# what there is ------------------------------------------------------------------------------------------------------


def models_list(*, json: bool = False) -> None:
    """List the bundled models and your own.

    Args:
        json: print one JSON object.
    """
    from sslviz.store.checkpoint import list_models, models_dir

    models = list_models()
    rows = [
        {"name": m.name, "method": m.method, "dataset": m.dataset, "bundled": m.bundled, "path": str(m.path)}
        | {"results": m.card.get("results", {})}
        for m in models
    ]

    def show() -> None:
        for m in models:
            results = {k: v for k, v in m.card.get("results", {}).items() if isinstance(v, int | float)}
            text = ", ".join(f"{key} {value:.3f}" for key, value in results.items())
            print(f"{m.name:18} {m.method:8} {m.dataset:14} {'bundled' if m.bundled else 'own':8} {text}")
        print(f"Your own models are kept in {models_dir()}. `random-NAME` is the untrained twin of NAME.")

    _answer({"models": rows}, json, show)


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
    _answer({"path": str(folders[name]), "maps": maps}, json, lambda: print(f"{folders[name]}: {', '.join(maps)}"))


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
    from sslviz.training.loop import STATE, fit

    for name in names or RECIPES:
        folder = (out or assets_dir() / "models") / name
        resume = (folder / STATE).exists()
        print(f"{name} -> {folder}{' (resumed)' if resume else ''}")
        _show(fit(replace(recipe(name), out=folder, resume=resume)))
        results = finish(folder)["results"]
        print(json_.dumps(results))


def models_finish(folder: Positional[Path], corpus: Positional[Path]) -> None:
    """Round a trained language model to eight bits a weight, and judge it on a corpus's held-out sentences.

    Args:
        folder: of the model, as `sslviz train mlm` has left it.
        corpus: folder that `python -m sslviz.bundled.corpus` has written, which the model learnt from.
    """
    from sslviz.bundled.recipes import finish_language

    print(json_.dumps(finish_language(folder, corpus)["results"]))


def data_list(*, json: bool = False) -> None:
    """List the datasets, the source in use for each, and how many images it has.

    Args:
        json: print one JSON object.
    """
    from sslviz.data.images import DATASETS, describe
    from sslviz.paths import data_dir

    rows = []
    for name in DATASETS:
        try:
            found = describe(name)
            rows.append({"name": name, "kind": found.kind, "source": found.source}
                        | {"n_train": found.n_train, "n_test": found.n_test, "path": str(found.path)})  # fmt: skip
        except UserError as error:
            rows.append({"name": name, "error": str(error)})

    def show() -> None:
        for row in rows:
            print(f"{row['name']:14} {row.get('error') or row['source']}")
        print(f"Full copies are kept in {data_dir()}; `sslviz data fetch NAME` brings one.")

    _answer({"data_dir": str(data_dir()), "datasets": rows}, json, show)


def data_fetch(name: Positional[str]) -> None:
    """Download a full dataset with torchvision and keep it in the data folder.

    Args:
        name: mnist, fashion_mnist or cifar10.
    """
    from rich.progress import Progress

    from sslviz.data.images import fetch

    with Progress() as bar:
        task = bar.add_task(f"fetching {name}", total=None)
        path = fetch(name, progress=lambda done, total: bar.update(task, completed=done, total=total))
    print(path)


def data_bundle(source: Path | None = None, *, out: Path | None = None) -> None:
    """Draw the bundled sets from full copies and write them with their cards.

    Args:
        source: folder with the full copies (default the data folder).
        out: folder to write (default assets/data).
    """
    from sslviz.bundled.subsets import bundle
    from sslviz.paths import assets_dir, data_dir

    for path in bundle(source or data_dir(), out or assets_dir() / "data", progress=lambda name: print(name)):
        print(path)


def app(*, port: int = 8501, headless: bool = False) -> None:
    """Open the app in the browser.

    Args:
        port: of the local address.
        headless: do not open a browser.
    """
    import subprocess

    script = ROOT / "app.py"
    if not script.is_file():
        raise UserError(f"{script} is not there; install sslviz from its checkout with `pip install -e .`.")
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    if headless:
        command.append("--server.headless=true")
    raise SystemExit(subprocess.run(command, cwd=script.parent, check=False).returncode)


COMMANDS: dict[str, Callable[..., Any]] = {
    "app": app,
    "train": train,
    "probe": probe,
    "eval": evaluate,
    "eval mlm": evaluate_mlm,
    "fill": fill_,
    "embed": embed,
    "map": map_,
    "models list": models_list,
    "models maps": models_maps,
    "models export": models_export,
    "models import": models_import,
    "models delete": models_delete,
    "models build": models_build,
    "models finish": models_finish,
    "data list": data_list,
    "data fetch": data_fetch,
    "data bundle": data_bundle,
}


# shared by the commands ---------------------------------------------------------------------------------------------


def _answer(result: dict[str, Any], json: bool, show: Callable[[], None]) -> None:
    if json:
        print(json_.dumps(result))
    else:
        show()


def _model(name: str) -> Any:
    from sslviz.store.checkpoint import load

    return load(name)


def _topics(
    name: str, *, probe: Any, baselines: bool, seed: int, json: bool
) -> tuple[tuple[Any, Any], dict[str, float]]:
    """The labelled sentences, and accuracies by name: of a language model ("random-" and its name: its twin) first."""
    from sslviz.bundled import topics
    from sslviz.language import model as language
    from sslviz.store.checkpoint import RANDOM

    twin, known = name.startswith(RANDOM), name.removeprefix(RANDOM)
    model = language.load(known, progress=None if json else _fetching(known))
    if twin:
        model = topics.untrained(model, seed=seed)
    tell = None if json else _status()
    found = topics.evaluate(
        model, probe=probe, baselines=baselines, seed=seed,
        report=tell and (lambda stage, share: tell({"fraction": share, "encoder": name, "stage": stage})),
    )  # fmt: skip
    if twin:
        found.pop("random", None)
    return (topics.load_topics("train"), topics.load_topics("test")), {name: found.pop("model")} | found


def _images(dataset: str) -> tuple[Any, Any]:
    from sslviz.data.images import load_images

    return load_images(dataset, "train"), load_images(dataset, "test")


def _embed(checkpoint: str, dataset: str, split: str) -> tuple[Any, Any]:
    from sslviz.data.images import load_images
    from sslviz.evaluation.embedding import encode

    model, images = _model(checkpoint), load_images(dataset, split)
    _fits(model, images, checkpoint)
    return encode(model, images.x), images


def _fits(model: Any, images: Any, name: str) -> None:
    """A model takes images of the channels (a VAE: of the shape) that it was made for."""
    config, shape = model.config, tuple(images.x.shape[1:])
    if model.method == "vae":
        if shape != tuple(config.shape):
            raise UserError(f"{name} takes images of shape {tuple(config.shape)}, {images.name} has {shape}.")
    elif shape[0] != config.encoder.channels:
        wanted = "grey" if config.encoder.channels == 1 else "colour"
        raise UserError(f"{name} takes {wanted} images, {images.name} has {shape[0]} channel(s); choose another model.")


def _baselines(checkpoint: str, images: Any, seed: int) -> dict[str, Any]:
    from sslviz.evaluation.baselines import fit_baselines
    from sslviz.store.checkpoint import RANDOM, load

    twin = {} if checkpoint.startswith(RANDOM) else {"random": load(f"{RANDOM}{checkpoint}", seed=seed)}
    return twin | fit_baselines(images.x, seed=seed)


def _fetching(name: str) -> Callable[[float], None]:
    """Progress of a download on one line of stderr."""

    def show(share: float) -> None:
        print(f"\rfetching {name}: {share:4.0%}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)

    return show


def _status() -> Callable[[dict[str, Any]], None]:
    """Progress of an evaluation on one line of stderr."""

    def show(event: dict[str, Any]) -> None:
        text = f"{event['fraction']:4.0%} {event['encoder']}: {event['stage']}"
        print(f"\r{text:60}", end="" if event["fraction"] < 1 else "\n", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
