"""Weighted soft targets help with few labels (Zhou et al. 2021)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Soft targets that weigh less where the student is surer than the teacher help with few labels.",
    source="Zhou et al. 2021 (WSLD)",
    topic="Temperature and weights",
    families={"WSLD": {"dataset": "digits", "labelled": "50", "method": "wsld"}},
    contrast=gain("WSLD"),
    expected=MORE,
    why=(
        "An example that the student already knows better than the teacher needs it least. The source reports a lead "
        "over plain soft targets, which here is −0.3 points with an interval from −1.1 to +0.5: open."
    ),
    measured=Measured(
        values=(86.38, 81.74),
        estimate=4.64,
        interval=(3.07, 6.17),
        seeds=10,
        seconds=3.2,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
