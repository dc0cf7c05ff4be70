"Names for the colours of a picture: each pixel gets one of twelve words by hue, saturation and value."
import numpy as np

NAMES = ["black", "white", "gray", "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown"]
WORDS = set(NAMES) | {"grey"}               # a subject that holds one of these already says its colour

def hsv(rgb):
    "Hue in degrees, saturation and value in [0,1], of uint8 colours (..., 3)."
    a = rgb.astype(np.float32)/255; top, low = a.max(-1), a.min(-1); d = top-low; r, g, b = np.moveaxis(a, -1, 0)
    h = np.zeros_like(top); grey = d <= 1e-6
    is_r = ~grey & (top == r);         h[is_r] = ((g-b)[is_r]/d[is_r]) % 6
    is_g = ~grey & (top == g) & ~is_r; h[is_g] = (b-r)[is_g]/d[is_g]+2
    is_b = ~grey & ~is_r & ~is_g;      h[is_b] = (r-g)[is_b]/d[is_b]+4
    return h*60, np.where(top > 0, d/np.maximum(top, 1e-6), 0), top

def classify(rgb):
    "The index into `NAMES` of every pixel. Later rules overrule earlier ones."
    h, s, v = hsv(rgb); light = (.299*rgb[..., 0]+.587*rgb[..., 1]+.114*rgb[..., 2])/255
    out = np.full(h.shape, NAMES.index("gray"), np.int8); grey = s*v < .11; c = ~grey
    def name(where, word): out[where] = NAMES.index(word)
    name(grey & (v >= .86), "white"); name(grey & (v < .30), "black")
    red = c & ((h < 14) | (h >= 345)); name(red, "red"); name(red & (s < .55) & (v > .75), "pink"); name(red & (v < .42), "brown")
    orange = c & (h >= 14) & (h < 42); name(orange, "orange"); name(orange & (v < .72) & (light < .56), "brown"); name(orange & (s < .42) & (v < .92), "brown")
    yellow = c & (h >= 42) & (h < 66); name(yellow, "yellow"); name(yellow & (v < .5), "brown")
    for lo, hi, word in ((66, 165, "green"), (165, 193, "teal"), (193, 252, "blue"), (252, 292, "purple"), (292, 345, "pink")): name(c & (h >= lo) & (h < hi), word)
    name(c & (h >= 292) & (h < 320) & (v < .7), "purple"); name(v < .17, "black")
    return out

def main_colors(rgb, alpha, share=.40):
    "The colour words that each cover at least `share` of the opaque pixels, the largest first: none, one or two."
    m = alpha > 128
    if m.sum() < 20: return []
    n = np.bincount(classify(rgb)[m], minlength=len(NAMES))/m.sum()
    return [NAMES[i] for i in np.argsort(-n) if round(float(n[i]), 3) >= share]
