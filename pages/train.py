"""Train: choose a method and a budget, watch it learn, and keep what it has learnt."""

from sslviz import ui
from sslviz.methods.registry import DEFAULT, METHODS
from sslviz.ui.training import bring, console, form, keep, reproduce

selection = ui.open_page("train")
identity = console.attached()
asked, run = None, None
if identity is None:
    asked = form.form(selection)
    bring.bring()
else:
    run = console.watch(identity)
    keep.afterwards(identity, run)

request = run.request if run else asked
method = METHODS[request.method if request else DEFAULT]
command = reproduce.command_of(run, asked)
ui.foldouts(
    latex=method.latex,
    symbols=dict(method.symbols),
    source=method.source,
    command=command,
    script=reproduce.script_of(command),
    way=(
        "Images with their labels."
        if method.labels
        else "Images, without labels. Labels are used to watch with, never to learn from.",
        method.way,
        "A model like the bundled ones, which every other page can open.",
    ),
)
