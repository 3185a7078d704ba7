"""A student that is judged on its own text writes more real words at a low temperature (Agarwal et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

CLAIM = Claim(
    title="A student that is judged on its own text writes more real words at T = 0.5.",
    source="Agarwal et al. 2024 (GKD), section 3",
    topic="Language",
    families={
        "on-policy": {"dataset": "python_docs", "scheme": "on_policy", "divergence": "reverse"},
        "training text": {"dataset": "python_docs", "divergence": "reverse"},
    },
    contrast=network("on-policy") - network("training text"),
    expected=MORE,
    why=(
        "A low temperature keeps a student on its most likely way, which the teacher has corrected where it was the "
        "student’s own. At T = 1 both write about as many real words, on-policy with more different ones. With five "
        "seeds this was open (+4.6 points, −0.6 to +9.7)."
    ),
    measure="real_words_cold",
    seeds=10,
    measured=Measured(
        values=(74.55, 67.57),
        estimate=6.98,
        interval=(3.73, 10.23),
        seeds=10,
        seconds=228.0,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
