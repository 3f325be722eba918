"""The ``micromet`` command. Words and progress on stderr, results for machines on stdout.

Exit status: 0 done; 1 the input cannot be used; 2 usage; 3 some of several slides failed.
"""

from micromet_path.apps.cli.main import main

__all__ = ["main"]
