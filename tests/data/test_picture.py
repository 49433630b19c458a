"""Pictures that people bring: read when they are one, and refused with a sentence before they cost anything."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sslviz.data.picture import MAX_BYTES, fitted, read_square
from sslviz.errors import UserError


def written(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def striped(width: int = 60, height: int = 40) -> Image.Image:
    x = np.zeros((height, width, 3), np.uint8)
    x[:, ::4] = (200, 100, 50)
    return Image.fromarray(x)


def claims(width: int, height: int) -> bytes:
    """A PNG whose first bytes claim a size, and pixels that never come."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", 99)
        + b"IDAT"
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_pictures_of_all_kinds_are_read(kind):
    assert read_square("a.x", written(striped(), kind)).shape == (128, 128, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no picture"),
        (b"GIF89a and then words", "is no picture|is broken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
        (claims(60_000, 60_000), "more than 25 million pixels: make it smaller"),
        (claims(6_000, 6_000), "more than 25 million pixels: make it smaller"),
        (claims(3_000, 10), "cut it to about a square"),
        (claims(30, 30), "is broken or cut off"),
        (written(striped())[:-60], "is broken or cut off"),
        (written(Image.new("RGB", (50, 50), "red")), "one colour all over"),
        (written(Image.new("RGBA", (50, 50), (9, 9, 9, 0))), "one colour all over"),
        (bytes(MAX_BYTES + 1), "has 10 MB: bring one of 10 MB or less"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(content, said):
    with pytest.raises(UserError, match=said) as error:
        read_square("../../etc/a\x00b.png", content)
    assert str(error.value).startswith("a") and "etc" not in str(error.value)


def test_transparent_parts_are_white():
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (24, 24, 40, 40))
    square = read_square("a.png", written(image))
    assert (square[0] == 255).all() and square[64, 64].max() < 8


def test_dark_on_light_is_inverted_for_grey_sets_alone():
    paper = np.full((128, 128, 3), 240, np.uint8)
    paper[40:90, 60:70] = 10
    x, inverted = fitted(paper, (1, 28, 28))
    assert inverted and x.shape == (1, 28, 28) and x[0, 0, 0] == 15 and x.max() > 200
    x, inverted = fitted(255 - paper, (1, 28, 28))
    assert not inverted and x[0, 0, 0] == 15
    x, inverted = fitted(paper, (3, 32, 32))
    assert not inverted and x.shape == (3, 32, 32) and (x[:, 0, 0] == 240).all()
