"""The other process: reads tasks, does them, writes what came of them.

It ends when whoever started it does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_scfm.analysis.apart.tasks import Tasks, UnknownNetworkError
from napari_scfm.analysis.apart.wire import receive, send
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from typing import IO

    from napari_scfm.progress import Progress


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Do task after task until there are no more."""
    tasks = Tasks()

    def tell(one: Progress) -> None:
        said = {"done": one.done, "total": one.total, "message": one.message}
        send(sink, {"kind": "progress"} | said)

    send(sink, {"kind": "ready"})
    while True:
        try:
            head, arrays = receive(source)
        except EOFError:
            return
        try:
            made = tasks.do(head["task"], head["numbers"], arrays, tell)
        except UnknownNetworkError:
            send(sink, {"kind": "unknown"})
        except ScfmError as error:
            told = {"message": error.message, "action": error.action}
            send(sink, {"kind": "error"} | told)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            send(sink, {"kind": "error", "message": text, "action": ""})
        else:
            send(sink, {"kind": "done"}, made)


def main() -> None:
    """Serve on standard input and output, which libraries must not print to."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(source, sink)


if __name__ == "__main__":
    main()
