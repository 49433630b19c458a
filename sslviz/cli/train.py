"""`sslviz train`: a run for people, as JSON lines, or obeying a page."""

import itertools
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from sslviz.cli.output import answer, show_progress, tell
from sslviz.cli.signals import Interrupted, until_interrupted
from sslviz.jobs.protocol import Done, Estimated, Moment, Progressed, Started, Stored, Storing
from sslviz.methods.registry import DEFAULT, METHODS


def train(args: list[str]) -> None:
    """Train METHOD on DATASET (a name, an .npz file, a folder of class folders; for language a text file)."""
    if len(args) < 2 or args[0].startswith("-") or args[1].startswith("-"):
        print(f"usage: sslviz train METHOD DATASET [OPTIONS]\n\n{train.__doc__}\n")
        print("\n".join(["METHOD is one of:", *(f"  {key:8} {info.title}" for key, info in METHODS.items()), ""]))
        title = METHODS[DEFAULT].title
        print(f"`sslviz train {DEFAULT} mnist -h` lists the options of {title} on MNIST with their defaults.")
        sys.exit(0 if args in (["-h"], ["--help"]) else 2)
    method, dataset, *rest = args
    control = _listen(rest)
    if control:
        tell(Progressed("loading PyTorch", 0.0))
    from sslviz.training.config import TrainConfig, config_for

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
    else:
        _to_the_end(arguments.run, args, json=arguments.json)


def _to_the_end(run: Any, args: list[str], *, json: bool) -> None:
    """Train until the budget is spent, or a signal ends it: then say how to go on."""
    from sslviz.training.loop import fit

    name = ""

    def told() -> Iterator[Moment]:
        nonlocal name
        for event in until_interrupted(fit(run)):
            name = event.info["name"] if isinstance(event, Started) else name
            yield event

    try:
        if json:
            for event in told():
                tell(event)
        else:
            show_progress(told())
    except Interrupted as end:
        if not name or end.step is None:
            raise
        words = [word for word in args if word != "--resume"]
        named = [] if run.out or run.name else ["--name", name]
        command = shlex.join(["sslviz", "train", *words, *named, "--resume"])
        message = f"{end}; go on from there with: {command}"
        raise Interrupted(end.number, message, step=end.step) from None


def _estimate(run: Any, *, json: bool) -> None:
    """Print what a run would cost."""
    from sslviz.training.estimate import estimate

    _, told = estimate(run)
    free = f", {told.free_mb:,.0f} are free" if told.free_mb else ""
    answer(
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
    from sslviz.training.estimate import estimate
    from sslviz.training.loop import fit

    try:
        if not run.resume:
            tell(Progressed("reading the images and measuring a few steps", 0.0))
            run, told = estimate(run)
            tell(Estimated(told.as_dict()))
        done = None
        for event in control.drive(fit(run)):
            tell(event)
            done = event.path if isinstance(event, Done) else None
        if done and run.live:
            for name in store_maps(Path(done), begin=lambda name: tell(Storing(name))):
                tell(Stored(name, done))
    finally:
        control.end()
