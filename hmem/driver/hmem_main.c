// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/hmem: the memory of the kernel that crashed before this one, at its physical addresses.
 */
#define pr_fmt(fmt) "hmem: " fmt

#include <linux/capability.h>
#include <linux/cc_platform.h>
#include <linux/cpufeature.h>
#include <linux/elf.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>

#include "hmem_internal.h"

static int hmem_open(struct inode *inode, struct file *file)
{
	struct hmem_file *opened;
	int ret;

	if (file->f_mode & FMODE_WRITE)
		return -EACCES;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	ret = security_locked_down(LOCKDOWN_KCORE);
	if (ret)
		return ret;
	opened = kzalloc(sizeof(*opened), GFP_KERNEL);
	if (!opened)
		return -ENOMEM;
	opened->device = container_of(file->private_data, struct hmem_device, misc);
	mutex_init(&opened->lock);
	file->private_data = opened;
	return 0;
}

static int hmem_release(struct inode *inode, struct file *file)
{
	struct hmem_file *opened = file->private_data;

	hmem_close_window(opened->device, &opened->window);
	kfree(opened);
	return 0;
}

static u64 hmem_end(const struct hmem_map *map)
{
	const struct hmem_region *last = &map->extents[map->ram_count - 1].region;

	return last->start + last->bytes;
}

ssize_t hmem_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct hmem_file *opened = iocb->ki_filp->private_data;
	const struct hmem_device *device = opened->device;
	struct hmem_window own, *window;
	u64 at = iocb->ki_pos;
	size_t done;
	int status;

	if (device->state & HMEM_STATE_UNSAFE_HOLES)
		return -EOPNOTSUPP;
	if (iocb->ki_pos < 0)
		return -EINVAL;
	if (at >= hmem_end(&device->map))
		return 0;
	window = hmem_get_window(opened, &own);
	done = hmem_copy(device, window, at, iov_iter_count(to), to, &status);
	hmem_put_window(opened, window);
	iocb->ki_pos += done;
	if (done || !status)
		return done;
	return status == -EINTR ? -ERESTARTSYS : status;
}

loff_t hmem_llseek(struct file *file, loff_t offset, int whence)
{
	const struct hmem_file *opened = file->private_data;
	const struct hmem_map *map = &opened->device->map;
	const struct hmem_extent *extent;
	u64 end = hmem_end(map);

	switch (whence) {
	case SEEK_SET:
	case SEEK_CUR:
	case SEEK_END:
		return generic_file_llseek_size(file, offset, whence, S64_MAX, end);
	case SEEK_DATA:
	case SEEK_HOLE:
		break;
	default:
		return -EINVAL;
	}
	if (offset < 0 || offset >= end)
		return -ENXIO;
	extent = hmem_find(map, offset);
	if (whence == SEEK_DATA) {
		offset = max_t(u64, offset, extent->region.start);
	} else {
		/* Extents may touch each other. */
		while (extent && extent->region.start <= offset) {
			offset = extent->region.start + extent->region.bytes;
			extent = hmem_find(map, offset);
		}
	}
	return vfs_setpos(file, offset, S64_MAX);
}

static const struct file_operations hmem_fops = {
	.owner = THIS_MODULE,
	.open = hmem_open,
	.release = hmem_release,
	.read_iter = hmem_read_iter,
	.llseek = hmem_llseek,
	.mmap = hmem_mmap,
	.unlocked_ioctl = hmem_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct hmem_device hmem_device = {
	.misc = {
		.minor = MISC_DYNAMIC_MINOR,
		.name = "hmem",
		.fops = &hmem_fops,
		.mode = 0400,
	},
	.access = &hmem_access,
};

static int __init hmem_read_header(struct hmem_device *device, u64 phys)
{
	struct elf64_hdr head;
	void *header;
	size_t bytes;
	int ret;

	ret = hmem_copy_header(&head, phys, sizeof(head));
	if (ret)
		return ret;
	ret = hmem_core_header_bytes(&head, sizeof(head), &bytes);
	if (ret)
		return ret;
	header = kvmalloc(bytes, GFP_KERNEL);
	if (!header)
		return -ENOMEM;
	ret = hmem_copy_header(header, phys, bytes);
	if (!ret)
		ret = hmem_parse_core_header(header, bytes, &device->map);
	kvfree(header);
	return ret;
}

/* What cannot be had of them is a loss of notes, not of the device. */
static int __init hmem_read_notes(struct hmem_device *device)
{
	const struct hmem_map *map = &device->map;
	size_t room = 0;
	unsigned int i;

	for (i = 0; i < map->note_count; i++) {
		if (map->notes[i].region.bytes <= HMEM_MAX_NOTE_BYTES - room)
			room += map->notes[i].region.bytes;
	}
	device->notes = kvzalloc(room, GFP_KERNEL);
	if (!device->notes)
		return -ENOMEM;
	for (i = 0; i < map->note_count; i++) {
		const struct hmem_extent *segment = &map->notes[i];
		void *to = device->notes + device->notes_bytes;

		if (segment->region.bytes > room - device->notes_bytes) {
			pr_warn("notes of %llu bytes at %#llx are too many\n",
				segment->region.bytes, segment->source);
			continue;
		}
		if (hmem_copy_notes(to, segment->source, segment->region.bytes)) {
			pr_warn("notes at %#llx cannot be read\n", segment->source);
			continue;
		}
		device->notes_bytes += hmem_used_note_bytes(to, segment->region.bytes);
	}
	return 0;
}

static void hmem_free(struct hmem_device *device)
{
	kvfree(device->notes);
	hmem_free_map(&device->map);
}

/*
 * copy_mc_to_user() recovers in the CPU's fast string instructions, or on the few machines of
 * copy_mc_fragile, which have these as well. Elsewhere it is an ordinary copy.
 */
static bool __init hmem_copies_are_safe(void)
{
	return IS_ENABLED(CONFIG_ARCH_HAS_COPY_MC) && boot_cpu_has(X86_FEATURE_ERMS);
}

static int __init hmem_init(void)
{
	struct hmem_device *device = &hmem_device;
	u64 header = hmem_core_header_addr();
	int ret;

	if (!header)
		return -ENODEV;
	ret = hmem_read_header(device, header);
	if (ret) {
		pr_err("no core header of an old kernel at %#llx: %d\n", header, ret);
		return ret;
	}
	if (hmem_copies_are_safe())
		device->features |= HMEM_FEATURE_MC_SAFE;
	hmem_judge_owners(&device->features, &device->state);
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		device->state |= HMEM_STATE_ENCRYPTED;
	ret = hmem_read_notes(device);
	if (!ret)
		ret = misc_register(&device->misc);
	if (ret) {
		hmem_free(device);
		return ret;
	}
	pr_info("%llu MiB of old memory in %u ranges%s\n", device->map.ram_bytes >> 20,
		device->map.ram_count,
		device->state & HMEM_STATE_UNSAFE_HOLES ?
			"; parts may be missing and cannot be told: not readable here" : "");
	return 0;
}

static void __exit hmem_exit(void)
{
	misc_deregister(&hmem_device.misc);
	hmem_free(&hmem_device);
}

module_init(hmem_init);
module_exit(hmem_exit);

MODULE_DESCRIPTION("Memory of the kernel that crashed before this one");
MODULE_LICENSE("GPL");
