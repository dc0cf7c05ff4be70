"Icons: seven styles of the same Unicode subjects, five drawn from icon packages and two derived from those."
import json
from pathlib import Path
import numpy as np
from colors import WORDS, main_colors
from fetch import PACKAGES, fetch, read_json
from naming import captions, key, subject, words
from pictures import draw_svg, off_white, on_white, shrink, webp

STYLES = [  # style, package, in plain words, work, licence
    ("noto", "noto", "glossy cartoon", "Google Noto Emoji", "Apache-2.0"),
    ("fluent", "fluent-flat", "bright flat", "Microsoft Fluent Emoji (flat)", "MIT"),
    ("fluent3d", "fluent-color", "3d render", "Microsoft Fluent Emoji (color)", "MIT"),
    ("blob", "noto-v1", "retro blob", "Google Noto Emoji v1 (blobs)", "Apache-2.0"),
    ("mono", "fluent-contrast", "black and white icon", "Microsoft Fluent Emoji (high contrast)", "MIT")]
DERIVED = {"noto": ("pixel", "pixel art", "noto -> 16x16 blocks, 6 levels per channel"),
           "fluent": ("sketch", "pencil sketch", "fluent flat -> luminance gradient ink")}
INK = {"mono", "sketch"}                                        # drawn without colour: a subject that names one would be a false caption
INK_WRONG = (WORDS-{"black", "white"}) | {"golden", "rainbow"}
LEFT_OUT = {"keycap", "alphanum", "country-flag", "subdivision-flag", "punctuation", "math", "currency", "gender", "av-symbol", "arrow", "transport-sign",
            "zodiac", "religion", "warning", "other-symbol", "hair-style", "skin-tone", "person-symbol"}
RARE = {"person-role", "person-activity", "person-gesture", "person-sport", "person-fantasy", "family", "person", "person-resting"}
HOLDOUT = json.loads((Path(__file__).parent/"holdout.json").read_text())

def weight(label, subgroup):
    "How often to sample a row: faces of clocks and the many people less than the rest."
    if (subgroup == "time" and "o’clock" in label) or "thirty" in label: return .3
    return .5 if subgroup in RARE else 1.

def emoji(cache):
    "The Unicode emoji we use, one dict each, in CLDR order."
    data, groups = read_json(fetch("emojibase", cache), "en/data.json", "meta/groups.json")
    out = [dict(label=e["label"], hexcode=e["hexcode"], keywords=e.get("tags", []), group=groups["groups"][str(e["group"])],
                subgroup=groups["subgroups"][str(e["subgroup"])]) for e in data if e.get("group") is not None and e["group"] != 2]
    return [dict(e, subject=subject(e["label"]), weight=weight(e["label"], e["subgroup"])) for e in out if e["subgroup"] not in LEFT_OUT]

def svg(icons, name):
    "The SVG text of one icon of an iconify set, through its alias if it is one; None for turned aliases."
    icon = icons["icons"].get(name)
    if icon is None:
        alias = icons["aliases"][name]; icon = icons["icons"].get(alias["parent"])
        if icon is None or {"rotate", "hFlip", "vFlip"} & alias.keys(): return None
        icon = icon | alias
    w, h, l, t = (icon.get(k, icons.get(k, d)) for k, d in (("width", 16), ("height", 16), ("left", 0), ("top", 0)))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{w}" height="{h}" '
            f'viewBox="{l} {t} {w} {h}">{icon["body"]}</svg>')

def matches(rows, icons, chars):
    "Yield (emoji, icon name): by code point where the set has a table of them, by its label otherwise."
    names = icons["icons"].keys() | icons.get("aliases", {}).keys(); by_label = {}
    for n in sorted(names): by_label.setdefault(key(n), n)
    for e in rows:
        h = e["hexcode"].lower(); codes = (h, h.replace("-fe0f", ""), h+"-fe0f")
        name = next((chars[c] for c in codes if chars.get(c) in names), None)
        if name is None and h not in chars: name = by_label.get(key(e["label"]))
        if name: yield e, name

def pixel_art(rgb, alpha):
    "16x16 blocks of six levels a channel."
    a = alpha.astype(np.float32)[..., None]/255; pic = np.concatenate([rgb.astype(np.float32)/255-(1-a), a], -1)
    s = pic.reshape(16, 4, 16, 4, 4).mean((1, 3)); solid = (s[..., 3:] > .45).astype(np.float32)
    fg = np.where(s[..., 3:] > .02, s[..., :3]/np.maximum(s[..., 3:], .02), 0).clip(0, 1)
    return np.concatenate([np.round(fg*5)/5*solid, solid], -1).repeat(4, 0).repeat(4, 1)

def pencil(rgb, alpha):
    "Dark ink where the luminance changes. (Plain sums, not a matrix product: BLAS rounds differently from one CPU to the next.)"
    r, g, b = np.moveaxis(rgb.astype(np.float32)/255, -1, 0); f = np.float32
    lum = np.pad(r*f(.299)+g*f(.587)+b*f(.114), 1, mode="edge")
    gx, gy = lum[1:-1, 2:]-lum[1:-1, :-2], lum[2:, 1:-1]-lum[:-2, 1:-1]
    ink = (np.sqrt(gx*gx+gy*gy)*f(2.2)).clip(0, 1)**f(.7); ink[ink < .12] = 0
    return np.stack([f(.18)*ink]*3+[ink], -1)

def row(pic, e, style, style_words, work, package, licence, derived=None):
    "One row of the table with its picture, or None where there is too little picture or the caption would be false."
    rgb, alpha = on_white(pic)
    if (alpha > 128).sum() < 40 or (style in INK and words(e["subject"]) & INK_WRONG): return None
    fg = np.where(pic[..., 3:] > .02, pic[..., :3]/np.maximum(pic[..., 3:], .02), 1).clip(0, 1)
    colors = [] if style in INK else main_colors((fg*255).astype(np.uint8), alpha)
    r = dict(subject=e["subject"], label=e["label"], style=style, style_words=style_words, keywords=e["keywords"], group=e["group"], subgroup=e["subgroup"],
             main_color=colors[0] if colors else None)
    r |= dict(captions=captions(r, next((c for c in colors if c != "black"), None)), weight=e["weight"], split="holdout" if e["hexcode"] in HOLDOUT.get(style, ()) else "train", derived=derived,
              source=work, package=package, license=licence, hexcode=e["hexcode"])
    return dict(image=webp(off_white(rgb, alpha)), on_white=(rgb, alpha), emoji=e, **r)

def drawn(rows, style, package, style_words, work, licence, cache):
    "All rows of one style that is drawn from a package."
    p = PACKAGES[package]; icons, chars = read_json(fetch(package, cache), "icons.json", "chars.json")
    if style == "fluent3d": chars, = read_json(fetch("fluent-flat", cache), "chars.json")  # its own table is empty (as noto-v1's, where labels serve); its names are the flat set's
    pics = ((e, svg(icons, name)) for e, name in matches(rows, icons, chars))
    out = [row(shrink(draw_svg(s)), e, style, style_words, work, f"{p['name']}@{p['version']}", licence) for e, s in pics if s]
    return [r for r in out if r]

def derive(base):
    "The rows of the derived style that is made from the rows of `base`."
    style, style_words, how = DERIVED[base[0]["style"]]; make = pixel_art if style == "pixel" else pencil
    out = [row(make(*r["on_white"]), r["emoji"], style, style_words, r["source"], r["package"], r["license"], how) for r in base]
    return [r for r in out if r]

def build(cache):
    "All rows of icons.parquet."
    rows = emoji(cache); made = {}
    for style, package, style_words, work, licence in STYLES:
        made[style] = drawn(rows, style, package, style_words, work, licence, cache); print(f"{style}: {len(made[style])} rows", flush=True)
    made |= {DERIVED[b][0]: derive(made[b]) for b in DERIVED}
    return [{k: v for k, v in r.items() if k not in ("on_white", "emoji")} for rs in made.values() for r in rs]
