"""From the latent to counts (negative binomial mean), and the annotation head.

Only the asked genes are decoded, and the effect of unknown covariates, which does
not depend on the cells, is computed once.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_scfm.models.cellplm.linear import Linear
from napari_scfm.models.cellplm.norms import make_norm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_scfm.models.cellplm.config import CellPLMConfig

OUTPUT_WIDTH = 128
COVARIATES = ("batch", "dataset", "platform")


class CovariateTable(nn.Module):
    """A bare table of one vector per level; the sum stands for "unknown".

    As in the original the sum has no gradient: cells of unknown origin do not train
    the table.
    """

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(levels, width) * 0.1)

    def forward(self, codes: Tensor | None) -> Tensor:
        """Return (cells, width) for codes, (1, width) without."""
        if codes is None:
            return self.weight.detach().sum(0, keepdim=True)
        return self.weight[codes]


class NegativeBinomialOutput(nn.Module):
    """Mean and dispersion of every gene.

    Parameters
    ----------
    width
        Width of the decoder.
    genes
        Number of genes.
    latent
        Ours: width of the latent where a linear path leads from there to the log
        means, else 0.
    """

    def __init__(self, width: int, genes: int, latent: int = 0) -> None:
        super().__init__()
        self.dec_1 = Linear(width, OUTPUT_WIDTH)
        self.dec_mean = nn.Sequential(nn.Linear(OUTPUT_WIDTH, genes))
        self.dec_disp = nn.Parameter(torch.randn(genes))
        if latent:
            self.direct = nn.Parameter(torch.randn(genes, latent) * 0.02)
        self.latent = latent

    @torch.no_grad()
    def learn(self, rate: Tensor) -> None:
        """Begin with the mean count of every gene, (genes,)."""
        last = self.dec_mean[0]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.02)
        last.bias.copy_(torch.log(rate + 1e-4))

    def forward(self, x: Tensor, rows: Tensor | None, z: Tensor) -> Tensor:
        """Return unnormalised means, (cells, genes) or (cells, n) for n rows.

        Parameters
        ----------
        x
            (cells, width) of the last hidden layer.
        rows
            Genes, None = all.
        z
            (cells, latent), read by the linear path.
        """
        x = torch.relu(self.dec_1(x))
        last = self.dec_mean[0]
        assert isinstance(last, nn.Linear)
        weight = last.weight if rows is None else last.weight[rows]
        bias = last.bias if rows is None else last.bias[rows]
        log_mean = nn.functional.linear(x, weight, bias)
        if self.latent:
            direct = self.direct if rows is None else self.direct[rows]
            log_mean = log_mean + z @ direct.T
        return log_mean.exp().clamp(1e-5, 1e6)

    def dispersion(self, rows: Tensor | None = None) -> Tensor:
        """Return (genes,) or (n,) inverse dispersions theta, alike for all cells."""
        chosen = self.dec_disp if rows is None else self.dec_disp[rows]
        return chosen.exp().clamp(1e-4, 1e4)


class Decoder(nn.Module):
    """``nbmlp``: hidden layers with covariate offsets, then the output.

    Parameters
    ----------
    config
        The network's configuration.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        wide = config.dec_hid or config.enc_hid
        levels = dict(
            zip(
                COVARIATES,
                (config.batch_num, config.dataset_num, config.platform_num),
                strict=True,
            )
        )
        self.layers = nn.ModuleList()
        self.covariate_layers = nn.ModuleList()
        for i in range(config.dec_layers - 1):
            self.layers.append(
                nn.Sequential(
                    Linear(wide if i else config.post_latent_dim, wide),
                    nn.PReLU(),
                    nn.Dropout(config.model_dropout),
                    make_norm(config.norm, wide),
                )
            )
            self.covariate_layers.append(
                nn.ModuleDict(
                    {
                        name: nn.Sequential(
                            CovariateTable(number, wide),
                            nn.PReLU(),
                            make_norm(config.norm, wide),
                        )
                        for name, number in levels.items()
                        if number
                    }
                )
            )
        self.out_layer = NegativeBinomialOutput(
            wide if config.dec_layers > 1 else config.post_latent_dim,
            len(config.gene_list),
            config.post_latent_dim if config.linear_path else 0,
        )
        self._unknown: dict[tuple[int, str, torch.device], Tensor] = {}

    def train(self, mode: bool = True) -> Decoder:
        """Switch mode; what was computed once is forgotten."""
        self._unknown.clear()
        super().train(mode)
        return self

    def _offset(self, layer: int, name: str, codes: Tensor | None) -> Tensor:
        tables = self.covariate_layers[layer]
        assert isinstance(tables, nn.ModuleDict)
        if codes is not None or self.training or torch.is_grad_enabled():
            out: Tensor = tables[name](codes)
            return out
        key = (layer, name, next(tables.parameters()).device)
        if key not in self._unknown:
            self._unknown[key] = tables[name](None)
        return self._unknown[key]

    def hidden(self, z: Tensor, codes: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return (cells, width) before the output.

        Parameters
        ----------
        z
            (cells, latent).
        codes
            Covariate name -> (cells,) codes. A covariate without codes adds the sum
            of its table, as in the original.
        """
        known = codes or {}
        for i, layer in enumerate(self.layers):
            z = layer(z)
            tables = self.covariate_layers[i]
            assert isinstance(tables, nn.ModuleDict)
            for name in tables:
                z = z + self._offset(i, name, known.get(name))
        return z

    def forward(
        self,
        z: Tensor,
        rows: Tensor | None = None,
        codes: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Return unnormalised means of the asked genes, (cells, n)."""
        out: Tensor = self.out_layer(self.hidden(z, codes), rows, z)
        return out


class AnnotationHead(nn.Module):
    """Class scores from the latent; dropout comes before every linear map.

    Parameters
    ----------
    config
        The network's configuration; ``out_dim`` is the number of classes.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        widths = [config.post_latent_dim]
        widths += [config.dec_hid] * (config.dec_layers - 1) + [config.out_dim]
        steps: list[nn.Module] = []
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            if i:
                steps.append(nn.ReLU())
            if config.model_dropout > 0:
                steps.append(nn.Dropout(config.model_dropout))
            steps.append(nn.Linear(before, after))
        self.mlp = nn.Sequential(*steps)

    def forward(self, z: Tensor) -> Tensor:
        """Return (cells, classes) scores."""
        out: Tensor = self.mlp(z)
        return out
