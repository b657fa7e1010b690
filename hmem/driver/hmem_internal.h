/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the /dev/hmem driver share. The contract with user space is
 * include/uapi/linux/hmem.h.
 */
#ifndef _HMEM_INTERNAL_H
#define _HMEM_INTERNAL_H

#include <linux/fs.h>
#include <linux/hmem.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/uio.h>

/* Mapped at a time for copying: a few large page table entries where range and alignment allow. */
#define HMEM_WINDOW_BYTES	SZ_16M
/* Copied at a time: a signal is seen in between, and others get the CPU. */
#define HMEM_PIECE_BYTES	SZ_1M
#define HMEM_READV_MAX_RANGES	4096
#define HMEM_READV_MAX_BYTES	SZ_64M
/* Of the core header: a machine of 64 TiB with memory plugged block by block has some thousand. */
#define HMEM_MAX_SEGMENTS	32768
#define HMEM_MAX_NOTE_BYTES	SZ_16M

/**
 * struct hmem_extent - part of the old kernel's memory
 * @region: what user space is told of it
 * @source: where its first byte is to be found. Differs from region.start where purgatory has moved
 *	    memory out of the way (kexec-tools' backup of the first 640 KiB).
 */
struct hmem_extent {
	struct hmem_region region;
	u64 source;
};

/**
 * struct hmem_map - what the core header says
 * @extents: those of kind HMEM_REGION_RAM first, sorted by address and apart, then the others
 * @ram_count: number of the former
 * @count: number of all
 * @ram_bytes: sum of the RAM extents
 * @notes: PT_NOTE segments; region.start is meaningless in them
 * @note_count: number of these
 * @elf_machine: e_machine
 * @elf_class: e_ident[EI_CLASS]
 * @elf_data: e_ident[EI_DATA]
 */
struct hmem_map {
	struct hmem_extent *extents;
	unsigned int ram_count;
	unsigned int count;
	u64 ram_bytes;
	struct hmem_extent *notes;
	unsigned int note_count;
	u16 elf_machine;
	u8 elf_class;
	u8 elf_data;
};

/**
 * struct hmem_access - the ways to touch old memory; KUnit puts others in their place
 * @map: maps a page-aligned range for reading, NULL when that cannot be done
 * @unmap: undoes it
 * @copy: copies out of what was mapped; less than @bytes when the source or the destination fails
 * @has_owners: someone has taken pages away, so ask @pfn_is_ram for each
 * @pfn_is_ram: false for a page that must not be touched and reads as zeros
 */
struct hmem_access {
	void *(*map)(u64 phys, size_t bytes);
	void (*unmap)(void *virt);
	size_t (*copy)(const void *from, size_t bytes, struct iov_iter *to);
	bool (*has_owners)(void);
	bool (*pfn_is_ram)(unsigned long pfn);
};

struct hmem_device {
	struct miscdevice misc;
	const struct hmem_access *access;
	struct hmem_map map;
	void *notes;
	size_t notes_bytes;
	u64 features;
	u64 state;
};

/**
 * struct hmem_window - a piece of old memory that is mapped
 * @source: page-aligned address of its first byte
 * @bytes: its size, 0 when nothing is mapped
 * @virt: where it is mapped
 */
struct hmem_window {
	u64 source;
	size_t bytes;
	void *virt;
};

/**
 * struct hmem_file - an open /dev/hmem
 * @device: the device
 * @lock: of @window, which stays mapped from one call to the next. Whoever does not get it at once
 *	  maps a window of his own, so that readers do not wait for each other.
 * @window: what was read last
 */
struct hmem_file {
	struct hmem_device *device;
	struct mutex lock; /* of window */
	struct hmem_window window;
};

/* hmem_core_header.c */
int hmem_core_header_bytes(const void *head, size_t bytes, size_t *wanted);
int hmem_parse_core_header(const void *header, size_t bytes, struct hmem_map *map);
void hmem_free_map(struct hmem_map *map);
size_t hmem_used_note_bytes(const void *notes, size_t bytes);

/* hmem_memory.c */
extern const struct hmem_access hmem_access;
bool hmem_can_touch(u64 phys, u64 bytes);
const struct hmem_extent *hmem_find(const struct hmem_map *map, u64 phys);
size_t hmem_copy(const struct hmem_device *device, struct hmem_window *window, u64 phys,
		 size_t bytes, struct iov_iter *to, int *status);
void hmem_close_window(const struct hmem_device *device, struct hmem_window *window);
int hmem_copy_header(void *to, u64 phys, size_t bytes);
int hmem_copy_notes(void *to, u64 phys, size_t bytes);
struct hmem_window *hmem_get_window(struct hmem_file *file, struct hmem_window *own);
void hmem_put_window(struct hmem_file *file, struct hmem_window *window);

/* hmem_ioctl.c */
long hmem_ioctl(struct file *file, unsigned int command, unsigned long argument);
int hmem_check_ranges(const struct hmem_range *ranges, u32 count, u64 buffer_bytes);
int hmem_read_ranges(struct hmem_file *file, struct hmem_range *ranges, u32 count,
		     struct iov_iter *to);

/* hmem_main.c */
ssize_t hmem_read_iter(struct kiocb *iocb, struct iov_iter *to);
loff_t hmem_llseek(struct file *file, loff_t offset, int whence);

/* hmem_mmap.c */
int hmem_mmap(struct file *file, struct vm_area_struct *vma);

/* hmem_owners.c in the kernel's tree, hmem_owners_stock.c out of it */
u64 hmem_core_header_addr(void);
void hmem_judge_owners(u64 *features, u64 *state);
bool hmem_has_owners(void);
bool hmem_pfn_is_ram(unsigned long pfn);

#endif /* _HMEM_INTERNAL_H */
