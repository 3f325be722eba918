"""Values that several verbs take as options."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["ShardType", "SpacingType"]


class SpacingType(click.ParamType[Any]):
    """Microns per pixel: ``X`` or ``X,Y``."""

    name = "X[,Y]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """One number for both axes, or two."""
        from micromet_path.errors import ConfigError
        from micromet_path.geometry import PixelSpacing

        if isinstance(value, PixelSpacing):
            return value
        try:
            return PixelSpacing.parse(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


class ShardType(click.ParamType[Any]):
    """A part of a list: ``K/N``, the K-th of N."""

    name = "K/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Two numbers, the first at least 1 and at most the second."""
        if isinstance(value, tuple):
            return value
        number, _, count = str(value).partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            self.fail(f"{value!r} is no shard; expected K/N such as 3/8, with K from 1 to N", param, ctx)
        return int(number), int(count)
