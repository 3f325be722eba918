"""Which studies a case resembles: facts with their sources, never advice.

Each criterion of a study is answered with met, not met or unknown, from counts of nodes, sizes and stated
facts, never from pN as it is printed. What is unknown stays unknown: a node that was not read may hold
anything, a node that is not stated to be a sentinel node may be one, and removed nodes that are not listed
may hold metastases. So filling in what is missing can decide an open case, and never overturns a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.criteria import AllOf, AnyOf, Group, Nodes, NotInFile, Number, Question, Word
from micromet_path.clinical.facts import CaseFacts, Range
from micromet_path.clinical.studies import STUDIES, STUDIES_VERSION, Study

__all__ = ["StudyMatch", "Verdict", "context_text", "match_studies"]

Verdict = Literal["within the population", "outside the population", "cannot tell"]


@dataclass(frozen=True, slots=True)
class StudyMatch:
    """Whether a case resembles those whom a study took in.

    Parameters
    ----------
    study, citation, population, finding : str
        As in the table of studies.
    verdict : {"within the population", "outside the population", "cannot tell"}
        By what a case file can state; see `not_in_file`.
    met, not_met, undecided : tuple of str
        Criteria. One that is not met puts the case outside, else one that is undecided leaves it open.
    missing : tuple of str
        Facts that would decide what is undecided, then those of `not_in_file`.
    not_in_file : tuple of str
        Facts that the study asks for or that its finding turns on, and that no case file states: they are
        always missing, also within the population.
    table_version : str
        Version of the table of studies.
    """

    study: str
    citation: str
    population: str
    finding: str
    verdict: Verdict
    met: tuple[str, ...]
    not_met: tuple[str, ...]
    undecided: tuple[str, ...]
    missing: tuple[str, ...]
    not_in_file: tuple[str, ...]
    table_version: str = STUDIES_VERSION

    def __str__(self) -> str:
        return "; ".join(
            [
                f"{self.study}: {self.verdict}",
                *(f"{name}: {', '.join(texts)}" for name, texts in self._remarks() if texts),
            ]
        )

    def _remarks(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What stands against the verdict, by name."""
        not_stated = tuple(fact for fact in self.missing if fact not in self.not_in_file)
        return ("not met", self.not_met), ("not stated", not_stated), ("no case file states", self.not_in_file)


def match_studies(stage: CaseStage) -> tuple[StudyMatch, ...]:
    """Hold a staged case against every study of the table.

    Parameters
    ----------
    stage : CaseStage

    Returns
    -------
    tuple of StudyMatch
        In the order of the table; the order of the nodes changes nothing.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> nodes = [{"node_id": str(number), "size_mm": 3.0, "sentinel": True} for number in range(3)]
    >>> matches = match_studies(stage_case(parse_case({"case_id": "A", "nodes": nodes})))
    >>> {match.study: match.not_met for match in matches}["SENOMAC"]
    ('macrometastasis in 1 or 2 sentinel nodes',)
    """
    facts = CaseFacts.of(stage)
    return tuple(_match(study, facts) for study in STUDIES)


def context_text(matches: Iterable[StudyMatch]) -> str:
    """Print matches for people to read, with every source."""
    lines = [f"Studies ({STUDIES_VERSION}): facts with their sources. What follows for a patient is not said here."]
    for match in matches:
        lines += ["", f"{match.study}: {match.verdict}", f"  who: {match.population}", f"  found: {match.finding}"]
        lines += [f"  {name}: {'; '.join(texts)}" for name, texts in match._remarks() if texts]
        lines.append(f"  source: {match.citation}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Met, not met, or None with the facts that would tell."""

    is_met: bool | None
    missing: tuple[str, ...] = ()


def _match(study: Study, facts: CaseFacts) -> StudyMatch:
    answers = [(criterion.text, _ask(criterion.asks, facts)) for criterion in study.criteria]
    met, not_met, undecided = (
        tuple(text for text, answer in answers if answer.is_met is value) for value in (True, False, None)
    )
    missing = [fact for _, answer in answers for fact in answer.missing]
    return StudyMatch(
        study=study.name,
        citation=study.citation,
        population=study.population,
        finding=study.finding,
        verdict=_verdict(not_met, undecided),
        met=met,
        not_met=not_met,
        undecided=undecided,
        missing=tuple(dict.fromkeys((*missing, *study.not_in_file))),
        not_in_file=study.not_in_file,
    )


def _verdict(not_met: tuple[str, ...], undecided: tuple[str, ...]) -> Verdict:
    if not_met:
        return "outside the population"
    return "cannot tell" if undecided else "within the population"


def _ask(question: Question, facts: CaseFacts) -> _Answer:
    """Answer one question."""
    match question:
        case Nodes():
            return _of_range(facts.count(question), question)
        case Word():
            return _of_word(question, facts)
        case Number():
            return _of_range(facts.number(question.fact), question)
        case Group():
            return _of_group(question, facts)
        case NotInFile():
            return _Answer(None, (question.fact,))
        case AnyOf():
            return _combined([_ask(part, facts) for part in question.parts], decisive=True)
        case AllOf():
            return _combined([_ask(part, facts) for part in question.parts], decisive=False)


def _combined(answers: Sequence[_Answer], decisive: bool) -> _Answer:
    """Join answers by Kleene's logic: one that is `decisive` decides, else an unknown one leaves it open."""
    if any(answer.is_met is decisive for answer in answers):
        return _Answer(decisive)
    open_ones = [answer for answer in answers if answer.is_met is None]
    missing = dict.fromkeys(fact for answer in open_ones for fact in answer.missing)
    return _Answer(None, tuple(missing)) if open_ones else _Answer(not decisive)


def _of_range(known: Range, asked: Nodes | Number) -> _Answer:
    is_met = known.is_within(asked.low, asked.high)
    return _Answer(is_met, known.missing if is_met is None else ())


def _of_word(asked: Word, facts: CaseFacts) -> _Answer:
    value = facts.word(asked.fact)
    if value is None:
        return _Answer(None, (asked.fact,))
    wanting = dict(asked.leaves_open).get(value)
    return _Answer(value in asked.met) if wanting is None else _Answer(None, (wanting,))


def _of_group(asked: Group, facts: CaseFacts) -> _Answer:
    """All groups that are possible must say the same; where there is no group, nothing is said."""
    possible, missing = facts.stage_groups()
    said = {None if group is None else group in asked.stages for group in possible}
    return _Answer(None, missing) if None in said or len(said) > 1 else _Answer(said.pop())
