"""What the pages promise, compared with what is there."""

from __future__ import annotations

import importlib.util
import py_compile
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from rushes.cli.app import app

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "rushes"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")

NOT_BUILT_YET = re.compile(r"\(([^()]*?)\s*not built yet\)")
OTHER_PROGRAMS_FLAGS = {"--help", "--version", "--group", "--upgrade", "--local-dir"}


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "docs" / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree_of(page: str) -> list[str]:
    """Names below `src/rushes/` in the page's drawing of the tree."""
    drawing = page.partition("```\nsrc/rushes/\n")[2].partition("```")[0]
    assert drawing, "no drawing of the tree"
    return [line.split()[0] for line in drawing.splitlines() if line.startswith("  ")]


def rooms() -> set[str]:
    folders = {f"{path.parent.name}/" for path in SRC.glob("*/__init__.py")}
    return folders | {path.name for path in SRC.glob("*.py") if not path.name.startswith("__")}


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "models.md"])
def test_the_reference_is_what_the_code_says_now(name: str) -> None:
    page = (ROOT / "docs" / "reference" / name).read_text("utf-8")
    assert page == reference().pages()[name], "run make docs"


@pytest.mark.parametrize("page", [README, ARCHITECTURE], ids=["README", "architecture"])
def test_the_drawn_tree_names_every_room_and_no_other(page: str) -> None:
    assert set(tree_of(page)) == rooms()


def test_the_drawn_ladder_is_the_one_that_is_tested() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from test_house import RUNGS
    finally:
        sys.path.pop(0)
    drawn = {}
    for line in ARCHITECTURE.splitlines():
        if rung := re.fullmatch(r"(\d)  (.*)", line):
            for room in re.findall(r"[a-z]+", rung[2].partition("(")[0]):
                drawn[room] = int(rung[1])
    assert drawn == {room: rung for room, rung in RUNGS.items() if room != "__main__"}


def test_what_is_said_to_be_unbuilt_is_not_there() -> None:
    unbuilt = {word for found in NOT_BUILT_YET.findall(ARCHITECTURE) for word in re.findall(r"[a-z]+", found)}
    for room in unbuilt:
        assert not (SRC / room).is_dir(), f"docs/architecture.md still says that {room} is not built"
        assert not (SRC / f"{room}.py").exists(), f"docs/architecture.md still says that {room} is not built"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_every_flag_named_in_a_page_is_a_flag_of_some_command() -> None:
    command = get_command(app)
    pending, flags = [command], set(OTHER_PROGRAMS_FLAGS)
    while pending:
        one = pending.pop()
        pending += getattr(one, "commands", {}).values()
        flags |= {name for parameter in one.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for page in [ROOT / "README.md", *(ROOT / "docs" / "guides").glob("*.md")]:
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text("utf-8")):
            assert flag in flags, f"{page.name}: {flag}"


def test_every_command_has_a_line_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "terminal.md").read_text("utf-8")
    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"rushes {name}" in guide


def test_the_readme_shows_the_sample_prompts_as_they_are() -> None:
    prompts = (ROOT / "examples" / "prompts.txt").read_text("utf-8").splitlines()
    quoted = " ".join(line.removeprefix("> ") for line in README.splitlines() if line.startswith("> "))
    assert quoted.split(" · ") == prompts


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_the_examples_are_python(example: Path, tmp_path: Path) -> None:
    py_compile.compile(str(example), cfile=str(tmp_path / "compiled"), doraise=True)


def test_every_decision_is_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_no_page_names_a_folder_of_somebodys_machine() -> None:
    for page in [*PAGES, *(ROOT / "examples").iterdir(), ROOT / "Makefile"]:
        assert not re.search(r"(?<![\w.])/(work|home/(?!me/)|root|Users)/", page.read_text("utf-8")), page.name
