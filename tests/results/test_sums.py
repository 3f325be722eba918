"""Checksums of a result folder: ``sha256sum`` agrees, and whatever changes is named."""

import shutil
import subprocess

import pytest

from micromet_path.results.sums import SUMS_FILE, check_sums, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gallery").mkdir()
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "gallery" / "0001.png").write_bytes(b"\x89PNG")
    (tmp_path / "Größe µm.csv").write_bytes(b"")
    write_sums(tmp_path)
    return tmp_path


def test_a_folder_is_as_it_was_written(folder):
    assert check_sums(folder) == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_sha256sum_agrees(folder):
    subprocess.run(["sha256sum", "--strict", "-c", SUMS_FILE], cwd=folder, check=True, capture_output=True)


def test_what_differs_is_named(folder):
    (folder / "result.json").write_text("{ }")
    (folder / "gallery" / "0001.png").unlink()
    (folder / "notes.txt").write_text("mine")
    assert check_sums(folder) == [
        "gallery/0001.png is missing",
        f"notes.txt is not listed in {SUMS_FILE}",
        "result.json has changed",
    ]


def test_a_review_record_is_its_own(folder):
    (folder / "review.json").write_text("{}")
    assert check_sums(folder) == []


def test_without_a_list_nothing_is_taken_to_be_well(folder):
    (folder / SUMS_FILE).unlink()
    assert check_sums(folder) == [f"{SUMS_FILE} is missing"]
    (folder / SUMS_FILE).write_bytes(b"\xff\xfe")
    assert check_sums(folder) == [f"{SUMS_FILE} cannot be read (UnicodeDecodeError)"]
