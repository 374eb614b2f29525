"""However a mine's folder is damaged: a bundle or a list of mistakes, never a traceback."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipment.toml_source import ConfigurationError, Mistake
from gateway.config.bundle import Bundle, load
from gateway.config.files import FILE_BYTES_MAX
from tests.gateway.test_config_rules import with_rules

GOOD = Path(__file__).parents[1] / "cases" / "config" / "good"
FILES = (
    "mine.toml",
    "devices.toml",
    "people.csv",
    "map.geojson",
    "routes.toml",
    "risk_points.toml",
    "profiles/pump.toml",
)

#: What is put into a file somewhere, or in the place of a number or word of it.
ODD = (
    "", "0", "-1", "1e308", "1e999", "-1e-320", "nan", "inf", "NaN", "-Infinity", "9" * 30,
    "9" * 5000, "true", "null", "[]", "{}", "[[", "]]", "[" * 3000, "{" * 3000, '{"a":' * 3000,
    '"', "'", '"""', "\\", "\n", "\r", "\t", ",", ";", "=", ".", "#", "\x00", "\x1b[2J", "\ufeff",
    "\u202e", "\\ud800", '"\\ud800"', "\u0663", "１２", "𝟗", "a" * 2000, "1979-05-27", "0x10",
    "1_0", "[mine]\n", "[[device]]\n", "[device.host]\n", 'id = "x"\n', '"id": "A1",',
    '"kind": "zone",', "[[0, 0], [1, 1]]", "\n" * 500,
)  # fmt: skip


def tokens(text: str) -> list[tuple[int, int]]:
    """(start, end) of words and numbers."""
    found, start = [], None
    for at, letter in enumerate(text + " "):
        if letter.isalnum() or letter in "._-+":
            start = at if start is None else start
        elif start is not None:
            found.append((start, at))
            start = None
    return found


def replace_word(text: str, rng: random.Random) -> str:
    words = tokens(text)
    if not words:
        return rng.choice(ODD)
    start, end = rng.choice(words)
    return text[:start] + rng.choice(ODD) + text[end:]


def insert(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(ODD) + text[at:]


def cut(text: str, rng: random.Random) -> str:
    start = rng.randint(0, len(text))
    return text[:start] + text[start + rng.randint(1, 40) :]


def move_line(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    line = lines[rng.randrange(len(lines))]
    if rng.random() < 0.5:
        lines.remove(line)
    lines.insert(rng.randint(0, len(lines)), line)
    return "".join(lines)


def swap_words(text: str, rng: random.Random) -> str:
    words = tokens(text)
    if len(words) < 2:
        return text
    (a, b), (c, d) = sorted(rng.sample(words, 2))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


DAMAGES: tuple[Callable[[str, random.Random], str], ...] = (
    replace_word, insert, cut, move_line, swap_words,
)  # fmt: skip


def check_is_whole(folder: Path) -> None:
    """`load` gives a bundle, or mistakes that can be printed."""
    mistakes: tuple[Mistake, ...] | None = None
    try:
        assert isinstance(load(folder), Bundle)
    except ConfigurationError as error:
        mistakes = error.mistakes
    if mistakes is not None:
        assert mistakes
        assert all(str(mistake).isprintable() and mistake.problem for mistake in mistakes)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_rules(shutil.copytree(GOOD, tmp_path_factory.mktemp("robust") / "mine"))


@pytest.fixture(scope="module")
def whole(mine: Path) -> dict[str, bytes]:
    """The files of `mine` before any damage."""
    return {file: (mine / file).read_bytes() for file in FILES}


@settings(
    max_examples=int(os.environ.get("LAMPROOM_FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), file=st.sampled_from(FILES), damages=st.integers(1, 4))
def test_damaged_text_is_never_a_traceback(
    mine: Path, whole: dict[str, bytes], seed: int, file: str, damages: int
) -> None:
    rng = random.Random(seed)
    text = whole[file].decode("utf-8")
    for _ in range(damages):
        text = rng.choice(DAMAGES)(text, rng)
    (mine / file).write_bytes(text.encode("utf-8"))
    try:
        check_is_whole(mine)
    finally:
        (mine / file).write_bytes(whole[file])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(file=st.sampled_from(FILES), raw=st.binary(max_size=300), at=st.integers(0, 400))
def test_damaged_bytes_are_never_a_traceback(
    mine: Path, whole: dict[str, bytes], file: str, raw: bytes, at: int
) -> None:
    good = whole[file]
    (mine / file).write_bytes(good[:at] + raw + good[at + len(raw) :])
    try:
        check_is_whole(mine)
    finally:
        (mine / file).write_bytes(whole[file])


def mistakes(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        load(folder)
    return str(error.value)


def test_what_is_not_a_folder_is_told(tmp_path: Path) -> None:
    assert "there is no such folder" in mistakes(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "is not a folder" in mistakes(tmp_path / "file")
    assert "can't be read" in mistakes(tmp_path / ("n" * 300))
    assert mistakes(Path("a\x00b")).startswith("a\\x00b: there is no such folder")


def test_an_empty_folder_tells_all_that_is_missing(tmp_path: Path) -> None:
    told = mistakes(tmp_path).splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "devices.toml", "map.geojson", "mine.toml", "people.csv",
    ]  # fmt: skip


def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    folder = shutil.copytree(GOOD, tmp_path / "mine")
    (folder / "mine.toml").unlink()
    (folder / "mine.toml").mkdir()
    (folder / "people.csv").unlink()
    os.mkfifo(folder / "people.csv")
    assert mistakes(folder) == "mine.toml: is not a file\npeople.csv: is not a file"


def test_a_file_in_the_place_of_the_profiles_is_told(tmp_path: Path) -> None:
    folder = shutil.copytree(GOOD, tmp_path / "mine")
    shutil.rmtree(folder / "profiles")
    (folder / "profiles").touch()
    assert mistakes(folder).splitlines()[-1] == "profiles: can't be read: Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    folder = shutil.copytree(GOOD, tmp_path / "mine")
    (folder / "people.csv").chmod(0)
    assert mistakes(folder) == "people.csv: can't be read: Permission denied"


def test_a_file_that_is_far_too_large_is_not_taken_in(tmp_path: Path) -> None:
    folder = shutil.copytree(GOOD, tmp_path / "mine")
    with (folder / "people.csv").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)  # sparse: takes no room on the disk
    assert mistakes(folder) == "people.csv: is larger than 32 MB (is it another file?)"
