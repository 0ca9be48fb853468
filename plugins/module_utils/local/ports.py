# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the ports that the stack wants are free for it. Pure: what the kernel told is passed in.

A wanted port is a dict with the keys port, purpose and variable.
"""

from __future__ import annotations

_ANY = ("0.0.0.0", "::")


def overlaps(address, wanted):
    """Whether a listener at one address keeps us from listening at the wanted one.

    A listener at :: usually takes IPv4 too, and /proc does not tell when it does not.
    """
    return address == wanted or address in _ANY or wanted in _ANY


def is_own(process, listener_uid, uid, home):
    """Whether a listener is the stack's: its user's, and, where home is given, run from there.

    Without home, or where the process cannot be seen, the user alone decides.
    """
    if uid is None or (process.uid if process else listener_uid) != uid:
        return False
    if home is None or process is None:
        return True
    return any(place == home or place.startswith(home + "/") for place in process.places)


def duplicates(ports):
    """A sentence for each port that is asked for more than once."""
    sentences = []
    by_number = {}
    for wanted in ports:
        by_number.setdefault(wanted["port"], []).append(wanted)
    for number, claims in sorted(by_number.items()):
        if len(claims) > 1:
            sentences.append(
                "Port %d is given to %s; set %s to different ports."
                % (
                    number,
                    " and ".join(claim["purpose"] for claim in claims),
                    " and ".join(claim["variable"] for claim in claims),
                )
            )
    return sentences


def conflict(wanted, address, holder, user):
    """The sentence about a port that somebody else listens on.

    address is the listener's; holder its process, None where it cannot be seen; user its name.
    """
    if holder is None:
        who = "a process of the user %s that cannot be seen from here" % user
    else:
        who = "the process %d (%s) of the user %s" % (holder.pid, holder.name, user)
    return "Port %d for %s is taken: %s listens on %s. Stop it, or set %s to a free port." % (
        wanted["port"],
        wanted["purpose"],
        who,
        (
            "[%s]:%d" % (address, wanted["port"])
            if ":" in address
            else "%s:%d" % (address, wanted["port"])
        ),
        wanted["variable"],
    )
