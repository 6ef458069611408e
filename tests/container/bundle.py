"""Writes what runc needs to run an image, as its own configuration says: as its user, with no capability,
and with nothing that it can write to but its volume.

buildah inspect ... | bundle.py CONFIG ROOT VOLUME PASSWORD, where CONFIG is what `runc spec` has written and
the others are the image's files, a folder for its volume, and a file with the first admin's password. Prints
the command of the health check, a word a line.
"""

import json
import sys

config, root, volume, password = sys.argv[1:]
image = json.load(sys.stdin)["Docker"]["config"]
with open(config) as file:
    container = json.load(file)

user, group = map(int, image["User"].split(":"))
assert user != 0 and group != 0, "it runs as root"
assert list(image["ExposedPorts"]) == ["5000/tcp"], image["ExposedPorts"]
assert image.get("StopSignal", "SIGTERM") == "SIGTERM", image["StopSignal"]
[folder] = image["Volumes"]
kind, *check = image["Healthcheck"]["Test"]
assert kind == "CMD", "the health check needs a shell"

admin = ["ADMIN_USERNAME=grace", "ADMIN_EMAIL=grace@example.com", "ADMIN_PASSWORD_FILE=/run/secrets/password"]
container["process"] = {
    "user": {"uid": user, "gid": group},
    "args": image["Entrypoint"] + image["Cmd"],
    "env": image["Env"] + admin,
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
