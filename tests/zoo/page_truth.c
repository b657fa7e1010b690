// SPDX-License-Identifier: GPL-2.0
/*
 * Writes down what the kernel itself holds of every page, when it panics.
 *
 * A panic notifier, the last of all, fills one word for each pfn with the kernel's own predicates.
 * Boot with crash_kexec_post_notifiers: other CPUs are stopped then, and nothing between the
 * notifier and the capture kernel allocates or frees, so that a dump has the very struct pages that
 * were asked.
 *
 * The dump is read through the symbol page_truth, which kallsyms has: struct page_truth_header
 * below, little-endian, without padding.
 */
#include <linux/hugetlb.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/page-flags.h>
#include <linux/panic_notifier.h>
#include <linux/pgtable.h>
#include <linux/vmalloc.h>

#define PAGE_TRUTH_MAGIC	0x68747572745f6770ULL
#define PAGE_TRUTH_VERSION	1

/*
 * The word of a pfn. Of a compound page each word has what its head says, but for the bits marked
 * "own". Of a page that is not online no bit behind TRUTH_ONLINE is set.
 */
#define TRUTH_WRITTEN		BIT(0)	/* the notifier got as far as this pfn */
#define TRUTH_VALID		BIT(1)	/* pfn_valid(): there is a struct page */
#define TRUTH_ONLINE		BIT(2)	/* pfn_to_online_page(): it means something */
#define TRUTH_BUDDY		BIT(3)	/* in a block of the buddy allocator: all its pages */
#define TRUTH_SLAB		BIT(4)
#define TRUTH_ANON		BIT(5)
#define TRUTH_KSM		BIT(6)
#define TRUTH_LRU		BIT(7)
#define TRUTH_SWAPBACKED	BIT(8)
#define TRUTH_SWAPCACHE		BIT(9)
#define TRUTH_PRIVATE		BIT(10)
#define TRUTH_HUGETLB		BIT(11)
#define TRUTH_HEAD		BIT(12)	/* own */
#define TRUTH_TAIL		BIT(13)	/* own */
#define TRUTH_TABLE		BIT(14)	/* own */
#define TRUTH_OFFLINE		BIT(15)	/* own: PageOffline(), of drivers that took a page away */
#define TRUTH_HWPOISON		BIT(16)	/* own */
#define TRUTH_HWPOISON_HEAD	BIT(17)
#define TRUTH_RESERVED		BIT(18)	/* own */
#define TRUTH_ZERO_PAGE		BIT(19)	/* own: what user space reads before it writes */
#define TRUTH_ORDER_SHIFT	24	/* 6 bits: of the buddy block or the compound page */

struct page_truth_header {
	u64 magic;
	u32 version;
	u32 word_bytes;
	u64 first_pfn;
	u64 pfns;
	u64 words;	/* virtual address */
	u64 done;	/* 1: all of them are written */
};

struct page_truth_header page_truth = {
	.magic = PAGE_TRUTH_MAGIC,
	.version = PAGE_TRUTH_VERSION,
	.word_bytes = sizeof(u32),
};

static u32 *page_truth_words;

static u32 page_truth_of_folio(struct folio *folio)
{
	u32 word = folio_order(folio) << TRUTH_ORDER_SHIFT;

	/* The slab allocator has uses of its own for what the others look at. */
	if (folio_test_slab(folio))
		return word | TRUTH_SLAB;
	if (folio_test_anon(folio))
		word |= TRUTH_ANON;
	if (folio_test_ksm(folio))
		word |= TRUTH_KSM;
	if (folio_test_lru(folio))
		word |= TRUTH_LRU;
	if (folio_test_swapbacked(folio))
		word |= TRUTH_SWAPBACKED;
	if (folio_test_swapcache(folio))
		word |= TRUTH_SWAPCACHE;
	if (folio_test_private(folio))
		word |= TRUTH_PRIVATE;
	if (folio_test_hugetlb(folio))
		word |= TRUTH_HUGETLB;
	if (folio_test_hwpoison(folio))
		word |= TRUTH_HWPOISON_HEAD;
	return word;
}

static u32 page_truth_of_page(struct page *page)
{
	u32 word = TRUTH_WRITTEN | TRUTH_VALID | TRUTH_ONLINE;
	struct page *head = compound_head(page);

	if (PageHead(page))
		word |= TRUTH_HEAD;
	if (PageTail(page))
		word |= TRUTH_TAIL;
	if (PageTable(page))
		word |= TRUTH_TABLE;
	if (PageOffline(page))
		word |= TRUTH_OFFLINE;
	if (PageHWPoison(page))
		word |= TRUTH_HWPOISON;
	if (PageReserved(page))
		word |= TRUTH_RESERVED;
	if (is_zero_pfn(page_to_pfn(page)))
		word |= TRUTH_ZERO_PAGE;
	/* A tail leads to its head, and a broken one anywhere. */
	if (pfn_to_online_page(page_to_pfn(head)) == head)
		word |= page_truth_of_folio((struct folio *)head);
	return word;
}

static int page_truth_at_panic(struct notifier_block *self, unsigned long event, void *text)
{
	unsigned long first = page_truth.first_pfn, end = first + page_truth.pfns;
	unsigned long pfn, free_until = 0, order = 0;

	for (pfn = first; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);
		u32 word = TRUTH_WRITTEN;

		if (pfn_valid(pfn))
			word |= TRUTH_VALID;
		if (page)
			word |= page_truth_of_page(page);
		if (page && PageBuddy(page)) {
			order = page_private(page);
			free_until = pfn + BIT(order);
		}
		if (pfn < free_until) {
			word &= ~(U32_MAX << TRUTH_ORDER_SHIFT);
			word |= TRUTH_BUDDY | order << TRUTH_ORDER_SHIFT;
		}
		page_truth_words[pfn - first] = word;
	}
	page_truth.done = 1;
	pr_emerg("page_truth: %llu pfns\n", page_truth.pfns);
	return NOTIFY_DONE;
}

static struct notifier_block page_truth_notifier = {
	.notifier_call = page_truth_at_panic,
	.priority = INT_MIN,
};

static int __init page_truth_init(void)
{
	unsigned long end = 0;
	int node, error;

	for_each_online_node(node)
		end = max(end, node_end_pfn(node));
	page_truth_words = vzalloc(array_size(end, sizeof(*page_truth_words)));
	if (!page_truth_words)
		return -ENOMEM;
	page_truth.pfns = end;
	page_truth.words = (unsigned long)page_truth_words;
	error = atomic_notifier_chain_register(&panic_notifier_list, &page_truth_notifier);
	if (error) {
		vfree(page_truth_words);
		return error;
	}
	pr_info("page_truth: %lu pfns\n", end);
	return 0;
}

static void __exit page_truth_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &page_truth_notifier);
	vfree(page_truth_words);
}

module_init(page_truth_init);
module_exit(page_truth_exit);
MODULE_DESCRIPTION("writes down what the kernel holds of every page");
MODULE_LICENSE("GPL");
