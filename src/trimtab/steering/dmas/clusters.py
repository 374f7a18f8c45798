"""Groups of like states, and the parts of differences that are kept."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROUNDS = 50
"""Most rounds of assigning and averaging; they end earlier when nothing moves."""


def clustered(
    states: Float[Tensor, "items hidden"], clusters: int, seed: int
) -> tuple[Float[Tensor, "clusters hidden"], Int[Tensor, " items"]]:
    """Group states by k-means, from the farthest-first centres of a seed.

    Returns:
        The centres, as many as asked for or as there are different states, and each state's cluster.
    """
    first = int(torch.randint(len(states), (1,), generator=torch.Generator().manual_seed(seed)))
    chosen = [first]
    while len(chosen) < min(clusters, len(states)):
        distances = torch.cdist(states, states[chosen]).amin(-1)
        if not float(distances.max()) > 0:
            break
        chosen.append(int(distances.argmax()))
    centres, member = states[chosen].clone(), torch.full((len(states),), -1)
    for _ in range(ROUNDS):
        nearest = torch.cdist(states, centres).argmin(-1)
        if torch.equal(nearest, member):
            break
        member = nearest
        for k in member.unique().tolist():
            centres[k] = states[member == k].mean(0)
    held = member.unique()  # a centre may have lost all of its states
    return centres[held], torch.searchsorted(held, member)


def denoised(
    differences: Float[Tensor, "items layers heads head_dim"], variance: float
) -> Float[Tensor, "items layers heads head_dim"]:
    """Keep the fewest principal components that hold a share of the differences' squared size."""
    flat = differences.flatten(1).double()
    left, sizes, right = torch.linalg.svd(flat, full_matrices=False)
    held = sizes.square().cumsum(0) / sizes.square().sum().clamp_min(1e-24)
    kept = int((held < variance).sum()) + 1
    return ((left[:, :kept] * sizes[:kept]) @ right[:kept]).float().view_as(differences)


def strongest(vectors: Float[Tensor, "layers heads head_dim"], share: float) -> Bool[Tensor, "layers heads one"]:
    """Mark a share of all heads, at least one: those with the longest vectors."""
    lengths = vectors.norm(dim=-1)
    count = max(1, round(share * lengths.numel()))
    marked = torch.zeros(lengths.numel(), dtype=torch.bool)
    marked[lengths.flatten().topk(count).indices] = True
    return marked.view(*lengths.shape, 1)
