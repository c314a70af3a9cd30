"""Known vulnerabilities of what runs in production, by pip-audit; or the plain words that nobody knows.

pip-audit itself says "No known vulnerabilities found" when the index it asks knows nothing of any package, and ends
with a stack trace when it is offline. Exit code 1 for a vulnerability, and for what could not be audited, unless
--lenient is given.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent / "runtime.lock"
ATTENTION = "!" * 72


def audit() -> list[dict[str, Any]] | None:
    """What pip-audit says of each package; None where it could not ask."""
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "answer.json"
        subprocess.run(  # noqa: S603 - a program of the environment this runs in, and its arguments are ours
            [
                *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", LOCK),
                *("--progress-spinner", "off", "--timeout", "10", "--format", "json", "--output", answer),
            ],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if not answer.exists() or not answer.stat().st_size:
            return None
        packages: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
        return packages


def judged(packages: list[dict[str, Any]] | None) -> tuple[list[str], list[str]]:
    """What is wrong, and what is not known, as lines for a person."""
    if packages is None:
        return [], ["The advisories are out of reach: none of the packages was looked up."]
    wrong = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if not packages or unknown:
        return wrong, [f"The index has no advisories on {len(unknown)} of {len(packages)} packages."]
    return wrong, []


def main(arguments: list[str]) -> int:
    packages = audit()
    wrong, unknown = judged(packages)
    for line in wrong:
        print(f"VULNERABLE   {line}")
    for line in unknown:
        print(f"{ATTENTION}\nNOT AUDITED  {line}\n{ATTENTION}")
    if not wrong and not unknown:
        print(f"Audited {len(packages or ())} packages: no known vulnerability.")
    return int(bool(wrong or (unknown and "--lenient" not in arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
