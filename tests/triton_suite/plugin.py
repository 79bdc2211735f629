"""A pytest plugin: a seeded share of the collected items, and a line of JSON for each item's outcome.

Items run in the order of a hash of their names and the seed, so that a run that ends early is a random sample too.
"""

import hashlib
import json
import signal
import time
from pathlib import Path

import pytest
from outcomes import read


def pytest_addoption(parser):
    group = parser.getgroup("warpbook")
    group.addoption("--share", type=int, default=1, help="run one in SHARE of the items")
    group.addoption("--seed", type=int, default=1, help="chooses which items, and their order")
    group.addoption("--results", help="file of outcomes, a line of JSON each; items that have passed in it are left out")
    group.addoption("--item-seconds", type=int, default=0, help="longest time of one item")
    group.addoption("--until", type=float, default=0, help="seconds since 1970 after which no further item begins")


def place(item, seed):
    return int.from_bytes(hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest()[:8], "little")


def pytest_collection_modifyitems(config, items):
    seed, share = config.getoption("--seed"), config.getoption("--share")
    last = {result["item"]: result["outcome"] for result in read(config.getoption("--results"))}
    chosen = [item for item in items if place(item, seed) % share == 0 and last.get(item.nodeid, "failed") == "failed"]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    # The remainder decides the share, so the order goes by the quotient.
    items[:] = sorted(chosen, key=lambda item: place(item, seed) // share)


def pytest_runtest_setup(item):
    until = item.config.getoption("--until")
    if until and time.time() > until:
        item.session.shouldstop = "the time is used up"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    seconds = item.config.getoption("--item-seconds")

    def late(*_):
        raise TimeoutError(f"the item took longer than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def pytest_configure(config):
    # With several processes, the one that hands out the items hears of every outcome.
    if config.getoption("--results") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(Path(config.getoption("--results"))))


class Writer:
    """Writes each outcome as soon as it is known."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a")

    def pytest_runtest_logreport(self, report):
        # An item is told of up to three times: a passed setup or teardown says nothing.
        if report.when != "call" and report.outcome == "passed":
            return
        text = "" if report.outcome == "passed" else reason(report)
        line = {"item": report.nodeid, "outcome": report.outcome, "when": report.when, "seconds": round(report.duration, 3)}
        if hasattr(report, "wasxfail"):
            line["xfail"] = report.wasxfail
        self.file.write(json.dumps(line | {"reason": text}) + "\n")
        self.file.flush()


def reason(report):
    """Why an item was skipped, or the end of its traceback."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    return str(report.longrepr)[-3000:]
