# SPDX-License-Identifier: GPL-2.0-or-later
"""Field numbers are never reused, and records of earlier versions still parse.

proto/hmem/v1/proto.lock lists every field and enumerator there has been. `run proto --update`
adds new ones; one that vanished must be `reserved` in its message, one that changed is refused.
tests/golden/proto/*.hex are serialised messages of released versions, beside their text.
"""

import os
import re
import shutil
import subprocess
import tempfile

from tree import judged, skipped

LOCK = "proto/hmem/v1/proto.lock"
GOLDEN = "tests/golden/proto/"
DESCRIPTOR = "google/protobuf/descriptor.proto"
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}]|[\w.+-]+:?|<|>')


def parse_text(text):
    """Text format to {name: [values]}; a message is such a dictionary again."""
    tokens = iter(TOKEN.findall(text))

    def message():
        fields = {}
        for token in tokens:
            if token == "}":
                break
            name = token.rstrip(":")
            value = next(tokens)
            fields.setdefault(name, []).append(message() if value == "{" else value.strip('"'))
        return fields

    return message()


def declarations(descriptor):
    """({(kind and full name, number): what it is}, {reserved numbers}) of a FileDescriptorSet."""
    now, reserved = {}, set()

    def enum(prefix, node):
        for value in node.get("value", []):
            now[(f"enum {prefix}{node['name'][0]}", int(value["number"][0]))] = value["name"][0]

    def message(prefix, node):
        full = prefix + node["name"][0]
        for field in node.get("field", []):
            label = field["label"][0].removeprefix("LABEL_").lower()
            kind = field.get("type_name", field["type"])[0].removeprefix("TYPE_").lstrip(".")
            kind = kind if "type_name" in field else kind.lower()
            now[(f"message {full}", int(field["number"][0]))] = f"{field['name'][0]} {label} {kind}"
        for span in node.get("reserved_range", []):
            for number in range(int(span["start"][0]), int(span["end"][0])):
                reserved.add((f"message {full}", number))
        for nested in node.get("nested_type", []):
            message(full + ".", nested)
        for nested in node.get("enum_type", []):
            enum(full + ".", nested)

    for file in descriptor.get("file", []):
        prefix = file["package"][0] + "."
        for node in file.get("message_type", []):
            message(prefix, node)
        for node in file.get("enum_type", []):
            enum(prefix, node)
    return now, reserved


def compare(locked, now, reserved):
    problems = []
    for key, what in sorted(locked.items()):
        place = f"{key[0]} {key[1]}"
        if key not in now and key not in reserved:
            problems.append(f"{place}: '{what}' is gone and not reserved")
        elif key in now and now[key] != what:
            problems.append(f"{place}: is '{now[key]}', was '{what}'")
    for key, what in sorted(now.items()):
        if key not in locked:
            problems.append(f"{key[0]} {key[1]}: '{what}' is not in the lock: run proto --update")
    return problems


def protoc(tree, *arguments, data=b""):
    return subprocess.run(["protoc", "-I", str(tree.root / "proto"), *arguments], input=data,
                          capture_output=True, check=False)


def descriptor_of(tree):
    """Text of the FileDescriptorSet, or the error of protoc."""
    names = [f.removeprefix("proto/") for f in tree.files()
             if f.startswith("proto/") and f.endswith(".proto")]
    with tempfile.NamedTemporaryFile() as file:
        done = protoc(tree, f"--descriptor_set_out={file.name}", *names)
        if done.returncode != 0:
            return None, done.stderr.decode().splitlines()
        data = file.read()
    include = next((p for p in ("/usr/include", "/usr/local/include")
                    if os.path.exists(f"{p}/{DESCRIPTOR}")), "/usr/include")
    done = subprocess.run(["protoc", "-I", include, "--decode=google.protobuf.FileDescriptorSet",
                           DESCRIPTOR], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        return None, done.stderr.decode().splitlines()
    return done.stdout.decode(), []


def read_lock(tree):
    locked = {}
    for line in (tree.read(LOCK) or "").splitlines():
        if line and not line.startswith("#"):
            kind, name, number, what = line.split(" ", 3)
            locked[(f"{kind} {name}", int(number))] = what
    return locked


def update(tree):
    """Adds what is new; never forgets or changes what is there."""
    text, problems = descriptor_of(tree)
    if problems:
        return
    lines = {**declarations(parse_text(text))[0], **read_lock(tree)}
    body = "".join(f"{key[0]} {key[1]} {what}\n" for key, what in sorted(lines.items()))
    (tree.root / LOCK).write_text(
        "# Every field and enumerator there has been; written by tests/checks/run proto --update.\n"
        + body, encoding="utf-8")


def check_golden(tree):
    """Each <message>-<version>.hex must decode to its .textproto, with nothing unknown."""
    problems = []
    for name in tree.files():
        if not (name.startswith(GOLDEN) and name.endswith(".hex")):
            continue
        stem = name.removesuffix(".hex")
        message = "hmem.v1." + stem.rsplit("/", 1)[1].split("-")[0]
        data = bytes.fromhex("".join((tree.read(name) or "").split()))
        names = [f.removeprefix("proto/") for f in tree.files() if f.endswith(".proto")]
        done = protoc(tree, f"--decode={message}", *names, data=data)
        text = done.stdout.decode()
        if done.returncode != 0:
            problems.append(f"{name}: {done.stderr.decode().strip()}")
        elif re.search(r"^\s*\d+[: ]", text, re.MULTILINE):
            problems.append(f"{name}: holds fields that the schema no longer knows")
        elif text != tree.read(stem + ".textproto"):
            problems.append(f"{name}: no longer reads as {stem}.textproto")
    return problems


def check(tree):
    if shutil.which("protoc") is None:
        return skipped("protoc is not installed")
    text, problems = descriptor_of(tree)
    if problems:
        return judged(problems)
    now, reserved = declarations(parse_text(text))
    locked = read_lock(tree)
    if not locked:
        return skipped(f"no {LOCK}: nothing released yet")
    return judged(compare(locked, now, reserved) + check_golden(tree))
