"""`hcnet --help` answers at once: nothing heavy is imported for it."""

import subprocess
import sys

HEAVY = ("numpy", "torch", "pydicom", "nibabel", "SimpleITK", "scipy", "rich.console", "pydantic")


def test_the_command_line_imports_nothing_heavy():
    code = f"import sys, hcnet.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
