// SPDX-License-Identifier: GPL-2.0
/*
 * A module that fails on request, for the end-to-end tests.
 *
 * Reading /proc/quartz shows what is planted and where. Writing one word makes something happen:
 *   warn             a WARN_ON, survived: the first failure since boot
 *   deadlock         one thread takes a mutex and sleeps with it, a second waits for it
 *   spin             keeps this CPU busy in the kernel until the writer is killed
 *   pointer          three functions down, a bad pointer is read in the writer's own context
 *   interrupt:CPU    BUG() in hard-interrupt context on that CPU
 */
#include <linux/bug.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

/* Poisoned in a way no table maps: canonical, not user, not the null page. */
#define QUARTZ_BAD_ADDRESS 0xffffffffdead1000UL

struct quartz_facet {
	s32 angle;
	u16 width;
	u16 height;
};

struct quartz_crystal {
	u64 magic;
	char name[16];
	s64 depth;
	u32 colour;
	bool flawed;
	u8 cleavage : 3;
	u8 lustre : 5;
	struct quartz_facet facets[3];
	struct list_head vein;
	struct quartz_crystal *twin;
};

/* Found by name in the dump. */
static struct quartz_crystal quartz_seed = {
	.magic = 0x51a27a7e0ddba115ULL,
	.name = "amethyst",
	.depth = -1234567890123LL,
	.colour = 0x9966cc,
	.flawed = true,
	.cleavage = 5,
	.lustre = 19,
	.facets = { { -90, 3, 7 }, { 45, 11, 13 }, { 180, 17, 65535 } },
	.vein = LIST_HEAD_INIT(quartz_seed.vein),
};

static struct quartz_crystal *quartz_current;

static DEFINE_MUTEX(quartz_mutex);
static struct task_struct *quartz_holder;
static struct task_struct *quartz_waiter;
static struct proc_dir_entry *quartz_entry;

static noinline __noclone int quartz_face(const struct quartz_crystal *crystal, int step)
{
	int value = READ_ONCE(crystal->facets[0].angle);

	barrier();
	return value + step;
}

static noinline __noclone int quartz_seam(const struct quartz_crystal *crystal, int step)
{
	int value = quartz_face(crystal, step + 1);

	barrier();
	return value * 3;
}

static noinline __noclone int quartz_vein(const struct quartz_crystal *crystal, int step)
{
	int value = quartz_seam(crystal, step + 1);

	barrier();
	return value - 7;
}

static noinline __noclone void quartz_fracture(void *unused)
{
	BUG_ON(in_hardirq());
	barrier();
}

static noinline __noclone int quartz_hold(void *unused)
{
	mutex_lock(&quartz_mutex);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ * 3600);
	mutex_unlock(&quartz_mutex);
	return 0;
}

static noinline __noclone int quartz_wait(void *unused)
{
	mutex_lock(&quartz_mutex);
	mutex_unlock(&quartz_mutex);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static noinline __noclone int quartz_spin(void)
{
	while (!fatal_signal_pending(current)) {
		cond_resched();
		cpu_relax();
	}
	return -EINTR;
}

static int quartz_deadlock(void)
{
	struct task_struct *task;

	if (quartz_holder)
		return -EBUSY;
	task = kthread_run(quartz_hold, NULL, "quartz_holder");
	if (IS_ERR(task))
		return PTR_ERR(task);
	quartz_holder = task;
	while (!mutex_is_locked(&quartz_mutex))
		schedule_timeout_uninterruptible(1);
	task = kthread_run(quartz_wait, NULL, "quartz_waiter");
	if (IS_ERR(task))
		return PTR_ERR(task);
	quartz_waiter = task;
	while (READ_ONCE(task->__state) != TASK_UNINTERRUPTIBLE)
		schedule_timeout_uninterruptible(1);
	return 0;
}

static ssize_t quartz_write(struct file *file, const char __user *text, size_t bytes, loff_t *at)
{
	char word[32] = { };
	unsigned int cpu;
	int error = 0;

	if (bytes >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, text, bytes))
		return -EFAULT;
	strim(word);

	if (!strcmp(word, "warn")) {
		WARN(1, "quartz: a first crack\n");
	} else if (!strcmp(word, "deadlock")) {
		error = quartz_deadlock();
	} else if (!strcmp(word, "spin")) {
		error = quartz_spin();
	} else if (!strcmp(word, "pointer")) {
		pr_info("quartz: reading %px on CPU %d\n", (void *)QUARTZ_BAD_ADDRESS, raw_smp_processor_id());
		error = quartz_vein((const struct quartz_crystal *)QUARTZ_BAD_ADDRESS, (int)bytes);
	} else if (sscanf(word, "interrupt:%u", &cpu) == 1) {
		if (cpu >= nr_cpu_ids || !cpu_online(cpu))
			return -ENODEV;
		pr_info("quartz: interrupting CPU %u from CPU %d\n", cpu, raw_smp_processor_id());
		error = smp_call_function_single(cpu, quartz_fracture, NULL, 1);
	} else {
		error = -EINVAL;
	}
	return error < 0 ? error : bytes;
}

static int quartz_show(struct seq_file *out, void *unused)
{
	seq_printf(out, "seed %px\n", &quartz_seed);
	seq_printf(out, "current %px\n", quartz_current);
	seq_printf(out, "current_pointer %px\n", &quartz_current);
	seq_printf(out, "mutex %px\n", &quartz_mutex);
	seq_printf(out, "bad_address %px\n", (void *)QUARTZ_BAD_ADDRESS);
	if (quartz_holder)
		seq_printf(out, "holder %d\n", task_pid_nr(quartz_holder));
	if (quartz_waiter)
		seq_printf(out, "waiter %d\n", task_pid_nr(quartz_waiter));
	return 0;
}

static int quartz_open(struct inode *inode, struct file *file)
{
	return single_open(file, quartz_show, NULL);
}

static const struct proc_ops quartz_proc_ops = {
	.proc_open = quartz_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = quartz_write,
};

static int __init quartz_init(void)
{
	quartz_current = kmemdup(&quartz_seed, sizeof(quartz_seed), GFP_KERNEL);
	if (!quartz_current)
		return -ENOMEM;
	strscpy(quartz_current->name, "citrine", sizeof(quartz_current->name));
	quartz_current->depth = 4242;
	quartz_current->twin = &quartz_seed;
	INIT_LIST_HEAD(&quartz_current->vein);
	list_add(&quartz_current->vein, &quartz_seed.vein);
	quartz_entry = proc_create("quartz", 0600, NULL, &quartz_proc_ops);
	if (!quartz_entry) {
		kfree(quartz_current);
		return -ENOMEM;
	}
	pr_info("quartz: planted\n");
	return 0;
}

/* The waiter must be stopped behind the holder, which gives the mutex back when it is. */
static void __exit quartz_exit(void)
{
	proc_remove(quartz_entry);
	if (quartz_holder)
		kthread_stop(quartz_holder);
	if (quartz_waiter)
		kthread_stop(quartz_waiter);
	kfree(quartz_current);
}

module_init(quartz_init);
module_exit(quartz_exit);
MODULE_DESCRIPTION("fails on request");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.4.2");
