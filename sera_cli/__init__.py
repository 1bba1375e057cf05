"""`sera` turns a private repository into a coding agent that knows it."""

__version__ = "0.1.0"
