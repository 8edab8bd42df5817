"""A hub on this machine, for the real client."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as its client asks for: the list of branches, and files by branch or commit."""

    root: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        if path == "/api/models/lab/tiny/refs":
            branches = [
                {"name": p.name, "ref": f"refs/heads/{p.name}", "targetCommit": _commit(p.name)}
                for p in sorted(self.root.iterdir())
            ]
            self.answer(json.dumps({"branches": branches, "tags": [], "converts": []}).encode(), {})
        elif found := re.fullmatch("/api/models/lab/tiny/revision/([^/]+)", path):
            self.answer(json.dumps(self.about(_branch(found[1]))).encode(), {})
        else:
            self.file(path.split("/"))

    def about(self, branch: str) -> dict[str, object]:
        files = sorted((self.root / branch).iterdir())
        sizes = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        return {"id": "lab/tiny", "sha": _commit(branch), "siblings": sizes}

    def file(self, parts: list[str]) -> None:
        file = self.root / "absent"
        if parts[3:4] == ["resolve"] and len(parts) > 5:
            file = self.root / _branch(parts[4]) / "/".join(parts[5:])
        if not file.is_file():
            self.answer(b"{}", {"X-Error-Code": "EntryNotFound" if parts[1] == "lab" else "RepoNotFound"}, 404)
            return
        commit = _commit(_branch(parts[4]))
        self.answer(file.read_bytes(), {"X-Repo-Commit": commit, "ETag": f'"{commit}{file.name}"'})

    def answer(self, body: bytes, headers: dict[str, str], code: int = 200) -> None:
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def _commit(branch: str) -> str:
    return branch.encode().hex().ljust(40, "0")


def _branch(revision: str) -> str:
    """The branch of a commit, whose number is its name, or of itself."""
    if not re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    return bytes.fromhex(revision).rstrip(b"\0").decode()


@contextmanager
def serving(root: Path, home: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Serve a folder with one subfolder a branch; gives the environment for the client, and what was asked for."""
    handler = type("Here", (Hub,), {"root": root, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(home / "hub"),
            "XDG_CACHE_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
        }
        yield {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | there, handler.asked
        server.shutdown()
