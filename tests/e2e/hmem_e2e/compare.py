# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of hmemscope against the guest's truth. Every function raises Failure with all differences it found."""
import re

from . import scope
from .errors import Failure

# A thread that neither snapshot nor dump can catch twice the same way is rare in an idle guest.
MIN_SETTLED = 45
# Kernels of ours have fewer threads of their own.
MIN_SETTLED_OWN = 25
MAX_WOKEN = 2
# Who must stand still, by name: process 1, what it starts in the background, the module's two threads, and the witness's
# second thread.
MIN_LOG_LINES = 100
STANDING = ("init", "sleep", "cat", "quartz_holder", "quartz_waiter", "gabbro")


def fail_if(differences, what):
    if differences:
        shown = "\n    ".join(differences[:20])
        more = f"\n    ... and {len(differences) - 20} more" if len(differences) > 20 else ""
        raise Failure(f"{what}:\n    {shown}{more}")


def equal(differences, what, found, expected):
    if found != expected:
        differences.append(f"{what}: {found!r}, expected {expected!r}")


def frame_text(frame):
    """As the kernel prints it: symbol+0xoffset/0xsize [module]."""
    if not frame["symbol"]:
        return f"0x{int(frame['pc']):x}"
    module = f" [{frame['module']}]" if frame["module"] else ""
    return f"{frame['symbol']}+0x{int(frame['offset']):x}/0x{int(frame['symbol_size']):x}{module}"


def symbol_address(dump, name):
    matches = scope.report("sym", dump, name)["matches"]
    exact = [m for m in matches if m["name"] == name]
    if not exact:
        raise Failure(f"hmemscope sym {name}: not found")
    return int(exact[0]["address"])


def scheduler_ranges(dump):
    """Half-open ranges of what /proc/PID/stack leaves out (in_sched_functions)."""
    return [(symbol_address(dump, f"__{name}_text_start"), symbol_address(dump, f"__{name}_text_end"))
            for name in ("sched", "lock")]


def task_list(ps, truth):
    """Everyone the guest saw is in the dump, and nobody else but what the kernel may have made or reaped since."""
    found = {task["pid"]: task for task in ps["tasks"] if task["pid"] != 0}
    differences, woken = [], []
    for pid, thread in sorted(truth.threads.items()):
        task = found.get(pid)
        if task is None:
            if pid in truth.settled:
                differences.append(f"task {pid} ({thread.comm}) is not in the dump")
            continue
        equal(differences, f"task {pid} tgid", task["tgid"], thread.tgid)
        equal(differences, f"task {pid} parent", task["parent_tgid"], thread.parent)
        # /proc adds the work item to a kworker's name, and shows other kernel threads' names in full; the task has 15
        # bytes of the name alone.
        wanted = thread.comm
        if wanted.startswith("kworker/"):
            wanted = wanted[:len(task["comm"])] or wanted
        equal(differences, f"task {pid} comm", task["comm"], wanted[:15])
        if pid in truth.settled and thread.state in "SI" and task["state"] == "R" and task["kernel_thread"]:
            woken.append(f"task {pid} ({thread.comm})")
        elif pid in truth.settled:
            equal(differences, f"task {pid} ({thread.comm}) state", task["state"], thread.state)
        equal(differences, f"task {pid} ({thread.comm}) kernel thread", task["kernel_thread"],
              thread.parent == 2 or pid == 2)
    for pid, task in sorted(found.items()):
        if pid not in truth.threads and not task["comm"].startswith("kworker/"):
            differences.append(f"task {pid} ({task['comm']}) is in the dump only")
    if not any(found[pid]["tgid"] == int(truth.witness["pid"]) != pid for pid in found):
        differences.append("the witness's second thread is not in the dump")
    # A kernel thread's own timer may wake it between the last snapshot and the failure: R in the dump, then, and rare.
    if len(woken) > MAX_WOKEN:
        differences.append(f"{len(woken)} sleeping kernel threads are runnable in the dump, {MAX_WOKEN} at most can be: "
                           f"{', '.join(woken)}")
    fail_if(differences, "task list")


def blocked_stacks(backtraces, truth, skipped_ranges, least=MIN_SETTLED):
    """Stacks of all tasks that stood still equal the guest's /proc/PID/stack; returns how many were compared."""
    stacks = {entry["task"]["pid"]: entry["stack"] for entry in backtraces["stacks"] if entry["task"]["pid"] != 0}
    differences, compared, names = [], 0, set()
    for pid, thread in sorted(truth.settled.items()):
        if thread.state not in "SDI" or not thread.stack:
            continue
        compared += 1
        names.add(thread.comm)
        if pid not in stacks:
            differences.append(f"task {pid} ({thread.comm}): no backtrace")
            continue
        frames = [frame_text(frame) for frame in stacks[pid]["frames"]
                  if not any(start <= int(frame["pc"]) < end for start, end in skipped_ranges)]
        if tuple(frames) != thread.stack:
            differences.append(f"task {pid} ({thread.comm}): {' < '.join(frames)}\n        expected "
                               f"{' < '.join(thread.stack)}")
    if compared < least:
        differences.append(f"only {compared} tasks stood still, expected {least} at least")
    differences += [f"{name} did not stand still" for name in STANDING if name not in names]
    fail_if(differences, f"stacks of {compared} blocked tasks")
    return compared


def last_words(lines):
    """What the failing kernel said on the console: from the trigger to the banner of the capture kernel."""
    said = None
    for _, line in lines:
        if "hmem-guest: trigger" in line:
            said = []
        elif match := re.match(r"\[ *\d+\.\d+\] ?(.*)", line):
            if said and match.group(1).startswith("Linux version "):
                return said
            if said is not None:
                said.append(match.group(1).rstrip())
    raise Failure("the console shows no kernel that failed and no capture kernel after it")


def log_lines(records, truth, console):
    """Every line of the guest's dmesg is there, in order, and behind it what the failing kernel said on the console."""
    lines = [line.rstrip() for record in records for line in record["text"].split("\n")]
    at, differences = 0, []
    if len(truth.log) < MIN_LOG_LINES:
        differences.append(f"the guest's dmesg has {len(truth.log)} lines, expected {MIN_LOG_LINES} at least")
    for line in (*(line.rstrip() for line in truth.log), *last_words(console)):
        try:
            at = lines.index(line, at) + 1
        except ValueError:
            differences.append(f"missing: {line!r}")
    if not any(truth.marker in line for line in lines):
        differences.append(f"missing the marker {truth.marker!r}")
    fail_if(differences, f"log of {len(lines)} lines")


def module_list(modules, truth):
    found = {module["name"]: module for module in modules}
    differences = []
    equal(differences, "names", sorted(found), sorted(truth.modules))
    for name, (size, address, taint) in truth.modules.items():
        if name in found:
            equal(differences, f"{name} size", int(found[name]["size_bytes"]), size)
            equal(differences, f"{name} address", int(found[name]["text_address"]), address)
            equal(differences, f"{name} taint", "".join(sorted(found[name]["taint"])), "".join(sorted(taint)))
    if "quartz" in found:
        equal(differences, "quartz version", found["quartz"]["version"], "1.4.2")
    fail_if(differences, "modules")


def console_oops(lines):
    """(cpu, pid, comm) as the failing kernel itself said on the console."""
    for line in last_words(lines):
        if match := re.match(r"CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.{1,15}?) (?:Tainted|Not tainted|Kdump)", line):
            yield int(match.group(1)), int(match.group(2)), match.group(3)


def console_registers(lines):
    """{name: text} of the failing kernel code's registers as its oops printed them; RIP as a symbol. Empty when nothing was
    printed, as by panic() alone."""
    found = {}
    for line in last_words(lines):
        if match := re.match(r"(RIP): 0010:(.+)|(RSP): 0018:([0-9a-f]{16})|(RAX): ([0-9a-f]{16})", line):
            name, value = (text for text in match.groups() if text)
            # What comes after RAX is the user's side.
            if name != "RIP" and "RIP" not in found or "RAX" in found:
                break
            found[name] = value
    return found


def registers(cpu, printed, differences):
    """A CPU's registers against its stack, and against what the oops on the console printed."""
    found = {register["name"]: int(register["value"]) for register in cpu["registers"]}
    frames = cpu["stack"]["frames"]
    if not found or not frames:
        differences.append(f"CPU {cpu['number']}: {len(found)} registers, {len(frames)} frames: {cpu['stack']['end_reason']}")
        return
    equal(differences, f"CPU {cpu['number']} rip", hex(found["rip"]), hex(int(frames[0]["pc"])))
    for name, text in printed.items():
        if name == "RIP":
            equal(differences, "rip of the oops", frame_text(frames[0]), text)
        else:
            equal(differences, f"{name} of the oops", f"{found[name.lower()]:016x}", text)


def other_cpu(cpu, plan, truth, differences):
    """The CPU that did not crash: what it did when it was stopped."""
    task, names = cpu["current"], [frame["symbol"].split(".")[0] for frame in cpu["stack"]["frames"]]
    if plan.trigger == "interrupt":
        # The witness waits for the function that it sent to the crashed CPU.
        equal(differences, "other CPU's pid", task["pid"], int(truth.witness["pid"]))
        equal(differences, "other CPU's comm", task["comm"], truth.witness["comm"])
        wanted = ["smp_call_function_single", "quartz_write"]
        equal(differences, "other CPU's stack", [name for name in names if name in wanted], wanted)
    elif task["pid"] == 0:
        equal(differences, "other CPU's comm", task["comm"], f"swapper/{cpu['number']}")
        if "do_idle" not in names:
            differences.append(f"CPU {cpu['number']} is idle, and its stack has no do_idle: {names}")
    elif task["pid"] in truth.threads:
        equal(differences, "other CPU's comm", task["comm"][:7], truth.threads[task["pid"]].comm[:7])
    elif not task["comm"].startswith("kworker/"):
        differences.append(f"CPU {cpu['number']} runs {task['comm']} ({task['pid']}), which the guest never saw")


# By trigger: cause kind, where, functions that must follow each other from the top of the crashed CPU's stack, module,
# and lines that the log must have.
EXPECTED = {
    "pointer": ("KIND_BAD_POINTER", "quartz_face", ["quartz_face", "quartz_seam", "quartz_vein", "quartz_write"], "quartz",
                [r"BUG: unable to handle page fault for address: ffffffffdead1\w+"]),
    "sysrq": ("KIND_SYSRQ", "sysrq_handle_crash", ["sysrq_handle_crash", "__handle_sysrq", "write_sysrq_trigger"], "",
              [r"sysrq: Trigger a crash", r"Kernel panic - not syncing: sysrq triggered crash"]),
    "interrupt": ("KIND_BUG", "quartz_fracture", ["quartz_fracture", "__flush_smp_call_function_queue"], "quartz",
                  [r"kernel BUG at .*quartz\.c:\d+!"]),
}
CONTEXT = {"pointer": "task", "sysrq": "task", "interrupt": "hard interrupt"}


def failure(found, captured, truth):
    """A FirstFailure message against what the plan asked for and the guest wrote."""
    plan = captured.plan
    kind, where, functions, module, log = EXPECTED[plan.trigger]
    crashed_cpu = 0 if plan.trigger == "interrupt" else 1
    differences = []
    equal(differences, "cause.kind", found["cause"]["kind"], kind)
    equal(differences, "cause.location.symbol", found["cause"]["location"]["symbol"].split(".")[0], where)
    equal(differences, "cause.location.module", found["cause"]["location"]["module"], module)
    equal(differences, "cause.context", found["cause"]["context"], CONTEXT[plan.trigger])
    if plan.trigger == "pointer":
        # facets[0] lies behind the pointer.
        equal(differences, "cause.fault_address", int(found["cause"]["fault_address"]) & ~0xfff,
              int(truth.planted["bad_address"], 16))
    if plan.trigger == "sysrq":
        equal(differences, "cause.panic_message", found["cause"]["panic_message"], "sysrq triggered crash")
    equal(differences, "crashed_cpu", found["crashed_cpu"], crashed_cpu)
    said = [line for line in console_oops(captured.lines) if line[0] == crashed_cpu]
    if not said:
        differences.append("the console says nothing of the crashed CPU's task")
    else:
        _, pid, comm = said[-1]
        equal(differences, "crashed_task.pid", found["crashed_task"]["pid"], pid)
        # The interrupt comes while the witness's child keeps that CPU busy.
        culprit = ("spinner", "basalt") if plan.trigger == "interrupt" else ("pid", truth.witness["comm"])
        equal(differences, "pid on the console", pid, int(truth.witness[culprit[0]]))
        equal(differences, "comm on the console", comm, culprit[1])
        equal(differences, "the witness's CPU", int(truth.witness["cpu"]), 1)
        equal(differences, "crashed_task.comm", found["crashed_task"]["comm"], comm)
    crashed = [cpu for cpu in found["cpus"] if cpu["crashed"]]
    equal(differences, "number of crashed CPUs", len(crashed), 1)
    if crashed:
        equal(differences, "crashed CPU's number", crashed[0]["number"], crashed_cpu)
        # "machinery" is the kernel dying: panic() and what it calls. The compiler splits functions: f.cold is f.
        names = [frame["symbol"].split(".")[0] for frame in crashed[0]["stack"]["frames"] if not frame["machinery"]]
        equal(differences, "crashed CPU's stack", names[:len(functions)], functions)
        if plan.trigger == "interrupt" and "quartz_spin" not in names:
            differences.append(f"the interrupted quartz_spin is not in {names}")
        printed = console_registers(captured.lines)
        equal(differences, "registers on the console", sorted(printed), [] if plan.trigger == "sysrq" else ["RAX", "RIP", "RSP"])
        registers(crashed[0], printed, differences)
    equal(differences, "CPUs", sorted(cpu["number"] for cpu in found["cpus"]), [0, 1])
    for cpu in found["cpus"]:
        if not cpu["crashed"]:
            registers(cpu, {}, differences)
            other_cpu(cpu, plan, truth, differences)
    equal(differences, "kernel.release", found["kernel"]["release"], truth.release)
    equal(differences, "kernel.command_line", found["kernel"]["command_line"].split(), truth.text("cmdline").split())
    equal(differences, "identity.boot_id", found["identity"]["boot_id"], truth.boot_id)
    if not re.fullmatch(r"[0-9a-f]{32}", found["identity"]["crash_id"]):
        differences.append(f"identity.crash_id: {found['identity']['crash_id']!r}")
    if "5f1c1f0e6b7d4f0c9d9a5f2b8a7e4c31" in str(found):
        differences.append("the record holds machine-id itself")
    labels = {label["key"]: label["value"] for label in found["identity"]["labels"]}
    equal(differences, "identity.labels", labels.get("rack"), "e2e")
    text = "\n".join(record["text"] for record in found["log_tail"])
    for pattern in (*log, re.escape(truth.marker)):
        if not re.search(pattern, text):
            differences.append(f"log_tail has no /{pattern}/")
    if {module["name"] for module in found["modules"]} != set(truth.modules):
        differences.append(f"modules: {[m['name'] for m in found['modules']]}, expected {sorted(truth.modules)}")
    blocked = {entry["task"]["pid"]: entry for entry in found["blocked_tasks"]}
    waiter = int(truth.planted["waiter"])
    if waiter not in blocked:
        differences.append(f"blocked_tasks lacks quartz_waiter ({waiter}): {sorted(blocked)}")
    elif "quartz_wait" not in [frame["symbol"] for frame in blocked[waiter]["stack"]["frames"]]:
        differences.append("the stack of quartz_waiter lacks quartz_wait")
    first = found["first_failure"]
    equal(differences, "first_failure.origin", first["origin"], "ORIGIN_LOG")
    equal(differences, "first_failure.is_the_panic", first["is_the_panic"], not plan.warn_first)
    if plan.warn_first:
        equal(differences, "first_failure.kind", first["kind"], "warning")
        if not any("quartz: a first crack" in record["text"] for record in first["records"]):
            differences.append("first_failure does not show the planted warning")
    fail_if(differences, "first failure")


def backtraces(found, crashed, every_cpu, everyone, one):
    """A report's CPUs against `bt` (the crashed CPU), `bt -a` (all CPUs) and `bt --all-tasks`; `bt PID` of a blocked task
    against the last."""
    def stack(entry):
        return [(frame["pc"], frame["sp"], frame_text(frame)) for frame in entry["stack"]["frames"]]

    def of_cpus(stacks):
        return {entry["cpu"]: (entry["task"]["pid"], entry["crashed"], entry["registers"], stack(entry))
                for entry in stacks if entry["on_cpu"]}

    cpus = {cpu["number"]: (cpu["current"]["pid"], cpu["crashed"], cpu["registers"], stack(cpu)) for cpu in found["cpus"]}
    differences = []
    equal(differences, "bt -a", of_cpus(every_cpu), cpus)
    equal(differences, "number of stacks of bt -a", len(every_cpu), len(cpus))
    equal(differences, "bt", of_cpus(crashed), {number: cpu for number, cpu in cpus.items() if cpu[1]})
    equal(differences, "number of stacks of bt", len(crashed), 1)
    equal(differences, "running tasks of bt --all-tasks", of_cpus(everyone), cpus)
    equal(differences, "number of stacks of bt PID", len(one), 1)
    wanted = [entry for entry in everyone if entry["task"]["pid"] == one[0]["task"]["pid"]]
    equal(differences, "bt PID", [stack(entry) for entry in one], [stack(entry) for entry in wanted])
    fail_if(differences, "backtraces")


# struct quartz_crystal as planted in tests/zoo/quartz.c: member path -> value.
PLANTED_SEED = {
    "magic": 0x51A27A7E0DDBA115, "name": "amethyst", "depth": -1234567890123, "colour": 0x9966CC, "flawed": True,
    "cleavage": 5, "lustre": 19, "facets[0].angle": -90, "facets[0].width": 3, "facets[0].height": 7,
    "facets[1].angle": 45, "facets[1].width": 11, "facets[1].height": 13, "facets[2].angle": 180,
    "facets[2].width": 17, "facets[2].height": 65535,
}
PLANTED_CURRENT = {**PLANTED_SEED, "name": "citrine", "depth": 4242}


def planted(value, address, expected, differences):
    """A ValueReport of a struct quartz_crystal."""
    equal(differences, "address", int(value["address"]), address)
    lines = {line["path"].lstrip("."): line["value"] for line in value["lines"]}
    for path, wanted in expected.items():
        text = lines.get(path)
        if text is None:
            differences.append(f"{path} is not printed; there is {sorted(lines)}")
        elif isinstance(wanted, bool):
            equal(differences, path, text in ("true", "1"), wanted)
        elif isinstance(wanted, str):
            equal(differences, path, text.strip('"'), wanted)
        else:
            number = re.match(r"-?(0x[0-9a-fA-F]+|\d+)", text)
            if number is None or int(number.group(0), 0) % 2**64 != wanted % 2**64:
                differences.append(f"{path}: {text!r}, expected {wanted}")
    return lines
