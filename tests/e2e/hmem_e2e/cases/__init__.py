# SPDX-License-Identifier: GPL-2.0-or-later
"""One file a subject; each has cases(), a list of runner.Case."""
