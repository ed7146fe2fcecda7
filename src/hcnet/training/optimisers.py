"""Adam and AdamW as torch has them, without importing torch's compiler.

Torch wraps the methods of its optimisers so that its compiler treats them rightly, and imports it
when one is first called: 800 modules, 70 MB, two seconds. Nothing here is compiled, and the wrapped
functions themselves do the same.
"""

from inspect import unwrap

import torch
from torch.optim import Optimizer


class _Uncompiled(Optimizer):
    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


class Adam(_Uncompiled, torch.optim.Adam):
    """`torch.optim.Adam`."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(_Uncompiled, torch.optim.AdamW):
    """`torch.optim.AdamW`."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
