# SPDX-License-Identifier: GPL-2.0-or-later
"""End-to-end tests: real panics of stock Debian kernels under QEMU, captured, read back and compared with what the
guest itself wrote down. Standard library only."""
