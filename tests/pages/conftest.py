"""Where page tests find their models."""

import pytest
from visiting import places


@pytest.fixture(scope="module")
def on_pages(models):
    """The module's own copy of the tiny models, which pages show beside the bundled ones."""
    with places(SSLVIZ_MODELS=models):
        yield models
