"""A marketplace that speaks only the base table of the protocol, and breaks it when told to.

Written from the protocol's first table alone, on the standard library, with nothing of node3nb:
a provider that works against it works against marketplaces that never heard of ours.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import uuid
import weakref
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from support.base_calls import CALLS, Answer, agent_of
from support.base_faults import Fault


@dataclass(frozen=True, slots=True)
class Call:
    """A request that came in."""

    #: GET, POST, PUT, …
    method: str
    #: Path without the query.
    path: str
    #: Headers, names in lower case.
    headers: dict[str, str]
    #: What the body said in JSON; None when it said nothing or no JSON.
    json: Any
    #: The body.
    body: bytes


@dataclass
class Job:
    """A job and what has become of it."""

    #: The job as it is offered.
    wire: dict[str, Any]
    #: available, accepted, completed or failed.
    status: str = "available"
    #: Agent that accepted it; None before.
    agent_id: str | None = None
    #: Bodies of the accept calls that succeeded.
    accepted: list[Any] = field(default_factory=list)
    #: Bodies of the complete calls that succeeded.
    completed: list[Any] = field(default_factory=list)
    #: Bodies of the fail calls that succeeded.
    failed: list[Any] = field(default_factory=list)


class BaseMarketplace:
    """The server, between entering and leaving (or `start` and `stop`).

    Parameters
    ----------
    check_keys
        Whether calls of agents need the key that registration gave; not every server checks.
    """

    def __init__(self, *, check_keys: bool = True) -> None:
        self.check_keys = check_keys
        self.admin_key = uuid.uuid4().hex
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.jobs: dict[str, Job] = {}
        self.agents: dict[str, dict[str, Any]] = {}
        self.calls: list[Call] = []
        self.inputs: dict[str, bytes] = {}
        self.outputs: dict[str, bytes] = {}
        self._faults: list[tuple[re.Pattern[str], deque[Fault]]] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen; what is known from before is still known."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.marketplace = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end every connection, as a server that is down."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections()
            self._server = None

    def add_job(self, command: list[str], **fields: Any) -> str:
        """Offer a job and return its id; the fields are those of the wire."""
        job_id = fields.pop("job_id", None) or f"job-{uuid.uuid4().hex[:12]}"
        wire = {
            "job_id": job_id,
            "job_type": "computation",
            "docker_image": "python:3.11-slim",
            "command": command,
            "environment": {},
            "gpu_memory_required": 0,
            "estimated_duration": 1,
            "reward": 1.5,
            "timeout": 60,
            "input_data_url": "",
            "output_upload_url": "",
            **fields,
        }
        self.add_wire(job_id, wire)
        return job_id

    def add_wire(self, job_id: str, wire: Any) -> None:
        """Offer anything at all as a job."""
        with self.changed:
            self.jobs[job_id] = Job(wire)

    def serve_input(self, name: str, content: bytes) -> str:
        """Serve an input file and return its URL."""
        self.inputs[name] = content
        return f"{self.url}/inputs/{name}"

    def output_url(self, name: str) -> str:
        """Return a URL that keeps what is PUT there, in `outputs` under that name."""
        return f"{self.url}/outputs/{name}"

    def inject(self, path: str, *faults: Fault) -> None:
        """Let the next calls whose `METHOD /path` matches a pattern go wrong, one fault each."""
        with self.lock:
            self._faults.append((re.compile(path), deque(faults)))

    def clear_faults(self) -> None:
        """Let everything go right from now on."""
        with self.lock:
            self._faults.clear()

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault of a call, used up by it."""
        with self.lock:
            for pattern, faults in self._faults:
                if faults and pattern.search(f"{method} {path}"):
                    return faults.popleft()
        return None

    def wait_for(self, job_id: str, *statuses: str, timeout_s: float = 30.0) -> Job:
        """Wait until a job has one of these statuses, and return it."""
        with self.changed:
            job = self.jobs[job_id]
            if not self.changed.wait_for(lambda: job.status in statuses, timeout_s):
                raise TimeoutError(f"{job_id} is {job.status} after {timeout_s} s")
            return job

    def calls_to(self, path: str) -> list[Call]:
        """Return the calls whose `METHOD /path` matches a pattern, oldest first."""
        with self.lock:
            return [call for call in self.calls if re.search(path, f"{call.method} {call.path}")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    marketplace: BaseMarketplace

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self._connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection, and serve it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def end_connections(self) -> None:
        """End the connections that clients keep open."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def _serve(self) -> None:
        call = self._read()
        market = self.server.marketplace
        with market.lock:
            market.calls.append(call)
        fault = market.next_fault(call.method, call.path)
        if fault is None:
            self._send(*self._answer(call))
            return
        done = self._answer(call) if fault.after_effect else (200, {})
        time.sleep(fault.delay_s)
        self._send_wrong(fault, *done)

    def _read(self) -> Call:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self._read_chunks()
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Call(self.command, self.path.partition("?")[0], headers, said, body)

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, code: int, content: Any) -> None:
        body = _encoded(content)
        self.send_response(code)
        kind = "application/octet-stream" if body is content else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_wrong(self, fault: Fault, code: int, content: Any) -> None:
        if fault.raw is not None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.writelines(fault.pieces())
            return
        body = _encoded(content) if fault.body is None else fault.body
        self.send_response(fault.status or code)
        self.send_header("Content-Type", fault.content_type)
        self.send_header("Content-Length", str(len(body) + 10 * fault.truncated))
        if fault.retry_after is not None:
            self.send_header("Retry-After", fault.retry_after)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault.truncated else body)
        self.close_connection = fault.truncated

    def _answer(self, call: Call) -> Answer:
        market = self.server.marketplace
        for method, pattern, answer, for_agents in CALLS:
            matched = re.fullmatch(pattern, call.path)
            if method == call.method and matched:
                agent_id = agent_of(market, call)
                if for_agents and market.check_keys and agent_id is None:
                    return 401, {"detail": "Invalid API key"}
                with market.changed:
                    told = answer(market, call, agent_id, *matched.groups())
                    market.changed.notify_all()
                return told
        return 404, {"detail": "Not Found"}


def _encoded(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()
