"Pictures as float32 (64, 64, 4) with premultiplied alpha, and how they are drawn, flattened and stored."
import io
import numpy as np, resvg_py
from PIL import Image

def premultiply(img):
    "PIL image -> float32 (h, w, 4) in [0,1], colours times alpha."
    a = np.asarray(img.convert("RGBA")).astype(np.float32)/255; a[..., :3] *= a[..., 3:]
    return a

def shrink(img):
    "A square picture whose side is a multiple of 64 -> (64, 64, 4), each pixel the mean of its block."
    a = premultiply(img); k = a.shape[0]//64
    return a.reshape(64, k, 64, k, 4).mean((1, 3))

def on_white(pic):
    "(64, 64, 4) premultiplied -> uint8 colours on white (64, 64, 3) and uint8 alpha (64, 64)."
    alpha = pic[..., 3:]
    return ((pic[..., :3]+1-alpha).clip(0, 1)*255+.5).astype(np.uint8), (alpha[..., 0]*255+.5).astype(np.uint8)

def off_white(rgb, alpha):
    "The inverse of `on_white`: uint8 RGBA (64, 64, 4) with straight alpha."
    a = alpha[..., None].astype(np.float32)/255
    fg = np.round((rgb.astype(np.float32)-255*(1-a))/np.maximum(a, np.float32(1/255))).clip(0, 255)
    return np.concatenate([fg.astype(np.uint8), alpha[..., None]], -1)

def draw_svg(svg, size=128):
    "SVG text -> RGBA image of `size` x `size`, centred. resvg, because cairosvg draws some Fluent gradients wrong."
    img = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)))).convert("RGBA")
    if img.size == (size, size): return img
    if (k := size/max(img.size)) < 1: img = img.resize((round(img.width*k), round(img.height*k)), Image.LANCZOS)
    out = Image.new("RGBA", (size, size)); out.paste(img, ((size-img.width)//2, (size-img.height)//2))
    return out

def webp(rgba):
    "uint8 (64, 64, 4) -> lossless WebP bytes. (What lies under alpha 0 is not kept.)"
    f = io.BytesIO(); Image.fromarray(rgba).save(f, "WEBP", lossless=True, quality=100, method=4)
    return f.getvalue()

def decode(data):
    "Image bytes -> uint8 (64, 64, 4). WebP drops an alpha that is 255 everywhere, so the mode is set here."
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))

def same(a, b):
    "Are two RGBA arrays the same picture, bit for bit wherever anything is visible?"
    return bool((a[..., 3] == b[..., 3]).all() and (a[..., :3] == b[..., :3])[a[..., 3] > 0].all())
