"""Run commands in one child process that may take only so much memory and time, and tell how each of them ended.

    python child.py < jobs.json        one JSON object a line: {"code", "out", "err", "seconds"}

Jobs are {"memory_mb": 2000, "seconds": 30, "commands": [[word, ...], ...]}. A command that takes longer ends the child:
what hangs in a library cannot be trusted to go on.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import resource
import sys
import time
from typing import Any


def run(words: list[str]) -> dict[str, Any]:
    """Run one command in this process."""
    from pianomuse.cli import main

    out, err = io.StringIO(), io.StringIO()
    begun = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": time.process_time() - begun}


def work() -> None:
    """Do the jobs that stand on stdin."""
    jobs = json.load(sys.stdin)
    limit = jobs["memory_mb"] * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for words in jobs["commands"]:
        faulthandler.dump_traceback_later(jobs["seconds"], exit=True)
        print(json.dumps(run(words)), flush=True)
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    work()
