"""A worker process: reads fleets as JSON lines, computes them, writes progress and records as JSON lines.

Records are written as cells end; a line that says so ends a fleet. A line that tells it to stop has the present fleet,
and any other, stop at the next pause and be held in a checkpoint.
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
    stop = threading.Event()
    threading.Thread(target=read_messages, args=(sys.stdin, waiting, stop), daemon=True).start()
    serve(waiting, messages, stop)


def read_messages(source: IO[str], waiting: SimpleQueue[dict[str, Any]], stop: threading.Event) -> None:
    """Pass messages on; without a parent there is nobody to work for."""
    for line in source:
        message = json.loads(line)
        if message.get("stop"):
            stop.set()
        else:
            waiting.put(message)
    if os.getpgrp() == os.getpid():  # the leader of a group, as the executor hires it: what plugins started ends too
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def serve(waiting: SimpleQueue[dict[str, Any]], messages: IO[str], stop: threading.Event) -> None:
    """Set up once, then compute fleet after fleet."""
    from pathlib import Path

    import torch
    import torch._dynamo  # which PyTorch imports at the first operation on the meta device, and takes a second for

    from ticketbench.engine.checkpoint import SECONDS, Keeper, Stopped
    from ticketbench.engine.execute import execute
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.resolve import Resolver
    from ticketbench.plugin.loading import load_plugins
    from ticketbench.store.checkpoints import checkpoint_file
    from ticketbench.suite.suite import Headline

    setup = waiting.get()
    torch.set_num_threads(setup["threads"])
    torch.set_flush_denormal(True)
    resolver = Resolver(load_plugins(**setup["plugins"]))
    headlines = {task: Headline.model_validate(headline) for task, headline in setup["headlines"].items()}
    keep_in = Path(setup["keep_in"]) if setup["keep_in"] else None
    folder = Path(setup["checkpoints"]) if setup.get("checkpoints") else None

    def say(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    say({"ready": True})
    while True:
        job = waiting.get()
        cells = [Cell.from_plain(cell) for cell in job["cells"]]
        keeper = Keeper(
            None if folder is None else checkpoint_file(folder, job["name"]),
            setup.get("save_every", SECONDS),
            setup.get("deadline") or float("inf"),
            stop.is_set,
            lambda line: say({"note": line}),
            job["goes_on"],
        )
        try:
            execute(
                cells,
                resolver,
                headlines.get(cells[0].setting.task.name, headlines[""]),
                job["device"],
                lambda phase, steps: say({"phase": phase, "steps": steps}),
                keep_in,
                seats=job["seats"],
                finished=lambda records: say({"records": [record.as_dict() for record in records]}),
                keeper=keeper,
            )
        except Stopped:
            say({"stopped": True})
        else:
            say({"finished": True})


if __name__ == "__main__":
    work_for_parent()
