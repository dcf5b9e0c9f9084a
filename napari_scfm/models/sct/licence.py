"""The licence of the released weights, shown before they are first used.

Nothing of theirs comes with this package: users bring the files. Whoever has read the
notice says so once; it is kept in the user's configuration.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from napari_scfm.models.sct import kept

RELEASED: Final = "CC BY-NC-SA 4.0"
"""Of the released sCT weights, genes and code."""

NOTICE: Final = (
    "The released sCT weights are licensed CC BY-NC-SA 4.0 by InstaDeep: not for "
    "commercial use, name the authors, and share what you make of them under the same "
    "licence (creativecommons.org/licenses/by-nc-sa/4.0). This covers predictions made "
    "with them where they are derived works. Later pages of the hub carry no licence; "
    "take the strictest that was published."
)
VARIABLE: Final = "NAPARI_SCFM_ACCEPT_LICENCE"
"""Environment variable: "1" or a licence's name says that its notice was read."""

_FILE = "licences.json"
_log = logging.getLogger("napari_scfm")
_shown: set[str] = set()


def accepted(licence: str) -> bool:
    """Tell whether a licence asks for nothing, or its notice was read."""
    if licence != RELEASED:
        return True
    if os.environ.get(VARIABLE, "") in ("1", licence):
        return True
    return licence in _read()


def accept(licence: str) -> None:
    """Keep that the notice of a licence was read."""
    kept.write(_FILE, {"accepted": sorted({*_read(), licence})})


def show(licence: str) -> bool:
    """Show the notice where it was not read yet, once in a program; tell if shown.

    It goes to the log of this package, which Python prints unless it is told
    otherwise.
    """
    if accepted(licence) or licence in _shown:
        return False
    _shown.add(licence)
    _log.warning(
        "%s\nSay that you read it with: napari-scfm sct --accept-licence, or %s=1.",
        NOTICE,
        VARIABLE,
    )
    return True


def _read() -> list[str]:
    found = kept.read(_FILE).get("accepted")
    return [str(one) for one in found] if isinstance(found, list) else []
