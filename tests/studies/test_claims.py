"""Claims: one process at a time, and none that outlives its process."""

import os
import signal
import subprocess
import sys
import time

from hcnet.studies.claims import claimed

HOLD = """
import sys, time
from pathlib import Path
from hcnet.studies.claims import claimed
with claimed(Path(sys.argv[1]), wait=True) as ours:
    print("held" if ours else "not held", flush=True)
    time.sleep(60)
"""


def test_a_claim_is_had_and_let_go(tmp_path):
    for _ in range(2):
        with claimed(tmp_path / "deep" / "work", wait=False) as ours:
            assert ours


def test_another_process_keeps_its_claim_until_it_dies(tmp_path):
    folder = tmp_path / "work"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline().strip() == b"held"
        with claimed(folder, wait=False) as ours:
            assert not ours
        with claimed(tmp_path / "other work", wait=False) as ours:
            assert ours
        os.kill(other.pid, signal.SIGKILL)
        started = time.monotonic()
        with claimed(folder, wait=True) as ours:
            assert ours
        assert time.monotonic() - started < 30
    finally:
        other.kill()
        other.communicate()
