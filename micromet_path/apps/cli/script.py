"""The installed command: `main` in a process of its own."""

from __future__ import annotations

from micromet_path.apps.cli.main import main
from micromet_path.apps.process import leave, settle

__all__ = ["run"]


def run() -> None:
    """Run the command and end the process."""
    settle()
    try:
        main()
    finally:
        leave()
