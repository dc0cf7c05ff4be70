"`sdcourse finetune` on a Stable Diffusion 1.x in small: what it writes, what draws with it, bad input, and what is left when it is stopped or killed."
import json, os, signal, subprocess, sys, time
from pathlib import Path
import pytest
import hub, tiny
from conftest import ENV, ROOT
from PIL import Image

STEPS = 20
FEW = ("--batch-size", 2, "--limit", 6, "--lr", .01, "--save-every", 4)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    "A folder with the small model in it; one thread, as the processes have. (Each command reads it anew: a copy of a model lies elsewhere in memory, and then its last bits are others.)"
    import torch
    top, was, n = tmp_path_factory.mktemp("finetune"), os.getcwd(), torch.get_num_threads(); os.chdir(top); torch.set_num_threads(1)
    tiny.save("sd")
    yield top
    os.chdir(was); torch.set_num_threads(n)


@pytest.fixture(scope="module")
def sd(here):
    "Run a command in this process: (lines of stdout, stderr)."
    from click.testing import CliRunner
    from sdcourse.cli import main
    def sd(*args, code=0):
        r = CliRunner().invoke(main, [str(a) for a in args])
        assert r.exit_code == code, f"sdcourse {' '.join(map(str, args))}: exit code {r.exit_code}\n{r.stdout}\n{r.stderr}\n{r.exception!r}"
        return r.stdout.splitlines(), r.stderr
    return sd


def asked(out, *more): return ["finetune", "--model", "sd", "--steps", STEPS, *FEW, *(["--offload"] if "--film" not in more else []), "--out", out, *more]
FILM = ("--film-prompt", "a green monster", "--film-every", 10, "--film")
def start(*args, cwd, **env): return subprocess.Popen([sys.executable, "-m", "sdcourse.cli", *map(str, args)], cwd=cwd, env={**ENV, "OMP_NUM_THREADS": "1", **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
def losses(out): return [l.split(",")[:2] for l in Path(out, "losses.csv").read_text().splitlines()[1:]]
def learnt(out): return Path(out, "trained/pytorch_lora_weights.safetensors").read_bytes()
def recipe(path): from sdcourse.show import read_settings; return read_settings(path)


@pytest.fixture(scope="module")
def whole(sd):
    "A training that nothing stopped, and its film."
    out, said = sd(*asked("whole", "--test-prompt", "a green monster", *FILM, "whole.gif")); assert out.pop(1) == "whole.gif" and Image.open("whole.gif").n_frames == 3
    assert out == ["whole/trained", "whole/a-green-monster-18.png", "whole/before-after.png"] and "numbers to learn: about" in said
    assert said.splitlines()[-1] == "draw with it: sdcourse txt2img 'a green monster' --lora whole --model sd --seed 18"
    assert [int(k) for k, _ in losses("whole")] == [*range(1, STEPS + 1)] and len([*Path("whole").glob("checkpoint-*")]) == 2
    return out


# Four ways

def test_what_was_learnt_draws_and_comes_back(sd, whole):
    sd("txt2img", "a green monster", "--lora", "whole", "--model", "sd", "--seed", 18, "--out", "again.png", "-q")
    assert Image.open("again.png").tobytes() == Image.open(whole[1]).tobytes()
    sd("txt2img", "a green monster", "--lora", "whole:0", "--model", "sd", "--seed", 18, "--steps", 2, "--out", "off.png", "-q"); sd("txt2img", "a green monster", "--model", "sd", "--seed", 18, "--steps", 2, "--out", "plain.png", "-q")
    assert Image.open("off.png").tobytes() == Image.open("plain.png").tobytes() != Image.open("again.png").tobytes()
    (a,) = recipe("again.png")["added"]; assert (a["kind"], a["name"], a["weight"]) == ("lora", "whole", 1) and "added" not in recipe("plain.png") and a["sha256"] == recipe(whole[1])["added"][0]["sha256"]
    sd("txt2img", "a green monster", "--lora", "whole:0.5", "--lora", "whole/trained:-0.25", "--model", "sd", "--seed", 18, "--steps", 2, "--out", "two.png", "-q"); assert [a["weight"] for a in recipe("two.png")["added"]] == [.5, -.25]
    assert "drawn with the LoRA whole (sha256 " in sd("replay", "two.png", "--model", "sd", code=2)[1]
    for p in ("again.png", "two.png"): assert sd("replay", p, "--model", "sd", "--lora", "whole", "--check")[1].endswith("the same, byte for byte\n")
    sd("finetune", "--model", "sd", "--steps", 2, *FEW, "--out", "other", "-q"); assert "--lora; other is another (sha256 " in sd("replay", "two.png", "--model", "sd", "--lora", "other", code=2)[1]
    sd("img2img", "fox", "a monster", "--strength", 1, "--steps", 2, "--lora", "whole", "--model", "sd", "--seed", 1, "--out", "i.png", "-q"); assert recipe("i.png")["added"][0]["name"] == "whole"


@pytest.mark.parametrize("method,more,draw", [("inversion", ("--token", "<imp>", "--init-token", "monster"), "--embedding"), ("full", ("--ema", .9, "--min-snr", 5), "--model"),
                                             ("dreambooth", ("--token", "zwx", "--class-prompt", "a monster", "--class-data", "creatures", "--rank", 2, "--precision", "bf16"), "--lora")])
def test_the_other_methods(sd, method, more, draw):
    (line,), said = sd("finetune", "--model", "sd", "--method", method, *more, "--steps", 2, *FEW, "--out", method, "--json"); d = json.loads(line)
    assert said == "" and (d["path"], d["method"], d["steps"]) == (f"{method}/trained", method, 2) and f" {draw} {method}" in d["draw"]
    import shlex
    words = shlex.split(d["draw"]); (p,), _ = sd(*words[1:], "--steps", 2, "--out", f"{method}.png", "-q"); assert Image.open(p).size == (64, 64)
    assert [a["kind"] for a in recipe(p).get("added", [])] == {"--embedding": ["embedding"], "--lora": ["lora"], "--model": []}[draw]
    if draw == "--embedding": assert sd("replay", p, "--model", "sd", "--embedding", method, "--check")[1].endswith("the same, byte for byte\n") and "no LoRA: --embedding" in sd("txt2img", "a", "--lora", method, code=2)[1]


def test_half_precision_as_on_a_card(here):
    "The path of a T4 on a CPU: weights and autocast in half precision, one picture at a time, both encoders away."
    import torch, warnings
    from sdcourse.models import load
    from sdcourse.tune.data import load_data
    from sdcourse.tune.train import finetune
    how = dict(method="lora", steps=3, batch_size=2, micro_batch=1, gradient_checkpointing=True, lr=.01); data = load_data(limit=4); moved = []
    half = load("sd", dtype=torch.float16); to = half.vae.to; half.vae.to = lambda d: (moved.append(str(d)), to(d))[1]
    a, b = [s.loss for s in finetune(half, data, precision="fp16", offload=True, **how)], [s.loss for s in finetune(load("sd"), data, **how)]
    assert max(abs(x - y) for x, y in zip(a, b)) < .01 and moved == ["cpu", "cpu"] and {p.dtype for p in half.unet.parameters()} == {torch.float16}
    with pytest.raises(ValueError, match="cache=False"): finetune(half, data, offload=True, cache=False)


def test_rates_and_defaults_by_size(here):
    import torch
    from diffusers import UNet2DConditionModel
    from types import SimpleNamespace
    from sdcourse.finetuning import _METHODS, DEFAULTS
    from sdcourse.models import load
    from sdcourse.tune.train import _kin, METHODS, RATES
    with torch.device("meta"): large = SimpleNamespace(unet=UNet2DConditionModel(sample_size=64, cross_attention_dim=768)) # that of SD 1.x, without its numbers
    assert sum(p.numel() for p in large.unet.parameters()) == 859_520_964 and (_kin(large), _kin(load("sd"))) == ("sd1", "pocket") and {*DEFAULTS} == {*RATES} and _METHODS == METHODS
    assert all(RATES["sd1"][m] < RATES["pocket"][m] for m in RATES["pocket"]) and {*METHODS} <= {*RATES["sd1"]} == {*RATES["pocket"]}


def test_from_a_hub(here, tmp_path):
    "An id that is downloaded first, as sd15 is."
    root = tmp_path/"hub"; (root/"someone").mkdir(parents=True); (root/"someone"/"small").symlink_to(here/"sd")
    with hub.serve(root) as (url, seen):
        p = start("finetune", "--model", "someone/small", "--steps", 2, *FEW, "--micro-batch", 1, "--gradient-checkpointing", "--out", tmp_path/"out", "-q", cwd=tmp_path, HF_HUB_OFFLINE="0", HF_ENDPOINT=url, HF_HOME=str(tmp_path/"home"), HF_HUB_DISABLE_XET="1")
        out, said = p.communicate(timeout=300)
    assert p.returncode == 0 and out == f"{tmp_path}/out/trained\n", said
    assert any("unet/diffusion_pytorch_model.safetensors" in path for _, path in seen) and len(losses(tmp_path/"out")) == 2


# Stopped and killed

def signalled(out, signum, begin, *more):
    "Run a training and send it a signal when it has made a few steps: `begin(arguments)` starts it, and gives who gets the signal and whether it is over."
    pid, over = begin(asked(out, "-q", *more)); log, end = Path(out, "losses.csv"), time.time() + 240
    while not over() and time.time() < end:
        if log.is_file() and log.read_text().count("\n") > 6: os.kill(pid, signum); return
        time.sleep(.005)


def test_stopped_and_killed_it_goes_on_to_the_last_bit(sd, whole, here):
    "Ctrl-C, `kill` and `kill -9` in mid-run: the first two end in good order and name the checkpoint, the third leaves whole files; each goes on with the same losses and learns the same numbers, and a film has the same frames."
    from threading import Thread
    runs, film = {}, (*FILM, "SIGTERM.gif")
    def process(args): runs[args[args.index("--out") + 1]] = p = start(*args, cwd=here); return p.pid, lambda: p.poll() is not None
    senders = [Thread(target=signalled, args=(s.name, s, process, *(film if s is signal.SIGTERM else ()))) for s in (signal.SIGTERM, signal.SIGKILL)]
    for t in senders: t.start()
    over = []; ctrl_c = Thread(target=signalled, args=("SIGINT", signal.SIGINT, lambda args: (os.getpid(), lambda: bool(over)))); ctrl_c.start() # to this process, in which the command runs
    out, said = sd(*asked("SIGINT", "-q"), code=130); over.append(1); ctrl_c.join(); [t.join() for t in senders]
    ended = {signal.SIGINT: (130, said)} | {s: (runs[s.name].wait(300), runs[s.name].stderr.read()) for s in (signal.SIGTERM, signal.SIGKILL)}
    for s, (code, said) in ended.items():
        kept = sorted(p.name for p in Path(s.name).glob("checkpoint-*")); done = int(kept[-1].split("-")[1].split(".")[0])
        assert 4 <= done < STEPS and not Path(s.name, "trained").exists()
        if s is signal.SIGKILL: assert code == -s and done % 4 == 0
        else: assert (code, said) == (130, f"stopped; {kept[-1]} is kept: go on with sdcourse finetune --out {s.name} --resume\n") and done == len(losses(s.name))
        assert "not finished" in sd("txt2img", "a", "--model", "sd", "--lora", s.name, code=1)[1]
        out, said = sd("finetune", "--out", s.name, "--resume"); assert f"going on from {kept[-1]}" in said and out[0] == f"{s.name}/trained" # with the options that it was started with
        assert losses(s.name) == losses("whole") and learnt(s.name) == learnt("whole")
    assert Path("SIGTERM.gif").read_bytes() == Path("whole.gif").read_bytes()


def test_held_out_pictures_say_when_it_is_enough(sd, monkeypatch):
    "The best look is kept, three in a row that bring nothing better end it, and resumed it stays ended; what is learnt is that of a training with so many steps."
    import sdcourse.tune.progress as progress
    scores, looks = [.1, .4, .6, .6, .5, .55, .9], []
    def report(pipe, ruler): looks.append(len(ruler.held_out)); return {k: dict(value=scores[len(looks) - 1]) for k in ("likeness", "style", "follows", "nearest")}
    monkeypatch.setattr(progress, "report", report)
    say = ("finetune", "--model", "sd", "--steps", 7, "--batch-size", 2, "--limit", 20, "--lr", .01, "--save-every", 1)
    out, said = sd(*say, "--held-out", "creatures", "--patience", 3, "--film", "held.gif", "--film-prompt", "a monster", "--film-every", 6, "--out", "held")
    assert looks == [28] * 6 and "likeness to the held-out pictures 0.600, in style 60%, follows 60% (best so far)" in said and "enough: step 3 was the best" in said and len(losses("held")) == 6
    assert json.loads(Path("held/best/score.json").read_text()) == dict(step=3, likeness=.6) and out == ["held/trained", "held.gif"] and Image.open("held.gif").n_frames == 2
    sd(*say[:4], 3, *say[5:], "--out", "three", "-q"); assert learnt("held") == learnt("three")
    was = learnt("held"); sd("finetune", "--out", "held", "--resume", "-q"); assert len(looks) == 6 and learnt("held") == was
    assert "--held-out" in sd(*say, "--patience", 1, "--out", "no", code=2)[1]
    assert "at least 20 training" in sd(*say, "--limit", 6, "--held-out", "creatures", "--out", "few", code=2)[1] and "a word" in sd(*say, "--method", "inversion", "--token", "<imp>", "--held-out", "creatures", "--out", "no", code=2)[1]


def test_a_finished_one_is_left_as_it_is(sd, whole):
    was = {p: p.read_bytes() for p in Path("whole").rglob("*") if p.is_file()}; out, _ = sd("finetune", "--out", "whole", "--resume")
    assert out == ["whole/trained", str(Path("whole.gif").resolve())] and {p: p.read_bytes() for p in Path("whole").rglob("*") if p.is_file()} == was
    assert "--resume goes on with it" in sd(*asked("whole"), code=2)[1] and "--lr 0.01 and not --lr 0.5" in sd("finetune", "--out", "whole", "--resume", "--lr", .5, code=2)[1]
    (line,), _ = sd(*asked("none", "--estimate", "--json")); d = json.loads(line); assert d["seconds"] > 0 and d["memory"] > 0 and d["parts"]["text encoder and autoencoder"] == 0 and not Path("none/settings.json").exists()


# What is somebody else's, and what was edited by hand

@pytest.mark.parametrize("name", ["trained/thesis.txt", "losses.csv", "measured.csv", "best/friends.txt", "film/step-1.png", "settings.json"])
def test_what_no_training_wrote_is_never_overwritten(sd, tmp_path, name):
    mine = tmp_path/"d"/name; mine.parent.mkdir(parents=True); mine.write_text('{"prompts": {"0": "a fox"}, "options": []}')
    for more in ((), ("--film-prompt", "a fox", "--film", tmp_path/"f.gif")):
        assert f"holds {name.split('/')[0]}, which no training of sdcourse wrote: choose another --out, nothing is overwritten" in sd(*asked(tmp_path/"d", "-q", *more), code=1)[1]
    assert [p for p in (tmp_path/"d").rglob("*") if p.is_file()] == [mine] and mine.read_text().startswith('{"prompts"')


def test_a_film_takes_only_its_own_pictures(tmp_path):
    from sdcourse.finetuning import _shots
    for name in ("step-1.png", "step-00000010.png", "step-00000010-2.png", "step-0000010.png", "step-100000000.png"): (tmp_path/name).touch()
    assert [p.name for p in _shots(tmp_path)] == ["step-00000010.png", "step-100000000.png"]


def test_names_stay_names_beside_folders_of_the_same_name(here, tmp_path, monkeypatch):
    from sdcourse.finetuning import _remember
    monkeypatch.chdir(tmp_path)
    for name in ("pocket", "creatures", "tuxemon", "mine", "m"): Path(name).mkdir()
    def said(**o): _remember(tmp_path/"out", o); return json.loads((tmp_path/"out/settings.json").read_text())["options"]
    names = dict(model="pocket", data="creatures", class_data="cats", held_out="blob"); assert said(**names) == names
    own = dict(model="m", data="mine", class_data="tuxemon", held_out="mine"); assert said(**own) == {k: str(tmp_path/v) for k, v in own.items()} # a folder goes before a set of the hub


@pytest.mark.parametrize("env", [dict(RANK="1"), dict(WORLD_SIZE="abc"), dict(RANK="2", WORLD_SIZE="2"), dict(RANK="")])
def test_a_process_that_has_no_place(sd, tmp_path, monkeypatch, env):
    for k in ("RANK", "WORLD_SIZE"): monkeypatch.delenv(k, raising=False)
    for k, v in env.items(): monkeypatch.setenv(k, v)
    said = sd(*asked(tmp_path/"out", "-q"), code=2)[1]; assert "RANK" in said and "WORLD_SIZE" in said and all(repr(v) in said for v in env.values()) and not (tmp_path/"out").exists()


def test_a_film_that_cannot_be_written_costs_nothing(sd, tmp_path, monkeypatch):
    "Said before the first step; and what fails at the end has what was learnt behind it."
    from sdcourse import finetuning
    (tmp_path/"d.gif").mkdir(); (tmp_path/"file").touch()
    for film, says in (("d.gif", "is a folder"), ("file/f.gif", "cannot be written"), ("/proc/f.gif", "cannot be written")):
        assert says in sd(*asked(tmp_path/"out", "-q", *FILM, tmp_path/film), code=1)[1] and not (tmp_path/"out").exists()
    def full(*_, **__): raise OSError("no room")
    with monkeypatch.context() as m: m.setattr(finetuning, "_develop", full); assert "no room" in sd("finetune", "--model", "sd", "--steps", 2, *FEW, "--out", tmp_path/"out", "-q", *FILM, tmp_path/"new/f.gif", code=1)[1]
    assert learnt(tmp_path/"out") and sd("finetune", "--out", tmp_path/"out", "--resume", "-q")[0][1] == str(tmp_path/"new/f.gif") and Image.open(tmp_path/"new/f.gif").n_frames == 2
    was = (tmp_path/"out/settings.json").read_text()
    for p in (tmp_path/"out/film").iterdir(): p.unlink()
    assert "would be empty" in sd("finetune", "--out", tmp_path/"out", "--resume", "--film", tmp_path/"g.gif", code=2)[1] and (tmp_path/"out/settings.json").read_text() == was


def test_fewer_steps_than_are_done(sd, whole):
    was = Path("whole/settings.json").read_text(); said = sd("finetune", "--out", "whole", "--resume", "--steps", 3, code=2)[1]
    assert f"has made {STEPS} steps" in said and "--steps 3" in said and Path("whole/settings.json").read_text() == was


IDLE = [ # options that do nothing, what is said
    (["--token", "zwx"], "--token is for inversion and dreambooth"), (["--class-prompt", "a dog"], "--class-prompt is for dreambooth"), (["--class-data", "cats"], "--class-data is for dreambooth"), (["--prior-weight", "1"], "--prior-weight is for dreambooth"), (["--init-token", "fox"], "--init-token is for inversion"),
    (["--method", "full", "--rank", "4"], "--rank is for lora and dreambooth"), (["--film-prompt", "a fox"], "--film-prompt goes with --film"), (["--film-every", "3"], "--film-every goes with --film"), (["--caption-column", "words"], "--caption-column 'words' is for"), (["--image-column", "words"], "--image-column 'words' is for"),
    (["--method", "inversion", "--token", "<imp>", "--class-prompt", "a"], "--class-prompt is for dreambooth"), (["--method", "dreambooth", "--token", "zwx", "--class-prompt", "a", "--init-token", "fox"], "--init-token is for inversion"),
] + [([f"{k}="], f"{k} is empty: leave it out") for k in ("--held-out", "--film", "--data", "--out", "--model", "--token", "--device", "--caption-column")]


@pytest.mark.parametrize("args,says", IDLE, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_an_option_that_would_do_nothing_is_refused(sd, tmp_path, args, says): assert says in sd("finetune", "--model", "sd", "--steps", 1, *FEW, "-q", "--out", tmp_path/"out", *args, code=2)[1] and not [*(tmp_path/"out").glob("*")]


def test_settings_that_were_edited_by_hand(sd, tmp_path):
    file = tmp_path/"settings.json"
    for text, says in (('{"options": []}', "damaged"), ("[]", "damaged"), ('{"options"', "damaged"), ('{"options": {"method": "l\xf6ra"}}'.encode("latin1"), "damaged"), ('{"options": {"data": 5}}', "--data 5, which must be a text"), ('{"options": {"test_prompts": "abc"}}', "--test-prompt 'abc', which must be a list of texts"),
                       ('{"options": {"steps": "400"}}', "--steps '400', which must be a whole number, at least 1"), ('{"options": {"steps": 0}}', "--steps 0, which must be"), ('{"options": {"method": "lorra"}}', "--method 'lorra', which must be one of full, lora"), ('{"options": {"flip": "no"}}', "--flip 'no', which must be true or false"), ('{"options": {"lr": true}}', "--lr True, which must be a number")):
        file.write_bytes(text if isinstance(text, bytes) else text.encode()); said = sd("finetune", "--out", tmp_path, "--resume", "-q", code=2)[1]; assert str(file) in said and says in said, said


def test_looks_that_were_edited_by_hand(here, tmp_path, monkeypatch):
    import sdcourse.tune.progress as progress
    from types import SimpleNamespace
    from sdcourse.finetuning import _Held
    from sdcourse.tune.data import load_data
    monkeypatch.setattr(progress, "Ruler", lambda *_: None); (tmp_path/"best").mkdir(); data = load_data(limit=4)
    o = dict(held_out="creatures", data="other", method="lora", measure_every=1, save_every=1, patience=1, caption_column="words", image_column=None) # the column is the other one's
    def held(rows, note): (tmp_path/"measured.csv").write_text(rows); (tmp_path/"best/score.json").write_text(note); return _Held(o, SimpleNamespace(), data, tmp_path, 9)
    rows, note = "step,likeness\n3,0.5\n", '{"step": 3, "likeness": 0.5}'; assert held(rows, note).top == dict(step=3, likeness=.5)
    for bad, file in (((rows + "four,0.6\n", note), "measured.csv"), ((rows, "{"), "score.json"), ((rows, "[]"), "score.json"), ((rows, '{"step": 3}'), "score.json")):
        with pytest.raises(ValueError, match=f"{file} is damaged"): held(*bad)


@pytest.mark.parametrize("module,args,says", [("measure", ["nonsense"], "unknown model 'nonsense'"), ("measure", ["--calibrate", "--data", "nowhere"], "no file nowhere/icons.parquet"), ("measure", ["--against", "nowhere.json"], "no file nowhere.json"), ("measure", ["--against", "torn.json"], "torn.json: no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)): it must be a table"),
    ("train_judge", ["run1", "--data", "nowhere"], "no file nowhere/icons.parquet"), ("train_pocket", ["run1", "--subjects", "nowhere.json"], "no file nowhere.json: it must be a list"), ("train_pocket", ["run1", "--subjects", "torn.json"], "torn.json: no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)): it must be a list"), ("train_pocket", ["torn.json", "--steps", "1", "--data", str(ROOT/"data")], "torn.json is a file")])
def test_the_other_programs_say_it_in_one_line(tmp_path, monkeypatch, module, args, says):
    import importlib
    program = importlib.import_module(f"sdcourse.{module}"); program = getattr(program, "_main", None) or program.train_command
    monkeypatch.chdir(tmp_path); Path("torn.json").write_text("{"); monkeypatch.delenv("SDCOURSE_DEBUG", raising=False)
    with pytest.raises(SystemExit) as e: program(args)
    assert e.value.code.startswith("error: ") and says in e.value.code and "\n" not in e.value.code and not Path("run1").exists()
    monkeypatch.setenv("SDCOURSE_DEBUG", "1")
    with pytest.raises((ValueError, OSError)): program(args)


BAD = [ # arguments, what is said
    (["--method", "ful"], "'ful'"), (["--data", "creaturs"], "did you mean 'creatures'"), (["--model", "pockett"], "did you mean 'pocket'"), (["--steps", "0"], "0 is not in the range"), (["--lr", "-1"], "lr must be"), (["--lr", "nan"], "lr must be"),
    (["--method", "inversion"], "--token, one word"), (["--method", "dreambooth", "--token", "zwx"], "--class-prompt 'a monster'"), (["--out", "a.png"], "--out must be a folder"), (["--limit", "1"], "--least 1"), (["--device", "tpu"], "unknown device"),
    (["--8bit"], "--8bit needs bitsandbytes"), (["--ema", "2"], "ema must be"), (["--data", "empty"], "no pictures"), (["--data", "silent"], "has no caption"), (["--data", "torn"], "cannot be read"), (["--seed", "-1"], "seed must be"), (["--init-token", "x", "--bogus"], "No such option"),
]


@pytest.mark.parametrize("args,says", BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_is_one_line(here, args, says):
    from click.testing import CliRunner
    from sdcourse.cli import main
    for name in ("empty", "silent", "torn"): Path(name).mkdir(exist_ok=True)
    Image.new("RGB", (64, 64)).save("silent/a.png"); Image.new("RGB", (64, 64), "red").save("torn/a.png"); data = Path("torn/a.png").read_bytes(); Path("torn/a.png").write_bytes(data[:len(data) // 2]); Path("torn/a.txt").write_text("a wall")
    r = CliRunner().invoke(main, ["finetune", *([] if "--model" in args else ["--model", "sd"]), *([] if "--out" in args else ["--out", "bad"]), *args])
    last = r.stderr.strip().splitlines()[-1]
    assert r.exit_code in (1, 2) and r.stdout == "" and last.startswith("Error: ") and says in last and "Traceback" not in r.stderr, (r.exit_code, r.stderr)
    assert not Path("bad").exists() or not [*Path("bad").iterdir()]
