"""Unlabelled images help a multi-label classifier through its teacher (Xie et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A teacher's answers on unlabelled images help a multi-label classifier much.",
    source="Xie et al. 2020, section 2, with a yes or no for each class",
    topic="Labels and data",
    families={
        "200 of 4,000 images labelled": {
            "dataset": "several_digits", "scheme": "unlabelled", "labelled": "200", "epochs": "10",
        },
    },
    contrast=gain("200 of 4,000 images labelled"),
    expected=MORE,
    seeds=5,
    why="The baseline takes as many steps on the labelled images alone.",
    measured=Measured(
        values=(90.65, 77.9),
        estimate=12.75,
        interval=(10.37, 15.13),
        seeds=5,
        seconds=12.5,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)  # fmt: skip
