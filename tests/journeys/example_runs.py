"""Running a program of examples/ as its reader would: its own interpreter, an empty folder, two variables."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from generations import HOME, ROOT, TYPESCRIPT, missing, python_of
from served import Server

EXAMPLES = ROOT / "examples"
PATIENCE_S = 300


def run(name: str, folder: Path, server: Server, ending: str = "", key: str = "") -> subprocess.CompletedProcess[str]:
    """Run the example `name` in `folder`; `ending` is what the client's base URL has behind the server's address."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("RUSHES_", "PYTHON"))}
    theirs = {"TOGETHER_BASE_URL": server.url + ending, "TOGETHER_API_KEY": key or server.key}
    return subprocess.run(
        argv(name, folder), cwd=folder, env={**others, **theirs}, capture_output=True, text=True, timeout=PATIENCE_S
    )


def argv(name: str, folder: Path) -> list[str]:
    example = EXAMPLES / name
    match example.suffix:
        case ".py":
            return [str(python_of("3.1.1")), str(example)]
        case ".mjs":
            # Node.js looks for a module beside the program that imports it, so the program comes to the module.
            node, modules = shutil.which("node"), ROOT / ".clients" / "ts" / "node_modules"
            if node is None or not modules.is_dir():
                missing("the Together client for TypeScript, or Node.js")
            (folder / "node_modules").symlink_to(modules)
            return [str(node), str(shutil.copy(example, folder))]
        case _:
            if shutil.which("curl") is None:
                missing("curl")
            return ["bash", str(example)]


ENDING = {"curl.sh": "", "together_python.py": HOME["3.1.1"], "together_typescript.mjs": HOME[TYPESCRIPT]}
