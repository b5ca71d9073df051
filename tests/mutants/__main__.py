"""Plant bugs in copies of the tree, one at a time, and see which test turns red.

The working tree is not touched. A mutant whose text the code no longer has cannot be planted: that
is an error as well, and shows the text that is nearest.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.mutants.planting import ROOT as TREE
from tests.mutants.planting import CannotBePlanted, Mutant, planted, read_mutants
from tests.mutants.reporting import summary, table, write_report
from tests.mutants.running import Copy, Verdict

TESTS_ARE_RED, USAGE, SURVIVED = 1, 2, 5
"""Exit codes."""
JOBS_MAX = 2
TIMEOUT_SECONDS = 240.0
FIRST_RUN_SECONDS = 1_800.0
"""Of the tests of all mutants together."""


def main() -> int:
    """Run what is asked for; return the exit code."""
    arguments = _arguments()
    mutants = read_mutants()
    known = {one.name for one in mutants}
    unknown = sorted(set(arguments.names) - known)
    if unknown:
        sys.stderr.write(f"There is no mutant of the name {', '.join(unknown)}.\n")
        return USAGE
    if arguments.report and arguments.names:
        sys.stderr.write("A report is of all mutants: name none.\n")
        return USAGE
    chosen = tuple([one for one in mutants if not arguments.names or one.name in arguments.names])
    if arguments.list:
        sys.stdout.writelines(f"{one.name}: {one.breaks}\n" for one in chosen)
        return 0
    if not _all_can_be_planted(chosen):
        return SURVIVED
    if arguments.check:
        return 0
    with TemporaryDirectory(prefix="mutants-") as directory:
        copies = [
            Copy(_made(Path(directory) / str(number)), arguments.timeout)
            for number in range(arguments.jobs)
        ]
        try:
            if not arguments.without_first_run and not _green_without_mutants(copies[0], chosen):
                return TESTS_ARE_RED
            verdicts = _judged(chosen, copies)
        finally:
            for copy in copies:
                copy.end()
    sys.stdout.write(f"\n{table(chosen, verdicts)}\n\n{summary(verdicts)}\n")
    if arguments.report:
        write_report(chosen, verdicts)
    return 0 if all(one.killed_by for one in verdicts.values()) else SURVIVED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to plant; none: all of them")
    parser.add_argument("--jobs", type=int, default=1, choices=range(1, JOBS_MAX + 1))
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds of one")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    parser.add_argument("--check", action="store_true", help="only see that all can be planted")
    parser.add_argument("--report", action="store_true", help="write docs/guarantees.md's table")
    parser.add_argument(
        "--without-first-run", action="store_true", help="take it that the tests are green now"
    )
    return parser.parse_args()


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _all_can_be_planted(mutants: tuple[Mutant, ...]) -> bool:
    """Say of each mutant that the code has outgrown where its text may be now."""
    can = True
    for mutant in mutants:
        try:
            planted(TREE, mutant.edits)
        except CannotBePlanted as problem:
            can = False
            sys.stderr.write(f"{mutant.name} cannot be planted: {problem}\n\n")
    return can


def _green_without_mutants(copy: Copy, mutants: tuple[Mutant, ...]) -> bool:
    """Run all tests once as the code is: one that is red anyhow would kill every mutant."""
    tests = sorted({test for one in mutants for test in one.tests})
    sys.stderr.write(f"first, {len(tests)} files of tests as the code is ...\n")
    verdict = copy.run(tests, FIRST_RUN_SECONDS)
    if verdict == Verdict():
        return True
    sys.stderr.write(f"not green without any mutant: {verdict.text}\n")
    return False


def _judged(mutants: tuple[Mutant, ...], copies: list[Copy]) -> Mapping[str, Verdict]:
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judge(mutant: Mutant) -> Verdict:
        copy, begun = free.get(), time.monotonic()
        try:
            verdict = copy.judge(mutant)
        finally:
            free.put(copy)
        seconds = time.monotonic() - begun
        sys.stderr.write(f"{mutant.name}: {verdict.text} ({seconds:.0f} s)\n")
        return verdict

    with ThreadPoolExecutor(len(copies)) as pool:
        futures = {pool.submit(judge, one): one.name for one in mutants}
        try:
            verdicts = {futures[one]: one.result() for one in as_completed(futures)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in copies:
                copy.end()
            raise
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
