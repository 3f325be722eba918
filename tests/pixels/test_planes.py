"""Planes of dye and density: the same bits as the formula gives."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.pixels.planes import chromogen_of, density_of, haematoxylin_of, plane_of, residual_of
from micromet_path.pixels.stain import StainModel, StainParams, WhitePoint, dye_tables, optical_density, unmix

WHITE = WhitePoint((243.0, 240.0, 238.0), "slide")
MODELS = [
    StainModel.from_dyes(WHITE, StainParams().haematoxylin, chromogen, "fixed")
    for chromogen in (StainParams().chromogen, (0.21, 0.85, 0.47))
]


@pytest.mark.parametrize("model", MODELS, ids=["DAB", "AEC"])
@pytest.mark.parametrize("shape", [(30, 40), (1, 1), (0, 5), (3, 0)])
def test_look_up_gives_the_reference_densities(model, shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    od = optical_density(rgb, WHITE.rgb)
    dyes = unmix(od, model)
    assert_array_equal(density_of(rgb, model), od[..., 0] + od[..., 1] + od[..., 2])
    assert_array_equal(haematoxylin_of(rgb, model), dyes[..., 0])
    assert_array_equal(chromogen_of(rgb, model), dyes[..., 1])
    assert_array_equal(residual_of(rgb, model), dyes[..., 2])
    assert_array_equal(plane_of(rgb, dye_tables(model)[2]), dyes[..., 2])
