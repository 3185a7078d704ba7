"""A very small student that is judged on what it writes itself writes more real words (Agarwal et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

TINY = {"dataset": "python_docs", "student_hidden": "12", "divergence": "reverse"}

CLAIM = Claim(
    title="A very small student that is judged on its own text writes more real words.",
    source="Agarwal et al. 2024 (GKD), section 3",
    topic="Language",
    families={"on-policy": {**TINY, "scheme": "on_policy"}, "training text": TINY},
    contrast=network("on-policy") - network("training text"),
    expected=MORE,
    why=(
        "The smaller the student, the more often it leaves the training text and the more it matters that it has "
        "learned what to do there. Here it has 12 hidden units; with 24 both write about as many real words."
    ),
    measure="real_words",
    seeds=10,
    measured=Measured(
        values=(37.2, 35.89),
        estimate=1.31,
        interval=(-0.96, 3.58),
        seeds=10,
        seconds=228.9,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
