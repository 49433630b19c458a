"""A dataset is one entry: what it says fits what others make of it."""

import pytest
import torchvision

from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.methods.policies import POLICIES


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_is_whole(name):
    about = DATASETS[name]
    assert hasattr(torchvision.datasets, about.torchvision) and about.download_bytes > 10**6
    assert len(about.class_names) == 10 and about.channels == about.shape[0] in (1, 3)
    assert about.bundled is None or (about.bundled[0] <= about.n_train and about.bundled[1] <= about.n_test)
    assert POLICIES[name].size <= about.shape[1] and about.licence and about.home and about.citation
    assert name not in ALIASES and set(ALIASES.values()) <= set(DATASETS)


def test_the_views_are_those_that_the_bundled_models_were_trained_with():
    mnist, fashion, cifar = (POLICIES[name] for name in ("mnist", "fashion_mnist", "cifar10"))
    assert (mnist.size, mnist.crop, mnist.rotate, mnist.translate, mnist.shear, mnist.jitter, mnist.blur) == (
        24, 0.4, 15, 0.1, 15, 0.8, 0.3,
    )  # fmt: skip
    assert (fashion.size, fashion.crop, fashion.flip, fashion.rotate, fashion.blur) == (24, 0.3, 0.5, 5, 0.2)
    assert (cifar.size, cifar.crop, cifar.flip, cifar.jitter, cifar.grey, cifar.rotate) == (24, 0.2, 0.5, 0.8, 0.2, 0)
