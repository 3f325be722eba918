"""The same content is the same slide."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from micromet_path.errors import MissingSlideError
from micromet_path.slides import array_fingerprint, slide_fingerprint


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(np.random.default_rng(0).bytes(6_000_000))
    return path


def flipped(path: Path, position: int) -> Path:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    changed = path.with_name("changed.bin")
    changed.write_bytes(data)
    return changed


def test_form(svs):
    assert re.fullmatch(r"micromet-fp1:[0-9a-f]{64}", slide_fingerprint(svs))
    assert re.fullmatch(r"micromet-fp1-full:[0-9a-f]{64}", slide_fingerprint(svs, full=True))


def test_the_name_does_not_matter(svs, tmp_path):
    other = shutil.copy(svs, tmp_path / "other name.tif")
    assert slide_fingerprint(svs) == slide_fingerprint(other)


@pytest.mark.parametrize("position", [0, 100_000, 262_143, -1, -262_144])
def test_both_ends_are_seen(large, position):
    assert slide_fingerprint(large) != slide_fingerprint(flipped(large, position))


def test_size_is_seen(large):
    before = slide_fingerprint(large)
    large.write_bytes(large.read_bytes() + b"\0")
    assert slide_fingerprint(large) != before


def test_small_files_are_seen_whole(svs):
    for position in range(0, svs.stat().st_size, 997):
        assert slide_fingerprint(svs) != slide_fingerprint(flipped(svs, position))


def test_full_sees_what_samples_do_not(large):
    positions = list(range(300_000, 5_700_000, 50_021))
    unseen = [p for p in positions if slide_fingerprint(flipped(large, p)) == slide_fingerprint(large)]
    assert 0 < len(unseen) < len(positions)
    assert slide_fingerprint(flipped(large, unseen[0]), full=True) != slide_fingerprint(large, full=True)


def test_missing(tmp_path):
    with pytest.raises(MissingSlideError):
        slide_fingerprint(tmp_path / "none.svs")


def test_mirax_folder_belongs_to_the_slide(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.mrxs").write_bytes(b"jpeg")
        (tmp_path / name).mkdir()
        (tmp_path / name / "Slidedat.ini").write_text("[GENERAL]")
        (tmp_path / name / "Data0000.dat").write_bytes(b"x" * 1000)
    assert slide_fingerprint(tmp_path / "a.mrxs") == slide_fingerprint(tmp_path / "b.mrxs")
    (tmp_path / "b" / "Data0000.dat").write_bytes(b"y" * 1000)
    assert slide_fingerprint(tmp_path / "a.mrxs") != slide_fingerprint(tmp_path / "b.mrxs")


def test_any_file_of_a_dicom_series_names_the_slide(shared, tmp_path):
    one, other = (slide_fingerprint(shared / "tiny" / f"boxes_{n}.dcm") for n in (0, 1))
    assert one == other
    shutil.copy(shared / "tiny" / "boxes_0.dcm", tmp_path / "alone.dcm")
    assert slide_fingerprint(tmp_path / "alone.dcm") != one
    shutil.copy(shared / "tiny" / "boxes_1.dcm", tmp_path / "zz.dcm")
    shutil.copy(shared / "slides" / "he-node-29um.dcm", tmp_path / "stranger.dcm")
    assert slide_fingerprint(tmp_path / "alone.dcm") == one


def test_zarr_chunks_and_metadata(tmp_path):
    def write(name: str, value: int) -> Path:
        group = zarr.open_group(tmp_path / name, mode="w")
        array = group.create_array("0", shape=(300, 300, 3), chunks=(30, 30, 3), dtype="uint8")
        array[...] = 7
        array[0, 0, 0] = value
        return tmp_path / name

    first = slide_fingerprint(write("a.zarr", 1))
    assert first == slide_fingerprint(write("b.zarr", 1))
    assert first != slide_fingerprint(write("c.zarr", 2))
    zarr.open_group(tmp_path / "a.zarr", mode="a").create_group("labels")
    assert first == slide_fingerprint(tmp_path / "a.zarr")


def test_arrays():
    zeros = np.zeros((4, 6, 3), np.uint8)
    assert array_fingerprint(zeros) == array_fingerprint(zeros.copy())
    assert array_fingerprint(zeros) != array_fingerprint(zeros.reshape(6, 4, 3))
    assert array_fingerprint(np.asfortranarray(zeros)) == array_fingerprint(zeros)
