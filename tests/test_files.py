"One gate for files: no pickle, no code, no damaged weights, no network where none is needed, no name that leaves its folder, no token and no prompt where it does not belong."
import ast, hashlib, itertools, json, os, random, re, shutil, subprocess, sys
from pathlib import Path
import pytest, torch
import hub, payloads, tiny
from conftest import ENV, ROOT, python, tracked
from test_house import EVERY, code, parsed
from course import NBS

MUTANTS = int(os.environ.get("SDCOURSE_MUTANTS", 40)) # of 500 mutated weight files, how many are tried


# What the source may not do

UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "torch.hub.load", "torch.jit.load", "torch.package", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "pandas.read_pickle", "shutil.unpack_archive", "runpy.run_path", "from_single_file"}
GATE = {"load_file", "safe_open", "load_lora_weights", "load_textual_inversion", "from_pretrained", "load_dataset", "hf_hub_download", "snapshot_download"} # the ways to weights: what of the package calls them
MAY = { # (file, call): why it may
    ("sdcourse/exercises/book.py", "exec"): "the code of this course's own exercises", ("nbs/84b_books.ipynb", "exec"): "the same", ("nbs/exercises/38_bugs.ipynb", "exec"): "the same",
    ("nbs/82b_runtime.ipynb", "exec"): "the set-up cell, as a notebook runs it",
    ("bench/faults.py", "eval"): "the corpus of faults, which is Python of this repository",
    ("nbs/87_keyframes.ipynb", "eval"): "the naive form, shown to say why it is not what is exported",
    **{("sdcourse/files.py", c): "the gate" for c in ("safe_open", "from_pretrained", "hf_hub_download", "snapshot_download")},
    ("sdcourse/models.py", "from_pretrained"): "behind check_pipeline, its networks given", ("sdcourse/train_pocket.py", "from_pretrained"): "a tokenizer, behind check_model",
    ("sdcourse/tune/train.py", "load_lora_weights"): "behind read_weights", ("sdcourse/tune/train.py", "load_textual_inversion"): "behind read_weights", ("sdcourse/tune/data.py", "load_dataset"): "pictures and captions, no code: datasets runs none since 4.0",
}


def dotted(f): return f.id if isinstance(f, ast.Name) else f"{dotted(f.value)}.{f.attr}" if isinstance(f, ast.Attribute) else ""


def unsafe(tree, gate=False):
    "What of a piece of source could run a stranger's program, or read weights beside the gate."
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): yield from (a.name for a in n.names if a.name.split(".")[0] in UNSAFE_MODULES)
        if isinstance(n, ast.ImportFrom) and (n.module or "").split(".")[0] in UNSAFE_MODULES: yield n.module
        if not isinstance(n, ast.Call): continue
        name = dotted(n.func); last = name.split(".")[-1]; words = {k.arg: k.value for k in n.keywords}
        yield from (c for c in UNSAFE_CALLS if name == c or name.endswith("." + c) and "." in c or c == last == "from_single_file")
        if gate and last in GATE and not (last == "from_pretrained" and "Embedding" in name): yield last
        for k, v in words.items():
            if k in ("trust_remote_code", "allow_pickle", "shell", "allow_dangerous_deserialization") and not (isinstance(v, ast.Constant) and v.value is False): yield f"{k}={ast.unparse(v)}"
            if k in ("use_safetensors", "weights_only", "safe_serialization") and not (isinstance(v, ast.Constant) and v.value is True): yield f"{k}={ast.unparse(v)}"
            if k == "custom_pipeline": yield k
        if last == "getattr" and len(n.args) > 1 and dotted(n.args[0]) in ("os", "builtins", "subprocess", "sys"): yield f"getattr({dotted(n.args[0])}, ...)"
        if last in ("__import__", "import_module") and n.args and not isinstance(n.args[0], (ast.Constant, ast.JoinedStr, ast.Name)): yield last
        if name.startswith("subprocess.") and n.args and isinstance(n.args[0], (ast.JoinedStr, ast.BinOp, ast.Constant)): yield f"{name} of a text"


def sources():
    for p in tracked():
        if p.endswith(".py") and p.split("/")[0] in ("sdcourse", "data", "bench"): yield p, ast.parse((ROOT/p).read_text("utf-8")), p.startswith("sdcourse/")
    for nb in EVERY:
        for cell in code(nb): yield nb.relative_to(NBS.parent).as_posix(), parsed(cell), False


def test_nothing_in_the_source_runs_a_strangers_program():
    "Every module, build script, benchmark and notebook; in the package, weights are read by the gate alone. What may do it is listed with its reason, and still does it."
    found = {(where, what) for where, tree, gate in sources() for what in unsafe(tree, gate)}
    assert not (bad := sorted(found - set(MAY))), f"unsafe loading: {bad}"
    assert not (gone := sorted(set(MAY) - found)), f"these need no permission any more: {gone}"


@pytest.mark.parametrize("text", ["import pickle", "from joblib import load", "import shelve as s", "torch.load(f, weights_only=True)", "torch.load(f)", "np.load(f, allow_pickle=True)", "yaml.load(f, Loader=L)", "eval(x)", "builtins.exec(x)" and "exec(x)", "os.system(x)",
                                  "subprocess.run(x, shell=True)", "subprocess.run(f'ls {x}')", "A.from_pretrained(x, trust_remote_code=True)", "A.from_pretrained(x, use_safetensors=False)", "A.from_single_file(x)", "D.from_pretrained(x, custom_pipeline=y)", "shutil.unpack_archive(x)", "getattr(os, x)()", "pipe.load_lora_weights(x)"])
def test_unsafe_source_is_seen(text): assert list(unsafe(ast.parse(text), gate=True))


# Payloads

@pytest.fixture(scope="module")
def small(tmp_path_factory): return tiny.save(tmp_path_factory.mktemp("small")/"model")


@pytest.fixture(scope="module")
def pipe(small):
    from sdcourse.models import load
    return load(small, device="cpu")


@pytest.fixture
def canary(tmp_path):
    "A file that no payload may make."
    yield (file := tmp_path/"canary"); assert not file.exists() and not list(tmp_path.parent.glob("canary"))


def refused(call, text, *, names=None):
    with pytest.raises((OSError, ValueError, TypeError)) as e: call()
    said = str(e.value); assert re.search(text.replace("[", r"\[").replace("(", r"\("), said), said
    assert len(said) < 900 and (names is None or names in said), said
    return said


def test_the_canary_is_alive(tmp_path):
    "The payloads are no dummies: opened as others open them, they do make the file."
    import pickle
    for open_it in (lambda d: pickle.loads(d), lambda d: torch.load(tmp_path/"x.pt", weights_only=False)):
        torch.save(payloads.Evil(tmp_path/"canary"), tmp_path/"x.pt"); open_it(pickle.dumps(payloads.Evil(tmp_path/"canary"))); assert (tmp_path/"canary").exists(); (tmp_path/"canary").unlink()
    exec(payloads.code(tmp_path/"canary"), {}); assert (tmp_path/"canary").exists()


def test_models_with_payloads(small, canary, tmp_path):
    from sdcourse.models import load
    (tmp_path/"in").mkdir(); kinds = 0
    for folder, text in payloads.models(tmp_path/"in", small, canary): refused(lambda: load(folder, device="cpu"), text, names=str(tmp_path)); kinds += 1
    assert kinds >= 16
    both = tmp_path/"both"; shutil.copytree(small, both); import pickle
    for part in ("unet", "vae", "text_encoder"): (both/part/"diffusion_pytorch_model.bin").write_bytes(pickle.dumps(payloads.Evil(canary))); (both/part/"extra.py").write_text(payloads.code(canary))
    load(both, device="cpu") # what lies beside the safetensors is not looked at


def test_single_files_with_payloads(small, pipe, canary, tmp_path):
    from sdcourse.files import read_weights
    from sdcourse.measure import load_judge
    from sdcourse.models import load
    from sdcourse.tune.train import load_trained
    (tmp_path/"in").mkdir(); kinds = 0
    for file, text in payloads.single(tmp_path/"in", canary):
        for call in (lambda: read_weights(file), lambda: load_trained(pipe, file)): refused(call, text, names=file.name)
        refused(lambda: load(str(file), device="cpu"), "is a single file, and a model is a folder", names=file.name)
        (lora := tmp_path/f"lora {kinds}").mkdir(); shutil.copy(file, lora/"pytorch_lora_weights.safetensors"); refused(lambda: load_trained(pipe, lora), "pickle|zip|numpy|page|LFS|empty|JSON|damaged", names="pytorch_lora_weights.safetensors"); kinds += 1
        (word := tmp_path/f"word {kinds}").mkdir(); shutil.copy(file, word/"learned_embeds.safetensors"); refused(lambda: load_trained(pipe, word), "pickle|zip|numpy|page|LFS|empty|JSON|damaged", names="learned_embeds.safetensors")
    assert kinds >= 12 and not getattr(pipe.unet, "peft_config", {})
    shutil.copytree(ROOT/"sdcourse/pocket_judge", j := tmp_path/"judge"); shutil.copy(tmp_path/"in/poison.bin", j/"judge.safetensors"); refused(lambda: load_judge(j), "judge.safetensors is damaged: expected")
    (j/"manifest.json").unlink(); refused(lambda: load_judge(j), "manifest.json is missing")


def test_checkpoints_with_payloads(canary, tmp_path):
    import pickle
    from sdcourse.files import read_state
    from sdcourse.train_pocket import fit
    poison = pickle.dumps(payloads.Evil(canary)); w = torch.nn.Parameter(torch.zeros(2))
    (tmp_path/"run.safetensors").write_bytes(poison); refused(lambda: read_state(tmp_path/"run.safetensors"), "is a pickle.*begins again"); refused(lambda: next(fit(tmp_path/"run.safetensors", {}, [w], None, lr=.1, steps=3)), "is a pickle")
    torch.save(payloads.Evil(canary), tmp_path/"old.pt"); refused(lambda: next(fit(tmp_path/"old.safetensors", {}, [w], None, lr=.1, steps=3)), "old.pt is a checkpoint of an older sdcourse, and a pickle, which is never read. Remove it")


def test_recipes_with_payloads(canary, tmp_path):
    "What a picture says of itself is settings and nothing else."
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo
    from sdcourse.replays import replay
    for k, (settings, text) in enumerate(payloads.recipes()):
        info = PngInfo(); info.add_text("sdcourse", json.dumps(settings)); Image.new("RGB", (8, 8)).save(f := tmp_path/f"{k}.png", pnginfo=info)
        refused(lambda: replay(f), text)


def test_data_with_payloads(canary, tmp_path):
    "Pictures, jobs and tables that name files elsewhere, archives, a schedule with a program in it."
    from PIL import Image
    from sdcourse.jobs import run_jobs, write_jobs
    from sdcourse.keyframes import parse_schedule
    from sdcourse.tune.data import _open, load_data
    secret = tmp_path/"secret.png"; Image.new("RGB", (64, 64), "red").save(secret); d = tmp_path/"data"; d.mkdir()
    for k in range(2): Image.new("RGB", (64, 64)).save(d/f"{k}.png"); (d/f"{k}.txt").write_text("a fox")
    assert len(load_data(d)) == 2
    for name in ("../secret.png", str(secret), "link.png"):
        os.path.lexists(d/"link.png") or os.symlink(secret, d/"link.png")
        (d/"metadata.jsonl").write_text("".join(json.dumps(dict(file_name=n, text="a fox")) + "\n" for n in ("0.png", name))); refused(lambda: load_data(d), "line 2 of .*metadata.jsonl names the file .* which is not in", names=name.split("/")[-1])
    (d/"metadata.jsonl").unlink(); (d/"link.txt").write_text("a fox"); refused(lambda: load_data(d), "only files of this folder are read", names="link.png")
    refused(lambda: _open(dict(bytes=None, path=str(secret))), "which names the file"); refused(lambda: _open(dict(bytes=None, path="../../secret.png")), "of this machine")
    import zipfile
    with zipfile.ZipFile(z := tmp_path/"slip.zip", "w") as f: f.writestr("../canary", "out"); f.writestr("0.png", secret.read_bytes())
    refused(lambda: load_data(str(z)), "no data")
    j = tmp_path/"jobs"; j.mkdir(); write_jobs([dict(mode="img2img", prompt="a fox", seed=1, image=Image.open(secret), num_inference_steps=1)], j/"jobs.jsonl"); line = json.loads((j/"jobs.jsonl").read_text())
    for name in ("../secret.png", str(secret)):
        line["image"]["file"] = name; (j/"jobs.jsonl").write_text(json.dumps(line) + "\n"); refused(lambda: list(run_jobs(j/"jobs.jsonl", pipe=_Fake())), "names the file", names="secret.png")
    (j/"jobs.jsonl").write_text(json.dumps(dict(mode="load", prompt="a fox", seed=1)) + "\n"); refused(lambda: run_jobs(j/"jobs.jsonl"), "unknown mode 'load'")
    refused(lambda: parse_schedule(f"0:(open({str(canary)!r}, 'w'))", frames=10), "column")
    (j/"x.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1"); from sdcourse.tune.data import _parquet; refused(lambda: list(_parquet(j/"x.parquet", "all", None)), "x.parquet is damaged")


class _Fake:
    "Stands in for a pipeline where nothing is drawn."
    class scheduler: config = type("C", (), dict(num_train_timesteps=1000))
    class vae: config = type("C", (), dict(block_out_channels=(1, 1, 1)))
    class unet: config = type("C", (), dict(sample_size=16))
    vae_scale_factor = 4


# 500 mutated weight files

def targets(top, small):
    "(name, the file that is mutated, what loads it, kinds of mutation that must be noticed, tensors of another model): with a manifest every one, without it all that can be."
    import copy
    from peft import LoraConfig
    from safetensors.torch import save
    from sdcourse.core import write_manifest
    from sdcourse.files import load_model, read_state, save_state
    from sdcourse.measure import load_judge
    from sdcourse.models import load
    from sdcourse.tune.train import finetune, load_trained, save_trained
    from PIL import Image
    whole = ("header bit", "data bit", "cut", "appended", "renamed", "lost", "nan", "inf", "dtype", "shape", "zeros", "empty", "swapped"); free = tuple(k for k in whole if k != "data bit")
    other = save(dict(a=torch.ones(3, 3))); pocket = ROOT/"sdcourse"
    def kept(name, folder): shutil.copytree(folder, top/name); return top/name
    for part, f in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        d = top/"shipped"; d.exists() or kept("shipped", pocket/"pocket_sd"); yield f"shipped {part}", d/part/f"{f}.safetensors", lambda d=d: load(d, device="cpu"), whole, other
        d = top/"own"; d.exists() or kept("own", small); yield f"own {part}", d/part/f"{f}.safetensors", lambda d=d: load(d, device="cpu"), free, (small/("vae" if part == "unet" else "unet")/"diffusion_pytorch_model.safetensors").read_bytes()
    d = kept("saved", small); write_manifest(d); yield "saved model", d/"unet/diffusion_pytorch_model.safetensors", lambda d=d: load(d, device="cpu"), whole, other
    base = load(small, device="cpu")
    yield "trained model", d/"unet/diffusion_pytorch_model.safetensors", lambda d=d: load_trained(base, d), whole, other
    d = kept("judge", pocket/"pocket_judge"); yield "judge", d/"judge.safetensors", lambda d=d: load_judge(d), whole, other
    from transformers import CLIPModel
    d = kept("clip", pocket/"pocket_clip"); yield "CLIP", d/"model.safetensors", lambda d=d: load_model(CLIPModel, d), whole, other
    taught = copy.deepcopy(base)
    with torch.random.fork_rng(): torch.manual_seed(0); taught.unet.add_adapter(LoraConfig(r=3, lora_alpha=3, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    save_trained(taught, top/"lora", "lora"); yield "LoRA", top/"lora/pytorch_lora_weights.safetensors", lambda: load_trained(base, top/"lora").unload_lora_weights(), whole, other
    (top/"bare").mkdir(); shutil.copy(top/"lora/pytorch_lora_weights.safetensors", f := top/"bare/foxes.safetensors"); yield "bare LoRA", f, lambda f=f: load_trained(base, f).unload_lora_weights(), tuple(k for k in free if k != "zeros"), other
    taught.tokenizer.add_tokens("<imp>"); taught.text_encoder.resize_token_embeddings(len(taught.tokenizer), mean_resizing=False)
    save_trained(taught, top/"word", "inversion"); yield "word", top/"word/learned_embeds.safetensors", lambda: load_trained(copy.deepcopy(base), top/"word"), tuple(k for k in whole if k != "lost"), other
    shutil.copy(top/"word/learned_embeds.safetensors", f := top/"bare/imp.safetensors"); yield "bare word", f, lambda f=f: load_trained(copy.deepcopy(base), f), ("cut", "appended", "nan", "inf", "dtype", "empty", "swapped"), other # its name is the word, any word will do, and a row is a row without its second bracket
    data = [(Image.new("RGB", (64, 64), c), "a fox") for c in ("red", "blue")]; kw = dict(method="lora", rank=2, batch_size=1, out=top/"run", save_every=1)
    list(finetune(copy.deepcopy(base), data, steps=1, **kw)); yield "checkpoint", top/"run/checkpoint-00000001.safetensors", lambda: list(finetune(copy.deepcopy(base), data, steps=1, resume=True, **kw)), whole, other
    net = torch.nn.Linear(9, 9); save_state(dict(parts=dict(net=net.state_dict()), opt=torch.optim.AdamW(net.parameters()).state_dict(), i=1, spent=.5), top/"unet.safetensors"); yield "training", top/"unet.safetensors", lambda: read_state(top/"unet.safetensors"), whole, other


def test_mutated_weights(small, tmp_path, record_property):
    """Each is refused, with the file's name and what to do; then the untouched file loads again, and nothing of a refused one is left in the pipeline.

    All 500: SDCOURSE_MUTANTS=500 pytest tests/test_files.py -k mutated. Measured: 500 of 16 kinds of weights with 13 kinds of damage, 0 loaded silently, 0 with a poor error; 39 s of a core."""
    with torch.random.fork_rng(): every = list(targets(tmp_path, small))
    todo = list(itertools.islice(itertools.cycle((t, k) for n in range(13) for t in every for k in [t[3][n % len(t[3])]]), 500)); rng = random.Random(0); step = 500 / MUTANTS
    chosen = {int(k * step) for k in range(MUTANTS)}; seen, silent, poor = {}, [], []
    for k, ((name, file, call, _, other), kind) in enumerate(todo):
        rng.seed(k)
        if k not in chosen: continue
        good = file.read_bytes(); bad = payloads.mutated(rng, kind, good, other); assert bad != good
        file.write_bytes(bad)
        try: call()
        except (OSError, ValueError) as e:
            said = str(e); seen[name, kind] = said
            if file.name not in said and file.parent.name not in said or not re.search(r"again|[Rr]emove|load the one|Get the", said) or len(said) > 900: poor.append((k, name, kind, said))
        except Exception as e: poor.append((k, name, kind, repr(e)))
        else: silent.append((k, name, kind))
        finally: file.write_bytes(good)
    print(f"{len(chosen)} mutated files of {len(every)} kinds of weights, {len({k for _, k in seen})} kinds of damage: {len(silent)} loaded silently, {len(poor)} with a poor error")
    record_property("mutated", len(chosen)); record_property("kinds of weights", len(every))
    assert not silent and not poor, (silent, poor)
    for name, file, call, *_ in every: call() # the files as they were, and the pipeline that refused the others


def test_what_a_manifest_is_for(small, tmp_path):
    "A changed bit that leaves a number finite: seen where there is a manifest, which save_trained writes; in a folder of one's own it cannot be."
    from sdcourse.core import write_manifest
    from sdcourse.models import load
    d = tmp_path/"own"; shutil.copytree(small, d); f = d/"unet/diffusion_pytorch_model.safetensors"; write_manifest(d); b = bytearray(f.read_bytes()); b[-4] ^= 1; f.write_bytes(b)
    said = refused(lambda: load(d, device="cpu"), "is damaged: expected sha256"); assert "write_manifest(folder) says so" in said
    (d/"manifest.json").unlink(); load(d, device="cpu")
    f.rename(f.with_name("diffusion_pytorch_model.safetensors.incomplete")); refused(lambda: load(d, device="cpu"), "is a download that broke off")


# No network, no token, no way out, no HTML

ALONE = """import json, os, socket, sys
tried = []
class Blocked(socket.socket):
    def connect(self, to): tried.append(to); raise OSError("no network")
    connect_ex = connect
def never(*a, **k): tried.append(a[:2]); raise socket.gaierror("no network")
socket.socket, socket.getaddrinfo, socket.create_connection = Blocked, never, never
from click.testing import CliRunner
from sdcourse.cli import main
out = open("said.log", "w")
def sd(*args, code=0):
    r = CliRunner().invoke(main, [str(a) for a in args]); print("$", *args, "\\n", r.output, file=out); assert r.exit_code == code, (args, r.output, r.exception); return r.output
F = ("--steps", 1, "--seed", 3, "--guidance", 1, "--quiet")
PROMPTS = ["../../x", "/etc/x", "a/b", "con", "\\0nul\\0", "two\\nlines", "\\U0001f98a fox", "<script>alert(1)</script>", "x" * 3000, "..", ".", "C:\\\\x", "%2e%2e/x", "-x", "$HOME `id`"]
os.makedirs("box/in"); os.chdir("box/in")
for p in PROMPTS: sd("txt2img", *F, "--", p)
sd("txt2img", "a fox", "--grid", "--n", 2, *F, "--out", "a"); sd("sweep", "../../x", "con", "--steps", 1, "--seed", "1", "--guidance", "1,2", "--quiet"); sd("jobs", "x-sweep/jobs.jsonl", "--quiet")
sd("dream", "../up", "con", "--frames", 2, "--film", "gif", *F); sd("chain", "fox", "../../y", "--strength", 1, *F); one = sd("txt2img", "a fox", "--out", "one.png", *F); sd("replay", "one.png"); sd("history", "a"); sd("doctor")
from sdcourse.explorers import explore
from sdcourse.files import load_model, read_weights
from sdcourse.measure import JUDGE, load_judge
from sdcourse.models import POCKET, load
from sdcourse.replays import history, replay
from sdcourse.sweeps import sweep
from sdcourse.tune.data import load_data
from transformers import CLIPModel
import sdcourse
load_judge(); load_model(CLIPModel, POCKET.parent/"pocket_clip"); read_weights(POCKET/"vae/diffusion_pytorch_model.safetensors"); load_data(limit=2); replay("one.png")
sdcourse.img2img(load(), "a fox", sdcourse.open_picture("fox"), strength=.5, num_inference_steps=2, seed=1)
assert not tried, tried
import time; time.sleep = lambda s: None # the hub's client waits between its tries
page = history(".")._repr_html_(); assert "<script" not in page and "&lt;script&gt;" in page
for args in (("txt2img", "a fox", "--model", "someone/gone", *F), ("txt2img", "a fox", "--model", "sd14", *F), ("txt2img", "a fox", "--lora", "lcm", *F), ("finetune", "--data", "someone/gone", "--out", "t")): assert "network" in sd(*args, code=1), args
assert tried; out.close(); print("DONE", len(PROMPTS))
"""


def test_alone(tmp_path):
    "A process without a network draws, sweeps, dreams, judges, replays and never tries to reach one; its files stay in their folder whatever the prompt; the token is nowhere."
    token = "hf_CanaryOfTheTokenxxxxxxxxxxxxxxxx"; env = {k: v for k, v in ENV.items() if not k.startswith("HF_")} | dict(HF_TOKEN=token, HF_HOME=str(tmp_path/"home"), OMP_NUM_THREADS="1")
    said = python(ALONE, cwd=tmp_path, env=env); assert said.splitlines()[-1].startswith("DONE") and token not in said
    files = [p for p in tmp_path.rglob("*") if p.is_file() and tmp_path/"home" not in p.parents]; home = tmp_path/"box/in"
    assert {p.relative_to(tmp_path).as_posix() for p in files if home not in p.parents} == {"said.log"}
    assert not [p for p in files if token.encode() in p.read_bytes()]
    made = [p.relative_to(home) for p in files if home in p.parents]; assert len(made) > 25
    for part in {x for p in made for x in p.parts}: assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9]+)?", part) and len(part) < 100 and not re.fullmatch(r"(con|nul|aux|prn)(\..*)?", part), part


def test_prompts_never_become_html(pipe):
    from sdcourse.explorers import _failed
    from sdcourse.replays import _History
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"; rows = _History([dict(file=evil, mode="txt2img", prompt=evil), dict(file="b", mode=evil, prompt="x")]); rows.thumbs = ["", ""]
    for page in (rows._repr_html_(), _failed(ValueError(evil), (8, 8))[1]): assert "<script" not in page and "<img src=x" not in page and "&lt;script&gt;" in page
    from sdcourse.core import slug
    assert slug(evil) == "script-alert-1-script-img-src-x-onerror-alert-1" and slug("con") == "con-picture" and slug("com1") == "com1-picture" and slug("console") == "console" and slug("../..") == "picture"


# The hub's cache

FETCH = """import hashlib, sys
from sdcourse.files import hub_file
for name in sys.argv[2:]:
    try: print("GOT", hashlib.sha256(hub_file(sys.argv[1], name).read_bytes()).hexdigest())
    except OSError as e: print("ERROR", str(e).replace(chr(10), " | "))"""


def test_two_processes_fetch_the_same_and_damage_is_seen(small, tmp_path):
    "Both have the whole file, and one copy is in the cache; what comes with another hash is removed and said, the second time too."
    names = ["unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"]; want = [hashlib.sha256((small/n).read_bytes()).hexdigest() for n in names]
    shutil.copytree(small, tmp_path/"hub/someone/model"); (tmp_path/"hub/someone/bad/unet").mkdir(parents=True); shutil.copy(small/names[0], tmp_path/"hub/someone/bad/unet/wrong.safetensors")
    with hub.serve(tmp_path/"hub", wrong=("wrong.safetensors",)) as (url, seen):
        env = {k: v for k, v in ENV.items() if not k.startswith("HF_")} | dict(HF_ENDPOINT=url, HF_HOME=str(tmp_path/"home"), HF_HUB_DISABLE_XET="1", HF_TOKEN="hf_never_shown")
        both = [subprocess.Popen([sys.executable, "-c", FETCH, "someone/model", *names], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
        for said in [p.communicate(timeout=300)[0] for p in both]: assert [l.split()[1] for l in said.splitlines() if l.startswith("GOT")] == want and "hf_never_shown" not in said, said
        blobs = tmp_path/"home/hub/models--someone--model/blobs"; assert {p.name for p in blobs.iterdir()} == set(want)
        said = python(FETCH, "someone/bad", "unet/wrong.safetensors", "unet/wrong.safetensors", "unet/pytorch_model.bin", env=env); lines = [l for l in said.splitlines() if l.startswith(("GOT", "ERROR"))]
        assert all("came damaged: expected sha256" in l and "It was removed: load again" in l for l in lines[:2]) and "only safetensors are read" in lines[2] and len(lines) == 3, lines
    assert sum(path.endswith(names[0]) and verb == "GET" for verb, path in seen) <= 2 and not any(path.endswith(".bin") for _, path in seen)
