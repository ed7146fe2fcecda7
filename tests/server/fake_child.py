"""Stands in for `hcnet.server.child`: what it does is told by the name of the case.

`slow...` tells of its progress and then waits for its end, `bad...` fails with a sentence,
`crash...` without; all others are done at once.
"""

import json
import sys
import threading
import time
from pathlib import Path

folder = Path(sys.argv[2])
name = json.loads((folder / "order.json").read_text())["name"]
(folder / "pid").touch()
if name.startswith("bad"):
    (folder / "error.txt").write_text("the image shows nothing.\n")
    sys.exit(3)
if name.startswith("crash"):
    sys.exit(70)
if name.startswith("slow"):
    told = {"description": "segmenting", "step": "map", "done": 1, "total": 3}
    (folder / ".aside-out").mkdir()
    (folder / "progress.json").write_text(json.dumps(told))
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        time.sleep(0.02)
    (folder / "parent_gone").touch()
    sys.exit(1)
(folder / "out").mkdir(exist_ok=True)
