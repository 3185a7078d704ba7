"""A teacher that is stopped early teaches better (Cho & Hariharan 2019)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="A teacher that is stopped early teaches better.",
    source="Cho & Hariharan 2019",
    topic="Teachers",
    families={"stopped after 5 epochs": {**FEW, "teacher_stop": "5"}, "all 20 epochs": FEW},
    contrast=network("stopped after 5 epochs") - network("all 20 epochs"),
    expected=MORE,
    seeds=20,
    why=(
        "An early teacher is less confident, so its soft targets say more about the other classes, although it is "
        "less accurate."
    ),
    measured=Measured(
        values=(88.35, 87.33),
        estimate=1.02,
        interval=(-0.18, 2.22),
        seeds=20,
        seconds=5.7,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
