"""A half-trained teacher still teaches (Yuan et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A half-trained teacher, worse than the student alone, still teaches.",
    source="Yuan et al. 2020, section 2 (De-KD)",
    topic="Teachers",
    families={
        "teacher stopped at 50 %": {"dataset": "digits", "labelled": "50", "scheme": "defective", "accuracy": "0.5"}
    },
    contrast=gain("teacher stopped at 50 %"),
    expected=MORE,
    why=(
        "In the source a teacher of 15 to 52 % improves students of 68 to 76 %, which shows that soft targets "
        "regularise whatever they say. There all labels have α 0.95 with a loss that is a hundred times weaker."
    ),
    measured=Measured(
        values=(74.54, 81.74),
        estimate=-7.2,
        interval=(-9.76, -4.57),
        seeds=10,
        seconds=0.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
