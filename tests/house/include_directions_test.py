"""The repository keeps to include_directions.txt, and the check notices when it does not."""

import os
import unittest

import include_directions

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TABLE = """
base:
model: base
proto:
server: base model proto   # a comment
tests: *
@libtorch: model tests/model
@protobuf: server
"""


def check(**sources):
    """Keyword a__b_h stands for the file a/b.h."""
    paths = {}
    for name, text in sources.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        paths[f"{stem}.{suffix}"] = text
    return include_directions.problems(paths, include_directions.parse_table(TABLE))


class CheckTest(unittest.TestCase):

    def test_accepts_includes_that_go_down(self):
        self.assertEqual([], check(
            base__a_h="#pragma once\n#include <vector>\n",
            model__a_cc='#include "base/a.h"\n#include "model/b.h"\n#include <ATen/ATen.h>\n',
            server__a_cc='#include "model/b.h"\n#include "prefixd/v1/a.pb.h"\n',
            tests__model__a_cc='#include "server/a.h"\n#include <torch/torch.h>\n'))

    def test_finds_an_include_that_goes_up(self):
        self.assertEqual(["model/a.cc: model may not include server/a.h"],
                         check(model__a_cc='  #  include "server/a.h"\n'))

    def test_finds_a_proto_outside_its_folders(self):
        self.assertEqual(["model/a.cc: Protobuf's prefixd/v1/a.pb.h is not for this folder",
                          "model/a.cc: model may not include prefixd/v1/a.pb.h"],
                         check(model__a_cc='#include "prefixd/v1/a.pb.h"\n'))

    def test_finds_libtorch_outside_its_folders(self):
        self.assertEqual(["server/a.cc: LibTorch's ATen/ATen.h is not for this folder"],
                         check(server__a_cc="#include <ATen/ATen.h>\n"))
        self.assertEqual(["tests/a.cc: LibTorch's fbgemm/Fbgemm.h is not for this folder"],
                         check(tests__a_cc='#include "fbgemm/Fbgemm.h"\n'))

    def test_finds_libtorch_beside_protobuf_through_headers(self):
        self.assertEqual(["server/a.cc: sees both LibTorch's headers and Protobuf's"], check(
            model__b_h="#pragma once\n#include <ATen/ATen.h>\n",
            model__a_h='#pragma once\n#include "model/b.h"\n',
            server__a_cc='#include "model/a.h"\n#include "prefixd/v1/a.pb.h"\n'))

    def test_finds_a_header_without_pragma_once(self):
        self.assertEqual(["base/a.h: a header needs #pragma once"], check(base__a_h="int a;\n"))

    def test_finds_a_folder_that_is_not_in_the_table(self):
        self.assertEqual(["other/a.cc: folder other is not in the table"], check(other__a_cc=""))


class RepositoryTest(unittest.TestCase):

    def test_keeps_to_the_table(self):
        with open(os.path.join(HERE, "include_directions.txt"), encoding="utf-8") as file:
            table = include_directions.parse_table(file.read())
        folders = [name for name in os.listdir(ROOT)
                   if os.path.isdir(os.path.join(ROOT, name)) and name != "build"
                   and not name.startswith(".")]
        sources = include_directions.read_sources(ROOT, folders)
        self.assertGreater(len(sources), 10)
        self.assertEqual("", "\n".join(include_directions.problems(sources, table)))


if __name__ == "__main__":
    unittest.main()
