"""The gain of an ensemble survives distillation (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

CLAIM = Claim(
    title="More than half of an ensemble's gain survives in one student.",
    source="Hinton, Vinyals & Dean 2015, section 4 (more than 80 % in speech recognition)",
    topic="Several teachers",
    families={
        "five MLPs teach one": {
            "dataset": "digits",
            "labelled": "0",
            "wrong": "0.4",
            "epochs": "40",
            "scheme": "ensemble",
            "count": "5",
            "again": "false",
            "teacher": "mlp",
            "teacher_view": "student",
            "teacher_epochs": "40",
        }
    },
    contrast=network("five MLPs teach one")
    - 0.5 * network("five MLPs teach one", "teacher")
    - 0.5 * network("five MLPs teach one", "baseline"),
    expected=MORE,
    seeds=5,
    why=(
        "Networks that memorise wrong labels err in different places, and their average errs less. Teachers and "
        "student have the same size and the same labels, 40 % of them wrong."
    ),
    measured=Measured(
        values=(86.44, 86.52, 82.8),
        estimate=1.78,
        interval=(-0.51, 4.06),
        seeds=5,
        seconds=19.4,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
