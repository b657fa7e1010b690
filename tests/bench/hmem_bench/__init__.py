# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./dev bench measures beyond the end-to-end tests, with their guests."""
