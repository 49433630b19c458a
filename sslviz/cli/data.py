"""`sslviz data …`: list, fetch and bundle datasets."""

from pathlib import Path

from tyro.conf import Positional

from sslviz.cli.output import answer
from sslviz.errors import UserError


def data_list(*, json: bool = False) -> None:
    """List the datasets, the source in use for each, and how many images it has.

    Args:
        json: print one JSON object.
    """
    from sslviz.data.catalog import DATASETS
    from sslviz.data.images import describe
    from sslviz.paths import data_dir

    rows = []
    for name in DATASETS:
        try:
            found = describe(name)
            rows.append({"name": name, "kind": found.kind, "source": found.source}
                        | {"n_train": found.n_train, "n_test": found.n_test, "path": str(found.path)})  # fmt: skip
        except UserError as error:
            rows.append({"name": name, "error": str(error)})

    def show() -> None:
        for row in rows:
            print(f"{row['name']:14} {row.get('error') or row['source']}")
        print(f"Full copies are kept in {data_dir()}; `sslviz data fetch NAME` brings one.")

    answer({"data_dir": str(data_dir()), "datasets": rows}, json, show)


def data_fetch(name: Positional[str]) -> None:
    """Download a full dataset with torchvision and keep it in the data folder.

    Args:
        name: mnist, fashion_mnist or cifar10.
    """
    from rich.progress import Progress

    from sslviz.data.download import fetch

    with Progress() as bar:
        task = bar.add_task(f"fetching {name}", total=None)
        path = fetch(name, progress=lambda done, total: bar.update(task, completed=done, total=total))
    print(path)


def data_clean(dataset: Positional[Path], *, out: Path, json: bool = False) -> None:
    """Write own images without the test images that are copies of training images.

    Args:
        dataset: an .npz file or a folder of pictures.
        out: the .npz file to write.
        json: print one JSON object.
    """
    from sslviz.data.images import write_without_copies
    from sslviz.paths import expand

    left_out, kept = write_without_copies(dataset, expand(out))
    result = {"dataset": str(dataset), "out": str(out), "left_out": left_out, "n_test": kept}
    answer(result, json, lambda: print(f"{out}: {left_out:,} copies left out, {kept:,} test images stay"))


def data_bundle(source: Path | None = None, *, out: Path | None = None) -> None:
    """Draw the bundled sets from full copies and write them with their cards.

    Args:
        source: folder with the full copies (default the data folder).
        out: folder to write (default assets/data).
    """
    from sslviz.bundled.subsets import bundle
    from sslviz.paths import assets_dir, data_dir

    for path in bundle(source or data_dir(), out or assets_dir() / "data", progress=lambda name: print(name)):
        print(path)
