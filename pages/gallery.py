"""The pictures of the start page. `python pages/write.py` cuts those of the gallery from what the lessons have saved; `python pages/gallery.py` draws the strip on top anew, which takes the model and half a minute."""
import base64, io
from course import NBS, code

# the strip on top: prompt, seed
START = [("a red fox in the snow, 3d render style", 5), ("a rocket in space, 3d render style", 3), ("a house on the beach, bright flat style", 1), ("a whale under the sea, glossy cartoon style", 3),
         ("a sunflower on green grass, glossy cartoon style", 1), ("a ghost at night, bright flat style", 3), ("a panda, pencil sketch style", 1), ("a strawberry, pixel art style", 3),
         ("an owl in the snow, 3d render style", 1), ("a cactus in the desert, bright flat style", 2), ("a mushroom on green grass, glossy cartoon style", 2), ("a butterfly, 3d render style", 2),
         ("an octopus under the sea, 3d render style", 5), ("a blue car at sunset, bright flat style", 5), ("a robot, 3d render style", 5), ("a castle, black and white icon style", 1)]
# lesson, cell whose picture it is, what of it (left, top, right, bottom; None: to the edge), what one sees, what one does there
GALLERY = [
    ("11_sweeps", "e5cfb0aa", None, "One fox at guidance 1.1, 3, 7 and 14: from a blur to burnt colours", "**Turn one knob** and see what it does"),
    ("13_img2img", "ab1ca245", (0, 0, None, 156), "A drawn castle, the same castle as a model's picture, and once more with more freedom", "**Begin from a sketch**"),
    ("14_chains", "d9cbda27", None, "A sketch of a fox becomes a red fox, a wolf, a panda and a penguin in the same snow", "**Let each picture begin the next**"),
    ("15_inpaint", "53b38978", None, "One fox, its mask, and the same fox at night, on grass and in the desert", "**Change a part,** keep the rest to the bit"),
    ("16_dream", "634eca67", None, "Four frames of a film in which a fox turns into an owl", "**Walk from one prompt to another**"),
    ("23_sampling", "c34e0a17", None, "Noise becomes a fox in seven steps; below, what the model believes at each", "**Watch it being made,** step by step"),
    ("26_attention", "ab3c458d", (59, 0, 586, 154), "A fox, and over it where the start of the text and the words red and fox were looked at", "**See which word drew what**"),
    ("27_steering", "cd2039e9", None, "A red butterfly that is pushed towards blue, further from picture to picture", "**Bend the path** with a formula of your own"),
    ("32_ddpm", "b07b4bff", None, "Eight faces after 25, 100 and 400 steps of training: squares, blurs, faces", "**Train one from nothing** in a minute"),
    ("42_text_to_creature", "3a65a955", None, "What seven prompts gave before, and after an hour of training: six creatures, and the fox", "**Teach it creatures** it has never seen"),
]
SIZE = 528, 156 # all tiles are equal


def file(lesson): return NBS/f"images/make-{lesson.split('_', 1)[1]}.png"


def tile(lesson, cell, box):
    "The picture of a lesson's cell, cut and centred on white."
    from PIL import Image
    found = next((c for c in code(NBS/f"{lesson}.ipynb") if c["id"] == cell), None)
    data = next((o["data"].get("image/png") or o["data"].get("image/jpeg") for o in (found or {}).get("outputs", []) if any(m.startswith("image/") for m in o.get("data", {}))), None)
    if not data: raise ValueError(f"{lesson} has no picture in a cell {cell}: pages/gallery.py takes one of the start page from there")
    img = Image.open(io.BytesIO(base64.b64decode("".join(data)))).convert("RGB")
    if box: img = img.crop((box[0], box[1], box[2] or img.width, box[3] or img.height))
    scale = min(SIZE[0] / img.width, SIZE[1] / img.height)
    img = img.resize((round(img.width * scale), round(img.height * scale)), Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS)
    page = Image.new("RGB", SIZE, "white"); page.paste(img, ((SIZE[0] - img.width) // 2, (SIZE[1] - img.height) // 2))
    return page.quantize(64)


def tiles(): return {file(l): tile(l, c, b) for l, c, b, *_ in GALLERY}


def stale():
    "Those of the tiles whose file is missing or shows something else."
    from PIL import Image
    return {p: img for p, img in tiles().items() if not p.exists() or Image.open(p).convert("RGB").tobytes() != img.convert("RGB").tobytes()}


def table():
    "The gallery's Markdown: pictures that lead to their lessons, two in a row; a table without a head on the page and on GitHub."
    cells = [f"[![{alt}](images/{file(l).name})]({l}.ipynb)<br>{what}" for l, _, _, alt, what in GALLERY]
    rows = [" | ".join(cells[k:k + 2]) for k in range(0, len(cells), 2)]
    return "| | |\n|:-:|:-:|\n" + "\n".join(f"| {r} |" for r in rows)


def start():
    "The strip on top: sixteen pictures of the pocket model."
    from sdcourse import image_grid, load, txt2img
    pipe = load("pocket")
    return image_grid([txt2img(pipe, p, seed=s)[0] for p, s in START], 2, 8, zoom=2, gap=4)


if __name__ == "__main__": start().save(NBS/"images/start.png", optimize=True)
