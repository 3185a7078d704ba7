"""Soft targets help a text classifier with few labels (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A teacher helps a text classifier that has few labels.",
    source="Hinton, Vinyals & Dean 2015, section 2, on text instead of speech",
    topic="Labels and data",
    families={"200 labelled lines of code": {"dataset": "python_lines"}},
    contrast=gain("200 labelled lines of code"),
    expected=MORE,
    seeds=5,
    why=(
        "The teacher's probabilities say that a line of asyncio could be one of multiprocessing. They are of the same "
        "200 lines as the labels, so that the gain is small."
    ),
    measured=Measured(
        values=(29.38, 26.94),
        estimate=2.44,
        interval=(1.04, 3.83),
        seeds=5,
        seconds=11.3,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
