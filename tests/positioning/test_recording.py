"""Recordings: what is read, and that each mistake is told with file, line and column."""

from pathlib import Path

import numpy as np
import pytest

from positioning.recording import RecordingError, read_recording

ANCHORS = "anchor,x_m,y_m,z_m\nA1,0,0,2.5\nA2,10,0,2.5\n"
RANGES = "t_s,tag,anchor,range_m,rssi_dbm,fp_dbm\n0.1000004,7,A2,3.5,-80,\n-0.5,8,A1,,,\n"
TRUTH = "tag,t_s,x_m,y_m,z_m\n7,1.0,1,2,1\n7,0.5,0,0,1\n9,0,0,0,0\n"


def recording(
    folder: Path, ranges: str = RANGES, anchors: str = ANCHORS, truth: str | None = None
) -> Path:
    (folder / "ranges.csv").write_text(ranges)
    (folder / "anchors.csv").write_text(anchors)
    if truth is not None:
        (folder / "truth.csv").write_text(truth)
    return folder


def test_one_run_without_a_run_column(tmp_path: Path) -> None:
    (run,) = read_recording(recording(tmp_path, truth=TRUTH))
    assert (run.name, run.tags, run.anchors) == ("", ("7", "8"), ("A1", "A2"))
    assert run.anchors_m.tolist() == [[0, 0, 2.5], [10, 0, 2.5]]
    assert run.ranges["t_ns"].tolist() == [100_000_000, -500_000_000]
    assert run.ranges["card"].tolist() == [0, 1]
    assert run.ranges["anchor"].tolist() == [1, 0]
    assert run.ranges["range_m"][0] == 3.5
    assert np.isnan(run.ranges["range_m"][1])
    assert run.ranges["rssi_dbm"][0] == -80
    assert np.isnan(run.ranges["first_path_dbm"]).all()
    assert run.truth is not None
    assert run.truth.t_ns.tolist() == [500_000_000, 1_000_000_000]
    assert run.truth.place_m[:, 0].tolist() == [0, 1]


def test_a_time_since_the_epoch_is_whole_microseconds(tmp_path: Path) -> None:
    ranges = "t_s,tag,anchor,range_m\n1760000000.1234567,7,A1,3\n"
    (run,) = read_recording(recording(tmp_path, ranges))
    assert run.ranges["t_ns"].tolist() == [1_760_000_000_123_457_000]


def test_runs_are_apart(tmp_path: Path) -> None:
    ranges = "run,t_s,tag,anchor,range_m\nb,0,7,A,1\na,0,8,A,2\nb,1,7,A,3\n"
    anchors = "run,anchor,x_m,y_m,z_m\na,A,1,0,0\nb,A,2,0,0\nc,A,3,0,0\n"
    truth = "run,tag,t_s,x_m,y_m,z_m\na,8,0,0,0,\n"
    b, a = read_recording(recording(tmp_path, ranges, anchors, truth))
    assert (b.name, b.tags, len(b.ranges), b.truth) == ("b", ("7",), 2, None)
    assert b.anchors_m[0, 0] == 2
    assert (a.name, a.tags, len(a.ranges)) == ("a", ("8",), 1)
    assert a.truth is not None


def test_byte_order_mark_blank_lines_and_other_columns_do_no_harm(tmp_path: Path) -> None:
    ranges = "\ufefft_s, tag,anchor,range_m,note\r\n\r\n0,7,A1,1,x\r\n"
    (run,) = read_recording(recording(tmp_path, ranges))
    assert len(run.ranges) == 1


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("ranges", "t_s,tag,anchor\n", "ranges.csv, line 1, column range_m: is missing"),
        ("ranges", "", "ranges.csv, line 1, column t_s: is missing (found: nothing)"),
        ("ranges", "t_s,tag,anchor,range_m\n", "ranges.csv: holds no range"),
        ("ranges", "t_s,tag,anchor,range_m\n0,7,A1,x\n", "line 2, column range_m: 'x' is not"),
        ("ranges", "t_s,tag,anchor,range_m\n0,7,A1,1\n,7,A1,1\n", "line 3, column t_s: needs a"),
        ("ranges", "t_s,tag,anchor,range_m\n1e300,7,A1,1\n", "column t_s: 1e+300 s is out of"),
        ("ranges", "t_s,tag,anchor,range_m\n0,,A1,1\n", "line 2, column tag: is empty"),
        ("ranges", "t_s,tag,anchor,range_m\n0,7,A9,1\n", "column anchor: 'A9' is not in anchors"),
        ("ranges", "t_s,tag,anchor,range_m\n0,7,A1\n", "line 2: 3 fields instead of 4"),
        ("ranges", 't_s,tag,anchor,range_m\n0,7,A1,"1\n', "ranges.csv: is not a CSV file"),
        ("ranges", "run,t_s,tag,anchor,range_m\nr,0,7,A1,1\n", "column run: 'r' has no anchors"),
        ("anchors", "anchor,x_m,y_m,z_m\nA1,0,0,inf\n", "line 2, column z_m: needs a finite"),
        ("anchors", "anchor,x_m,y_m,z_m\nA1,0,,0\n", "column y_m: needs a finite number, not an"),
        ("anchors", "anchor,x_m,y_m,z_m\nA,0,0,0\nA,0,0,0\n", "line 3, column anchor: 'A' stands"),
        ("truth", "tag,t_s,x_m,y_m,z_m\n7,0,nan,0,0\n", "truth.csv, line 2, column x_m: needs"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, file: str, text: str, told: str) -> None:
    folder = recording(tmp_path)
    (folder / f"{file}.csv").write_text(text)
    with pytest.raises(RecordingError) as raised:
        read_recording(folder)
    assert told in str(raised.value)


def test_missing_and_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"anchors.csv: no such file"):
        read_recording(tmp_path)
    recording(tmp_path)
    (tmp_path / "ranges.csv").write_bytes(b"t_s,tag,anchor,range_m\n0,\xff,A1,1\n")
    with pytest.raises(RecordingError, match="not a CSV file in UTF-8"):
        read_recording(tmp_path)
    (tmp_path / "ranges.csv").unlink()
    (tmp_path / "ranges.csv").mkdir()
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(tmp_path)
