"""The page of a case: it says what the record says, shows what the folders hold, and gives nothing else away."""

import getpass
import platform
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from micromet_path.api import analyze_into, load_result
from micromet_path.clinical.case import parse_case
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.context import StudyMatch, match_studies
from micromet_path.clinical.nodes import FocusEvidence, SectionFinding
from micromet_path.model import CellEstimate
from micromet_path.results import draw
from micromet_path.results.case_page import render_case
from micromet_path.results.page import cells_text
from micromet_path.results.palette import COLOURS, NAMES

SAMPLES = Path(__file__).parents[2] / "sample_slides"
NAMES_OF_SLIDES = ("negative", "itc", "micro")
VOID = {"meta", "img", "br"}
EVIL = ["<script>alert(1)</script>\"'&", "'><img src=x onerror=alert(1)>{{ 7*7 }}"]
PRIMARY = {"pt": "pT1c", "grade": 2, "er": "positive", "pr": "positive", "her2": "negative"}
SENTINEL = {"sentinel": True, "nodes_removed": 2}


class Page(HTMLParser):
    """What a browser would show, load and run; refuses tags that are not closed where they must be."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.classes, self.loaded, self.attributes, self.levels, self.rows = [], [], [], [], [], []
        self._open, self._words, self._cell = [], [], None
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"
        self.words = " ".join("".join(self._words).split())
        self.pictures = [Image.open(BytesIO(b64decode(src.partition(",")[2]))).convert("RGB") for src in self.loaded]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.classes += (attributes.get("class") or "").split()
        self.loaded += [attributes[name] for name in ("src", "href", "data", "srcset", "action") if name in attributes]
        self.attributes += [value for name, value in attrs if name != "src"]
        assert not any(name.startswith("on") for name in attributes)
        assert len(attributes) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag in {"h1", "h2", "h3"}:
            self.levels.append(int(tag[1]))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._cell = []
        if tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag in {"td", "th"}:
            self.rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        if tag in {"p", "li", "dt", "dd", "td", "th", "h1", "h2", "h3", "figcaption"}:
            self._words.append(" ")

    def handle_data(self, data):
        if self._open[-1:] == ["style"]:
            return
        self._words.append(data)
        if self._cell is not None:
            self._cell.append(data)

    def row(self, first):
        """Cells of the one row of a table that begins with this."""
        (found,) = [row for row in self.rows if row[0] == first]
        return found


def spoken(text):
    """A text of the record as the page prints its signs."""
    return " ".join(re.sub(r"(?<=\d )um\b", "µm", text).replace("copies/uL", "copies/µL").replace(">= ", "≥ ").split())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Result folders of drawn slides, as an analysis leaves them."""
    folder = tmp_path_factory.mktemp("kept apart")
    for name in NAMES_OF_SLIDES:
        analyze_into(folder, SAMPLES / f"{name}.svs")
    return folder


def section_of(folder, **stated):
    """What a result says of a node that has all its pieces."""
    result = load_result(folder)
    finding, clusters, focus = result.finding, result.clusters, None
    if finding.cluster_id is not None:
        row = finding.cluster_id - 1
        ends = tuple((float(x), float(y)) for x, y in clusters.axis_px0[row])
        size, box = float(clusters.max_diameter_um[row]), tuple(clusters.bbox_px0[row].tolist())
        focus = FocusEvidence(row + 1, size, ends, box, tuple(clusters.flags_of(row)))
    said = {
        "result": folder.name, "fingerprint": result.slide.fingerprint, "slide_name": result.slide.name,
        "pieces": tuple(piece.id for piece in result.pieces), "finding": finding, "focus": focus,
        "folder": str(folder),
    }  # fmt: skip
    return SectionFinding(**(said | stated))


def staged(out, change=lambda section: section, **facts):
    """Two nodes on slides: levels of one, of which the second is worse, and a negative one."""
    listed = [("1", ("itc", "micro")), ("2", ("negative",))]
    nodes = [
        {"node_id": name, "sentinel": True, "slides": [{"result": slide} for slide in slides]}
        for name, slides in listed
    ]
    case = {"case_id": "A 17", "primary": PRIMARY, "procedure": SENTINEL, "nodes": nodes, **facts}
    sections = {
        name: [
            change(section_of(out / slide, block="A", section=str(number))) for number, slide in enumerate(slides, 1)
        ]
        for name, slides in listed
    }
    return stage_case(parse_case(case), sections)


def typed(*nodes, **facts):
    """A case without slides."""
    named = [{"node_id": f"n{number}", **node} for number, node in enumerate(nodes, 1)]
    return stage_case(parse_case({"case_id": "A 17", "nodes": named, **facts}))


@pytest.fixture(scope="module")
def seen(out):
    stage = staged(out)
    return SimpleNamespace(stage=stage, page=Page(render_case(stage)))


CASES = {
    "confirmed": ([{"size_mm": 0.9, "confirmed": True}], {"primary": PRIMARY, "procedure": SENTINEL}),
    "a size at its limit": ([{"size_mm": 2.0, "cells": 900}], {"primary": {"size_mm": 30.0}}),
    "not stated": ([{"category": "negative"}, {}], {}),
    "positive, and one not stated": ([{"category": "positive"}, {}], {}),
    "no node": ([], {"primary": PRIMARY}),
    "needle": ([{"category": "macro"}], {"procedure": {"needle_only": True}}),
    "after treatment": ([{"size_mm": 0.1}], {"primary": {"pt": "ypTis"}, "procedure": {"neoadjuvant": True}}),
    "no group": ([{"category": "micro"}], {"primary": {"pt": "pTis"}}),
    "undefined": (
        [{"category": "micro"}, {"category": "micro", "station": "internal-mammary", "sentinel": True}],
        {"primary": PRIMARY, "procedure": SENTINEL},
    ),
    "distant": ([{"category": "macro", "station": "contralateral"}], {"primary": PRIMARY}),
    "clinical": (
        [{"category": "itc", "osna_copies_per_ul": 5000.0}],
        {"primary": {**PRIMARY, "ct": "cT2", "cn": "cN0", "cm": "cM0"}},
    ),
    "camelyon17": ([{"category": "macro"}] * 4 + [{"category": "itc"}], {"rules": "camelyon17"}),
    "camelyon17 with four": ([{"category": "negative"}] * 3 + [{}], {"rules": "camelyon17"}),
}


@pytest.fixture(params=CASES, name="any_stage")
def _any_stage(request):
    nodes, facts = CASES[request.param]
    return typed(*nodes, **facts)


# -- the page as such ----------------------------------------------------------------------------------


def check_page(text):
    page = Page(text)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'src="data:[^"]*"', "", text))
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page.attributes
    assert page.levels[0] == 1
    assert set(page.levels[1:]) <= {2, 3}
    assert (
        page.words.count("For research use only. Not a medical report. Suggested staging; a pathologist decides.") == 2
    )
    return page


def test_a_page_is_whole_and_loads_nothing(any_stage):
    check_page(render_case(any_stage))


def test_a_page_with_pictures_is_whole_and_loads_nothing(seen):
    check_page(render_case(seen.stage))


def test_everything_that_the_record_says_is_there(any_stage):
    words = Page(render_case(any_stage)).words
    assert f"Case {any_stage.case_id}" in words
    for caution in any_stage.cautions:
        assert f"{spoken(caution.text)} ({caution.code})" in words
    places = [words.index(f"{r.about}: {spoken(r.text)} [{r.rule}; {r.source}]") for r in any_stage.grounds]
    assert places == sorted(places)
    assert any_stage.rules_version in words


def test_what_matters_most_stands_first(seen):
    words = seen.page.words
    order = [
        "Case A 17", "pN1mi(sn) suggested", "Read with caution", "What would change pN", "Nodes Node", "Node 1:", "Why",
        "Counts", "Facts as stated", "How this was made",
    ]  # fmt: skip
    places = [words.index(word) for word in order]
    assert places == sorted(places)


def test_the_same_case_gives_the_same_page_wherever_it_lies(out, seen, tmp_path):
    moved = Path(shutil.copytree(out, tmp_path / "elsewhere"))
    assert render_case(staged(moved)) == render_case(seen.stage)


def test_a_page_tells_no_folder_user_or_machine(out, seen):
    page = Page(render_case(seen.stage))
    told = " ".join([page.words, *page.attributes])
    for secret in (str(out), out.name, platform.node(), f"/{getpass.getuser()}"):
        assert secret not in told


@pytest.mark.parametrize("evil", EVIL)
def test_every_free_text_is_escaped(out, evil):
    def hostile(section):
        focus = section.focus and replace(section.focus, flags=(evil,), decision=evil, location=evil)
        return replace(section, result=evil, slide_name=evil, block=evil, section=evil, clone=evil, focus=focus)

    texts = {"case_id": evil, "primary": {**PRIMARY, "histology": evil}}
    stage = staged(out, hostile, **texts)
    node = replace(stage.nodes[0], node=replace(stage.nodes[0].node, node_id=evil), problems=(evil,))
    failed = replace(stage.nodes[1].sections[0], problem=evil)
    stage = replace(
        stage,
        pn=evil,
        nodes=(node, replace(stage.nodes[1], sections=(failed,), deciding=None)),
        changes=(SimpleNamespace(pn=evil, condition=evil),),
        grounds=(*stage.grounds, replace(stage.grounds[0], about=evil, text=evil, rule=evil, source=evil)),
        cautions=(replace(stage.cautions[0], code=evil, text=evil),),
        rules_version=evil,
    )
    page = check_page(render_case(stage))
    assert page.words.count(evil) > 15
    assert page.tags.count("img") == len(page.pictures)
    assert "49" not in page.words


def test_importing_it_is_light():
    script = (
        "import sys, micromet_path.results.case_page\n"
        "print([name for name in ('pyarrow', 'shapely', 'PIL', 'jinja2', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the answer ----------------------------------------------------------------------------------------


def test_pn_and_status_are_said_in_words(any_stage):
    page = Page(render_case(any_stage))
    assert any_stage.pn in page.words.replace(" " + any_stage.status, "", 1) or any_stage.pn_category is None
    assert [name for name in page.classes if name in ("incomplete", "suggested", "confirmed")] == [any_stage.status]
    assert any_stage.status in page.words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("confirmed", "pN1mi(sn) confirmed"),
        ("not stated", "pN not assigned yet incomplete nothing is stated of node n2"),
        ("positive, and one not stated", "at least pN1a incomplete as 1 positive axillary node (1 macro, 0 micro)"),
        ("needle", "cN, not pN incomplete nodes sampled by needle, and no pT is stated"),
        ("undefined", "pN1, subcategory undefined (registries: pN1c), (sn) suggested"),
        ("camelyon17", "pN2 suggested pN2 by the counts of 5 nodes"),
        ("camelyon17 with four", "pN not assigned yet incomplete nothing is stated of node n4"),
    ],
)
def test_pn_with_its_status_and_why(name, said):
    nodes, facts = CASES[name]
    assert said in Page(render_case(typed(*nodes, **facts))).words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("confirmed", "T pT1c as stated M M0 as no distant metastasis is stated Anatomic stage IB as T1c N1mi M0"),
        ("confirmed", "Clinical prognostic stage none needs cT and cN, and cM, from before treatment"),
        ("confirmed", "Pathological prognostic stage IA as T1c N1mi M0, grade 2, HER2 negative"),
        ("a size at its limit", "T pT2 as the invasive primary measures 30 mm"),
        ("a size at its limit", "Pathological prognostic stage none grade, HER2, ER, PR not known"),
        ("not stated", "T not stated neither pT nor the size of the primary"),
        ("not stated", "Anatomic stage no group pT and pN not known"),
        ("after treatment", "Anatomic stage no group ypTis ypN0(i+) after treatment has none"),
        ("after treatment", "Pathological prognostic stage none none after neoadjuvant treatment"),
        ("no group", "Anatomic stage no group no group is defined for Tis N1mi M0"),
        ("distant", "M M1 as the contralateral node n1 holds a metastasis Anatomic stage IV as M1"),
        ("clinical", "Clinical prognostic stage IB as cT2 cN0 cM0, grade 2"),
    ],
)
def test_stages_with_their_short_why(name, said):
    nodes, facts = CASES[name]
    assert said in Page(render_case(typed(*nodes, **facts))).words


@pytest.mark.parametrize("name", ["camelyon17", "camelyon17 with four"])
def test_another_rule_book_has_no_stage(name):
    nodes, facts = CASES[name]
    words = Page(render_case(typed(*nodes, **facts))).words
    assert "by the rules of the CAMELYON17 challenge" in words
    assert "These rules give pN alone: no T, no M, no stage group." in words
    assert "prognostic" not in words
    assert "M0" not in words
    assert "stated:" not in words


def test_changes_are_told_or_why_there_are_none(seen):
    assert seen.stage.changes == ()
    assert "None of these does: foci up to 50 µm apart as one" in seen.page.words
    change = SimpleNamespace(pn="pN1a(sn)", condition="foci up to 25 um apart count as one")
    page = Page(render_case(replace(seen.stage, changes=(change,))))
    assert page.row("pN1a(sn)") == ["pN1a(sn)", "foci up to 25 µm apart count as one"]
    assert "None of these does" not in page.words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("confirmed", "Not worked out: it needs analysed slides"),
        ("not stated", "pN is not assigned."),
        ("camelyon17", "Not worked out under these rules."),
    ],
)
def test_no_change_is_not_called_stable(name, said):
    nodes, facts = CASES[name]
    assert f"What would change pN {said}" in Page(render_case(typed(*nodes, **facts))).words


# -- nodes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"size_mm": 0.9}, ["Micrometastasis", "0.90", "", "", "as typed in", "suggested"]),
        ({"size_mm": 0.2, "cells": 200}, ["Isolated tumour cells", "0.20", "", "200", "as typed in", "suggested"]),
        ({"size_mm": 0.2004}, ["Micrometastasis", "0.2004", "", "", "as typed in", "suggested"]),
        ({"size_mm": 2.0}, ["Micrometastasis", "2.00", "", "", "as typed in", "suggested"]),
        ({"size_mm": 2.004}, ["Macrometastasis", "2.004", "", "", "as typed in", "suggested"]),
        ({"cells": 201}, ["Micrometastasis", "", "", "201", "as typed in", "suggested"]),
        ({"category": "positive"}, ["Positive, size not stated", "", "", "", "category as stated", "suggested"]),
        ({"category": "negative", "confirmed": True}, ["Negative", "", "", "", "category as stated", "confirmed"]),
        ({"category": "not_assessable"}, ["Not known", "", "", "", "category as stated", "not known"]),
        ({}, ["Not known", "", "", "", "nothing stated", "not known"]),
    ],
)
def test_a_typed_node_in_the_table(node, expected):
    assert Page(render_case(typed(node))).row("n1")[2:] == expected


@pytest.mark.parametrize(
    ("node", "station"),
    [
        ({}, "axillary, level I"),
        ({"station": "axillary-3", "sentinel": True}, "axillary, level III sentinel"),
        ({"station": "intramammary"}, "intramammary"),
        ({"station": "internal-mammary", "clinically_detected": True}, "internal mammary clinically detected"),
        ({"detected_by": "ihc-only", "rt_pcr_positive": True}, "axillary, level I found by IHC alone, RT-PCR positive"),
    ],
)
def test_where_a_node_is_and_what_is_known_of_it(node, station):
    assert Page(render_case(typed({"category": "itc", **node}))).row("n1")[1] == station


def test_nodes_on_slides_in_the_table(seen):
    first = next(one for one in seen.stage.nodes if one.node.node_id == "1")
    assert first.cells is not None
    assert first.cells.low < first.cells.value < first.cells.high
    assert seen.page.row("1")[2:] == [
        "Micrometastasis", "0.36", "0.35-0.36", cells_text(first.cells),
        "2 slides worst: slide micro (block A, section 2)", "suggested",
    ]  # fmt: skip
    assert seen.page.row("2")[2:] == ["Negative", "", "", "", "1 slide", "suggested"]


def test_a_minimum_is_marked(out):
    def cut(section):
        return replace(section, finding=replace(section.finding, size_is_minimum=True))

    page = Page(render_case(staged(out, cut)))
    assert page.row("1")[2:4] == ["Micrometastasis or more", "≥ 0.36"]
    assert "Node 1: Micrometastasis or more, ≥ 0.36 mm" in page.words


@pytest.mark.parametrize(
    ("category", "called"),
    [
        ("itc", "Isolated tumour cells or more"),
        ("micrometastasis", "Micrometastasis or more"),
        ("macrometastasis", "Macrometastasis"),
    ],
)
def test_only_what_can_be_worse_may_be_more(seen, category, called):
    node = replace(seen.stage.nodes[0], category=category, is_minimum=True)
    assert Page(render_case(replace(seen.stage, nodes=(node,)))).row("1")[2] == called


def test_a_slide_that_says_nothing_is_told(out):
    def failed(section):
        return replace(section, problem="failed control") if section.result == "itc" else section

    stage = staged(out, failed)
    page = Page(render_case(stage))
    assert page.row("1")[2:7:4] == [
        "Micrometastasis or more",
        "1 of 2 slides read worst: slide micro (block A, section 2)",
    ]
    assert "slide itc (block A, section 1): failed control" in page.words
    assert "Says nothing: failed control" in page.words
    assert "at least pN1mi(sn) incomplete" in page.words


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (CellEstimate(200.4, 200.2, 260.6), "201 (201-261)"),
        (CellEstimate(199.6, 150.5, 230.0), "200 (150-230)"),
        (CellEstimate(0.4, 0.1, 1.2), "<1 (<1-1)"),
        (CellEstimate(float("nan"), 1.0, 2.0), "unknown"),
    ],
)
def test_estimated_cells_stay_on_their_side_of_the_guideline(seen, cells, said):
    node = replace(seen.stage.nodes[0], cells=cells)
    assert Page(render_case(replace(seen.stage, nodes=(node,)))).row("1")[5] == said


def test_gaps_that_give_the_same_are_told_together(seen):
    by_gap = {0.0: "itc", 7.0: "micrometastasis", 15.0: "micrometastasis", 25.0: "macrometastasis"}
    node = replace(seen.stage.nodes[0], by_gap=by_gap, if_all_counted="macrometastasis")
    page = Page(render_case(replace(seen.stage, nodes=(node,))))
    assert page.row("0") == ["0", "Isolated tumour cells (differs)"]
    assert page.row("7, 15") == ["7, 15", "Micrometastasis"]
    assert page.row("25") == ["25", "Macrometastasis (differs)"]
    assert "If everything set aside counted: Macrometastasis (differs)" in page.words


@pytest.mark.parametrize("category", NAMES)
def test_a_colour_never_stands_without_its_word(category):
    text = render_case(typed({"category": category.value}))
    colour = "rgb({}, {}, {})".format(*COLOURS[category])
    word = "Not known" if category.value == "not_assessable" else NAMES[category]
    assert f'style="background: {colour}"></span>{word}</span>' in text


# -- evidence ------------------------------------------------------------------------------------------


def likeness(picture, expected):
    """Mean difference of two pictures, in grey levels; the larger is made as small as the other."""
    expected = expected.convert("RGB").resize(picture.size, Image.Resampling.BICUBIC)
    return np.abs(np.asarray(picture).astype(int) - np.asarray(expected)).mean()


def test_the_pictures_are_those_of_the_folders(out, seen):
    """Crop of the focus that decides, both sections in small, and the whole slide where nothing is counted."""
    overviews = {}
    for name in NAMES_OF_SLIDES:
        whole = Image.open(out / name / "overview.png")
        overviews[name] = whole.crop((0, draw.HEADER_PX, whole.width, whole.height - draw.LEGEND_PX))
    crop = Image.open(out / "micro" / "gallery" / "0001.png").crop((0, 0, draw.CROP_PX, draw.CROP_PX))
    expected = [crop, overviews["itc"], overviews["micro"], overviews["negative"]]

    assert len(seen.page.pictures) == len(expected)
    for picture, source in zip(seen.page.pictures, expected, strict=True):
        assert likeness(picture, source) < 6
    assert min(likeness(seen.page.pictures[1], overviews[name]) for name in ("micro", "negative")) > 6
    assert "Cluster 1 of slide micro with its measured line" in seen.page.attributes


def test_the_focus_is_told(seen):
    assert (
        "Slide micro Block A Section 2 Pieces 1, 2, 3 Focus cluster 1 Size 0.36 mm Interval 0.35-0.36 mm "
        "Flags none Review not reviewed"
    ) in seen.page.words
    assert "The yellow line is the maximum diameter" in seen.page.words


def test_the_worst_section_is_marked_and_no_other(seen):
    assert seen.page.classes.count("worst") == 1
    assert "Slide micro (block A, section 2): worst, decides Micrometastasis, 0.36 mm" in seen.page.words
    assert "Slide itc (block A, section 1) Isolated tumour cells, 0.19 mm" in seen.page.words


def test_an_only_section_is_not_called_the_worst(out):
    case = parse_case({"case_id": "A", "nodes": [{"node_id": "1", "slides": [{"result": "micro"}]}]})
    page = Page(render_case(stage_case(case, {"1": [section_of(out / "micro")]})))
    assert len(page.pictures) == 2
    assert "worst" not in page.classes
    assert "Slide micro Micrometastasis, 0.36 mm" in page.words


def test_what_a_reviewer_said_is_told(out):
    def reviewed(section):
        focus = section.focus and replace(section.focus, decision="size corrected", location="subcapsular sinus")
        return replace(section, focus=focus, is_confirmed=True)

    words = Page(render_case(staged(out, reviewed))).words
    assert "Review size corrected Location subcapsular sinus" in words
    assert "It is the line as measured; the reviewer corrected the size." in words
    assert "pN1mi(sn) confirmed" in words


def damaged(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("spoil", [Path.unlink, damaged])
def test_without_the_crop_the_whole_slide_is_shown_and_says_so(out, tmp_path, spoil):
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    spoil(copy / "micro" / "gallery" / "0001.png")
    page = check_page(render_case(staged(copy)))
    assert "No crop of cluster 1 is stored: this is the whole slide, all its pieces included." in page.words
    assert len(page.pictures) == 4
    whole = Image.open(copy / "micro" / "overview.png")
    assert likeness(page.pictures[0], whole.crop((0, draw.HEADER_PX, whole.width, whole.height - draw.LEGEND_PX))) < 6

    for name in NAMES_OF_SLIDES:
        spoil(copy / name / "overview.png")
    page = check_page(render_case(staged(copy)))
    assert page.pictures == []
    assert page.words.count("No picture is stored.") == 2


def test_without_a_folder_there_is_no_picture(out):
    page = check_page(render_case(staged(out, lambda section: replace(section, folder=None))))
    assert page.pictures == []
    assert "Slide micro (block A, section 2): worst, decides" in page.words


# -- counts, facts, what stands beside -----------------------------------------------------------------


def test_counts(seen):
    assert (
        "Nodes with macrometastases 0 Nodes with micrometastases 1 Nodes with isolated tumour cells only 0 "
        "Largest deposit 0.36 mm Nodes examined 2 of 2 listed Sentinel nodes examined 2, 1 of them positive "
        "Slides assessed 3 of 3"
    ) in seen.page.words


def test_counts_of_typed_nodes():
    nodes = [{"category": "macro"}, {"size_mm": 2.0004}, {"category": "itc"}, {"size_mm": 0.5}, {}]
    words = Page(render_case(typed(*nodes))).words
    assert (
        "Nodes with macrometastases 2 Nodes with micrometastases 1 Nodes with isolated tumour cells only 1 "
        "Largest deposit 2.0004 mm Nodes examined 4 of 5 listed Sentinel nodes examined not stated "
        "Contralateral"
    ) in words


def test_facts_as_stated_and_what_is_not():
    primary = {**PRIMARY, "her2": "unknown", "size_mm": 14.5, "ki67_percent": 20, "whole_breast_radiotherapy": False}
    words = Page(render_case(typed(primary=primary, procedure={"extranodal_extension": 2.5}))).words
    said = words[words.index("Facts as stated") : words.index("How this was made")]
    for fact in ("Invasive size 14.5 mm", "Grade 2", "Ki-67 20 %", "Whole-breast radiotherapy no", "extension 2.5 mm"):
        assert fact in said
    assert "HER2" in said[said.index("Not stated:") :]
    assert "unknown" not in said


def test_osna_stands_beside_pn():
    page = Page(render_case(typed({"category": "itc", "osna_copies_per_ul": 1234567.0}, {"osna_copies_per_ul": 249.0})))
    assert [row for row in page.rows if row[0] == "n1"][1] == ["n1", "1234567", "++"]
    assert [row for row in page.rows if row[0] == "n2"][1] == ["n2", "249", "negative"]
    assert page.row("Total tumour load")[1] == "1234816"
    assert "OSNA" not in Page(render_case(typed({"category": "itc"}))).words


# -- studies -------------------------------------------------------------------------------------------


def match(**stated):
    said = {
        "study": "Study 1", "citation": "Journal 1;2:3", "population": "T1-2", "finding": "no difference",
        "verdict": "outside the population", "met": ("T1 or T2",), "not_met": ("one node", "no more"),
        "undecided": ("age",), "missing": ("age in years",), "not_in_file": ("consent",), "table_version": "studies/7",
    }  # fmt: skip
    return StudyMatch(**(said | stated))


def test_studies_only_when_they_are_asked_for(seen):
    assert "stud" not in seen.page.words.lower()
    page = check_page(render_case(seen.stage, (match(), match(study="Study 2", not_met=(), verdict="cannot tell"))))
    assert "Facts about study populations" in page.words
    assert (
        "Study 1: outside the population Who T1-2 Found no difference Not met one node; no more "
        "Not stated age in years Never stated consent Source Journal 1;2:3 "
        "Study 2: cannot tell Who T1-2 Found no difference Not stated"
    ) in page.words
    assert "studies/7" in page.words


def test_every_study_of_the_table_is_told_and_nothing_else_changes(seen):
    matches = match_studies(seen.stage)
    text = render_case(seen.stage, matches)
    words = check_page(text).words
    for one in matches:
        assert f"{one.study}: {one.verdict}" in words
        assert f"Source {one.citation}" in words
    without = re.sub(r'<section aria-labelledby="studies">.*?</section>\n', "", text, flags=re.DOTALL)
    assert without == render_case(seen.stage)


@pytest.mark.parametrize("evil", EVIL)
def test_texts_of_studies_are_escaped(seen, evil):
    several = (evil, evil)
    hostile = match(
        study=evil, citation=evil, population=evil, finding=evil, verdict=evil, not_met=several, missing=several,
        not_in_file=several, table_version=evil,
    )  # fmt: skip
    assert check_page(render_case(seen.stage, (hostile,))).words.count(evil) == 12


def test_groups_that_rest_on_a_minimum_are_one_too():
    nodes = [{"node_id": "1", "size_mm": 0.9}, {"node_id": "2"}]
    primary = {**PRIMARY, "ct": "cT1c", "cn": "cN0", "cm": "cM0"}
    words = Page(render_case(stage_case(parse_case({"case_id": "A", "primary": primary, "nodes": nodes})))).words
    assert "Anatomic stage at least IB" in words
    assert "Clinical prognostic stage IA" in words
    assert "Pathological prognostic stage at least IA" in words
