"""Soft targets without what a wrong teacher ranks above the label help with few labels (Sun et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Soft targets without the classes that a teacher ranks above the label help with few labels.",
    source="Sun et al. 2024 (RLD)",
    topic="Teachers",
    families={"RLD": {"dataset": "digits", "labelled": "50", "method": "rld"}},
    contrast=gain("RLD"),
    expected=MORE,
    why=(
        "Where a teacher is wrong its order of the classes is wrong as well, and these are left out. With all labels "
        "and a teacher of one epoch the lead over plain soft targets is +0.6 points, with an interval from −0.4 to "
        "+1.7: open."
    ),
    measured=Measured(
        values=(87.66, 81.74),
        estimate=5.92,
        interval=(3.03, 8.77),
        seeds=10,
        seconds=10.6,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
