import json
import re
import subprocess
from collections.abc import Callable

import pytest

from tools.audit import audit


def answering(stdout: str = "", stderr: str = "", code: int = 0) -> Callable[..., subprocess.CompletedProcess]:
    return lambda command, **_: subprocess.CompletedProcess(command, code, stdout, stderr)


def listed(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


CLEAN = {"name": "torch", "version": "2.14.1", "vulns": []}
SKIPPED = {"name": "own", "skip_reason": "not found on the index"}
HOLE = {"name": "pillow", "version": "11.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["11.3"]}]}


def test_a_known_hole_fails_and_is_named_with_its_cure() -> None:
    assert audit(answering(listed(CLEAN, HOLE), code=1)) == (1, "Known holes:\npillow 11.0: PYSEC-1, mended in 11.3")


def test_what_was_asked_is_counted_and_what_was_not_is_said() -> None:
    said = "Audited: no known hole in 1 packages; 1 could not be asked about."
    assert audit(answering(listed(CLEAN, SKIPPED))) == (0, said)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (answering(stderr="… No module named pip_audit", code=1), "pip-audit is not installed"),
        (answering(stderr="ERROR: ConnectionError: pypi.org\n", code=1), r"\(ERROR: ConnectionError: pypi.org\)"),
        (answering("[]"), "could not ask the index"),
        (answering(listed(SKIPPED)), "no installed package is known"),
    ],
)
def test_without_an_answer_it_says_that_nothing_was_audited(run: Callable, why: str) -> None:
    status, said = audit(run)
    assert status == 0
    assert re.search(f"^Not audited: .*{why}.* This is no pass", said)


def test_it_does_not_wait_for_ever() -> None:
    def slow(command: object, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired("pip-audit", timeout)

    assert audit(slow)[1].startswith("Not audited: the index of known holes did not answer within 120 s.")
