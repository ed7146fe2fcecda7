"""The one script that a report may hold, and what lets a browser run it and no other."""

import base64
import hashlib
from importlib.resources import files

SCRIPT = files("hcnet.report").joinpath("templates/slices.js").read_text(encoding="utf-8")
"""Scrolls through the slices. A page without it shows the pictures that are printed."""

SCRIPT_SOURCE = (
    f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode('ascii')}'"
)
"""The script as a source of a content security policy (CSP Level 3, section 2.3.1)."""
