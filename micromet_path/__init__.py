"""micromet_path."""

__version__ = "0.1.0.dev0"
