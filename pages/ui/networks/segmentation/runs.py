"""Runs of the Segmentation page."""

from __future__ import annotations

from pages.ui.networks.task_page import TaskRuns

RUNS = TaskRuns(
    page="segmentation",
    misfit="give no class to pixels",
    dataset="scenes",
    first="A teacher learns from 500 drawn scenes in which every pixel has a class. A student with a fifteenth of its "
    "parameters then learns from 20 of them and from the teacher, and the baseline from the same 20 alone. This takes "
    "one to two minutes.",
    button="Train on scenes",
    way_on="train small networks on scenes",
)
