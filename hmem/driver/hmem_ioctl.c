// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of /dev/hmem. What comes in is checked to the last bit, so that everything unused now
 * can get a meaning later.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "hmem_internal.h"

static long hmem_ioctl_info(const struct hmem_device *device, void __user *argument)
{
	struct hmem_info info;

	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	if (memchr_inv(&info, 0, sizeof(info)))
		return -EINVAL;
	info.features = device->features;
	info.state = device->state;
	info.ram_bytes = device->map.ram_bytes;
	info.notes_bytes = device->notes_bytes;
	info.page_bytes = PAGE_SIZE;
	info.region_count = device->map.count;
	info.readv_max_ranges = HMEM_READV_MAX_RANGES;
	info.readv_max_bytes = HMEM_READV_MAX_BYTES;
	info.elf_machine = device->map.elf_machine;
	info.elf_class = device->map.elf_class;
	info.elf_data = device->map.elf_data;
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static long hmem_ioctl_regions(const struct hmem_device *device, void __user *argument)
{
	const struct hmem_map *map = &device->map;
	struct hmem_region __user *to;
	struct hmem_regions regions;
	u32 i;

	if (copy_from_user(&regions, argument, sizeof(regions)))
		return -EFAULT;
	if (regions.flags || regions.reserved)
		return -EINVAL;
	to = u64_to_user_ptr(regions.regions);
	if (regions.first >= map->count)
		regions.count = 0;
	else
		regions.count = min(regions.count, map->count - regions.first);
	for (i = 0; i < regions.count; i++) {
		const struct hmem_extent *extent = &map->extents[regions.first + i];

		if (copy_to_user(&to[i], &extent->region, sizeof(extent->region)))
			return -EFAULT;
	}
	return copy_to_user(argument, &regions, sizeof(regions)) ? -EFAULT : 0;
}

static long hmem_ioctl_notes(const struct hmem_device *device, void __user *argument)
{
	struct hmem_notes notes;

	if (copy_from_user(&notes, argument, sizeof(notes)))
		return -EFAULT;
	if (notes.flags || memchr_inv(notes.reserved, 0, sizeof(notes.reserved)))
		return -EINVAL;
	if (notes.offset >= device->notes_bytes)
		notes.bytes = 0;
	else
		notes.bytes = min_t(u64, notes.bytes, device->notes_bytes - notes.offset);
	if (copy_to_user(u64_to_user_ptr(notes.buffer), device->notes + notes.offset, notes.bytes))
		return -EFAULT;
	return copy_to_user(argument, &notes, sizeof(notes)) ? -EFAULT : 0;
}

/**
 * hmem_check_ranges - whether these ranges can be asked for
 * @ranges: the ranges
 * @count: how many, no more than HMEM_READV_MAX_RANGES
 * @buffer_bytes: size of the buffer they go to
 *
 * Return: 0 or -EINVAL.
 */
int hmem_check_ranges(const struct hmem_range *ranges, u32 count, u64 buffer_bytes)
{
	u64 total = 0, end;
	u32 i;

	for (i = 0; i < count; i++) {
		if (!ranges[i].bytes || ranges[i].done || ranges[i].status || ranges[i].reserved)
			return -EINVAL;
		if (check_add_overflow(ranges[i].phys, (u64)ranges[i].bytes - 1, &end))
			return -EINVAL;
		total += ranges[i].bytes;
	}
	return total > HMEM_READV_MAX_BYTES || total > buffer_bytes ? -EINVAL : 0;
}

/**
 * hmem_read_ranges - copies ranges one behind the other
 * @file: the open device
 * @ranges: checked by hmem_check_ranges(); their done and status are set
 * @count: how many
 * @to: has room for all of them
 *
 * Each range goes to its place whatever became of the others, until a signal comes.
 *
 * Return: 0, -EFAULT, or -EINTR when the signal came before the first byte.
 */
int hmem_read_ranges(struct hmem_file *file, struct hmem_range *ranges, u32 count,
		     struct iov_iter *to)
{
	struct hmem_window own, *window = hmem_get_window(file, &own);
	u64 delivered = 0;
	int ret = 0;
	u32 i;

	for (i = 0; i < count; i++) {
		struct hmem_range *range = &ranges[i];
		struct iov_iter iter = *to;

		iov_iter_truncate(&iter, range->bytes);
		range->done = hmem_copy(file->device, window, range->phys, range->bytes, &iter,
					&range->status);
		iov_iter_advance(to, range->bytes);
		delivered += range->done;
		if (range->status == -EFAULT) {
			ret = -EFAULT;
			break;
		}
		if (range->status == -EINTR && !delivered) {
			ret = -EINTR;
			break;
		}
	}
	hmem_put_window(file, window);
	return ret;
}

static long hmem_ioctl_readv(struct hmem_file *file, void __user *argument)
{
	struct hmem_range *ranges;
	struct hmem_readv readv;
	void __user *from, *to;
	struct iov_iter iter;
	size_t bytes;
	long ret;

	if (copy_from_user(&readv, argument, sizeof(readv)))
		return -EFAULT;
	if (readv.flags || readv.count > HMEM_READV_MAX_RANGES)
		return -EINVAL;
	if (file->device->state & HMEM_STATE_UNSAFE_HOLES)
		return -EOPNOTSUPP;
	if (!readv.count)
		return 0;
	from = u64_to_user_ptr(readv.ranges);
	to = u64_to_user_ptr(readv.buffer);
	bytes = array_size(readv.count, sizeof(*ranges));
	ranges = vmemdup_user(from, bytes);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	ret = hmem_check_ranges(ranges, readv.count, readv.buffer_bytes);
	if (!ret && !access_ok(to, readv.buffer_bytes))
		ret = -EFAULT;
	if (!ret) {
		iov_iter_ubuf(&iter, ITER_DEST, to, readv.buffer_bytes);
		ret = hmem_read_ranges(file, ranges, readv.count, &iter);
	}
	if (!ret && copy_to_user(from, ranges, bytes))
		ret = -EFAULT;
	kvfree(ranges);
	return ret;
}

long hmem_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct hmem_file *opened = file->private_data;
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case HMEM_INFO:
		return hmem_ioctl_info(opened->device, pointer);
	case HMEM_REGIONS:
		return hmem_ioctl_regions(opened->device, pointer);
	case HMEM_NOTES:
		return hmem_ioctl_notes(opened->device, pointer);
	case HMEM_READV:
		return hmem_ioctl_readv(opened, pointer);
	default:
		return -ENOTTY;
	}
}
