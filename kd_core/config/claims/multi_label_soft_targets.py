"""Soft targets help a multi-label classifier with few labels a little (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A teacher helps a multi-label classifier that has few labels.",
    source="Hinton, Vinyals & Dean 2015, section 2, with a yes or no for each class",
    topic="Labels and data",
    families={"200 labelled images": {"dataset": "several_digits"}},
    contrast=gain("200 labelled images"),
    expected=MORE,
    seeds=5,
    why=(
        "Each answer is a yes or no, so that the teacher's probabilities say how sure it is, but not what else a digit "
        "looks like: the gain is small. It is larger with a teacher that was not trained to its end."
    ),
    measured=Measured(
        values=(78.34, 76.86),
        estimate=1.48,
        interval=(0.7, 2.26),
        seeds=5,
        seconds=8.9,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
