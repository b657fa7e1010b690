#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks checked: made trees with one thing wrong each must be found, a clean one must pass."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import check_docs  # noqa: E402
import check_layers  # noqa: E402
import check_linkage  # noqa: E402
import check_man  # noqa: E402
import check_prints  # noqa: E402
import check_proto  # noqa: E402
import check_spdx  # noqa: E402
import check_tidy  # noqa: E402
import check_words  # noqa: E402
from tree import Tree  # noqa: E402

SPDX = "// SPDX-License-Identifier: GPL-2.0-or-later\n"
ROOMS = """# Architecture

## Rooms

| level | room | holds | may include | libdw |
|---|---|---|---|---|
| 0 | `proto/` | x | nothing | never |
| 1 | `hmem/base/` | x | nothing | never |
| 2 | `hmem/codec/` | x | 1 | never |
| 2 | `hmem/format/` | x | 1 | never |
| 3 | `hmem/source/` | x | 1-2 without `hmem/codec/` | never |
| 5 | `dumptools/types/` | x | 1-4 | may |
| 9 | `dumptools/capture/` | x | 0-8 | never |
| 11 | `dumptools/tools/<tool>/` | x | 0-10 | may |
| - | `tests/` | x | all | may |

## Next
"""


class MadeTree(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.root = pathlib.Path(self._folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def tree(self, **arguments):
        return Tree(self.root, **arguments)


class Layers(MadeTree):
    def setUp(self):
        super().setUp()
        self.write("docs/architecture.md", ROOMS)
        self.write("hmem/base/error.h", SPDX)
        self.write("hmem/codec/codec.h", SPDX + '#include "hmem/base/error.h"\n')
        self.write("hmem/source/source.h", SPDX + '#include "hmem/base/error.h"\n')

    def found(self):
        return check_layers.check(self.tree()).lines

    def test_passes_a_tree_whose_arrows_point_down(self):
        self.write("tests/unit/a_test.cc", '#include "hmem/source/source.h"\n')
        self.write("dumptools/tools/t/main.cc", '#include <CLI/CLI.hpp>\n#include "hmem/v1/x.pb.h"\n')
        self.assertEqual(self.found(), [])

    def test_finds_an_upward_include(self):
        self.write("hmem/base/fd.cc", SPDX + '\n#include "hmem/source/source.h"\n')
        self.assertEqual(self.found(), ['hmem/base/fd.cc:3: hmem/base/ may not include hmem/source/ '
                                        '("hmem/source/source.h")'])

    def test_finds_an_include_of_a_sibling_of_the_same_level(self):
        self.write("hmem/format/elf.h", '#include "hmem/codec/codec.h"\n')
        self.assertEqual(len(self.found()), 1)

    def test_finds_a_room_that_was_taken_out_of_a_range(self):
        self.write("hmem/source/a.cc", '#include "hmem/codec/codec.h"\n')
        self.assertEqual(len(self.found()), 1)

    def test_finds_protobuf_where_proto_is_not_allowed(self):
        self.write("hmem/codec/a.cc", "#include <google/protobuf/message_lite.h>\n")
        self.write("hmem/codec/b.cc", '#include "hmem/v1/dump.pb.h"\n')
        self.assertEqual(len(self.found()), 2)

    def test_finds_product_code_that_uses_tests(self):
        self.write("tests/fakes/fake.h", SPDX)
        self.write("hmem/source/a.cc", '#include "tests/fakes/fake.h"\n')
        self.assertEqual(len(self.found()), 1)

    def test_finds_one_program_that_uses_another(self):
        self.write("dumptools/tools/a/x.h", SPDX)
        self.write("dumptools/tools/b/main.cc", '#include "dumptools/tools/a/x.h"\n')
        self.assertEqual(len(self.found()), 1)

    def test_finds_the_command_line_library_outside_of_programs(self):
        self.write("hmem/source/a.cc", "#include <CLI/CLI.hpp>\n")
        self.assertEqual(len(self.found()), 1)

    def test_finds_libdw_behind_another_header_on_the_side_that_must_not_link_it(self):
        self.write("dumptools/types/dwarf/dwarf.h", "#include <elfutils/libdw.h>\n")
        self.write("dumptools/capture/a.cc", '#include "dumptools/types/dwarf/dwarf.h"\n')
        self.assertEqual(self.found(), [
            "dumptools/capture/a.cc: dumptools/capture/ must not reach libdw: dumptools/capture/a.cc "
            "-> dumptools/types/dwarf/dwarf.h -> <elfutils/libdw.h>"])

    def test_finds_an_include_relative_to_the_file(self):
        self.write("hmem/source/a.cc", '#include "source.h"\n')
        self.assertIn("write it from the root", self.found()[0])

    def test_finds_a_file_in_no_room(self):
        self.write("hmem/new/a.cc", SPDX)
        self.assertIn("in no room", self.found()[0])

    def test_fails_without_the_table(self):
        self.write("docs/architecture.md", "# Architecture\n")
        self.assertIn("no rooms table", self.found()[0])


class Spdx(MadeTree):
    def setUp(self):
        super().setUp()
        self.write("LICENSES/GPL-2.0-or-later.txt", "text\n")
        self.write("LICENSES/GPL-2.0-only.txt", "text\n")
        self.write("LICENSES/unmarked", "# why\nLICENSES/* - text\n*.md GPL-2.0-or-later prose\n")

    def found(self):
        return check_spdx.check(self.tree()).lines

    def test_passes_marked_and_listed_files(self):
        self.write("a.cc", SPDX)
        self.write("docs/a.md", "prose\n")
        self.assertEqual(self.found(), [])

    def test_finds_a_file_without_a_line(self):
        self.write("a.cc", "int x;\n")
        self.assertEqual(self.found(), ["a.cc: no SPDX line in its first 5 lines"])

    def test_finds_a_licence_without_a_text(self):
        self.write("a.cc", "// SPDX-License-Identifier: MIT\n")
        self.assertIn("no text of 'MIT'", self.found()[0])

    def test_finds_kernel_code_under_the_wrong_licence(self):
        self.write("tests/zoo/a.c", SPDX)
        self.assertIn("kernel code", self.found()[0])


class Words(MadeTree):
    def found(self):
        return check_words.check(self.tree()).lines

    def test_passes_plain_code(self):
        self.write("a.cc", "char name[] = \"file.XXXXXX\";\n")
        self.assertEqual(self.found(), [])

    def test_finds_each_kind(self):
        for text in ("/ro" + "ot/x", "/wo" + "rk/main", "// TO" + "DO", "TEST(A, DIS" + "ABLED_B)",
                     "http://deb.deb" + "ian.org/x"):
            with self.subTest(text):
                self.write("a.cc", text + "\n")
                self.assertEqual(len(self.found()), 1)

    def test_finds_names_without_a_concept(self):
        self.write("hmem/base/string_utils.h", SPDX)
        self.write("hmem/common/a.h", SPDX)
        self.assertEqual(len(self.found()), 2)


class Prints(MadeTree):
    def test_finds_a_library_that_prints(self):
        self.write("hmem/base/a.cc", 'fmt::print("x");\n')
        self.write("hmem/base/b.cc", '// std::cout\nauto s = "printf(";\nsnprintf(b, 1, "x");\n')
        self.write("dumptools/tools/t/main.cc", 'std::cout << "x";\n')
        self.assertEqual(check_prints.check(self.tree()).lines,
                         ["hmem/base/a.cc:1: fmt::print in a library"])


class Proto(unittest.TestCase):
    NOW = {("message a.M", 1): "x optional uint64", ("message a.M", 2): "y optional string"}

    def compare(self, locked, now=None, reserved=()):
        return check_proto.compare(locked, now or self.NOW, set(reserved))

    def test_passes_when_nothing_changed(self):
        self.assertEqual(self.compare(dict(self.NOW)), [])

    def test_finds_a_number_with_another_type(self):
        locked = dict(self.NOW)
        locked[("message a.M", 2)] = "y optional bytes"
        self.assertIn("was 'y optional bytes'", self.compare(locked)[0])

    def test_finds_a_number_that_vanished(self):
        locked = {**self.NOW, ("message a.M", 3): "z optional bool"}
        self.assertIn("is gone and not reserved", self.compare(locked)[0])

    def test_allows_a_number_that_is_reserved(self):
        locked = {**self.NOW, ("message a.M", 3): "z optional bool"}
        self.assertEqual(self.compare(locked, reserved=[("message a.M", 3)]), [])

    def test_finds_a_number_that_is_not_in_the_lock(self):
        locked = {("message a.M", 1): "x optional uint64"}
        self.assertIn("--update", self.compare(locked)[0])

    def test_reads_the_text_form_of_a_descriptor(self):
        text = """file {
  package: "a"
  message_type {
    name: "M"
    field { name: "x" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT64 }
    nested_type { name: "N" field { name: "m" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".a.M" } }
    reserved_range { start: 4 end: 6 }
  }
  enum_type { name: "E" value { name: "ZERO" number: 0 } }
}
"""
        now, reserved = check_proto.declarations(check_proto.parse_text(text))
        self.assertEqual(now, {("message a.M", 1): "x optional uint64",
                               ("message a.M.N", 7): "m repeated a.M", ("enum a.E", 0): "ZERO"})
        self.assertEqual(reserved, {("message a.M", 4), ("message a.M", 5)})


class Docs(MadeTree):
    def found(self):
        return check_docs.check(self.tree()).lines

    def test_passes_links_and_paths_that_exist(self):
        self.write("hmem/base/error.h", SPDX)
        self.write("docs/a.md", "[b](b.md) `hmem/base/error.h` `hmem/base/` <https://x> `arch/<cpu>/x`\n")
        self.write("docs/b.md", "# B\n[a](a.md#top)\n")
        self.assertEqual(self.found(), [])

    def test_finds_a_link_to_nothing(self):
        self.write("docs/a.md", "[b](b.md)\n")
        self.assertEqual(self.found(), ["docs/a.md:1: link to b.md: no such file"])

    def test_finds_a_path_that_is_not_there(self):
        self.write("hmem/base/error.h", SPDX)
        self.write("README.md", "see `hmem/base/gone.h`\n")
        self.assertEqual(self.found(), ["README.md:1: `hmem/base/gone.h`: no such file"])

    def test_finds_an_architecture_that_the_support_matrix_lacks(self):
        self.write("arch/vax/vax.cc", SPDX)
        self.write("docs/support-matrix.md", "| x86_64 |\n")
        self.assertIn("vax", self.found()[0])


class Linkage(MadeTree):
    def test_skips_without_a_capture_build(self):
        self.assertEqual(check_linkage.check(self.tree()).state, "SKIP")

    def test_finds_a_program_that_needs_a_loader(self):
        program = pathlib.Path(sys.executable).resolve().read_bytes()
        path = self.root / "build/capture/dumptools/tools/hmemdump/hmemdump"
        path.parent.mkdir(parents=True)
        path.write_bytes(program)
        self.assertIn("not static", "\n".join(check_linkage.check(self.tree()).lines))

    def test_finds_what_is_not_a_program(self):
        path = self.root / "build/capture/dumptools/tools/hmemdump/hmemdump"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"#!/bin/sh\n")
        self.assertIn("not an ELF", "\n".join(check_linkage.check(self.tree()).lines))


class Man(unittest.TestCase):
    HELP = """Usage: tool [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this
  --json                      As JSON

Subcommands:
  report                      What happened
                              and where
  log                         The log
"""
    PAGE = """.TH TOOL 1
.SH COMMANDS
.B report, log
.SH OPTIONS
.TP
.BR \\-h ", " \\-\\-help
Text that mentions \\-\\-elsewhere.
.TP
.B \\-\\-json
.SH EXIT STATUS
0 good, 1 failed, 2 usage, 3 losses
.SH FILES
"""

    def compare(self, help_text, page):
        return check_man.compare("tool.1", {"": help_text, "log": "Options:\n  --help\n"}, page)

    def test_passes_a_page_that_says_what_help_says(self):
        self.assertEqual(self.compare(self.HELP, self.PAGE), [])

    def test_reads_mdoc_too(self):
        page = self.PAGE.replace(".TP\n.B \\-\\-json", ".It Fl -json")
        self.assertEqual(self.compare(self.HELP, page), [])

    def test_finds_an_option_that_the_page_lacks(self):
        self.assertEqual(self.compare(self.HELP + "  --all    x\n", self.PAGE),
                         ["tool.1: the page lacks --all"])

    def test_finds_an_option_that_help_lacks(self):
        self.assertEqual(self.compare(self.HELP.replace("  --json", "  json"), self.PAGE),
                         ["tool.1: the page has --json, --help does not"])

    def test_finds_a_verb_that_the_page_lacks(self):
        self.assertIn("verb 'log'", self.compare(self.HELP, self.PAGE.replace(", log", ""))[0])

    def test_finds_an_exit_code_that_is_not_explained(self):
        self.assertIn("what 3 means", self.compare(self.HELP, self.PAGE.replace(", 3 losses", ""))[0])

    def test_takes_verbs_from_the_listing_alone(self):
        self.assertEqual(check_man.verbs_in(self.HELP), ["report", "log"])

    def test_asks_verbs_for_verbs_of_their_own(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "tool"
            program.write_text('#!/bin/sh\ncase "$*" in\n"--help") echo "Subcommands:\n  outer  x" ;;\n'
                               '"outer --help") echo "Subcommands:\n  inner  y" ;;\n'
                               '"outer inner --help") echo "  --deep  z" ;;\n*) exit 1 ;;\nesac\n', encoding="ascii")
            program.chmod(0o755)
            helps = check_man.all_helps(program)
        self.assertEqual(list(helps), ["", "outer", "outer inner"])
        self.assertIn("tool.1: the page lacks --deep of outer inner", check_man.compare("tool.1", helps, self.PAGE))


class Tidy(unittest.TestCase):
    DATABASE = {"a/x.cc": {}, "a/y.cc": {}, "tests/unit/a/x_test.cc": {}, "tests/unit/a/z_test.cc": {}}

    def test_takes_changed_sources_that_are_built(self):
        self.assertEqual(check_tidy.translation_units(["a/x.cc", "b.cc", "c.md"], self.DATABASE),
                         ["a/x.cc"])

    def test_takes_the_source_of_a_changed_header(self):
        self.assertEqual(check_tidy.translation_units(["a/x.h"], self.DATABASE), ["a/x.cc"])

    def test_takes_the_test_of_a_header_without_a_source(self):
        self.assertEqual(check_tidy.translation_units(["a/z.h"], self.DATABASE),
                         ["tests/unit/a/z_test.cc"])


if __name__ == "__main__":
    unittest.main()
