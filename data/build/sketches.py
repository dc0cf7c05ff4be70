"""The three sketches of the package, drawn by hand in coordinates of a 64x64 page; ours, public domain (CC0-1.0).

    python data/build/sketches.py [FOLDER]     writes sdcourse/sketches/*.png, the same bytes wherever Pillow draws the same
"""
import sys
from pathlib import Path
from PIL import Image, ImageDraw

FINE = 8 # drawn this many times larger, then reduced: soft edges


class Page:
    def __init__(self, color): self.im = Image.new("RGB", (64 * FINE, 64 * FINE), color); self.d = ImageDraw.Draw(self.im)
    def shape(self, color, *points): self.d.polygon([(x * FINE, y * FINE) for x, y in points], fill=color)
    def box(self, color, x0, y0, x1, y1): self.d.rectangle((x0 * FINE, y0 * FINE, x1 * FINE - 1, y1 * FINE - 1), fill=color)
    def oval(self, color, x0, y0, x1, y1): self.d.ellipse((x0 * FINE, y0 * FINE, x1 * FINE - 1, y1 * FINE - 1), fill=color)
    def done(self): return self.im.resize((64, 64), Image.Resampling.BOX)


def fox():
    p = Page("#c9d8e8"); p.box("white", 0, 44, 64, 64)
    p.shape("#e06a28", (8, 32), (9, 10), (20, 20), (30, 20), (41, 10), (42, 32), (38, 46), (25, 54), (12, 46))
    p.shape("#3a2a22", (10, 18), (9.5, 11), (15, 16)); p.shape("#3a2a22", (40, 18), (40.5, 11), (35, 16))
    p.shape("white", (9, 36), (20, 40), (25, 52), (13, 46)); p.shape("white", (41, 36), (30, 40), (25, 52), (37, 46))
    p.oval("#2b2320", 15, 28, 19, 33); p.oval("#2b2320", 31, 28, 35, 33); p.oval("#2b2320", 22, 46, 28, 51)
    return p.done()


def castle():
    p = Page("#9cc8ee"); p.box("#5b9a4a", 0, 50, 64, 64)
    p.box("#9a9aa4", 14, 30, 51, 57); p.box("#7f7f8a", 8, 22, 19, 57); p.box("#7f7f8a", 46, 22, 57, 57); p.box("#9a9aa4", 26, 20, 39, 41)
    p.shape("#c0392b", (6, 22), (13, 8), (20, 22)); p.shape("#c0392b", (44, 22), (51, 8), (58, 22)); p.shape("#c0392b", (24, 20), (32, 4), (40, 20))
    p.oval("#4a3426", 27, 40, 37, 56); p.box("#4a3426", 27, 48, 37, 57)
    for x, y in ((12, 30), (50, 30), (31, 26)): p.box("#333333", x, y, x + 3, y + 6)
    return p.done()


def house():
    p = Page("#a8dcf8"); p.box("#5fb548", 0, 46, 64, 64); p.oval("#ffd94a", 48, 4, 60, 16)
    p.box("#8a4a36", 12, 16, 17, 30); p.box("#f6e6bd", 8, 32, 38, 56); p.shape("#d23b2c", (3, 34), (23, 14), (43, 34))
    p.box("#7a4424", 13, 42, 21, 56); p.box("#62b4e6", 26, 39, 34, 47)
    return p.done()


SKETCHES = dict(fox=fox, castle=castle, house=house)

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]/"sdcourse/sketches"); folder.mkdir(exist_ok=True)
    for name, draw in SKETCHES.items(): draw().save(folder/f"{name}.png", optimize=True)
