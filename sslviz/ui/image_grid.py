"""A labelled grid of images in the page itself, which shrinks with a narrow page and leaves no room unused."""

from __future__ import annotations

from typing import Any

from sslviz.ui.component import component

_GRID = component(__file__, "image_grid")


def show_grid(figure: Any, *, key: str, alt: str) -> None:
    """Show a figure of `plots.plot_images`.

    Args:
        figure: its `layout.meta` says what stands in it.
        key: unique on the page.
        alt: what it shows, for those who can't see it.
    """
    _GRID(key=key, data={**figure.layout.meta["grid"], "source": figure.data[0].source, "alt": alt})
