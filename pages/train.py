"""Train: choose a method and a budget, watch it learn, and keep what it has learnt."""

from sslviz import ui
from sslviz.methods import registry
from sslviz.ui.training import bring, console, keep

scene = ui.open_page("train")
identity = console.attached()
order, run = None, None
if identity is None:
    order = console.form(scene)
    bring.bring()
else:
    run = console.watch(identity)
    keep.afterwards(identity, run)

method = (run.request if run else order).method if run or order else registry.DEFAULT
about = registry.METHODS[method]
command = keep.command_of(run, order)
ui.foldouts(
    latex=about.latex,
    symbols=about.symbols,
    source=about.source,
    command=command,
    script=keep.script_of(command),
    way=(
        "Images with their labels."
        if about.labels
        else "Images, without labels. Labels are used to watch with, never to learn from.",
        about.way,
        "A model like the bundled ones, which every other page can open.",
    ),
)
