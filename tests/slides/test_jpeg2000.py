"""JPEG 2000 streams of half the size by their header alone, judged by OpenJPEG's own reduced decoding in Pillow."""

import io
import struct
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from micromet_path.slides.jpeg2000 import halved, read_header
from micromet_path.slides.tiff_decode import JPEG2000, RGB, decoder_for
from tests.slides.conftest import tissue

COARSE_FIRST = {"LRCP": 1, "RLCP": 3, "RPCL": 3}
"""Orders of packets in which lower resolutions come first, and the quality layers with which they still do."""


def encoded(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG2000", no_jp2=True, **options)
    return file.getvalue()


def reduced_by_openjpeg(stream, times):
    image = Image.open(io.BytesIO(stream))
    image.reduce = times
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("progression", COARSE_FIRST)
@pytest.mark.parametrize("seed", range(16))
def test_halved_streams_decode_to_what_openjpeg_makes_of_the_whole_one(seed, progression):
    rng = np.random.default_rng(seed)
    pixels = tissue(*(rng.integers(100, 200, 2) * (1 + seed % 4)).tolist(), seed=seed)
    resolutions = int(rng.integers(1, 6))
    options = {
        "progression": progression,
        "irreversible": bool(rng.integers(2)),
        "mct": int(rng.integers(2)),
        "num_resolutions": resolutions,
        "codeblock_size": (int(2 ** rng.integers(4, 7)), 32),
    }
    if COARSE_FIRST[progression] > 1:
        options |= {"quality_mode": "rates", "quality_layers": [40, 15, 5]}
    if rng.integers(2):
        options["precinct_size"] = (128, 64)
    stream = encoded(pixels, **options)

    header = read_header(stream)

    assert (header.height, header.width, header.steps) == (*pixels.shape[:2], ((1, 1),) * 3)
    assert header.halvings == resolutions - 1
    assert halved(stream, 0) == stream
    for times in range(1, resolutions):
        short = halved(stream, times)
        assert read_header(short).halvings == resolutions - 1 - times
        found = imagecodecs.jpeg2k_decode(short).astype(int)
        assert found.shape[:2] == tuple(-(-size >> times) for size in pixels.shape[:2])
        if all(-(-size >> times) == (size + 2 ** (times - 1)) >> times for size in pixels.shape[:2]):
            assert np.abs(found - reduced_by_openjpeg(stream, times)).max() <= 1  # Pillow reads no other sizes


@pytest.mark.parametrize(
    "options",
    [
        {"progression": "PCRL"},
        {"progression": "CPRL"},
        {"progression": "LRCP", "quality_mode": "rates", "quality_layers": [40, 10]},
        {"tile_size": (64, 64)},
        {"no_jp2": False},
    ],
    ids=str,
)
def test_streams_whose_finest_resolutions_are_not_last_are_left_alone(options):
    pixels = tissue(128, 160)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG2000", **{"no_jp2": True, "num_resolutions": 4} | options)
    stream = file.getvalue()

    assert read_header(stream).halvings == 0
    with pytest.raises(ValueError, match="cannot be halved 1 times"):
        halved(stream, 1)


@pytest.mark.parametrize(("place", "value"), [(16, 1), (20, 1), (24, 100), (28, 100), (32, 1), (36, 1)])
def test_pictures_and_tiles_that_begin_elsewhere_are_left_alone(place, value):
    stream = bytearray(encoded(tissue(128, 160), num_resolutions=4))
    assert read_header(bytes(stream)).halvings == 3
    struct.pack_into(">I", stream, place, value)
    assert read_header(bytes(stream)).halvings == 0


def test_a_header_without_bands_for_its_resolutions_is_left_alone():
    stream = bytearray(encoded(tissue(128, 160), num_resolutions=4))
    levels = stream.index(b"\xff\x52") + 9
    assert stream[levels] == 3
    stream[levels] = 4
    assert read_header(bytes(stream)).halvings == 0


@pytest.mark.parametrize("progression", ["LRCP", "CPRL"], ids=["by its header", "by means of pixels"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_tiles_of_half_the_size_show_what_whole_ones_show(times, progression):
    pixels = tissue(128, 128, seed=3)
    stream = encoded(pixels, progression=progression, num_resolutions=3)  # the third halving is left to means
    side = 128 >> times
    out = np.empty((side, side, 3), np.uint8)

    decoder_for(JPEG2000, RGB, 1, None, times)(stream, out)

    means = pixels.reshape(side, 1 << times, side, 1 << times, 3).mean(axis=(1, 3))
    assert np.abs(out - means).mean() < (10 if progression == "LRCP" else 0.5)  # wavelets keep more of the noise
    assert np.abs(out.mean(axis=(0, 1)) - means.mean(axis=(0, 1))).max() < 2
    with pytest.raises(ValueError, match="holds 128 x 128 x 3 samples, expected"):
        decoder_for(JPEG2000, RGB, 1, None, times)(stream, np.empty((64 >> times, side, 3), np.uint8))


@pytest.mark.parametrize("irreversible", [False, True])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_halved_pictures_are_displaced_by_less_than_half_a_pixel(times, irreversible):
    y, x = np.mgrid[:256, :256] + 0.5
    light = 240 - 200 / (1 + np.exp((np.hypot(x - 128, y - 128) - 60) / 4))
    pixels = np.repeat(light.astype(np.uint8)[..., None], 3, axis=2)
    stream = encoded(pixels, num_resolutions=5, irreversible=irreversible)

    dark = 240.0 - imagecodecs.jpeg2k_decode(halved(stream, times))[..., 0]

    side, size = 2**times, len(dark)
    places = (np.arange(size) + 0.5) * side
    for axis in (0, 1):
        middle = (dark.sum(axis=axis) @ places) / dark.sum()
        assert middle - 128 == pytest.approx((side - 1) / 2, abs=0.15)  # samples at the first pixel, not in the middle
        assert (middle - 128) / side < 0.5


@pytest.mark.parametrize("seed", range(300))
def test_damaged_headers_are_refused_or_left_to_the_decoder(seed):
    rng = np.random.default_rng(seed)
    stream = bytearray(encoded(tissue(64, 64), num_resolutions=4, irreversible=bool(seed % 2)))
    for _ in range(int(rng.integers(1, 4))):
        stream[rng.integers(0, 110)] = rng.integers(0, 256)
    stream = bytes(stream[: int(rng.integers(1, len(stream) + 1))] if seed % 3 == 0 else stream)
    out = np.empty((32, 32, 3), np.uint8)
    with suppress(ValueError, RuntimeError):  # what readers turn into one line
        decoder_for(JPEG2000, RGB, 1, None, 1)(stream, out)
