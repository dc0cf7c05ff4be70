"Monsters: the tiles of Dungeon Crawl Stone Soup. What each one shows is a table, `monsters.json`, written and corrected by eye."
import io, json, random
from pathlib import Path
import numpy as np
from PIL import Image
from fetch import fetch, read_files
from pictures import off_white, on_white, premultiply, webp

TABLE = json.loads((Path(__file__).parent/"monsters.json").read_text())
FOLDER = "source/rltiles/"
TYPES = {"animals": "animal", "dragons": "dragon", "draco": "dragon", "demons": "demon", "panlord": "demon", "demonspawn": "demon", "undead": "undead", "zombies": "zombie",
         "skeletons": "skeleton", "spectrals": "ghost", "bound_souls": "ghost", "simulacra": "ice", "humanoids": "humanoid", "humans": "human", "elves": "elf", "giants": "giant",
         "orcs": "orc", "spriggans": "spriggan", "demihumanoids": "half-human", "merfolk": "merfolk", "naga": "naga", "taurs": "centaur", "nonliving": "elemental",
         "aberrations": "aberration", "abyss": "aberration", "amorphous": "slime", "aquatic": "aquatic", "eyes": "eye", "fungi_plants": "plant", "holy": "holy",
         "mutantbeast": "beast", "statues": "statue", "unique": "character"}                # folder of a tile -> type; "monster" for the rest

def enlarge(tile):
    "A 32x32 tile doubled, a 32x48 one scaled to the full height: RGBA 64x64."
    if tile.size == (32, 32): return tile.resize((64, 64), Image.NEAREST)
    bands = [Image.fromarray(b).resize((256, 384), Image.NEAREST).resize((43, 64), Image.BOX) for b in np.moveaxis(premultiply(tile), -1, 0).copy()]
    a = np.stack([np.asarray(b) for b in bands], -1); a[..., :3] = np.where(a[..., 3:] > 1e-6, a[..., :3]/np.maximum(a[..., 3:], 1e-6), 0).clip(0, 1)
    out = Image.new("RGBA", (64, 64)); out.paste(Image.fromarray((a*255+.5).astype(np.uint8)), (10, 0))
    return out

def build(cache, n_test=28):
    "All rows of monsters.parquet."
    files = read_files(fetch("crawl", cache), {FOLDER+t["file"] for t in TABLE}.__contains__)
    order = list(range(len(TABLE))); random.Random(0).shuffle(order); test = set(order[:n_test]); rows = []
    for i, t in enumerate(TABLE):
        s, kind = t["subject"], TYPES.get(t["file"].split("/")[-2], "monster")
        said = [f"{s}, monster style", f"a pixel monster, {s}", f"{s}, {kind} type, monster style"]
        tile = Image.open(io.BytesIO(files[FOLDER+t["file"]])).convert("RGBA")
        rows.append(dict(image=webp(off_white(*on_white(premultiply(enlarge(tile))))), caption=said[0], captions=said, subject=s, type=kind, style="monster",
                         split="test" if i in test else "train", source="Dungeon Crawl Stone Soup 0.28.0 rltiles", package="debian source crawl 2:0.28.0",
                         license="CC0-1.0", source_file=t["file"], in_vetted_cc0_release=t["vetted"]))
    return rows
