"""Measures the worker beside its peers, on real servers, and lets an auditor judge them all."""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from reservation_worker.benchmark.stage import Stalled, stage
from tests.benchmarks.peers.contenders import contenders
from tests.benchmarks.peers.measuring import Plan, measure, warm_up
from tests.benchmarks.peers.report import Failed, Result, as_json, table


def main() -> None:
    """Start the servers once, measure one contender after the other, and print what came of it."""
    everybody = contenders()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm-ups", type=int, default=1, help="runs before those that count")
    parser.add_argument("--orders", type=int, default=10_000, help="of one run of the worker")
    parser.add_argument("--stocks", type=int, default=2_000)
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--kills", type=int, default=3, help="0: no second attempt with SIGKILL")
    parser.add_argument("--seed", type=int, default=1)
    names = [one.name for one in everybody]
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help="who takes part")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    plan = Plan(
        runs=arguments.runs,
        warm_ups=arguments.warm_ups,
        orders=arguments.orders,
        stocks=arguments.stocks,
        accounts=arguments.accounts,
        seed=arguments.seed,
        kills=arguments.kills,
    )
    results: list[Result] = []
    begun = monotonic()
    with TemporaryDirectory() as directory, stage(Path(directory)) as found:
        warm_up(found, everybody[0], plan)
        for contender in everybody:
            if contender.name not in arguments.peers:
                continue
            at_seconds = round(monotonic() - begun)
            sys.stderr.write(f"{contender.name}: {contender.what} (after {at_seconds} s)\n")
            try:
                results.append(Result(contender, measure(found, contender, plan)))
            except Stalled as error:
                results.append(Result(contender, Failed(str(error))))
            sys.stderr.write(table(results[-1:], markdown=False) + "\n")
    if arguments.json:
        print(json.dumps(as_json(results, plan, os.cpu_count() or 0)))
    else:
        print(table(results, markdown=arguments.markdown))


if __name__ == "__main__":
    main()
