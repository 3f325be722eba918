"""The studies that a case may be held against: who took part and what was found, one row a study.

Pure data: `criteria` says what can be asked of a case, `context` answers. Isolated tumour cells are not
positive nodes, except in AMAROS. The sentences are ours; limits come from the publications cited. Those
that were written down from memory of the literature, and not read again, say so in their text.
"""

from __future__ import annotations

from dataclasses import dataclass

from micromet_path.clinical.criteria import (
    AllOf,
    AnyOf,
    Criterion,
    Group,
    Nodes,
    NotInFile,
    Number,
    Question,
    Word,
)

__all__ = ["STUDIES", "STUDIES_VERSION", "Study"]

STUDIES_VERSION = "studies/1"


@dataclass(frozen=True, slots=True)
class Study:
    """A row of the table.

    Parameters
    ----------
    name, citation : str
    population, finding : str
        In our words: who took part, what was seen. No advice.
    criteria : tuple of Criterion
        All must be met.
    not_in_file : tuple of str
        What the study also asked, or what decides the reading of its finding, and no case file states.
    """

    name: str
    citation: str
    population: str
    finding: str
    criteria: tuple[Criterion, ...]
    not_in_file: tuple[str, ...]


_PALPABLE = "whether nodes were palpable"
_ULTRASOUND = "whether ultrasound of the axilla was done and normal"
_MENOPAUSE = "menopausal status"
_LOCATION = "whether the primary lies central or medial"
_SYSTEMIC = "systemic treatment after surgery"

_EARLY = Criterion("no distant metastasis", Word("M", ("M0", "M0(i+)")))
_RESECTED = Criterion("primary resected", Word("resection of the primary", ("done",)))
_EXCISED = Criterion("nodes removed, not only sampled by needle", Word("removal of the nodes", ("done",)))
_UNTREATED = Criterion("no systemic treatment before surgery", Word("neoadjuvant treatment", ("none",)))
_SURGERY_FIRST = (_EARLY, _RESECTED, _EXCISED, _UNTREATED)
_AXILLA_ONLY = Criterion(
    "no metastasis in nodes beyond levels I and II of the axilla", Nodes("beyond II", "micrometastasis", 0, 0)
)
_SENTINEL_SEEN = Criterion("a sentinel node was examined", Nodes("any sentinel", "examined", 1))
_CLINICAL_N0 = Criterion("clinically node negative (cN0)", Word("clinical N", ("N0",)))
_CT1_2 = Criterion("clinical T1 or T2", Word("clinical T", ("T1", "T2")))
_CT1 = Criterion("clinical T1 (up to 2 cm)", Word("clinical T", ("T1",)))
_BREAST_CONSERVING = Criterion("breast-conserving surgery", Word("surgery of the breast", ("breast-conserving",)))
_WHOLE_BREAST = Criterion("whole-breast radiotherapy", Word("whole-breast radiotherapy", ("given",)))
_HORMONE_RECEPTOR = Criterion("ER or PR positive", Word("hormone receptors (ER, PR)", ("positive",)))
_HER2_NEGATIVE = Criterion(
    "HER2 negative", Word("HER2", ("negative",), (("equivocal-after-ish", "HER2 beyond equivocal"),))
)
_MACRO = Criterion("a macrometastasis in an axillary node", Nodes("levels I-III", "macrometastasis", 1))


def _or_before_treatment(question: Question, what: str) -> AnyOf:
    """A question that the findings after neoadjuvant treatment cannot answer."""
    treated = AllOf((Word("neoadjuvant treatment", ("given",)), NotInFile(f"{what} before neoadjuvant treatment")))
    return AnyOf((AllOf((_UNTREATED.asks, question)), treated))


_GENOMIC_RISK = AnyOf(
    (
        Number("Ki-67", 20),
        Number("Oncotype DX score", 26),
        NotInFile("genomic risk by an assay other than Oncotype DX"),
    )
)
_IIA_AT_RISK = AnyOf(
    (
        Nodes("regional", "micrometastasis", 1),
        Word("grade", ("3",)),
        AllOf((Word("grade", ("2",)), _GENOMIC_RISK)),
    )
)
_NATALEE_STAGE = AnyOf((Group(("IIB", "IIIA", "IIIB", "IIIC")), AllOf((Group(("IIA",)), _IIA_AT_RISK))))
_MONARCHE_RISK = AnyOf(
    (
        Nodes("levels I-III", "micrometastasis", 4),
        Number("size of the primary", 50),
        Word("grade", ("3",)),
        Number("Ki-67", 20),
    )
)
_MIRROR_PRIMARY = AnyOf(
    (
        Number("size of the primary", 0, 10),
        AllOf((Number("size of the primary", 0, 30), Word("grade", ("1", "2")))),
    )
)

STUDIES: tuple[Study, ...] = (
    Study(
        "ACOSOG Z0011",
        "Giuliano et al., JAMA 2017;318:918",
        "cT1-2 cN0, metastasis seen on H&E in 1 or 2 sentinel nodes, breast-conserving surgery and whole-breast "
        "radiotherapy; not: found by immunohistochemistry alone, 3 or more nodes, matted nodes, gross extranodal "
        "extension, neoadjuvant treatment",
        "Survival after 10 years was not inferior with sentinel biopsy alone to that with axillary dissection.",
        (
            *_SURGERY_FIRST,
            _CT1_2,
            _CLINICAL_N0,
            Criterion(
                "metastasis seen on H&E in 1 or 2 sentinel nodes",
                Nodes("axillary sentinel", "micrometastasis", 1, 2, on_he=True),
            ),
            _AXILLA_ONLY,
            Criterion(
                "no gross extranodal extension",
                Word("extranodal extension", ("absent",), (("present", "whether the extranodal extension is gross"),)),
            ),
            _BREAST_CONSERVING,
            _WHOLE_BREAST,
        ),
        ("whether nodes were matted", _PALPABLE, "margins of the resection"),
    ),
    Study(
        "IBCSG 23-01",
        "Galimberti et al., Lancet Oncol 2018;19:1385",
        "primary up to 5 cm, clinically node negative, one or more sentinel nodes with metastasis, all of them "
        "micrometastases, no extranodal extension",
        "Disease-free survival after 10 years was 76.8 % without axillary dissection and 74.9 % with it.",
        (
            *_SURGERY_FIRST,
            Criterion("primary up to 5 cm", Number("size of the primary", 0, 50)),
            _CLINICAL_N0,
            Criterion("micrometastasis in a sentinel node", Nodes("axillary sentinel", "micrometastasis", 1)),
            Criterion("no macrometastasis in a sentinel node", Nodes("any sentinel", "macrometastasis", 0, 0)),
            _AXILLA_ONLY,
            Criterion("no extranodal extension", Word("extranodal extension", ("absent",))),
        ),
        (_PALPABLE,),
    ),
    Study(
        "AMAROS",
        "Bartels et al., J Clin Oncol 2023 (JCO.22.01565); Straver et al., Ann Surg Oncol 2010;17:1854",
        "cT1-2 cN0, tumour in a sentinel node; isolated tumour cells counted as positive here, and were all that "
        "12 % of the positive sentinel biopsies held",
        "Axillary recurrence after 10 years was 0.93 % with dissection and 1.82 % with radiotherapy of the axilla; "
        "lymphoedema at 5 years 24.5 % and 11.9 %.",
        (
            *_SURGERY_FIRST,
            _CT1_2,
            _CLINICAL_N0,
            Criterion(
                "tumour in a sentinel node, isolated tumour cells included", Nodes("axillary sentinel", "itc", 1)
            ),
            _AXILLA_ONLY,
        ),
        (_PALPABLE,),
    ),
    Study(
        "SENOMAC",
        "de Boniface et al., N Engl J Med 2024;390:1163",
        "cT1-3, no palpable node, ultrasound of the axilla done, macrometastasis in 1 or 2 sentinel nodes "
        "(micrometastases in further ones allowed), no metastasis beyond the axilla",
        "Outcome without completion dissection was not inferior to that with it.",
        (
            *_SURGERY_FIRST,
            Criterion("clinical T1 to T3", Word("clinical T", ("T1", "T2", "T3"))),
            Criterion("no palpable node", Word("clinical N", ("N0",), (("N1", _PALPABLE), ("N1mi", _PALPABLE)))),
            Criterion("macrometastasis in 1 or 2 sentinel nodes", Nodes("axillary sentinel", "macrometastasis", 1, 2)),
            _AXILLA_ONLY,
        ),
        (_PALPABLE, "whether ultrasound of the axilla was done"),
    ),
    Study(
        "SINODAR-ONE",
        "Tinterri et al., Ann Surg Oncol 2022 (s10434-022-11866-w)",
        "40 to 75 years, T1-2 cN0, metastasis in 1 or 2 sentinel nodes, macrometastases, no neoadjuvant treatment",
        "Survival at 5 years was 98.9 % with axillary dissection and 98.8 % with sentinel biopsy alone.",
        (
            *_SURGERY_FIRST,
            Criterion("40 to 75 years", Number("age", 40, 75)),
            _CT1_2,
            _CLINICAL_N0,
            Criterion("macrometastasis in a sentinel node", Nodes("axillary sentinel", "macrometastasis", 1)),
            Criterion(
                "metastasis in no more than 2 sentinel nodes", Nodes("axillary sentinel", "micrometastasis", 0, 2)
            ),
            _AXILLA_ONLY,
        ),
        (_PALPABLE, "earlier invasive breast cancer"),
    ),
    Study(
        "NSABP B-32, occult metastases",
        "Weaver et al., N Engl J Med 2011;364:412",
        "clinically node negative, sentinel nodes negative at first; deeper levels and cytokeratin stains were read "
        "later",
        "Occult metastases in 15.9 %; survival at 5 years 94.6 % with them and 95.8 % without.",
        (
            *_SURGERY_FIRST,
            _CLINICAL_N0,
            _SENTINEL_SEEN,
            Criterion("no tumour seen on H&E in a node", Nodes("regional", "itc", 0, 0, on_he=True)),
        ),
        (_PALPABLE, "whether deeper levels and cytokeratin stains were read"),
    ),
    Study(
        "MIRROR",
        "de Boer et al., N Engl J Med 2009;361:653",
        "favourable primary (up to 1 cm, or up to 3 cm with grade 1 or 2: limits from memory of the literature), "
        "sentinel biopsy, isolated tumour cells or micrometastases at worst",
        "Without adjuvant treatment the hazard ratio of disease events against node-negative patients was 1.50 with "
        "isolated tumour cells and 1.56 with micrometastases.",
        (
            *_SURGERY_FIRST,
            Criterion("up to 1 cm, or up to 3 cm with grade 1 or 2 (limits from memory)", _MIRROR_PRIMARY),
            _SENTINEL_SEEN,
            Criterion("isolated tumour cells or a micrometastasis in a node", Nodes("regional", "itc", 1)),
            Criterion("no macrometastasis", Nodes("regional", "macrometastasis", 0, 0)),
        ),
        (_SYSTEMIC,),
    ),
    Study(
        "EORTC 22922/10925",
        "Poortmans et al., Lancet Oncol 2020 (15-year results)",
        "up to 75 years, stage I-III, metastasis in an axillary node or a central or medial primary",
        "Mortality from breast cancer at 15 years was 16.0 % with irradiation of internal mammary and medial "
        "supraclavicular nodes and 19.8 % without.",
        (
            *_SURGERY_FIRST,
            Criterion("up to 75 years", Number("age", 0, 75)),
            Criterion("stage I to III", Group(("IA", "IB", "IIA", "IIB", "IIIA", "IIIB", "IIIC"))),
            Criterion(
                "metastasis in an axillary node, or a central or medial primary",
                AnyOf((Nodes("levels I-III", "micrometastasis", 1), NotInFile(_LOCATION))),
            ),
        ),
        (_LOCATION,),
    ),
    Study(
        "RxPONDER",
        "Kalinsky et al., N Engl J Med 2021;385:2336",
        "ER or PR positive, HER2 negative, 1 to 3 positive axillary nodes, not inflammatory, Oncotype DX score 0 to "
        "25; micrometastases alone are not matched here",
        "Chemotherapy improved invasive disease-free survival in premenopausal, not in postmenopausal women.",
        (
            *_SURGERY_FIRST,
            Criterion(
                "not inflammatory (not T4d)",
                Word(
                    "pathological T",
                    ("T0", "Tis", "T1mi", "T1a", "T1b", "T1c", "T1", "T2", "T3", "T4a", "T4b", "T4c"),
                    (("T4", "which T4"),),
                ),
            ),
            _HORMONE_RECEPTOR,
            _HER2_NEGATIVE,
            Criterion("1 to 3 positive axillary nodes", Nodes("levels I-II", "micrometastasis", 1, 3)),
            _MACRO,
            _AXILLA_ONLY,
            Criterion("Oncotype DX score 0 to 25", Number("Oncotype DX score", 0, 25)),
        ),
        (_MENOPAUSE,),
    ),
    Study(
        "TAILORx",
        "Sparano et al., N Engl J Med 2015;373:2005 and 2018;379:111",
        "18 to 75 years, node negative, ER or PR positive, HER2 negative, primary of 0.6 to 5 cm, Oncotype DX score "
        "known",
        "With a score below 11 and endocrine treatment alone 99.3 % were free of distant recurrence at 5 years; with "
        "11 to 25 endocrine treatment was not inferior to chemotherapy with it.",
        (
            *_SURGERY_FIRST,
            Criterion("18 to 75 years", Number("age", 18, 75)),
            Criterion("an axillary node was examined", Nodes("levels I-II", "examined", 1)),
            Criterion("node negative", Nodes("regional", "micrometastasis", 0, 0)),
            _HORMONE_RECEPTOR,
            _HER2_NEGATIVE,
            Criterion("primary of 0.6 to 5 cm", Number("size of the primary", 6, 50)),
            Criterion("Oncotype DX score known", Number("Oncotype DX score", 0, 100)),
        ),
        (_MENOPAUSE,),
    ),
    Study(
        "monarchE",
        "Johnston et al., J Clin Oncol 2020;38:3987",
        "ER or PR positive, HER2 negative, 4 or more positive axillary nodes, or 1 to 3 with a primary of 5 cm or "
        "more, grade 3 or Ki-67 of 20 % or more; micrometastases alone are not matched here",
        "The population in which abemaciclib was tried with endocrine treatment.",
        (
            _EARLY,
            _RESECTED,
            _EXCISED,
            _HORMONE_RECEPTOR,
            _HER2_NEGATIVE,
            _MACRO,
            Criterion(
                "4 or more positive axillary nodes, or 5 cm or more, grade 3 or Ki-67 of 20 % or more",
                _or_before_treatment(_MONARCHE_RISK, "nodes and size"),
            ),
        ),
        (_SYSTEMIC,),
    ),
    Study(
        "NATALEE",
        "Slamon et al., N Engl J Med 2024;390:1080",
        "ER or PR positive, HER2 negative, anatomic stage IIB or III, or IIA: node positive, or N0 with grade 3, or "
        "with grade 2 and Ki-67 of 20 % or more or a high genomic risk (Oncotype DX 26 or more: limit from memory "
        "of the literature)",
        "The population in which ribociclib was tried with endocrine treatment; T0-1 N1mi (IB) is outside, T2 N1mi "
        "(IIB) inside.",
        (
            _EARLY,
            _RESECTED,
            _EXCISED,
            _HORMONE_RECEPTOR,
            _HER2_NEGATIVE,
            Criterion(
                "anatomic stage IIB, III, or IIA with nodes, grade or Ki-67 or genomic risk",
                _or_before_treatment(_NATALEE_STAGE, "anatomic stage"),
            ),
        ),
        (_SYSTEMIC, "genomic risk by an assay other than Oncotype DX"),
    ),
    Study(
        "SOUND",
        "Gentilini et al., JAMA Oncol 2023;9:1557",
        "primary up to 2 cm, clinically node negative with a normal ultrasound of the axilla, breast-conserving "
        "surgery and radiotherapy",
        "Distant disease-free survival at 5 years was 97.7 % with sentinel biopsy and 98.0 % without axillary surgery.",
        (_EARLY, _UNTREATED, _CT1, _CLINICAL_N0, _BREAST_CONSERVING),
        (_ULTRASOUND, "radiotherapy other than of the whole breast", "whether the primary is multifocal"),
    ),
    Study(
        "INSEMA",
        "Reimer et al., N Engl J Med 2025;392:1051",
        "cT1-2 cN0, breast-conserving surgery and whole-breast radiotherapy, no neoadjuvant treatment",
        "Invasive disease-free survival at 5 years was 91.9 % without axillary surgery, 91.7 % with sentinel biopsy.",
        (_EARLY, _UNTREATED, _CT1_2, _CLINICAL_N0, _BREAST_CONSERVING, _WHOLE_BREAST),
        (_ULTRASOUND,),
    ),
    Study(
        "ASCO guideline 2025, sentinel biopsy",
        "Park et al., J Clin Oncol 2025 (guideline update)",
        "postmenopausal, 50 years or older, primary up to 2 cm, grade 1 or 2, hormone receptor positive, HER2 "
        "negative, normal ultrasound of the axilla, breast-conserving surgery",
        "The group in which, resting on SOUND and INSEMA, the guideline no longer counts sentinel biopsy as routine.",
        (
            _EARLY,
            _UNTREATED,
            Criterion("50 years or older", Number("age", 50)),
            _CT1,
            _CLINICAL_N0,
            Criterion("grade 1 or 2", Word("grade", ("1", "2"))),
            _HORMONE_RECEPTOR,
            _HER2_NEGATIVE,
            _BREAST_CONSERVING,
        ),
        (_MENOPAUSE, _ULTRASOUND),
    ),
)
