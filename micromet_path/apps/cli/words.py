"""One line for a person, whatever stands in it: names of files may hold line breaks and control characters."""

from __future__ import annotations

import click

__all__ = ["complain", "printable"]


def complain(text: str) -> None:
    """Say on stderr, in one line, what cannot be used and what to do."""
    click.echo(f"micromet: {printable(text)}", err=True)


def printable(text: str) -> str:
    r"""The text with what a terminal would obey, or cannot show, written as an escape.

    Examples
    --------
    >>> print(printable("two\nlines \x1b[31m"))
    two\nlines \x1b[31m
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
