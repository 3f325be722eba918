"""From analysed slides to the stage of a case: pieces, sections, reviews, and what is missing."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.draw

import micromet_path as mp
from micromet_path.api import analyze_into
from micromet_path.apps.samples import SampleSpec, write_sample
from micromet_path.config import Config, Zone
from micromet_path.errors import ConfigError, ResultError
from micromet_path.model import Role
from micromet_path.pixels.stain import StainParams
from tests.test_pipeline import WHITE, section

SAMPLES = Path(__file__).parents[1] / "sample_slides"
ANNOTATION = Path(__file__).parents[2] / "shared" / "data" / "camelyon" / "patient_004_node_4.xml"
HALF = mp.PixelSpacing(0.5, 0.5)
HELD = Config(stain=StainParams(white=WHITE))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Results of the sample slides, and of drawn ones."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("negative", "itc", "micro", "macro"):
        analyze_into(folder, SAMPLES / f"{name}.svs")
    save(folder, "one-piece", section())
    canvas = section()
    save(folder, "one-itc", canvas.with_brown(canvas.disc(300, 300, 100)))  # 100 um across
    save(folder, "empty", blank())
    return folder


def blank():
    """Glass and nothing else."""
    canvas = section()
    canvas.tissue[:] = False
    return canvas


def save(folder, name, canvas, config=HELD):
    mp.analyze(canvas.rgb(), config, spacing=HALF).save(folder / name)


def node(name, *results, **facts):
    return {
        "node_id": name,
        "slides": [{"result": r, "pieces": "all"} if isinstance(r, str) else r for r in results],
    } | facts


def case(*nodes, **facts):
    return {"case_id": "A", "primary": {"pt": "T1c"}, "procedure": {"sentinel": True}, "nodes": list(nodes)} | facts


def codes(stage):
    return {caution.code for caution in stage.cautions}


@pytest.mark.parametrize(
    ("results", "pn"),
    [
        (["negative"], "pN0(sn)"),
        (["itc"], "pN0(i+)(sn)"),
        (["micro"], "pN1mi(sn)"),
        (["macro"], "pN1a(sn)"),
        (["negative", "itc", "micro", "macro"], "pN1a(sn)"),
        (["one-piece"], "pN0(sn)"),
    ],
)
def test_nodes_of_a_slide_each(out, results, pn):
    stage = mp.stage(case(*(node(f"n{name}", name) for name in results)), out)

    assert stage.pn == pn
    assert stage.status == "suggested"
    assert stage.counts.slides_read == len(results)
    for name, found in zip(results, stage.nodes, strict=True):
        result = mp.load_result(out / name)
        assert found.category == result.finding.category.value
        assert found.deciding is not None
        assert found.deciding.result == result.slide.id
        if result.finding.cluster_id is not None:
            row = result.finding.cluster_id - 1
            assert found.deciding.focus.axis_px0 == tuple(map(tuple, result.clusters.axis_px0[row].tolist()))


def test_the_worst_section_of_a_node_decides_whatever_their_order(out):
    names = ["negative", "itc", "micro"]
    stages = [mp.stage(case(node("1", *order)), out) for order in itertools.permutations(names)]

    assert {stage.pn for stage in stages} == {"pN1mi(sn)"}
    assert {stage.nodes[0].deciding.result for stage in stages} == {"micro"}
    assert len({frozenset(stage.reasons) for stage in stages}) == 1


def test_pieces_of_one_slide_are_nodes_of_their_own(out):
    result = mp.load_result(out / "micro")
    nodes = [node(str(p.id), {"result": "micro", "pieces": [p.id]}) for p in result.pieces]

    stage = mp.stage(case(*nodes), out)

    assert [found.category for found in stage.nodes] == [piece.category.value for piece in result.pieces]
    assert stage.counts.slides_read == 1
    assert stage.counts.examined == len(result.pieces)
    for found, piece in zip(stage.nodes, result.pieces, strict=True):
        assert found.size_mm == (None if piece.max_diameter_um is None else piece.max_diameter_um / 1000)


def test_several_pieces_without_a_map_give_no_count(out):
    stage = mp.stage(case(node("1", {"result": "itc"}), node("2", "negative")), out)

    assert stage.pn.startswith("pN not assigned yet: 1 of 2 slides")
    assert "node assignment not stated" in stage.pn
    assert stage.pn_category is None
    assert stage.anatomic_stage is None
    assert stage.counts.with_itc == 0


def test_a_single_piece_needs_no_map(out):
    assert mp.stage(case(node("1", {"result": "one-itc"})), out).pn == "pN0(i+)(sn)"


def test_a_piece_that_nobody_has_is_told_and_forbids_an_answer_where_something_was_found_on_it(out):
    pieces = {piece.id: piece for piece in mp.load_result(out / "micro").pieces}
    harmless = next(number for number, piece in pieces.items() if piece.category is mp.Category.ITC)
    others = [number for number in pieces if number != harmless]

    some = mp.stage(case(node("1", {"result": "micro", "pieces": [harmless]})), out)
    most = mp.stage(case(node("1", {"result": "micro", "pieces": others})), out)
    clean = mp.stage(case(node("1", {"result": "negative", "pieces": [1]})), out)

    assert some.pn.startswith("pN not assigned yet")
    assert "is assigned to no node, and micrometastasis was found on it" in some.pn
    assert most.pn == "at least pN1mi(sn)"
    assert clean.pn == "pN0(sn)"
    assert "unassigned_piece" in codes(clean)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("1", {"result": "itc", "pieces": [1]}), node("2", {"result": "itc", "pieces": [2, 1]})],
            "piece 1 of slide itc is assigned to the nodes 1 and 2; a piece belongs to one node",
        ),
        ([node("1", {"result": "itc", "pieces": [9]})], "node 1: slide itc has no piece 9; its pieces are 1 to 3"),
        ([node("1", {"result": "nowhere"})], "there is no result 'nowhere'"),
    ],
)
def test_maps_that_cannot_be(out, nodes, message):
    with pytest.raises((ConfigError, ResultError)) as caught:
        mp.stage(case(*nodes), out)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_control_tissue_belongs_to_no_node(tmp_path):
    canvas = section(width=1600)
    canvas.tissue[:, 700:900] = False
    zone = Zone(Role.CONTROL, 0.45, 0.0, 0.8, 0.32)
    save(
        tmp_path,
        "a",
        canvas.with_brown(canvas.disc(1200, 300, 60)),
        Config(stain=StainParams(white=WHITE), zones=(zone,)),
    )
    roles = {piece.id: piece.role for piece in mp.load_result(tmp_path / "a").pieces}
    control = next(number for number, role in roles.items() if role is Role.CONTROL)

    assert mp.stage(case(node("1", {"result": "a"})), tmp_path).pn == "pN0(sn)"
    with pytest.raises(ConfigError, match=f"piece {control} of slide .* is control tissue"):
        mp.stage(case(node("1", {"result": "a", "pieces": [control]})), tmp_path)


@pytest.mark.parametrize("failing", ["empty", "failed control"])
def test_a_slide_that_says_nothing_leaves_the_case_open(out, failing):
    last = "empty" if failing == "empty" else {"result": "one-piece", "pieces": "all", "control_result": "failed"}
    five = [node(str(number), {"result": f"s{number}", "pieces": "all"}) for number in range(5)]
    for number in range(5):
        link = out / f"s{number}"
        if not link.exists():
            save(out, f"s{number}", section(seed=number + 1))

    stage = mp.stage(case(*five, node("6", last)), out)
    positive = mp.stage(case(*five, node("6", last), node("7", "macro")), out)

    assert stage.pn.startswith("pN not assigned yet: 5 of 6 slides")
    assert stage.status == positive.status == "incomplete"
    assert positive.pn == "at least pN1a"
    assert positive.pn_category == "pN1a"


def test_one_slide_under_two_names_counts_once(out):
    stage = mp.stage(case(node("1", "negative", str(out / "negative"))), out)
    assert stage.counts.slides_read == stage.counts.slides_expected == 1
    assert "repeated_slide" in codes(stage)
    assert not any(str(out) in text for text in stage.warnings)


def test_slides_that_are_not_there_leave_the_case_open(out):
    stage = mp.stage(case(node("1", "negative"), expected_slides=6), out)
    assert stage.pn == "pN not assigned yet: 1 of 6 slides"


def test_what_would_change_the_answer_is_said(tmp_path):
    canvas = section()
    for x in range(150, 650, 60):  # groups of 20 um, 10 um apart: one chain at larger gaps
        canvas.with_brown(canvas.box(x, 300, x + 40, 330))
    save(tmp_path, "chain", canvas)

    stage = mp.stage(case(node("1", "chain")), tmp_path)

    assert stage.pn == "pN0(i+)(sn)"
    assert "pN0(i+)(sn) -> pN1mi(sn) if foci up to 15 um apart count as one (would_change)" in stage.warnings
    assert [change.pn for change in stage.changes] == ["pN1mi(sn)"]


def write_review(folder, *decisions, **changes):
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    content = {
        "schema": "micromet-review/1",
        "slide_fingerprint": result["slide"]["fingerprint"],
        "config_fingerprint": result["provenance"]["config_fingerprint"],
        "closed": True,
        "decisions": list(decisions),
    } | changes
    (folder / "review.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def reviewed(tmp_path):
    """A slide with foci of 150 and of 60 um."""
    canvas = section()
    canvas.with_brown(canvas.disc(250, 300, 150)).with_brown(canvas.disc(600, 300, 60))
    save(tmp_path, "a", canvas)
    return tmp_path


@pytest.mark.parametrize(
    ("decisions", "pn", "status"),
    [
        ([], "pN0(i+)(sn)", "suggested"),
        ([{"cluster_id": 1, "decision": "accepted", "location": "subcapsular sinus"}], "pN0(i+)(sn)", "confirmed"),
        ([{"cluster_id": 1, "decision": "rejected"}], "pN0(i+)(sn)", "suggested"),
        (
            [{"cluster_id": 1, "decision": "rejected"}, {"cluster_id": 2, "decision": "rejected"}],
            "pN0(sn)",
            "confirmed",
        ),
        ([{"cluster_id": 2, "decision": "size corrected", "max_diameter_um": 210}], "pN1mi(sn)", "confirmed"),
        ([{"cluster_id": 1, "decision": "size corrected", "max_diameter_um": 2000.5}], "pN1a(sn)", "confirmed"),
    ],
)
def test_a_review_is_honoured(reviewed, decisions, pn, status):
    write_review(reviewed / "a", *decisions)

    stage = mp.stage(case(node("1", "a")), reviewed)

    assert (stage.pn, stage.status) == (pn, status)
    focus = stage.nodes[0].deciding.focus
    decided = {one["cluster_id"]: one for one in decisions}
    if focus is not None:
        assert focus.cluster_id == (2 if decided.get(1, {}).get("decision") == "rejected" or 2 in decided else 1)
        assert focus.decision == decided.get(focus.cluster_id, {"decision": "none"})["decision"]
        assert focus.location == decided.get(focus.cluster_id, {}).get("location")


def test_what_a_reviewer_rejects_is_no_doubt_any_more(reviewed):
    write_review(reviewed / "a", *({"cluster_id": number, "decision": "rejected"} for number in (1, 2)))

    stage = mp.stage(case(node("1", "a")), reviewed)

    assert (stage.pn, stage.changes) == ("pN0(sn)", ())
    assert not codes(stage) & {"uncounted_large", "contiguity_sensitive"}


def test_gaps_stay_in_doubt_until_every_focus_has_its_decision(tmp_path):
    canvas = section()
    canvas.with_brown(canvas.box(150, 300, 450, 330)).with_brown(canvas.box(490, 300, 690, 330))  # 20 um apart
    save(tmp_path, "a", canvas)
    first, second = ({"cluster_id": number, "decision": "accepted"} for number in (1, 2))
    for decisions, is_sensitive in (((), True), ((first,), True), ((first, second), False)):
        write_review(tmp_path / "a", *decisions, closed=bool(decisions))
        stage = mp.stage(case(node("1", "a")), tmp_path)
        assert ("contiguity_sensitive" in codes(stage)) == is_sensitive
        assert [change.pn for change in stage.changes] == (["pN1mi(sn)"] if is_sensitive else [])


def test_what_a_reviewer_finds_on_a_piece_that_nobody_has_is_no_negative(tmp_path):
    canvas = section(width=1600)
    canvas.tissue[:, 700:900] = False
    save(tmp_path, "a", canvas.with_brown(canvas.disc(1200, 300, 60)))
    pieces = {piece.category: piece.id for piece in mp.load_result(tmp_path / "a").pieces}
    empty = case(node("1", {"result": "a", "pieces": [pieces[mp.Category.NEGATIVE]]}))

    assert mp.stage(empty, tmp_path).pn.startswith("pN not assigned yet: piece")
    write_review(tmp_path / "a", {"cluster_id": 1, "decision": "rejected"})
    assert mp.stage(empty, tmp_path).pn == "pN0(sn)"
    write_review(tmp_path / "a", {"cluster_id": 1, "decision": "size corrected", "max_diameter_um": 90})
    assert mp.stage(empty, tmp_path).pn.startswith("pN not assigned yet: piece")


def test_a_focus_on_no_piece_is_no_evidence_for_several_nodes(out):
    shared = [node(str(number), {"result": "itc", "pieces": [number]}) for number in (1, 2, 3)]
    astray = replace_pieces(out / "itc", tmp := out / "astray")
    assert astray > 0

    apart = mp.stage(case(*(one | {"slides": [one["slides"][0] | {"result": "astray"}]} for one in shared)), out)
    whole = mp.stage(case(node("1", "astray")), out)

    assert tmp.is_dir()
    assert "lies on no piece" in apart.pn
    assert all(found.category != "itc" or found.deciding.focus.cluster_id != 1 for found in apart.nodes)
    assert whole.pn == "pN0(i+)(sn)"


def replace_pieces(source, target):
    """A copy of a result whose largest cluster lies on no piece."""
    result = mp.load_result(source)
    clusters = result.clusters
    fragments = replace(
        result.analysis.fragments,
        piece=np.where(clusters.cluster_of_fragment == 0, 0, result.analysis.fragments.piece),
    )
    piece_id = clusters.piece_id.copy()
    piece_id[0] = 0
    analysis = replace(result.analysis, fragments=fragments, clusters=replace(clusters, piece_id=piece_id))
    replace(result, analysis=analysis).save(target)
    return int(np.count_nonzero(mp.load_result(target).clusters.piece_id == 0))


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        ({"decision": "accepted", "location": "perinodal"}, "location"),
        ({"decision": "accepted", "location": "afferent lymphatic"}, "location"),
        ({"decision": "size corrected", "max_diameter_um": 0.15}, "size_far_from_measured"),
        ({"decision": "size corrected", "max_diameter_um": 1500.0}, "size_far_from_measured"),
    ],
)
def test_decisions_that_need_a_word(reviewed, decision, code):
    write_review(reviewed / "a", {"cluster_id": 1, **decision})
    assert code in codes(mp.stage(case(node("1", "a")), reviewed))


def test_a_review_that_is_not_closed_leaves_the_category_suggested(reviewed):
    write_review(reviewed / "a", {"cluster_id": 1, "decision": "rejected"}, closed=False)
    assert mp.stage(case(node("1", "a")), reviewed).status == "suggested"


def test_a_review_of_another_result_is_not_honoured(reviewed):
    write_review(reviewed / "a", {"cluster_id": 1, "decision": "rejected"}, config_fingerprint="0" * 64)

    stage = mp.stage(case(node("1", "a")), reviewed)

    assert stage.status == "incomplete"
    assert "review.json is of another result" in stage.pn


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ([{"cluster_id": 9, "decision": "accepted"}], "review.json decides on cluster 9; the result has 2"),
        ([{"cluster_id": 1, "decision": "perhaps"}], "a/review.json: decisions[1].decision"),
        ([{"cluster_id": 1, "decision": "size corrected"}], "max_diameter_um belongs to"),
        ([{"cluster_id": 1, "decision": "size corrected", "max_diameter_um": -1}], "max_diameter_um must be above 0"),
        ([{"cluster_id": 1, "decision": "size corrected", "max_diameter_um": 2e9}], "at most 100000 microns"),
        ([{"cluster_id": 1, "decision": "accepted", "location": "inclusion"}], "an inclusion is benign"),
        ([{"cluster_id": 1, "decision": "accepted"}] * 2, "a cluster is decided on twice"),
    ],
)
def test_reviews_that_cannot_be(reviewed, decisions, message):
    write_review(reviewed / "a", *decisions)
    with pytest.raises(ConfigError) as caught:
        mp.stage(case(node("1", "a")), reviewed)
    assert message in str(caught.value)


def test_a_review_outlives_another_analysis(reviewed):
    write_review(reviewed / "a")
    before = (reviewed / "a" / "review.json").read_bytes()

    save(reviewed, "a", section(), Config())

    assert (reviewed / "a" / "review.json").read_bytes() == before
    assert "review.json is of another result" in mp.stage(case(node("1", "a")), reviewed).pn


def test_a_damaged_review_is_one_clear_line(reviewed):
    (reviewed / "a" / "review.json").write_text("{", encoding="utf-8")
    with pytest.raises(ResultError, match=r"a/review.json is not a readable review record"):
        mp.stage(case(node("1", "a")), reviewed)


def test_a_result_without_its_scale_cannot_be_staged(reviewed):
    path = reviewed / "a" / "result.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["slide"]["mpp_x"] = None
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(mp.MicrometError) as caught:
        mp.stage(case(node("1", "a")), reviewed)
    assert "\n" not in str(caught.value)


def test_results_may_be_named_by_folder_beside_the_case_file(reviewed, tmp_path):
    (reviewed / "case.json").write_text(json.dumps(case(node("1", "a"))), encoding="utf-8")
    assert mp.stage(reviewed / "case.json").pn == "pN0(i+)(sn)"


@pytest.mark.skipif(not ANNOTATION.exists(), reason="real outlines (shared/data beside the repository) are not here")
def test_outlines_of_a_real_node_become_pn0_itc(tmp_path):
    spacing = mp.PixelSpacing(0.5, 0.5)
    scale = 0.243 / spacing.x_um  # the challenge's slides have 0.243 um per pixel
    canvas = section(height=1400, width=1400)
    rings = [
        np.array([(float(point.get("X")), float(point.get("Y"))) for point in outline.iter("Coordinate")])
        for outline in ET.parse(ANNOTATION).iter("Annotation")
    ]
    assert len(rings) == 3
    for number, ring in enumerate(rings):
        placed = (ring - ring.mean(axis=0)) * scale + (300 + 400 * number, 700)
        canvas.with_brown(skimage.draw.polygon2mask(canvas.shape, placed[:, ::-1]))
    mp.analyze(canvas.rgb(), HELD, spacing=spacing).save(tmp_path / "patient_004_node_4")

    stage = mp.stage(case(node("4", "patient_004_node_4")), tmp_path)

    assert stage.nodes[0].category == "itc"
    assert stage.pn_category == "pN0(i+)"
    measured = sorted(mp.load_result(tmp_path / "patient_004_node_4").clusters.max_diameter_um.tolist())
    np.testing.assert_allclose(measured, [93, 115, 125], atol=2)


def test_five_slides_become_a_page(tmp_path):
    """Drawn, analysed and staged by the commands that a user types."""
    drawn = write_sample(tmp_path, SampleSpec(profile="itc", side_px=3000, seed=7, spacing_um=0.5)).slide
    micromet("analyze", *(SAMPLES / f"{name}.svs" for name in ("negative", "itc", "micro", "macro")), drawn,
             "-o", tmp_path / "out", "-q")  # fmt: skip
    nodes = [node("1", "negative", "itc"), node("2", {"result": "micro", "pieces": [1]}, drawn.stem)]
    nodes.append(node("3", {"result": "micro", "pieces": [2, 3]}, "macro"))
    (tmp_path / "case.json").write_text(json.dumps(case(*nodes, expected_slides=5)), encoding="utf-8")

    micromet("stage", tmp_path / "case.json", "--results", tmp_path / "out", "--html", tmp_path / "case.html")

    page = (tmp_path / "case.html").read_text(encoding="utf-8")
    assert "pN1a(sn)" in page
    assert page.count("data:image/jpeg;base64,") >= 3 + 6  # a focus for each node, six sections in small
    assert str(tmp_path) not in page


def micromet(*words):
    command = "from micromet_path.apps.cli import main; main()"
    subprocess.run([sys.executable, "-c", command, *map(str, words)], check=True, capture_output=True)


@pytest.mark.parametrize("wrong", ["é" * 300, "é" * 300 + ".toml", None, 1, b"case.toml", [], object()], ids=type)
def test_what_is_no_case_is_refused_in_one_line(wrong):
    with pytest.raises(ConfigError) as raised:
        mp.stage(wrong)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_result_with_a_name_longer_than_names_can_be_is_not_there():
    slide = {"result": "é" * 200}
    with pytest.raises(ResultError, match="there is no result"):
        mp.stage({"case_id": "A", "nodes": [{"node_id": "1", "slides": [slide]}]})
