"""Logit regression wants a larger student (Paul 2020)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}
TINY, LARGE = {**FEW, "student_widths": "8"}, {**FEW, "student_widths": "64"}
LOGITS = {"method": "logit_mse"}

CLAIM = Claim(
    title="Logit regression wants a larger student than soft targets do.",
    source="Paul 2020, logits (56 %) against soft targets (74 %) with a shallow student",
    topic="Temperature and weights",
    families={
        "64 units, logits": {**LARGE, **LOGITS},
        "64 units, soft targets": LARGE,
        "8 units, logits": {**TINY, **LOGITS},
        "8 units, soft targets": TINY,
    },
    contrast=network("64 units, logits")
    - network("64 units, soft targets")
    - network("8 units, logits")
    + network("8 units, soft targets"),
    expected=MORE,
    why=(
        "Logits of every class must be matched, however improbable the class; soft targets leave those out that "
        "softmax makes small. Compared is the lead of logit regression over soft targets in two sizes of student."
    ),
    measured=Measured(
        values=(86.24, 86.66, 58.56, 68.42),
        estimate=9.44,
        interval=(3.57, 15.27),
        seeds=10,
        seconds=6.6,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
