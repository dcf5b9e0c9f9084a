"""The recipes of the sample slides: seed, size and genes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_scfm.slides.synthetic.tissue import simulate_tissue

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS: Final = {"cosmx": "cosmx_synthetic", "merscope": "merscope_synthetic"}
"""Name of a sample -> its folder."""

MERSCOPE_GENES: Final = (
    "ACKR1 ACKR3 ACTA2 ADGRF5 ADGRL4 AGR2 APOD AXL C1QA C1QB C1QC CCL5 CCR1 CCR7 "
    "CD14 CD163 CD19 CD2 CD24 CD274 CD37 CD38 CD3D CD3E CD4 CD44 CD68 CD74 CD79A "
    "CD8A CDH1 CDH5 CDKN1A CELSR1 CLDN4 CMKLR1 COL1A1 COL1A2 COL3A1 COL4A1 COL4A2 "
    "CSF1R CTLA4 CX3CR1 CXCL10 CXCL12 CXCL9 CXCR2 CXCR3 CXCR4 CXCR5 DCN DDR1 DDR2 "
    "EGFR EOMES EPCAM EPHA2 EPHB2 EPHB3 ERBB2 ERBB3 EZH2 FGFR2 FGFR3 FLT1 FN1 FOS "
    "FOXP3 FPR1 FZD4 FZD6 FZD7 GPER1 GZMB HLA-DRA IDO1 IFI27 IFNG IFNGR1 IGF1 IGF1R "
    "IGFBP7 IGHG1 IGKC IL7R INSR ITGAL JCHAIN JUN KDR KIT KRT14 KRT18 KRT19 KRT5 "
    "KRT8 LAG3 LUM LYZ MALAT1 MERTK MET MKI67 MMP2 MRC1 MS4A1 MX1 MYH11 MZB1 NKG7 "
    "NTRK2 PCNA PDCD1 PDGFRA PDGFRB PECAM1 PIGR PRF1 PTPRC RGS1 RGS5 ROR1 RSPO3 "
    "SERPINH1 SLC2A1 SMO SOX9 SPP1 SRC STAT1 STMN1 TACSTD2 TAGLN TAP1 TEK TGFB1 "
    "TGFBR2 TIE1 TNFRSF17 TOP2A VEGFA VIM VWF XBP1"
)
"""Genes of the MERSCOPE sample, space separated."""

COSMX_SEED: Final = 75
MERSCOPE_SEED: Final = 7


def make_sample(name: str, parent: Path) -> Path:
    """Simulate a sample slide and write it into a folder under `parent`."""
    folder = parent / FOLDERS[name]
    if name == "cosmx":
        return make_cosmx(folder)
    return make_merscope(folder)


def make_cosmx(folder: Path) -> Path:
    """Write the CosMx sample: four touching fields of 216 um."""
    from napari_scfm.slides.synthetic.cosmx import write_cosmx

    tissue = simulate_tissue(
        COSMX_SEED, 456.0, 456.0, pixel_size=0.18, controls=10, transcripts=280.0
    )
    return write_cosmx(tissue, folder)


def make_merscope(folder: Path) -> Path:
    """Write the MERSCOPE sample: one region of two fields."""
    from napari_scfm.slides.synthetic.merscope import write_merscope

    tissue = simulate_tissue(
        MERSCOPE_SEED,
        352.0,
        188.0,
        pixel_size=0.216,
        genes=MERSCOPE_GENES.split(),
        controls=15,
        transcripts=300.0,
    )
    return write_merscope(tissue, folder)
