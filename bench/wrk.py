"""Load from wrk, a client that keeps a number of connections busy (https://github.com/wg/wrk).

wrk corrects its response times for coordinated omission: after a response that took several times as long as the
average, it adds the times of the requests that the connection would have sent in the meantime.
"""

import json
import subprocess
from dataclasses import dataclass

THREADS = 2

# Each wrk thread formats one request per token at the start and then sends them in turn.
SCRIPT = """
local tokens = {{ {tokens} }}
local requests, sent = {{}}, 0

function init()
  for index, token in ipairs(tokens) do
    local headers = {{ ["Host"] = "127.0.0.1", ["Authorization"] = "Bearer " .. token, ["Content-Type"] = {type} }}
    requests[index] = wrk.format("{method}", "{path}", headers, {body})
  end
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {{"requests": %d, "seconds": %f, "p99_ms": %f, "refused": %d, "broken": %d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Request:
    """A request that wrk repeats on `connections` connections."""

    connections: int
    method: str
    path: str
    body: dict | None = None


@dataclass(frozen=True)
class Load:
    """What wrk has measured."""

    # All responses, and those of them with a status of 400 and above.
    requests: int
    refused: int
    # Failed connections and timeouts.
    broken: int
    seconds: float
    p99_ms: float

    @property
    def rate(self):
        """Successful responses per second."""
        return (self.requests - self.refused) / self.seconds

    @property
    def refused_share(self):
        return (self.refused + self.broken) / max(self.requests + self.broken, 1)


def start(server, request, seconds):
    """Starts wrk and returns its process, for `finish`."""
    script = server.program.folders.logs / f"{request.method}-{request.connections}.lua"
    script.write_text(SCRIPT.format(
        tokens=", ".join(f'"{token}"' for token in server.tokens),
        method=request.method,
        path=request.path,
        type='"application/json"' if request.body else "nil",
        body=f"[[{json.dumps(request.body)}]]" if request.body else "nil",
    ))
    command = ["wrk", "--threads", str(min(THREADS, request.connections)), "--connections", str(request.connections),
               "--duration", f"{seconds}s", "--timeout", "30s", "--script", str(script),
               f"http://127.0.0.1:{server.port}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process):
    """Waits until wrk ends, and returns the load."""
    output, _ = process.communicate()
    result = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if process.returncode != 0 or result is None:
        raise RuntimeError(f"wrk fails: {output}")
    return Load(**json.loads(result.removeprefix("RESULT ")))


def run(server, request, seconds):
    return finish(start(server, request, seconds))
