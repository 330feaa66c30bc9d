#!/usr/bin/env python3
"""What check_layers.py lets through and what it must catch."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).with_name("check_layers.py")
LAYERS = "base=base::\nmodel=model:base:\nstore=store:base,model:\nstore/embedded=embedded:store:model\n"


class CheckLayers(unittest.TestCase):
    def run_on(self, files, layers=LAYERS):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for module in ("base", "model", "store", "store/embedded"):
                (root / "src" / module).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (root / "src" / name).write_text(text)
            (root / "layers.txt").write_text(layers)
            done = subprocess.run(
                [sys.executable, TOOL, "--source", root / "src", "--layers", root / "layers.txt"],
                capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr

    def test_an_include_of_a_declared_module_passes(self):
        code, said = self.run_on({"model/span.h": '#include <vector>\n#include "base/time.h"\n',
                                  "store/store.h": '#include "model/span.h"\n'})
        self.assertEqual(code, 0, said)

    def test_an_include_that_points_up_fails_and_says_where(self):
        code, said = self.run_on({"model/span.h": '#pragma once\n#include "store/store.h"\n'})
        self.assertEqual(code, 1)
        self.assertIn('src/model/span.h:2: "store/store.h" is of module store', said)

    def test_what_a_dependency_uses_must_be_declared_too(self):
        code, said = self.run_on({"store/embedded/log.cc": '#include "base/time.h"\n'})
        self.assertEqual(code, 1)
        self.assertIn("module base", said)

    def test_the_longest_folder_owns_a_file(self):
        code, said = self.run_on({"store/store.cc": '#include "store/embedded/log.h"\n'})
        self.assertEqual(code, 1)
        self.assertIn("module embedded", said)

    def test_modules_that_share_a_folder_own_the_files_they_compile(self):
        shared = ("base=base:::\nmodel=model:base::\nstore=documents:base::map.cc\n"
                  "store=traces:documents,model::log.cc\n")
        passing = {"store/log.h": '#include "model/span.h"\n', "store/log.cc": '#include "store/map.h"\n',
                   "store/map.h": '#include "base/time.h"\n', "store/kinds.h": '#include "model/span.h"\n'}
        code, said = self.run_on(passing, shared)
        self.assertEqual(code, 0, said)
        self.assertEqual(self.run_on({"store/map.cc": '#include "model/span.h"\n'}, shared)[0], 1)
        self.assertEqual(self.run_on({"store/map.h": '#include "store/log.h"\n'}, shared)[0], 1)

    def test_test_deps_count_for_tests_only(self):
        include = '#include "model/span.h"\n'
        self.assertEqual(self.run_on({"store/embedded/log_test.cc": include})[0], 0)
        self.assertEqual(self.run_on({"store/embedded/test_spans.h": include})[0], 0)
        self.assertEqual(self.run_on({"store/embedded/log.cc": include})[0], 1)

    def test_what_is_for_tests_stays_with_tests(self):
        include = '#include "store/testing/fake_store.h"\n'
        self.assertEqual(self.run_on({"store/embedded/log_test.cc": include})[0], 0)
        code, said = self.run_on({"store/embedded/log.cc": include})
        self.assertEqual(code, 1)
        self.assertIn("is for tests only", said)

    def test_spacing_and_relative_paths_do_not_hide_an_include(self):
        self.assertEqual(self.run_on({"base/time.h": '  #  include "model/span.h"\n'})[0], 1)
        self.assertEqual(self.run_on({"base/time.h": '#include "../model/span.h"\n'})[0], 1)

    def test_library_headers_and_neighbours_are_free(self):
        code, said = self.run_on({"base/time.cc": '#include "gtest/gtest.h"\n#include "trace.pb.h"\n'})
        self.assertEqual(code, 0, said)

    def test_an_unknown_dependency_and_an_empty_list_fail(self):
        self.assertEqual(self.run_on({}, "base=base:ghost:\n")[0], 1)
        self.assertEqual(self.run_on({}, "")[0], 1)


if __name__ == "__main__":
    unittest.main()
