"""The house rules that a linter has no rule for, held by looking at the sources themselves."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ENVIRONMENT, ROOT

PACKAGES = ("gateway", "protocols", "positioning", "equipment", "hil_sim")

MODULE_LINES_MOST = 400
FUNCTION_LINES_MOST = 60

#: Names of numbers that someone chose, and of those that nobody did.
LIMIT = re.compile("[A-Z][A-Z0-9_]*|_[A-Z0-9_]*(MOST|MAX|LEAST|MIN|BYTES|_S|_MS)")
UNITS = ("SECOND_NS", "_NS_PER_S")

#: Where this checkout, what is shared beside it and its user live on this machine.
HOMES = tuple(f"{folder}/" for folder in (ROOT, ROOT.parent / "shared", Path.home()))

#: Hosts of package registries, spelled so that this file does not hold them.
REGISTRIES = ("pypi." + "org", "registry." + "npmjs", "files." + "pythonhosted", "deb." + "debian")


def tracked(*patterns: str) -> list[Path]:
    """The files that belong to the project, tracked or about to be."""
    command = ["git", "ls-files", "-co", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def sources() -> list[Path]:
    """The hand-written modules of the product."""
    packages = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    # Beside the client is what is generated from the contract.
    return [*packages, *sorted((ROOT / "proto/lamproom").glob("*.py"))]


def named(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_modules_are_small() -> None:
    files = [*sources(), *tracked("tests/*.py", "bench/*.py")]
    lengths = {place(path): len(path.read_text().splitlines()) for path in files}
    assert {path: n for path, n in lengths.items() if n > MODULE_LINES_MOST} == {}


def test_functions_are_small() -> None:
    long = {
        place(path, node.lineno): (node.end_lineno or 0) - node.lineno
        for path in sources()
        for node in named(ast.parse(path.read_text()))
        if not isinstance(node, ast.ClassDef)
        if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MOST
    }
    assert long == {}


def test_numbers_at_module_level_say_why() -> None:
    """Every limit, buffer and pause of what runs in a mine has its reason above or beside it.

    Private names that are no limits (`_VERSION`) speak for themselves.
    """
    bare = []
    for package in ("gateway", "protocols"):
        for path in sorted((ROOT / package).rglob("*.py")):
            lines = path.read_text().splitlines()
            explained_to = 0
            for node in ast.parse("\n".join(lines)).body:
                first, last = node.lineno, node.end_lineno or node.lineno
                near = [lines[first - 2], *lines[first - 1 : last]]
                # One comment may speak for the lines below it.
                if any("#" in line for line in near) or explained_to == first - 1:
                    explained_to = last
                elif number_named_by(node) not in ("", *UNITS):
                    bare.append(place(path, first))
    assert bare == []


def number_named_by(node: ast.stmt) -> str:
    """The name that an assignment such as `RETRY_S: Final = 2.0` gives to a number; else empty."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return ""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    parts = list(ast.walk(node.value))
    numbers = {type(part.value) for part in parts if isinstance(part, ast.Constant)}
    other = [part for part in parts if isinstance(part, ast.Call | ast.Tuple | ast.Dict)]
    is_number = bool(numbers) and numbers <= {int, float} and not other
    name = target.id if isinstance(target, ast.Name) else ""
    return name if is_number and LIMIT.fullmatch(name) else ""


def test_names_of_test_modules_are_unique() -> None:
    names = [path.name for path in tracked("tests/*.py") if path.name != "conftest.py"]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_public_names_are_explained() -> None:
    bare = [
        place(path, node.lineno)
        for path in sources()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_mutable_state_at_module_level() -> None:
    found = []
    for path in sources():
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            if not isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.ListComp):
                continue
            final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
            if not final and "__all__" not in ast.unparse(node):
                found.append(place(path, node.lineno))
    assert found == []


def test_silenced_checks_say_why() -> None:
    silenced = re.compile(
        r"#\s*(noqa|type: ignore|pragma: no cover)(:\s*[A-Z0-9, ]+)?(\[[^\]]+\])?"
    )
    bare = []
    for path in [*sources(), *tracked("tests/*.py", "bench/*.py")]:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            found = silenced.search(line)
            if found and not line[found.end() :].strip(" #"):
                bare.append(place(path, number))
    assert bare == []


def test_nothing_names_a_registry_or_a_place_on_one_machine() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [place(path) for host in REGISTRIES if host in text]
        found += [place(path) for home in HOMES if home in text]
    assert found == []


def test_all_that_belongs_to_the_project_is_text() -> None:
    """A package that was downloaded, or anything built, does not."""
    assert [place(path) for path in tracked() if b"\0" in path.read_bytes()] == []


def test_lock_files_hold_hashes_and_no_address() -> None:
    locks = [
        ROOT / "requirements.lock",
        ROOT / "bench.lock",
        ROOT / "tools.lock",
        ROOT / "tests/peers/package-lock.json",
    ]
    assert [lock.name for lock in locks if "://" in lock.read_text()] == []
    assert all("sha256" in lock.read_text() or "sha512" in lock.read_text() for lock in locks)


def test_the_command_line_starts_without_heavy_imports() -> None:
    heavy = "numba, grpc, pymodbus, asyncua, aiomqtt, pycomm3, numpy"
    code = f"""
import sys
import gateway.cli.commands
loaded = {{name for name in "{heavy}".split(", ") if name in sys.modules}}
sys.exit(f"loaded at start: {{sorted(loaded)}}" if loaded else 0)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=ENVIRONMENT)
