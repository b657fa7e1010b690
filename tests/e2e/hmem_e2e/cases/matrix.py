# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock kernels x ways to fail: everything the record and the dump say, against what the guest wrote down."""
import functools
import pathlib
import re

from .. import capture, compare, demo, hmem_chunks, scope, second_opinion
from ..errors import Failure
from ..runner import Case
from ..truth import Truth
from . import arming

VMCORE = ("source = vmcore",)

# Where the estimate is asked for, crashkernel= is what capture-kernel/footprint.table makes of it.
# Each pair of kernel and trigger, spread over targets, page-table depths and ways to the old memory. Both kernels come up again after a capture once;
# elsewhere the machine's reset is enough.
PLANS = [
    capture.Plan("6.1", "pointer", "root", warn_first=True, arming=True, crashkernel="88M", estimated=True),
    capture.Plan("6.1", "sysrq", "ext4", cpu="max,la57=off", until="reset"),
    capture.Plan("6.1", "interrupt", "raw", until="reset", settings=VMCORE, source="vmcore"),
    capture.Plan("6.12", "pointer", "xfs", cpu="max,la57=off", warn_first=True),
    capture.Plan("6.12", "sysrq", "raw", until="reset", settings=VMCORE, source="vmcore"),
    capture.Plan("6.12", "interrupt", "root", until="reset", crashkernel="96M", estimated=True),
]

# The one whose dump drgn is asked about, too: Debian 12's drgn does not unwind 6.12, nor through modules without DWARF.
DRGN_PLAN = PLANS[1]

LEVELS = {"max": 5, "max,la57=off": 4}


def name_of(plan):
    return f"{plan.series}-{plan.trigger}-{plan.target}-{LEVELS[plan.cpu]}level"


def claim_capture(claims, captured):
    """Claims about one finished capture with a complete dump."""
    plan, dump = captured.plan, captured.dump
    truth = Truth(captured.truth)

    def order():
        for event in ("record durable", "dump durable", "rebooting"):
            if event not in captured.timeline:
                raise Failure(f"the console never said \"hmem: {event}\"")
        if captured.timeline["record durable"] > captured.timeline["dump durable"]:
            raise Failure("the dump was durable before the record")

    claims.hold("record-before-dump", order)
    if dump is None:
        raise Failure(f"no dump on the target; see {captured.folder}/console.log")

    def record():
        if captured.record is None:
            raise Failure("no first-failure.pb on the target")
        if captured.record.stat().st_size > 960 * 1024:
            raise Failure(f"the record has {captured.record.stat().st_size} bytes")
        compare.failure(scope.report("report", captured.record)["failure"], captured, truth)

    if plan.target != "raw":
        claims.hold("record", record)
        claims.hold("dump-is-renamed", lambda: _expect(dump.name == "dump.hmem", f"the dump is called {dump.name}"))

    def verify():
        found = scope.report("verify", dump)
        differences = []
        for field in ("pages_not_reached", "pages_unreadable"):
            compare.equal(differences, field, int(found[field]), 0)
        # By default what is nobody's evidence is left out, and each guest has free pages.
        if int(found["pages_excluded"]) == 0:
            differences.append("no page was left out")
        compare.equal(differences, "origin.complete", found["origin"]["complete"], True)
        counts = [int(found[f"pages_{fate}"]) for fate in ("ram", "present", "excluded")]
        compare.equal(differences, "pages_ram", counts[0], sum(counts[1:]))
        # What passes the filter of a kernel with its slab; ours has half of Debian's.
        if counts[1] < (5000 if plan.profile else 10000):
            differences.append(f"only {counts[1]} pages")
        compare.fail_if(differences, "verify")

    claims.hold("verify", verify)
    claims.hold("source", source, captured)
    claims.hold("report", lambda: compare.failure(scope.report("report", dump)["failure"], captured, truth))
    claims.hold("log", lambda: compare.log_lines(scope.report("log", dump)["records"], truth, captured.lines))
    claims.hold("modules", lambda: compare.module_list(scope.report("mods", dump)["modules"], truth))
    claims.hold("tasks", lambda: compare.task_list(scope.report("ps", dump), truth))
    least = compare.MIN_SETTLED_OWN if plan.profile else compare.MIN_SETTLED
    claims.hold("stacks", lambda: compare.blocked_stacks(scope.report("bt", "--all-tasks", dump), truth,
                                                         compare.scheduler_ranges(dump), least))
    claims.hold("backtraces", backtraces, dump, truth)
    claims.hold("planted", planted, dump, truth)
    claims.hold("system", system, dump, truth, LEVELS[plan.cpu])
    claims.hold("text", texts, dump, captured)
    claims.hold("memory", memory, captured)
    if plan.target != "raw":
        claims.hold("cut-behind-first-tier", first_tier, dump)
    if plan.arming:
        claims.hold("kdump-arm", arming.verbs, captured, truth)
    if plan.estimated:
        claims.hold("estimate", arming.estimate, captured)
    if (plan.trigger, plan.target) == ("pointer", "root"):
        claims.hold("demo", explained, captured, truth)


def source(captured):
    """What was read is what the plan says, and nothing stepped back from it."""
    read = scope.report("verify", captured.dump)["origin"]["source"]
    _expect(read == captured.plan.source, f"the dump was made of {read}, not of {captured.plan.source}")
    told = [text for _, text in captured.lines if text.startswith("hmem: old memory: ")]
    places = re.findall(r" \d+ MiB in ([^ ,]+)", " ".join(told))
    wanted = ["/dev/hmem", "/proc/vmcore"] if captured.plan.source == "device" else ["/proc/vmcore"]
    _expect(len(told) == 1 and places == wanted, f"the console said {told}, not {wanted}")
    access = [text for _, text in captured.lines if text.startswith("hmemdump: source: ")]
    pattern = (r"/dev/hmem \(device\), large reads by (mmap|HMEM_READV) \([1-9]\d* MiB/s by mmap, [1-9]\d* MiB/s by HMEM_READV\)"
               if captured.plan.source == "device" else r"/proc/vmcore \(vmcore\)")
    _expect(len(access) == 1 and re.fullmatch("hmemdump: source: " + pattern, access[0]), f"hmemdump said {access}")
    _expect(not any("instead" in text for _, text in captured.lines if text.startswith("hmemdump: ")),
            "hmemdump stepped back")


def _expect(holds, text):
    if not holds:
        raise Failure(text)


def memory(captured):
    """hmem-init's account of the capture kernel's memory."""
    words = [match.group(1) for _, line in captured.lines if (match := re.search(r"hmem: memory in KiB: (.*)", line))]
    if len(words) != 1:
        raise Failure(f"{len(words)} lines about memory on the console")
    kib = {name: int(value) for name, value in (word.split("=") for word in words[0].split())}
    differences = []
    reserved = int(captured.plan.crashkernel.removesuffix("M")) * 1024
    if not reserved > kib["total"] > kib["start"] >= kib["least"] > 0:
        differences.append(f"of {reserved} KiB: total, start and least are {kib['total']}, {kib['start']}, {kib['least']}")
    for name in ("initramfs", "anonymous", "slab", "record", "full", "hmem-init"):
        if not 0 < kib.get(name, 0) < reserved:
            differences.append(f"{name}: {kib.get(name)} of {reserved} KiB")
    compare.fail_if(differences, "memory")


def first_tier(dump):
    """A dump that was cut behind its first tier tells the same of the log, the stacks, the tasks and the modules."""
    chunks = hmem_chunks.read(dump)
    tiers = [chunk.tier for chunk in chunks if chunk.tier]
    if tiers != sorted(tiers) or not {1, 2} <= set(tiers):
        raise Failure(f"the chunks are of tiers {tiers}")
    end = max(chunk.end for chunk in chunks if chunk.tier == 1)
    cut = dump.with_name("cut.hmem")
    with open(dump, "rb") as whole:
        cut.write_bytes(whole.read(end))
    differences = []
    if end >= dump.stat().st_size * 9 // 10:
        differences.append(f"the first tier ends at {end} of {dump.stat().st_size} bytes")
    for verb, key, *words in (("log", "records"), ("bt", "stacks"), ("bt", "stacks", "--all-tasks"), ("ps", "tasks")):
        if scope.report(verb, cut, *words, exits=(3,))[key] != scope.report(verb, dump, *words)[key]:
            differences.append(f"{verb} {' '.join(words)} tells something else")

    def names(file, exits=(0,)):
        return [module["name"] for module in scope.report("mods", file, exits=exits)["modules"]]

    compare.equal(differences, "modules", names(cut, (3,)), names(dump))
    cut.unlink()
    compare.fail_if(differences, "a dump cut behind its first tier")


def backtraces(dump, truth):
    """Every form of bt tells of the same stacks."""
    waiter = truth.planted["waiter"]
    one = scope.report("bt", dump, waiter)["stacks"]
    if [entry["task"]["pid"] for entry in one] != [int(waiter)]:
        raise Failure(f"bt {waiter}: {[entry['task'] for entry in one]}")
    compare.backtraces(scope.report("report", dump)["failure"], scope.report("bt", dump)["stacks"],
                       scope.report("bt", "-a", dump)["stacks"], scope.report("bt", "--all-tasks", dump)["stacks"], one)


def planted(dump, truth):
    """The planted structs through hmemscope print: by symbol, and by type and address."""
    differences = []
    seed, current = int(truth.planted["seed"], 16), int(truth.planted["current"], 16)
    compare.equal(differences, "sym quartz_seed", compare.symbol_address(dump, "quartz_seed"), seed)
    compare.planted(scope.report("print", dump, "struct quartz_crystal", f"0x{seed:x}"), seed, compare.PLANTED_SEED,
                    differences)
    lines = compare.planted(scope.report("print", dump, "struct quartz_crystal", f"0x{current:x}"), current,
                            compare.PLANTED_CURRENT, differences)
    twin = lines.get("twin", "")
    if f"{seed:x}" not in twin:
        differences.append(f"twin: {twin!r}, expected {seed:#x}")
    compare.fail_if(differences, "planted struct")


def system(dump, truth, levels):
    """sys, and page-table depth by where the direct map of a 5-level kernel lies."""
    found = scope.report("sys", dump)
    differences = []
    compare.equal(differences, "release", found["kernel"]["release"], truth.release)
    compare.equal(differences, "machine", found["kernel"]["machine"], "x86_64")
    compare.equal(differences, "CPUs online", found["cpus_online"], 2)
    compare.equal(differences, "boot id", found["identity"]["boot_id"], truth.boot_id)
    five = int(truth.planted["current"], 16) < 0xffff800000000000
    compare.equal(differences, "guest's page-table levels", 5 if five else 4, levels)
    compare.fail_if(differences, "system")


def texts(dump, captured):
    """The text forms end well and name what the JSON names."""
    functions = compare.EXPECTED[captured.plan.trigger][2]
    for verb, wanted in (("report", functions[0]), ("bt", functions[0]), ("log", "hmem-guest marker"), ("ps", "quartz_waiter"),
                         ("mods", "quartz"), ("sys", "x86_64"), ("verify", "")):
        if wanted not in scope.text(verb, dump):
            raise Failure(f"hmemscope {verb}: no {wanted!r} in its text")
    findings = re.findall(r"^  (?:info|loss|error)  .*$", scope.text("report", dump), re.MULTILINE)
    if len(findings) != len(set(findings)):
        raise Failure(f"hmemscope report tells a finding twice: {findings}")


def explained(captured, truth):
    """What ./dev demo prints of such a crash."""
    text = demo.explain(captured)
    frames = r".*\n +#\d+ +".join(rf"{name}\+\S+ \[quartz\]" for name in ("quartz_face", "quartz_seam", "quartz_vein"))
    pid = truth.witness["pid"]
    for pattern in (rf"witness \(pid {pid}\), CPU 1", rf"CRASHING STACK.*\n +#\d+ +{frames}", r"OTHER CPUS\n +CPU 0: ",
                    r"quartz_waiter \(pid \d+\)\n +#", r"LOG: the last \d+ records",
                    re.escape(compare.last_words(captured.lines)[-1]), "capture kernel \\d", "dump durable \\d"):
        _expect(re.search(pattern, text), f"no /{pattern}/ in what the demo prints: {text[:1500]}")
    for what in ("record", "dump", "report as JSON", "console"):
        found = re.search(rf"^{what}: +(/.+)$", text, re.MULTILINE)
        _expect(found and pathlib.Path(found.group(1)).stat().st_size, f"{what}: not told, not there or empty")


def run(plan, claims):
    captured = capture.crash(plan, name_of(plan))
    claim_capture(claims, captured)
    if plan is DRGN_PLAN:
        claims.hold("drgn", second_opinion.claim_agreement, claims, captured)


def cases():
    return [Case(f"crash.{name_of(plan)}", functools.partial(run, plan), 200 if plan is DRGN_PLAN else 60)
            for plan in PLANS]
