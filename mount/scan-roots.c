// SPDX-License-Identifier: MIT
#include "mount/scan-roots.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sincefs/protocol.h>

#include "mount/fd.h"
#include "mount/mountpoint.h"
#include "mount/report.h"

/* How long an interpreter may take to start and answer, and how much it may
   say. */
#define PYTHON_MS 20000
#define PYTHON_BYTES_MAX (1 << 20)

/*
 * Prints pairs of a kind and a path, each with a NUL: "i" for a place that
 * holds installed code, "e" for one that is installed by reference. sysconfig
 * alone does not know Debian's dist-packages and the user's own packages; a
 * virtual environment sees those of its base if it says so.
 */
static const char python_program[] =
	"import glob, json, os, site, sys, sysconfig, urllib.parse,"
	" urllib.request\n"
	"found = []\n"
	"def add(kind, path):\n"
	"    if path and os.path.isabs(path):\n"
	"        found.append((kind, os.path.normpath(path)))\n"
	"for name in 'stdlib', 'platstdlib', 'purelib', 'platlib':\n"
	"    add('i', sysconfig.get_path(name))\n"
	"bare = sys.prefix == sys.base_prefix\n"
	"if not bare:\n"
	"    try:\n"
	"        with open(os.path.join(sys.prefix, 'pyvenv.cfg')) as lines:\n"
	"            text = lines.read().lower().replace(' ', '')\n"
	"    except OSError:\n"
	"        text = ''\n"
	"    bare = 'include-system-site-packages=true' in text\n"
	"prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix,\n"
	"            sys.base_exec_prefix}\n"
	"for path in site.getsitepackages(sorted(prefixes)):\n"
	"    add('i', path)\n"
	"if bare:\n"
	"    add('i', site.getusersitepackages())\n"
	"for path in sys.path:\n"
	"    if os.path.basename(path) in ('site-packages', 'dist-packages'):\n"
	"        add('i', path)\n"
	"for _, place in list(found):\n"
	"    for pth in glob.glob(os.path.join(glob.escape(place), '*.pth')):\n"
	"        try:\n"
	"            with open(pth, encoding='utf-8', errors='surrogateescape')"
	" as lines:\n"
	"                lines = lines.read().splitlines()\n"
	"        except OSError:\n"
	"            continue\n"
	"        for line in lines:\n"
	"            line = line.strip()\n"
	"            if not line or line.startswith(('#', 'import ',"
	" 'import\\t')):\n"
	"                continue\n"
	"            path = os.path.join(place, line)\n"
	"            if os.path.isdir(path):\n"
	"                add('e', path)\n"
	"    for url in glob.glob(os.path.join(glob.escape(place),"
	" '*.dist-info', 'direct_url.json')):\n"
	"        try:\n"
	"            with open(url, encoding='utf-8') as text:\n"
	"                said = json.load(text)\n"
	"            if said.get('dir_info', {}).get('editable'):\n"
	"                parts = urllib.parse.urlsplit(said['url'])\n"
	"                if parts.scheme == 'file':\n"
	"                    add('e', "
	"urllib.request.url2pathname(parts.path))\n"
	"        except (OSError, ValueError, KeyError, AttributeError,"
	" TypeError):\n"
	"            continue\n"
	"out = b''.join(kind.encode() + b'\\0' + os.fsencode(path) + b'\\0'\n"
	"               for kind, path in dict.fromkeys(found)"
	" if '\\0' not in path)\n"
	"sys.stdout.buffer.write(out)\n";

static void free_root(gpointer data)
{
	ScanRoot *root = data;

	g_free(root->path);
	g_free(root->real);
	g_free(root);
}

GPtrArray *scan_roots_new(void)
{
	return g_ptr_array_new_with_free_func(free_root);
}

/* NULL when it lies in @mount. What is not there yet is taken by its name. */
static ScanRoot *make_root(const char *path, const char *mount, uint32_t flags)
{
	g_autofree char *absolute = g_canonicalize_filename(path, NULL);
	g_autofree char *real = mountpoint_resolve(absolute, NULL);
	ScanRoot *root;

	if (!real)
		real = g_strdup(absolute);
	if (path_is_within(real, mount))
		return NULL;
	root = g_new0(ScanRoot, 1);
	root->path = g_steal_pointer(&absolute);
	root->real = g_steal_pointer(&real);
	root->flags = flags;
	return root;
}

bool scan_roots_add_path(GPtrArray *roots, const char *path, const char *mount,
			 GError **error)
{
	ScanRoot *root = make_root(path, mount, 0);

	if (!root) {
		g_autofree char *shown = dup_shown_path(path);
		g_autofree char *shown_mount = dup_shown_path(mount);

		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
			    "cannot scan %s: it lies in %s, where every change "
			    "is seen without scanning",
			    shown, shown_mount);
		return false;
	}
	g_ptr_array_add(roots, root);
	return true;
}

/* All that comes from @fd until its end: false with errno set. */
static bool read_all(int fd, GByteArray *data)
{
	gint64 deadline = g_get_monotonic_time() + PYTHON_MS * (gint64)1000;

	for (;;) {
		gint64 left_ms = (deadline - g_get_monotonic_time()) / 1000;
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		guint8 buffer[4096];
		ssize_t n;

		n = left_ms > 0 ? poll(&poller, 1, (int)left_ms) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ETIMEDOUT;
		if (n <= 0)
			return false;
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		g_byte_array_append(data, buffer, (guint)n);
		if (data->len > PYTHON_BYTES_MAX) {
			errno = EFBIG;
			return false;
		}
	}
}

/* What the interpreter prints; NULL with @error. */
static GByteArray *ask_python(const char *interpreter, GError **error)
{
	/* -I: what stands in the working directory is not to be imported. */
	char *argv[] = {(char *)interpreter, (char *)"-I", (char *)"-c",
			(char *)python_program, NULL};
	g_autoptr(GByteArray) said = g_byte_array_new();
	g_autoptr(GError) reason = NULL;
	g_autofree char *shown = dup_shown_path(interpreter);
	auto_fd out = -1;
	int status = 0, why;
	bool whole;
	GPid pid;

	if (!g_spawn_async_with_pipes(
		    NULL, argv, NULL,
		    G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
			    G_SPAWN_STDERR_TO_DEV_NULL,
		    NULL, NULL, &pid, NULL, &out, NULL, &reason)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    "cannot ask %s where its packages are: %s", shown,
			    reason->message);
		return NULL;
	}
	whole = read_all(out, said);
	why = errno;
	if (!whole)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return g_steal_pointer(&said);
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "cannot ask %s where its packages are: %s", shown,
		    whole ? "it failed; is it Python 3.9 or newer?"
			  : reason_text(why));
	return NULL;
}

bool scan_roots_add_python(GPtrArray *roots, const char *interpreter,
			   const char *mount, GError **error)
{
	g_autoptr(GByteArray) said = ask_python(interpreter, error);
	const char *at, *end;

	if (!said)
		return false;
	at = (const char *)said->data;
	end = at + said->len;
	while (at < end) {
		const char *path = memchr(at, '\0', (size_t)(end - at));
		const char *next;
		ScanRoot *root;

		if (!path++)
			break;
		next = memchr(path, '\0', (size_t)(end - path));
		if (!next)
			break;
		root = make_root(path, mount,
				 *at == 'e' ? SINCEFS_TREE_EDITABLE
					    : SINCEFS_TREE_INSTALLED);
		if (root)
			g_ptr_array_add(roots, root);
		at = next + 1;
	}
	return true;
}

/* Is @a to be left out beside @b, which comes before it if @b_first? */
static bool is_covered(const ScanRoot *a, const ScanRoot *b, bool b_first)
{
	if (!path_is_within(a->real, b->real))
		return false;
	return b_first || strcmp(a->real, b->real) != 0;
}

void scan_roots_settle(GPtrArray *roots)
{
	for (guint i = 0; i < roots->len;) {
		ScanRoot *root = g_ptr_array_index(roots, i);
		ScanRoot *other = NULL;

		for (guint j = 0; j < roots->len && !other; j++) {
			ScanRoot *at = g_ptr_array_index(roots, j);

			if (j != i && is_covered(root, at, j < i))
				other = at;
		}
		if (!other) {
			i++;
			continue;
		}
		/* One that was named and is a place of packages is that too. */
		if (strcmp(root->real, other->real) == 0)
			other->flags |= root->flags;
		g_ptr_array_remove_index(roots, i);
	}
}
