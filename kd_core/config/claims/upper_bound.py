"""A teacher as upper bound helps less than its numbers themselves (Chen et al. 2017)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

CLAIM = Claim(
    title="A teacher that only bounds the error helps a regression with noisy labels less than one that is imitated.",
    source="Chen et al. 2017, equation 5, against equation 4",
    topic="Labels and data",
    families={
        "upper bound": {"dataset": "friedman", "method": "bounded_regression"},
        "imitation": {"dataset": "friedman"},
    },
    measure="rmse_true",
    contrast=network("upper bound") - network("imitation"),
    expected=MORE,
    seeds=5,
    why=(
        "The bound leaves an example alone once the student is as near to its label as the teacher, but the label is "
        "still the noisy one. The error is that to the true function, in standard deviations."
    ),
    measured=Measured(
        values=(0.74, 0.6),
        estimate=0.14,
        interval=(0.08, 0.2),
        seeds=5,
        seconds=3.5,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
