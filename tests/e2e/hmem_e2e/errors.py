# SPDX-License-Identifier: GPL-2.0-or-later
"""The three ways a case ends other than well."""


class Failure(Exception):
    """What was claimed does not hold."""


class Skip(Exception):
    """Something the case needs cannot be had on this machine; the text says what."""


class GuestFailure(Failure):
    """The guest did not get as far as the case needs: no marker in time, or QEMU ended."""
