/* SPDX-License-Identifier: MIT */
#include "tests/fake/tables.h"

#define TEN(s) s s s s s s s s s s
#define FIVE(s) s s s s s

/* 25 times ten bytes and five more. */
#define LONG_NAME TEN(TEN("l") TEN("o")) FIVE(TEN("n")) "gname"
/* 127 letters of two bytes, and one of one byte. */
#define LONG_TEXT_NAME                                                         \
	TEN(TEN("\xc3\xbc"))                                                   \
	TEN("\xc3\xa9")                                                        \
	TEN("\xc3\xa4")                                                        \
	"\xc3\xb6\xc3\xb6"                                                     \
	"\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6"                             \
	"x"

const char fake_long_name[] = LONG_NAME;
const char fake_long_text_name[] = LONG_TEXT_NAME;

_Static_assert(sizeof(LONG_NAME) == 256, "a name has at most 255 bytes");
_Static_assert(sizeof(LONG_TEXT_NAME) == 256, "a name has at most 255 bytes");

/* The first bytes of a compiled Python file; zeros among them on purpose. */
#define PYC "\xa7\x0d\x0d\x0a\0\0\0\0\x01\x02\x03\x65\x2a\0\0\0\xe3\0\0\0"

#define DIR_(p)                                                                \
	{                                                                      \
		.path = p, .type = FAKE_DIR                                    \
	}
#define FILE_(p, c)                                                            \
	{                                                                      \
		.path = p, .type = FAKE_FILE, .content = c                     \
	}
#define SCRIPT_(p, c)                                                          \
	{                                                                      \
		.path = p, .type = FAKE_FILE, .mode = 0755, .content = c       \
	}
#define BYTES_(p, c)                                                           \
	{                                                                      \
		.path = p, .type = FAKE_FILE, .content = c,                    \
		.size = sizeof(c) - 1                                          \
	}
#define LINK_(p, t)                                                            \
	{                                                                      \
		.path = p, .type = FAKE_SYMLINK, .content = t                  \
	}
#define HARD_(p, t)                                                            \
	{                                                                      \
		.path = p, .type = FAKE_HARDLINK, .content = t                 \
	}

const FakeEntry fake_project[] = {
	FILE_("README.md", "# Weather\n\nReads stations, draws maps.\n"),
	FILE_("pyproject.toml", "[project]\nname = \"weather\"\n"
				"version = \"1.2.0\"\n"),
	FILE_(".gitignore", "__pycache__/\n*.pyc\nbuild/\n.venv/\n"),
	SCRIPT_("run.sh", "#!/bin/sh\nexec python3 -m weather \"$@\"\n"),
	FILE_("empty", ""),
	/* A package, with its compiled files. */
	DIR_("weather"),
	FILE_("weather/__init__.py", "from .station import Station\n"),
	FILE_("weather/__main__.py", "from weather import Station\n"
				     "print(Station('Kiel').mean())\n"),
	FILE_("weather/station.py", "class Station:\n"
				    "    def __init__(self, name):\n"
				    "        self.name = name\n\n"
				    "    def mean(self):\n"
				    "        return 9.1\n"),
	FILE_("weather/units.py", "def fahrenheit(c):\n"
				  "    return c * 9 / 5 + 32\n"),
	DIR_("weather/__pycache__"),
	BYTES_("weather/__pycache__/__init__.cpython-311.pyc", PYC "i"),
	BYTES_("weather/__pycache__/station.cpython-311.pyc", PYC "s"),
	DIR_("weather/data"),
	FILE_("weather/data/stations.csv", "id,name\n1,Kiel\n2,Ulm\n"),
	BYTES_("weather/data/map.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
	/* A name space package: no __init__.py at the first level. */
	DIR_("plugins"),
	DIR_("plugins/wind"),
	FILE_("plugins/wind/__init__.py", "KNOTS = 1.852\n"),
	/* Tests, a notebook, documents. */
	DIR_("tests"),
	FILE_("tests/conftest.py", "import pytest\n"),
	FILE_("tests/test_units.py", "from weather.units import fahrenheit\n\n"
				     "def test_boiling():\n"
				     "    assert fahrenheit(100) == 212\n"),
	DIR_("notebooks"),
	FILE_("notebooks/first look.ipynb", "{\"cells\": []}\n"),
	DIR_("docs"),
	DIR_("docs/_build"),
	FILE_("docs/index.rst", "Weather\n=======\n"),
	/* Links: to a file, to a directory, to nothing, out of the tree. */
	LINK_("current.csv", "weather/data/stations.csv"),
	LINK_("src", "weather"),
	LINK_("dangling", "not/here"),
	LINK_("outside", "/usr/share/zoneinfo"),
	LINK_("tests/self", "self"),
	/* One file with two names in two directories. */
	HARD_("docs/stations.csv", "weather/data/stations.csv"),
	/* Names that programs stumble over. */
	DIR_("odd names"),
	FILE_("odd names/ leading and trailing ", "spaces\n"),
	FILE_("odd names/new\nline", "newline\n"),
	FILE_("odd names/tab\there", "tab\n"),
	FILE_("odd names/not utf-8 \xff\xfe\x80", "latin-1\n"),
	FILE_("odd names/gr\xc3\xbc\xc3\x9f"
	      "e",
	      "UTF-8\n"),
	FILE_("odd names/-rf", "looks like an option\n"),
	FILE_("odd names/back\\slash \"quote\" 'tick' $HOME `ls` *?[a]",
	      "for shells\n"),
	FILE_("odd names/...", "three dots\n"),
	FILE_("odd names/\x01\x1b[31m\x7f", "control characters\n"),
	FILE_("odd names/" LONG_NAME, "255 bytes\n"),
	FILE_("odd names/" LONG_TEXT_NAME, "255 bytes of text\n"),
	/* Modes, an attribute, a fifo. */
	{.path = "secret.key",
	 .type = FAKE_FILE,
	 .mode = 0400,
	 .content = "0123456789abcdef\n"},
	{.path = "shared", .type = FAKE_DIR, .mode = 01777},
	{.path = "tagged.txt",
	 .type = FAKE_FILE,
	 .content = "tagged\n",
	 .xattr = FAKE_XATTR,
	 .value = "blue"},
	{.path = "pipe", .type = FAKE_FIFO},
	FAKE_END,
};

const FakeEntry fake_site_packages[] = {
	/* A plain package with data, and what pip writes beside it. */
	DIR_("numbers2"),
	FILE_("numbers2/__init__.py", "__version__ = '2.0.1'\n"
				      "from .core import add\n"),
	FILE_("numbers2/core.py", "def add(a, b):\n    return a + b\n"),
	FILE_("numbers2/py.typed", ""),
	DIR_("numbers2/__pycache__"),
	BYTES_("numbers2/__pycache__/__init__.cpython-311.pyc", PYC "i"),
	BYTES_("numbers2/__pycache__/core.cpython-311.pyc", PYC "c"),
	BYTES_("numbers2/_fast.cpython-311-x86_64-linux-gnu.so",
	       "\x7f"
	       "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
	DIR_("numbers2-2.0.1.dist-info"),
	FILE_("numbers2-2.0.1.dist-info/METADATA", "Metadata-Version: 2.1\n"
						   "Name: numbers2\n"),
	FILE_("numbers2-2.0.1.dist-info/RECORD", "numbers2/__init__.py,,\n"),
	FILE_("numbers2-2.0.1.dist-info/INSTALLER", "pip\n"),
	FILE_("numbers2-2.0.1.dist-info/top_level.txt", "numbers2\n"),
	/* A single module, and one that replaced it by a link. */
	FILE_("oneword.py", "WORD = 'one'\n"),
	LINK_("aword.py", "oneword.py"),
	DIR_("__pycache__"),
	BYTES_("__pycache__/oneword.cpython-311.pyc", PYC "o"),
	/* Two distributions in one name space, no __init__.py above. */
	DIR_("acme"),
	DIR_("acme/http"),
	FILE_("acme/http/__init__.py", "PORT = 80\n"),
	DIR_("acme/json"),
	FILE_("acme/json/__init__.py", "INDENT = 2\n"),
	/* Editable installs and path files. */
	FILE_("__editable__.weather-1.2.0.pth", "/home/somebody/weather\n"),
	FILE_("distutils-precedence.pth", "import os\n"),
	/* Deep packages, tests inside, templates as data. */
	DIR_("deep"),
	FILE_("deep/__init__.py", ""),
	DIR_("deep/er"),
	FILE_("deep/er/__init__.py", ""),
	DIR_("deep/er/still"),
	FILE_("deep/er/still/__init__.py", "BOTTOM = True\n"),
	DIR_("deep/er/still/templates"),
	FILE_("deep/er/still/templates/page.html", "<p>{{ text }}</p>\n"),
	/* Files that are one on disk, as uv and conda make them. */
	DIR_("linked"),
	FILE_("linked/__init__.py", "SAME = 1\n"),
	HARD_("linked/copy.py", "linked/__init__.py"),
	FAKE_END,
};
