/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/hmem: the memory of the kernel that crashed before this one.
 *
 * The device exists in a capture kernel. Offsets of read(2), lseek(2) and mmap(2) are physical
 * addresses of the old kernel. read(2) ends short at a hole and in front of what cannot be copied,
 * and is ENXIO inside a hole, EIO where the first byte cannot be copied, 0 behind the last range.
 * SEEK_DATA and SEEK_HOLE walk the ranges of memory, SEEK_END counts from the end of the last one.
 * mmap(2) is read-only (EPERM for PROT_EXEC), MAP_SHARED (EINVAL otherwise), of pages that all have
 * memory in them (ENXIO), and not safe against memory errors: what read(2) tells as EIO is SIGBUS
 * there.
 *
 * Opening needs CAP_SYS_RAWIO (EPERM), is refused under lockdown=confidentiality (EPERM) and for
 * writing (EACCES).
 *
 * Every struct is the same for 32-bit and 64-bit callers. All flags and reserved fields are zero on
 * entry, and so is what a call fills in; anything else is EINVAL. A command that is not known is
 * ENOTTY. What a driver can do is asked by HMEM_INFO, not by a version.
 */
#ifndef _UAPI_LINUX_HMEM_H
#define _UAPI_LINUX_HMEM_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * hmem_info.features
 */
/* Copies survive a machine check in the memory that is read: read(2) and HMEM_READV say EIO. */
#define HMEM_FEATURE_MC_SAFE		_BITULL(0)
/*
 * Pages that were taken away from the old kernel (virtio-mem, Xen, GART) are known, not touched and
 * read as zeros, as /proc/vmcore has it.
 */
#define HMEM_FEATURE_HOLE_OWNERS	_BITULL(1)

/*
 * hmem_info.state
 */
/*
 * This machine has something that takes pages away from a kernel, and the driver cannot ask it
 * which. Touching such a page may hang the machine, so read(2), mmap(2) and HMEM_READV are
 * EOPNOTSUPP; /proc/vmcore is the way to read here. Never set together with
 * HMEM_FEATURE_HOLE_OWNERS.
 */
#define HMEM_STATE_UNSAFE_HOLES		_BITULL(0)
/* The old kernel's memory is encrypted (SME); it is read and mapped decrypted. */
#define HMEM_STATE_ENCRYPTED		_BITULL(1)

/**
 * struct hmem_info - what there is and what the driver can do
 * @features: HMEM_FEATURE_*
 * @state: HMEM_STATE_*
 * @ram_bytes: memory in all ranges of kind HMEM_REGION_RAM
 * @notes_bytes: size of what HMEM_NOTES delivers
 * @page_bytes: unit of mmap(2)
 * @region_count: number of ranges that HMEM_REGIONS delivers
 * @readv_max_ranges: most ranges of one HMEM_READV
 * @readv_max_bytes: most bytes of one HMEM_READV
 * @elf_machine: e_machine of the old kernel's core header
 * @elf_class: its e_ident[EI_CLASS]
 * @elf_data: its e_ident[EI_DATA]
 * @reserved: zero
 */
struct hmem_info {
	__u64 features;
	__u64 state;
	__u64 ram_bytes;
	__u64 notes_bytes;
	__u32 page_bytes;
	__u32 region_count;
	__u32 readv_max_ranges;
	__u32 readv_max_bytes;
	__u16 elf_machine;
	__u8 elf_class;
	__u8 elf_data;
	__u32 reserved[5];
};

/* Memory of the old kernel. These ranges come first, sorted and apart from each other. */
#define HMEM_REGION_RAM		1
/*
 * An alias: part of what the RAM ranges have, as the old kernel's image maps it. Only @virt is
 * news.
 */
#define HMEM_REGION_IMAGE	2

/**
 * struct hmem_region - one range of the old kernel's physical memory
 * @start: physical address of the first byte
 * @bytes: size
 * @virt: where the old kernel has it mapped, as its core header claims; 0: not told
 * @kind: HMEM_REGION_*
 * @reserved: zero
 */
struct hmem_region {
	__u64 start;
	__u64 bytes;
	__u64 virt;
	__u32 kind;
	__u32 reserved;
};

/**
 * struct hmem_regions - argument of HMEM_REGIONS
 * @regions: address of an array of struct hmem_region
 * @first: number of the first range wanted
 * @count: in: room in the array; out: ranges delivered, 0 behind the last
 * @flags: zero
 * @reserved: zero
 */
struct hmem_regions {
	__u64 regions;
	__u32 first;
	__u32 count;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct hmem_notes - argument of HMEM_NOTES
 * @buffer: where the notes go: ELF notes back to back, as the old kernel wrote them (NT_PRSTATUS of
 *	    each CPU, VMCOREINFO), without the empty ones
 * @offset: byte of the notes to begin with
 * @bytes: in: room in the buffer; out: bytes delivered, 0 behind the end
 * @flags: zero
 * @reserved: zero
 */
struct hmem_notes {
	__u64 buffer;
	__u64 offset;
	__u32 bytes;
	__u32 flags;
	__u32 reserved[2];
};

/**
 * struct hmem_range - one range of HMEM_READV
 * @phys: physical address of the first byte
 * @bytes: size, not 0
 * @done: out: bytes delivered
 * @status: out: 0, or why @done is less than @bytes: -ENXIO a hole, -EIO memory that cannot be
 *	    copied, -EINTR a signal came before it
 * @reserved: zero
 */
struct hmem_range {
	__u64 phys;
	__u32 bytes;
	__u32 done;
	__s32 status;
	__u32 reserved;
};

/**
 * struct hmem_readv - argument of HMEM_READV
 * @ranges: address of an array of struct hmem_range
 * @buffer: where the bytes go: each range directly behind the room of the one before. What could
 *	    not be delivered leaves its room as it was.
 * @buffer_bytes: size of the buffer, at least that of all ranges
 * @count: number of ranges
 * @flags: zero
 *
 * Succeeds whatever the status of the ranges. EINVAL: a range is empty or ends beyond 2^64, more
 * ranges or bytes than hmem_info allows, a buffer too small. EINTR: a signal came before the first
 * byte.
 */
struct hmem_readv {
	__u64 ranges;
	__u64 buffer;
	__u64 buffer_bytes;
	__u32 count;
	__u32 flags;
};

#define HMEM_IOC_MAGIC		'h'	/* 0x90 to 0x9f of it */

#define HMEM_INFO		_IOWR(HMEM_IOC_MAGIC, 0x90, struct hmem_info)
#define HMEM_REGIONS		_IOWR(HMEM_IOC_MAGIC, 0x91, struct hmem_regions)
#define HMEM_NOTES		_IOWR(HMEM_IOC_MAGIC, 0x92, struct hmem_notes)
#define HMEM_READV		_IOWR(HMEM_IOC_MAGIC, 0x93, struct hmem_readv)

#endif /* _UAPI_LINUX_HMEM_H */
