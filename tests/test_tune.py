"Fine-tuning: kills, full disks, several processes, data sets of a hub, and what plain diffusers makes of the results. The trainer's own lesson proves the rest."
import copy, io, json, os, random, signal, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest, torch
import hub, tiny
from conftest import ENV, ROOT, python, run
from PIL import Image
from sdcourse.generate import txt2img
from sdcourse.models import load
from sdcourse.train_pocket import new_unet
from sdcourse.tune.data import CREATURES, load_data
from sdcourse.tune.train import estimate, finetune, load_trained, save_trained

KILLS = int(os.environ.get("SDCOURSE_KILLS", 0)) # of each method


@pytest.fixture(scope="module")
def base(): return load("pocket", device="cpu")


@pytest.fixture(scope="module")
def data(): return load_data(limit=8)


def small(base):
    "The pocket model with an untrained UNet of a twentieth of the size."
    pipe = copy.deepcopy(base)
    with torch.random.fork_rng(): torch.manual_seed(0); pipe.unet = new_unet((16, 16, 32), 128)
    return pipe


@pytest.fixture(scope="module")
def sd(tmp_path_factory): return tiny.save(tmp_path_factory.mktemp("tiny")/"sd") # for what is killed, filled up or started twice: a step takes hundredths of a second


def weights(pipe): return {f"{part}.{n}": p for part in ("unet", "text_encoder", "vae") for n, p in getattr(pipe, part).named_parameters()}
def same(a, b): return weights(a).keys() == weights(b).keys() and all(torch.equal(p, weights(b)[n]) for n, p in weights(a).items())


KILL = """import os, random, shutil, signal, sys, time, copy, torch
sys.path.insert(0, "tests")
from pathlib import Path
torch.set_num_threads(1)
from test_tune import *
from safetensors.torch import load_file
from sdcourse.tune.train import _crc, _note
out, kills, start, data = Path(sys.argv[1]), int(sys.argv[2]), load(sys.argv[3], device="cpu"), load_data(limit=8)
for method in sys.argv[4:]:
    rng = random.Random(0); kw = dict(method=method, steps=8, batch_size=2, ema=.9, seed=1, **dict(full={}, inversion=dict(token="<imp>"), lora=dict(rank=2), dreambooth=dict(token="zwx", class_prompt="a monster", class_data=load_data(limit=12)[8:]))[method])
    whole = copy.deepcopy(start); want = {s.step: s.loss for s in finetune(whole, data, **kw)}; done = saved = rounds = 0
    begin = time.time(); list(finetune(copy.deepcopy(start), data, out=out/f"{method}-timed", save_every=1, **kw)); span = time.time() - begin
    while done < kills:
        rounds += 1; folder = out/f"{method}-{rounds}"
        while True:
            read, write = os.pipe()
            if not (pid := os.fork()):
                pipe = copy.deepcopy(start)
                for s in finetune(pipe, data, out=folder, resume=True, save_every=1, keep=1 + rounds % 3, **kw): os.write(write, f"{s.step} {s.loss!r}\\n".encode())
                assert same(pipe, whole), "other weights than the uninterrupted training's"
                os._exit(7)
            os.close(write)
            if done < kills: time.sleep(rng.uniform(.05, 1) * span); os.kill(pid, signal.SIGKILL) # the last round runs to its end
            code = os.waitpid(pid, 0)[1]; said = os.read(read, 1 << 16).decode().splitlines(); os.close(read)
            for line in said[:-1] if said and not said[-1].count(" ") else said: k, loss = line.split(); assert want[int(k)] == float(loss), (k, loss, want[int(k)])
            for f in folder.glob("checkpoint-*"): tensors = load_file(f); assert _crc(tensors) == _note(f)["crc"]; saved += 1
            if os.WIFEXITED(code): assert os.WEXITSTATUS(code) == 7, code; break
            done += 1
        assert not [*folder.glob(".*")], "what a killed process was writing is still there"
        shutil.rmtree(folder)
    print("KILLED", done, "checkpoints", saved, "finished", rounds)"""


def test_kills(sd, tmp_path):
    "SIGKILL at random moments, saving included: every checkpoint is whole, and every resumed training has the losses and weights of the uninterrupted one."
    kills = KILLS or 1
    for line in python(KILL, tmp_path, kills, sd, "full", "inversion", "lora", "dreambooth", timeout=3600).splitlines()[-4:]: said = line.split(); assert said[0] == "KILLED" and int(said[1]) >= kills and int(said[3]) > 0


def test_one_training_for_a_folder(sd, data, tmp_path):
    "A second one into the same folder is refused while the first runs, and loses it nothing; when the first has been left, the second goes on with its checkpoint."
    kw = dict(steps=6, batch_size=2, save_every=2, seed=1, out=tmp_path/"run"); first = finetune(load(sd, device="cpu"), data, **kw); next(first)
    with pytest.raises(FileExistsError, match="a training writes to .*run already.*choose another folder"): next(finetune(load(sd, device="cpu"), data, **kw, resume=True))
    assert next(first).step == 2; first.close()
    assert [s.step for s in finetune(load(sd, device="cpu"), data, **kw, resume=True)] == [3, 4, 5, 6]


def test_disk_full(sd, data, tmp_path):
    "No room for a checkpoint: an error with the size and the remedy, the older one whole, nothing left behind, and resume goes on from it."
    out = python("""import resource, signal, sys; sys.path.insert(0, "tests")
from test_tune import *
torch.set_num_threads(int(sys.argv[3])); pipe, data = load(sys.argv[2], device="cpu"), load_data(limit=8); kw = dict(steps=6, batch_size=2, out=sys.argv[1], save_every=2)
for s in finetune(pipe, data, **kw):
    if s.step == 2: signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))""".replace("for s in", "try:\n  for s in").replace("    if s.step", "      if s.step") + '\nexcept OSError as e: print("SAID", e)', tmp_path/"run", sd, torch.get_num_threads()) # another number of threads is another last bit
    said = next(l for l in out.splitlines() if l.startswith("SAID"))
    assert "the checkpoint of step 4 (" in said and "checkpoint-00000002.safetensors is still good: make room and call it again with resume=True" in said, said
    assert [p.name for p in (tmp_path/"run").iterdir()] == ["checkpoint-00000002.safetensors"]
    kw = dict(steps=6, batch_size=2, save_every=2); a, b = (load(sd, device="cpu") for _ in range(2))
    want = [s.loss for s in finetune(a, data, **kw)]; assert [s.loss for s in finetune(b, data, out=tmp_path/"run", resume=True, **kw)] == want[2:] and same(a, b)


TEAM = """import json, os, sys; sys.path.insert(0, "tests")
from test_tune import *
torch.set_num_threads(1)
pipe = load(sys.argv[2], device="cpu"); r = [s.loss for s in finetune(pipe, load_data(limit=8), steps=5, batch_size=6, micro_batch=2, out=sys.argv[1])]
if os.environ.get("RANK", "0") == "0": print("LOSSES", json.dumps(r))"""


def test_two_processes(sd, data, tmp_path):
    "Two processes through torchrun and accelerate: the losses and weights of one process with the same global batch, one set of checkpoints."
    (tmp_path/"train.py").write_text(TEAM)
    said = run("torchrun", "--standalone", "--nproc_per_node", "2", tmp_path/"train.py", tmp_path/"run", sd, env={**ENV, "OMP_NUM_THREADS": "1"})
    losses = json.loads(next(l for l in said.splitlines() if "LOSSES" in l).split("LOSSES")[1])
    one = load(sd, device="cpu"); want = [s.loss for s in finetune(one, data, steps=5, batch_size=6)]
    assert np.allclose(losses, want, atol=1e-6), (losses, want)
    from safetensors.torch import load_file
    got = load_file(tmp_path/"run"/"checkpoint-00000005.safetensors"); assert [p.name for p in (tmp_path/"run").iterdir()] == ["checkpoint-00000005.safetensors"]
    off = torch.cat([(got[f"param.{n}"] - p.detach()).abs().flatten() for n, p in one.unet.named_parameters()]); assert (off > 1e-5).float().mean() < .02 # Adam makes a whole step of a gradient that is nothing but rounding


@pytest.mark.parametrize("method", ["full", "lora"])
def test_cached_and_uncached(base, data, method):
    "Bitwise, whatever the sizes of set, batch and micro-batch."
    for n, batch, micro in ((3, 5, None), (8, 4, 3), (7, 2, 1)):
        a, b = ([s.loss for s in finetune(small(base), data[:n], method=method, steps=3, batch_size=batch, micro_batch=micro, flip=True, cache=cache)] for cache in (True, False))
        assert a == b


def test_word_and_lora_together(base, data, tmp_path):
    "A word leaves every other row as it was; a LoRA beside another leaves that one as it was; what was learnt can be left again."
    pipe = copy.deepcopy(base); table = pipe.text_encoder.get_input_embeddings().weight.detach().clone()
    list(finetune(pipe, data[:3], method="inversion", token="<imp>", init_token="fox", steps=2, batch_size=2))
    after = pipe.text_encoder.get_input_embeddings().weight.detach(); assert torch.equal(after[:-1], table) and not torch.equal(after[-1], table[pipe.tokenizer("fox").input_ids[1]])
    assert all(torch.equal(p, weights(base)[n]) for n, p in weights(pipe).items() if p.shape != after.shape) and not any(p.requires_grad != q.requires_grad for p, q in zip(pipe.unet.parameters(), base.unet.parameters()))
    with pytest.raises(ValueError, match="has the word '<imp>' already"): finetune(pipe, data, method="inversion", token="<imp>")
    list(finetune(pipe, data, method="lora", adapter="one", steps=1, batch_size=2, rank=2)); one = {n: p.detach().clone() for n, p in weights(pipe).items() if ".one." in n}
    list(finetune(pipe, data, method="lora", adapter="two", steps=2, batch_size=2, rank=4)); assert one and all(torch.equal(p, weights(pipe)[n]) for n, p in one.items())
    pipe.set_adapters(["one", "two"], [.5, 1.]); both = txt2img(pipe, "a <imp>", seed=1, num_inference_steps=4)
    save_trained(pipe, tmp_path/"one", "lora", adapter="one"); save_trained(pipe, tmp_path/"two", "lora", adapter="two"); save_trained(pipe, tmp_path/"word", "inversion")
    back = copy.deepcopy(base); load_trained(back, tmp_path/"word"); load_trained(back, tmp_path/"one", adapter="one"); load_trained(back, tmp_path/"two", adapter="two"); back.set_adapters(["one", "two"], [.5, 1.])
    assert both[0].tobytes() == txt2img(back, "a <imp>", seed=1, num_inference_steps=4)[0].tobytes()
    pipe.unload_lora_weights(); assert all(torch.equal(p, q) for p, q in zip(pipe.unet.parameters(), base.unet.parameters()))


def test_half_precision_pipeline(base, data):
    "A pipeline in half precision learns in float32 and is in half precision again afterwards."
    pipe = small(base); pipe.unet.half()
    for method in ("full", "lora"):
        *_, last = finetune(pipe, data, method=method, steps=2, batch_size=2, precision="fp32"); assert np.isfinite(last.loss) and {p.dtype for p in pipe.unet.parameters()} == {torch.float16}


def test_other_predictions(base, data):
    "Models that predict v or the picture have their own targets, and min-SNR its own weights."
    for kind in ("v_prediction", "sample"):
        pipe = small(base); pipe.scheduler.register_to_config(prediction_type=kind)
        a, b = ([s.loss for s in finetune(copy.deepcopy(pipe), data, steps=2, batch_size=4, min_snr_gamma=g)][0] for g in (None, 5.)); assert a != b and np.isfinite([a, b]).all()


def test_estimate_has_every_part(base, data):
    "More pictures at a time, a running mean, fewer kept activations: each moves its own part and no other."
    pipe = small(base); parts = lambda **kw: estimate(pipe, data, measure=False, batch_size=8, **kw).parts
    a, b, c = parts(), parts(micro_batch=2, ema=.9), parts(gradient_checkpointing=True)
    n = sum(p.numel() for p in pipe.unet.parameters()); assert a["gradients"] == 4 * n and a["Adam's state"] == 8 * n and b["running mean"] == 4 * n > a["running mean"] == 0
    assert abs(b["activations"] / a["activations"] - 1 / 4) < .01 and c["activations"] < .7 * a["activations"] and a["UNet"] == b["UNet"] == c["UNet"]


ASK = """import sys
from sdcourse.tune.data import load_data
for a in sys.argv[1:]:
    try: d = eval(f"load_data({a})"); print("\\nGOT", len(d), d.images[0].size, d.captions[0])
    except Exception as e: print("\\nERROR", type(e).__name__, str(e).replace("\\n", " | "))"""


def test_data_of_a_hub(data, tmp_path):
    "A table and a folder on a hub, whole and streamed; what is not there is said."
    import datasets; datasets.disable_progress_bars()
    root = tmp_path/"hub"; table, folder = root/"datasets"/"someone"/"imps"/"data", root/"datasets"/"someone"/"folder"/"train"; table.mkdir(parents=True); folder.mkdir(parents=True)
    datasets.Dataset.from_dict(dict(image=data.images, text=data.captions), features=datasets.Features(dict(image=datasets.Image(), text=datasets.Value("string")))).to_parquet(table/"train-00000-of-00001.parquet")
    for k, im in enumerate(data.images): im.save(folder/f"{k}.png")
    (folder/"metadata.jsonl").write_text("".join(json.dumps(dict(file_name=f"{k}.png", text=c)) + "\n" for k, c in enumerate(data.captions)))
    with hub.serve(root) as (url, seen):
        env = {k: v for k, v in ENV.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")} | dict(HF_ENDPOINT=url, HF_HOME=str(tmp_path/"home"), HF_HUB_DISABLE_XET="1")
        said = python(ASK, "'someone/imps'", "'someone/imps', streaming=True, limit=3, size=32", "'someone/folder'", "'someone/folder', streaming=True, limit=2", "'someone/imps', split='test'", "'gone/away'", "'someone/imps', caption_column='x'", env=env)
    got = [l for l in said.splitlines() if l.startswith(("GOT", "ERROR"))]; first = data.captions[0]
    assert got[:4] == [f"GOT 8 (64, 64) {first}", f"GOT 3 (32, 32) {first}", f"GOT 8 (64, 64) {first}", f"GOT 2 (64, 64) {first}"], got
    assert "Unknown split \"test\"" in got[4] and "gone/away: Dataset 'gone/away' doesn't exist" in got[5] and "no column 'x' with captions: its columns are image, text; name the right one with caption_column=" in got[6], got


def test_the_creatures_are_those_of_the_repository():
    import pyarrow.parquet as pq
    here, there = pq.read_table(CREATURES), pq.read_table(ROOT/"data"/"monsters.parquet")
    assert here.to_pylist() == there.select(here.schema.names).to_pylist() and here.num_rows == 728


# What can be wrong with data

def png(n=64, colour="red"): f = io.BytesIO(); Image.new("RGB", (n, n), colour).save(f, "PNG"); return f.getvalue()


NOISE = io.BytesIO(); Image.frombytes("RGB", (64, 64), random.Random(0).randbytes(3 * 64 * 64)).save(NOISE, "PNG"); NOISE = NOISE.getvalue()
ABC = {"a.png": png(), "a.txt": "a wall", "b.png": png(colour="blue"), "b.txt": "a sea", "c.png": png(colour="green"), "c.txt": "grass"}
def without(name): return {k: v for k, v in ABC.items() if k != name}
def listed(*rows): return {"a.png": ABC["a.png"], "b.png": ABC["b.png"], "metadata.jsonl": "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)}
A, B = dict(file_name="a.png", text="a wall"), dict(file_name="b.png", text="a sea")
FAULTS = { # files of a folder: what is said, or the captions that are read of it
    "unreadable in the middle": (ABC | {"b.png": b"no picture"}, "b.png cannot be read"),
    "empty file": (ABC | {"b.png": b""}, "b.png cannot be read"),
    "breaks off": (ABC | {"b.png": NOISE[:4000]}, "b.png cannot be read"),
    "one bit is wrong": (ABC | {"b.png": NOISE[:3000] + bytes([NOISE[3000] ^ 1]) + NOISE[3001:]}, "b.png cannot be read"),
    "too small": (ABC | {"b.png": png(4)}, "b.png is only 4x4 pixels"),
    "smaller than the model's": (ABC | {"b.png": png(16)}, ["a wall", "a sea", "grass"]),
    "sizes mixed": (ABC | {"b.png": png(100), "c.png": png(63)}, ["a wall", "a sea", "grass"]),
    "of an unknown kind": (ABC | {"d.heic": b"ftypheic", "d.txt": "a dune"}, "d.heic has a caption, but .heic is no kind of picture that is read here"),
    "empty caption": (ABC | {"b.txt": ""}, "b.png has an empty caption"),
    "caption of spaces": (ABC | {"b.txt": " \n\t\u00a0\u200b"}, "b.png has an empty caption"),
    "no caption": (without("b.txt"), "b.png has no caption: write what it shows into b.txt"),
    "caption of another alphabet's bytes": (ABC | {"b.txt": "caf\xe9".encode("latin1")}, "b.txt is not UTF-8 text (byte 4 is 0xe9): save it again as UTF-8"),
    "caption in UTF-16": (ABC | {"b.txt": "a sea".encode("utf-16")}, "b.txt is not UTF-8 text"),
    "caption with a zero": (ABC | {"b.txt": "a\0sea"}, "b.png holds a control character"),
    "UTF-8 with a mark": (ABC | {"b.txt": "a sea".encode("utf-8-sig")}, ["a wall", "a sea", "grass"]),
    "a set of one": ({k: ABC[k] for k in ("a.png", "a.txt")}, "1 picture in"),
    "an empty folder": ({}, "holds no pictures (.png"),
    "listed": (listed(A, "", B), ["a wall", "a sea"]),
    "listed with a mark": (listed("\ufeff" + json.dumps(A), B), ["a wall", "a sea"]),
    "a row twice": (listed(A, B, A), "line 3 of"),
    "a row twice by another name": (listed(A, B, A | dict(file_name="./a.png")), "names a.png, as line 1 does"),
    "a row for nothing": (listed(A, B, dict(file_name="z.png", text="z")), "names z.png, which is not there"),
    "a row for a folder": (listed(A, B, dict(file_name=".", text="z")), "which is not there"),
    "outside": (listed(A, dict(file_name="../set.png", text="z")), "'../set.png', which is not in"),
    "far outside": (listed(A, dict(file_name="/etc/hostname", text="z")), "'/etc/hostname', which is not in"),
    "no JSON": (listed(A, "{nope"), "line 2 of"),
    "no object": (listed(A, "[1]"), "is not of the form"),
    "no name": (listed(A, dict(text="a")), "is not of the form"),
    "a name that is none": (listed(A, dict(file_name=3, text="a")), "names the file 3, which is not in"),
    "a caption that is a number": (listed(A, B | dict(text=3)), "the caption of b.png is 3 (int): a caption is text"),
    "a caption that is null": (listed(A, B | dict(text=None)), "b.png has an empty caption"),
    "no column of captions": (listed(dict(file_name="a.png", words="x")), "name the right one of words with --caption-column"),
    "a column that changes": (listed(A, dict(file_name="b.png", prompt="x")), "line 2 of"),
    "a list of nothing": (listed(), "lists no pictures"),
    "a list in another alphabet": (listed(A) | {"metadata.jsonl": json.dumps(A, ensure_ascii=False).replace("wall", "caf\xe9").encode("latin1")}, "metadata.jsonl is not UTF-8 text"),
    "CSV": (without("c.png") | {"metadata.csv": 'file_name,text\na.png,a wall\nb.png,"a sea, blue"\n'}, ["a wall", "a sea, blue"]),
    "CSV with a comma too many": (ABC | {"metadata.csv": "file_name,text\na.png,a wall, red\n"}, "line 2 of"),
    "CSV that breaks off": (ABC | {"metadata.csv": "file_name,text\na.png,a wall\nb.png\n"}, "b.png has an empty caption"),
    "two lists": (listed(A) | {"metadata.csv": "file_name,text\n"}, "holds both metadata.jsonl and metadata.csv"),
    "CSV with a quote that stays open": (ABC | {"metadata.csv": 'file_name,text\na.png,a wall\nb.png,"a sea\nc.png,grass\n'}, "line 3 of"),
    "CSV with a quote that ends too soon": (ABC | {"metadata.csv": 'file_name,text\na.png,"a wall" of stone\n'}, "metadata.csv is no CSV"),
    "CSV with a column twice": (ABC | {"metadata.csv": "file_name,text,text\na.png,a wall,eine Mauer\n"}, "metadata.csv has two columns 'text'"),
    "CSV over several lines": (without("c.png") | {"metadata.csv": 'file_name,text\na.png,"a wall\nof stone"\nb.png,a sea\n'}, ["a wall\nof stone", "a sea"]),
    "a key twice": (listed(A, '{"file_name": "b.png", "text": "a sea", "text": "a lake"}'), "metadata.jsonl says 'text' twice"),
    "a line that only looks like two": (listed(A, '{"file_name": "b.png", "text": "a\u2028sea"}'), ["a wall", "a\u2028sea"]),
    "a caption with a page's end": (ABC | {"b.txt": "a sea\x0cat night"}, "b.png holds a control character"),
    "a caption with another line's end": (ABC | {"b.txt": "a sea\x85at night"}, ["a wall", "a sea\x85at night", "grass"]),
    "a table that is none": ({"data.parquet": b"PAR1"}, "could not load the data"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_folder(name, tmp_path):
    "An error that names the file and the remedy, or the treatment that the docstring of `load_data` says; the command says the same in one line, before a model is loaded, and leaves nothing behind."
    from click.testing import CliRunner
    from sdcourse.cli import main
    files, want = FAULTS[name]; (tmp_path/"set").mkdir()
    for k, v in files.items(): (tmp_path/"set"/k).write_bytes(v if isinstance(v, bytes) else v.encode())
    if isinstance(want, list): got = load_data(tmp_path/"set"); assert got.captions == want and {im.size for im in got.images} == {(64, 64)}; return
    with pytest.raises((ValueError, OSError)) as e: load_data(tmp_path/"set")
    assert want.replace("--caption-column", "caption_column=") in str(e.value) and type(e.value) is not UnicodeDecodeError
    r = CliRunner().invoke(main, ["finetune", "--data", str(tmp_path/"set"), "--out", str(tmp_path/"out")]); last = r.stderr.strip().splitlines()[-1]
    assert r.exit_code in (1, 2) and last.startswith("Error: ") and want in last and "=" not in last.replace("=[", "") and not [*(tmp_path/"out").glob("*")], last


def test_columns_where_there_are_none_to_choose(tmp_path):
    "A column that is named for data which has its own is an error, and not passed over."
    for k, v in ABC.items(): (tmp_path/k).write_bytes(v if isinstance(v, bytes) else v.encode())
    for k in ("caption_column", "image_column"):
        with pytest.raises(ValueError, match=f"{k}='words' is for .*'creatures' has its own: leave it out"): load_data(limit=2, **{k: "words"})
        with pytest.raises(ValueError, match=f"{k}='words' is for .*leave it out"): load_data(tmp_path, **{k: "words"})


def test_faults_of_a_table(tmp_path):
    "A folder of parquet files is read as a data set of the hub, and without a column of captions is an error that names the columns."
    import datasets; datasets.disable_progress_bars()
    table = lambda folder, **columns: ((tmp_path/folder).mkdir(), datasets.Dataset.from_dict(dict(image=[Image.new("RGB", (32, 32), c) for c in ("red", "blue")]) | columns, features=datasets.Features(dict(image=datasets.Image()) | {k: datasets.Value("string") for k in columns})).to_parquet(tmp_path/folder/"train.parquet"))
    table("good", text=["a wall", "a sea"]); assert load_data(tmp_path/"good").captions == ["a wall", "a sea"]
    table("mute", words=["a wall", "a sea"]); assert load_data(tmp_path/"mute", caption_column="words").captions == ["a wall", "a sea"]
    with pytest.raises(ValueError, match="no column 'caption' with captions: its columns are image, words; name the right one with caption_column="): load_data(tmp_path/"mute")
    table("empty", text=["a wall", None])
    with pytest.raises(ValueError, match="row 1 of .* has an empty caption"): load_data(tmp_path/"empty")


def test_faults_around_a_training(base, data, tmp_path, monkeypatch):
    "A folder that cannot be written to and other data are said before the first step; captions that are too long, at it, and once."
    kw = dict(steps=1, batch_size=1, method="lora", rank=1); pipe = small(base); (tmp_path/"file").write_text("")
    for out in ("file", "file/inside"):
        with pytest.raises(OSError, match="cannot be made .*choose another out="): finetune(pipe, data, out=tmp_path/out, **kw)
    with monkeypatch.context() as m:
        m.setattr(os, "access", lambda p, how: False)
        with pytest.raises(PermissionError, match="no right to write"): finetune(pipe, data, out=tmp_path/"run", **kw)
    list(finetune(pipe, data, out=tmp_path/"run", **kw)); was = [p.read_bytes() for p in (tmp_path/"run").iterdir()]
    for other in (data[:7], [(im, c + "!") for im, c in zip(data.images, data.captions)], [(im.rotate(90), c) for im, c in zip(data.images, data.captions)]):
        with pytest.raises(ValueError, match="was trained with other pictures or captions"): finetune(pipe, other, out=tmp_path/"run", resume=True, **kw)
    assert [p.read_bytes() for p in (tmp_path/"run").iterdir()] == was
    long = [(data.images[0], "a very long sea " * 40), (data.images[1], "a wall " * 90), (data.images[2], "a wall")]
    with pytest.warns(UserWarning, match="2 of 4 captions are longer than what the model reads.*has 202 tokens and the model reads 77") as said: list(finetune(pipe, long, **kw))
    assert len([w for w in said if "captions are longer" in str(w.message)]) == 1 # what else is collected in the meantime may warn, too


def test_captions_that_speak_of_the_new_word_are_kept():
    from types import SimpleNamespace
    from sdcourse.tune.train import _told
    data = lambda *texts: SimpleNamespace(forms=[(t,) for t in texts], names=[f"p{k}" for k in range(len(texts))])
    assert _told(data("a {} in the snow", "a <imp>"), "<imp>") == [("a <imp> in the snow",), ("a <imp>",)]
    assert _told(data("a fox", "a cat"), "<imp>") is None
    with pytest.raises(ValueError, match="'a cat' of p1 speaks neither"): _told(data("a {}", "a cat"), "<imp>")


def test_debiased_weights_count_noisy_steps_more():
    "Yu et al. 2023: 1 / sqrt(SNR); here at most 8, and never beside min-SNR."
    from diffusers.training_utils import compute_snr
    from sdcourse.models import load
    from sdcourse.tune.train import _snr_weight
    pipe = load("pocket"); t = torch.tensor([0, 200, 600, 999]); snr = compute_snr(pipe.scheduler, t)
    got = _snr_weight(pipe.scheduler, t, None)
    assert torch.allclose(got[:3], snr[:3] ** -.5) and got[3] == 8 < snr[3] ** -.5 and (got.diff() > 0).all()
    few = [(Image.new("RGB", (64, 64), c), c) for c in ("red", "blue")]; kw = dict(steps=2, batch_size=2, dropout=0, lr=1e-4)
    plain, debiased = ([s.loss for s in finetune(load("pocket"), few, debiased=d, **kw)] for d in (False, True))
    assert plain != debiased
    with pytest.raises(ValueError, match="debiased=True and min_snr_gamma=5.* choose one"): finetune(pipe, few, debiased=True, min_snr_gamma=5)


def test_loras_of_the_package_have_names(tmp_path, monkeypatch):
    from sdcourse.models import OWN_LORAS
    from sdcourse.tune.train import trained_file
    monkeypatch.chdir(tmp_path); assert set(OWN_LORAS) == {"blob", "creatures", "kittens"}
    for name, folder in OWN_LORAS.items(): assert trained_file(name) == (folder/"pytorch_lora_weights.safetensors", "lora")
    kw = dict(seed=5, num_inference_steps=6, guidance_scale=3.); pipe = load("pocket"); plain = generated(pipe, "a red dragon, monster style", **kw)
    tuned = generated(load_trained(pipe, "creatures"), "a red dragon, monster style", **kw); assert np.abs(plain - tuned).mean() > 20
    (tmp_path/"creatures").mkdir() # a folder of this name goes first
    with pytest.raises(FileNotFoundError, match="creatures holds neither"): trained_file("creatures")
    with pytest.raises(FileNotFoundError, match="no folder creature: .*blob, creatures, kittens"): trained_file("creature")


def generated(pipe, prompt, **kw): return np.asarray(txt2img(pipe, prompt, **kw)[0], int)
