"""Recordings: what is read, and that each mistake is told with file, line and column."""

from pathlib import Path

import numpy as np
import pytest

from hil_sim.roadway_trial import roadway_trial
from hil_sim.trial_folder import write_trial
from positioning.observation import Kind
from positioning.recording import RecordingError, read_recording
from positioning.roadway import Roadways

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


MAP = """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "roadway", "id": "drift", "width_m": 4},
 "geometry": {"type": "LineString", "coordinates": [[0, 0, 0], [100, 0, 0]]}},
{"type": "Feature", "properties": {"kind": "roadway", "id": "adit", "width_m": 4},
 "geometry": {"type": "LineString", "coordinates": [[100, 0, 0], [200, 0, 0]]}},
{"type": "Feature", "properties": {"kind": "anchor", "id": "A2"},
 "geometry": {"type": "Point", "coordinates": [50, 1, 2]}},
{"type": "Feature", "properties": {"kind": "reader", "id": "R1", "radius_m": 8},
 "geometry": {"type": "Point", "coordinates": [60, 1, 2]}}
]}
"""
SIGHTINGS = "t_s,tag,reader,rssi_dbm,side\n0.2,8,R1,-70.5,-1\n0.05,7,R1,,\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = "map.geojson" if name == "map" else f"{name}.csv"
        (folder / file).write_text(text)
    return folder


def test_devices_without_a_table_are_those_of_the_map(tmp_path: Path) -> None:
    ranges = "t_s,tag,anchor,range_m\n0,7,A2,1\n"
    (run,) = read_recording(write(tmp_path, map=MAP, ranges=ranges, sightings=SIGHTINGS))
    assert run.map is not None
    assert (run.anchors, run.anchors_m.tolist()) == (("A2",), [[50, 1, 2]])
    assert [(r.id, r.radius_m) for r in run.readers] == [("R1", 8)]
    assert run.readers_m.tolist() == [[60, 1, 2]]
    assert run.tags == ("7", "8")
    assert run.sightings["card"].tolist() == [1, 0]
    assert run.sightings["side"].tolist() == [-1, 0]
    assert run.sightings["rssi_dbm"][0] == -70.5
    assert np.isnan(run.sightings["rssi_dbm"][1])


def test_the_map_of_a_run_has_the_devices_of_the_tables(tmp_path: Path) -> None:
    readers = "reader,x_m,y_m,z_m,radius_m,heading_deg\nR7,1,2,3,12,90\nR1,4,5,6,,\n"
    write(tmp_path, map=MAP, sightings=SIGHTINGS, readers=readers)
    (run,) = read_recording(recording(tmp_path))
    assert run.map is not None
    assert tuple(a.id for a in run.map.anchors) == run.anchors == ("A1", "A2")
    assert run.map.readers == run.readers
    assert run.readers[0].heading_deg == 90
    assert run.readers[1].heading_deg is None
    assert run.readers[1].radius_m > 0
    assert run.sightings["reader"].tolist() == [1, 1]


def test_truth_knows_roadway_and_chainage_where_there_is_a_map(tmp_path: Path) -> None:
    truth = "tag,t_s,x_m,y_m,z_m,roadway,chainage_m\n7,1,110,0,1,adit,10\n7,0,5,0,1,,\n"
    (run,) = read_recording(recording(tmp_path, truth=truth))
    assert run.truth is not None
    assert run.truth.roadway is None
    assert run.truth.chainage_m is None
    write(tmp_path, map=MAP)
    (run,) = read_recording(tmp_path)
    assert run.truth is not None
    assert run.truth.roadway is not None
    assert run.truth.chainage_m is not None
    assert run.truth.roadway.tolist() == [-1, 1]
    assert np.isnan(run.truth.chainage_m[0])
    assert run.truth.chainage_m[1] == 10


def test_differences_and_places(tmp_path: Path) -> None:
    differences = "t_s,tag,anchor,other,difference_m\n1,7,A2,A1,-3.25\n"
    places = "t_s,tag,x_m,y_m,var_x_m2,cov_xy_m2,var_y_m2\n2,9,1,2,0.5,0.1,0.25\n"
    write(tmp_path, differences=differences, places=places)
    (run,) = read_recording(recording(tmp_path))
    assert run.tags == ("7", "8", "9")
    assert run.differences[["card", "anchor", "other", "difference_m"]].tolist() == [
        (0, 1, 0, -3.25)
    ]
    assert run.places.tolist() == [(2, 2_000_000_000, 1, 2, 0.5, 0.1, 0.25)]


def test_places_alone_are_a_recording(tmp_path: Path) -> None:
    places = "t_s,tag,x_m,y_m,var_x_m2,cov_xy_m2,var_y_m2\n2,9,1,2,0.5,0.1,0.25\n"
    (run,) = read_recording(write(tmp_path, places=places))
    assert (run.anchors, run.readers, len(run.ranges), len(run.places)) == ((), (), 0, 1)
    assert run.anchors_m.shape == run.readers_m.shape == (0, 3)


def test_measurements_are_merged_by_time_and_late_ones_stay_late(tmp_path: Path) -> None:
    ranges = "t_s,tag,anchor,range_m\n0.1,7,A1,1\n0.3,7,A1,2\n0.2,7,A1,3\n0.5,7,A1,4\n"
    sightings = "t_s,tag,reader\n0.1,7,R1\n0.25,7,R1\n0.4,7,R1\n"
    write(tmp_path, map=MAP, sightings=sightings)
    (run,) = read_recording(recording(tmp_path, ranges))
    merged = run.measurements
    times = (merged["t_ns"] / 1e8).tolist()
    assert times == [1, 1, 2.5, 3, 2, 4, 5]
    assert merged["kind"].tolist() == [Kind.RANGE, Kind.SIGHTING, Kind.SIGHTING, 0, 0, 2, 0]
    assert merged["value_m"][merged["kind"] == Kind.RANGE].tolist() == [1, 2, 3, 4]


def test_strengths_with_the_truth_beside_them(tmp_path: Path) -> None:
    rssi = (
        "run,t_s,tag,sensor,rssi_dbm,truth_x_m,truth_y_m,truth_z_m\n"
        "b,0.5,B1,s2,-87,1,2,3\nb,0.25,B1,s1,-70,4,5,6\nb,0.75,B1,s1,-71,,,\na,0,B2,s1,-60,7,8,9\n"
    )
    sensors = "sensor,x_m,y_m,z_m\ns1,0,0,2\ns2,9,0,2\n"
    b, a = read_recording(write(tmp_path, rssi=rssi, sensors=sensors))
    assert (b.name, b.tags, a.name, a.tags) == ("b", ("B1",), "a", ("B2",))
    assert b.sightings["reader"].tolist() == [1, 0, 0]
    assert b.sightings["rssi_dbm"].tolist() == [-87, -70, -71]
    assert b.truth is not None
    assert b.truth.t_ns.tolist() == [250_000_000, 500_000_000]
    assert b.truth.place_m.tolist() == [[4, 5, 6], [1, 2, 3]]
    assert len(b.ranges) == 0
    assert [reader.id for reader in a.readers] == ["s1", "s2"]


def test_a_truth_of_its_own_replaces_that_beside_strengths(tmp_path: Path) -> None:
    rssi = "t_s,tag,sensor,rssi_dbm,truth_x_m,truth_y_m,truth_z_m\n0,B1,s1,-87,1,2,3\n"
    sensors, truth = "sensor,x_m,y_m,z_m\ns1,0,0,2\n", "tag,t_s,x_m,y_m,z_m\nB1,0,6,6,6\n"
    (run,) = read_recording(write(tmp_path, rssi=rssi, sensors=sensors, truth=truth))
    assert run.truth is not None
    assert run.truth.place_m.tolist() == [[6, 6, 6]]


def test_a_simulated_trial_is_read_as_it_was_made(tmp_path: Path) -> None:
    trial = roadway_trial(2, cards=4, duration_s=300.0, readers=False)
    write_trial(trial, tmp_path)
    (run,) = read_recording(tmp_path)
    assert run.map is not None
    assert run.anchors == tuple(anchor.id for anchor in trial.mine.anchors)
    assert run.ranges["t_ns"].tolist() == trial.ranges["t_ns"].tolist()
    assert [run.tags[card] for card in run.ranges["card"]] == [
        trial.tags[card] for card in trial.ranges["card"]
    ]
    assert np.abs(run.ranges["range_m"] - trial.ranges["range_m"]).max() < 1e-4
    assert run.truth is not None
    assert run.truth.chainage_m is not None
    assert run.truth.roadway is not None
    assert len(run.truth.card) == 4 * 3000
    centre_m = Roadways(run.map.roadways).nearest(run.truth.place_m[:, :2])
    inner = np.abs(centre_m.chainage_m - run.truth.chainage_m) < 3.0
    assert (centre_m.roadway == run.truth.roadway).mean() > 0.98
    assert inner.mean() > 0.98


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"sightings": SIGHTINGS}, "readers.csv: no such file; sightings.csv needs it"),
        ({"sightings": "t_s,tag,reader\n0,7,R9\n"}, "column reader: 'R9' is not in map.geojson"),
        ({"sightings": "t_s,tag,reader,side\n0,7,R1,2\n"}, "line 2, column side: is -1, 0 or 1"),
        ({"sightings": "t_s,tag\n"}, "sightings.csv, line 1, column reader: is missing"),
        (
            {"differences": "t_s,tag,anchor,other,difference_m\n0,7,A1,A1,0\n"},
            "line 2, column other: needs another anchor",
        ),
        (
            {"differences": "t_s,tag,anchor,other,difference_m\n0,7,A1,A9,0\n"},
            "differences.csv, line 2, column other: 'A9' is not in anchors.csv",
        ),
        ({"places": "t_s,tag,x_m,y_m,var_x_m2\n"}, "column cov_xy_m2: is missing"),
        ({"readers": "reader,x_m,y_m,z_m\nR,1,2,3\nR,1,2,3\n"}, "line 3, column reader: 'R' st"),
        ({"readers": "reader,x_m,y_m,z_m,radius_m\nR,1,2,3,-4\n"}, "line 2, column radius_m: -4"),
        ({"sensors": "sensor,x_m,y_m,z_m,heading_deg\nS,1,2,3,inf\n"}, "column heading_deg: inf"),
        ({"truth": "tag,t_s,x_m,y_m,z_m,roadway,chainage_m\n7,0,0,0,0,x,1\n"}, "'x' is no roadway"),
        ({"map": '{"type": "FeatureCollection",\n"features": 3}'}, "map.geojson, line 2: features"),
        ({"ranges": "t_s,tag,anchor,range_m,t_s\n"}, "line 1, column t_s: stands here twice"),
    ],
)
def test_a_mistake_in_what_is_new_is_told(tmp_path: Path, files: dict[str, str], told: str) -> None:
    folder = recording(tmp_path)
    if "readers.csv: no" not in told:
        write(folder, map=MAP)
    write(folder, **files)
    with pytest.raises(RecordingError) as raised:
        read_recording(folder)
    assert told in str(raised.value)


def test_a_map_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    recording(tmp_path)
    (tmp_path / "map.geojson").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingError, match=r"map.geojson: is not text in UTF-8"):
        read_recording(tmp_path)
    (tmp_path / "map.geojson").unlink()
    (tmp_path / "map.geojson").mkdir()
    with pytest.raises(RecordingError, match=r"map.geojson: cannot be read"):
        read_recording(tmp_path)
