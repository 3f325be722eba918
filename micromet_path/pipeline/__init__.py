"""The only place where steps meet: a slide and a configuration in, records out.

`flow` is the order in which an analysis happens and reads like a list. The phases: `glass` decides what
is decided of the whole slide, `reading` walks the pixels in threads, `gathering` makes fragments of what
was found, `judging` makes clusters and the finding of these, `pictures` cuts what the report shows.
"""

from micromet_path.pipeline.flow import Outcome, StepDone, Task, analyze_slide, settings_of
from micromet_path.pipeline.judging import recut
from micromet_path.pipeline.scanning import Progress

__all__ = ["Outcome", "Progress", "StepDone", "Task", "analyze_slide", "recut", "settings_of"]
