"A dream of 24 frames: one call of diffusers' pipeline for each frame, against `dream`."
from functools import lru_cache
import numpy as np, torch

goal = 2.2 # times faster, with pictures that differ by 1/255 at most
PROMPTS, SEEDS, FRAMES = ["a red fox in the snow, 3d render style", "an owl in the snow, 3d render style"], [18, 20], 24
STEPS = 25


@lru_cache
def _pipe():
    from sdcourse.models import load
    pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    return pipe


def _slerp(t, v0, v1, threshold=.9995):
    "As the notebooks of 2022 have it."
    dot = np.sum(v0 * v1 / (np.linalg.norm(v0) * np.linalg.norm(v1)))
    if np.abs(dot) > threshold: return (1 - t) * v0 + t * v1
    theta = np.arccos(dot)
    return np.sin((1 - t) * theta) / np.sin(theta) * v0 + np.sin(t * theta) / np.sin(theta) * v1


def plain():
    "The frames, drawn one by one: embeddings on a line, noise on an arc."
    pipe = _pipe(); shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
    a, b = (torch.randn(shape, generator=torch.Generator().manual_seed(s)).numpy() for s in SEEDS)
    ea, eb = (pipe.encode_prompt(p, pipe.device, 1, False)[0] for p in PROMPTS)
    return [pipe(prompt_embeds=torch.lerp(ea, eb, t), latents=torch.from_numpy(_slerp(t, a, b)), num_inference_steps=STEPS, guidance_scale=5.).images[0] for t in np.linspace(0, 1, FRAMES).tolist()]


def ours():
    "The same frames by `dream`."
    from sdcourse.dreams import dream
    return list(dream(_pipe(), PROMPTS, seed=SEEDS, frames=FRAMES, num_inference_steps=STEPS, guidance_scale=5.))
