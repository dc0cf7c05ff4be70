"""The symbols of the course: the glossary's, with their names elsewhere, and the letters that a lesson uses for itself alone. The tables of nbs/93_notation.ipynb are made from this; tests/test_apparatus.py holds every formula of every lesson against it."""
import re
from course import link, table
from ideas import lessons, terms

# {symbol of the glossary: its name in the papers, in k-diffusion (sampling.py and external.py), in diffusers}. "" where the thing is not named there
ELSEWHERE = {
    "h": (r"$\tau_\theta(y)$ (Rombach et al. 2022)", "", "`prompt_embeds`, `encoder_hidden_states`"),
    r"\theta": (r"$\Omega$ (Shoemake 1985)", "", ""),
    "g": (r"$w+1$ (Ho and Salimans 2022)", "", "`guidance_scale`"),
    "t": ("$t$, from 1 in Ho et al. 2020", "`t`", "`timestep`, from 0"),
    r"\epsilon": (r"$\epsilon$ (Ho et al. 2020)", "`noise`", "`noise`"),
    r"\hat\epsilon": (r"$\epsilon_\theta$ (Ho et al. 2020)", "`eps`; as a direction, `d`", "`noise_pred`, `model_output`"),
    "x_0": ("$x_0$; in the latents, $z_0$ (Rombach et al. 2022)", "", "`original_samples`"),
    "Q": ("$Q$ (Vaswani et al. 2017)", "", "`query`"), "K": ("$K$ (Vaswani et al. 2017)", "", "`key`"), "V": ("$V$ (Vaswani et al. 2017)", "", "`value`"),
    "L": ("$L$, `-log p(y|x)` (Dhariwal and Nichol 2021)", "", "`loss`"), r"\nabla_{x_t} L": (r"$\nabla_{x_t}$", "", ""),
    "x_t": ("$x_t$; in the latents, $z_t$ (Rombach et al. 2022)", r"`x`, which is $x_t/\sqrt{\bar\alpha}$", "`sample`, `latents`, `noisy_samples`"),
    r"\beta": (r"$\beta_t$ (Ho et al. 2020)", "", "`betas`"),
    r"\bar\alpha": (r"$\bar\alpha_t$ (Ho et al. 2020), $\alpha_t$ (Song et al. 2020)", "`alphas_cumprod`", "`alphas_cumprod`, `alpha_prod_t`"),
    r"\nabla\log p_t": (r"$\nabla_x \log p_t(x)$ (Song et al. 2021)", "", ""),
    r"\sigma": (r"$\sigma$ (Karras et al. 2022); other things in Ho et al. 2020 and Song et al. 2020", "`sigma`, `sigmas`", "`sigmas`"),
    r"\bar\alpha/(1-\bar\alpha)": ("SNR (Hang et al. 2023)", "", "`compute_snr`"),
    "v": ("$v$ (Salimans and Ho 2022)", "`get_v`", "`v_prediction`, `get_velocity`"),
    r"\hat x_0": (r"$\hat x_0$ (Ho et al. 2020)", "`denoised`", "`pred_original_sample`"),
    r"\eta": (r"$\eta$ (Song et al. 2020)", "", "`eta`"),
    r"\mu": (r"$\mu$ (Kingma and Welling 2013)", "", "`mean`"), r"\log\sigma_z^2": (r"$\log\sigma^2$ (Kingma and Welling 2013)", "", "`logvar`"), r"\mathrm{KL}": (r"$D_{KL}$ (Kingma and Welling 2013)", "", "`kl`"),
    r"\gamma": (r"$\gamma$ (Hang et al. 2023)", "", ""),
    "r": ("$r$ (Hu et al. 2021)", "", ""), r"\alpha": (r"$\alpha$ (Hu et al. 2021)", "", ""), "v_*": ("$v_*$ (Gal et al. 2022)", "", ""), r"\lambda": (r"$\lambda$ (Ruiz et al. 2022)", "", ""),
}
# {lesson: {letter: what it is there}}: explained where it stands, and nowhere else
LOCAL = {
    "10_prompts": {"t": "how far from one prompt to the other, 0 to 1"},
    "16_dream": {"a": "any vector", "b": "another vector", "t": "how far from one to the other, 0 to 1", "n": "noise of a seed", "r": "the angle of an orbit", "s": "the part of the round that is done, 0 to 1"},
    "26_attention": {"d": "length of a query"}, "33_attention_by_hand": {"d": "length of a query"},
    "27_steering": {"b": "brightness of a pixel", "I": "the matrix of ones on the diagonal"},
    "30_plane": {"k": "which heap", "m": "mean of a heap", "s": "standard deviation of a heap; a step before t"},
    "31_schedules": {"T": "the last timestep"},
    "41_trainer": {"W": "a frozen weight", "A": "the matrix that takes down to r numbers", "B": "the matrix that takes them up again"},
    "43_lora": {"W": "a frozen weight", "A": "the matrix that takes down to r numbers", "B": "the matrix that takes them up again", "x": "what goes into a layer", "y": "what comes out of it"},
    "44_inversion": {"c": "the prompt's vectors, with a row of ours among them", "u": "any row in its place", "E": "the mean over many draws"}, "45_dreambooth": {"c": "the vectors of a prompt"},
    "50_measure": {"n": "how many were asked", "p": "the share that is right", "z": "1.96 for 95 %"},
}
SIGNS = {"sqrt", "left", "right", "frac", "tfrac", "quad", "qquad", "cdot", "le", "ge", "sin", "cos", "log", "arg", "min", "max", "mean", "prod", "sum", "partial", "nabla", "top", "text", "mathrm", "mathbb", "hat", "Big", "lVert", "rVert", "leftarrow", "underbrace", "pm", "pi"} # what is drawn or done, not what is meant


def letters(formula):
    "The letters of a formula, without words and signs: `\\bar\\alpha` and `\\sigma_z` are one letter each."
    plain = re.sub(r"\\(text|mathrm)\{[^{}]*\}", " ", formula)
    found = re.findall(r"\\bar\s*\\alpha|\\sigma_z|v_\*|\\[A-Za-z]+|[A-Za-z]", plain)
    return {re.sub(r"\s", "", f) for f in found if f.lstrip("\\") not in SIGNS}


def known(): return set().union(*(letters(t.symbol) for t in terms() if t.symbol))


def page():
    "The made cells of nbs/93_notation.ipynb: (id, text)."
    def to(s): return link(lessons()[s])
    def row(t):
        papers, k, d = ELSEWHERE[t.symbol]; code = "; ".join(f"{who}: {x}" for who, x in (("k-diffusion", k), ("diffusers", d)) if x)
        return f"${t.symbol}$", f"[{t.word}](90_glossary.ipynb#{t.anchor}){f', {t.shape}' if t.shape else ''}", f"`{t.code}`" if t.code else "", papers, code, to(t.lesson)
    both = known()
    def local(s, c, what): return f"${c}$", what, to(s), "elsewhere: see above" if c in both else ""
    return [("notation-symbols", "## Symbols\n\n" + table(("symbol", "is", "our code", "papers", "other code", "first in"), [row(t) for t in terms() if t.symbol], wide=(2, 6, 4, 6, 7, 4))),
            ("notation-local", "## Letters for a moment\n\nA few lessons need a letter for themselves, and say there what it is. Where it has another meaning above, the last column says so.\n\n" + table(("letter", "is", "in", ""), [local(s, c, what) for s, own in LOCAL.items() for c, what in own.items()], wide=(3, 6, 5, 3)))]
