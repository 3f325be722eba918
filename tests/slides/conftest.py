"""Small real slides, written tile by tile so that every codec and layout can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import simplejpeg
import tifffile

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Encoder = Callable[[np.ndarray], bytes]


@dataclass(frozen=True)
class Codec:
    """How tiles are stored: TIFF tags and the function that makes the bytes."""

    compression: int
    photometric: int
    encode: Encoder
    tables: bytes | None = None
    subsampling: tuple[int, int] | None = None
    predictor: int | None = None
    tolerance: int = 0


def segments(stream: bytes) -> list[tuple[int, bytes]]:
    """The marker segments of a JPEG stream before its pixels."""
    found, position = [], 2
    while stream[position + 1] != 0xDA:
        length = 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        found.append((stream[position + 1], stream[position : position + length]))
        position += length
    return [*found, (0xDA, stream[position:])]


def keep(stream: bytes, wanted: Callable[[int], bool]) -> bytes:
    return b"\xff\xd8" + b"".join(segment for marker, segment in segments(stream) if wanted(marker))


def is_table(marker: int) -> bool:
    return marker in (0xDB, 0xC4)


def is_application(marker: int) -> bool:
    return marker & 0xF0 == 0xE0


def ycbcr_jpeg(tile: np.ndarray, subsampling: str = "420") -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(tile), 85, "RGB", subsampling)


def rgb_jpeg(tile: np.ndarray) -> bytes:
    """RGB inside JPEG, with an Adobe marker."""
    return imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), 85, colorspace="rgb", outcolorspace="rgb")


def _abbreviated(encode: Encoder, photometric: int, subsampling: tuple[int, int] | None = None) -> Codec:
    tables = keep(encode(np.zeros((16, 16, 3), np.uint8)), is_table) + b"\xff\xd9"
    return Codec(
        7,
        photometric,
        lambda tile: keep(encode(tile), lambda marker: not is_table(marker) and not is_application(marker)),
        tables=tables,
        subsampling=subsampling,
    )


def _j2k(tile: np.ndarray) -> bytes:
    return imagecodecs.jpeg2k_encode(np.ascontiguousarray(tile), level=38, codecformat="j2k", resolutions=3)


def _j2k_ycbcr(tile: np.ndarray) -> bytes:
    rgb = tile.astype(float)
    y = rgb @ (0.299, 0.587, 0.114)
    planes = np.stack([y, 128 + (rgb[..., 2] - y) / 1.772, 128 + (rgb[..., 0] - y) / 1.402], axis=-1)
    ycbcr = np.clip(np.rint(planes), 0, 255).astype(np.uint8)
    return imagecodecs.jpeg2k_encode(ycbcr, level=0, codecformat="j2k", mct=False, resolutions=3)


def _difference(tile: np.ndarray) -> bytes:
    return np.diff(tile, axis=1, prepend=np.zeros_like(tile[:, :1])).astype(np.uint8).tobytes()


CODECS: dict[str, Codec] = {
    "jpeg-420": Codec(7, 6, ycbcr_jpeg, subsampling=(2, 2)),
    "jpeg-422": Codec(7, 6, lambda tile: ycbcr_jpeg(tile, "422"), subsampling=(2, 1)),
    "jpeg-444": Codec(7, 6, lambda tile: ycbcr_jpeg(tile, "444"), subsampling=(1, 1)),
    "jpeg-420-tables": _abbreviated(ycbcr_jpeg, 6, (2, 2)),
    "jpeg-422-tables": _abbreviated(lambda tile: ycbcr_jpeg(tile, "422"), 6, (2, 1)),
    "jpeg-rgb-marker": Codec(7, 2, rgb_jpeg),
    "jpeg-rgb-no-marker": Codec(7, 2, lambda tile: keep(rgb_jpeg(tile), lambda marker: not is_application(marker))),
    "jpeg-rgb-tables": _abbreviated(rgb_jpeg, 2),
    "jpeg2000-rgb": Codec(33005, 2, _j2k, tolerance=1),
    "jpeg2000-ycbcr": Codec(33003, 2, _j2k_ycbcr, tolerance=1),
    "lzw": Codec(5, 2, lambda tile: imagecodecs.lzw_encode(tile.tobytes())),
    "lzw-predictor": Codec(5, 2, lambda tile: imagecodecs.lzw_encode(_difference(tile)), predictor=2),
    "deflate": Codec(8, 2, lambda tile: imagecodecs.zlib_encode(tile.tobytes())),
    "deflate-predictor": Codec(8, 2, lambda tile: imagecodecs.zlib_encode(_difference(tile)), predictor=2),
    "deflate-old": Codec(32946, 2, lambda tile: imagecodecs.zlib_encode(tile.tobytes())),
    "raw": Codec(1, 2, lambda tile: tile.tobytes()),
}


def tissue(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Pale glass with brown and blue smudges of every size."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 16 + 2, width // 16 + 2, 3))
    smooth = np.kron(coarse, np.ones((16, 16, 1)))[:height, :width]
    noise = rng.normal(0, 12, (height, width, 3))
    return np.clip(250 - 170 * smooth * smooth[..., :1] + noise, 0, 255).astype(np.uint8)


def tile_bytes(pixels: np.ndarray, tile: int, encode: Encoder, padding: int | None = None) -> list[bytes]:
    """Encoded tiles, those at the edge padded to full size: by their border, or by a grey level."""
    height, width = pixels.shape[:2]
    how: dict[str, Any] = {"mode": "edge"} if padding is None else {"constant_values": padding}
    padded = np.pad(pixels, ((0, -height % tile), (0, -width % tile), (0, 0)), **how)
    return [
        encode(np.ascontiguousarray(padded[y : y + tile, x : x + tile]))
        for y in range(0, height, tile)
        for x in range(0, width, tile)
    ]


def write_tiff(
    path: Path,
    levels: Sequence[np.ndarray],
    codec: Codec | str = "jpeg-420",
    tile: int = 64,
    description: str | None = None,
    missing: Collection[tuple[int, int]] = (),
    subifds: bool = False,
    bigtiff: bool = False,
    resolution: tuple[float, float] | None = None,
    unit: int = 3,
    padding: int | None = None,
) -> Path:
    """A pyramid of which every tile's bytes are known; ``missing`` are (level, tile) left out."""
    codec = CODECS[codec] if isinstance(codec, str) else codec
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        for index, pixels in enumerate(levels):
            encoded = tile_bytes(pixels, tile, codec.encode, padding)
            writer.write(
                iter(b"" if (index, number) in missing else data for number, data in enumerate(encoded)),
                shape=pixels.shape,
                dtype=np.uint8,
                tile=(tile, tile),
                compression=codec.compression if codec.compression != 1 else None,
                photometric=codec.photometric,
                jpegtables=codec.tables,
                subsampling=codec.subsampling,
                predictor=codec.predictor,
                description=description if index == 0 else None,
                metadata=None,
                subifds=len(levels) - 1 if subifds and index == 0 else None,
                subfiletype=1 if index and not (description or "").startswith("Aperio") else 0,
                resolution=resolution,
                resolutionunit=unit if resolution else None,
            )
    return path


def aperio(pixels: np.ndarray, tile: int = 64, mpp: str | None = "0.2500", power: str = "40") -> str:
    height, width = pixels.shape[:2]
    scale = f"|MPP = {mpp}" if mpp else ""
    return (
        f"Aperio Image Library v12.0.15\r\n{width}x{height} ({tile}x{tile}) JPEG Q=80"
        f"|AppMag = {power}|ScanScope ID = SS1234|User = somebody|Date = 01/02/20{scale}"
    )


def halved(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    blocks = pixels[: height * 2, : width * 2].reshape(height, 2, width, 2, 3)
    return np.floor(blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


@pytest.fixture
def pixels() -> np.ndarray:
    return tissue(300, 420)


@pytest.fixture
def svs(tmp_path: Path, pixels: np.ndarray) -> Path:
    """An Aperio slide of two levels."""
    return write_tiff(tmp_path / "slide.svs", [pixels, halved(pixels)], "jpeg-420", 64, aperio(pixels))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real slides, where the project's neighbour folder is there."""
    if not (SHARED / "slides").is_dir():
        pytest.skip("real slides (shared/data beside the repository) are not here")
    return SHARED
