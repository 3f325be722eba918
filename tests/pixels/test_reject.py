"""The quick look: never a pixel on the stained side of the bound is passed over, nor is glass looked at twice."""

import numpy as np
import pytest

from micromet_path.pixels.reject import SEGMENT_PX, may_stain
from micromet_path.pixels.stain import BOUND_UNIT


@pytest.mark.parametrize("seed", range(200))
def test_a_stretch_may_stain_if_one_of_its_pixels_may(seed):
    rng = np.random.default_rng(seed)
    slope, offset = int(rng.integers(0, BOUND_UNIT - 4)), int(rng.integers(-3000, 16_000))
    for _ in range(20):
        rgb = rng.integers(rng.integers(0, 255), 256, (rng.integers(1, SEGMENT_PX + 1), 3)).astype(np.uint8)
        red, _, blue = rgb.astype(int).T
        expected = bool((red * slope + offset - blue * BOUND_UNIT >= 0).any())
        assert bool(may_stain(rgb.reshape(-1), np.int16(slope), np.int16(offset))) == expected


@pytest.mark.parametrize("column", range(0, SEGMENT_PX, 9))
def test_one_pixel_on_glass_is_seen_wherever_it_lies(column):
    rgb = np.full((SEGMENT_PX, 3), 240, np.uint8)
    assert not may_stain(rgb.reshape(-1), np.int16(29), np.int16(5980))
    rgb[column] = (190, 150, 110)
    assert may_stain(rgb.reshape(-1), np.int16(29), np.int16(5980))
