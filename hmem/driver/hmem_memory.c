// SPDX-License-Identifier: GPL-2.0
/*
 * Finding, mapping and copying the old kernel's memory. It is no memory of this kernel: it has no
 * struct page and is in no direct map, so a window of it is mapped, copied from, and kept until
 * another one is needed.
 */
#include <linux/cc_platform.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "hmem_internal.h"

/**
 * hmem_can_touch - whether a range can be old memory, whatever the core header says
 * @phys: address of the first byte
 * @bytes: how many, not 0
 *
 * This kernel's own memory is not, lest a header that lies make it readable. Nor is what the CPU
 * has no address bits for: a page table entry that points there is a fault that kills.
 *
 * Return: true where it can.
 */
bool hmem_can_touch(u64 phys, u64 bytes)
{
	if (bytes - 1 > iomem_resource.end || phys > iomem_resource.end - (bytes - 1))
		return false;
	return region_intersects(phys, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) ==
	       REGION_DISJOINT;
}

static void *hmem_map_old(u64 phys, size_t bytes, bool encrypted)
{
	if (!hmem_can_touch(phys, bytes))
		return NULL;
	if (encrypted)
		return (__force void *)ioremap_encrypted(phys, bytes);
	return (__force void *)ioremap_cache(phys, bytes);
}

static void *hmem_map_memory(u64 phys, size_t bytes)
{
	return hmem_map_old(phys, bytes, cc_platform_has(CC_ATTR_MEM_ENCRYPT));
}

static void hmem_unmap(void *virt)
{
	iounmap((__force void __iomem *)virt);
}

static size_t hmem_copy_mc(const void *from, size_t bytes, struct iov_iter *to)
{
	return _copy_mc_to_iter(from, bytes, to);
}

const struct hmem_access hmem_access = {
	.map = hmem_map_memory,
	.unmap = hmem_unmap,
	.copy = hmem_copy_mc,
	.has_owners = hmem_has_owners,
	.pfn_is_ram = hmem_pfn_is_ram,
};

/* Page by page: what is next to it may belong to someone else, and such a page cannot be mapped. */
static int hmem_copy_to_kernel(void *to, u64 phys, size_t bytes, bool encrypted)
{
	while (bytes) {
		size_t offset = offset_in_page(phys);
		size_t piece = min_t(size_t, bytes, PAGE_SIZE - offset);
		void *virt = hmem_map_old(phys - offset, PAGE_SIZE, encrypted);
		unsigned long left;

		if (!virt)
			return -EIO;
		left = copy_mc_to_kernel(to, virt + offset, piece);
		hmem_unmap(virt);
		if (left)
			return -EIO;
		to += piece;
		phys += piece;
		bytes -= piece;
	}
	return 0;
}

/**
 * hmem_copy_header - copies a part of the core header
 * @to: where it goes
 * @phys: where it is
 * @bytes: how much
 *
 * Whoever loaded this kernel wrote it: in a guest with encrypted memory that was the guest, with
 * SME on the host it went through the decrypted mapping of kexec.
 *
 * Return: 0 or -EIO.
 */
int hmem_copy_header(void *to, u64 phys, size_t bytes)
{
	return hmem_copy_to_kernel(to, phys, bytes, cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT));
}

/**
 * hmem_copy_notes - copies what the old kernel wrote into its own memory
 * @to: where it goes
 * @phys: where it is
 * @bytes: how much
 *
 * Return: 0 or -EIO.
 */
int hmem_copy_notes(void *to, u64 phys, size_t bytes)
{
	return hmem_copy_to_kernel(to, phys, bytes, cc_platform_has(CC_ATTR_MEM_ENCRYPT));
}

/**
 * hmem_find - the memory at an address or behind it
 * @map: of the old kernel
 * @phys: the address
 *
 * Return: the first extent that ends behind @phys, which is in it or in the hole before it; NULL
 * behind the last one.
 */
const struct hmem_extent *hmem_find(const struct hmem_map *map, u64 phys)
{
	unsigned int low = 0, high = map->ram_count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;
		const struct hmem_extent *extent = &map->extents[middle];

		if (extent->region.start + extent->region.bytes <= phys)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->ram_count ? &map->extents[low] : NULL;
}

/* Makes the window hold @source, a byte of @extent; with owners a page at a time. */
static int hmem_move_window(const struct hmem_device *device, struct hmem_window *window,
			    const struct hmem_extent *extent, u64 source, bool owners)
{
	size_t most = owners ? PAGE_SIZE : HMEM_WINDOW_BYTES;
	u64 start, end;

	if (source >= window->source && source - window->source < window->bytes)
		return 0;
	hmem_close_window(device, window);
	start = max(round_down(source, most), round_down(extent->source, PAGE_SIZE));
	end = min(round_down(source, most) + most,
		  round_up(extent->source + extent->region.bytes, PAGE_SIZE));
	window->virt = device->access->map(start, end - start);
	if (!window->virt) {
		/* This kernel may have a page of it, or be short of memory: only what is needed. */
		start = round_down(source, PAGE_SIZE);
		end = start + PAGE_SIZE;
		window->virt = device->access->map(start, PAGE_SIZE);
	}
	if (!window->virt)
		return -EIO;
	window->source = start;
	window->bytes = end - start;
	return 0;
}

void hmem_close_window(const struct hmem_device *device, struct hmem_window *window)
{
	if (window->bytes)
		device->access->unmap(window->virt);
	memset(window, 0, sizeof(*window));
}

/* One piece of one extent, inside one window. Returns the bytes copied, and why not more. */
static size_t hmem_copy_piece(const struct hmem_device *device, struct hmem_window *window,
			      const struct hmem_extent *extent, u64 source, size_t bytes,
			      struct iov_iter *to, int *status)
{
	bool owners = device->access->has_owners();
	size_t copied;

	if (owners)
		bytes = min_t(size_t, bytes, PAGE_SIZE - offset_in_page(source));
	if (owners && !device->access->pfn_is_ram(PHYS_PFN(source))) {
		copied = iov_iter_zero(bytes, to);
		*status = copied < bytes ? -EFAULT : 0;
		return copied;
	}
	*status = hmem_move_window(device, window, extent, source, owners);
	if (*status)
		return 0;
	bytes = min_t(u64, bytes, window->source + window->bytes - source);
	copied = device->access->copy(window->virt + (source - window->source), bytes, to);
	if (copied < bytes) {
		/* A copy does not tell which of its two sides failed. */
		*status = fault_in_iov_iter_writeable(to, 1) ? -EFAULT : -EIO;
	}
	return copied;
}

/**
 * hmem_copy - copies old memory
 * @device: the device
 * @window: of the caller; may be moved
 * @phys: address of the first byte
 * @bytes: how many
 * @to: where they go; advanced by what was copied
 * @status: set to 0, or to what ended the copy: -ENXIO a hole, -EIO memory that cannot be copied or
 *	    mapped, -EFAULT the destination, -EINTR a signal
 *
 * Return: the bytes copied; less than @bytes when @status is not 0.
 */
size_t hmem_copy(const struct hmem_device *device, struct hmem_window *window, u64 phys,
		 size_t bytes, struct iov_iter *to, int *status)
{
	size_t done = 0;

	*status = 0;
	while (done < bytes) {
		const struct hmem_extent *extent = hmem_find(&device->map, phys + done);
		u64 at = phys + done;
		size_t piece;

		if (!extent || at < extent->region.start) {
			*status = -ENXIO;
			break;
		}
		if (signal_pending(current)) {
			*status = -EINTR;
			break;
		}
		piece = min3((u64)(bytes - done), (u64)HMEM_PIECE_BYTES,
			     extent->region.start + extent->region.bytes - at);
		done += hmem_copy_piece(device, window, extent,
					extent->source + (at - extent->region.start), piece, to,
					status);
		if (*status)
			break;
		cond_resched();
	}
	return done;
}

/* The file's window, or, while someone else has it, the caller's own. */
struct hmem_window *hmem_get_window(struct hmem_file *file, struct hmem_window *own)
{
	memset(own, 0, sizeof(*own));
	return mutex_trylock(&file->lock) ? &file->window : own;
}

void hmem_put_window(struct hmem_file *file, struct hmem_window *window)
{
	if (window == &file->window)
		mutex_unlock(&file->lock);
	else
		hmem_close_window(file->device, window);
}
