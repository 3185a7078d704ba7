"""Soft targets help less where labels are many (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Soft targets help less when there are many labels.",
    source="Hinton, Vinyals & Dean 2015, section 6",
    topic="Labels and data",
    families={
        "50 labels": {"dataset": "digits", "labelled": "50"},
        "1,000 labels": {"dataset": "digits", "labelled": "0", "epochs": "40"},
    },
    contrast=gain("50 labels") - gain("1,000 labels"),
    expected=MORE,
    why=(
        "What the labels already say the teacher cannot add. Compared are two gains: with 50 labels and with all "
        "1,000 of them, where 40 epochs are eight times as many updates."
    ),
    measured=Measured(
        values=(86.66, 81.74, 98.16, 97.32),
        estimate=4.08,
        interval=(1.82, 6.3),
        seeds=10,
        seconds=4.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
