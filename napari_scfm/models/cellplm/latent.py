"""The latent of CellPLM: plain, variational or a Gaussian mixture.

At evaluation the first two are linear maps. The mixture picks a component: the
original draws it (a Gumbel sample), so its embeddings differ from run to run; here
the most probable component is taken unless uniform draws are handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig

MIXTURE_WIDTH = 512


class PlainLatent(nn.Module):
    """``ae``: one linear map."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.lat_2lat = nn.Sequential(nn.Linear(width, latent))

    def forward(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return (cells, latent)."""
        out: Tensor = self.lat_2lat(hidden)
        return out


class VariationalLatent(nn.Module):
    """``vae``: mean at evaluation, mean and noise in training."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.hid_2mu = nn.Linear(width, latent)
        self.hid_2sigma = nn.Linear(width, latent)

    def forward(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return the mean, (cells, latent)."""
        out: Tensor = self.hid_2mu(hidden)
        return out

    def sample(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return a sample and the Kullback-Leibler term per cell (mean over cells).

        Parameters
        ----------
        hidden
            (cells, width).
        noise
            (cells, latent) standard normal draws.
        """
        mean = self.hid_2mu(hidden)
        spread = torch.exp(self.hid_2sigma(hidden).clamp(-5.0, 5.0)) + 1e-4
        log_variance = torch.log(spread)
        divergence = 1 + log_variance - mean.square() - spread
        return mean + spread.sqrt() * noise, -0.5 * divergence.sum(1).mean()


class MixtureInference(nn.Module):
    """The inference half of the Gaussian mixture; names as in the files."""

    def __init__(self, width: int, latent: int, clusters: int) -> None:
        super().__init__()
        self.inference_qyx = nn.ModuleList(
            [nn.ModuleDict({"logits": nn.Linear(width, clusters)})]
        )
        self.inference_qzyx = nn.ModuleList(
            [
                nn.Linear(width + clusters, MIXTURE_WIDTH),
                nn.ReLU(),
                nn.ModuleDict(
                    {
                        "mu": nn.Linear(MIXTURE_WIDTH, latent),
                        "var": nn.Linear(MIXTURE_WIDTH, latent),
                    }
                ),
            ]
        )
        self.y_mu = nn.Linear(clusters, latent)
        self.y_var = nn.Linear(clusters, latent)


class MixtureLatent(nn.Module):
    """``gmvae``: a component per cell, then the mean given that component."""

    def __init__(self, width: int, latent: int, clusters: int) -> None:
        super().__init__()
        self.inference = MixtureInference(width, latent, clusters)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return (cells, clusters) log weights of the components."""
        step = self.inference.inference_qyx[0]
        assert isinstance(step, nn.ModuleDict)
        out: Tensor = step["logits"](hidden)
        return out

    def component(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return (cells, clusters) one-hot components.

        Parameters
        ----------
        hidden
            (cells, width).
        uniform
            (cells, clusters) uniform draws: the component is then a Gumbel sample,
            as in the original; None takes the most probable one.
        """
        score = self.logits(hidden)
        if uniform is not None:
            score = score - torch.log(-torch.log(uniform + 1e-20) + 1e-20)
        return nn.functional.one_hot(score.argmax(1), score.shape[1]).to(hidden.dtype)

    def forward(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return (cells, latent)."""
        first, _, last = self.inference.inference_qzyx
        assert isinstance(last, nn.ModuleDict)
        component = self.component(hidden, uniform)
        middle = torch.relu(first(torch.cat((hidden, component), dim=1)))
        out: Tensor = last["mu"](middle)
        return out


class Latent(nn.Module):
    """Holds the latent under the name that files give it (``latent.layers.1``).

    Parameters
    ----------
    config
        The network's configuration.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        width, latent = config.enc_hid, config.post_latent_dim
        chosen: nn.Module
        if config.latent_mod == "gmvae":
            chosen = MixtureLatent(width, latent, config.num_clusters)
        elif config.latent_mod == "vae":
            chosen = VariationalLatent(width, latent)
        else:
            chosen = PlainLatent(width, latent)
        self.layers = nn.ModuleList([nn.Identity(), chosen])

    @property
    def chosen(self) -> nn.Module:
        """The latent itself."""
        return self.layers[1]

    def forward(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return (cells, latent)."""
        out: Tensor = self.chosen(hidden, uniform)
        return out
