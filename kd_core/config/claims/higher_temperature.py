"""A higher temperature is no help to a tiny student (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, at_most, network

TINY = {"dataset": "digits", "labelled": "50", "student_widths": "8"}

CLAIM = Claim(
    title="A higher temperature is not better for a tiny student.",
    source="Hinton, Vinyals & Dean 2015, section 3; Paul 2020",
    topic="Temperature and weights",
    families={"T 20": {**TINY, "temperature": "20"}, "T 4": {**TINY, "temperature": "4"}},
    contrast=network("T 20") - network("T 4"),
    expected=at_most(1),
    why=(
        "At a high temperature all classes count, also those that a network of 8 hidden units has no room for. In "
        "the source T between 2.5 and 4 is best with 30 units a layer, and any T above 8 with 300."
    ),
    measured=Measured(
        values=(65.84, 68.42),
        estimate=-2.58,
        interval=(-5.7, 0.55),
        seeds=10,
        seconds=3.4,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
