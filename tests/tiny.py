"A Stable Diffusion 1.x in small: its parts, its shape and its files, with random weights and a few thousand numbers in each."
from pathlib import Path


def save(folder):
    "Write it in diffusers' form: four levels of VAE and UNet, PNDM, a safety checker of None, 8x8 latents of 64x64 pixels."
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from sdcourse.models import POCKET, _quiet
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)
        unet = UNet2DConditionModel(sample_size=8, block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=2, cross_attention_dim=16)
        vae = AutoencoderKL(block_out_channels=(8, 8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, layers_per_block=1, norm_num_groups=4, sample_size=64)
        tok = CLIPTokenizer.from_pretrained(POCKET/"tokenizer")
        text = CLIPTextModel(CLIPTextConfig(vocab_size=len(tok), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, bos_token_id=tok.bos_token_id, eos_token_id=tok.eos_token_id))
        sched = PNDMScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear", skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
        StableDiffusionPipeline(vae, text, tok, unet, sched, None, None, requires_safety_checker=False).save_pretrained(folder, safe_serialization=True)
    return Path(folder)
