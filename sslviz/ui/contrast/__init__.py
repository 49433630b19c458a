"""The views of the contrast page: a file each, in the order in which they are told."""

from typing import NamedTuple


class View(NamedTuple):
    """One view: the module whose `show(selection)` draws it, and the one question that it answers."""

    module: str
    question: str


VIEWS = {
    "Pair": View("sslviz.ui.contrast.pair", "What may change between two pictures of the same thing?"),
    "Invariance": View("sslviz.ui.contrast.invariance", "What does each transform take away, and who still knows it?"),
    "Matrix": View("sslviz.ui.contrast.matrix", "Who has to find whom, among how many, and who is pushed hardest?"),
    "Gradient": View("sslviz.ui.contrast.gradient", "Who pulls the anchor, who pushes it, and how hard?"),
    "Head": View("sslviz.ui.contrast.head", "What does the projector drop, and why is it thrown away?"),
    "Collapse": View("sslviz.ui.contrast.collapse", "What if nothing pushes other images apart?"),
    "Queue": View("sslviz.ui.contrast.queue", "How old may a negative be?"),
    "Grid": View("sslviz.ui.contrast.grid", "Which augmentation does the work?"),
    "Shortcut": View("sslviz.ui.contrast.shortcut", "What if there is an easier way to tell the pairs apart?"),
}
