"""Heat map: which kinds of cells attend to which, in multiples of an even share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.widgets.kind_map import KindMap

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtWidgets import QWidget


class HeatMap(KindMap):
    """Receivers (queries) from top to bottom, senders (keys) from left to right.

    ``picked`` carries the (receiver, sender) that was clicked, or None when the one
    that was chosen is clicked again.
    """

    even = "1 = an even share"
    under = "Rows are receivers, columns are senders"
    widest = 0.36

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: pd.DataFrame | None = None

    def show_table(
        self, table: pd.DataFrame | None, chosen: tuple[str, str] | None = None
    ) -> None:
        """Draw another table, as :func:`.type_table` makes it; None draws nothing."""
        if table is not self._table:
            self._table = table
            names = [] if table is None else list(dict.fromkeys(table["receiver"]))
            times = np.zeros(0) if table is None else table["times"].to_numpy(float)
            square = times.reshape(len(names), len(names))
            self.show_map(names, square, np.ones(square.shape, bool), self._said)
        self._chosen = chosen if set(chosen or ()) <= set(self._names) else None
        self.update()

    def _said(self, to: str, of: str) -> str:
        """Return what the table says of a receiver and a sender."""
        assert self._table is not None
        receiver, sender = self._names.index(to), self._names.index(of)
        found = self._table.iloc[receiver * len(self._names) + sender]
        if not np.isfinite(found["times"]):
            return f"{to} (receiver) to {of} (sender): no two cells, or no attention."
        return (
            f"{to} (receiver) to {of} (sender): {found['times']:.3g} times an even "
            f"share, {found['share']:.1%} of what {to} attends to; "
            f"{found['n_receivers']:,} and {found['n_senders']:,} cells."
        )

    def _pick(self, pair: tuple[int, int]) -> None:
        # chosen only once its streams are drawn: see show_table
        names = (self._names[pair[0]], self._names[pair[1]])
        self.picked.emit(None if names == self._chosen else names)
