"""Random bits that both views share: the pretext loss gets better, and what is learnt worse.

Chen, Luo & Li 2021 (Intriguing properties of contrastive losses, arXiv:2011.02803, section 5) put the bits into
channels of their own; here they are bars in the two top rows of the views. What takes the shortcut away is tried beside
it: the bits under the other transforms, which crop and move them, and bits that differ between the views.
"""

from collections.abc import Mapping
from typing import Any

BITS = (0, 2, 4, 6, 8, 12)
PLACES = ("over", "under", "apart")  # where the bits are, see `ViewPolicy.bits_place`


def key_of(bits: int, place: str) -> str:
    """The cell of so many bits in a place: "8 over"; without bits there is no place, "0"."""
    return f"{bits} {place}" if bits else "0"


def cells(dataset: str) -> Mapping[str, Mapping[str, Any]]:
    """The cells by key, settings by dotted option; the other transforms are those of the dataset's own policy."""
    found: dict[str, dict[str, Any]] = {"0": {"views.bits": 0}}
    for place in PLACES:
        found |= {key_of(n, place): {"views.bits": n, "views.bits_place": place} for n in BITS if n}
    return found
