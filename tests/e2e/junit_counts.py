# SPDX-License-Identifier: GPL-2.0-or-later
"""junit_counts.py REPORT: names what failed or was skipped under ctest on stderr; prints "passed failed skipped"."""
import sys
import xml.etree.ElementTree as ElementTree

passed = failed = skipped = 0
for case in ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
    status, why = case.get("status"), case.find("skipped")
    if status == "run":
        passed += 1
    elif status == "notrun" and why is not None and why.get("message", "").startswith("SKIP_"):
        # The test said so itself. A program that is not there is "notrun" too, and has failed.
        skipped += 1
        print(f"SKIP {case.get('name')}", file=sys.stderr)
    else:
        failed += 1
        print(f"FAIL {case.get('name')}\n{case.findtext('system-out', '')}", file=sys.stderr)
print(passed, failed, skipped)
