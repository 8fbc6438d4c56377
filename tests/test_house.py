"""The house as it is drawn in docs/architecture.md, compared with the imports that are really there."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "rushes"

RUNGS = {
    "__main__": 10,
    "cli": 9,
    "assemble": 8,
    "api": 7,
    "videos": 6,
    "perform": 6,
    "engine": 5,
    "intake": 5,
    "acceleration": 4,
    "models": 3,
    "catalogue": 2,
    "diffusion": 2,
    "media": 2,
    "storage": 2,
    "jobs": 2,
    "events": 2,
    "weights": 2,
    "contract": 1,
    "egress": 1,
    "settings": 1,
    "errors": 0,
    "failpoints": 0,
    "metrics": 0,
}
READ_SETTINGS = {"assemble", "cli"}
HEAVY = {"numpy", "onnxruntime", "av", "torch", "PIL"}
MAX_LINES = 500
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

FILES = sorted(SRC.rglob("*.py"))
ROOMS = sorted(path.parent for path in SRC.glob("*/__init__.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def module_of(path: Path) -> list[str]:
    parts = ["rushes", *path.relative_to(SRC).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def rooms_imported_by(path: Path) -> Iterator[tuple[str, int]]:
    """Each room of ours that `path` names in an import, with the line; imports inside functions count too."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            # `from rushes import errors` names a room in its list; `from rushes import __version__` does not.
            names = [f"rushes.{alias.name}" for alias in node.names] if stem == "rushes" else [stem]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "rushes" and rest and not rest.startswith("__version__"):
                yield rest.split(".")[0], node.lineno


def edges() -> Iterator[tuple[str, str, str]]:
    for path in FILES:
        for room, line in rooms_imported_by(path):
            if room != room_of(path):
                yield room_of(path), room, f"{path.relative_to(SRC)}:{line}"


def test_every_room_has_its_rung_on_the_ladder() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms <= set(RUNGS), f"not on the ladder: {sorted(rooms - set(RUNGS))}"


def test_imports_only_go_down_and_rooms_on_one_rung_do_not_know_each_other() -> None:
    climbing = [
        f"{where}: {importer} (rung {RUNGS[importer]}) imports {imported} (rung {RUNGS[imported]})"
        for importer, imported, where in edges()
        if RUNGS[imported] >= RUNGS[importer]
    ]
    assert not climbing, "\n".join(climbing)


def test_the_package_itself_imports_nothing_of_ours() -> None:
    assert list(rooms_imported_by(SRC / "__init__.py")) == []


def test_only_assemble_and_cli_read_the_settings() -> None:
    readers = [
        where for importer, imported, where in edges() if imported == "settings" and importer not in READ_SETTINGS
    ]
    assert not readers, "\n".join(readers)


def test_nothing_in_the_package_imports_its_training_or_its_tests() -> None:
    strangers = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            strangers += [f"{path.relative_to(SRC)}: {n}" for n in names if n.split(".")[0] in {"training", "tests"}]
    assert not strangers, "\n".join(strangers)


@pytest.mark.parametrize("module", ["rushes", "rushes.api.app", "rushes.assemble", "rushes.cli.doorkeeper"])
def test_a_door_starts_without_a_tensor_or_media_library(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_file_stays_small_enough_to_be_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines < MAX_LINES, f"{lines} lines: look for the second subject"
    assert path.stem not in EMPTY_NAMES, "name the file after its noun or verb"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_says_what_it_does(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert docstring, "what it does, what it leaves to others, who calls it"
    assert 3 <= len(docstring.splitlines()) <= 10, docstring


def test_no_two_test_files_have_one_name() -> None:
    """They are imported by it: the second would end the whole run before its first test."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_folder_with_code_is_a_package() -> None:
    bare = sorted({path.parent for path in FILES if not (path.parent / "__init__.py").exists()})
    assert not bare, [str(folder.relative_to(SRC)) for folder in bare]


HTTP_CLIENTS = {
    "aiohttp", "ftplib", "http.client", "httpcore", "httplib2", "httpx", "pycurl", "requests", "smtplib",
    "urllib.request", "urllib3", "websockets", "xmlrpc.client",
}  # fmt: skip
DIALLING = {"create_connection", "open_connection", "create_unix_connection", "urlopen", "urlretrieve"}
OPENS_FOREIGN_IMAGES = "media/picture.py"  # in the throw-away child, with the one format that was sniffed


def calls_of(path: Path) -> Iterator[tuple[str, int]]:
    """Each call in `path` as it is written, `Image.open`, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_only_egress_asks_other_machines(path: Path) -> None:
    """A guard that one place goes round is no guard."""
    if room_of(path) == "egress":
        return
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    clients = {name for name in names for client in HTTP_CLIENTS if f"{name}.".startswith(f"{client}.")}
    dialled = [f"{name} in line {line}" for name, line in calls_of(path) if name.rpartition(".")[2] in DIALLING]
    assert not clients, f"{sorted(clients)}: go through rushes.egress"
    assert not dialled, f"{dialled}: go through rushes.egress"


def test_only_the_decode_child_opens_foreign_images() -> None:
    opened = {str(path.relative_to(SRC)) for path in FILES for name, _ in calls_of(path) if name.endswith("Image.open")}
    assert opened == {OPENS_FOREIGN_IMAGES}
