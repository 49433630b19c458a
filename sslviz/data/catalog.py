"""The known datasets. One entry a dataset holds all that sslviz knows of it; torch-free, since pages read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DatasetInfo:
    """What is published about a dataset, and what sslviz does with it.

    Attributes:
        title: for people.
        class_names: in the order of the labels.
        shape: (C, H, W) of an image.
        n_train: official number of training images.
        n_test: official number of test images.
        authors: who made it.
        licence: in words.
        home: address of its page.
        citation: of its paper.
        torchvision: name of its class in `torchvision.datasets`.
        download_bytes: of that class's download.
        views: settings of `sslviz.methods.policies.ViewPolicy` that suit its images.
        bundled: numbers of training and test images in the bundled subset; None where it comes whole.
        alters: transforms of `sslviz.methods.sweeps` that make another class of an image: class -> what it becomes.
    """

    title: str
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    n_train: int
    n_test: int
    authors: str
    licence: str
    home: str
    citation: str
    torchvision: str
    download_bytes: int
    views: Mapping[str, Any]
    bundled: tuple[int, int] | None = None
    alters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.shape[0]


DATASETS: dict[str, DatasetInfo] = {
    "mnist": DatasetInfo(
        title="MNIST",
        class_names=tuple("0123456789"),
        shape=(1, 28, 28),
        n_train=60_000,
        n_test=10_000,
        authors="Yann LeCun, Corinna Cortes",
        licence="CC BY-SA 3.0",
        home="http://yann.lecun.com/exdb/mnist/",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
        "Proceedings of the IEEE 86(11), 1998.",
        torchvision="MNIST",
        download_bytes=11_594_722,
        # a flipped digit is another sign, so digits are turned and sheared a little instead
        views={"size": 24, "crop": 0.4, "rotate": 15, "translate": 0.1, "shear": 15, "jitter": 0.8, "blur": 0.3},
        alters={
            "rotate": {"6": "a “9” at half a turn", "9": "a “6” at half a turn"},
            "flip": {
                "2": "nearly a “5” in a mirror",
                "5": "nearly a “2” in a mirror",
                "6": "a “9” when flipped both ways",
                "9": "a “6” when flipped both ways",
            },
        },
    ),
    "fashion_mnist": DatasetInfo(
        title="Fashion-MNIST",
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shape=(1, 28, 28),
        n_train=60_000,
        n_test=10_000,
        authors="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE)",
        licence="MIT, copyright Zalando SE",
        home="https://github.com/zalandoresearch/fashion-mnist",
        citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine "
        "learning algorithms. arXiv:1708.07747, 2017.",
        torchvision="FashionMNIST",
        download_bytes=30_878_645,
        views={"size": 24, "crop": 0.3, "flip": 0.5, "rotate": 5, "jitter": 0.8, "blur": 0.2},
        bundled=(10_000, 2_000),
    ),
    "cifar10": DatasetInfo(
        title="CIFAR-10",
        class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        shape=(3, 32, 32),
        n_train=50_000,
        n_test=10_000,
        authors="Alex Krizhevsky, Vinod Nair, Geoffrey Hinton",
        licence="No explicit licence; free for research, citing the technical report.",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        citation="A. Krizhevsky: Learning multiple layers of features from tiny images. "
        "Technical report, University of Toronto, 2009.",
        torchvision="CIFAR10",
        download_bytes=170_498_071,
        views={"size": 24, "crop": 0.2, "flip": 0.5, "jitter": 0.8, "grey": 0.2},
        bundled=(10_000, 2_000),
    ),
}
ALIASES = {"fashion": "fashion_mnist"}
