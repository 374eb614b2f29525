"""Whether a soak can fail: small bugs all over the mine core, and how many of them it finds.

    ./run bench mutants [N] [--seed S] [--module NAME] [--minutes M] [--soaks K] [--again FILE]

N bugs (200), spread by the seed over the modules of gateway/mine by their size, are planted one at
a time, each in a process of its own, and short soaks look for them. A bug is caught when a soak
finds a broken law or something that is not true, when the core fails, or when it does not come to
an end. They are planted where the soaks come at all; how much of each module that is, is shown too.
Bugs come in any order: where it ends after M minutes, those that were judged are a fair share.
FILE holds what a former run has shown: those bugs that it did not find are planted again.
The last line is JSON: `planted`, `caught`, `share`, `reached`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process is one core

import argparse
import functools
import hashlib
import importlib
import json
import math
import re
import resource
import select
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]  # benchmarks are not installed

import numpy as np
import rustworkx

from bench.left_out import is_excluded
from bench.mutation import Edit, reached_edits
from bench.planting import Planter, Reach, listen, modules

PLANTED: Final = 200
WORKERS: Final = 2
#: A run that takes so many times as long as one without a bug does not come to an end.
PATIENCE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Bug:
    """One edit of one module."""

    module: str
    number: int
    edit: Edit

    def text(self) -> str:
        """Where it is, what it was and what it became."""
        edit = self.edit
        at = f"gateway/mine/{self.module.replace('.', '/')}.py:{edit.line}"
        return f"{at} {edit.kind}: {_short(edit.before)}  ->  {_short(edit.after)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What found a bug, or nothing; `digest` is of all that the core told."""

    found: str
    digest: str
    cpu_s: float


def soaks() -> tuple[str, str]:
    """Runs the short soaks on the core as it is imported: what was found, and the digest."""
    from gateway.mine import core
    from gateway.soak.plan import SoakSettings
    from gateway.soak.run import run

    remember()
    warnings.simplefilter("ignore")  # a bug may make numbers overflow
    digest = hashlib.sha256()
    listen(core.Mine, digest)
    for given in _ASKED:
        outcome = run(SoakSettings(**given, **DENSE), violations_most=1)
        if outcome.violations:
            return outcome.violations[0].complaint.law, digest.hexdigest()
        if outcome.false_pairs:
            return "false pair", digest.hexdigest()
    return "", digest.hexdigest()


#: In runs as short as these all has to happen, and second cores go along all the time.
DENSE: Final[dict[str, Any]] = {
    "oftener_most": 10.0,
    "act_gap_s": 0.8,
    "rebuild_every": 60,
    "shadow_every": 45,
    "shift_min": 2,
    "muster_most_s": 60.0,
}
#: The short soaks; the last takes three times as long as the others, and finds few bugs more.
SOAKS: Final[tuple[dict[str, Any], ...]] = (
    {"hours": 0.12, "people": 24, "seed": 3, "shift_h": 0.2},
    {"hours": 0.04, "people": 30, "seed": 1, "borders": True},
    {"hours": 0.14, "people": 18, "seed": 17, "shift_h": 0.2},
    {"hours": 0.4, "people": 24, "seed": 8, "shift_h": 0.2},
)
#: Those of them that are asked for.
_ASKED: Final = [*SOAKS]


def in_child(work: Callable[[], Any], cpu_most_s: float | None = None) -> tuple[int, int]:
    """Runs `work` in a process of its own: its id, and where its result can be read, as JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    try:
        os.close(reader)
        if cpu_most_s is not None:
            most = int(cpu_most_s) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(work()).encode())
    except Exception:  # noqa: BLE001  # it is shown, and the parent gets no result
        traceback.print_exc()
    finally:
        os._exit(0)


def judge(bug: Bug) -> dict[str, Any]:
    """In a child: the verdict on a bug."""
    sys.meta_path.insert(0, Planter(bug.module, bug.number))
    digest = ""
    try:
        found, digest = soaks()
    except BaseException as error:  # noqa: BLE001  # whatever a bug brings about has found it
        found = f"fails: {type(error).__name__}"
    return {"found": found, "digest": digest, "cpu_s": time.process_time()}


def survey() -> dict[str, Any]:
    """In a child: where the soaks come, without a bug, and what the core tells then."""
    reach = Reach()
    for name in modules():
        importlib.import_module(f"gateway.mine.{name}")
    sys.settrace(reach.trace)
    found, digest = soaks()
    sys.settrace(None)
    return {
        "found": found,
        "digest": digest,
        "lines": {module: sorted(lines) for module, lines in reach.lines.items()},
    }


def result_of(reader: int) -> Any:
    """What a child has written; None where it wrote nothing."""
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    return json.loads(text) if text else None


def verdicts(bugs: Sequence[Bug], cpu_most_s: float, end_s: float) -> list[Verdict | None]:
    """What the soaks make of each bug, some at a time; None of those that came after the end."""
    waiting = list(enumerate(bugs))[::-1]
    running: dict[int, tuple[int, int]] = {}
    done: dict[int, Verdict] = {}
    while running or (waiting and time.perf_counter() < end_s):
        while waiting and len(running) < WORKERS and time.perf_counter() < end_s:
            place, bug = waiting.pop()
            child, reader = in_child(functools.partial(judge, bug), cpu_most_s)
            running[reader] = place, child
        for reader in select.select(list(running), [], [])[0]:
            place, child = running.pop(reader)
            result = result_of(reader)
            os.waitpid(child, 0)
            verdict = Verdict(**result) if result else Verdict("no end", "", cpu_most_s)
            done[place] = verdict
            print(
                f"{len(done):4} {verdict.found or 'NOT FOUND':22} {bugs[place].text()}", flush=True
            )
    return [done.get(place) for place in range(len(bugs))]


def chosen(reached: dict[str, list[Bug]], count: int, seed: int) -> list[Bug]:
    """`count` bugs, of each module as many as its share of all that there are, at least one."""
    rng = np.random.default_rng(seed)
    total = sum(len(bugs) for bugs in reached.values())
    picked = []
    for module in sorted(reached):
        bugs = reached[module]
        share = min(max(1, round(count * len(bugs) / total)), len(bugs))
        picked += [bugs[place] for place in sorted(rng.choice(len(bugs), share, replace=False))]
    return [picked[place] for place in rng.permutation(len(picked))]


def missed_before(shown: str, reached: dict[str, list[Bug]]) -> list[Bug]:
    """The bugs that a run which has shown this did not find, wherever their lines are now."""
    known = {_without_line(bug.text()): bug for bugs in reached.values() for bug in bugs}
    lines = [line.partition("NOT FOUND") for line in shown.splitlines()]
    missed = [text.strip() for _, found, text in lines if found]
    return [known[text] for text in map(_without_line, missed) if text in known]


def _without_line(text: str) -> str:
    return re.sub(r":\d+ ", " ", text, count=1)


def where_soaks_come(survey: dict[str, Any]) -> tuple[dict[str, list[Bug]], dict[str, int]]:
    """The bugs that can be planted, by module, and how many a module would have in all."""
    sources = {name: path.read_text() for name, path in modules().items()}
    names = set()
    for module, lines in survey["lines"].items():
        text = sources[module].splitlines()
        for line in lines:
            names.update(re.findall(r"\w+", text[line - 1]))
    reached, all_of = {}, {}
    for module, source in sources.items():
        numbers, every = reached_edits(module, source, set(survey["lines"].get(module, ())), names)
        all_of[module] = sum(not is_excluded(module, edit) for edit in every)
        if numbers:
            reached[module] = [Bug(module, number, every[number]) for number in numbers]
    return reached, all_of


def remember() -> None:
    """Has what the simulator finds out about the map found out once for all children."""
    from gateway.soak.depths import Depths
    from hil_sim.radio import Radio

    for owner, name in ((Depths, "_depths"), (Radio, "_line_of_sight")):
        if not hasattr(getattr(owner, name), "__wrapped__"):
            setattr(owner, name, _once(getattr(owner, name)))


#: What was found out about maps, by what was asked.
_SEEN: Final[dict[bytes, Any]] = {}


def _once(find: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(find)
    def found(self: Any, *arrays: Any) -> Any:
        key = hashlib.sha256(find.__qualname__.encode())
        for array in arrays:
            key.update(array.tobytes())
        if key.digest() not in _SEEN:
            _SEEN[key.digest()] = find(self, *arrays)
        return _SEEN[key.digest()].copy()

    return found


def _one_by_one(graph: Any, cost: Any) -> Any:
    one = rustworkx.dijkstra_shortest_path_lengths
    return {node: one(graph, node, cost) for node in graph.node_indices()}


def warm_up() -> None:
    """Compiles the filter's kernels once, for all children; they import the core anew.

    Ways are found one by one meanwhile: rustworkx would start threads, which no child has.
    """
    from gateway.soak.plan import SoakSettings
    from gateway.soak.run import run

    remember()
    at_once = rustworkx.all_pairs_dijkstra_path_lengths
    rustworkx.all_pairs_dijkstra_path_lengths = _one_by_one  # type: ignore[assignment]  # for now
    for given in _ASKED:
        run(SoakSettings(**given))
    rustworkx.all_pairs_dijkstra_path_lengths = at_once
    for name in [name for name in sys.modules if name.partition(".")[0] == "gateway"]:
        del sys.modules[name]


def main() -> int:
    """Plants, judges and reports."""
    asked = argparse.ArgumentParser(prog="./run bench mutants")
    asked.add_argument("count", nargs="?", type=int, default=PLANTED, metavar="N")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--module", help="only bugs of this module, such as machines.proximity")
    asked.add_argument("--minutes", type=float, default=math.inf, help="end after so long")
    asked.add_argument("--soaks", type=int, default=len(SOAKS), help="with the first so many alone")
    asked.add_argument("--again", type=Path, metavar="FILE", help="what a former run has missed")
    given = asked.parse_args()
    del _ASKED[given.soaks :]
    end_s = time.perf_counter() + given.minutes * 60.0
    warm_up()
    before_s = time.perf_counter()
    child, reader = in_child(survey)
    base = result_of(reader)
    os.waitpid(child, 0)
    if not base or base["found"]:
        print(f"without a bug the soaks must pass: {base and base['found']}", file=sys.stderr)
        return 1
    child, reader = in_child(lambda: (soaks(), time.process_time()))
    (_, digest), cpu_s = result_of(reader)
    os.waitpid(child, 0)
    print(f"surveyed in {time.perf_counter() - before_s:.0f} s; the soaks take {cpu_s:.1f} s")
    reached, all_of = where_soaks_come(base)
    if given.module:
        reached = {given.module: reached.get(given.module, [])}
        all_of = {given.module: all_of[given.module]}
    again = missed_before(given.again.read_text(), reached) if given.again else None
    bugs = chosen(reached, given.count, given.seed) if again is None else again
    judged = [
        (bug, verdict)
        for bug, verdict in zip(bugs, verdicts(bugs, PATIENCE * cpu_s, end_s), strict=True)
        if verdict
    ]
    report(judged, reached, all_of, digest)
    return 0


def report(
    judged: Sequence[tuple[Bug, Verdict]],
    reached: dict[str, list[Bug]],
    all_of: dict[str, int],
    digest: str,
) -> None:
    """By module, then what was not found, then all in a line of JSON."""
    planted = Counter(bug.module for bug, _ in judged)
    caught = Counter(bug.module for bug, one in judged if one.found)
    print("\nmodule                    caught planted   places reached of all")
    for module, count in all_of.items():
        if not count:
            continue
        come = len(reached.get(module, ()))
        print(f"{module:25} {caught[module]:6} {planted[module]:7}   {come:6} of {count}")
    print("\nby what they were found:")
    for found, count in Counter(one.found for _, one in judged if one.found).most_common():
        print(f"{count:5} {found}")
    print("\nnot found:")
    for bug, one in sorted(judged, key=lambda pair: (pair[0].module, pair[0].edit.line)):
        if not one.found:
            same = " (nothing that is told or kept was another)" if one.digest == digest else ""
            print(f"{bug.text()}{same}")
    total = sum(caught.values())
    changed = sum(bool(one.found) or one.digest != digest for _, one in judged)
    print(f"\n{changed} of {len(judged)} bugs changed what is told or kept: a digest shows these")
    summary = {
        "planted": len(judged),
        "caught": total,
        "share": round(total / len(judged), 3),
        "share_of_changes": round(total / max(changed, 1), 3),
        "changed": round(changed / len(judged), 3),
        "reached": round(sum(map(len, reached.values())) / sum(all_of.values()), 3),
        "cpu_s_mean": round(sum(one.cpu_s for _, one in judged) / len(judged), 2),
    }
    print(json.dumps(summary))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}..."


if __name__ == "__main__":
    sys.exit(main())
