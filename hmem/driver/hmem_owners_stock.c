// SPDX-License-Identifier: GPL-2.0
/*
 * What a module of a stock kernel can know of the old kernel. The core header's address is
 * forgotten once /proc/vmcore has read it, and who has taken pages away is known to /proc/vmcore
 * alone: where there may be someone, nothing is touched.
 */
#define pr_fmt(fmt) "hmem: " fmt

#include <linux/crash_dump.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/virtio_ids.h>
#include <xen/xen.h>

#if defined(CONFIG_AMD_NB)
#include <asm/amd_nb.h>
#endif

#include "hmem_internal.h"

/* A virtio device of version 1 on PCI has this number and its kind as device id. */
#define HMEM_VIRTIO_PCI_BASE	0x1040

static unsigned long long elfcorehdr;
module_param(elfcorehdr, ullong, 0400);
MODULE_PARM_DESC(elfcorehdr,
		 "physical address of the core header, from elfcorehdr= of the kernel's command line");

u64 hmem_core_header_addr(void)
{
	if (!is_kdump_kernel()) {
		pr_info("this is no capture kernel\n");
		return 0;
	}
	if (!elfcorehdr)
		pr_err("the parameter elfcorehdr is missing\n");
	return elfcorehdr;
}

/* A balloon that is given and taken by virtio-mem, Xen's, and the GART of old AMD processors. */
static bool hmem_owners_possible(void)
{
	static const struct pci_device_id virtio_mem[] = {
		{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, HMEM_VIRTIO_PCI_BASE + VIRTIO_ID_MEM) },
		{},
	};

	if (xen_domain() || pci_dev_present(virtio_mem))
		return true;
#if defined(CONFIG_AMD_NB)
	if (amd_nb_has_feature(AMD_NB_GART))
		return true;
#endif
	return false;
}

void hmem_judge_owners(u64 *features, u64 *state)
{
	if (hmem_owners_possible())
		*state |= HMEM_STATE_UNSAFE_HOLES;
}

bool hmem_has_owners(void)
{
	return false;
}

bool hmem_pfn_is_ram(unsigned long pfn)
{
	return true;
}
