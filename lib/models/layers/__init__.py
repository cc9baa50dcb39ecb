"""Parts shared by several networks.

``blocks`` (residual blocks, conv + batch-norm, init), ``lightweight`` and ``attention`` (of LPN),
``drop_path`` (stochastic depth), ``transformer`` (window attention of HRFormer), ``dual_attention``
(layers of DaViT), ``mlp``, ``subpixel`` (upsampling by pixel shuffle), ``total_fusion`` (of
EEffPose), ``sizes`` (checks).
"""
