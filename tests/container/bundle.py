"""Writes the configuration with which runc runs an image: as the image's user, without capabilities, and with a
read-only file system except for its volume.

    buildah inspect ... | bundle.py CONFIG ROOT VOLUME PASSWORD [ARGUMENT...]

CONFIG is the file that `runc spec` has written, ROOT the folder with the image's files, VOLUME the folder to mount as
its volume, PASSWORD a file with the first admin's password, and the arguments those of the program. Prints the command of the health check, one
argument per line.
"""

import json
import sys

config, root, volume, password, *arguments = sys.argv[1:]
image = json.load(sys.stdin)["Docker"]["config"]
with open(config) as file:
    container = json.load(file)

user, group = map(int, image["User"].split(":"))
assert user != 0 and group != 0, "the image runs as root"
assert list(image["ExposedPorts"]) == ["5000/tcp"], image["ExposedPorts"]
assert image.get("StopSignal", "SIGTERM") == "SIGTERM", image["StopSignal"]
[folder] = image["Volumes"]
kind, *check = image["Healthcheck"]["Test"]
assert kind == "CMD", "the health check needs a shell"

# The clients of the backup test write with one account, for which requests are counted.
limit = ["REQUESTS_PER_MINUTE=6000000"]
admin = ["ADMIN_USERNAME=grace", "ADMIN_EMAIL=grace@example.com", "ADMIN_PASSWORD_FILE=/run/secrets/password"]
container["process"] = {
    "user": {"uid": user, "gid": group},
    "args": image["Entrypoint"] + (arguments or image["Cmd"]),
    "env": image["Env"] + admin + limit,
    "cwd": image["WorkingDir"],
    "noNewPrivileges": True,
}
container["root"] = {"path": root, "readonly": True}
container["mounts"] += [
    {"destination": folder, "source": volume, "options": ["bind", "rw"]},
    {"destination": "/run/secrets/password", "source": password, "options": ["bind", "ro"]},
]
with open(config, "w") as file:
    json.dump(container, file)
print("\n".join(check))
