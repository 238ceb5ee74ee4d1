# SPDX-License-Identifier: MIT
"""What it costs a notebook, before each cell, to learn which modules changed.

About 2,500 loaded modules (the standard library, numpy, pandas and friends
where present, filled up with generated installed ones), and user modules in a
mounted directory. Columns:

  a  stat every module: what the reloaders of notebooks do
  b  the same, with installed modules skipped by their prefix
  c  indexed stat: compare sys.modules with what it was, then stat the user
     files alone; the strongest rival that looks at files
  d  IPython's own check, as it is installed here
  e  sincefs, exact: ModuleTracker.check(), which is syncfs(2) and one ioctl(2)
  f  sincefs, Connection.changed()

Medians in microseconds of 200 iterations. All columns run in one process and
take turns, 20 checks at a time after three that warm up. The first check of
each turn is told apart: others ran before it, so that the processor's caches
hold other things, as before a cell. Then the same with 1 and 10 modules edited
before each iteration, in which each column checks once; the edits are such
that stat sees them, and that each column finds them is checked. Last: what
importing through the mount costs.

Environment: SINCEFS_BENCH_SHORT=1 takes 25 iterations instead of 200;
SINCEFS_BENCH_ITERATIONS=N, SINCEFS_BENCH_ROWS="5 50 ..." choose;
SINCEFS_BENCH_OUT is the directory for bench-reload.json, .svg and .png (.).
"""

import gc
import importlib
import io
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings

TOP = os.path.abspath(os.environ.get("SINCEFS_SRCDIR", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..")))
BUILD = os.environ.get("SINCEFS_BUILDDIR", TOP)
COMMAND = os.environ.get("SINCEFS", os.path.join(BUILD, "mount", "sincefs"))
PACKAGE = os.path.join(TOP, "core", "python")
sys.path.insert(0, PACKAGE)

import sincefs
from sincefs.reload import ModuleTracker

SHORT = os.environ.get("SINCEFS_BENCH_SHORT", "") not in ("", "0")
ITERATIONS = int(os.environ.get("SINCEFS_BENCH_ITERATIONS",
                                "25" if SHORT else "200"))
BLOCK = min(5 if SHORT else 20, ITERATIONS)
WARM_UP = 3
ROWS = [int(word) for word in os.environ.get(
    "SINCEFS_BENCH_ROWS", "5 50 250 500 1000 2500 10000").split()]
EDITED = (1, 10)
OUT = os.environ.get("SINCEFS_BENCH_OUT", ".")
LOADED = 2500
COLUMNS = "abcdef"
TITLES = {
    "a": "stat every module", "b": "skip installed", "c": "indexed stat",
    "d": "IPython's own", "e": "sincefs exact", "f": "sincefs changed()",
}
FRIENDS = ("numpy", "numpy.testing", "pandas", "pandas.testing", "matplotlib",
           "matplotlib.pyplot", "scipy.stats", "sympy", "requests", "IPython",
           "PIL.Image", "lxml.etree", "sqlalchemy", "jinja2", "yaml")
# They print, open windows or end the process.
UNWANTED = {"antigravity", "this", "idlelib", "turtle", "turtledemo",
            "tkinter", "test", "lib2to3", "__main__"}


def say(text=""):
    print(text, flush=True)


# ---- what is loaded ---------------------------------------------------

def load_heavily(base):
    """Load modules until there are LOADED; how many of each kind."""
    count = {}
    before = len(sys.modules)
    quiet = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.setdefault("MPLBACKEND", "agg")
        keep, sys.stdout = sys.stdout, quiet
        try:
            for name in sorted(getattr(sys, "stdlib_module_names", ())):
                if name not in UNWANTED and not name.startswith("_"):
                    load(name)
            folder = sysconfig.get_path("stdlib")
            for package in ("asyncio", "concurrent", "ctypes", "curses",
                            "distutils", "email", "encodings", "html", "http",
                            "importlib", "json", "logging", "multiprocessing",
                            "unittest", "urllib", "wsgiref", "xml"):
                for where, _, files in os.walk(os.path.join(folder, package)):
                    for file in sorted(files):
                        if file.endswith(".py") and file != "__main__.py":
                            load(os.path.relpath(os.path.join(where, file),
                                                 folder)[:-3]
                                 .replace("/", "."))
            count["standard library"] = len(sys.modules) - before
            before = len(sys.modules)
            for name in FRIENDS:
                load(name)
            count["packages found here"] = len(sys.modules) - before
        finally:
            sys.stdout = keep
    missing = max(0, LOADED - len(sys.modules))
    installed = os.path.join(base, "lib", "site-packages", "generated")
    os.makedirs(installed)
    write(os.path.join(installed, "__init__.py"), "")
    for number in range(missing - 1):
        write(os.path.join(installed, f"m{number}.py"), f"X = {number}\n")
    sys.path.append(os.path.dirname(installed))
    for number in range(missing - 1):
        importlib.import_module(f"generated.m{number}")
    count["generated installed"] = max(0, missing)
    return count


def load(name):
    try:
        importlib.import_module(name)
    except BaseException:  # not for this system, or it wants to end us
        pass


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


# ---- the rivals -------------------------------------------------------

def place_and_time(module):
    """As the reloaders of notebooks find a module's file and its time."""
    path = getattr(module, "__file__", None)
    if path is None or getattr(module, "__name__", None) in (
            None, "__main__", "__mp_main__"):
        return None
    base, extension = os.path.splitext(path)
    if extension.lower() != ".py":
        return None
    try:
        return path, os.stat(path).st_mtime
    except OSError:
        return None


class StatEvery:
    """(a)"""

    def __init__(self):
        self.times = {}
        self.check()

    def check(self):
        found = []
        for name in list(sys.modules):
            module = sys.modules.get(name)
            if module is None:
                continue
            place = place_and_time(module)
            if place is None:
                continue
            before = self.times.get(name)
            if before is None or place[1] > before:
                self.times[name] = place[1]
                if before is not None:
                    found.append(name)
        return found


class SkipInstalled:
    """(b)"""

    def __init__(self):
        self.times = {}
        self.skip = set()
        self.roots = tuple({sysconfig.get_path(key) for key in (
            "stdlib", "platstdlib", "purelib", "platlib")} | {
                "/usr/lib/python3/dist-packages",
                "/usr/local/lib/python3/dist-packages"} | {
                    path for path in sys.path
                    if path.endswith(("site-packages", "dist-packages"))})
        self.check()

    def check(self):
        found = []
        skip = self.skip
        for name in list(sys.modules):
            if name in skip:
                continue
            module = sys.modules.get(name)
            if module is None:
                continue
            path = getattr(module, "__file__", None)
            if not path or path.startswith(self.roots):
                skip.add(name)
                continue
            place = place_and_time(module)
            if place is None:
                continue
            before = self.times.get(name)
            if before is None or place[1] > before:
                self.times[name] = place[1]
                if before is not None:
                    found.append(name)
        return found


class IndexedStat:
    """(c)"""

    def __init__(self, project):
        self.project = project + "/"
        self.known = {}
        self.files = []
        self.times = {}
        self.check()

    def check(self):
        if sys.modules != self.known:
            self.known = dict(sys.modules)
            self.files = [(name, module.__file__)
                          for name, module in self.known.items()
                          if (getattr(module, "__file__", None) or "")
                          .startswith(self.project)]
            for name, path in self.files:
                self.times.setdefault(name, os.stat(path).st_mtime_ns)
        found = []
        times = self.times
        stat = os.stat
        for name, path in self.files:
            now = stat(path).st_mtime_ns
            if now != times[name]:
                times[name] = now
                found.append(name)
        return found


class IPythons:
    """(d)"""

    def __init__(self):
        from IPython.extensions import autoreload
        self.reloader = autoreload.ModuleReloader()
        self.reloader.enabled = self.reloader.check_all = True
        self.before = {}

    def check(self):
        self.reloader.check(check_all=True, do_reload=False)

    def found(self, names):
        """It does not say what it found; its times do."""
        times = self.reloader.modules_mtimes
        found = [name for name in names
                 if times.get(name) == os.stat(
                     sys.modules[name].__file__).st_mtime]
        return found


class Sincefs:
    """(e) and (f)"""

    def __init__(self, project):
        self.tracker = ModuleTracker(project)
        self.exact = self.tracker.consumer(running=False)
        self.connection = sincefs.Connection(project)
        self.token = self.connection.token()

    def check(self):
        return self.exact.check()

    def changed(self):
        return self.connection.changed(self.token)


# ---- measuring --------------------------------------------------------

def checks_of(state):
    """{column: the call to measure}, in the columns' order."""
    checks = {"a": state["a"].check, "b": state["b"].check,
              "c": state["c"].check, "e": state["e"].check,
              "f": state["e"].changed}
    if state["d"] is not None:
        checks["d"] = state["d"].check
    return {column: checks[column] for column in COLUMNS if column in checks}


def measure_unedited(state):
    """{column: summary} of checks that find nothing, and the same of each
    first one after others ran: then processor caches hold other things.

    The columns take turns, BLOCK checks at a time, of which the first
    WARM_UP warm up and do not count."""
    checks = checks_of(state)
    columns = list(checks)
    warm = {column: [] for column in columns}
    cold = {column: [] for column in columns}
    now = time.perf_counter_ns
    state["e"].token = state["e"].connection.token()
    for turn in range(-1, ITERATIONS // BLOCK):
        place = turn % len(columns)
        for column in columns[place:] + columns[:place]:
            check = checks[column]
            for number in range(-WARM_UP, BLOCK):
                start = now()
                found = check()
                took = (now() - start) / 1000
                if found:
                    raise SystemExit(f"({column}) found {found!r} where "
                                     "nothing changed")
                if turn >= 0 and number >= 0:
                    warm[column].append(took)
                elif turn >= 0 and number == -WARM_UP:
                    cold[column].append(took)
    return ({column: summary(values) for column, values in warm.items()},
            {column: summary(values) for column, values in cold.items()})


def measure_edited(project, names, edited, state):
    """{column: summary} of checks after @edited modules were edited. Each
    column must find them, so that each is checked once an edit."""
    checks = checks_of(state)
    columns = list(checks)
    ours = set(names)
    samples = {column: [] for column in columns}
    now = time.perf_counter_ns
    for iteration in range(-WARM_UP, ITERATIONS):
        chosen = set()
        for number in range(edited):
            # Spread over the modules, each in its turn.
            index = ((iteration + WARM_UP) * edited + number) * 7919
            chosen.add(names[index % len(names)])
        chosen = sorted(chosen)
        state["e"].token = state["e"].connection.token()
        for name in chosen:
            write(os.path.join(project, name + ".py"),
                  f"VALUE = {iteration}\n")
        turn = (iteration + WARM_UP) % len(columns)
        results = {}
        for column in columns[turn:] + columns[:turn]:
            check = checks[column]
            start = now()
            results[column] = check()
            took = (now() - start) / 1000
            if iteration >= 0:
                samples[column].append(took)
        if state["d"] is not None:
            results["d"] = state["d"].found(chosen)
        for column in columns:
            found = results[column]
            if column == "f":
                right = found is True
            elif column == "e":
                right = sorted(found.names) == chosen
            else:
                # Somebody else may edit an installed file meanwhile.
                right = sorted(ours.intersection(found)) == chosen
            if not right:
                raise SystemExit(f"({column}) found {found!r} instead of "
                                 f"{chosen!r}: nothing is measured")
    return {column: summary(values) for column, values in samples.items()}


def summary(values):
    values = sorted(values)
    return {"median": statistics.median(values),
            "p10": values[len(values) // 10],
            "p90": values[len(values) * 9 // 10]}


def measure_imports(base, count=500, rounds=5 if SHORT else 15):
    """Seconds to import @count small modules in a new process, with their
    bytecode written before: from a plain directory, and from the same lying
    in a .venv of a mounted project; with and without watched imports."""
    inside = ".venv/lib/python3/site-packages"
    places = {}
    for kind in ("plain", "mounted"):
        places[kind] = os.path.join(base, kind, inside)
        os.makedirs(places[kind])
        for number in range(count):
            write(os.path.join(places[kind], f"inst{number}.py"),
                  "".join(f"def f{index}(x):\n    return x + {index}\n"
                          for index in range(40)))
    mounted = os.path.join(base, "mounted")
    run_command("mount", mounted)
    script = """
import sys, time
sys.path[:0] = [{package!r}, {place!r}]
if {watched}:
    from sincefs.reload import ModuleTracker
    tracker = ModuleTracker({root!r})
    tracker.watch_imports()
start = time.perf_counter()
for number in range({count}):
    __import__("inst%d" % number)
print(time.perf_counter() - start)
"""
    kinds = (("plain", False), ("mounted", False), ("mounted", True))
    seconds = {kind: [] for kind in kinds}
    environment = {key: value for key, value in os.environ.items()
                   if key != "PYTHONDONTWRITEBYTECODE"}
    try:
        for number in range(-2, rounds):
            for kind in kinds:
                out = subprocess.run(
                    [sys.executable, "-c", script.format(
                        package=PACKAGE, place=places[kind[0]],
                        watched=kind[1], root=mounted, count=count)],
                    env=environment, check=True, stdout=subprocess.PIPE,
                    cwd="/").stdout
                if number >= 0:
                    seconds[kind].append(float(out))
    finally:
        run_command("umount", mounted)
    medians = [statistics.median(seconds[kind]) * 1e6 / count
               for kind in kinds]
    return {"modules": count, "plain_us": medians[0],
            "mounted_us": medians[1], "mounted_watched_us": medians[2]}


def run_command(*arguments):
    subprocess.run([COMMAND, *arguments], check=True, cwd="/",
                   stdout=subprocess.DEVNULL)


# ---- what is printed --------------------------------------------------

def format_us(value):
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def print_table(title, rows):
    say(f"\n{title}; medians in microseconds")
    say(f"{'user modules':>12}" + "".join(
        f"{f'({column}) ' + TITLES[column]:>22}" for column in COLUMNS))
    for count, row in rows.items():
        say(f"{count:>12}" + "".join(
            f"{format_us(row[column]['median']):>22}" if column in row
            else f"{'-':>22}" for column in COLUMNS))


def print_claims(rows):
    """What the project wants to hold, with the figures of this run."""
    def median(column, count):
        return rows[count][column]["median"]
    say("\nheld against what is wanted, with nothing edited:")
    claims = []

    def claim(text, actual, wanted, at_least=True):
        holds = actual >= wanted if at_least else actual <= wanted
        claims.append({"claim": text, "actual": actual, "wanted": wanted,
                       "holds": holds})
        say(f"  {'holds ' if holds else 'FAILS '} {text}: {actual:,.2f}, "
            f"wanted {'at least' if at_least else 'at most'} {wanted:g}")
    if 5 in rows:
        claim("(c)/(e) at 5", median("c", 5) / median("e", 5), 1)
        claim("(a)/(e) at 5", median("a", 5) / median("e", 5), 500)
    if 250 in rows:
        claim("(c)/(e) at 250", median("c", 250) / median("e", 250), 10)
    if 10000 in rows:
        claim("(c)/(e) at 10000", median("c", 10000) / median("e", 10000), 500)
    if 5 in rows and 10000 in rows:
        claim("(e) at 10000 / (e) at 5",
              median("e", 10000) / median("e", 5), 1.2, at_least=False)
    return claims


COLOURS = {"a": "#9a3324", "b": "#c8772c", "c": "#7a7a2a", "d": "#6a4c93",
           "e": "#1b6ca8", "f": "#2a9d8f"}


def svg(rows):
    """A log-log plot of the medians, nothing edited, as SVG text."""
    import math
    width, height, left, top, right, bottom = 760, 460, 70, 40, 180, 50
    counts = list(rows)
    values = [row[column]["median"] for row in rows.values() for column in row]
    x0, x1 = math.log10(min(counts)), math.log10(max(counts))
    y0 = math.floor(math.log10(min(values)))
    y1 = math.ceil(math.log10(max(values)))
    x1 += x0 == x1
    y1 += y0 == y1

    def x(count):
        return left + (math.log10(count) - x0) / (x1 - x0) * (
            width - left - right)

    def y(value):
        return height - bottom - (math.log10(value) - y0) / (y1 - y0) * (
            height - top - bottom)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="22" font-size="15">One check that finds nothing '
        f'changed, {LOADED:,} installed modules loaded</text>']
    for power in range(y0, y1 + 1):
        place = y(10 ** power)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{place:.1f}"'
                     f' y2="{place:.1f}" stroke="#ddd"/>')
        label = f"{10 ** power:,} µs" if power < 3 else \
            f"{10 ** (power - 3):,} ms" if power < 6 else \
            f"{10 ** (power - 6):,} s"
        parts.append(f'<text x="{left - 6}" y="{place + 4:.1f}" '
                     f'text-anchor="end">{label}</text>')
    for count in counts:
        parts.append(f'<text x="{x(count):.1f}" y="{height - bottom + 18}" '
                     f'text-anchor="middle">{count:,}</text>')
    parts.append(f'<text x="{(left + width - right) / 2:.0f}" '
                 f'y="{height - 10}" text-anchor="middle">user modules</text>')
    ends = []
    for column in COLUMNS:
        points = [(x(count), y(row[column]["median"]))
                  for count, row in rows.items() if column in row]
        if not points:
            continue
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" '
                     f'stroke="{COLOURS[column]}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" '
                  f'fill="{COLOURS[column]}"/>' for a, b in points]
        ends.append([points[-1][1], column])
    # Labels at the lines' ends, apart from each other.
    last = -100.0
    for place, column in sorted(ends):
        place = max(place, last + 15)
        last = place
        parts.append(f'<text x="{width - right + 10}" y="{place + 4:.1f}" '
                     f'fill="{COLOURS[column]}">({column}) '
                     f'{TITLES[column]}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def png(rows, svg_path, png_path):
    """The same as PNG, by what is there; how, or None."""
    if shutil.which("rsvg-convert"):
        if subprocess.run(["rsvg-convert", "-o", png_path, svg_path],
                          check=False).returncode == 0:
            return "rsvg-convert"
    try:
        import matplotlib
        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        return None
    figure, axes = pyplot.subplots(figsize=(7.6, 4.6), dpi=120)
    for column in COLUMNS:
        points = [(count, row[column]["median"])
                  for count, row in rows.items() if column in row]
        if points:
            axes.loglog(*zip(*points), "o-", color=COLOURS[column],
                        label=f"({column}) {TITLES[column]}")
    axes.set_xlabel("user modules")
    axes.set_ylabel("microseconds")
    axes.set_title(f"One check that finds nothing changed, {LOADED:,} "
                   "installed modules loaded", fontsize=10)
    axes.grid(True, color="#ddd")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(png_path)
    return "matplotlib"


# ---- all of it --------------------------------------------------------

def main():
    base = os.path.realpath(tempfile.mkdtemp(prefix="sincefs-bench-"))
    project = os.path.join(base, "project")
    os.mkdir(project)
    sys.dont_write_bytecode = True  # 10,000 .pyc are no part of this
    names = [f"user{number:05d}" for number in range(max(ROWS))]
    for name in names:
        write(os.path.join(project, name + ".py"), "VALUE = 0\n")
    mounted = False
    connections = []
    # End in order: something is mounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        counted = load_heavily(base)
        installed = len(sys.modules)
        run_command("mount", project)
        mounted = True
        with sincefs.Connection(project) as connection:
            info = connection.info()
        say(f"{installed} modules loaded: " + ", ".join(
            f"{number} {kind}" for kind, number in counted.items()))
        load_before = os.getloadavg()
        say(f"Python {platform.python_version()}, Linux "
            f"{platform.release()}, {os.cpu_count()} processors, load "
            f"{load_before[0]:.1f}; exact for mappings: "
            f"{'yes' if info.exact else 'no'}; {ITERATIONS} iterations")
        sys.path.insert(0, project)
        results = {title: {} for title in (
            "nothing edited", "nothing edited, first check after others",
            *(f"{edited} modules edited" for edited in EDITED))}
        unedited, cold, *after = results.values()
        imported = 0
        for count in ROWS:
            for name in names[imported:count]:
                importlib.import_module(name)
            imported = count
            state = {"a": StatEvery(), "b": SkipInstalled(),
                     "c": IndexedStat(project), "e": Sincefs(project)}
            connections.append(state["e"])
            try:
                state["d"] = IPythons()
            except ImportError:
                state["d"] = None
            gc.collect()
            gc.disable()
            try:
                unedited[count], cold[count] = measure_unedited(state)
                print(f"{count} user modules: " + ", ".join(
                    f"({column}) {format_us(row['median'])}"
                    for column, row in unedited[count].items()),
                    file=sys.stderr, flush=True)
                for edited, rows in zip(EDITED, after):
                    if edited <= count:
                        rows[count] = measure_edited(
                            project, names[:count], edited, state)
            finally:
                gc.enable()
        for title, rows in results.items():
            print_table(title, rows)
        claims = print_claims(unedited)
        imports = measure_imports(base)
        say(f"\nimporting {imports['modules']} modules with bytecode in a new "
            f"process, a module: {imports['plain_us']:.0f} us from a plain "
            f"directory, {imports['mounted_us']:.0f} us from a .venv on the "
            f"mount, {imports['mounted_watched_us']:.0f} us with watched "
            f"imports")
        os.makedirs(OUT, exist_ok=True)
        place = os.path.join(OUT, "bench-reload")
        with open(place + ".json", "w") as file:
            json.dump({
                "iterations": ITERATIONS, "modules": counted,
                "modules_loaded": installed,
                "python": platform.python_version(),
                "kernel": platform.release(), "processors": os.cpu_count(),
                "load_before": load_before, "load_after": os.getloadavg(),
                "sync_exact": info.exact, "titles": TITLES,
                "unit": "microseconds",
                "rows": {title: {str(count): row for count, row in
                                 rows.items()}
                         for title, rows in results.items()},
                "claims": claims, "imports": imports}, file, indent=1)
        with open(place + ".svg", "w", encoding="utf-8") as file:
            file.write(svg(unedited))
        how = png(unedited, place + ".svg", place + ".png")
        say(f"written: {place}.json, {place}.svg" + (
            f", {place}.png (by {how})" if how else
            "; no PNG: neither rsvg-convert nor matplotlib is there"))
    finally:
        for each in connections:
            each.tracker.close()
            each.connection.close()
        if mounted:
            run_command("umount", project)
        shutil.rmtree(base, ignore_errors=True)


main()
