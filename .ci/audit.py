"""Are there known vulnerabilities in what is pinned? By pip-audit, which asks PyPI's advisories or, failing that, OSV.

    python .ci/audit.py [--may-skip]

Exit code 1: there are. Exit code 2: nobody could be asked, which with --may-skip is said and let pass. An index that
knows a package of no advisories and one that does not know the package at all are told apart.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

LOCKS = ("locks/dev.txt",)  # holds all that locks/run.txt does
SERVICES = ("pypi", "osv")
SECONDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(prog="python .ci/audit.py", description="Look for known vulnerabilities.")
    parser.add_argument("--may-skip", action="store_true", help="pass where no advisories can be reached")
    parser.add_argument("locks", nargs="*", default=LOCKS, help=f"what to look at (default: {' '.join(LOCKS)})")
    given = parser.parse_args()
    for service in SERVICES:
        packages = asked(service, given.locks)
        known = [package for package in packages if "vulns" in package]
        if known:
            return told(known, [package["name"] for package in packages if "vulns" not in package])
    print("audit: SKIPPED, as no advisories can be reached from here (PyPI, OSV). Run `make audit` where they can.")
    return 0 if given.may_skip else 2


def asked(service: str, locks: list[str]) -> list[dict]:
    """What pip-audit found of each package; nothing where it could not ask."""
    pip_audit = Path(sys.executable).with_name("pip-audit")
    command = [str(pip_audit), "--disable-pip", "--require-hashes", "--progress-spinner", "off", "-f", "json"]
    command += ["-s", service, *(word for lock in locks for word in ("-r", lock))]
    try:
        printed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS).stdout
        return json.loads(printed)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return []


def told(known: list[dict], unknown: list[str]) -> int:
    """Print the findings. Returns the exit code."""
    bad = [package for package in known if package["vulns"]]
    for package in bad:
        for vulnerability in package["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "no release yet"
            print(f"audit: {package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    if unknown:
        print(f"audit: {len(unknown)} packages are not known there, and were not looked at: {', '.join(unknown)}")
    print(f"audit: {len(known)} packages looked at, {len(bad)} with known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
