// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping old memory into a process: at once and as a whole. On x86 a range that is inserted in one
 * go gets the cache mode of memory, and one inserted fault by fault would get that of a device.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "hmem_internal.h"

/* Neither now nor later. */
static int hmem_refuse_protection(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, unsigned long new_flags)
{
	return new_flags & (VM_WRITE | VM_EXEC) ? -EACCES : 0;
}

static const struct vm_operations_struct hmem_vm_ops = {
	.mprotect = hmem_refuse_protection,
};

/*
 * The page at @phys and how far from there on one can go without a jump in the source; @end limits
 * it. An extent may begin or end inside a page.
 */
static int hmem_find_run(const struct hmem_map *map, u64 phys, u64 end, u64 *source, u64 *bytes)
{
	const struct hmem_extent *extent = hmem_find(map, phys);
	const struct hmem_extent *behind = &map->extents[map->ram_count];
	u64 distance, covered;

	if (!extent || extent->region.start >= phys + PAGE_SIZE)
		return -ENXIO;
	distance = extent->source - extent->region.start;
	if (!PAGE_ALIGNED(distance))
		return -EOPNOTSUPP;
	covered = round_up(extent->region.start + extent->region.bytes, PAGE_SIZE);
	for (extent++; extent < behind && covered < end; extent++) {
		if (extent->region.start > covered ||
		    extent->source - extent->region.start != distance)
			break;
		covered = round_up(extent->region.start + extent->region.bytes, PAGE_SIZE);
	}
	*source = phys + distance;
	*bytes = min(covered, end) - phys;
	return 0;
}

/* Pages that someone took away are the zero page, as in /proc/vmcore. */
static int hmem_remap_checked(const struct hmem_device *device, struct vm_area_struct *vma,
			      unsigned long addr, u64 source, u64 bytes)
{
	u64 done, run;
	int ret;

	for (done = 0; done < bytes; done += run) {
		unsigned long pfn = PHYS_PFN(source + done);
		bool ram = device->access->pfn_is_ram(pfn);

		run = PAGE_SIZE;
		while (ram && done + run < bytes &&
		       device->access->pfn_is_ram(pfn + PHYS_PFN(run)))
			run += PAGE_SIZE;
		ret = remap_pfn_range(vma, addr + done, ram ? pfn : my_zero_pfn(addr + done), run,
				      vma->vm_page_prot);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

int hmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct hmem_file *opened = file->private_data;
	const struct hmem_device *device = opened->device;
	u64 size = vma->vm_end - vma->vm_start;
	u64 start = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 done, source, bytes;
	int ret;

	if (device->state & HMEM_STATE_UNSAFE_HOLES)
		return -EOPNOTSUPP;
	/* A shared mapping of a file that is open for reading only can never become writable. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_MAYWRITE | VM_EXEC))
		return -EPERM;
	if (vma->vm_pgoff > PHYS_PFN(S64_MAX) || start + size > S64_MAX)
		return -ENXIO;
	/* All of it is looked at before any of it is mapped. */
	for (done = 0; done < size; done += bytes) {
		ret = hmem_find_run(&device->map, start + done, start + size, &source, &bytes);
		if (ret)
			return ret;
		if (!hmem_can_touch(source, bytes))
			return -EIO;
	}
	vma->vm_ops = &hmem_vm_ops;
	for (done = 0; done < size; done += bytes) {
		ret = hmem_find_run(&device->map, start + done, start + size, &source, &bytes);
		if (ret)
			return ret;
		if (device->access->has_owners())
			ret = hmem_remap_checked(device, vma, vma->vm_start + done, source, bytes);
		else
			ret = remap_pfn_range(vma, vma->vm_start + done, PHYS_PFN(source), bytes,
					      vma->vm_page_prot);
		if (ret)
			return ret;
	}
	return 0;
}
