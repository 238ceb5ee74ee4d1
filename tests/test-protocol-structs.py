# SPDX-License-Identifier: MIT
"""The struct formats of the Python client, which are those of the tests' as well,
against the C header.

A tiny program prints sizes, offsets and ioctl numbers as the C compiler sees
them; a difference is a client that sends or reads nonsense.
"""

import os
import shlex
import subprocess
import sys
import tempfile

SRCDIR = os.environ.get("SINCEFS_SRCDIR") or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SRCDIR, "core", "python"))

from sincefs import _protocol as client  # noqa: E402

# Python's format, and the C fields in its order; an array takes as many of the
# format's items as it has elements, a string of bytes one.
STRUCTURES = {
    "sincefs_token": (client.TOKEN, "instance clock"),
    "sincefs_info": (client.INFO,
                     "signature version features now.instance now.clock floor "
                     "entries capacity tree tree_count pid zero32 zero[0] "
                     "zero[1] zero[2] zero[3] zero[4] zero[5]"),
    "sincefs_tree": (client.TREE,
                     "id flags scans scan_age_ns scan_period_ns scan_cost_ns "
                     "files scan_error zero32 root"),
    "sincefs_record": (client.RECORD, "clock tree pid uid flags length"),
    "sincefs_scan": (client.SCAN, "tree zero32 scans"),
    "sincefs_clock_page_name": (client.CLOCK, "path"),
    "sincefs_stats": (client.STATS,
                      " ".join(f"requests[{n}]" for n in range(16)) +
                      " uptime_ns stamps inodes descriptors hidden " +
                      " ".join(f"zero[{n}]" for n in range(11)) +
                      " hidden_in"),
    "sincefs_page": (client.PAGE_HEADER,
                     "signature flags token.instance token.clock tree mask "
                     "count bytes reason zero32 zero[0] zero[1] names"),
}

# Whose value is the same under the same name, SINCEFS_ in front in C.
NUMBERS = """SIGNATURE PROTOCOL_VERSION FEATURE_SYNC_EXACT FEATURE_CLOCK_PAGE
FEATURE_STATS TREE_ALL TREE_MOUNTED ROOT_SIZE FRESH MORE BELOW PAGE_SIZE
PAGE_DATA_SIZE NAMES_SIZE IOC_TYPE IOC_INFO IOC_TREE IOC_SINCE IOC_SCAN
IOC_CLOCK IOC_STATS REQUEST_LOOKUP REQUEST_ATTRIBUTES
REQUEST_CHANGE REQUEST_NAME REQUEST_READ REQUEST_WRITE REQUEST_DIRECTORY
REQUEST_SYNC REQUEST_XATTR REQUEST_IOCTL REQUEST_POLL REQUEST_FORGET
REQUEST_OTHER REQUEST_KINDS""".split()
FLAGS = "CONTENT META TIMES NEW GONE DIR SUBTREE SCANNED LINKED MIXED".split()
REASONS = "NO_TOKEN RESTART FORGOT LOST FUTURE".split()


def write_program():
    lines = ["#include <stddef.h>", "#include <stdio.h>",
             "#include <sincefs/protocol.h>", "int main(void)", "{"]
    for name, (_, fields) in STRUCTURES.items():
        lines.append(f'printf("size {name} %zu\\n", sizeof(struct {name}));')
        for field in fields.split():
            lines.append(f'printf("field {name}.{field} %zu %zu\\n", '
                         f"offsetof(struct {name}, {field}), "
                         f"sizeof(((struct {name} *)0)->{field}));")
    for name in NUMBERS + FLAGS:
        lines.append(f'printf("number {name} %llu\\n", '
                     f"(unsigned long long)SINCEFS_{name});")
    for name in REASONS:
        lines.append(f'printf("number {name} %llu\\n", '
                     f"(unsigned long long)SINCEFS_REASON_{name});")
    lines += ["return 0;", "}", ""]
    return "\n".join(lines)


def run_program():
    """{first two words of a line: its numbers}"""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "print.c")
        program = os.path.join(folder, "print")
        with open(source, "w", encoding="ascii") as file:
            file.write(write_program())
        subprocess.run([*compiler, "-I", os.path.join(SRCDIR, "core"),
                        "-o", program, source], check=True)
        output = subprocess.run([program], check=True, text=True,
                                stdout=subprocess.PIPE).stdout
    result = {}
    for line in output.splitlines():
        kind, name, *numbers = line.split()
        result[kind, name] = [int(number) for number in numbers]
    return result


def split_format(struct_format):
    """[(offset, size)] of the items of a format without padding."""
    items = []
    offset = 0
    count = ""
    sizes = {"Q": 8, "I": 4, "i": 4, "H": 2}
    for letter in struct_format.lstrip("="):
        if letter.isdigit():
            count += letter
            continue
        if letter == "s":
            items.append((offset, int(count)))
            offset += int(count)
        else:
            for _ in range(int(count or 1)):
                items.append((offset, sizes[letter]))
                offset += sizes[letter]
        count = ""
    return items


def main():
    seen = run_program()
    wrong = []

    def compare(what, python, header):
        if python != header:
            wrong.append(f"{what}: {python} in Python, {header} in C")

    for name, (packer, fields) in STRUCTURES.items():
        size = (client.PAGE_SIZE if name == "sincefs_page" else packer.size)
        compare(f"size of {name}", [size], seen["size", name])
        items = split_format(packer.format)
        fields = fields.split()
        compare(f"number of fields of {name}", len(items), len(fields))
        for field, item in zip(fields, items):
            compare(f"offset and size of {name}.{field}", list(item),
                    seen["field", f"{name}.{field}"])
    for name in NUMBERS + REASONS:
        compare(name, [getattr(client, name)], seen["number", name])
    for name in FLAGS:
        compare(name, [client.Flags[name].value], seen["number", name])
    compare("the names of flags", [flag.name for flag in client.Flags], FLAGS)

    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
