"""The views of the probe page: a file each, in the order in which they are asked for."""

from typing import NamedTuple


class View(NamedTuple):
    """One view: the module whose `show(selection)` draws it, and the one question that it answers."""

    module: str
    question: str


VIEWS = {
    "Evidence": View("sslviz.ui.evidence.table", "Who is best, and does it hang on how one asks?"),
    "Labels": View("sslviz.ui.evidence.labels", "How many labels does it take?"),
    "Pretext": View("sslviz.ui.evidence.pretext", "Does a lower loss mean a better representation?"),
    "Transfer": View("sslviz.ui.evidence.transfer", "What is it worth on other images, and at which level?"),
    "Cheat": View("sslviz.ui.evidence.cheat", "Was it measured as it says, and what is each rule worth?"),
    "Learned": View("sslviz.ui.evidence.learned", "What does it get wrong, and does it know?"),
}
