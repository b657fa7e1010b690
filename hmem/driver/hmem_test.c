// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the /dev/hmem driver: core headers of every kind of wrong, and memory that fails
 * while it is copied. The old kernel is a few pages of this one.
 */
#include <kunit/test.h>
#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "hmem_internal.h"

#define HMEM_TEST_START		0x40000000ULL
#define HMEM_TEST_PAGES		16
#define HMEM_TEST_BYTES		(HMEM_TEST_PAGES * PAGE_SIZE)
#define HMEM_TEST_NOWHERE	U64_MAX
#define HMEM_TEST_UNTOUCHED	0xee

/* The one old kernel of the tests, which run one at a time. */
static struct {
	u8 *memory;
	u64 bad;		/* copying stops in front of this address */
	unsigned long gone;	/* a page that someone took away; 0: there is nobody */
	int mapped;
} hmem_fake;

static void *hmem_fake_map(u64 phys, size_t bytes)
{
	if (phys < HMEM_TEST_START || phys + bytes > HMEM_TEST_START + HMEM_TEST_BYTES)
		return NULL;
	hmem_fake.mapped++;
	return hmem_fake.memory + (phys - HMEM_TEST_START);
}

static void hmem_fake_unmap(void *virt)
{
	hmem_fake.mapped--;
}

static size_t hmem_fake_copy(const void *from, size_t bytes, struct iov_iter *to)
{
	u64 phys = HMEM_TEST_START + ((const u8 *)from - hmem_fake.memory);

	if (phys <= hmem_fake.bad && hmem_fake.bad - phys < bytes)
		bytes = hmem_fake.bad - phys;
	return copy_to_iter(from, bytes, to);
}

static bool hmem_fake_has_owners(void)
{
	return hmem_fake.gone;
}

static bool hmem_fake_pfn_is_ram(unsigned long pfn)
{
	return pfn != hmem_fake.gone;
}

static const struct hmem_access hmem_fake_access = {
	.map = hmem_fake_map,
	.unmap = hmem_fake_unmap,
	.copy = hmem_fake_copy,
	.has_owners = hmem_fake_has_owners,
	.pfn_is_ram = hmem_fake_pfn_is_ram,
};

/* A core header with room for some program headers. */
struct hmem_test_header {
	struct elf64_hdr elf;
	struct elf64_phdr phdr[8];
};

static void hmem_add_segment(struct hmem_test_header *header, u32 type, u64 phys, u64 bytes,
			     u64 virt)
{
	struct elf64_phdr *phdr = &header->phdr[header->elf.e_phnum++];

	phdr->p_type = type;
	phdr->p_paddr = phys;
	phdr->p_offset = phys;
	phdr->p_memsz = bytes;
	phdr->p_filesz = bytes;
	phdr->p_vaddr = virt;
}

static struct hmem_test_header *hmem_new_header(struct kunit *test)
{
	struct hmem_test_header *header = kunit_kzalloc(test, sizeof(*header), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, header);
	memcpy(header->elf.e_ident, ELFMAG, SELFMAG);
	header->elf.e_ident[EI_CLASS] = ELFCLASS64;
	header->elf.e_ident[EI_DATA] = ELF_DATA;
	header->elf.e_ident[EI_VERSION] = EV_CURRENT;
	header->elf.e_type = ET_CORE;
	header->elf.e_machine = EM_X86_64;
	header->elf.e_phoff = sizeof(header->elf);
	header->elf.e_phentsize = sizeof(header->phdr[0]);
	return header;
}

static void hmem_expect_region(struct kunit *test, const struct hmem_extent *extent, u32 kind,
			       u64 start, u64 bytes, u64 virt)
{
	KUNIT_EXPECT_EQ(test, extent->region.kind, kind);
	KUNIT_EXPECT_EQ(test, extent->region.start, start);
	KUNIT_EXPECT_EQ(test, extent->region.bytes, bytes);
	KUNIT_EXPECT_EQ(test, extent->region.virt, virt);
}

static void hmem_test_header_sorts_and_aliases(struct kunit *test)
{
	struct hmem_test_header *header = hmem_new_header(test);
	struct hmem_map map;
	size_t bytes;

	hmem_add_segment(header, PT_NOTE, 0x5000, 0x1000, 0);
	/* The kernel's image, in the middle of the memory around it. */
	hmem_add_segment(header, PT_LOAD, 0x200000, 0x1000, 0xffffffff81000000);
	hmem_add_segment(header, PT_LOAD, 0x1000000, 0x100000, 0xffff888001000000);
	hmem_add_segment(header, PT_LOAD, 0x100000, 0x300000, 0xffff888000100000);
	/* The same mapping again tells nothing. */
	hmem_add_segment(header, PT_LOAD, 0x300000, 0x1000, 0xffff888000300000);
	/* Sticks out of what is known. */
	hmem_add_segment(header, PT_LOAD, 0x1080000, 0x100000, 0);
	/* Nothing. */
	hmem_add_segment(header, PT_LOAD, 0x9000000, 0, 0);

	KUNIT_ASSERT_EQ(test, hmem_core_header_bytes(header, sizeof(*header), &bytes), 0);
	KUNIT_EXPECT_EQ(test, bytes, offsetof(struct hmem_test_header, phdr[7]));
	KUNIT_ASSERT_EQ(test, hmem_parse_core_header(header, bytes, &map), 0);
	KUNIT_EXPECT_EQ(test, map.elf_machine, EM_X86_64);
	KUNIT_EXPECT_EQ(test, map.elf_class, ELFCLASS64);
	KUNIT_EXPECT_EQ(test, map.note_count, 1);
	KUNIT_EXPECT_EQ(test, map.notes[0].source, 0x5000);
	KUNIT_ASSERT_EQ(test, map.ram_count, 3);
	KUNIT_ASSERT_EQ(test, map.count, 4);
	KUNIT_EXPECT_EQ(test, map.ram_bytes, 0x300000 + 0x180000);
	hmem_expect_region(test, &map.extents[0], HMEM_REGION_RAM, 0x100000, 0x300000,
			   0xffff888000100000);
	hmem_expect_region(test, &map.extents[1], HMEM_REGION_RAM, 0x1000000, 0x100000,
			   0xffff888001000000);
	hmem_expect_region(test, &map.extents[2], HMEM_REGION_RAM, 0x1100000, 0x80000, 0);
	KUNIT_EXPECT_EQ(test, map.extents[2].source, 0x1100000);
	hmem_expect_region(test, &map.extents[3], HMEM_REGION_IMAGE, 0x200000, 0x1000,
			   0xffffffff81000000);
	hmem_free_map(&map);
}

static void hmem_test_header_moved_source(struct kunit *test)
{
	struct hmem_test_header *header = hmem_new_header(test);
	struct hmem_map map;

	hmem_add_segment(header, PT_LOAD, 0, 0xa0000, 0xffff888000000000);
	header->phdr[0].p_offset = 0x7000000;
	KUNIT_ASSERT_EQ(test, hmem_parse_core_header(header, sizeof(*header), &map), 0);
	KUNIT_EXPECT_EQ(test, map.extents[0].region.start, 0);
	KUNIT_EXPECT_EQ(test, map.extents[0].source, 0x7000000);
	hmem_free_map(&map);
}

static void hmem_test_header_32_bits(struct kunit *test)
{
	struct {
		struct elf32_hdr elf;
		struct elf32_phdr phdr;
		u8 rest[sizeof(struct elf64_hdr)];
	} *header = kunit_kzalloc(test, sizeof(*header), GFP_KERNEL);
	struct hmem_map map;
	size_t bytes;

	KUNIT_ASSERT_NOT_NULL(test, header);
	memcpy(header->elf.e_ident, ELFMAG, SELFMAG);
	header->elf.e_ident[EI_CLASS] = ELFCLASS32;
	header->elf.e_ident[EI_DATA] = ELF_DATA;
	header->elf.e_ident[EI_VERSION] = EV_CURRENT;
	header->elf.e_type = ET_CORE;
	header->elf.e_machine = EM_386;
	header->elf.e_phoff = sizeof(header->elf);
	header->elf.e_phentsize = sizeof(header->phdr);
	header->elf.e_phnum = 1;
	header->phdr.p_type = PT_LOAD;
	header->phdr.p_paddr = 0x100000;
	header->phdr.p_offset = 0x100000;
	header->phdr.p_memsz = 0xfff00000;
	header->phdr.p_vaddr = 0xc0100000;
	KUNIT_ASSERT_EQ(test, hmem_core_header_bytes(header, sizeof(*header), &bytes), 0);
	KUNIT_EXPECT_EQ(test, bytes, sizeof(header->elf) + sizeof(header->phdr));
	KUNIT_ASSERT_EQ(test, hmem_parse_core_header(header, sizeof(*header), &map), 0);
	KUNIT_EXPECT_EQ(test, map.elf_class, ELFCLASS32);
	hmem_expect_region(test, &map.extents[0], HMEM_REGION_RAM, 0x100000, 0xfff00000,
			   0xc0100000);
	hmem_free_map(&map);
}

/* Valid, and then one thing wrong at a time. */
static void hmem_test_header_refusals(struct kunit *test)
{
	struct hmem_test_header *good = hmem_new_header(test), bad;
	struct hmem_map map;
	size_t bytes;

	hmem_add_segment(good, PT_LOAD, 0x100000, 0x100000, 0);
	KUNIT_ASSERT_EQ(test, hmem_core_header_bytes(good, sizeof(*good), &bytes), 0);

#define HMEM_EXPECT_REFUSED(change)							\
	do {										\
		bad = *good;								\
		change;									\
		KUNIT_EXPECT_EQ_MSG(test, hmem_core_header_bytes(&bad, sizeof(bad), &bytes), \
				    -EINVAL, #change);					\
		KUNIT_EXPECT_EQ_MSG(test, hmem_parse_core_header(&bad, sizeof(bad), &map), \
				    -EINVAL, #change);					\
	} while (0)

	HMEM_EXPECT_REFUSED(bad.elf.e_ident[EI_MAG0] = 0);
	HMEM_EXPECT_REFUSED(bad.elf.e_ident[EI_CLASS] = ELFCLASSNONE);
	HMEM_EXPECT_REFUSED(bad.elf.e_ident[EI_CLASS] = ELFCLASS32);
	HMEM_EXPECT_REFUSED(bad.elf.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB);
	HMEM_EXPECT_REFUSED(bad.elf.e_ident[EI_VERSION] = 0);
	HMEM_EXPECT_REFUSED(bad.elf.e_type = ET_EXEC);
	HMEM_EXPECT_REFUSED(bad.elf.e_phnum = 0);
	HMEM_EXPECT_REFUSED(bad.elf.e_phnum = HMEM_MAX_SEGMENTS + 1);
	HMEM_EXPECT_REFUSED(bad.elf.e_phentsize++);
	HMEM_EXPECT_REFUSED(bad.elf.e_phoff = 0);
	HMEM_EXPECT_REFUSED(bad.elf.e_phoff = U64_MAX - 8);
#undef HMEM_EXPECT_REFUSED

	/* More program headers than there are bytes. */
	bad = *good;
	bad.elf.e_phnum = ARRAY_SIZE(bad.phdr) + 1;
	KUNIT_EXPECT_EQ(test, hmem_parse_core_header(&bad, sizeof(bad), &map), -EINVAL);
	/* Memory that would end beyond all addresses, in either of its two places. */
	bad = *good;
	bad.phdr[0].p_memsz = U64_MAX - 0x1000;
	KUNIT_EXPECT_EQ(test, hmem_parse_core_header(&bad, sizeof(bad), &map), -ENODATA);
	bad = *good;
	bad.phdr[0].p_offset = S64_MAX;
	KUNIT_EXPECT_EQ(test, hmem_parse_core_header(&bad, sizeof(bad), &map), -ENODATA);
	KUNIT_EXPECT_PTR_EQ(test, map.extents, NULL);
}

static void hmem_test_notes_end_with_the_empty_one(struct kunit *test)
{
	struct {
		struct elf64_note note;
		char name[8];
		u32 desc[2];
	} notes[4] = {};
	u32 i;

	for (i = 0; i < 3; i++) {
		notes[i].note.n_namesz = 5;
		notes[i].note.n_descsz = 7;
		notes[i].note.n_type = 1;
	}
	KUNIT_EXPECT_EQ(test, hmem_used_note_bytes(notes, sizeof(notes)), 3 * sizeof(notes[0]));
	KUNIT_EXPECT_EQ(test, hmem_used_note_bytes(notes, 3 * sizeof(notes[0]) - 1),
			2 * sizeof(notes[0]));
	KUNIT_EXPECT_EQ(test, hmem_used_note_bytes(notes, 3), 0);
	notes[1].note.n_descsz = U32_MAX;
	KUNIT_EXPECT_EQ(test, hmem_used_note_bytes(notes, sizeof(notes)), sizeof(notes[0]));
	notes[0].note.n_namesz = 0;
	KUNIT_EXPECT_EQ(test, hmem_used_note_bytes(notes, sizeof(notes)), 0);
}

/*
 * Pages 0 to 5 and 8 to 15, in three extents that leave a hole of two pages; the last one begins in
 * the middle of page 8 and touches the one before it.
 */
static struct hmem_file *hmem_open_fake(struct kunit *test)
{
	struct hmem_test_header *header = hmem_new_header(test);
	struct hmem_file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	struct hmem_device *device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_NOT_NULL(test, device);
	hmem_fake.memory = kunit_kzalloc(test, HMEM_TEST_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hmem_fake.memory);
	for (i = 0; i < HMEM_TEST_BYTES; i++)
		hmem_fake.memory[i] = i * 31 + (i >> 8);
	hmem_fake.bad = HMEM_TEST_NOWHERE;
	hmem_fake.gone = 0;
	hmem_fake.mapped = 0;
	hmem_add_segment(header, PT_LOAD, HMEM_TEST_START, 6 * PAGE_SIZE, 0);
	hmem_add_segment(header, PT_LOAD, HMEM_TEST_START + 8 * PAGE_SIZE, PAGE_SIZE / 2, 0);
	hmem_add_segment(header, PT_LOAD, HMEM_TEST_START + 8 * PAGE_SIZE + PAGE_SIZE / 2,
			 8 * PAGE_SIZE - PAGE_SIZE / 2, 0);
	KUNIT_ASSERT_EQ(test, hmem_parse_core_header(header, sizeof(*header), &device->map), 0);
	device->access = &hmem_fake_access;
	file->device = device;
	mutex_init(&file->lock);
	return file;
}

static void hmem_close_fake(struct kunit *test, struct hmem_file *file)
{
	hmem_close_window(file->device, &file->window);
	KUNIT_EXPECT_EQ(test, hmem_fake.mapped, 0);
	hmem_free_map(&file->device->map);
}

/* Reads through the file operation; returns what it returns. */
static ssize_t hmem_read_fake(struct kunit *test, struct hmem_file *opened, u64 phys, u8 *to,
			      size_t bytes)
{
	struct file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	struct kvec kvec = { .iov_base = to, .iov_len = bytes };
	struct kiocb iocb = { .ki_filp = file, .ki_pos = phys };
	struct iov_iter iter;
	ssize_t ret;

	KUNIT_ASSERT_NOT_NULL(test, file);
	file->private_data = opened;
	memset(to, HMEM_TEST_UNTOUCHED, bytes);
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, bytes);
	ret = hmem_read_iter(&iocb, &iter);
	KUNIT_EXPECT_EQ(test, iocb.ki_pos, phys + max_t(ssize_t, ret, 0));
	return ret;
}

static void hmem_expect_memory(struct kunit *test, const u8 *found, u64 phys, size_t bytes)
{
	KUNIT_EXPECT_EQ(test, memcmp(found, hmem_fake.memory + (phys - HMEM_TEST_START), bytes), 0);
}

static void hmem_test_read_at_holes(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	u8 *to = kunit_kzalloc(test, HMEM_TEST_BYTES, GFP_KERNEL);
	u64 hole = HMEM_TEST_START + 6 * PAGE_SIZE, end = HMEM_TEST_START + HMEM_TEST_BYTES;

	KUNIT_ASSERT_NOT_NULL(test, to);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START, to, 6 * PAGE_SIZE),
			6 * PAGE_SIZE);
	hmem_expect_memory(test, to, HMEM_TEST_START, 6 * PAGE_SIZE);
	/* Into the hole, in it, in front of everything. */
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hole - 3, to, PAGE_SIZE), 3);
	hmem_expect_memory(test, to, hole - 3, 3);
	KUNIT_EXPECT_EQ(test, to[3], HMEM_TEST_UNTOUCHED);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hole, to, 1), -ENXIO);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hole + 2 * PAGE_SIZE - 1, to, 1), -ENXIO);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, 0, to, 1), -ENXIO);
	/* From one extent into the next one that touches it, inside a page. */
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hole + 2 * PAGE_SIZE, to, PAGE_SIZE),
			PAGE_SIZE);
	hmem_expect_memory(test, to, hole + 2 * PAGE_SIZE, PAGE_SIZE);
	/* The end, and behind it. */
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, end - 1, to, PAGE_SIZE), 1);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, end, to, 1), 0);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, S64_MAX, to, 1), 0);
	hmem_close_fake(test, file);
}

static void hmem_test_read_stops_at_bad_memory(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	u8 *to = kunit_kzalloc(test, HMEM_TEST_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	hmem_fake.bad = HMEM_TEST_START + PAGE_SIZE + 64;
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START, to, 3 * PAGE_SIZE),
			PAGE_SIZE + 64);
	hmem_expect_memory(test, to, HMEM_TEST_START, PAGE_SIZE + 64);
	KUNIT_EXPECT_EQ(test, to[PAGE_SIZE + 64], HMEM_TEST_UNTOUCHED);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hmem_fake.bad, to, 64), -EIO);
	/* Behind it all is well. */
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, hmem_fake.bad + 1, to, 64), 64);
	hmem_expect_memory(test, to, hmem_fake.bad + 1, 64);
	hmem_close_fake(test, file);
}

static void hmem_test_read_what_cannot_be_mapped(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	u8 to[64];

	/* Only one page of the window is there: the page that is wanted is mapped alone. */
	file->device->map.extents[2].region.bytes += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START + 9 * PAGE_SIZE, to, 64),
			64);
	hmem_expect_memory(test, to, HMEM_TEST_START + 9 * PAGE_SIZE, 64);
	KUNIT_EXPECT_EQ(test, hmem_fake.mapped, 1);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START + 16 * PAGE_SIZE, to, 64),
			-EIO);
	hmem_close_fake(test, file);
}

static void hmem_test_ranges_have_a_status_each(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	const u64 hole = HMEM_TEST_START + 6 * PAGE_SIZE;
	struct hmem_range ranges[] = {
		{ .phys = HMEM_TEST_START + 5, .bytes = 100 },
		{ .phys = HMEM_TEST_START + 2 * PAGE_SIZE - 10, .bytes = 50 },	/* into it */
		{ .phys = HMEM_TEST_START + 2 * PAGE_SIZE, .bytes = 8 },	/* bad at once */
		{ .phys = hole, .bytes = 16 },
		{ .phys = hole - 4, .bytes = 16 },
		{ .phys = HMEM_TEST_START + 4 * PAGE_SIZE, .bytes = PAGE_SIZE },
	};
	const u32 done[] = { 100, 10, 0, 0, 4, PAGE_SIZE };
	const s32 status[] = { 0, -EIO, -EIO, -ENXIO, -ENXIO, 0 };
	size_t room = 100 + 50 + 8 + 16 + 16 + PAGE_SIZE;
	u8 *to = kunit_kzalloc(test, room, GFP_KERNEL), *at = to;
	struct kvec kvec = { .iov_base = to, .iov_len = room };
	struct iov_iter iter;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, to);
	memset(to, HMEM_TEST_UNTOUCHED, room);
	hmem_fake.bad = HMEM_TEST_START + 2 * PAGE_SIZE;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, room);
	KUNIT_ASSERT_EQ(test, hmem_check_ranges(ranges, ARRAY_SIZE(ranges), room), 0);
	KUNIT_EXPECT_EQ(test, hmem_read_ranges(file, ranges, ARRAY_SIZE(ranges), &iter), 0);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		KUNIT_EXPECT_EQ_MSG(test, ranges[i].done, done[i], "range %u", i);
		KUNIT_EXPECT_EQ_MSG(test, ranges[i].status, status[i], "range %u", i);
		hmem_expect_memory(test, at, ranges[i].phys, done[i]);
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(at + done[i], HMEM_TEST_UNTOUCHED,
						     ranges[i].bytes - done[i]), NULL);
		at += ranges[i].bytes;
	}
	hmem_close_fake(test, file);
}

static void hmem_test_ranges_refused(struct kunit *test)
{
	struct hmem_range good = { .phys = HMEM_TEST_START, .bytes = 64 }, bad;
	struct hmem_range many[] = {
		{ .phys = 0, .bytes = HMEM_READV_MAX_BYTES },
		{ .phys = 0, .bytes = 1 },
	};

	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&good, 1, 64), 0);
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&good, 1, 63), -EINVAL);
	bad = good;
	bad.bytes = 0;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), -EINVAL);
	bad = good;
	bad.done = 1;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), -EINVAL);
	bad = good;
	bad.status = 1;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), -EINVAL);
	bad = good;
	bad.reserved = 1;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), -EINVAL);
	/* The last byte of all may be asked for, the one behind it not. */
	bad = good;
	bad.phys = U64_MAX - 63;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), 0);
	bad.phys++;
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(&bad, 1, 64), -EINVAL);
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(many, 1, U64_MAX), 0);
	KUNIT_EXPECT_EQ(test, hmem_check_ranges(many, 2, U64_MAX), -EINVAL);
}

static void hmem_test_pages_taken_away(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	u8 *to = kunit_kzalloc(test, HMEM_TEST_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	/* It must not be touched, so that it is bad as well is never noticed. */
	hmem_fake.gone = PHYS_PFN(HMEM_TEST_START) + 2;
	hmem_fake.bad = HMEM_TEST_START + 2 * PAGE_SIZE + 8;
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START + 7, to, 4 * PAGE_SIZE),
			4 * PAGE_SIZE);
	hmem_expect_memory(test, to, HMEM_TEST_START + 7, 2 * PAGE_SIZE - 7);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(to + 2 * PAGE_SIZE - 7, 0, PAGE_SIZE), NULL);
	hmem_expect_memory(test, to + 3 * PAGE_SIZE - 7, HMEM_TEST_START + 3 * PAGE_SIZE,
			   PAGE_SIZE + 7);
	hmem_close_fake(test, file);
}

static void hmem_test_two_readers_two_windows(struct kunit *test)
{
	struct hmem_file *file = hmem_open_fake(test);
	struct hmem_window own, *first;
	u8 to[64];

	first = hmem_get_window(file, &own);
	KUNIT_EXPECT_PTR_EQ(test, first, &file->window);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START, to, sizeof(to)),
			sizeof(to));
	/* The second reader has let go of the window that was its own. */
	KUNIT_EXPECT_EQ(test, hmem_fake.mapped, 0);
	hmem_put_window(file, first);
	KUNIT_EXPECT_EQ(test, hmem_read_fake(test, file, HMEM_TEST_START, to, sizeof(to)),
			sizeof(to));
	KUNIT_EXPECT_EQ(test, hmem_fake.mapped, 1);
	hmem_close_fake(test, file);
}

static void hmem_test_seek(struct kunit *test)
{
	struct hmem_file *opened = hmem_open_fake(test);
	struct file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	const loff_t start = HMEM_TEST_START, hole = start + 6 * PAGE_SIZE;
	const loff_t behind = hole + 2 * PAGE_SIZE, end = start + HMEM_TEST_BYTES;

	KUNIT_ASSERT_NOT_NULL(test, file);
	spin_lock_init(&file->f_lock);
	file->private_data = opened;
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, 0, SEEK_DATA), start);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, 0, SEEK_HOLE), 0);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, start + 5, SEEK_DATA), start + 5);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, start + 5, SEEK_HOLE), hole);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, hole, SEEK_DATA), behind);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, hole, SEEK_HOLE), hole);
	/* Extents that touch each other have no hole between them. */
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, behind, SEEK_HOLE), end);
	KUNIT_EXPECT_EQ(test, file->f_pos, end);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, end, SEEK_DATA), -ENXIO);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, end, SEEK_HOLE), -ENXIO);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, -1, SEEK_DATA), -ENXIO);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, 0, SEEK_END), end);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, -4096, SEEK_CUR), end - 4096);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, start, SEEK_SET), start);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, -1, SEEK_SET), -EINVAL);
	KUNIT_EXPECT_EQ(test, hmem_llseek(file, 0, SEEK_HOLE + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, file->f_pos, start);
	hmem_close_fake(test, opened);
}

static struct kunit_case hmem_test_cases[] = {
	KUNIT_CASE(hmem_test_header_sorts_and_aliases),
	KUNIT_CASE(hmem_test_header_moved_source),
	KUNIT_CASE(hmem_test_header_32_bits),
	KUNIT_CASE(hmem_test_header_refusals),
	KUNIT_CASE(hmem_test_notes_end_with_the_empty_one),
	KUNIT_CASE(hmem_test_read_at_holes),
	KUNIT_CASE(hmem_test_read_stops_at_bad_memory),
	KUNIT_CASE(hmem_test_read_what_cannot_be_mapped),
	KUNIT_CASE(hmem_test_ranges_have_a_status_each),
	KUNIT_CASE(hmem_test_ranges_refused),
	KUNIT_CASE(hmem_test_pages_taken_away),
	KUNIT_CASE(hmem_test_two_readers_two_windows),
	KUNIT_CASE(hmem_test_seek),
	{}
};

static struct kunit_suite hmem_test_suite = {
	.name = "hmem",
	.test_cases = hmem_test_cases,
};

kunit_test_suite(hmem_test_suite);

MODULE_LICENSE("GPL");
