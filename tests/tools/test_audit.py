"""Tests of the audit of installed packages."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from tools.audit import audit


def pip_audit_with(stdout: str = "", stderr: str = "", code: int = 0) -> Callable[..., subprocess.CompletedProcess]:
    return lambda command, **_: subprocess.CompletedProcess(command, code, stdout, stderr)


def to_json(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


CLEAN = {"name": "torch", "version": "2.14.1", "vulns": []}
SKIPPED = {"name": "local", "skip_reason": "not found on the index"}
VULNERABLE = {"name": "pillow", "version": "11.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["11.3"]}]}


def test_a_known_vulnerability_fails_and_is_named_with_its_fix() -> None:
    assert audit(pip_audit_with(to_json(CLEAN, VULNERABLE), code=1)) == (
        1,
        "Known vulnerabilities:\npillow 11.0: PYSEC-1, fixed in 11.3",
    )


def test_audited_and_skipped_packages_are_counted() -> None:
    report = "Audited: no known vulnerability in 1 packages; 1 could not be audited."
    assert audit(pip_audit_with(to_json(CLEAN, SKIPPED))) == (0, report)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (pip_audit_with(stderr="… No module named pip_audit", code=1), "pip-audit is not installed"),
        (
            pip_audit_with(stderr="ERROR: ConnectionError: index.example\n", code=1),
            r"\(ERROR: ConnectionError: index.example\)",
        ),
        (pip_audit_with("[]"), "could not ask the index"),
        (pip_audit_with(to_json(SKIPPED)), "no installed package is known"),
    ],
)
def test_without_a_result_the_report_says_that_nothing_was_audited(run: Callable, reason: str) -> None:
    status, report = audit(run)
    assert status == 0
    assert re.search(f"^Not audited: .*{reason}.* This is no pass", report)


def test_the_audit_times_out() -> None:
    def slow(command: object, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired("pip-audit", timeout)

    assert audit(slow)[1].startswith("Not audited: the index of vulnerabilities did not answer within 120 s.")
