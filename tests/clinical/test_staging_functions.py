"""The public functions of staging on their own: what prefixes mean, and what is refused."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from micromet_path.clinical.staging import (
    anatomic_stage,
    camelyon17_stage,
    node_category,
    osna_class,
    pathologic_n,
    prognostic_stage,
    t_from_size,
)
from micromet_path.clinical.tnm import m_value, n_value, t_value
from micromet_path.errors import ConfigError
from micromet_path.model import Category


@pytest.mark.parametrize(
    ("tnm", "stage"),
    [
        pytest.param(("ypTis", "ypN0", "M0"), None, id="ypTis ypN0 has none, and never 0"),
        pytest.param(("ypT0", "ypN0(i+)", "cM0"), None, id="ypT0 ypN0(i+) has none"),
        pytest.param(("ypT0", "N0", "M0"), None, id="one prefix tells of both"),
        pytest.param(("ypT0", "ypN0", "cM1"), "IV", id="M1 before treatment stays IV"),
        pytest.param(("ypT1c", "ypN0", "M0"), "IA", id="ypT1c ypN0 is IA"),
        pytest.param(("ypT0", "ypN1mi", "M0"), "IB", id="ypT0 ypN1mi is IB"),
        pytest.param(("pTis", "cN0", "cM0"), "0", id="pTis cN0 cM0 is 0"),
        pytest.param(("cT2", "cN1", "cM0"), "IIB", id="cT2 cN1 cM0 is IIB"),
    ],
)
def test_the_anatomic_stage_of_prefixed_values(tnm, stage):
    assert anatomic_stage(*tnm) == stage


MARKERS = (2, "negative", "positive", "positive")


@pytest.mark.parametrize(
    ("kind", "tnm", "bare"),
    [
        pytest.param("pathological", ("pT2", "pN1a(sn)", "cM0"), True, id="pathological"),
        pytest.param("clinical", ("cT2", "cN1", "cM0"), True, id="clinical"),
        pytest.param("clinical", ("cT2", "cN1", "pM1"), True, id="M1 may be proven"),
        pytest.param("pathological", ("ypT2", "ypN1a", "M0"), False, id="none after treatment"),
        pytest.param("pathological", ("T2", "ypN1a", "M0"), False, id="none after treatment, by N alone"),
        pytest.param("pathological", ("ypT2", "ypN1a", "M1"), False, id="none after treatment, M1"),
    ],
)
def test_the_prognostic_stage_of_prefixed_values(kind, tnm, bare):
    expected = prognostic_stage(kind, t_value(tnm[0]), n_value(tnm[1]), m_value(tnm[2]), *MARKERS)
    assert expected is not None
    assert prognostic_stage(kind, *tnm, *MARKERS) == (expected if bare else None)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: prognostic_stage("clinical", "pT2", "cN1", "cM0", *MARKERS), "'pT2' is of another kind; .* cT and cN"),
        (lambda: prognostic_stage("clinical", "cT2", "pN1a", "cM0", *MARKERS), "'pN1a' is of another kind"),
        (lambda: prognostic_stage("clinical", "T2", "ycN1", "cM0", *MARKERS), "'ycN1' is of another kind"),
        (lambda: prognostic_stage("clinical", "cT2", "cN1", "ypM1", *MARKERS), "'ypM1' is of another kind"),
        (lambda: prognostic_stage("pathological", "cT2", "pN1", "M0", *MARKERS), "'cT2' is of another.* pT and pN"),
        (lambda: prognostic_stage("pathological", "ypT2", "pN1", "M0", *MARKERS), "'ypT2' and 'pN1' are of different"),
        (lambda: anatomic_stage("ypT2", "pN1", "M0"), "'ypT2' and 'pN1' are of different kinds"),
        (lambda: anatomic_stage("cT2", "ypN1", "M0"), "'cT2' and 'ypN1' are of different kinds"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_refused(call, says):
    with pytest.raises(ConfigError, match=says):
        call()


LONG = "x" * 90_000
ENDLESS = 10**5000
TEXTS = (None, 1, 0.5, True, b"T1", [], {}, object(), ENDLESS, LONG)
NUMBERS = ("1", True, b"1", [], {}, object(), 1j, nan, inf, -1, -ENDLESS, LONG)
LISTS = (None, 1, True, object(), ENDLESS, LONG, [None], [object()], [LONG], [[]])
REFUSED = {
    "T": (lambda value: anatomic_stage(value, "N0", "M0"), TEXTS),
    "N": (lambda value: anatomic_stage("T1", value, "M0"), TEXTS),
    "M": (lambda value: anatomic_stage("T1", "N0", value), TEXTS),
    "kind": (lambda value: prognostic_stage(value, "T2", "N0", "M0", *MARKERS), TEXTS),
    "T of a prognostic stage": (lambda value: prognostic_stage("clinical", value, "N0", "M0", *MARKERS), TEXTS),
    "M of a prognostic stage": (lambda value: prognostic_stage("clinical", "T2", "N0", value, *MARKERS), TEXTS),
    "HER2": (lambda value: prognostic_stage("clinical", "T2", "N0", "M0", 2, value, "positive", "positive"), TEXTS),
    "PR": (lambda value: prognostic_stage("clinical", "T2", "N0", "M0", 2, "negative", "positive", value), TEXTS),
    "grade": (lambda value: prognostic_stage("clinical", "T2", "N0", "M0", value, *MARKERS[1:]), NUMBERS),
    "score": (lambda value: prognostic_stage("pathological", "T2", "N0", "M0", *MARKERS, value), NUMBERS),
    "size": (lambda value: node_category(value, None), NUMBERS),
    "cells": (lambda value: node_category(None, value), NUMBERS),
    "size of the primary": (t_from_size, NUMBERS),
    "copies": (osna_class, NUMBERS),
    "nodes": (pathologic_n, LISTS),
    "procedure": (lambda value: pathologic_n([], value), (1, True, b"", [], object(), ENDLESS, LONG)),
    "categories": (camelyon17_stage, LISTS),
}


@pytest.mark.parametrize(("call", "values"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_type_is_refused_in_one_line(call, values):
    for value in values:
        with pytest.raises(ConfigError) as raised:
            call(value)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 300


def test_numbers_of_numpy_are_numbers():
    assert node_category(np.float32(0.5), np.int64(3)) is Category.MICROMETASTASIS
    assert (t_from_size(np.float64(12)), osna_class(np.int32(300))) == ("T1c", "+")


def test_any_row_of_values_is_a_list_of_them():
    assert camelyon17_stage(np.array(["itc", "negative"])) == "pN0(i+)"
    assert str(pathologic_n({"category": "micro"} for _ in range(2))) == "pN1mi"
