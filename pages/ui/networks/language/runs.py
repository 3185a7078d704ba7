"""Runs of the Language page."""

from __future__ import annotations

from pages.ui.networks.task_page import TaskRuns

RUNS = TaskRuns(
    page="language",
    misfit="do not write",
    dataset="python_docs",
    first="A teacher of about 100,000 parameters reads the help texts of Python, character by character. A student "
    "with 2,000 then learns from it, and the baseline from the text alone. This takes about a minute.",
    button="Train a small language model",
    way_on="train a small language model",
)
