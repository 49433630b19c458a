"""One file from the network, from the first of its mirrors that has it whole."""

import hashlib
import http.client
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TIMEOUT = 30  # seconds without a byte


class DownloadError(Exception):
    """The network, not the disk, stood in the way; the message names the server and the reason."""


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
