"""Sentences that the page of revision asks language models about, written for it: runs of four that follow each "
"other."""

GAP = "The ship sailed across the [MASK] to the island."
BEGINNING = "The ship sailed across the"

RUNS: tuple[tuple[str, ...], ...] = (
    (
        "The river had risen during the night.",
        "By morning the water stood at the door of the mill.",
        "The miller carried his sacks to the upper floor.",
        "Then he sat down on the stairs and waited for the rain to stop.",
    ),
    (
        "A prism splits white light into its colours.",
        "Each colour leaves the glass at an angle of its own.",
        "Red is bent the least and violet the most.",
        "A second prism can put the colours together again.",
    ),
    (
        "She opened the letter at the kitchen table.",
        "It was from her brother, who had not written for years.",
        "He asked whether the old house was still standing.",
        "She answered him the same evening.",
    ),
    (
        "Bread needs flour, water, salt and time.",
        "The dough is left alone until it has doubled.",
        "It is then shaped and put into a hot oven.",
        "A hollow sound from the bottom says that it is done.",
    ),
    (
        "The program reads a file line by line.",
        "Each line is split into words.",
        "The words are counted in a table.",
        "At the end the table is sorted and printed.",
    ),
    (
        "The bishop lost his way in the fog.",
        "After an hour he heard a bell to his left.",
        "He followed the sound across two fields.",
        "It hung on the neck of a cow.",
    ),
)
