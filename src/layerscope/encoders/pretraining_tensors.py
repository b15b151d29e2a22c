"""What files of MuQ and MusicFM hold beyond the encoder: what only their pretraining needs, by name and shape."""

from __future__ import annotations

from layerscope.encoders.conformer import ConformerConfig
from layerscope.encoders.mel import MEL_BINS
from layerscope.encoders.state_dicts import Shapes

__all__ = ["common_pretraining", "muq_pretraining", "musicfm_pretraining"]


def common_pretraining(config: ConformerConfig, outputs: int) -> Shapes:
    """Return what both families hold beyond the encoder: an unused position convolution and the masked-token head."""
    return {
        "cls_token": (config.dim,),
        # wav2vec 2.0's convolution for positions: kernel 128, 16 groups. With rotary positions nobody calls it.
        "conformer.pos_conv_embed.conv.bias": (config.dim,),
        "conformer.pos_conv_embed.conv.parametrizations.weight.original0": (1, 1, 128),
        "conformer.pos_conv_embed.conv.parametrizations.weight.original1": (config.dim, config.dim // 16, 128),
        "linear.weight": (outputs, config.dim),
        "linear.bias": (outputs,),
    }


def muq_pretraining(config: ConformerConfig, outputs: int, codebooks: int) -> Shapes:
    """Return MuQ's own: the residual vector quantizer of four stacked mel frames (512 values)."""
    shapes = common_pretraining(config, outputs)
    # Fixed in MuQ's code; its codebook_size of 8,192 is that of the head, all codebooks together.
    codes, width, stacked = 1024, 16, 4 * MEL_BINS
    for number in range(codebooks):
        shapes |= {
            f"rvq.quantizers.{number}.stale_counter": (codes,),
            f"rvq.quantizers.{number}.in_proj.bias": (width,),
            f"rvq.quantizers.{number}.in_proj.weight_g": (width, 1, 1),
            f"rvq.quantizers.{number}.in_proj.weight_v": (width, stacked, 1),
            f"rvq.quantizers.{number}.out_proj.bias": (stacked,),
            f"rvq.quantizers.{number}.out_proj.weight_g": (stacked, 1, 1),
            f"rvq.quantizers.{number}.out_proj.weight_v": (stacked, width, 1),
            f"rvq.quantizers.{number}.codebook.weight": (codes, width),
        }
    return shapes


def musicfm_pretraining(config: ConformerConfig, outputs: int, codebook: tuple[int, int]) -> Shapes:
    """Return MusicFM's own: the random projection of four stacked mel frames and its codebook."""
    return common_pretraining(config, outputs) | {
        "quantizer_melspec_2048_0.random_projection": (4 * MEL_BINS, codebook[1]),
        "quantizer_melspec_2048_0.codebook": codebook,
    }
