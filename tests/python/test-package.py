# SPDX-License-Identifier: MIT
"""The package as a whole: it needs nothing but Python 3.9 and its standard
library, it is typed and documented, and what is installed is all of it."""

import ast
import inspect
import os
import re
import subprocess
import sys
import unittest

import common
import sincefs

# What a module may import beside the standard library: its own host.
HOSTS = {"ipython.py": {"IPython"}}


def modules():
    """{name: syntax tree} of each file."""
    found = {}
    for name in sorted(os.listdir(common.PACKAGE)):
        if name.endswith(".py"):
            with open(os.path.join(common.PACKAGE, name),
                      encoding="utf-8") as file:
                text = file.read()
            found[name] = ast.parse(text, name, feature_version=(3, 9))
            if not text.startswith("# SPDX-License-Identifier: MIT\n"):
                raise AssertionError(f"{name} has no licence")
    return found


def is_public(name):
    return not name.startswith("_")


class PackageTest(unittest.TestCase):
    @unittest.skipIf(sys.version_info < (3, 10), "who tells what is in it")
    def test_only_the_standard_library_is_imported(self):
        for name, tree in modules().items():
            allowed = sys.stdlib_module_names | HOSTS.get(name, set())
            for node in ast.walk(tree):
                imported = []
                if isinstance(node, ast.Import):
                    imported = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported = [node.module]
                for each in imported:
                    self.assertIn(each.split(".")[0], allowed, name)

    def test_everything_is_annotated(self):
        for name, tree in modules().items():
            for node in ast.walk(tree):
                if not isinstance(node, (ast.FunctionDef,
                                         ast.AsyncFunctionDef)):
                    continue
                where = f"{name}: {node.name}"
                self.assertIsNotNone(node.returns, where)
                every = node.args.posonlyargs + node.args.args + \
                    node.args.kwonlyargs
                for argument in every:
                    if argument.arg not in ("self", "cls"):
                        self.assertIsNotNone(argument.annotation,
                                             f"{where}: {argument.arg}")
        self.assertTrue(os.path.exists(common.PACKAGE + "/py.typed"))

    def test_everything_public_is_documented(self):
        for name, tree in modules().items():
            self.assertTrue(ast.get_docstring(tree), name)
            for node in ast.walk(tree):
                if not isinstance(node, ast.ClassDef):
                    continue
                self.assertTrue(ast.get_docstring(node),
                                f"{name}: {node.name}")
                for each in node.body:
                    if isinstance(each, (ast.FunctionDef,
                                         ast.AsyncFunctionDef)) and \
                            is_public(each.name) and is_public(node.name):
                        self.assertTrue(ast.get_docstring(each),
                                        f"{name}: {node.name}.{each.name}")

    def test_public_names_are_those_that_are_promised(self):
        self.assertEqual(sincefs.__all__, sorted(
            sincefs.__all__, key=lambda name: (name.lower(), name)))
        for name in sincefs.__all__:
            self.assertTrue(hasattr(sincefs, name), name)
        self.assertEqual(
            {name for name in vars(sincefs) if is_public(name) and
             not inspect.ismodule(getattr(sincefs, name))} -
            set(sincefs.__all__), set())
        for name in ("token since changed wait scan info trees fileno watch "
                     "close").split():
            self.assertTrue(inspect.getdoc(getattr(sincefs.Connection, name)))

    def test_pydoc_reads_well(self):
        """It shows what is public, with its texts, and nothing that is not."""
        text = subprocess.run(
            [sys.executable, "-m", "pydoc", "sincefs"], check=True,
            stdout=subprocess.PIPE, text=True, timeout=60, env={
                **os.environ, "PYTHONPATH": os.path.dirname(common.PACKAGE),
                "MANPAGER": "cat", "PAGER": "cat"}).stdout
        for wanted in ("Ask a sincefs mount what changed", "class Connection",
                       "NotMounted", "What happened to it after the token",
                       "changed(self, token"):
            self.assertIn(wanted, text)
        # A field of a tuple is told by what stands at it, not by its number.
        self.assertNotIn("Alias for field number", text)
        self.assertNotRegex(text, r"\n {4}class _")

    def test_what_is_installed_is_all_of_it(self):
        with open(os.path.join(common.SRCDIR, "core", "Makemodule.am"),
                  encoding="utf-8") as file:
            listed = re.findall(r"%D%/python/sincefs/([\w.]+)", file.read())
        self.assertEqual(sorted(listed), sorted(
            name for name in os.listdir(common.PACKAGE)
            if name != "__pycache__"))


if __name__ == "__main__":
    unittest.main()
