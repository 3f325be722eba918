"""One compressed TIFF tile -> RGB in a buffer that is already there.

A decoder is a function ``(data, out)`` that fills ``out``, a contiguous (rows, columns, 3) buffer,
or raises ValueError or RuntimeError. The compiled decoders release the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from micromet_path.slides.jpeg2000 import halved, read_header

__all__ = ["CODEC_NAMES", "TileDecoder", "decoder_for", "mean_of_squares"]

TileDecoder = Callable[[bytes, NDArray[np.uint8]], None]

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE = 1, 5, 7, 8, 32946
APERIO_YCBCR, APERIO_RGB, JPEG2000 = 33003, 33005, 34712
RGB, YCBCR = 2, 6

CODEC_NAMES = {
    NONE: "raw",
    LZW: "lzw",
    JPEG: "jpeg",
    DEFLATE: "deflate",
    OLD_DEFLATE: "deflate",
    APERIO_YCBCR: "jpeg2000",
    APERIO_RGB: "jpeg2000",
    JPEG2000: "jpeg2000",
}
"""TIFF compressions that are decoded here, by their number."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_TOLERATED = "extraneous bytes before marker"
"""The one complaint of the JPEG library that leaves the pixels whole: padding between segments."""


def decoder_for(
    compression: int, photometric: int, predictor: int, tables: bytes | None, halvings: int = 0
) -> TileDecoder | None:
    """The decoder for a level's tiles, or None when this combination is left to OpenSlide.

    Parameters
    ----------
    compression, photometric, predictor : int
        TIFF tags 259, 262, 317.
    tables : bytes or None
        TIFF tag 347, the part of the JPEG streams that all tiles share.
    halvings : int
        How often width and height of the tiles are halved; of JPEG 2000 alone, which takes less time so.
    """
    if compression == JPEG and photometric in (RGB, YCBCR):
        return _jpeg_decoder(tables or b"", is_ycbcr=photometric == YCBCR)
    if compression == APERIO_YCBCR:
        return _jpeg2000_decoder(is_ycbcr=True, halvings=halvings)
    if compression in (APERIO_RGB, JPEG2000) and photometric in (RGB, YCBCR):
        return _jpeg2000_decoder(is_ycbcr=compression == JPEG2000 and photometric == YCBCR, halvings=halvings)
    if compression in (NONE, LZW, DEFLATE, OLD_DEFLATE) and photometric == RGB and predictor in (1, 2):
        return _lossless_decoder(compression, has_predictor=predictor == 2)
    return None


def _jpeg_decoder(tables: bytes, is_ycbcr: bool) -> TileDecoder:
    """Decode abbreviated streams, with the colour space that the TIFF states.

    A decoder guesses the colour space from application markers and component names, and takes RGB
    for YCbCr where there are none. An Adobe marker (APP14: transform 1 for YCbCr, 0 for RGB) ahead
    of everything else says it; the stream's own application markers are dropped, since the tag
    counts.
    """
    import simplejpeg

    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([is_ycbcr])
    prefix = _START + adobe + _without_applications(tables.removesuffix(_END))

    def decode(data: bytes, out: NDArray[np.uint8]) -> None:
        if data[:2] != _START:
            raise ValueError("not a JPEG stream")
        stream = prefix + (data[2:] if data[2:3] == b"\xff" and data[3] & 0xF0 != 0xE0 else _without_applications(data))
        try:
            rgb = simplejpeg.decode_jpeg(stream, "RGB", buffer=out, strict=True)
        except ValueError as error:
            if _TOLERATED not in str(error):
                raise
            rgb = simplejpeg.decode_jpeg(stream, "RGB", buffer=out, strict=False)
        _check_size(rgb, out)

    return decode


def _without_applications(stream: bytes) -> bytes:
    """A stream without its start marker and the application segments (APP0 to APP15) that follow."""
    position = 2 if stream[:2] == _START else 0
    while stream[position : position + 1] == b"\xff" and stream[position + 1] & 0xF0 == 0xE0:
        position += 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
    return stream[position:]


def _jpeg2000_decoder(is_ycbcr: bool, halvings: int) -> TileDecoder:
    """Decode code streams; convert YCbCr where the library does not do it by itself."""
    import imagecodecs

    factor = 1 << halvings

    def decode(data: bytes, out: NDArray[np.uint8]) -> None:
        header = read_header(data)
        expected = (out.shape[0] * factor, out.shape[1] * factor, out.shape[2])
        if (header.height, header.width, len(header.steps)) != expected:
            raise ValueError(
                f"holds {header.height} x {header.width} x {len(header.steps)} samples, expected {expected}"
            )
        by_header = min(halvings, header.halvings)
        pixels = imagecodecs.jpeg2k_decode(halved(data, by_header) if by_header else data, numthreads=1)
        if pixels.dtype != np.uint8:
            raise ValueError(f"JPEG 2000 samples of {pixels.dtype}, expected uint8")
        if by_header < halvings:  # a stream whose finest resolutions do not come last
            pixels = mean_of_squares(pixels, 1 << halvings - by_header)
        _check_size(pixels, out)
        # Coarser colour cannot be RGB, so such streams come out of the library converted.
        if is_ycbcr and set(header.steps) == {(1, 1)}:
            _ycbcr_to_rgb(pixels, out)
        else:
            out[...] = pixels

    return decode


def mean_of_squares(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Means of squares of pixels (M, N, 3), both multiples of their side."""
    from PIL import Image  # takes a tenth of numpy's time

    return np.asarray(Image.fromarray(pixels).reduce(side))


def _ycbcr_to_rgb(ycbcr: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Full-range conversion (ITU-T T.871, 2011, section 7)."""
    light = ycbcr[..., 0].astype(np.float32)
    blue_difference = ycbcr[..., 1].astype(np.float32) - 128
    red_difference = ycbcr[..., 2].astype(np.float32) - 128
    channels = (
        light + 1.402 * red_difference,
        light - 0.344136 * blue_difference - 0.714136 * red_difference,
        light + 1.772 * blue_difference,
    )
    for index, channel in enumerate(channels):
        out[..., index] = np.clip(np.rint(channel), 0, 255)


def _lossless_decoder(compression: int, has_predictor: bool) -> TileDecoder:
    import imagecodecs

    def decode(data: bytes, out: NDArray[np.uint8]) -> None:
        if compression == LZW:
            raw = imagecodecs.lzw_decode(data, out=out.nbytes)
        elif compression == NONE:
            raw = data
        else:
            raw = imagecodecs.deflate_decode(data, raw=False, out=out.nbytes)
        if len(raw) < out.nbytes:
            raise ValueError(f"{len(raw)} bytes of pixels, expected {out.nbytes}")
        pixels = np.frombuffer(raw, np.uint8, out.nbytes).reshape(out.shape)
        if has_predictor:
            imagecodecs.delta_decode(pixels, axis=1, out=out)
        else:
            out[...] = pixels

    return decode


def _check_size(pixels: NDArray[np.generic], out: NDArray[np.uint8]) -> None:
    if pixels.shape != out.shape:
        raise ValueError(f"decodes to {pixels.shape}, expected {out.shape}")
