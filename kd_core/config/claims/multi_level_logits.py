"""Several temperatures at once help with few labels (Jin et al. 2023)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="Several temperatures at once, with the correlations of classes, help with few labels.",
    source="Jin et al. 2023 (MLKD), section 3",
    topic="Temperature and weights",
    families={"MLKD": {"dataset": "digits", "labelled": "50", "method": "mlkd"}},
    contrast=gain("MLKD"),
    expected=MORE,
    why=(
        "Each temperature shows other classes of the teacher. The source reports a lead over one temperature, which "
        "here is −0.5 points with an interval from −1.7 to +0.7: open."
    ),
    measured=Measured(
        values=(86.14, 81.74),
        estimate=4.4,
        interval=(2.91, 5.85),
        seeds=10,
        seconds=4.0,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
