// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver in the kernel's tree asks /proc/vmcore, which knows where the core header is and
 * who has taken pages away from the old kernel.
 */
#include <linux/crash_dump.h>

#include "hmem_internal.h"

u64 hmem_core_header_addr(void)
{
	return vmcore_core_header();
}

void hmem_judge_owners(u64 *features, u64 *state)
{
	*features |= HMEM_FEATURE_HOLE_OWNERS;
}

bool hmem_has_owners(void)
{
	return vmcore_has_cb();
}

bool hmem_pfn_is_ram(unsigned long pfn)
{
	return vmcore_pfn_is_ram(pfn);
}
