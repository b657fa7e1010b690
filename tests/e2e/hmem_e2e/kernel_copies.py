# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's files are in the tree once more, as new files of the kernel patches: what is a copy of what, and copying."""
import hashlib
import pathlib
import re

# In the kernel: here. Files of the first that are not in the second (Kconfig, Makefile) belong to the patch alone.
FOLDERS = {"drivers/char/hmem": "hmem/driver", "include/uapi/linux": "hmem/uapi"}

_NEW_FILE = re.compile(r"^diff --git a/(?P<name>\S+) b/(?P=name)\nnew file mode 100644\nindex 0+\.\.[0-9a-f]+\n"
                       r"--- /dev/null\n\+\+\+ b/(?P=name)\n@@ -0,0 \+1(?:,\d+)? @@\n(?P<lines>(?:\+.*\n)+)", re.MULTILINE)


def original(root, name):
    """The file here that a file of the kernel is a copy of, or None."""
    path = pathlib.PurePosixPath(name)
    folder = FOLDERS.get(str(path.parent))
    file = root / folder / path.name if folder else None
    return file if file and file.exists() else None


def stale(root, patch):
    """Names of copies in a patch that differ from their original."""
    return [found["name"] for found in _NEW_FILE.finditer(patch.read_text(encoding="utf-8"))
            if (file := original(root, found["name"])) and _as_lines(file.read_text(encoding="utf-8")) != found["lines"]]


def refresh(root, patch):
    """Makes the copies of a patch anew; returns their names."""
    names = stale(root, patch)

    def fresh(found):
        if found["name"] not in names:
            return found[0]
        name, text = found["name"], original(root, found["name"]).read_text(encoding="utf-8")
        data = text.encode()
        # What git calls these bytes.
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return (f"diff --git a/{name} b/{name}\nnew file mode 100644\nindex 000000000000..{blob[:12]}\n"
                f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{text.count(chr(10))} @@\n{_as_lines(text)}")

    if names:
        patch.write_text(_NEW_FILE.sub(fresh, patch.read_text(encoding="utf-8")), encoding="utf-8")
    return names


def _as_lines(text):
    return "".join(f"+{line}\n" for line in text.splitlines())
