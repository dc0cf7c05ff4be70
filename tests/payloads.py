"Files that would do harm, and files that are broken: what `test_files.py` gives to everything that reads."
import base64, json, os, pickle, shutil, struct, zipfile, zlib
from pathlib import Path


class Evil:
    "A pickle of it makes the canary when it is opened."
    def __init__(self, canary): self.canary = str(canary)
    def __reduce__(self): return open, (self.canary, "w")


def code(canary): return f"open({str(canary)!r}, 'w')\nclass Evil:\n    def __init__(self, *a, **k): open({str(canary)!r}, 'w')\n    from_pretrained = from_config = classmethod(lambda cls, *a, **k: cls())\n"


def edit(file, **settings): file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def models(tmp, model, canary):
    "(kind, folder, what its error says): copies of the pipeline folder `model` that ask for more than numbers."
    import torch
    poison, unet = pickle.dumps(Evil(canary)), Path("unet/diffusion_pytorch_model.safetensors")
    torch.save(Evil(canary), tmp/"zip.pt"); packed = (tmp/"zip.pt").read_bytes()
    def folder(name): shutil.copytree(model, to := tmp/name); return to
    def swap(f, suffix, data): (f/unet).unlink(); (f/unet).with_suffix(suffix).write_bytes(data)
    f = folder("pickle bin"); swap(f, ".bin", poison); yield f, "diffusion_pytorch_model.bin only, which can hold a program and is never read"
    f = folder("torch zip bin"); (f/"text_encoder/model.safetensors").unlink(); (f/"text_encoder/pytorch_model.bin").write_bytes(packed); yield f, "pytorch_model.bin only"
    f = folder("ckpt"); swap(f, ".ckpt", packed); yield f, "diffusion_pytorch_model.ckpt only"
    f = folder("pickle as safetensors"); swap(f, ".safetensors", poison); yield f, "diffusion_pytorch_model.safetensors is a pickle, which is a program"
    f = folder("torch zip as safetensors"); swap(f, ".safetensors", packed); yield f, "is a zip, as torch.save writes it around a pickle"
    f = folder("auto_map"); (f/"unet/evil.py").write_text(code(canary)); edit(f/"unet/config.json", auto_map=dict(AutoModel="evil.Evil")); yield f, "asks for code of its own (auto_map="
    f = folder("tokenizer code"); (f/"tokenizer/evil.py").write_text(code(canary)); edit(f/"tokenizer/tokenizer_config.json", auto_map=dict(AutoTokenizer=["evil.Evil", None])); yield f, "tokenizer_config.json asks for code of its own"
    f = folder("custom pipeline"); (f/"evil.py").write_text(code(canary)); edit(f/"model_index.json", _class_name=["evil", "Evil"]); yield f, "runs no pipeline of a file's own"
    f = folder("module in the folder"); (f/"unet/evil.py").write_text(code(canary)); edit(f/"model_index.json", unet=["evil", "Evil"]); yield f, "no other class is built"
    f = folder("foreign class"); edit(f/"model_index.json", scheduler=["os", "system"]); yield f, "wants ['os', 'system'] for the part scheduler"
    f = folder("foreign part"); edit(f/"model_index.json", evil=["subprocess", "Popen"]); yield f, "none of Stable Diffusion"
    f = folder("part outside"); edit(f/"model_index.json", **{"../../unet": ["diffusers", "UNet2DConditionModel"]}); yield f, "none of Stable Diffusion"
    f = folder("pieces outside"); shutil.copy(f/unet, tmp/"piece.safetensors"); swap(f, ".safetensors.index.json", json.dumps(dict(weight_map={"x": "../../piece.safetensors"})).encode()); yield f, "only safetensors beside it are read"
    f = folder("link to weights"); (f/unet).unlink(); os.symlink(tmp/"zip.pt", f/unet); yield f, "is a link that leads out of"
    f = folder("link to settings"); (f/"vae/config.json").unlink(); os.symlink(Path(model)/"vae/config.json", f/"vae/config.json"); yield f, "is a link that leads out of"
    f = folder("manifest outside"); (f/"manifest.json").write_text(json.dumps(dict(files={"../secret": dict(bytes=1, sha256="0" * 64)}))); yield f, "manifest.json is damaged"


def single(tmp, canary):
    "(file, what its error says): single files that are no weights."
    import numpy as np, torch
    poison = pickle.dumps(Evil(canary)); box = np.empty(1, object); box[0] = Evil(canary)
    for suffix in (".bin", ".pkl", ".ckpt"): (f := tmp/f"poison{suffix}").write_bytes(poison); yield f, "is never read: only safetensors are"
    torch.save(Evil(canary), f := tmp/"poison.pt"); yield f, "is never read"
    shutil.copy(tmp/"poison.pt", f := tmp/"poison.pth"); yield f, "is never read"
    np.save(f := tmp/"poison.npy", box, allow_pickle=True); yield f, "is never read"
    np.save(tmp/"x.npy", box, allow_pickle=True); (tmp/"x.npy").rename(f := tmp/"array.safetensors"); yield f, "is an array of numpy's and no safetensors"
    (f := tmp/"poison.safetensors").write_bytes(poison); yield f, "is a pickle, which is a program and is never read"
    with zipfile.ZipFile(f := tmp/"slip.safetensors", "w") as z: z.writestr("../../canary", "out")
    yield f, "is a zip"
    for name, data, text in (("page", b"<!DOCTYPE html><html>404", "is a web page"), ("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "is a pointer of Git LFS"), ("none", b"", "is empty"), ("said", b'{"error": "no"}', "is JSON")):
        (f := tmp/f"{name}.safetensors").write_bytes(data); yield f, text
    (f := tmp/"huge.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}"); yield f, "is damaged"


def recipes():
    "(settings, what the error says): recipes in a PNG that ask for more than a picture."
    good = dict(mode="txt2img", prompt="a fox", seed=1, num_inference_steps=1, guidance_scale=1.0, model="pocket")
    bomb = dict(kind="tensor", dtype="uint8", sha256="0" * 64, zlib=base64.b64encode(zlib.compress(bytes(10**7))).decode())
    for change, text in ((dict(mode="__import__"), "mode '__import__' is unknown"), (dict(mode=["txt2img"]), "does not say which function"), (dict(scheduler="os.system", scheduler_config={}), "scheduler 'os.system' is none of diffusers"),
                         (dict(scheduler="DiffusionPipeline", scheduler_config={}), "scheduler 'DiffusionPipeline' is none"), (dict(scheduler="utils", scheduler_config={}), "scheduler 'utils' is none"),
                         (dict(scheduler="ddim", scheduler_config=dict(num_train_timesteps=10**12)), "num_train_timesteps"), (dict(scheduler="ddim", scheduler_config=dict(beta_schedule="evil")), "scheduler_config is none of"),
                         (dict(latents=dict(kind="tensor", dtype="load", shape=[1], zlib="", sha256="")), "tensor in this recipe cannot be read"), (dict(latents=bomb | dict(shape=[10**12])), "too large"), (dict(latents=bomb | dict(shape=[4])), "is damaged|cannot be read"),
                         (dict(batch=dict(n=10**9, prompts=1, negatives=1, batch_size=1, at=0)), "its batch says"), (dict(model="../../evil/model"), "none of load"), (dict(model="/etc"), "none of load"), (dict(model=["pocket"]), "none of load"),
                         (dict(pipe="x"), "pipe|does not know"), (dict(__class__="x"), "does not know"), (dict(scheduler={"!!python/object/apply:os.system": ["x"]}), "scheduler")): yield good | change, text


def mutated(rng, kind, data, other):
    "The bytes of a safetensors file with one thing wrong. `other`: those of another model's."
    import torch
    from safetensors.torch import load, save
    n = struct.unpack("<Q", data[:8])[0]; head = json.loads(data[8:8 + n]); note = head.get("__metadata__"); tensors = load(data)
    def bit(at): b = bytearray(data); b[at] ^= 1 << rng.randrange(8); return bytes(b)
    def pick(least=1): return rng.choice([k for k, v in tensors.items() if v.numel() >= least and v.is_floating_point() and v.ndim])
    def planted(x): k = pick(); v = tensors[k].clone(); v.view(-1)[rng.randrange(v.numel())] = x; return save(tensors | {k: v}, note)
    if kind == "header bit": # in the length or the table; a bit of the free text says nothing about a number
        free = range(0)
        if note: at = data.index(b'"__metadata__"'); free = range(at, at + len(json.dumps(note, separators=(",", ":"), ensure_ascii=False).encode()) + 16)
        return bit(rng.choice([k for k in range(8 + len(data[8:8 + n].rstrip())) if k not in free]))
    if kind == "data bit": return bit(rng.randrange(8 + n, len(data)))
    if kind == "cut": return data[:rng.randrange(1, len(data))]
    if kind == "appended": return data + rng.randbytes(rng.choice((1, 8, 1000)))
    if kind == "renamed": k = pick(); return save({(k[:-1] + "_" if q == k else q): v for q, v in tensors.items()}, note)
    if kind == "lost": k = pick(); return save({q: v for q, v in tensors.items() if q != k}, note)
    if kind == "nan": return planted(float("nan"))
    if kind == "inf": return planted(rng.choice((float("inf"), -float("inf"))))
    if kind == "dtype": k = pick(); return save(tensors | {k: tensors[k].to(rng.choice((torch.int8, torch.int64, torch.bool)))}, note)
    if kind == "shape": k = pick(2); return save(tensors | {k: rng.choice((tensors[k].reshape(-1)[:-1].clone(), tensors[k][None].clone() if tensors[k].ndim < 2 else tensors[k].flatten()))}, note)
    if kind == "zeros": return data[:(k := 8 + n + (len(data) - 8 - n) // 3)] + bytes(len(data) - k)
    if kind == "empty": return b""
    if kind == "swapped": return other
    raise ValueError(kind)
