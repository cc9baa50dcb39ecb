"""Self-attention with relative positions as defined: one logit at a time."""

import torch


def relative_logits(query, key, rel_height, rel_width, height, width):
    """(d, S*S) query and key of one head -> (S*S, S*S) logits, row the query."""
    logits = []
    for y in range(height):
        for x in range(width):
            q = query[:, y * width + x]
            row = []
            for other_y in range(height):
                for other_x in range(width):
                    k = key[:, other_y * width + other_x]
                    up = rel_height[other_y - y + height - 1]
                    side = rel_width[other_x - x + width - 1]
                    row.append((q * k).sum() + (q * up).sum() + (q * side).sum())
            logits.append(torch.stack(row))
    return torch.stack(logits)


def attention(x, to_qk, to_v, rel_height, rel_width, heads):
    """(N, C, H, W) -> (N, C, H, W); to_qk (2C, C) gives the queries first, to_v (C, C)."""
    outputs = []
    for sample in x:
        channels, height, width = sample.shape
        flat = sample.reshape(channels, height * width)
        query, key = (to_qk @ flat)[:channels], (to_qk @ flat)[channels:]
        value = to_v @ flat
        dim = channels // heads
        parts = []
        for head in range(heads):
            of_head = slice(head * dim, (head + 1) * dim)
            logits = relative_logits(
                query[of_head] * dim**-0.5, key[of_head], rel_height, rel_width, height, width
            )
            weights = torch.exp(logits - logits.max())
            weights = weights / weights.sum(dim=1, keepdim=True)
            parts.append(value[of_head] @ weights.T)
        outputs.append(torch.cat(parts).reshape(channels, height, width))
    return torch.stack(outputs)
