"""A claim that is trained in a second, for tests with a folder of plug-ins."""

CODE = """
from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="It <b>helps</b>.", source="Doe 2026", topic="Teachers", contrast=gain("warm"), expected=MORE, why="Because.",
    families={"warm": {"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "labelled": "40"}}, seeds=5,
    measured=Measured((80.0, 78.0), 2.0, (1.0, 3.0), 5, 1.0, "another machine"),
)
"""
