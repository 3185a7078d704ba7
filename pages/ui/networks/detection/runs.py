"""Runs of the Detection page."""

from __future__ import annotations

from pages.ui.networks.task_page import TaskRuns

RUNS = TaskRuns(
    page="detection",
    misfit="find no objects",
    dataset="shapes",
    first="A teacher of about 100,000 parameters learns to find circles, squares, triangles and rings in noisy scenes. "
    "A student a quarter as large then learns from it and from a few labelled scenes, the baseline from these scenes "
    "alone. This takes about two minutes.",
    button="Train a small detector",
    way_on="train a small detector",
)
