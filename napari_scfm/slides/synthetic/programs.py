"""Which genes the tissue expresses: markers of types, programs, interactions.

The symbols are real and stand in both public CosMx panels of about 1000 genes; the
levels are made up, so that no measured data is shipped. Every marker is raised in the
type that it is known for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari_scfm.slides.synthetic.cell_types import (
    B_CELL,
    ENDOTHELIUM,
    EPITHELIUM,
    FIBROBLAST,
    MACROPHAGE,
    NAMES,
    PLASMA,
    T_CELL,
    TUMOUR,
)

IMMUNE: Final = (T_CELL, B_CELL, MACROPHAGE, PLASMA)

MARKERS: Final[dict[str, str]] = {
    TUMOUR: (
        "EPCAM KRT8 KRT18 KRT19 KRT7 CDH1 ERBB2 ERBB3 TACSTD2 CLDN4 MIF CD24 SOX9 MET "
        "EGFR KRT17 KRT5 CEACAM6 AGR2 EPHA2 DDR1 LCN2 KRT14"
    ),
    EPITHELIUM: (
        "EPCAM KRT8 KRT18 KRT19 CDH1 CLDN4 CD24 PIGR SLPI KRT15 LTF "
        "OLFM4 KIT FGFR3 EPHB3"
    ),
    FIBROBLAST: (
        "COL1A1 COL1A2 COL3A1 COL5A1 COL6A3 DCN LUM BGN FN1 "
        "PDGFRA PDGFRB IGFBP5 VCAN MMP2 MGP DDR2 CXCL12 CXCL14 TIMP1 "
        "VIM IGFBP7 ROR1 RSPO3"
    ),
    ENDOTHELIUM: (
        "PECAM1 VWF CDH5 KDR FLT1 TEK TIE1 ENG ESAM ACKR1 ADGRL4 "
        "SPARCL1 COL4A1 COL4A2 CAV1 IGFBP7 ACKR3 FZD4 ADGRF5 VIM"
    ),
    T_CELL: (
        "PTPRC CD3D CD3E CD2 CD4 CD8A IL7R CCL5 CXCR3 CXCR4 GZMA NKG7 "
        "LTB IFNG ITGAL CD37"
    ),
    B_CELL: (
        "PTPRC MS4A1 CD19 CD79A CD37 CXCR5 TCL1A CD40 CD74 HLA-DRA CCR7 SELL "
        "LTB CXCR4 IGHM"
    ),
    MACROPHAGE: (
        "PTPRC CD68 CD163 CD14 MRC1 C1QA C1QB C1QC CSF1R FCER1G TYROBP LYZ CX3CR1 CCR1 "
        "AXL MERTK ITGAX TLR2 CD74 HLA-DRA TGFB1 FPR1 CMKLR1 CD4 LGALS3"
    ),
    PLASMA: "JCHAIN MZB1 XBP1 TNFRSF17 IGHG1 IGKC IGHA1 CD38 CD27 CD79A",
}
"""Genes raised in a type, space separated."""

COMMON: Final = "MALAT1 B2M HSP90AA1 RPL32 CD44 S100A6 LGALS1 APP ITGB1 TPM1 STAT3"
"""Genes that every cell expresses."""

SPARSE: Final = (
    "FZD6 FZD7 EPHB2 IGF1R INSR SMO CELSR1 FGFR2 IL6 IGF1 APOD CTLA4 FOXP3 EOMES SRC "
    "NTRK2 GPER1 CXCR2 CCL21 "
)
"""Genes that are seen in few cells."""


@dataclass(frozen=True)
class Program:
    """A state that cells of some types take on to a degree.

    Attributes
    ----------
    name
        Name of the program.
    types
        Types that run it.
    up, down
        Genes, space separated, that rise and fall with it.
    length
        Correlation length of the program over the tissue in um.
    shared
        Share of its variance that neighbours have in common, 0 to 1.
    """

    name: str
    types: tuple[str, ...]
    up: str
    down: str = ""
    length: float = 35.0
    shared: float = 0.65

    @property
    def loadings(self) -> dict[str, float]:
        """Gene -> +1 or -1."""
        return {
            **dict.fromkeys(self.up.split(), 1.0),
            **dict.fromkeys(self.down.split(), -1.0),
        }


PROGRAMS: Final[tuple[Program, ...]] = (
    Program("hypoxia", NAMES, "VEGFA SLC2A1 NDRG1 GDF15", "", 45.0, 0.8),
    Program(
        "cycling",
        (TUMOUR, EPITHELIUM, T_CELL, B_CELL),
        "MKI67 TOP2A PCNA STMN1 CENPF HMGB2 BIRC5 EZH2",
        "CDKN1A",
        40.0,
        0.4,
    ),
    Program(
        "interferon",
        NAMES,
        "MX1 OAS1 STAT1 IFI27 IFITM3 CXCL10 TAP1 B2M",
        "",
        50.0,
        0.75,
    ),
    Program(
        "stress",
        NAMES,
        "FOS JUN JUNB ATF3 DUSP1 ZFP36 NFKBIA CDKN1A",
        "",
        25.0,
        0.5,
    ),
    Program(
        "basal",
        (TUMOUR,),
        "KRT5 KRT14 KRT17 CD44 EGFR ITGB1",
        "KRT8 KRT18 KRT19 KRT7 AGR2 ERBB2 ERBB3",
        45.0,
        0.7,
    ),
    Program(
        "myofibroblast",
        (FIBROBLAST,),
        "ACTA2 TAGLN MYL9 TPM1 COL11A1 COL12A1 THBS2 ",
        "CXCL12 CXCL14 IL6 IGF1 APOD PDGFRA RSPO3",
        35.0,
        0.7,
    ),
    Program(
        "mural",
        (ENDOTHELIUM, FIBROBLAST),
        "RGS5 MYH11 PDGFRB COL4A1",
        "",
        20.0,
        0.5,
    ),
    Program(
        "cytotoxic",
        (T_CELL,),
        "CD8A GZMB NKG7 PRF1 CCL5 IFNG LAG3 PDCD1 EOMES",
        "CD4 IL7R CCR7 SELL FOXP3 CTLA4",
        30.0,
        0.55,
    ),
    Program(
        "scavenger",
        (MACROPHAGE,),
        "C1QA C1QB C1QC SELENOP CD163 MRC1 MERTK",
        "SPP1 MMP9 GPNMB CXCL8 IL1B LGALS3",
        35.0,
        0.65,
    ),
)


@dataclass(frozen=True)
class Interaction:
    """A ligand of one type raises genes in receivers nearby.

    Attributes
    ----------
    ligand, receptor
        Genes of the pair.
    sender
        Type that makes the ligand.
    receivers
        Types that answer.
    targets
        Genes, space separated, that the signal raises.
    length
        The signal falls by e over this distance in um.
    strength
        Natural-log rise of the targets at full signal.
    """

    ligand: str
    receptor: str
    sender: str
    receivers: tuple[str, ...]
    targets: str
    length: float
    strength: float

    @property
    def name(self) -> str:
        """``ligand-receptor``."""
        return f"{self.ligand}-{self.receptor}"


INTERACTIONS: Final[tuple[Interaction, ...]] = (
    Interaction(
        "TGFB1",
        "TGFBR2",
        MACROPHAGE,
        (FIBROBLAST, TUMOUR),
        "FN1 SERPINH1 SNAI2 TAGLN COL1A1 MMP14",
        20.0,
        1.3,
    ),
    Interaction(
        "IFNG",
        "IFNGR1",
        T_CELL,
        (TUMOUR, MACROPHAGE, EPITHELIUM),
        "CXCL9 CXCL10 IDO1 STAT1 HLA-DRA CD274 TAP1",
        18.0,
        1.5,
    ),
    Interaction(
        "CXCL12",
        "CXCR4",
        FIBROBLAST,
        (T_CELL, B_CELL),
        "CXCR4 RGS1 CD69 ITGAL",
        22.0,
        1.1,
    ),
)


def panel() -> list[str]:
    """Return every gene of the tables above, sorted."""
    texts = [*MARKERS.values(), COMMON, SPARSE]
    texts += [f"{program.up} {program.down}" for program in PROGRAMS]
    texts += [f"{one.ligand} {one.receptor} {one.targets}" for one in INTERACTIONS]
    return sorted({gene for text in texts for gene in text.split()})
