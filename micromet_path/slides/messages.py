"""What a library said, fit for the one line that a person reads."""

from __future__ import annotations

__all__ = ["one_line"]

_LONGEST = 160


def one_line(error: BaseException) -> str:
    r"""The text of an error on one line, shortened; its type where it has none.

    Examples
    --------
    >>> one_line(ValueError("first\n   second"))
    'first second'
    >>> one_line(KeyError())
    'KeyError'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
