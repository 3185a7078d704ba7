"""The labels should weigh less than the teacher (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="The labels should weigh less than the teacher: β < α.",
    source="Hinton, Vinyals & Dean 2015, section 2; Paul 2020, α 0.9 and β 0.1",
    topic="Temperature and weights",
    families={"α 0.9, β 0.1": {**FEW, "alpha": "0.9"}, "α 0.1, β 0.9": {**FEW, "alpha": "0.1"}},
    contrast=network("α 0.9, β 0.1") - network("α 0.1, β 0.9"),
    expected=MORE,
    seeds=20,
    why=(
        "The soft targets hold what the label says and more. Here β is 1 − α, and T² multiplies the soft targets, "
        "so even α 0.1 leaves them a weight of 1.6."
    ),
    measured=Measured(
        values=(87.33, 86.13),
        estimate=1.2,
        interval=(0.35, 2.04),
        seeds=20,
        seconds=5.0,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
