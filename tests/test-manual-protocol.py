# SPDX-License-Identifier: MIT
"""sincefs-protocol(7) against what it describes: its structures are those of
the header, field by field; its sizes, values and examples are the real ones;
and it is free of formatting errors where groff is there to tell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SRCDIR = os.environ.get("SINCEFS_SRCDIR") or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(SRCDIR, "core", "sincefs-protocol.7")
HEADER = os.path.join(SRCDIR, "core", "sincefs", "protocol.h")
LIBRARY_HEADER = os.path.join(SRCDIR, "core", "sincefs", "sincefs.h")
EXAMPLES = ("since.c", "raw.c")

ESCAPES = {r"\e": "\\", r"\-": "-", r"\(aq": "'", r"\(ha": "^",
           r"\(ti": "~", r"\(ga": "`", r"\&": ""}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def unescape(text):
    return re.sub(r"\\(?:\(..|.)", lambda match: ESCAPES[match[0]], text)


def blocks(page):
    """The text of each .EX block."""
    return [unescape(block)
            for block in re.findall(r"^\.EX\n(.*?)^\.EE$", page,
                                    re.MULTILINE | re.DOTALL)]


def reindent(code):
    """As the page has it: four columns a level, no licence."""
    lines = []
    for line in code.splitlines()[1:]:
        line = line.expandtabs(8)
        body = line.lstrip(" ")
        columns = len(line) - len(body)
        lines.append(" " * (columns // 8 * 4 + columns % 8) + body)
    return "\n".join(lines) + "\n"


def structures(page_blocks):
    """{name: (definition, [field names])}"""
    found = {}
    for block in page_blocks:
        match = re.match(r"struct (sincefs_\w+) \{.*?\n(.*?)^\};", block,
                         re.MULTILINE | re.DOTALL)
        if not match:
            continue
        fields = []
        body = re.sub(r"/\*.*?\*/", "", match[2])
        for declaration in body.split(";"):
            names = re.sub(r"^\s*(unsigned |struct )?\w+ ", "", declaration)
            fields += [re.sub(r"\[.*", "", name).strip()
                       for name in names.split(",") if name.strip()]
        found[match[1]] = (match[0], fields)
    return found


def compare_structures(found):
    """A program that does not compile if the page's structures differ."""
    lines = ["#include <stddef.h>", "#include <sincefs/protocol.h>", "enum {"]
    for name, (_, fields) in found.items():
        lines.append(f"size_{name} = sizeof(struct {name}),")
        for field in fields:
            lines.append(f"at_{name}_{field} = "
                         f"offsetof(struct {name}, {field}),")
            lines.append(f"size_{name}_{field} = "
                         f"sizeof(((struct {name} *)0)->{field}),")
    lines.append("};")
    for name in found:
        lines.append(f"#define {name} page_{name}")
    for name, (definition, fields) in found.items():
        lines.append(definition)
        lines.append(f"_Static_assert(sizeof(struct {name}) == "
                     f'size_{name}, "size of {name}");')
        for field in fields:
            lines.append(
                f"_Static_assert(offsetof(struct {name}, {field}) == "
                f"at_{name}_{field} && "
                f"sizeof(((struct {name} *)0)->{field}) == "
                f'size_{name}_{field}, "{name}.{field}");')
    return "\n".join(lines) + "\n"


def compiles(source):
    compiler = shlex.split(os.environ.get("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        done = subprocess.run(
            [*compiler, "-std=c11", "-fsyntax-only", "-I",
             os.path.join(SRCDIR, "core"), path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


def header_values(header):
    """{name: value} of the plain numbers of the header."""
    return {match[1]: int(match[2], 0) for match in re.finditer(
        r"^#define (SINCEFS_\w+) (?:UINT\d\d_C\()?(0x[0-9a-f]+|\d+)\)?",
        header, re.MULTILINE | re.IGNORECASE)}


def main():
    page = read(PAGE)
    header = read(HEADER)
    page_blocks = blocks(page)
    wrong = []

    found = structures(page_blocks)
    in_header = set(re.findall(r"^struct (sincefs_\w+) \{", header,
                               re.MULTILINE))
    if set(found) != in_header:
        wrong.append("structures only in the page or only in the header: "
                     f"{sorted(set(found) ^ in_header)}")
    good, messages = compiles(compare_structures(found))
    if not good:
        wrong.append(f"structures differ from the header's:\n{messages}")
    # The comparison itself must be able to fail.
    spoiled = {name: (definition.replace("uint32_t", "uint64_t", 1), fields)
               for name, (definition, fields) in found.items()}
    if compiles(compare_structures(spoiled))[0]:
        wrong.append("wrong structures were not noticed")

    sizes = dict(re.findall(r"^\.B (sincefs_\w+)\n(\d+)(?: bytes\.|,)$", page,
                            re.MULTILINE))
    if set(sizes) | {"sincefs_token"} != in_header:
        wrong.append(f"sizes are given for {sorted(sizes)}")
    source = "#include <sincefs/protocol.h>\n" + "".join(
        f'_Static_assert(sizeof(struct {name}) == {size}, "{name}");\n'
        for name, size in sizes.items())
    good, messages = compiles(source)
    if not good:
        wrong.append(f"sizes are wrong:\n{messages}")

    values = header_values(header)
    told = re.findall(r"^\.BR? (SINCEFS_\w+)(?: \" |\n)\((\w+)\)", page,
                      re.MULTILINE)
    if len(told) < 15:
        wrong.append(f"only {len(told)} values are told")
    for name, value in told:
        if values.get(name) != int(value, 0):
            wrong.append(f"{name} is {values.get(name)}, not {value}")
    for name in re.findall(r"\bSINCEFS_[A-Z_]+\b", page):
        if name not in header + read(LIBRARY_HEADER):
            wrong.append(f"{name} is in no header")

    for example in EXAMPLES:
        code = reindent(read(os.path.join(SRCDIR, "examples", "c", example)))
        if code not in page_blocks:
            wrong.append(f"the page has not examples/c/{example} as it is")

    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-t", "-man", "-Tutf8", "-ww", "-z", PAGE],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0 or done.stdout:
            wrong.append(f"groff: {done.stdout}")
    else:
        print("groff is not here to look for formatting errors")

    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
