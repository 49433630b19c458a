"""Tiny configs of every image method, for tests of training."""

from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.supervised import SupervisedConfig
from sslviz.methods.vae import VAEConfig
from sslviz.training.config import config_for

RESNET18 = EncoderConfig(widths=(64, 64, 128, 256, 512), strides=(1, 1, 2, 2, 2), depth=2, pool=1)
TINY = EncoderConfig(channels=1, widths=(8, 8), strides=(2, 2), pool=1)
MODELS = {
    "vae": VAEConfig(hidden=16, latent_dim=4),
    "simclr": SimCLRConfig(TINY, 16, 8),
    "moco": MoCoConfig(TINY, 16, 8, queue_size=64),
    "supervised": SupervisedConfig(TINY),
}


def tiny(method, data, out=None, **changes):
    """A short run on the CPU in float32 that tells every step."""
    fixed = {"model": MODELS[method], "batch_size": 32, "device": "cpu", "log_every": 1, "precision": "32-true"}
    return config_for(method, data, **(fixed | {"out": out} | changes))
