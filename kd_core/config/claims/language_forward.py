"""A language model predicts text better if it also learns the teacher's distribution (Hinton et al. 2015)."""

from __future__ import annotations

from kd_core.config.claims import LESS, Claim, Measured, gain

CLAIM = Claim(
    title="A small language model predicts new text better if it learns the teacher’s distribution of characters.",
    source="Hinton, Vinyals & Dean 2015, section 2; Agarwal et al. 2024, section 4",
    topic="Language",
    families={"forward KL": {"dataset": "python_docs"}},
    contrast=gain("forward KL"),
    expected=LESS,
    why=(
        "The text has one next character at every place, and the teacher says what else could have followed. In the "
        "sources the models are a speech recogniser and a T5; here they predict characters."
    ),
    measure="bits_per_character",
    seeds=5,
    measured=Measured(
        values=(2.7, 2.72),
        estimate=-0.03,
        interval=(-0.04, -0.02),
        seeds=5,
        seconds=61.0,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
