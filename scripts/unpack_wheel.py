"""Unpacks the parts of a wheel that are asked for.

Usage: unpack_wheel.py WHEEL FOLDER SOURCE=TARGET...

SOURCE is a shell pattern over a file's whole path in the wheel ('*' matches '/' too), TARGET a
folder in FOLDER. A match goes there under its file name if SOURCE begins with '*', else under its
path below the last folder before SOURCE's first '*'. A SOURCE that matches nothing is an error.
"""

import fnmatch
import os
import shutil
import sys
import zipfile


def path_in_target(name, source):
    if source.startswith("*"):
        return os.path.basename(name)
    return os.path.relpath(name, os.path.dirname(source.split("*")[0]) or ".")


def unpack(wheel, folder, rules):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        for rule in rules:
            source, target = rule.split("=", 1)
            matches = fnmatch.filter(names, source)
            if not matches:
                raise ValueError(f"{os.path.basename(wheel)} holds nothing like {source}")
            for name in matches:
                path = os.path.join(folder, target, path_in_target(name, source))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(name) as read, open(path, "wb") as write:
                    shutil.copyfileobj(read, write, 1 << 20)


if __name__ == "__main__":
    try:
        unpack(sys.argv[1], sys.argv[2], sys.argv[3:])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"unpack_wheel: {error}")
