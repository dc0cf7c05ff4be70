"""Do the lessons notice a bug? `python tests/mutants.py [NAME]` plants one bug at a time in a from-scratch function, runs the lesson that makes it, and prints which cell fails.

Each lesson runs once without a bug first, and must pass. It takes minutes and is no part of the tests: run it after a change of the lessons 3x. It ends with an error where a bug goes unnoticed."""
import json, re, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from conftest import ENV, ROOT, SCRIPTS, copy_tree

sys.path.insert(0, str(ROOT/"pages"))
from course import NBS, source

# (notebook, function, what stands there, the bug)
MUTANTS = [
    ("30_plane", "diffuse", "sqrt() * x0 +", "sqrt() * x0 -"),
    ("30_plane", "Mixture.log_p", "abar * self", "self"),
    ("30_plane", "Mixture.eps", "-math.sqrt(1 - abar)", "-math.sqrt(abar)"),
    ("30_plane", "reverse", "math.sqrt(max(1 - b - sigma ** 2, 0))", "math.sqrt(1 - b)"),
    ("30_plane", "reverse", "+ [float(last)]", ""),
    ("31_schedules", "alpha_bars", "dtype=torch.float64) ** 2", "dtype=torch.float64)"),
    ("31_schedules", "alpha_bars", "+ .008", "+ .08"),
    ("31_schedules", "alpha_bars", "return root ** 2", "return root"),
    ("31_schedules", "snr", "return abar / (1 - abar)", "return abar.sqrt() / (1 - abar).sqrt()"),
    ("32_ddpm", "target_of", "a * eps - s * x0", "a * eps + s * x0"),
    ("32_ddpm", "eps_of", "(xt - a * answer) / s", "(xt - s * answer) / a"),
    ("32_ddpm", "training_loss", "diffuse(x0, abars[t], eps)", "diffuse(x0, abars[t].sqrt(), eps)"),
    ("33_attention_by_hand", "dot_product_attention", "math.sqrt(q.shape[-1])", "math.sqrt(q.shape[-2])"),
    ("33_attention_by_hand", "MultiHeadAttention", "out.transpose(1, 2).flatten(2)", "out.flatten(1, 2).unflatten(1, (-1, self.heads)).flatten(2)"),
    ("33_attention_by_hand", "SpatialTransformer", "return x + self.proj_out", "return self.proj_out"),
    ("34_unet", "time_features", "[angle.cos(), angle.sin()]", "[angle.sin(), angle.cos()]"),
    ("34_unet", "ResBlock", "self.time_emb_proj(self.act(time))", "self.time_emb_proj(time)"),
    ("34_unet", "UNet", "[x, kept.pop()]", "[kept.pop(), x]"),
    ("34_unet", "UNet", "mode=\"nearest\"", "mode=\"bilinear\""),
    ("35_clip", "learn_merges", "pairs[p] += c", "pairs[p] += 1"),
    ("35_clip", "bpe", "min(zip(pieces, pieces[1:])", "max(zip(pieces, pieces[1:])"),
    ("35_clip", "TextTower", ".triu(1)", ".triu(0)"),
    ("35_clip", "contrastive_loss", "cross_entropy(table.T, right)", "cross_entropy(table, right)"),
    ("35_clip", "ImageTower", "self.post_layernorm(x[:, 0])", "self.post_layernorm(x[:, 1])"),
    ("36_vae", "VAE.encode", "mean, logvar = self.quant_conv", "logvar, mean = self.quant_conv"),
    ("36_vae", "VAE.forward", "(logvar / 2).exp()", "logvar.exp()"),
    ("36_vae", "VAE.forward", "- 1 - logvar", "- 1 + logvar"),
    ("36_vae", "VAE", "(0, 1, 0, 1)", "(1, 0, 1, 0)"),
]


def planted(nb, old, new):
    "The notebook with the bug in an exported cell. Raises `ValueError` where the text stands in none, or in several places."
    cells = [c for c in nb["cells"] if re.match(r"\s*#\|\s*export\b", source(c)) and old in source(c)]
    if len(cells) != 1 or source(cells[0]).count(old) != 1: raise ValueError(f"{old!r} must stand once in the exported cells, and does {sum(source(c).count(old) for c in cells)} times")
    cells[0]["source"] = source(cells[0]).replace(old, new)
    return nb


def noticed(tree, k, name, old, new):
    "The first line of the failing cell, or ''."
    path, nb = tree/"nbs"/f"{k:02}_{name}.ipynb", json.loads((NBS/f"{name}.ipynb").read_text("utf-8"))
    path.write_text(json.dumps(planted(nb, old, new) if old else nb), "utf-8")
    p = subprocess.run([str(Path(SCRIPTS)/"nbdev-test"), str(path)], cwd=tree, env={**ENV, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600)
    said = re.search(r"^\s*File \"<ipython-input[^\n]*\n\s*(.+)", p.stdout + p.stderr, re.M)
    return (said[1].strip() if said else "stopped") if p.returncode else ""


if __name__ == "__main__":
    chosen = [(k, m) for k, m in enumerate(MUTANTS) if len(sys.argv) < 2 or sys.argv[1] in (m[0], m[1])]
    with tempfile.TemporaryDirectory() as tmp, ThreadPoolExecutor(2) as pool:
        tree = copy_tree(Path(tmp), lambda p: Path(p).parts[0] not in ("data", "bench"))
        lessons = sorted({m[0] for _, m in chosen})
        for name, line in zip(lessons, pool.map(lambda n: noticed(tree, 99, n, "", ""), lessons)):
            if line: sys.exit(f"{name} fails without any bug: {line}")
        missed = 0
        for (k, (name, what, old, new)), line in zip(chosen, pool.map(lambda x: noticed(tree, x[0], x[1][0], x[1][2], x[1][3]), chosen)):
            missed += not line
            print(f"{name} {what}: `{old.strip()}` -> `{new.strip()}`: {'NOT NOTICED' if not line else 'noticed by `' + line[:110] + '`'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} bugs noticed")
    sys.exit(missed > 0)
