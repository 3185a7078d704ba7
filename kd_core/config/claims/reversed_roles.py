"""A student can teach its teacher (Yuan et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A student can teach its teacher.",
    source="Yuan et al. 2020, section 2 (Re-KD)",
    topic="Teachers",
    families={"MLP 64 teaches CNN 16×2": {"dataset": "digits", "labelled": "50", "scheme": "reversed", "epochs": "60"}},
    contrast=gain("MLP 64 teaches CNN 16×2"),
    expected=MORE,
    why=(
        "The small network was trained on all labels and the large one has 50, so it has something to say. In the "
        "source both have all labels."
    ),
    measured=Measured(
        values=(90.84, 83.58),
        estimate=7.26,
        interval=(5.24, 9.22),
        seeds=10,
        seconds=16.1,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
