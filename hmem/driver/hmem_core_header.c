// SPDX-License-Identifier: GPL-2.0
/*
 * The core header that the old kernel, or kexec, left for this one: an ELF core file without its
 * contents. None of it is believed further than it can be checked.
 */
#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "hmem_internal.h"

#ifdef __LITTLE_ENDIAN
#define HMEM_ELF_DATA	ELFDATA2LSB
#else
#define HMEM_ELF_DATA	ELFDATA2MSB
#endif

/* What counts of a program header of either class. */
struct hmem_segment {
	u32 type;
	u64 offset;
	u64 virt;
	u64 phys;
	u64 bytes;
};

/* What counts of an ELF header of either class. */
struct hmem_header {
	u16 type;
	u16 machine;
	u64 phoff;
	u16 phentsize;
	u16 phnum;
	u8 class;
};

static int hmem_parse_head(const void *head, size_t bytes, struct hmem_header *header)
{
	const unsigned char *ident = head;

	if (bytes < sizeof(struct elf64_hdr) || memcmp(ident, ELFMAG, SELFMAG))
		return -EINVAL;
	if (ident[EI_DATA] != HMEM_ELF_DATA || ident[EI_VERSION] != EV_CURRENT)
		return -EINVAL;
	header->class = ident[EI_CLASS];
	if (header->class == ELFCLASS64) {
		const struct elf64_hdr *elf = head;

		header->type = elf->e_type;
		header->machine = elf->e_machine;
		header->phoff = elf->e_phoff;
		header->phentsize = elf->e_phentsize;
		header->phnum = elf->e_phnum;
		if (header->phentsize != sizeof(struct elf64_phdr))
			return -EINVAL;
	} else if (header->class == ELFCLASS32) {
		const struct elf32_hdr *elf = head;

		header->type = elf->e_type;
		header->machine = elf->e_machine;
		header->phoff = elf->e_phoff;
		header->phentsize = elf->e_phentsize;
		header->phnum = elf->e_phnum;
		if (header->phentsize != sizeof(struct elf32_phdr))
			return -EINVAL;
	} else {
		return -EINVAL;
	}
	if (header->type != ET_CORE || !header->phnum || header->phnum > HMEM_MAX_SEGMENTS)
		return -EINVAL;
	/* The program headers are near the start: nothing else is in such a file. */
	if (header->phoff < sizeof(struct elf32_hdr) || header->phoff > PAGE_SIZE)
		return -EINVAL;
	return 0;
}

/**
 * hmem_core_header_bytes - how much of the core header is to be read
 * @head: its first bytes
 * @bytes: how many of them; those of an ELF header at least
 * @wanted: set to the size of ELF header and program headers
 *
 * Return: 0, or -EINVAL when this is no core header.
 */
int hmem_core_header_bytes(const void *head, size_t bytes, size_t *wanted)
{
	struct hmem_header header;
	int ret = hmem_parse_head(head, bytes, &header);

	if (!ret)
		*wanted = header.phoff + (size_t)header.phnum * header.phentsize;
	return ret;
}

static void hmem_get_segment(const void *header, const struct hmem_header *head,
			     unsigned int number, struct hmem_segment *segment)
{
	const void *entry = header + head->phoff + (size_t)number * head->phentsize;

	if (head->class == ELFCLASS64) {
		struct elf64_phdr phdr;

		memcpy(&phdr, entry, sizeof(phdr));
		segment->type = phdr.p_type;
		segment->offset = phdr.p_offset;
		segment->virt = phdr.p_vaddr;
		segment->phys = phdr.p_paddr;
		segment->bytes = phdr.p_memsz;
	} else {
		struct elf32_phdr phdr;

		memcpy(&phdr, entry, sizeof(phdr));
		segment->type = phdr.p_type;
		segment->offset = phdr.p_offset;
		segment->virt = phdr.p_vaddr;
		segment->phys = phdr.p_paddr;
		segment->bytes = phdr.p_memsz;
	}
}

/* Addresses are offsets of a file: they end below 2^63, with a page to spare for rounding. */
static bool hmem_range_fits(u64 start, u64 bytes)
{
	u64 end;

	return !check_add_overflow(start, bytes, &end) && end <= S64_MAX - PAGE_SIZE;
}

static u64 hmem_extent_end(const struct hmem_extent *extent)
{
	return extent->region.start + extent->region.bytes;
}

static int hmem_by_address(const void *left, const void *right)
{
	const struct hmem_extent *a = left, *b = right;

	if (a->region.start != b->region.start)
		return a->region.start < b->region.start ? -1 : 1;
	if (a->region.bytes != b->region.bytes)
		return a->region.bytes > b->region.bytes ? -1 : 1;
	return 0;
}

static bool hmem_same_mapping(const struct hmem_extent *a, const struct hmem_extent *b)
{
	return a->region.virt - a->region.start == b->region.virt - b->region.start;
}

/*
 * The kernel's image has a segment of its own, inside that of the memory around it. What lies in
 * what is known already becomes an alias, and of what sticks out of it the rest becomes memory.
 */
static void hmem_part_aliases(struct hmem_map *map, struct hmem_extent *aliases)
{
	struct hmem_extent *last = NULL;
	unsigned int ram = 0, alias = 0, i;

	for (i = 0; i < map->count; i++) {
		struct hmem_extent extent = map->extents[i];
		u64 overlap = last && extent.region.start < hmem_extent_end(last) ?
				      hmem_extent_end(last) - extent.region.start : 0;

		if (overlap >= extent.region.bytes) {
			if (extent.region.virt && !hmem_same_mapping(&extent, last)) {
				extent.region.kind = HMEM_REGION_IMAGE;
				aliases[alias++] = extent;
			}
			continue;
		}
		extent.region.start += overlap;
		extent.region.bytes -= overlap;
		extent.source += overlap;
		if (extent.region.virt)
			extent.region.virt += overlap;
		extent.region.kind = HMEM_REGION_RAM;
		map->ram_bytes += extent.region.bytes;
		map->extents[ram] = extent;
		last = &map->extents[ram++];
	}
	map->ram_count = ram;
	map->count = ram + alias;
	memcpy(&map->extents[ram], aliases, alias * sizeof(*aliases));
}

/**
 * hmem_parse_core_header - reads a core header
 * @header: the whole of it, as hmem_core_header_bytes() told
 * @bytes: its size
 * @map: filled; to be freed with hmem_free_map()
 *
 * Segments that cannot be are passed over with a line in the log.
 *
 * Return: 0; -EINVAL when this is no core header; -ENODATA when it tells of no memory; -ENOMEM.
 */
int hmem_parse_core_header(const void *header, size_t bytes, struct hmem_map *map)
{
	struct hmem_extent *aliases;
	struct hmem_header head;
	unsigned int i;
	int ret;

	memset(map, 0, sizeof(*map));
	ret = hmem_parse_head(header, bytes, &head);
	if (ret)
		return ret;
	if (head.phoff + (size_t)head.phnum * head.phentsize > bytes)
		return -EINVAL;
	map->elf_machine = head.machine;
	map->elf_class = head.class;
	map->elf_data = HMEM_ELF_DATA;
	map->extents = kvcalloc(head.phnum, sizeof(*map->extents), GFP_KERNEL);
	map->notes = kvcalloc(head.phnum, sizeof(*map->notes), GFP_KERNEL);
	aliases = kvcalloc(head.phnum, sizeof(*aliases), GFP_KERNEL);
	if (!map->extents || !map->notes || !aliases) {
		ret = -ENOMEM;
		goto out;
	}
	for (i = 0; i < head.phnum; i++) {
		struct hmem_extent extent = {};
		struct hmem_segment segment;

		hmem_get_segment(header, &head, i, &segment);
		if ((segment.type != PT_LOAD && segment.type != PT_NOTE) || !segment.bytes)
			continue;
		if (!hmem_range_fits(segment.offset, segment.bytes) ||
		    !hmem_range_fits(segment.phys, segment.bytes)) {
			pr_warn("hmem: segment %u of the core header is beyond all memory: %#llx, %#llx bytes\n",
				i, segment.phys, segment.bytes);
			continue;
		}
		extent.region.start = segment.phys;
		extent.region.bytes = segment.bytes;
		extent.region.virt = segment.virt;
		extent.source = segment.offset;
		if (segment.type == PT_LOAD)
			map->extents[map->count++] = extent;
		else
			map->notes[map->note_count++] = extent;
	}
	sort(map->extents, map->count, sizeof(*map->extents), hmem_by_address, NULL);
	hmem_part_aliases(map, aliases);
	if (!map->ram_count)
		ret = -ENODATA;
out:
	kvfree(aliases);
	if (ret)
		hmem_free_map(map);
	return ret;
}

void hmem_free_map(struct hmem_map *map)
{
	kvfree(map->extents);
	kvfree(map->notes);
	memset(map, 0, sizeof(*map));
}

/**
 * hmem_used_note_bytes - how much of a note segment holds notes
 * @notes: the segment
 * @bytes: its size
 *
 * Each CPU has room for its notes, which ends with an empty one, and has nothing else in it when
 * the CPU did not stop for the crash.
 *
 * Return: the bytes in front of the first note that is empty or does not fit.
 */
size_t hmem_used_note_bytes(const void *notes, size_t bytes)
{
	size_t used = 0;

	while (bytes - used >= sizeof(struct elf64_note)) {
		struct elf64_note note;
		u64 end;

		memcpy(&note, notes + used, sizeof(note));
		if (!note.n_namesz)
			break;
		end = used + sizeof(note) + round_up((u64)note.n_namesz, 4) +
		      round_up((u64)note.n_descsz, 4);
		if (end > bytes)
			break;
		used = end;
	}
	return used;
}
