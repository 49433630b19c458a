"""Numbers as the figures of the page of revision write them."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share in [0, 1]: "93.7 %"."""
    return f"{100 * share:.1f}\u00a0%"


def percent_interval(share: float, interval: tuple[float, float]) -> str:
    """A share and its interval: "93.7 % (92.5–94.7)"."""
    low, high = interval
    return f"{100 * share:.1f}\u00a0% ({100 * low:.1f}–{100 * high:.1f})"
