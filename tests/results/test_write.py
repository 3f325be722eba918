"""The whole folder: complete, the same when made again, and pictures that show what they say."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from micromet_path import results
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Category, Picture
from micromet_path.results import ResultOptions, canvas, draw, rebuild, report, write_result
from micromet_path.results.palette import COLOURS
from micromet_path.results.shapes import trace_clusters
from micromet_path.results.store import SOURCE_FILES

DERIVED = {"clusters.csv", "clusters.parquet", "clusters.geojson", "overview.png", "report.html", "SHA256SUMS"}


@pytest.fixture
def written(made, tmp_path):
    write_result(tmp_path, made.analysis, made.runs, made.pictures)
    made.folder = tmp_path
    return made


def content_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_there(written):
    files = set(content_of(written.folder))
    n_shown = min(24, len(written.analysis.clusters))
    assert files == {*SOURCE_FILES, *DERIVED, *(f"gallery/{number:04d}.png" for number in range(1, n_shown + 1))}


def test_rebuilt_files_are_the_same_to_the_byte(written):
    before = content_of(written.folder)
    for name in DERIVED:
        (written.folder / name).unlink()
    (written.folder / "gallery" / "0099.png").write_bytes(b"of an older gallery")

    rebuild(written.folder)

    assert content_of(written.folder) == before


def test_options(positive, tmp_path):
    write_result(tmp_path, positive.analysis, positive.runs, positive.pictures, ResultOptions("level0", 10, 3))
    assert len(list((tmp_path / "gallery").iterdir())) == 3
    text = (tmp_path / "clusters.geojson").read_text(encoding="utf-8")
    assert '"origin": "level0"' in text
    assert "simplified 1 px" in text


@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_cannot_be_written_is_no_result(positive, tmp_path, monkeypatch, workers):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_source", full)
    with pytest.raises(OSError, match="No space"):
        write_result(tmp_path, positive.analysis, positive.runs, positive.pictures, ResultOptions(workers=workers))
    assert not (tmp_path / "SHA256SUMS").exists()


def test_the_brownest_things_are_shown_on_the_closest_picture_that_holds_them(positive, tmp_path, monkeypatch):
    shown = {}

    def frame(picture, bbox_px0):
        shown[bbox_px0] = picture
        return Image.new("RGB", (9, 9))

    monkeypatch.setattr(draw, "framed", frame)
    write_result(tmp_path, positive.analysis, positive.runs, positive.pictures)
    assert len(shown) == len(positive.analysis.brownest) > 1
    for bbox_px0, picture in shown.items():
        box = Region(*bbox_px0)
        assert picture.name != "overview"
        assert picture.region.intersection(box) == box
        for other in positive.pictures:
            if other.name != "overview" and other.region.intersection(box) == box:
                assert picture.region.width * picture.region.height <= other.region.width * other.region.height


def test_without_pictures_there_is_still_a_report(positive, tmp_path):
    write_result(tmp_path, positive.analysis, positive.runs, ())
    assert not (tmp_path / "overview.png").exists()
    assert "Micrometastasis" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_pictures_of_other_clusters_are_not_taken(positive, tmp_path):
    """Cut at another gap, cluster 2 is not the one that picture 2 shows."""
    whole, first, second, *_ = positive.pictures
    swapped = (whole, replace(first, name="cluster-0002"), replace(second, name="cluster-0001"))
    write_result(tmp_path, positive.analysis, positive.runs, swapped)
    shapes = trace_clusters(positive.analysis.clusters, positive.runs)
    expected = draw.crop(positive.analysis, shapes, first, 0)
    with Image.open(tmp_path / "gallery" / "0001.png") as image:
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).mean() < 6


class Page(HTMLParser):
    """What a browser would load or run, and the words it would show."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.tags, self.words, self.alts, self.levels = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.loaded += [attributes[name] for name in ("src", "href", "data", "srcset") if name in attributes]
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            self.alts.append(attributes["alt"])
        if tag in {"h1", "h2", "h3"}:
            self.levels.append(int(tag[1]))

    def handle_data(self, data):
        self.words.append(data)


def page_of(made):
    return (made.folder / "report.html").read_text(encoding="utf-8")


def test_report_loads_and_runs_nothing(written):
    text = page_of(written)
    page = Page(text)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert all(page.alts)
    assert page.levels[0] == 1
    assert set(page.levels[1:]) == {2}


def test_report_says_the_finding_first_and_what_it_is_not_twice(written):
    finding = written.analysis.finding
    words = " ".join("".join(Page(page_of(written)).words).split())
    name = {"itc": "Isolated tumour cells"}.get(finding.category, finding.category.replace("_", " ").capitalize())
    assert words.count("For research use only. Not a medical report. Suggested category; a pathologist decides.") == 2
    assert words.index(name, words.index("Suggested category ")) < words.index("If foci farther apart are one")
    assert finding.headline in words
    assert f"Assessable: {'yes' if finding.assessable.ok else 'no'}." in words
    assert "Removed before measuring: 14 below the smallest area (largest 0.01 mm); 3 without a strong pixel." in words
    assert written.analysis.provenance.config_fingerprint in words


@pytest.mark.parametrize("evil", ['<script>alert(1)</script>"&.svs', "'><img src=x onerror=alert(1)>{{ 7*7 }}"])
def test_names_are_escaped(positive, tmp_path, evil):
    analysis = replace(
        positive.analysis,
        slide=replace(positive.analysis.slide, name=evil, vendor=evil, warnings=(evil,)),
        finding=replace(positive.analysis.finding, headline=evil),
        provenance=replace(positive.analysis.provenance, config={evil: evil}),
    )
    text = report.render_report(analysis, None, {}, {})
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert evil in "".join(page.words)
    draw.overview(analysis, trace_clusters(analysis.clusters, positive.runs), positive.pictures[0])


def test_sizes_stay_on_their_side_of_a_limit(positive):
    finding = replace(positive.analysis.finding, max_diameter_um=200.04)
    text = report.render_report(replace(positive.analysis, finding=finding), None, {}, {})
    assert ">just above 0.20 mm" in text


def test_marks_stand_where_the_clusters_are(positive):
    """The largest cluster's colour is seen on its border and nowhere outside its box."""
    analysis, picture = positive.analysis, positive.pictures[1]
    blank = Picture.of(picture.name, picture.region, np.full_like(picture.rgb, 255))
    image = np.asarray(draw.crop(analysis, trace_clusters(analysis.clusters, positive.runs), blank, 0))
    rows, columns = np.nonzero((image[: draw.CROP_PX] == COLOURS[Category.MICROMETASTASIS]).all(axis=-1))
    place = canvas.Scaled(picture.region, (draw.CROP_PX, draw.CROP_PX))
    x0, y0, x1, y1 = place(analysis.clusters.bbox_px0[0].reshape(2, 2)).ravel()
    assert (abs(columns.min() - x0), abs(rows.min() - y0)) < (3, 3)
    assert (abs(columns.max() - x1), abs(rows.max() - y1)) < (3, 3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (700, 2)])
def test_overview_of_any_shape(negative, shape):
    picture = Picture.of("overview", Region(0, 0, shape[1] * 10, shape[0] * 10), np.zeros((*shape, 3), np.uint8))
    image = draw.overview(negative.analysis, trace_clusters(negative.analysis.clusters, negative.runs), picture)
    assert image.width >= 900


def test_dashes_are_as_long_as_their_gaps():
    line = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 53.0]])
    stretches = canvas.dashed(line, dash=10.0)
    lengths = [np.hypot(*np.diff(stretch, axis=0).T).sum() for stretch in stretches]
    assert len(stretches) == 8
    np.testing.assert_allclose(lengths, 10, atol=5.1)


def test_scale_bar_is_as_long_as_it_says():
    image = Image.new("RGB", (400, 100), (200, 0, 0))
    from PIL import ImageDraw

    canvas.scale_bar(ImageDraw.Draw(image), (10, 90), 120, PixelSpacing(0.5, 0.5))
    row = np.asarray(image)[82, :, 0]
    assert (row == canvas.DARK[0]).sum() == pytest.approx(50 / 0.5, abs=2)


def test_import_is_light():
    script = (
        "import sys, micromet_path.results, micromet_path.results.draw, micromet_path.results.report\n"
        "print([name for name in ('pyarrow', 'shapely', 'PIL', 'jinja2', 'numba', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
