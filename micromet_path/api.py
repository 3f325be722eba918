"""What people hold: analyse a slide, look at the result, load it again.

Everything here is re-exported lazily by `micromet_path`, so that importing the package stays cheap.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config, fingerprint_of, load_config
from micromet_path.errors import MicrometError, MissingScaleError, ResultError
from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import share_compiling
from micromet_path.model import Analysis, Clusters, Finding, Picture, Piece, Provenance, Runs, ScanSummary, SlideRecord
from micromet_path.pipeline import Progress, StepDone, Task, analyze_slide, recut, settings_of
from micromet_path.pixels.area import Area
from micromet_path.results.encode import as_text
from micromet_path.results.qupath import Origin
from micromet_path.results.sums import FAILURE_FILE
from micromet_path.slides import ArraySlide, Slide, array_fingerprint, open_slide, pixels_fingerprint, slide_fingerprint
from micromet_path.threads import threads

if TYPE_CHECKING:
    from PIL.Image import Image

    from micromet_path.clinical.case import Case
    from micromet_path.clinical.case_stage import CaseStage
    from micromet_path.clinical.groups import PrognosticTable
    from micromet_path.pipeline.sections import AnalysedSlide

__all__ = [
    "AnalyzeOptions",
    "SlideResult",
    "analyze",
    "analyze_into",
    "compile_kernels",
    "is_current",
    "load_result",
    "load_results",
    "load_writers",
    "rebuild",
    "result_folders",
    "settings_key",
    "stage",
    "unique_slide_ids",
]

_LONGEST_ID_BYTES = 200


def default_workers() -> int:
    """Threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """How a slide is analysed, besides the configuration.

    Parameters
    ----------
    spacing : PixelSpacing or None
        Overrules the scale that the file states.
    region, exclude : path or None
        GeoJSON outlines in level-0 pixels: what alone is analysed, and what is left out.
    workers : int
        Threads.
    hash_all : bool
        Fingerprint every byte of the file rather than sampled blocks.
    fingerprint : str or None
        Of the file, where it is known already.
    origin : {"auto", "level0", "bounds"}
        Corner from which ``clusters.geojson`` counts; auto is what QuPath uses for the slide.
    progress : callable or None
        Called with (blocks done, blocks in all).
    on_step : callable or None
        Called with the name of each step of the pipeline when it is done.
    """

    spacing: PixelSpacing | None = None
    region: str | Path | None = None
    exclude: str | Path | None = None
    workers: int = field(default_factory=default_workers)
    hash_all: bool = False
    fingerprint: str | None = None
    origin: Origin = "auto"
    progress: Progress | None = None
    on_step: StepDone | None = None

    @property
    def area(self) -> Area:
        """The part of the slide that is analysed."""
        if self.region is None and self.exclude is None:
            return Area()
        from micromet_path.results.zones import read_area

        return read_area(self.region, self.exclude)


@dataclass(frozen=True)
class SlideResult:
    """The result of one slide: its records, its files, and drawings of it.

    Parameters
    ----------
    analysis : Analysis
        All records; the most used ones are properties.
    folder : Path or None
        Where the result is stored.
    was_reused : bool
        Whether the folder held it already.
    """

    analysis: Analysis
    folder: Path | None = None
    was_reused: bool = False
    _runs: Runs | None = field(default=None, repr=False)
    _pictures: tuple[Picture, ...] | None = field(default=None, repr=False)

    @property
    def finding(self) -> Finding:
        """Category, largest diameter, how sure."""
        return self.analysis.finding

    @property
    def clusters(self) -> Clusters:
        """Measured and judged clusters, largest first; `to_dataframe` gives a table."""
        return self.analysis.clusters

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Pieces of tissue with a finding each."""
        return self.analysis.pieces

    @property
    def slide(self) -> SlideRecord:
        """Name, size and scale."""
        return self.analysis.slide

    @property
    def scan(self) -> ScanSummary:
        """How the slide was read."""
        return self.analysis.scan

    @property
    def provenance(self) -> Provenance:
        """Version, settings, time."""
        return self.analysis.provenance

    @cached_property
    def config(self) -> Config:
        """The configuration that made the result."""
        settings = dict(self.provenance.config)
        settings.pop("area", None)
        return Config.from_dict(settings, "result.json")

    @cached_property
    def runs(self) -> Runs:
        """Stained runs of all fragments."""
        if self._runs is not None:
            return self._runs
        from micromet_path.results.store import read_runs

        return read_runs(self._stored())

    @cached_property
    def pictures(self) -> dict[str, Picture]:
        """Undrawn pixels of the report by name: ``overview``, ``cluster-0001``, ``brown-01``."""
        pictures = self._pictures
        if pictures is None:
            from micromet_path.results.store import read_pictures

            pictures = read_pictures(self._stored())
        return {picture.name: picture for picture in pictures}

    def at_gap(self, gap_um: float) -> SlideResult:
        """The same slide with fragments up to ``gap_um`` apart taken as one focus.

        Parameters
        ----------
        gap_um : float
            0 to 100; the contiguity tree is cut there, no pixel is read again.
        """
        return replace(self, analysis=recut(self.analysis, self.config, gap_um))

    def overlay(self) -> Image:
        """Overview of the slide with the outlines of its clusters, as a Pillow image."""
        from micromet_path.results import draw, shapes

        traced = shapes.trace_clusters(self.clusters, self.runs)
        return draw.overview(self.analysis, traced, self.pictures["overview"])

    def save(self, folder: str | Path, origin: Origin = "auto", workers: int = 2) -> SlideResult:
        """Write every file of the result into ``folder``, replacing what is there when complete.

        Parameters
        ----------
        folder : path
        origin : {"auto", "level0", "bounds"}
            Corner from which ``clusters.geojson`` counts.
        workers : int
            Threads that draw and write.
        """
        from micromet_path.results import ResultOptions, write_result
        from micromet_path.results.store import recover, writing

        folder = Path(folder)
        recover(folder.parent, folder.name)
        with writing(folder) as new:
            options = ResultOptions(origin=origin, workers=workers)
            write_result(new, self.analysis, self.runs, tuple(self.pictures.values()), options)
        return replace(self, folder=folder)

    def _stored(self) -> Path:
        if self.folder is None:
            raise ResultError("this result holds no pixels and was not saved; call analyze again, or load_result")
        return self.folder

    def _repr_html_(self) -> str:
        """Finding, scale and overview, for Jupyter."""
        from micromet_path.results.notebook import summary_html

        return summary_html(self.analysis, self.overlay())


def analyze(
    source: str | Path | NDArray[np.uint8] | Slide,
    config: Config | str | Path | None = None,
    options: AnalyzeOptions | None = None,
    **changes: Any,
) -> SlideResult:
    """Find, measure and classify keratin-positive foci on a slide.

    Parameters
    ----------
    source : path, ndarray of shape (M, N, 3) and dtype uint8, or Slide
        An array needs ``spacing``.
    config : Config or path of a TOML file, optional
    options : AnalyzeOptions, optional
    **changes
        Single options: ``spacing``, ``region``, ``exclude``, ``workers``, ``progress``.

    Returns
    -------
    SlideResult
        Held in memory; `SlideResult.save` writes it.

    Raises
    ------
    MicrometError
        If the slide or the configuration cannot be used. A slide that could not show tumour is no
        error: its finding is ``not_assessable``.

    Examples
    --------
    >>> import micromet_path as mp
    >>> glass = np.full((256, 256, 3), 243, np.uint8)
    >>> mp.analyze(glass, spacing=mp.PixelSpacing(0.5, 0.5)).finding.category.value
    'not_assessable'
    """
    options = replace(options or AnalyzeOptions(), **changes)
    with _opened(source, options) as slide:
        return _analyzed(slide, _as_config(config), options, _slide_id_of(slide), _fingerprint(source, slide, options))


def analyze_into(
    out: str | Path,
    source: str | Path,
    config: Config | str | Path | None = None,
    options: AnalyzeOptions | None = None,
    slide_id: str | None = None,
) -> SlideResult:
    """Analyse a slide and keep the result in ``out/<slide_id>``, or take the one that is there.

    A result is taken when slide, configuration, analysed area and given scale are the same; any other
    result under the same id is replaced when the new one is complete.
    """
    from micromet_path.results.folders import require_replaceable
    from micromet_path.results.store import recover

    options, config = options or AnalyzeOptions(), _as_config(config)
    folder = Path(out) / (slide_id or _shortened(Path(source).stem, _LONGEST_ID_BYTES))
    recover(folder.parent, folder.name)
    require_replaceable(folder)
    if folder.is_dir():
        options = replace(options, fingerprint=options.fingerprint or slide_fingerprint(source, full=options.hash_all))
    if options.fingerprint is not None and is_current(folder, options.fingerprint, config, options):
        if options.origin != "auto":
            rebuild(folder, options.origin)
        return replace(load_result(folder), was_reused=True)
    with _opened(source, options) as slide:
        fingerprint = _fingerprint(source, slide, options)
        with threads(options.workers, most=1) as pool:

            def told(done: int, total: int) -> None:
                if done == 1:  # from here on compiled code decodes, and half a second of imports costs little
                    pool.submit(load_writers)
                if progress is not None:
                    progress(done, total)

            progress = options.progress
            options = replace(options, progress=told)
            result = _analyzed(slide, config, options, folder.name, fingerprint)
        return result.save(folder, options.origin, options.workers)


def is_current(folder: Path, fingerprint: str, config: Config, options: AnalyzeOptions) -> bool:
    """Whether a folder holds what analysing a slide would give: the same slide, settings, area and given scale.

    The slide is not opened. Word of a failure since then is taken away: it was about something else.
    """
    from micromet_path.results.failures import forget_failure
    from micromet_path.results.store import find_reusable

    is_same = find_reusable(folder, fingerprint, settings_key(config, options))
    if is_same:
        forget_failure(folder)
    return is_same


def settings_key(config: Config, options: AnalyzeOptions) -> str:
    """SHA-256 over all that decides a result besides the slide, as the result states it."""
    given = None if options.spacing is None else [options.spacing.x_um, options.spacing.y_um]
    return fingerprint_of(settings_of(config, options.area), given)


def load_result(folder: str | Path) -> SlideResult:
    """Load one result folder."""
    from micromet_path.results.store import read_source

    return SlideResult(read_source(Path(folder)), folder=Path(folder))


def load_results(out: str | Path) -> tuple[SlideResult, ...]:
    """Load every result in a folder, by slide id."""
    return tuple(load_result(folder) for folder in result_folders(out))


def rebuild(out: str | Path, origin: Origin = "auto") -> tuple[Path, ...]:
    """Make every derived file of a result folder, or of all results in a folder, from its source again."""
    from micromet_path.results import ResultOptions
    from micromet_path.results import rebuild as rebuild_folder

    folders = tuple(result_folders(out))
    for folder in folders:
        rebuild_folder(folder, ResultOptions(origin=origin))
    return folders


def stage(
    case: str | Path | Mapping[str, Any] | Case,
    results: str | Path | None = None,
    prognostic_table: str | Path | PrognosticTable | None = None,
    home: str | Path | None = None,
) -> CaseStage:
    """Stage a case: pN, T, M and stage groups, each with its reasons. A suggestion; a pathologist decides.

    Parameters
    ----------
    case : path, mapping or Case
        A TOML or JSON file, or what such a file holds.
    results : path, optional
        Folder that holds the results of the case's slides, where the case names them by slide id. Other names
        are folders, from the case file's own folder.
    prognostic_table : path or PrognosticTable, optional
        A laboratory's own table of the prognostic stage, instead of the one that comes with the package.
    home : path, optional
        Folder from which results are named; the case file's own where the case is a file.

    Raises
    ------
    MicrometError
        If the case says something that is not allowed, or a result that it names is not there.

    Examples
    --------
    >>> import micromet_path as mp
    >>> case = mp.stage({"case_id": "A", "procedure": {"sentinel": True}, "nodes": [{"node_id": "1", "size_mm": 0.9}]})
    >>> case.pn
    'pN1mi(sn)'
    """
    from micromet_path.clinical.case import parse_case
    from micromet_path.clinical.casework import stage_case
    from micromet_path.clinical.groups import PrognosticTable as Table
    from micromet_path.pipeline.sections import find_sections

    if isinstance(case, str | Path):
        from micromet_path.results.case_files import load_case

        home, read = home or Path(case).parent, load_case(Path(case))
    else:
        home, read = home or Path(), parse_case(case)
    table = Table.read(Path(prognostic_table)) if isinstance(prognostic_table, str | Path) else prognostic_table
    named = dict.fromkeys(reference.result for node in read.nodes for reference in node.slides)
    slides = {name: _analysed_slide(name, Path(home), results) for name in named}
    found = find_sections(read, slides)
    return stage_case(read, found.sections, table, found.problems, found.remarks)


def _analysed_slide(name: str, home: Path, results: str | Path | None) -> AnalysedSlide:
    """The result that a case names, by slide id or by folder, with its review."""
    from micromet_path.pipeline.sections import AnalysedSlide
    from micromet_path.results.failures import read_failure
    from micromet_path.results.reviews import read_review

    places = ([] if results is None else [Path(results) / name]) + [home / name]
    folder = next((place for place in places if os.path.isfile(place / "result.json")), None)  # a name of any length
    if folder is None:
        raise ResultError(
            f"there is no result {name!r} (looked for {' and '.join(str(place) for place in places)}); analyse the "
            "slide first, or name the folder of its result with --results"
        )
    failure = read_failure(folder)
    if failure is not None:
        raise ResultError(f"the last analysis of {name!r} failed, and its result is older: {failure.line}")
    result = load_result(folder)
    return AnalysedSlide(result.analysis, result.config, read_review(folder), str(folder))


def unique_slide_ids(
    paths: Sequence[str | Path], names: Sequence[str] | None = None, taken: Collection[str] = ()
) -> list[str]:
    """Slide ids for a list of slides: the stem, or stem and start of the fingerprint where stems collide.

    Ids are at most 200 bytes long in UTF-8. They differ for slides that differ; the same content may be listed twice.

    Parameters
    ----------
    paths : sequence of path
    names : sequence of str, optional
        What the slides are called, where not by their stems.
    taken : collection of str
        Names that are no slide's alone, in lower case.

    Examples
    --------
    >>> unique_slide_ids(["a/one.svs", "b/two.svs"])
    ['one', 'two']
    """
    given = [Path(path).stem for path in paths] if names is None else names
    stems = [_shortened(name, _LONGEST_ID_BYTES) for name in given]
    counts = Counter(stem.casefold() for stem in stems)
    counts.update(dict.fromkeys(taken, 2))
    return [
        stem if counts[stem.casefold()] == 1 else f"{_shortened(stem, _LONGEST_ID_BYTES - 9)}-{_suffix_of(path)}"
        for path, stem in zip(paths, stems, strict=True)
    ]


def _suffix_of(path: str | Path) -> str:
    """Eight hex digits of the slide's content; of its path where it cannot be read, which its own analysis will say."""
    try:
        digest = slide_fingerprint(path).rsplit(":", 1)[-1]
    except (MicrometError, OSError):
        digest = sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:8]


def _shortened(name: str, limit: int) -> str:
    """A name of at most this many bytes that is safe as a folder's, and no hidden one."""
    safe = "".join("_" if _is_unsafe(character) else character for character in name).lstrip(".")
    return safe.encode("utf-8")[:limit].decode("utf-8", "ignore").rstrip(". ") or "slide"


def _is_unsafe(character: str) -> bool:
    """Whether some file system or terminal takes a character for something else, or it is half of one."""
    return character in '<>:"/\\|?*' or unicodedata.category(character) in ("Cc", "Cs")


def _slide_id_of(slide: Slide) -> str:
    return _shortened(Path(slide.info.name).stem, _LONGEST_ID_BYTES)


def compile_kernels(workers: int) -> None:
    """Compile what an analysis calls, in as many processes, where nearly nothing of it is stored yet."""
    share_compiling(("micromet_path.hull", "micromet_path.pixels"), workers)


def load_writers() -> None:
    """Import and compile what `SlideResult.save` needs, ahead of time."""
    import pyarrow.parquet  # noqa: F401
    from PIL import Image  # noqa: F401

    from micromet_path.results import draw, page, qupath, report, shapes, tables  # noqa: F401

    page.load_template(report.TEMPLATE)


def _as_config(config: Config | str | Path | None) -> Config:
    return config if isinstance(config, Config) else load_config(config)


def _opened(source: str | Path | NDArray[np.uint8] | Slide, options: AnalyzeOptions) -> AbstractContextManager[Slide]:
    """The slide, closed at the end where it was opened here."""
    if isinstance(source, str | Path):
        return open_slide(source, options.spacing)
    if isinstance(source, np.ndarray):
        if options.spacing is None:
            raise MissingScaleError("an array states no microns per pixel; pass spacing=PixelSpacing(x, y)")
        return ArraySlide(source, options.spacing)
    return nullcontext(source)


def _fingerprint(source: str | Path | NDArray[np.uint8] | Slide, slide: Slide, options: AnalyzeOptions) -> str:
    if isinstance(source, str | Path):
        return options.fingerprint or slide_fingerprint(source, full=options.hash_all)
    if isinstance(source, np.ndarray):
        return array_fingerprint(source)
    return pixels_fingerprint(slide)


def _analyzed(slide: Slide, config: Config, options: AnalyzeOptions, slide_id: str, fingerprint: str) -> SlideResult:
    task = Task(slide_id=slide_id, fingerprint=fingerprint, area=options.area, workers=options.workers)
    task = task if options.on_step is None else replace(task, on_step=options.on_step)
    compile_kernels(options.workers)
    outcome = analyze_slide(slide, config, task, options.progress)
    # A file's name may hold bytes that are no characters; here as in the files it is told in characters.
    slide_record = replace(outcome.analysis.slide, name=as_text(outcome.analysis.slide.name))
    analysis = replace(outcome.analysis, slide=slide_record)
    return SlideResult(analysis, _runs=outcome.runs, _pictures=outcome.pictures)


def result_folders(out: str | Path) -> Iterator[Path]:
    """The folder itself when it is a result, else the results in it, but for those whose last analysis failed."""
    out = Path(out)
    if (out / "result.json").is_file():
        yield out
        return
    if not out.is_dir():
        raise ResultError(f"there is no folder {out}; name a result folder or the -o folder of an analysis")
    found = sorted(
        path.parent
        for path in out.glob("*/result.json")
        if not path.parent.name.startswith(".") and not (path.parent / FAILURE_FILE).exists()
    )
    if not found:
        raise ResultError(f"{out} holds no result; expected a result.json in it or in a folder of it")
    yield from found
