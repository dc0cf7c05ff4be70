"""Draw pictures with their captions under them: the only way to see that the two belong together.

python data/build/sheet.py data/icons.parquet --style noto --n 60
"""
import argparse, io, random, textwrap
from pathlib import Path
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

def pick(rows, n, seed, style=None, find=None):
    "`n` random rows, in the order of the file; of one style, and with a word in a caption, if asked."
    rows = [r for r in rows if style in (None, r["style"]) and (not find or any(find in c for c in r["captions"]))]
    if not rows: raise SystemExit(f"no row has style {style!r}" + (f" and {find!r} in a caption" if find else ""))
    keep = sorted(random.Random(seed).sample(range(len(rows)), min(n, len(rows))))
    return [rows[i] for i in keep]

def sheet(rows, cols=10, size=128, lines=4):
    "One picture of all rows: each drawn at `size` on white, the longest caption below it."
    font = ImageFont.load_default(11); h = size+13*lines+6; out = Image.new("RGB", (cols*(size+8), -(-len(rows)//cols)*h), "white"); d = ImageDraw.Draw(out)
    for i, r in enumerate(rows):
        x, y = i % cols*(size+8)+4, i//cols*h+4; img = Image.open(io.BytesIO(r["image"]["bytes"])).convert("RGBA").resize((size, size), Image.NEAREST)
        d.rectangle((x-1, y-1, x+size, y+size), outline="#ddd"); out.paste(img, (x, y), img)
        d.multiline_text((x, y+size+2), "\n".join(textwrap.wrap(max(r["captions"], key=len), size//6)[:lines]), fill="black", font=font, spacing=1)
    return out

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("file", type=Path); p.add_argument("--style"); p.add_argument("--find", help="only rows with this in a caption")
    p.add_argument("--n", type=int, default=60); p.add_argument("--cols", type=int, default=10); p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, help="default: sheet-FILE-STYLE.png, here")
    a = p.parse_args(); out = a.out or Path(f"sheet-{a.file.stem}{'-'+a.style if a.style else ''}.png")
    sheet(pick(pq.read_table(a.file).to_pylist(), a.n, a.seed, a.style, a.find), a.cols).save(out); print(out)

if __name__ == "__main__": main()
