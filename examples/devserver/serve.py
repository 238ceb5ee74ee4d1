#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Serve a WSGI application and restart it when its files change.

    python3 serve.py [--host HOST] [--port PORT] [--dir DIR] MODULE:APPLICATION

As uvicorn's and werkzeug's reloaders, two processes: a parent, which owns the
listening socket and asks sincefs, and a child, which serves. The socket stays
open during a restart, so that a request that comes then waits instead of being
refused, and the reply is made by the new code.

SincefsReload has the interface of the reloaders of uvicorn
(uvicorn.supervisors.basereload), for those who run that:

    class Reload(SincefsReload, BaseReload): pass
    Reload(config, target=server.run, sockets=[config.bind_socket()]).run()
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, List, Optional, Sequence
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import sincefs
from sincefs.reload import drop_bytecode

import reload_loop


class SincefsReload:
    """uvicorn's question "which files changed since you last said?", answered
    by a mount: should_restart() returns paths, or None."""

    def __init__(self, config: Any, *arguments: Any, **more: Any) -> None:
        if super().__init__.__qualname__ != "object.__init__":
            super().__init__(config, *arguments, **more)  # uvicorn's
        self.config = config
        self.reloader_name = "sincefs"
        self._sources = [
            (sincefs.Connection(str(directory)),
             reload_loop.RestartLoop(str(directory), [], names=list(
                 getattr(config, "reload_includes", None) or ["*.py"])))
            for directory in config.reload_dirs]
        self._tokens = [connection.token()
                        for connection, _ in self._sources]

    def should_restart(self) -> Optional[List[Path]]:
        """The changed files, or None. Where anything may have changed, the
        directory itself."""
        found: List[Path] = []
        for index, (connection, loop) in enumerate(self._sources):
            answer = connection.since(self._tokens[index])
            self._tokens[index] = answer.token
            if answer.fresh:
                found.append(Path(loop.directory))
            found += [Path(change.path) for change in answer.changes
                      if loop.relevant(change)]
        drop_bytecode(str(path) for path in found if path.suffix == ".py")
        return found or None

    def close(self) -> None:
        """Let go of the mounts."""
        for connection, _ in self._sources:
            connection.close()


class _Server(WSGIServer):
    """A server on a socket that is listened on already."""

    def __init__(self, listener: socket.socket, application: Any) -> None:
        super().__init__(listener.getsockname()[:2], WSGIRequestHandler,
                         bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self.set_app(application)


def _serve(fd: int, name: str) -> None:
    """The child."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())
    application = getattr(importlib.import_module(module),
                          attribute or "application")
    with _Server(socket.socket(fileno=fd), application) as server:
        # The request that is being served is served to its end; what waits
        # in the queue is the next child's.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(
            target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Serve a WSGI application; restart it when it changes.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--dir", default=".", help="what to watch (.)")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("application", metavar="MODULE:APPLICATION")
    options = parser.parse_args(arguments)
    if options.child is not None:
        _serve(options.child, options.application)
        return 0
    with socket.create_server((options.host, options.port),
                              backlog=128) as listener:
        print("serving on http://%s:%d" % listener.getsockname()[:2],
              flush=True)
        command = [sys.executable, os.path.abspath(__file__), "--child",
                   str(listener.fileno()), options.application]
        return reload_loop.run(reload_loop.RestartLoop(
            options.dir, command, names=["*.py"],
            pass_fds=[listener.fileno()], say=reload_loop.say))


if __name__ == "__main__":
    sys.exit(main())
