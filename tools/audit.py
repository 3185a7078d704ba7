"""Audit of the installed packages for known vulnerabilities with pip-audit (``python -m tools.audit``).

If the index of vulnerabilities cannot be reached or pip-audit is missing, nothing is audited. This is reported and is
no failure, since the tests must run without a network. A known vulnerability is a failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

TIMEOUT = 120.0  # seconds in all; the option below is for a single request
COMMAND = (
    sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off", "--timeout", "10",
)  # fmt: skip
NOT_AUDITED = "Not audited: {}. This is no pass; audit again where the network is."
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def audit(run: Run = subprocess.run, command: Sequence[str] = COMMAND) -> tuple[int, str]:
    """Return the exit status, 1 for a known vulnerability, and a report."""
    try:
        process = run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return 0, NOT_AUDITED.format(f"the index of vulnerabilities did not answer within {TIMEOUT:g} s")
    if "No module named pip_audit" in process.stderr:
        return 0, NOT_AUDITED.format("pip-audit is not installed (requirements-dev.txt names it)")
    try:
        packages = json.loads(process.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (process.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return 0, NOT_AUDITED.format(f"pip-audit could not ask the index ({last[:200]})")
    vulnerabilities = [
        f"{package['name']} {package.get('version', '?')}: {entry['id']}"
        + (f", fixed in {', '.join(entry['fix_versions'])}" if entry.get("fix_versions") else ", not fixed yet")
        for package in packages
        for entry in package.get("vulns", [])
    ]
    audited = sum("skip_reason" not in package for package in packages)
    if vulnerabilities:
        return 1, "\n".join(["Known vulnerabilities:", *vulnerabilities])
    if not audited:
        return 0, NOT_AUDITED.format("no installed package is known to the index")
    skipped = f"; {len(packages) - audited} could not be audited" if audited < len(packages) else ""
    return 0, f"Audited: no known vulnerability in {audited} packages{skipped}."


if __name__ == "__main__":
    status, report = audit()
    print(report)
    sys.exit(status)
