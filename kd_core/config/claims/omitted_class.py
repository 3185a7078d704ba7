"""A class that the student never sees is learned (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A student learns a digit that it never sees.",
    source="Hinton, Vinyals & Dean 2015, section 3",
    topic="Labels and data",
    families={
        "without any 3": {
            "dataset": "digits",
            "scheme": "missing_class",
            "omitted": "3",
            "labelled": "0",
            "epochs": "40",
        }
    },
    contrast=gain("without any 3", "corrected student", "corrected baseline"),
    expected=MORE,
    measure="omitted",
    why=(
        "The teacher's soft targets on other digits say what a 3 looks like. Compared is the fraction of threes "
        "that are recognised, after the bias of the class was raised in both networks, as in the source."
    ),
    measured=Measured(
        values=(91.76, 26.27),
        estimate=65.49,
        interval=(47.8, 77.01),
        seeds=10,
        seconds=9.1,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
