"""The `sslviz` command: which function answers which words. Heavy modules are imported inside the commands."""

import functools
import inspect
import io
import os
import sys
from collections.abc import Callable
from typing import Any

import tyro

from sslviz.cli import (
    app,
    contrast,
    data,
    evaluate,
    evidence,
    experiments,
    honesty,
    language,
    maps,
    models,
    moments,
    review,
    train,
    transfer,
)
from sslviz.cli.failures import disk_error, fail, plain, say, silence
from sslviz.cli.signals import Interrupted, ended_by_signals
from sslviz.errors import UserError

COMMANDS: dict[str, Callable[..., Any]] = {
    "app": app.app,
    "train": train.train,
    "probe": evaluate.probe,
    "evidence": evidence.evidence,
    "honesty": honesty.honesty,
    "transfer": transfer.transfer,
    "ladder": transfer.ladder,
    "moments": moments.moments,
    "review": review.review,
    "eval": evaluate.evaluate,
    "contrast": contrast.contrast,
    "eval mlm": language.evaluate_mlm,
    "eval next-word": language.evaluate_next_word,
    "eval next-sentence": language.evaluate_next_sentence,
    "fill": language.fill_,
    "embed": maps.embed,
    "map": maps.map_,
    "models list": models.models_list,
    "models maps": models.models_maps,
    "models export": models.models_export,
    "models import": models.models_import,
    "models delete": models.models_delete,
    "models build": models.models_build,
    "models finish": models.models_finish,
    "experiments list": experiments.experiments_list,
    "experiments run": experiments.experiments_run,
    "experiments look": experiments.experiments_look,
    "data list": data.data_list,
    "data fetch": data.data_fetch,
    "data clean": data.data_clean,
    "data bundle": data.data_bundle,
}


# numbers that several commands take, and the least and the most that they may be
BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "temperature": (0.01, 100.0),
    "batch": (2, 1024),
    "top_k": (1, 1000),
    "port": (1, 65_535),
    "sentences": (1, 1_000_000),
    "seeds": (1, 100),
    "scratch_steps": (0, 1_000_000),
}


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit status.

    Returns:
        0 done, 1 can't be done, 2 wrong usage, 130 or 143 ended by Ctrl-C or SIGTERM, 141 the reader of the output has
        gone.
    """
    for stream in (sys.stdout, sys.stderr):  # a character that the terminal lacks is no reason to end
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if argv is None else argv
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    try:
        with ended_by_signals():
            status = _run(name, words)
        sys.stdout.flush()  # what a full disk or a closed pipe has to say, it says now
        return status
    except UserError as error:
        return fail(name, words, error)
    except Interrupted as interruption:
        say(name, str(interruption) or "interrupted")
        return 128 + interruption.number
    except SystemExit:  # the parser's own end, after a help text or a wrong option
        silence(sys.stdout)
        raise
    except KeyboardInterrupt:
        say(name, "interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output has gone; Python's own flush at the end would fail too
        silence(sys.stdout)
        return 141
    except OSError as error:
        if error.errno is None:
            raise
        return fail(name, words, plain(error))
    except Exception as error:
        if (found := disk_error(error)) is None:
            raise
        return fail(name, words, found)


def _run(name: str | None, words: list[str]) -> int:
    if name is None:
        print(usage())
        return 0 if words in ([], ["-h"], ["--help"]) else 2
    command, rest = COMMANDS[name], words[len(name.split()) :]
    if name != "fill":  # whose first word is a sentence
        rest = [_at_home(word) for word in rest]
    if command is train.train:
        command(rest)
    else:
        tyro.cli(_within_bounds(command), args=rest, prog=f"sslviz {name}")
    return 0


def _at_home(word: str) -> str:
    """A word of the command line with the home folder for a "~" that the shell has left, as in --out=~/m."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={os.path.expanduser(value)}"
    return os.path.expanduser(word)


def _within_bounds(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that refuses numbers outside `BOUNDS` before it does anything."""

    @functools.wraps(command)
    def checked(*args: Any, **options: Any) -> Any:
        given = inspect.signature(command).bind(*args, **options).arguments
        for key, (least, most) in BOUNDS.items():
            value = given.get(key)  # a command that takes several numbers under this name checks them itself
            if isinstance(value, int | float) and not least <= value <= most:
                raise UserError(f"--{key.replace('_', '-')} must be from {least:,} to {most:,}, not {value}.")
        return command(*args, **options)

    return checked


def usage() -> str:
    """The text of `sslviz -h`."""
    lines = (f"  {name:16} {(command.__doc__ or '').strip().splitlines()[0]}" for name, command in COMMANDS.items())
    head = ("usage: sslviz COMMAND …", "", "See self-supervised learning work, and check whether it worked.", "")
    return "\n".join((*head, *lines, "", "`sslviz COMMAND -h` lists a command's options."))
