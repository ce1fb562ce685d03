"""A worker process: reads fleets as JSON lines, computes them, writes progress and records as JSON lines.

Records are written as cells end; a line that says so ends a fleet.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any


def work_for_parent() -> None:
    """Serve until standard input ends, which also happens when the parent dies."""
    # what plugins print goes to standard error; the private copy carries the messages
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=read_messages, args=(sys.stdin, waiting), daemon=True).start()
    serve(waiting, messages)


def read_messages(source: IO[str], waiting: SimpleQueue[dict[str, Any]]) -> None:
    """Pass messages on; without a parent there is nobody to work for."""
    for line in source:
        waiting.put(json.loads(line))
    if os.getpgrp() == os.getpid():  # the leader of a group, as the executor hires it: what plugins started ends too
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def serve(waiting: SimpleQueue[dict[str, Any]], messages: IO[str]) -> None:
    """Set up once, then compute fleet after fleet."""
    import torch

    setup = waiting.get()
    torch.set_num_threads(setup["threads"])
    torch.set_flush_denormal(True)

    from pathlib import Path

    from ticketbench.engine.execute import execute
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.resolve import Resolver
    from ticketbench.plugin.loading import load_plugins
    from ticketbench.suite.suite import Headline

    resolver = Resolver(load_plugins(**setup["plugins"]))
    headlines = {task: Headline.model_validate(headline) for task, headline in setup["headlines"].items()}
    keep_in = Path(setup["keep_in"]) if setup["keep_in"] else None

    def say(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    say({"ready": True})
    while True:
        job = waiting.get()
        cells = [Cell.from_plain(cell) for cell in job["cells"]]
        execute(
            cells,
            resolver,
            headlines.get(cells[0].setting.task.name, headlines[""]),
            job["device"],
            lambda phase, steps: say({"phase": phase, "steps": steps}),
            keep_in,
            seats=job["seats"],
            finished=lambda records: say({"records": [record.as_dict() for record in records]}),
        )
        say({"finished": True})


if __name__ == "__main__":
    work_for_parent()
