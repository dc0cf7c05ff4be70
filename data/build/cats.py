"Cats: David Revoy's avatar generator, drawn part by part, so every caption is exact. `cats.json` names the parts."
import io, json, random
from functools import cache as memo
from pathlib import Path
from PIL import Image
from fetch import fetch, read_files
from pictures import off_white, on_white, shrink, webp

PARTS = json.loads((Path(__file__).parent/"cats.json").read_text())
BODY, FUR, EYES, MOUTH, ACCESSORY = (PARTS[k] for k in ("body", "fur", "eyes", "mouth", "accessory"))
FOLDER = "robohash/sets/set4/"
HELD = {tuple(p) for p in PARTS["held_out"]}                     # (body, accessory) pairs that only the test split has

def an(text): return ("an " if text[0] in "aeiou" else "a ")+text

def choices(n_train=1000, n_test=60):
    "The parts of each cat: (body, fur, eyes, mouth, accessory), no cat twice. Half of the cats wear nothing or little."
    rng = random.Random(7); seen = {}
    while len(seen) < n_train+n_test:
        body, acc = (None, None) if len(seen) < n_train else rng.choice(sorted(HELD))
        if body is None: c = (rng.randrange(15), rng.randrange(10), rng.randrange(15), rng.randrange(10), rng.choice([15]*4+list(range(16))))
        else: c = (body, rng.randrange(10), rng.randrange(15), rng.randrange(10), acc)
        if body is not None or (c[0], c[4]) not in HELD: seen.setdefault(c)
    return list(seen)

def say(body, fur, eyes, mouth, acc):
    "Subject and captions of a cat."
    cat = an(" ".join(w for w in (BODY[body], FUR[fur], "cat") if w)); s = cat+(f" with {ACCESSORY[acc]}" if ACCESSORY[acc] else "")
    *most, last = [x for x in (ACCESSORY[acc], EYES[eyes], MOUTH[mouth]) if x]
    return s, [f"{s}, kitten style", f"{cat} with {', '.join(most)} and {last}, kitten style", f"a drawing of {an(BODY[body]+' cat')}"]

def build(cache):
    "All rows of cats.parquet."
    files = read_files(fetch("robohash", cache), lambda n: n.startswith(FOLDER) and n.endswith(".png"))
    by_part = [sorted(f for f in files if f.startswith(f"{FOLDER}{i:03}#")) for i in range(5)]
    part = memo(lambda f: Image.open(io.BytesIO(files[f])).convert("RGBA").resize((256, 256), Image.LANCZOS))
    rows = []
    for c in choices():
        img = Image.new("RGBA", (256, 256))
        for names, i in zip(by_part, c): img.alpha_composite(part(names[i]))
        s, said = say(*c)
        rows.append(dict(image=webp(off_white(*on_white(shrink(img)))), caption=said[0], captions=said, subject=s, style="kitten",
                         split="test" if (c[0], c[4]) in HELD else "train", source="David Revoy cat generator via robohash set4", package="PyPI robohash 2.0",
                         license="CC-BY-4.0", source_file="set4 "+"-".join(map(str, c))))
    return rows
