"""Microns per pixel from tags."""

from __future__ import annotations

import pytest

from micromet_path.errors import ImplausibleScaleError, MissingScaleError
from micromet_path.geometry import PixelSpacing
from micromet_path.slides.scale import (
    StatedScale,
    objective_warning,
    resolution_scale,
    settle_scale,
    stated_scale,
)


@pytest.mark.parametrize("dpi", [1, 72, 96, 150, 300, 600])
def test_default_resolutions_are_no_scale(dpi):
    assert resolution_scale(dpi, dpi, 2) is None
    assert resolution_scale(dpi / 2.54, dpi / 2.54, 3) is None


def test_boxes_tiff_states_72_dpi_in_centimetres():
    assert resolution_scale(28.34645652770996, 28.34645652770996, 3) is None


@pytest.mark.parametrize("unit", [0, 1, 4])
def test_resolutions_without_an_absolute_unit(unit):
    assert resolution_scale(40_000, 40_000, unit) is None


def test_units_of_resolution():
    assert resolution_scale(50_800, 25_400, 2) == StatedScale(0.5, 1.0, "tiff.resolution")
    assert resolution_scale(40_000, 20_000, 3) == StatedScale(0.25, 0.5, "tiff.resolution")


@pytest.mark.parametrize("value", ["", "n/a", "0", "-1", "nan", "inf", None])
def test_tags_that_say_nothing(value):
    assert stated_scale(value, "0.5", "tag") is None


@pytest.mark.parametrize(
    ("value", "unit"), [("0.25", "µm"), ("0,25", "micrometer"), (250, "nm"), (2.5e-4, "mm"), (0.25e-6, "meter")]
)
def test_units_of_length(value, unit):
    scale = stated_scale(value, value, "tag", unit)
    assert scale is not None
    assert scale.x_um == pytest.approx(0.25)


@pytest.mark.parametrize("unit", [None, "", "pixel", "reference frame"])
def test_no_unit_is_no_scale(unit):
    assert stated_scale(0.5, 0.5, "tag", unit) is None


def test_given_overrules_and_says_so():
    scale = settle_scale("a", [StatedScale(0.25, 0.25, "aperio.MPP")], PixelSpacing(0.5, 0.5))
    assert (scale.spacing, scale.source) == (PixelSpacing(0.5, 0.5), "given")
    assert "aperio.MPP" in scale.warnings[0]
    assert not settle_scale("a", [StatedScale(0.25, 0.25, "aperio.MPP")], PixelSpacing(0.26, 0.26)).warnings


def test_the_limits_belong_to_the_range():
    for um in (0.1, 2.0):
        assert settle_scale("a", [StatedScale(um, um, "tag")]).spacing.x_um == um
    for x_um, y_um in ((0.0999, 0.5), (0.5, 2.001)):
        with pytest.raises(ImplausibleScaleError):
            settle_scale("a", [StatedScale(x_um, y_um, "tag")])


def test_nothing_stated():
    with pytest.raises(MissingScaleError, match="a states no microns per pixel"):
        settle_scale("a", [None, None])


@pytest.mark.parametrize(("power", "um", "told"), [("40", 0.25, 0), ("20", 0.25, 0), ("40", 0.5, 1), ("x", 0.5, 0)])
def test_objective_and_scale(power, um, told):
    assert bool(objective_warning(power, PixelSpacing(um, um))) == bool(told)
