"""The `sslviz` command: which function answers which words. Heavy modules are imported inside the commands."""

import sys
from collections.abc import Callable
from typing import Any

import tyro

from sslviz.cli import app, data, evaluate, language, maps, models, output, train
from sslviz.errors import UserError
from sslviz.jobs.protocol import Failed

COMMANDS: dict[str, Callable[..., Any]] = {
    "app": app.app,
    "train": train.train,
    "probe": evaluate.probe,
    "eval": evaluate.evaluate,
    "eval mlm": language.evaluate_mlm,
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
    "data list": data.data_list,
    "data fetch": data.data_fetch,
    "data clean": data.data_clean,
    "data bundle": data.data_bundle,
}


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
        if command is train.train:
            command(rest)
        else:
            tyro.cli(command, args=rest, prog=f"sslviz {name}")
        return 0
    except UserError as error:
        print(f"sslviz {name}: {error}", file=sys.stderr)
        if "--json" in words:  # whoever reads JSON gets the reason as JSON too
            output.tell(Failed.of(error))
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
