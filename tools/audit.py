"""Looks whether an installed package has a known hole: ``python -m tools.audit``, part of ``make test``.

Where the index of known holes cannot be reached, or pip-audit is missing, nothing was audited; that is said, and is no
failure, since the tests must run without a network. A hole that is found fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

PATIENCE = 120.0  # seconds for everything; of a single request, as below
COMMAND = (
    sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off", "--timeout", "10",
)  # fmt: skip
NOT_AUDITED = "Not audited: {}. This is no pass; audit again where the network is."
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def audit(run: Run = subprocess.run, command: Sequence[str] = COMMAND) -> tuple[int, str]:
    """The exit status, 1 for a known hole, and what to say."""
    try:
        done = run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return 0, NOT_AUDITED.format(f"the index of known holes did not answer within {PATIENCE:g} s")
    if "No module named pip_audit" in done.stderr:
        return 0, NOT_AUDITED.format("pip-audit is not installed (requirements-dev.txt names it)")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return 0, NOT_AUDITED.format(f"pip-audit could not ask the index ({last[:200]})")
    holes = [
        f"{package['name']} {package.get('version', '?')}: {hole['id']}"
        + (f", mended in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else ", not mended yet")
        for package in packages
        for hole in package.get("vulns", [])
    ]
    asked = sum("skip_reason" not in package for package in packages)
    if holes:
        return 1, "\n".join(["Known holes:", *holes])
    if not asked:
        return 0, NOT_AUDITED.format("no installed package is known to the index")
    left = f"; {len(packages) - asked} could not be asked about" if asked < len(packages) else ""
    return 0, f"Audited: no known hole in {asked} packages{left}."


if __name__ == "__main__":
    status, said = audit()
    print(said)
    sys.exit(status)
