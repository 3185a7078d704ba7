"""Label smoothing of the teacher harms its student (Müller, Kornblith & Hinton 2019)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="Label smoothing of the teacher harms the student.",
    source="Müller, Kornblith & Hinton 2019, section 4",
    topic="Teachers",
    families={"teacher on labels": FEW, "teacher on smoothed labels": {**FEW, "teacher_smoothing": "0.1"}},
    contrast=network("teacher on labels") - network("teacher on smoothed labels"),
    expected=MORE,
    why=(
        "Smoothing pulls the examples of a class together, which erases how each of them resembles other classes; "
        "the teacher itself is about as accurate."
    ),
    measured=Measured(
        values=(86.66, 82.98),
        estimate=3.68,
        interval=(1.97, 5.36),
        seeds=10,
        seconds=6.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
