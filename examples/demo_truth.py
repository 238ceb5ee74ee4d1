# SPDX-License-Identifier: MIT
"""The truth that demo.sh holds sincefs's answers against.

  demo_truth.py copy TARGET           copy Python's own sources to TARGET
  demo_truth.py snapshot TREE FILE    write down what TREE holds
  demo_truth.py compare BEFORE AFTER  judge the answer on standard input, as
                                      `sincefs since --json` prints it
  demo_truth.py same BEFORE AFTER     the two snapshots show the same tree

It knows nothing of sincefs but the JSON lines: it reads every file of the tree
before and after, which is what sincefs is there to spare us.
"""

import base64
import hashlib
import json
import os
import shutil
import stat
import sys
import sysconfig

SKIPPED = {"__pycache__", "test", "tests", "site-packages", "dist-packages"}


def copy(target):
    """Copy the sources of the standard library; return how many files."""
    source = sysconfig.get_paths()["stdlib"]
    count = 0
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(set(folders) - SKIPPED)
        sources = [name for name in files if name.endswith(".py")]
        if not sources:
            continue
        into = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(into, exist_ok=True)
        for name in sources:
            shutil.copyfile(os.path.join(folder, name),
                            os.path.join(into, name))
            count += 1
    print(f"{count} source files from {source}")
    return 0 if count > 100 else 1


def entry(path):
    """What there is to know about one path: (visible, touched).

    The first changes when a reader could tell a difference, the second also
    when somebody wrote the same again.
    """
    status = os.lstat(path)
    body = ""
    if stat.S_ISLNK(status.st_mode):
        body = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            body = hashlib.sha256(file.read()).hexdigest()
    visible = [status.st_mode, status.st_uid, status.st_gid, body]
    touched = [status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
    return visible, touched


def snapshot(tree, file):
    entries = {".": entry(tree)}
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            path = os.path.join(folder, name)
            entries[os.path.relpath(path, tree)] = entry(path)
    with open(file, "w", encoding="ascii") as out:
        json.dump(entries, out)
    return 0


def load(file):
    with open(file, encoding="ascii") as source:
        return json.load(source)


def read_answer(lines):
    """The records and the last line of an answer."""
    records = [json.loads(line) for line in lines]
    if not records or "token" not in records[-1]:
        raise SystemExit("  WRONG: the answer has no last line")
    end = records.pop()
    for record in records:
        if "path_base64" in record:
            name = base64.b64decode(record["path_base64"])
            record["path"] = os.fsdecode(name)
    return records, end


def is_covered(path, named, subtrees):
    if path in named or "." in subtrees:
        return True
    parent = os.path.dirname(path)
    while parent:
        if parent in subtrees:
            return True
        parent = os.path.dirname(parent)
    return False


def compare(before_file, after_file, answer):
    before, after = load(before_file), load(after_file)
    records, end = read_answer(answer)
    if end["fresh"]:
        print(f"  WRONG: the answer is FRESH ({end['reason']})")
        return 1

    named = {record["path"]: set(record["flags"]) for record in records}
    subtrees = {path for path, flags in named.items() if "subtree" in flags}
    changed = {path for path in before.keys() | after.keys()
               if before.get(path, [None])[0] != after.get(path, [None])[0]}

    wrong = [f"missing from the answer: {path!r}"
             for path in sorted(changed)
             if not is_covered(path, named, subtrees)]
    passing = 0
    rewritten = 0
    for path, flags in sorted(named.items()):
        was, now = before.get(path), after.get(path)
        if ("gone" in flags) != (now is None):
            wrong.append(f"said to be gone, or not, and wrongly: {path!r}")
        elif "new" in flags and was is not None:
            wrong.append(f"said to be new, but was there: {path!r}")
        elif was is None and now is None:
            passing += 1
        elif was == now:
            wrong.append(f"named, but nothing touched it: {path!r}")
        elif path not in changed:
            rewritten += 1

    notes = []
    below = sum(path not in named for path in changed)
    if below:
        notes.append(f"{below} paths below a renamed directory")
    if passing:
        notes.append(f"{passing} names came and went")
    if rewritten:
        notes.append(f"{rewritten} written without a difference")
    print(f"  paths that differ: {len(changed)}; names in the answer: "
          f"{len(named)}" + (f" ({', '.join(notes)})" if notes else "")
          + (": right" if not wrong else ""))
    for line in wrong:
        print(f"  WRONG: {line}")
    return 1 if wrong else 0


def same(one_file, other_file):
    one, other = load(one_file), load(other_file)
    differing = [path for path in one.keys() | other.keys()
                 if one.get(path, [None])[0] != other.get(path, [None])[0]]
    for path in sorted(differing):
        print(f"  WRONG: differs: {path!r}")
    return 1 if differing else 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "copy":
        return copy(arguments[1])
    if len(arguments) == 3 and arguments[0] == "snapshot":
        return snapshot(*arguments[1:])
    if len(arguments) == 3 and arguments[0] == "compare":
        return compare(*arguments[1:], sys.stdin)
    if len(arguments) == 3 and arguments[0] == "same":
        return same(*arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
