"""Window attention as one would write it on paper: one window, one head, one query at a time."""

import math

import torch


def window_attention(x, attention):
    """Return the output (B, H, W, C) for tokens ``x`` and the weights of ``attention``.

    ``attention`` is a ``WindowAttention``; only its parameters are read.
    """
    inner, side = attention.attn, attention.window
    batch, height, width, channels = x.shape
    pad_h, pad_w = (side - height % side) % side, (side - width % side) % side
    padded = torch.zeros(batch, height + pad_h, width + pad_w, channels, dtype=x.dtype)
    top, left = pad_h // 2, pad_w // 2
    padded[:, top : top + height, left : left + width] = x
    out = torch.zeros_like(padded)
    for image in range(batch):
        for y in range(0, height + pad_h, side):
            for z in range(0, width + pad_w, side):
                window = padded[image, y : y + side, z : z + side].reshape(side * side, channels)
                mixed = one_window(window, inner, side)
                out[image, y : y + side, z : z + side] = mixed.reshape(side, side, channels)
    return out[:, top : top + height, left : left + width]


def one_window(tokens, inner, side):
    """Return the output (side^2, C) of one window, head by head."""
    size = tokens.shape[1] // inner.heads
    q = tokens @ inner.q_proj.weight.T + inner.q_proj.bias
    k = tokens @ inner.k_proj.weight.T + inner.k_proj.bias
    v = tokens @ inner.v_proj.weight.T + inner.v_proj.bias
    heads = []
    for head in range(inner.heads):
        part = slice(head * size, (head + 1) * size)
        logits = (q[:, part] * size**-0.5) @ k[:, part].T
        if inner.rpe:
            logits = logits + bias_of_head(inner.relative_position_bias_table[:, head], side)
        heads.append(torch.softmax(logits, dim=1) @ v[:, part])
    mixed = torch.cat(heads, dim=1)
    return mixed @ inner.out_proj.weight.T + inner.out_proj.bias


def bias_of_head(table, side):
    """Return the (side^2, side^2) biases of one head from its column of the table."""
    bias = torch.zeros(side**2, side**2, dtype=table.dtype)
    for query in range(side**2):
        for key in range(side**2):
            dy = query // side - key // side
            dx = query % side - key % side
            bias[query, key] = table[(dy + side - 1) * (2 * side - 1) + dx + side - 1]
    return bias


def plain_attention(self, tokens):
    """Replace ``WindowSelfAttention.forward``: logits, softmax and weighted sum as separate steps.

    This is the usual unfused form, batched over windows and heads; used to compare speed.
    """

    def split(projected):
        return projected.reshape(*projected.shape[:2], self.heads, -1).permute(0, 2, 1, 3)

    q = split(self.q_proj(tokens)) * math.sqrt(self.heads / tokens.shape[2])
    logits = q @ split(self.k_proj(tokens)).transpose(2, 3)
    if self.rpe:
        cells = tokens.shape[1]
        rows = self.relative_position_bias_table[self.relative_position_index.reshape(-1)]
        logits = logits + rows.reshape(cells, cells, -1).permute(2, 0, 1).unsqueeze(0)
    mixed = logits.softmax(dim=3) @ split(self.v_proj(tokens))
    return self.out_proj(mixed.permute(0, 2, 1, 3).reshape(tokens.shape))
