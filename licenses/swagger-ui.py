#!/usr/bin/env python3
"""Prints the notices of Swagger UI and of the npm packages that its bundle contains.

    licenses/swagger-ui.py > licenses/swagger-ui.txt

Cargo.lock does not name these packages, so cargo-about cannot find them. Run this when the version of
utoipa-swagger-ui-vendored changes. It needs cargo, npm and npm's registry, and takes about half a minute.

The crate carries Swagger UI's release: dist/ and the package-lock.json that it was built from. The npm
package swagger-ui-dist carries the same dist/ and a list of what webpack put into the bundle. Both
together give the exact version of each package; npm installs these and their licence texts are read.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What src/assets.rs serves.
SERVED = ["swagger-ui-bundle.js", "swagger-ui.css"]

# The style sheet contains it; webpack's list has only what is in the bundle.
IN_STYLE_SHEET = ["tachyons-sass"]

# The licences that are accepted, as in about.toml. Of a choice (OR) the first accepted one counts.
ACCEPTED = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"}

# Packages without a licence file: the licence is from package.json, the copyright from the README.
WITHOUT_FILE = {
    "format": "Copyright 2010 - 2014 Sami Samhuri sami@samhuri.net",
    "short-unique-id": "Copyright (c) 2018-2025 Short Unique ID Contributors",
    "toggle-selection": "Copyright sudodoki and the other authors of toggle-selection",
}


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def vendored_release():
    """The crate's name and version, the archive of Swagger UI's release inside it, the release's version."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version=1", cwd=ROOT))
    crate = next(p for p in metadata["packages"] if p["name"] == "utoipa-swagger-ui-vendored")
    archive = next(Path(crate["manifest_path"]).parent.glob("res/v*.zip"))
    name = f"{crate['name']} {crate['version']}"
    return name, zipfile.ZipFile(archive), archive.stem.removeprefix("v")


def chosen(expression):
    """The accepted licence of an SPDX expression; ends the program if there is none."""
    plain = expression.strip("()")
    for choice in plain.split(" OR "):
        if all(part in ACCEPTED for part in choice.split(" AND ")):
            return choice
    sys.exit(f"the licence {expression} is not accepted")


def license_of(manifest):
    """npm's `license`, or the older list `licenses`."""
    return manifest.get("license") or manifest["licenses"][0]["type"]


def texts_of(folder, name, license_id, mit):
    """The licence and notice files of a package, as (is it a notice, text)."""
    names = ("license", "licence", "copying", "notice")
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name.lower().startswith(names))
    # ApiDOM's packages follow the REUSE convention: a folder of texts. Their NOTICE tells which part is
    # under which; the other two texts there are of parts that Swagger UI does not contain.
    files += [f for f in (folder / "LICENSES" / f"{id}.txt" for id in ("Apache-2.0", "MIT")) if f.exists()]
    if files:
        return [(f.name.lower().startswith("notice"), f.read_text()) for f in files]
    text = f"{WITHOUT_FILE[name]}\nLicense: {license_id}\n"
    return [(True, text), (False, mit)] if license_id == "MIT" else [(True, text)]


def main():
    crate, release, version = vendored_release()
    inside = f"swagger-ui-{version}"
    lock = json.loads(release.read(f"{inside}/package-lock.json"))["packages"]
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        run("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", work,
            f"swagger-ui-dist@{version}")
        dist = work / "node_modules" / "swagger-ui-dist"
        for name in SERVED:
            if (dist / name).read_bytes() != release.read(f"{inside}/dist/{name}"):
                sys.exit(f"{name} of the npm package is not the one in the crate")
        sizes = (dist / "log.bundle-sizes.swagger-ui.txt").read_text().splitlines()
        names = [line.split(":")[0] for line in sizes if not line.startswith("<self>")] + IN_STYLE_SHEET
        packages = {name: lock[f"node_modules/{name}"]["version"] for name in sorted(names)}

        (work / "package.json").write_text(json.dumps({"private": True, "dependencies": packages}))
        run("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps",
            "--prefix", work)

        # Each text once, with the packages that it is from.
        texts = {}
        licenses = {}

        def add(package, is_notice, text):
            lines = [line.rstrip() for line in text.strip("\n").splitlines()]
            key = " ".join(text.split())
            texts.setdefault(key, (is_notice, "\n".join(lines), []))[2].append(package)

        swagger = f"swagger-ui {version}"
        licenses[swagger] = "Apache-2.0"
        add(swagger, True, release.read(f"{inside}/NOTICE").decode())
        add(swagger, False, release.read(f"{inside}/LICENSE").decode())
        mit = (ROOT / "LICENSE-MIT").read_text().split("\n\n", 1)[1]
        for name, package_version in packages.items():
            folder = work / "node_modules" / name
            manifest = json.loads((folder / "package.json").read_text())
            package = f"{name} {package_version}"
            if manifest["version"] != package_version:
                sys.exit(f"{package} is installed as {manifest['version']}")
            licenses[package] = chosen(license_of(manifest))
            for is_notice, text in texts_of(folder, name, licenses[package], mit):
                add(package, is_notice, text)

    print(f"The crate {crate} carries Swagger UI {version}.\n")
    for package, license_id in licenses.items():
        print(f"{package}: {license_id}")
    for is_notice, text, used_by in texts.values():
        print("\n" + "-" * 80)
        print(f"{'Notice' if is_notice else 'Licence'} of {', '.join(used_by)}:\n")
        print(text)


main()
