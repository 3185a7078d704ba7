"""A student judged on what it writes itself surprises the teacher less (Agarwal et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import LESS, Claim, Measured, network

CLAIM = Claim(
    title="A student that is judged on its own text writes what surprises the teacher less.",
    source="Agarwal et al. 2024 (GKD), section 3",
    topic="Language",
    families={
        "on-policy": {"dataset": "python_docs", "scheme": "on_policy", "divergence": "reverse"},
        "training text": {"dataset": "python_docs", "divergence": "reverse"},
    },
    contrast=network("on-policy") - network("training text"),
    expected=LESS,
    why=(
        "On the training text a student never sees its own mistakes, which lead it to places that it has learned "
        "nothing about. Here both learn by reverse KL, with the same number of updates."
    ),
    measure="teacher_bits",
    seeds=5,
    measured=Measured(
        values=(2.9, 3.12),
        estimate=-0.22,
        interval=(-0.28, -0.15),
        seeds=5,
        seconds=126.9,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
