"""The latent of CellPLM: plain, variational or a Gaussian mixture.

At evaluation the first two are linear maps. The mixture picks a component: the
original draws it (a Gumbel sample), so its embeddings differ from run to run; here
the most probable component is taken unless uniform draws are handed in.

In training the variational ones add noise and a penalty; every draw is handed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_scfm.models.cellplm.linear import Linear

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig

MIXTURE_WIDTH = 512


@dataclass(frozen=True)
class Drawn:
    """Draws of a latent at evaluation.

    Attributes
    ----------
    noise
        (cells, latent) standard normal.
    uniform
        (cells, clusters) uniform, for the components of a mixture.
    """

    noise: Tensor
    uniform: Tensor

    def __getitem__(self, cells: slice) -> Drawn:
        """Return the draws of some cells."""
        return Drawn(self.noise[cells], self.uniform[cells])


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
        self.hid_2mu = Linear(width, latent)
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


@dataclass(frozen=True)
class MixtureParts:
    """The distributions of a mixture, given the component of each cell.

    Attributes
    ----------
    mean, variance
        (cells, latent) of the cell.
    component_mean, component_variance
        (cells, latent) of its component.
    """

    mean: Tensor
    variance: Tensor
    component_mean: Tensor
    component_variance: Tensor


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
            score = score + _gumbel(uniform)
        return nn.functional.one_hot(score.argmax(1), score.shape[1]).to(hidden.dtype)

    def forward(self, hidden: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Return (cells, latent)."""
        middle, last = self._middle(hidden, self.component(hidden, uniform))
        out: Tensor = last["mu"](middle)
        return out

    def parts(self, hidden: Tensor, component: Tensor) -> MixtureParts:
        """Return the distributions of cells and of their components.

        Parameters
        ----------
        hidden
            (cells, width).
        component
            (cells, clusters) weights that sum to 1.
        """
        middle, last = self._middle(hidden, component)
        soft = nn.functional.softplus
        return MixtureParts(
            last["mu"](middle),
            soft(last["var"](middle)),
            self.inference.y_mu(component),
            soft(self.inference.y_var(component)),
        )

    def sample(
        self, hidden: Tensor, noise: Tensor, uniform: Tensor, *, hard: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a sample, the Gaussian and the categorical divergence.

        Parameters
        ----------
        hidden
            (cells, width).
        noise
            (cells, latent) standard normal draws.
        uniform
            (cells, clusters) uniform draws; the components are soft Gumbel samples
            at temperature 1.
        hard
            One-hot components, as at evaluation.

        Returns
        -------
        (cells, latent) z; the mean over cells of ``log N(z; cell) - log N(z;
        component)``; the mean over cells of ``sum p log p + log K`` for the K
        component weights p.
        """
        logits = self.logits(hidden)
        component = torch.softmax(logits + _gumbel(uniform), dim=1)
        if hard:
            component = self.component(hidden, uniform)
        parts = self.parts(hidden, component)
        z = parts.mean + noise * torch.sqrt(parts.variance + 1e-10)
        own = _log_normal(z, parts.mean, parts.variance)
        other = _log_normal(z, parts.component_mean, parts.component_variance)
        log_weight = torch.log_softmax(logits, dim=1)
        categorical = (log_weight.exp() * log_weight).sum(1).mean()
        gaussian = (own - other).sum(1).mean()
        return z, gaussian, categorical + math.log(logits.shape[1])

    def _middle(
        self, hidden: Tensor, component: Tensor
    ) -> tuple[Tensor, nn.ModuleDict]:
        first, _, last = self.inference.inference_qzyx
        assert isinstance(last, nn.ModuleDict)
        return torch.relu(first(torch.cat((hidden, component), dim=1))), last


def _gumbel(uniform: Tensor) -> Tensor:
    return -torch.log(-torch.log(uniform + 1e-20) + 1e-20)


def _log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    variance = variance + 1e-8
    scale = math.log(2 * math.pi) + torch.log(variance)
    return -0.5 * (scale + (x - mean).square() / variance)


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

    def forward(self, hidden: Tensor, drawn: Tensor | Drawn | None = None) -> Tensor:
        """Return (cells, latent).

        Parameters
        ----------
        hidden
            (cells, width).
        drawn
            Uniform draws of a mixture's component; or draws of all that a latent has;
            or None for the most likely latent.
        """
        out: Tensor
        if not isinstance(drawn, Drawn):
            out = self.chosen(hidden, drawn)
        elif isinstance(self.chosen, MixtureLatent):
            out = self.chosen.sample(hidden, drawn.noise, drawn.uniform, hard=True)[0]
        else:
            assert isinstance(self.chosen, VariationalLatent)
            out = self.chosen.sample(hidden, drawn.noise)[0]
        return out
