"""The error tree: everything the program raises on purpose.

::

    MicrometError                 catch this one; its text is one line for a person
    |-- SlideError                the slide file cannot be used
    |   |-- MissingSlideError     there is no such file (also a FileNotFoundError)
    |   |-- UnsupportedSlideError no reader knows the file, or it is not a brightfield RGB slide
    |   |-- UnreadableSlideError  the file is damaged: its structure, or every tile that was tried
    |   |-- MissingScaleError     no microns per pixel in the file
    |   |-- ImplausibleScaleError microns per pixel outside the range in which the tool can size a focus
    |   `-- OverstainedSlideError more is stained than the settings allow to be held in memory
    |-- ConfigError               a configuration, zone or case file says something that is not allowed
    |-- ResultError               a result folder is missing, incomplete or of another schema
    `-- ReaderError               a library the readers need is missing or too old

A slide without tumour is a result, not an error; so is a slide that could not have shown tumour
(``not_assessable``). Each message says what was found, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "ImplausibleScaleError",
    "MicrometError",
    "MissingScaleError",
    "MissingSlideError",
    "OverstainedSlideError",
    "ReaderError",
    "ResultError",
    "SlideError",
    "UnreadableSlideError",
    "UnsupportedSlideError",
]


class MicrometError(Exception):
    """Base of every error that the program raises on purpose."""


class SlideError(MicrometError):
    """The slide file cannot be used."""


class MissingSlideError(SlideError, FileNotFoundError):
    """There is no slide under this name."""


class UnsupportedSlideError(SlideError):
    """No reader knows this file, or what it shows is not a brightfield RGB slide."""


class UnreadableSlideError(SlideError):
    """The file is damaged where it must be read."""


class MissingScaleError(SlideError):
    """The slide states no microns per pixel, and none was given."""


class ImplausibleScaleError(SlideError):
    """Microns per pixel are outside the range in which foci can be sized."""


class OverstainedSlideError(SlideError):
    """More is stained than the settings allow to be held in memory."""


class ConfigError(MicrometError, ValueError):
    """A configuration, zone or case file says something that is not allowed."""


class ResultError(MicrometError):
    """A result folder is missing, incomplete or written to another schema."""


class ReaderError(MicrometError, ImportError):
    """A library that the readers need is missing or too old."""
