"""Changes a task through proxies that compress, with the versions that they let through.

    python tests/proxies/compression.py target/release/task-api nginx apache2 caddy

The arguments are the program and the three proxies. Each proxy compresses JSON, and changes the tag in `ETag` in its own
way: nginx makes it weak, Apache appends `-gzip`, and so do newer versions of Caddy. Behind each, a client that sends back
the tag it has received saves its change, one with an older tag gets 412, and an unchanged resource is 304. Prints the
tags. Exits with 1 otherwise.
"""

import gzip
import os
import shutil
import sys
import tempfile
from pathlib import Path

from processes import NGINX_HEAD, Client, Process, fail, sign_in, start_server

sys.path.append(str(Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

NGINX = NGINX_HEAD + """\
    gzip on;
    gzip_types application/json;
    gzip_min_length 0;
    gzip_proxied any;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{server_port};
            proxy_http_version 1.1;
        }}
    }}
}}
"""

APACHE = """\
ServerRoot {folder}
ServerName 127.0.0.1
DefaultRuntimeDir {folder}
PidFile {folder}/apache2.pid
ErrorLog {folder}/apache2.log
User nobody
Group nogroup
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule filter_module {modules}/mod_filter.so
LoadModule deflate_module {modules}/mod_deflate.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
AddOutputFilterByType DEFLATE application/json
ProxyPass / http://127.0.0.1:{server_port}/
"""

CADDY = """\
{{
	admin off
	auto_https off
}}
http://127.0.0.1:{port} {{
	encode {{
		gzip
		minimum_length 1
	}}
	reverse_proxy 127.0.0.1:{server_port}
}}
"""


def nginx(program, folder):
    return NGINX, [program, "-c", folder / "config", "-e", folder / "nginx.log"], {}


def apache2(program, folder):
    # `.../usr/sbin/apache2`, which may be unpacked with its modules and libraries, and not installed.
    lib = Path(shutil.which(program)).resolve().parents[1] / "lib"
    config = APACHE.replace("{modules}", str(lib / "apache2/modules"))
    libraries = ":".join(map(str, lib.glob("*-linux-gnu*")))
    return config, [program, "-f", folder / "config", "-X"], {"LD_LIBRARY_PATH": libraries}


def caddy(program, folder):
    command = [program, "run", "--config", folder / "config", "--adapter", "caddyfile"]
    return CADDY, command, {"HOME": str(folder)}


def start_proxy(proxy, program, folder, port, server_port):
    config, command, environment = proxy(program, folder)
    values = {"folder": folder, "port": port, "server_port": server_port}
    (folder / "config").write_text(config.format(**values))
    process = Process(command, folder / "proxy.out", os.environ | environment)
    process.wait_until_ready(port)
    return process


class Reader(Client):
    """A client that accepts gzip."""

    def __init__(self, name, port, token):
        super().__init__(port, token)
        self.name = name

    def get(self, path, status=200, **headers):
        return self.tag_of("GET", path, None, status, **headers)

    def save(self, path, title, tag, status=200):
        return self.tag_of("PATCH", path, {"title": title}, status, If_Match=tag)

    def tag_of(self, method, path, body, status, **headers):
        """Returns the tag of the response, which must have this status, and be compressed if it is a 200."""
        response, content = self.exchange(method, path, body, Accept_Encoding="gzip", **headers)
        case = f"{self.name}: {method} {path} {headers}"
        if response.status != status:
            fail(f"{case}: {response.status} instead of {status}")
        if status == 200:
            if response.headers["Content-Encoding"] != "gzip":
                fail(f"{case} is not compressed")
            gzip.decompress(content)
        if status in (200, 304) and not response.headers["ETag"]:
            fail(f"{case} has no ETag")
        return response.headers["ETag"]


def check(client):
    """Two people read a task, and both save it."""
    seen = client.get("/tasks/1")
    saved = client.save("/tasks/1", "the first change", seen)
    client.save("/tasks/1", "the change of another person", seen, 412)
    client.get("/tasks/1", 200, If_None_Match=seen)
    client.save("/tasks/1", "the next change", saved)
    for path in "/tasks/1", "/tasks", "/tasks/summary", "/me":
        current = client.get(path)
        client.get(path, 304, If_None_Match=current)
    print(f"{client.name}: {seen}")


def main(program, *proxies):
    for start, proxy in zip((nginx, apache2, caddy), proxies, strict=True):
        with tempfile.TemporaryDirectory() as name:
            folder, port, server_port = Path(name), free_port(), free_port()
            with (
                start_server(program, folder, server_port),
                start_proxy(start, proxy, folder, port, server_port),
            ):
                token = sign_in(port)
                Client(port, token).send("POST", "/tasks", {"title": "water the plants"})
                check(Reader(start.__name__, port, token))


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), *sys.argv[2:])
