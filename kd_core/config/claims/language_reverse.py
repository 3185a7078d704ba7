"""Reverse KL makes a small language model keep to what it can do (Gu et al. 2024)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, network

CLAIM = Claim(
    title="Reverse KL makes a small language model write more real words than forward KL.",
    source="Gu et al. 2024 (MiniLLM), section 2.1",
    topic="Language",
    families={
        "reverse KL": {"dataset": "python_docs", "divergence": "reverse"},
        "forward KL": {"dataset": "python_docs", "divergence": "forward"},
    },
    contrast=network("reverse KL") - network("forward KL"),
    expected=MORE,
    why=(
        "A small network cannot do all that the teacher does. Forward KL spreads it over everything likely; reverse KL "
        "lets it leave out what it cannot do, at the price of fewer different words and a worse likelihood."
    ),
    measure="real_words",
    seeds=5,
)
