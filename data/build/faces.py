"""The sheet of small faces that the lesson on DDPM trains on: rows of icons.parquet, on white, averaged to 16x16.

    python data/build/faces.py [FOLDER]     writes sdcourse/faces/faces.png and faces.json, the same pixels wherever Pillow resizes the same
"""
import io, json, sys
from pathlib import Path
import pyarrow.parquet as pq
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIDE, COLUMNS = 16, 20
STYLES = ("noto", "fluent", "fluent3d")
MOODS = ("affection", "concerned", "glasses", "neutral-skeptical", "sleepy", "smiling", "tongue")   # the yellow ones: no ogres, robots, masks


def small(r):
    "One row's picture: on white, each pixel the mean of 4x4."
    im = Image.open(io.BytesIO(r["image"]["bytes"])).convert("RGBA"); on = Image.new("RGBA", im.size, "white"); on.alpha_composite(im)
    return on.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)


def faces():
    "The rows of the yellow faces, in the order of the file."
    return [r for r in pq.read_table(ROOT/"data/icons.parquet").to_pylist() if r["style"] in STYLES and r["subgroup"] in {f"face-{m}" for m in MOODS}]


def sheet(rows):
    "All of them side by side, 20 in a row."
    out = Image.new("RGB", (SIDE * COLUMNS, SIDE * -(-len(rows) // COLUMNS)), "white")
    for k, r in enumerate(rows): out.paste(small(r), (k % COLUMNS * SIDE, k // COLUMNS * SIDE))
    return out


def manifest(rows):
    "Where each face comes from, in the order of the sheet."
    said = "Yellow faces from data/icons.parquet, on white, averaged from 64x64 to 16x16 by data/build/faces.py, row by row. Licences: LICENSES.md beside this file."
    return json.dumps(dict(what=said, side=SIDE, columns=COLUMNS, n=len(rows), faces=[" ".join((r["style"], r["hexcode"], r["license"])) for r in rows]), indent=0) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/"sdcourse/faces"; folder.mkdir(exist_ok=True)
    rows = faces(); sheet(rows).save(folder/"faces.png", optimize=True); (folder/"faces.json").write_text(manifest(rows), "utf-8")
