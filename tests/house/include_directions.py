"""Checks the #include directives of C++ sources against include_directions.txt."""

import os
import posixpath
import re

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
PRAGMA_ONCE = re.compile(r"^#pragma once$", re.MULTILINE)
LIBTORCH = re.compile(r"(torch|ATen|c10|caffe2|fbgemm|asmjit)/")
PROTOBUF = re.compile(r"(google/protobuf|grpcpp|grpc)/|.*\.pb\.h$")


def parse_table(text):
    """Returns {name: list of folders} from the text of include_directions.txt."""
    table = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, folders = line.split(":")
            table[name.strip()] = folders.split()
    return table


def read_sources(root, folders):
    """Returns {path below root: text} for every .h and .cc below `folders`."""
    sources = {}
    for folder in folders:
        for parent, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if name.endswith((".h", ".cc")):
                    path = os.path.join(parent, name)
                    with open(path, encoding="utf-8") as file:
                        sources[posixpath.relpath(path, root)] = file.read()
    return sources


def top_folder(path):
    """The folder of the table that a source or an included path belongs to."""
    if path.startswith("prefixd/"):  # Generated from proto/prefixd/.
        return "proto"
    return path.split("/")[0]


def is_below(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def closure(path, includes):
    """All that `path` includes, itself or through the repository's headers."""
    seen, todo = set(), [path]
    while todo:
        for included in includes.get(todo.pop(), []):
            if included not in seen:
                seen.add(included)
                todo.append(included)
    return seen


def problems(sources, table):
    """Returns one line for each offence, sorted."""
    includes = {path: [m[2] for m in INCLUDE.finditer(text)] for path, text in sources.items()}
    found = []
    for path, direct in includes.items():
        folder = top_folder(path)
        allowed = table.get(folder)
        if allowed is None:
            found.append(f"{path}: folder {folder} is not in the table")
            continue
        for included in direct:
            below = top_folder(included)
            if below in table and below != folder and below not in allowed and "*" not in allowed:
                found.append(f"{path}: {folder} may not include {included}")
            if LIBTORCH.match(included) and not is_below(path, table["@libtorch"]):
                found.append(f"{path}: LibTorch's {included} is not for this folder")
            if PROTOBUF.match(included) and not is_below(path, table["@protobuf"]):
                found.append(f"{path}: Protobuf's {included} is not for this folder")
        seen = closure(path, includes)
        if any(map(LIBTORCH.match, seen)) and any(map(PROTOBUF.match, seen)):
            found.append(f"{path}: sees both LibTorch's headers and Protobuf's")
        if path.endswith(".h") and not PRAGMA_ONCE.search(sources[path]):
            found.append(f"{path}: a header needs #pragma once")
    return sorted(found)
