"""Dense guidance by all larger networks beats a chain of assistants (Son et al. 2021)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

TINY = {"dataset": "digits", "labelled": "0", "epochs": "12", "student_widths": "4"}

CLAIM = Claim(
    title="Two assistants help more if every larger network teaches every smaller one.",
    source="Son et al. 2021 (DGKD), section 4",
    topic="Several teachers",
    families={
        "all teach all": {**TINY, "scheme": "dense_assistants", "dense_assistants": "2"},
        "a chain": {**TINY, "assistants": "2"},
    },
    contrast=network("all teach all") - network("a chain"),
    expected=MORE,
    seeds=5,
    why=(
        "Errors of one assistant should not be passed down a chain. The source reports gains on CIFAR, with more "
        "assistants and with teachers that are dropped at random."
    ),
    measured=Measured(
        values=(57.52, 55.12),
        estimate=2.4,
        interval=(-3.89, 8.68),
        seeds=5,
        seconds=26.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
