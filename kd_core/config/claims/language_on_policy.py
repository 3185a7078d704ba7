"""A student judged on what it writes itself surprises the teacher less (Agarwal et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import LESS, Claim, network

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
)
