"""See what self-supervised models learn: data, methods, training and evaluation behind a Streamlit app.

The names below are the public interface. Each is imported from its module when it is first asked for (PEP 562), so that
`import sslviz` costs nothing and needs no torch.

    from sslviz import LinearProbe, encode, load, load_images
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from sslviz.data.images import load_images as load_images
    from sslviz.errors import UserError as UserError
    from sslviz.evaluation.embedding import encode as encode
    from sslviz.evaluation.maps import fit_map as fit_map
    from sslviz.evaluation.probes import KNNProbe as KNNProbe
    from sslviz.evaluation.probes import LinearProbe as LinearProbe
    from sslviz.language.predict import fill as fill
    from sslviz.methods.losses import elbo as elbo
    from sslviz.methods.losses import info_nce as info_nce
    from sslviz.methods.losses import nt_xent as nt_xent
    from sslviz.store.checkpoint import load as load
    from sslviz.training.config import config_for as config_for
    from sslviz.training.loop import fit as fit

_HOMES = {
    "KNNProbe": "sslviz.evaluation.probes",
    "LinearProbe": "sslviz.evaluation.probes",
    "UserError": "sslviz.errors",
    "config_for": "sslviz.training.config",
    "elbo": "sslviz.methods.losses",
    "encode": "sslviz.evaluation.embedding",
    "fill": "sslviz.language.predict",
    "fit": "sslviz.training.loop",
    "fit_map": "sslviz.evaluation.maps",
    "info_nce": "sslviz.methods.losses",
    "load": "sslviz.store.checkpoint",
    "load_images": "sslviz.data.images",
    "nt_xent": "sslviz.methods.losses",
}
__all__ = (
    "KNNProbe",
    "LinearProbe",
    "UserError",
    "config_for",
    "elbo",
    "encode",
    "fill",
    "fit",
    "fit_map",
    "info_nce",
    "load",
    "load_images",
    "nt_xent",
)


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sslviz' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
