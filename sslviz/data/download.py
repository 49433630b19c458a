"""Downloads: a known dataset whole, and one file from the first of its mirrors that has it whole."""

import hashlib
import http.client
import math
import os
import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sslviz.data import npz
from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.paths import data_dir

TIMEOUT = 30  # seconds without a byte


class DownloadError(Exception):
    """The network, not the disk, stood in the way; the message names the server and the reason."""


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Download a full copy and keep it as `<name>.npz` in the data folder.

    The files, their mirrors and checksums are those of `torchvision.datasets`, which also unpacks them. Whatever goes
    wrong, nothing but a whole copy is left in the data folder; and nothing that is there already is overwritten.

    Args:
        name: a key of `DATASETS`.
        progress: called from this thread as the download goes, with the bytes so far and the bytes in all.

    Returns:
        The path of the copy; if there is a full one already, nothing is downloaded.

    Raises:
        UserError: unknown name, no network, no space, a folder that can't be written to, or another file in the way.
    """
    name = ALIASES.get(name, name)
    if name not in DATASETS:
        raise UserError(f"There is no dataset {name!r} to fetch: use {', '.join(DATASETS)}.")
    info, target = DATASETS[name], data_dir()
    path = target / f"{name}.npz"
    if os.path.exists(path):
        counts = npz.read_layout(path, remedy=f"delete it and run `sslviz data fetch {name}`.").counts
        if counts != {"train": info.n_train, "test": info.n_test}:
            raise UserError(f"{path} is a partial copy of {info.title}: move it away, then fetch again.")
        return path
    remedy = "set SSLVIZ_DATA to another folder."
    with writing(target, remedy=remedy):
        for left in target.glob(".fetch-*"):  # by a process that was killed
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)
        need = info.download_bytes + 2 * (info.n_train + info.n_test) * math.prod(info.shape)  # archive, unpacked, kept
        free = shutil.disk_usage(target).free
        if free < need:
            raise UserError(
                f"{info.title} needs {need / 2**20:,.0f} MiB while it is fetched and {target} has {free / 2**20:,.0f}: "
                f"free some space, or {remedy}"
            )
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target, ignore_cleanup_errors=True) as temporary:
            arrays = _download(name, Path(temporary), progress or (lambda done, total: None))
            whole = Path(temporary) / path.name
            npz.write(whole, arrays, remedy=remedy)  # not compressed: loads several times as fast
            whole.replace(path)
    return path


def _download(name: str, temporary: Path, progress: Callable[[int, int], None]) -> dict[str, np.ndarray]:
    """Download one dataset's archives to where torchvision looks for them, and have it read them."""
    import torchvision

    info = DATASETS[name]
    source = getattr(torchvision.datasets, info.torchvision)
    if hasattr(source, "resources"):
        raw = temporary / info.torchvision / "raw"
        files = [(raw / file, [mirror + file for mirror in source.mirrors], md5) for file, md5 in source.resources]
    else:
        files = [(temporary / source.filename, [source.url], source.tgz_md5)]
    done = 0
    for path, urls, md5 in files:
        try:
            done += fetch_file(path, urls, md5, _beyond(done, info.download_bytes, progress))
        except DownloadError as error:
            raise UserError(
                f"{info.title} could not be downloaded ({error}): check the network and try again, "
                f"or put a {name}.npz in {data_dir()}."
            ) from None
    arrays: dict[str, np.ndarray] = {}
    for split in npz.SPLITS:
        dataset = source(temporary, train=split == "train", download=True)
        arrays |= {
            f"x_{split}": np.asarray(dataset.data, np.uint8),
            f"y_{split}": np.asarray(dataset.targets, np.uint8),
        }
    return arrays


def _beyond(done: int, total: int, progress: Callable[[int, int], None]) -> Callable[[int], None]:
    """The progress of one file as that of all, where `done` bytes came before it."""
    return lambda n: progress(done + n, total)


def fetch_file(path: Path, urls: Sequence[str], md5: str, progress: Callable[[int], None]) -> int:
    """Download a file from the first mirror that has it whole.

    Args:
        path: where to put it; its folder is made.
        urls: the mirrors, in order.
        md5: the file's checksum, in hexadecimal.
        progress: called with the bytes written so far.

    Returns:
        The size of the file in bytes.

    Raises:
        DownloadError: no mirror has it whole; the message says why the last one has not.
        OSError: the file could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for url in urls:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with open(path, "wb") as file:
                for chunk in _chunks(url):
                    file.write(chunk)
                    digest.update(chunk)
                    progress(file.tell())
        except DownloadError as error:
            reason = error
            continue
        if digest.hexdigest() == md5:
            return path.stat().st_size
        reason = DownloadError(f"what {urllib.parse.urlsplit(url).netloc} sent is damaged")
    raise reason


def _chunks(url: str) -> Iterator[bytes]:
    """Yield what a server sends; kept from the writing, so that a network's OSError isn't taken for a disk's."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "sslviz"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            while chunk := response.read(1 << 16):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise DownloadError(f"{urllib.parse.urlsplit(url).netloc}: {text}") from None
