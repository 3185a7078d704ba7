"""Three teachers teach better than one (You et al. 2017)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="Three teachers teach better than one.",
    source="You et al. 2017, section 3",
    topic="Several teachers",
    families={"three CNNs teach": {**FEW, "scheme": "ensemble", "again": "false"}, "one CNN teaches": FEW},
    contrast=network("three CNNs teach") - network("one CNN teaches"),
    expected=MORE,
    why=(
        "The average of three networks is better calibrated than each; on digits one CNN already is right on 99 of "
        "100 test images."
    ),
    measured=Measured(
        values=(87.0, 86.66),
        estimate=0.34,
        interval=(-0.61, 1.28),
        seeds=10,
        seconds=15.7,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
