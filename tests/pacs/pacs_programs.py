"""Other software: run it, or start it as a server on the loopback."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STARTS_WITHIN_S = 30


def program(name: str, package: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} (Debian package {package}) is not installed")
    return found


def dcmtk(name: str, *arguments: object) -> str:
    """Run a program of DCMTK; what it prints."""
    return run(program(name, "dcmtk"), *arguments)


def run(path: str, *arguments: object) -> str:
    """Run a program that must succeed; what it prints, errors included."""
    command = [path, *(str(a) for a in arguments)]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300
    )
    text = result.stdout.decode(errors="replace")
    assert result.returncode == 0, f"{command}: {text}"
    return text


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    """Run a server until the block ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} does not start: {log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
