"""Fixture that replaces the limited process, which takes seconds to import torch."""

from tools.testing.limited_process import in_this_process

__all__ = ["in_this_process"]
