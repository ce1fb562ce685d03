"""Worker processes that are started before there is anything to do."""

from __future__ import annotations

from ticketbench.cli.run import end_all
from ticketbench.executors.local import LocalExecutor
from ticketbench.executors.process import Process


def test_a_process_that_finds_nothing_to_do_ends():
    """With its group, and with the file of what it had to say."""
    started = [Process.start(), Process.start()]
    processes = list(started)
    end_all(started)
    assert started == []
    assert all(one.process.poll() is not None and one.errors.closed for one in processes)


def test_an_executor_takes_what_was_started_before_it_starts_another():
    """A worker is told what it has to know whenever it was started, and says that it is ready."""
    started = [Process.start()]
    pid = started[0].process.pid
    executor = LocalExecutor(("cpu", "cpu"), started=started)
    setup = {"plugins": {"files": (), "blocked": ()}, "headlines": {"": {"metric": "accuracy"}}, "keep_in": ""}
    workers = [executor.hire("cpu", setup) for _ in range(2)]
    try:
        assert [worker.process.pid == pid for worker in workers] == [True, False]
        assert started == []
        said = [executor._messages.get(timeout=100) for _ in workers]
        assert all(message.get("ready") for _, message in said), [worker.last_words() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.errors.close()
