"""The allocator, the precision and what a manifest tells of them."""

import json
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from hcnet import runtime


def _in_new_process(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    ).stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_allocator_keeps_freed_memory_without_torch() -> None:
    code = (
        "import sys; from hcnet.runtime import tune_allocator; import numpy as np\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1])\n"
        "tuned = tune_allocator(); before = resident(); block = np.ones(2**25); del block\n"
        "print(tuned, (resident() - before) * 4096 > 2**27, 'torch' in sys.modules)"
    )
    assert _in_new_process(code).split() == ["True", "True", "False"]


def test_allocator_opt_out() -> None:
    code = "from hcnet.runtime import tune_allocator; print(tune_allocator())"
    assert _in_new_process(code, HCNET_NO_MALLOPT="1").strip() == "False"


def test_allocator_of_other_libraries_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _name: pytest.fail("was called"))
    assert runtime.tune_allocator() is False


def test_old_glibc_refuses_and_nothing_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def mallopt(parameter: int, _value: int) -> int:
        calls.append(parameter)
        return 0

    monkeypatch.delenv(runtime.OPT_OUT, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    monkeypatch.setitem(runtime._state, "allocator", "as before")
    assert runtime.tune_allocator() is False
    runtime.spare_memory()
    assert calls == [-3, -3]
    assert runtime.environment()["allocator"] == "as before"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
@pytest.mark.parametrize("refused", [False, True])
def test_spared_memory_goes_back_at_once(refused: bool) -> None:
    """Blocks of 8 MB that lie between kept ones; glibc would hold on to them after the first."""
    code = (
        "import os; from hcnet.runtime import environment, spare_memory; import numpy as np\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "spare_memory()\n"
        "for _ in range(2):\n"
        "    before = resident()\n"
        "    blocks, kept = [], []\n"
        "    for _ in range(16): blocks.append(np.ones(2**20)); kept.append(bytes(70000))\n"
        "    del blocks\n"
        "    grown = resident() - before\n"
        "print(grown < 2**25, os.environ.get('THP_MEM_ALLOC_ENABLE'), environment()['allocator'])"
    )
    told = _in_new_process(code, HCNET_NO_MALLOPT="1" if refused else "").split(maxsplit=2)
    if refused:
        assert told[1:] == ["None", "as the system has it\n"]
    else:
        assert told == ["True", "1", "gives memory back\n"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 avx512f", "32-true"), ("avx512_bf16", "bf16-mixed"), ("amx_bf16", "bf16-mixed")],
)
def test_precision_of_a_cpu(monkeypatch: pytest.MonkeyPatch, flags: str, expected: str) -> None:
    monkeypatch.setattr(runtime, "_cpu_facts", lambda: {"flags": flags})
    assert runtime.best_precision("cpu") == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_options: supported)
    assert runtime.best_precision() == expected


def test_environment_is_json_and_names_the_versions() -> None:
    environment = json.loads(json.dumps(runtime.environment(), allow_nan=False))
    assert torch.__version__.startswith(environment["versions"]["torch"].split("+")[0])
    assert environment["versions"]["python"] == platform.python_version()
    assert environment["threads"] == torch.get_num_threads()
    assert environment["cpu"]["name"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_peak_memory_holds_a_large_array() -> None:
    code = (
        "import numpy as np; from hcnet.runtime import peak_memory_mb\n"
        "block = np.ones(2**25); print(peak_memory_mb())"
    )
    assert 256 <= int(_in_new_process(code)) < 64 * 1024  # the array alone has 256 MB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives back")
def test_what_is_free_between_blocks_goes_back_too() -> None:
    code = """if True:
        import numpy as np
        from hcnet.runtime import give_back, spare_memory

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

        spare_memory()
        blocks = [np.ones(2**17) for _ in range(100)]
        del blocks[:-1]
        before = resident()
        give_back()
        print(round(before - resident()))"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(told.stdout) > 80
