"""The benchmark of accuracy: slides whose truth is known, analysed as any other, and what came of it counted.

`suite` says which slides are drawn; `running` draws, analyses and compares them, one a process; `matching` says
which cluster is which focus, by the pixels that they share; `sides` puts truth and result side by side, and
`judge` turns that into the rows of `records`; `measures` makes figures of the rows, with the intervals of
`statistics` and, from `asked`, what the project asks of itself; `tables`, `plot` and `write` put them into files.

All slides are synthetic, drawn by `micromet_path.apps.samples`, which shares no code with the program that is
judged. The figures say whether measuring and classifying hold when stain, scanner and section change; they are no
evidence of clinical performance. Seeds from `FIRST_SEED` on are for reported tables: every threshold was set on
real pictures and on slides of smaller seeds, which ``--seed`` draws.
"""

__all__ = ["DEFAULT_SLIDES", "FIRST_SEED"]

FIRST_SEED = 7000
"""Seeds below are for development, and slides of them may be looked at; from here on they are for reported tables."""

DEFAULT_SLIDES = 74
"""Slides of a run besides the negative batch: each profile twice, and more than 2 000 foci."""
