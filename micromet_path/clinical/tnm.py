"""How T, N and M are written: ``"T1c"``, ``"N0(i+)"``, ``"M0"``, without the prefix that tells who looked and when."""

from __future__ import annotations

import re
from functools import lru_cache

from micromet_path.errors import ConfigError
from micromet_path.parsing import is_number, short

__all__ = [
    "M_VALUES",
    "N_VALUES",
    "T_VALUES",
    "m_value",
    "n_group",
    "n_value",
    "prefix_of",
    "t_from_size",
    "t_group",
    "t_value",
]

T_VALUES = ("TX", "T0", "Tis", "T1mi", "T1a", "T1b", "T1c", "T1", "T2", "T3", "T4", "T4a", "T4b", "T4c", "T4d")
N_VALUES = (
    *("NX", "N0", "N0(i+)", "N0(mol+)", "N1mi", "N1", "N1a", "N1b", "N1c"),
    *("N2", "N2a", "N2b", "N3", "N3a", "N3b", "N3c"),
)
M_VALUES = ("M0", "M0(i+)", "M1")

_PREFIX = re.compile(r"^(?:yp|yc|y|p|c|r|a)?(?=[TNM])")
_SUFFIX = re.compile(r"\((?:sn|f|m)\)$")
_IN_SITU = re.compile(r"^Tis ?\((?:DCIS|Paget)\)$", re.IGNORECASE)  # lobular carcinoma in situ is no Tis
_T_LIMITS_MM = ((1.0, "T1mi"), (5.0, "T1a"), (10.0, "T1b"), (20.0, "T1c"), (50.0, "T2"))


@lru_cache(maxsize=1024)  # the same few in every case of a table
def _found(text: str, known: tuple[str, ...]) -> str | None:
    bare = _IN_SITU.sub("Tis", _SUFFIX.sub("", _PREFIX.sub("", text.strip())))
    for value in known:
        if bare.casefold() == value.casefold():
            return value
    return None


def _value(text: str, known: tuple[str, ...], letter: str) -> str:
    value = _found(text, known) if isinstance(text, str) else None
    if value is None:
        raise ConfigError(f"{short(text)} is no {letter} category; allowed are {', '.join(known)}")
    return value


def prefix_of(text: str) -> str:
    """Who looked and when: ``"p"``, ``"yp"``, ``"c"`` ..., ``""`` where it is not said.

    Examples
    --------
    >>> prefix_of("ypT0"), prefix_of("T2")
    ('yp', '')
    """
    found = _PREFIX.match(text.strip())
    return found[0] if found else ""


def t_value(text: str) -> str:
    """T without its prefix.

    Raises
    ------
    ConfigError
        If there is no such category.

    Examples
    --------
    >>> t_value("pT1c"), t_value("ypTis"), t_value("pTis(DCIS)")
    ('T1c', 'Tis', 'Tis')
    """
    return _value(text, T_VALUES, "T")


def n_value(text: str) -> str:
    """N without its prefix and without (sn) or (f).

    Examples
    --------
    >>> n_value("pN1mi(sn)"), n_value("ypN0(i+)")
    ('N1mi', 'N0(i+)')
    """
    return _value(text, N_VALUES, "N")


def m_value(text: str) -> str:
    """M without its prefix; there is neither pM0 nor MX in the 8th edition.

    Examples
    --------
    >>> m_value("cM0(i+)"), m_value("pM1")
    ('M0(i+)', 'M1')
    """
    if isinstance(text, str) and re.match(r"\s*y?pM0", text):
        raise ConfigError(
            f"{short(text.strip())} does not exist: that nothing is found elsewhere is clinical; write 'cM0'"
        )
    return _value(text, M_VALUES, "M")


def t_group(t: str) -> str:
    """T as the stage tables know it: T1mi and T1a-c are T1, T4a-d are T4."""
    value = t_value(t)
    return value[:2] if value[:2] in ("T1", "T4") else value


def n_group(n: str) -> str:
    """N as the stage tables know it: N0(i+) and N0(mol+) are N0, N1mi stays apart."""
    value = n_value(n)
    return value if value in ("N1mi", "NX") else value[:2]


def t_from_size(size_mm: float) -> str:
    """T of an invasive primary by its largest diameter, unrounded; Tis and T4 need more than a size.

    Raises
    ------
    ConfigError
        If the size is no number above 0.

    Examples
    --------
    >>> [t_from_size(size) for size in (1.0, 1.01, 20.0, 20.1, 50.0, 51.0)]
    ['T1mi', 'T1a', 'T1c', 'T2', 'T2', 'T3']
    """
    if not is_number(size_mm) or not 0 < size_mm < float("inf"):
        raise ConfigError(f"the size of an invasive primary must be a number above 0 mm, found {short(size_mm)}")
    return next((t for limit, t in _T_LIMITS_MM if size_mm <= limit), "T3")
