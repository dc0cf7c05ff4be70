"One gate for pictures: every form of a file, an array and a mask is made right at the door, or refused with its name and what to do."
import io, re, struct, warnings, zipfile, zlib
from pathlib import Path
import numpy as np, pytest, torch
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageFile, ImageOps
from course import ROOT
from sdcourse import core, show
from sdcourse.core import picture_size, read_picture, to_mask, to_pil, to_rgb, to_rgbs, to_tensor
from sdcourse.redraw import fit_picture, open_picture

few = settings(derandomize=True, max_examples=60, deadline=None)
SIDES = st.integers(1, 40)
FLIPS = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, # how a picture is laid down so that its EXIF tag turns it back
         6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}
GREY, BW = ("L", "LA", "La"), ("1",)
OFF = {"YCbCr": 2, "HSV": 3, "LAB": 16, "RGBa": 1, "La": 1} # the mode's own rounding, measured, of 255: 8 bits of Lab do not hold pure green


def blocks(w, h, mode="RGB"):
    "A picture of twelve colours (or greys, or black and white) without any symmetry, and its alpha: 255, 170, 85 or 0."
    y, x = np.mgrid[:h, :w]; k = (x * 4 // w + 4 * (y * 3 // h)) # 0 to 11
    if mode in BW: rgb = np.repeat((k % 5 % 2 * 255)[..., None], 3, 2)
    elif mode in GREY: rgb = np.repeat((k * 23)[..., None], 3, 2)
    else: rgb = np.stack([k * 23, 255 - k * 17, (k * k * 2)], -1)
    return rgb.astype(np.uint8), ((3 - x * 4 // w) * 85).astype(np.uint8)


def in_mode(rgb, alpha, mode):
    "The same picture in a mode, and its alpha, if the mode has one."
    base = Image.fromarray(rgb)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        full = base.convert("RGBA"); full.putalpha(Image.fromarray(alpha))
        if mode == "PA": pa = base.quantize(16, dither=0).convert("PA"); pa.putalpha(Image.fromarray(alpha)); return pa, alpha
        return (full.convert("LA").convert("La") if mode == "La" else full.convert(mode)), alpha
    if mode == "P": return base.quantize(16, dither=0), None
    if mode == "P+":
        p = base.quantize(16, dither=0); gone = p.getpixel((0, 0)); p.info["transparency"] = gone
        return p, np.where(np.asarray(p) == gone, 0, 255).astype(np.uint8)
    if mode == "L+": g = base.convert("L"); g.info["transparency"] = 0; return g, np.where(rgb[..., 0] == 0, 0, 255).astype(np.uint8)
    return base.convert(mode), None


def seen(rgb, alpha, ground):
    "What a person sees, by arithmetic alone."
    if alpha is None: return rgb.astype(float)
    a = alpha[..., None] / 255
    return rgb * a + np.array(ground) * (1 - a)


def off(img, want): return float(np.abs(np.asarray(img, float) - want).max())


# Modes, formats, orientations

MODES = ("1", "L", "L+", "LA", "La", "P", "P+", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV", "LAB")


@few
@given(st.sampled_from(MODES), SIDES, SIDES, st.sampled_from([("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#204080", (32, 64, 128))]))
def test_every_mode_is_the_same_picture(mode, w, h, ground):
    "In memory, on any background; the background is seen through alpha and nowhere else."
    rgb, alpha = blocks(w, h, mode.rstrip("+")); img, alpha = in_mode(rgb, alpha, mode); out = to_rgb(img, ground[0])
    assert out.mode == "RGB" and out.size == (w, h) and img.mode == mode.rstrip("+")
    assert off(out, seen(rgb, alpha, ground[1])) <= OFF.get(mode, 0) + (1 if alpha is not None else 0)


HOLDS = {("PNG", ()): ("1", "L", "L+", "LA", "P", "P+", "RGB", "RGBA"), ("TIFF", ()): ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"), ("TIFF", (("compression", "tiff_lzw"),)): ("L", "RGB", "RGBA"), ("BMP", ()): ("1", "L", "P", "RGB"),
         ("GIF", ()): ("1", "L", "P", "P+"), ("WEBP", (("lossless", True), ("exact", True))): ("RGB", "RGBA"), ("WEBP", (("quality", 100),)): ("RGB",), ("JPEG", (("quality", 100), ("subsampling", 0))): ("L", "RGB", "CMYK")}
LOSSY = {"JPEG": (6, 1), "WEBP": (90, 14)} # the largest and the mean difference of 255; WebP halves the colours' resolution


@few
@given(st.sampled_from([(f, kw, m) for (f, kw), ms in HOLDS.items() for m in ms]), st.sampled_from(sorted(FLIPS)), SIDES, SIDES)
def test_every_file_is_the_same_picture(case, turn, w, h):
    "Format x mode x size x orientation. From the disk, from bytes and already open, it is one picture."
    fmt, kw, mode = case; rgb, alpha = blocks(w, h, mode.rstrip("+")); img, alpha = in_mode(rgb, alpha, mode); more = dict(kw)
    if fmt in ("GIF", "BMP"): turn = 1 # they have no such tag
    if turn != 1: img = img.transpose(FLIPS[turn]); more["exif"] = exif = Image.Exif(); exif[0x0112] = turn
    if mode.endswith("+"): more["transparency"] = in_mode(*blocks(w, h, mode[0]), mode)[0].info["transparency"]
    img.save(f := io.BytesIO(), fmt, **more); data = f.getvalue()
    got = to_rgb(read_picture(data)); want = seen(rgb, alpha, (255, 255, 255))
    assert got.size == (w, h) == picture_size(data) == read_picture(data).size
    most, mean = LOSSY[fmt] if "quality" in more else (OFF.get(mode, 0) + (alpha is not None), 8)
    assert off(got, want) <= most and np.abs(np.asarray(got, float) - want).mean() <= mean
    with Image.open(io.BytesIO(data)) as lazy: assert to_rgb(lazy).tobytes() == got.tobytes()
    assert open_picture(data).tobytes() == got.tobytes()


def test_a_phones_photo_with_more_behind_it_is_the_photo(tmp_path):
    "MPO: a JPEG with a preview or a depth map behind it is no film."
    a, b = (Image.fromarray(blocks(20, 10)[0]).transpose(t) for t in (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_LEFT_RIGHT))
    a.save(file := tmp_path/"photo.jpg", "MPO", save_all=True, append_images=[b], quality=100, subsampling=0)
    with Image.open(file) as img: assert (img.format, img.n_frames) == ("MPO", 2)
    assert off(open_picture(file), np.asarray(a, float)) <= 30 and off(to_rgb(Image.open(file)), np.asarray(a, float)) <= 30


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_a_film_a_frame_is_named(tmp_path, fmt):
    frames = [Image.new("RGB", (8, 6), c) for c in ("red", "lime", "blue")]; file = tmp_path/f"film.{fmt.lower()}"
    frames[0].save(file, fmt, save_all=True, append_images=frames[1:], **(dict(lossless=True) if fmt == "WEBP" else {}))
    for look in (read_picture, open_picture, lambda p: to_rgb(Image.open(p))):
        with pytest.raises(ValueError, match=r"film.* holds 3 pictures.*open_picture\(file, frame=0\)"): look(file)
    for k in range(3): assert to_rgb(read_picture(file, frame=k)).getpixel((4, 3)) == open_picture(file, frame=k).getpixel((4, 3)) == frames[k].getpixel((0, 0))
    for bad in (3, -1):
        with pytest.raises(ValueError, match="whole number from 0 to 2 for .*film"): open_picture(file, frame=bad)
    for bad in (True, 1.5, "1"):
        with pytest.raises((ValueError, TypeError), match="frame must be a whole number or None, got"): open_picture(file, frame=bad)
    with Image.open(file) as img: assert to_rgb(img.copy()).getpixel((0, 0)) == (255, 0, 0); img.seek(2); assert to_rgb(img).getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B", "I;16L"])
def test_greys_without_a_range_are_refused_and_the_remedy_works(mode, tmp_path):
    grey = np.arange(256).reshape(16, 16); img = Image.fromarray((grey * 257).astype("uint16")).convert(mode) if mode in ("I", "F", "I;16") else Image.new(mode, (16, 16))
    with pytest.raises(ValueError, match=f"mode {mode!r} has no agreed range.*8 bit") as e: to_rgb(img)
    if mode != "I;16B": assert np.array_equal(to_rgb(eval(re.search(r"Image\.fromarray\(.*$", str(e.value))[0], dict(Image=Image, np=np, img=img))), np.repeat(grey[..., None] if mode in ("I", "F", "I;16") else np.zeros((16, 16, 1)), 3, 2).astype(np.uint8))
    if mode == "I;16":
        for fmt in ("png", "tif"):
            img.save(tmp_path/f"deep.{fmt}")
            with pytest.raises(ValueError, match="no agreed range"): open_picture(tmp_path/f"deep.{fmt}")


# Arrays and tensors

@few
@given(st.integers(1, 4), SIDES, SIDES, st.integers(0, 9))
def test_arrays_and_tensors_are_the_same_picture(c, w, h, seed):
    "Bytes, floats of both ranges and three widths, as an array and as a tensor, from one channel to four; and to_tensor and back."
    x = np.random.default_rng(seed).integers(0, 256, (h, w, c), dtype=np.uint8); x[0, 0] = 255
    want = to_rgb(Image.fromarray(x[..., 0] if c == 1 else x, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[c])); t = torch.tensor(x).permute(2, 0, 1)
    forms = [to_rgb(x), to_rgb(t), to_rgb(x[::-1][::-1]), to_rgb(x / 255, values=(0, 1)), to_rgb((t.float() / 127.5 - 1), values=(-1, 1)), to_rgb((x / 255).astype(np.float32), values=(0, 1)), to_rgb(x.astype(float), values=(0, 255)), to_rgb(t.double() / 255, values=(0., 1.))]
    if c == 1: forms += [to_rgb(x[..., 0]), to_rgb(t[0])]
    assert {f.tobytes() for f in forms} == {want.tobytes()} and {f.size for f in forms} == {(w, h)}
    assert to_pil(to_tensor(want))[0].tobytes() == want.tobytes() == to_pil(to_tensor(x))[0].tobytes()


def test_bools_and_half_precision():
    b = np.arange(12).reshape(3, 4) % 3 == 0
    assert np.array_equal(np.asarray(to_rgb(b))[..., 0], b * 255) and to_rgb(b).tobytes() == to_rgb(torch.tensor(b)).tobytes()
    g = torch.tensor([[0., .5, 1.]])
    for dtype in (torch.float16, torch.bfloat16, torch.float64): assert np.asarray(to_rgb(g.to(dtype), values=(0, 1)))[0, :, 0].tolist() == [0, 128, 255]


u8, ramp = lambda *s: np.full(s, 9, np.uint8), np.linspace(0, 1, 48).reshape(4, 4, 3)
ARRAYS = { # what it is: (the array, what is said)
    "floats whose range nobody sees": (ramp, r"float64, from 0 to 1, and nobody can see.*values=\(0, 1\)\), or values=\(-1, 1\)"), "a tensor of the networks": (torch.rand(3, 8, 8) * 2 - 1, r"values=\(-1, 1\)"), "latents": (torch.randn(4, 8, 8), "nobody can see"),
    "NaN": (ramp * float("nan"), "48 of 48 values .* are NaN"), "inf": (np.where(ramp > .9, np.inf, ramp), "NaN or inf"), "channels first in an array": (u8(3, 8, 8), r"8 channels.*x\.transpose\(1, 2, 0\)"),
    "channels last in a tensor": (torch.full((8, 9, 3), 9, dtype=torch.uint8), r"8 channels.*x\.permute\(2, 0, 1\)"), "five channels": (u8(8, 8, 5), "5 channels"), "a batch": (u8(2, 8, 8, 3), r"batch of pictures.*x\[0\]"), "a batch of one": (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "batch"),
    "a row": (u8(8), "is no picture"), "five axes": (u8(1, 1, 8, 8, 3), "is no picture"), "a number": (np.uint8(9), "is no picture"), "no rows": (u8(0, 8, 3), "one pixel at least"), "no columns": (u8(8, 0), "one pixel at least"), "nothing": (np.zeros((0,), np.uint8), "is no picture"), "int64": (u8(4, 4, 3).astype(int), "make it uint8"),
    "uint16": (u8(4, 4).astype(np.uint16), "make it uint8"), "complex": (u8(4, 4).astype(complex), "make it uint8"), "text": (np.array([["a", "b"]]), "make it uint8"), "objects": (np.array([[None, 1]]), "make it uint8"), "0 and 1 in bytes": (np.eye(4, dtype=np.uint8), "none above 1.*255"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_that_say_too_little_are_refused(what):
    x, says = ARRAYS[what]
    for gate in (to_rgb, lambda x: fit_picture(x, 8), lambda x: to_rgbs([x]), lambda x: to_tensor([x]), lambda x: open_picture(x)):
        with pytest.raises((TypeError, ValueError), match=says): gate(x)


def test_values_are_kept_to():
    for values in ((1, 0), (0, 0), (0,), "01", (0, float("nan")), 1, (0, 1e-12)):
        with pytest.raises(ValueError, match=r"values must be what black and white are"): to_rgb(ramp, values=values)
    with pytest.raises(ValueError, match=r"from 0 to 1.5, beyond values=\(0, 1\).*clip\(0, 1\)"): to_rgb(ramp * 1.5, values=(0, 1))
    with pytest.raises(ValueError, match=r"beyond values=\(0, 1\)"): to_rgb(ramp * 2 - 1, values=(0, 1))
    for x in (u8(4, 4), Image.new("RGB", (2, 2))):
        with pytest.raises(TypeError, match="is for an array of floats"): to_rgb(x, values=(0, 1))
    for x in (np.zeros((1, 3, 4, 4)), torch.zeros(1, 3, 4, 4, dtype=torch.uint8), None, Image.new("RGB", (2, 2))):
        with pytest.raises(TypeError, match="expected a tensor of floats"): to_pil(x)


def test_a_batch_is_a_list_where_several_are_taken():
    x = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    assert [im.tobytes() for im in to_rgbs(x)] == [im.tobytes() for im in to_rgbs(list(x))] == [im.tobytes() for im in to_rgbs(torch.tensor(x).permute(0, 3, 1, 2))] == [Image.fromarray(k).tobytes() for k in x]
    assert to_tensor(x).shape == (3, 3, 5, 7) and len(to_rgbs(x[0])) == 1
    with pytest.raises(TypeError, match="picture 1: expected a PIL picture, got 'b.png'.*open_picture"): to_rgbs([x[0], "b.png"])
    for bad in ("a.png", Path("a.png"), b"abc", 5, None, {"a": 1}):
        with pytest.raises(TypeError, match="expected a list or a generator of PIL pictures"): to_rgbs(bad)


# Masks

@few
@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 99), st.sampled_from(["png", "tif", "webp", "bmp"]), st.sampled_from(sorted(FLIPS)))
def test_every_form_of_a_mask_is_the_same_mask(w, h, seed, suffix, turn):
    hole = np.random.default_rng(seed).random((h, w)) < .4; hole[0, 0], hole[-1, -1] = True, False; L = Image.fromarray(hole.astype(np.uint8) * 255); want = L.tobytes()
    layer = Image.new("RGBA", (w, h), "white"); layer.putalpha(L); both = Image.merge("RGBA", [L, L, L, Image.new("L", (w, h), 255)])
    soft = Image.fromarray(np.where(hole, 128 + np.random.default_rng(seed).integers(0, 128, (h, w)), np.random.default_rng(seed).integers(0, 128, (h, w))).astype(np.uint8))
    if not (np.asarray(soft)[hole] > 0).all() or np.asarray(soft).max() < 128: soft = L
    t = torch.tensor(hole)
    forms = dict(L=L, one=L.convert("1"), RGB=L.convert("RGB"), P=L.convert("P"), CMYK=L.convert("CMYK"), LA=layer.convert("LA"), layer=layer, opaque=both, soft=soft, bools=hole, bytes=hole.astype(np.uint8) * 255, floats=hole.astype(float), tensor=t, channel=t[None], half=t.half(), tbytes=t[None].byte() * 255, rgb=np.repeat(hole[..., None], 3, 2))
    for name, m in forms.items(): got = to_mask(m, (w, h)); assert (got.mode, got.tobytes()) == ("L", want), name
    kw = {}; laid = layer
    if suffix != "bmp": laid = layer if turn == 1 else layer.transpose(FLIPS[turn]); kw = dict(exif=(e := Image.Exif())); e[0x0112] = turn
    else: laid = L
    laid.save(f := io.BytesIO(), {"tif": "TIFF", "webp": "WEBP"}.get(suffix, suffix), **kw, **(dict(lossless=True, exact=True) if suffix == "webp" else {}))
    assert open_picture(f.getvalue(), mask=True).tobytes() == want # not on white, as a picture is, which would turn the mask round


def painted(ground, paint, alpha=None):
    m = Image.new("RGBA", (32, 32), ground); m.paste(paint, (8, 8, 24, 24))
    return m


MASKS = { # what it is: (the mask, what is said)
    "another size": (Image.new("L", (16, 32), 255), r"16x32 pixels and the picture 32x32.*mask\.resize\(\(32, 32\), 0\)"), "red paint": (painted("black", "red"), "in colour .255, 0, 0 at x=8, y=8.*white and black"), "a photo": (Image.fromarray(blocks(32, 32)[0]), "in colour"),
    "yellow, which is light": (painted((0, 0, 0, 0), "yellow"), "in colour"), "a hole in a photo": (painted((200, 80, 40, 255), (0, 0, 0, 0)), r"in colour.*invert\(mask\.getchannel"), "black paint on a transparent ground": (painted((255, 255, 255, 0), "black"), "black paint.*getchannel"), "nowhere white": (Image.new("L", (32, 32), 99), "lightest is 99"),
    "0 and 1 in a picture": (Image.new("L", (32, 32), 1), "lightest is 1"), "0 and 1 in bytes": (np.eye(32, dtype=np.uint8), "none above 1"), "0 and 1 in int64": (np.eye(32, dtype=int), "if 0 and 1, bool"), "floats to 255": (np.eye(32) * 255, r"beyond values=\(0, 1\)"), "floats from -1": (np.eye(32) * 2 - 1, "beyond"),
    "NaN": (np.full((32, 32), np.nan), "NaN"), "a batch": (torch.zeros(1, 1, 32, 32), "batch"), "16 bit": (Image.new("I;16", (32, 32), 65535), "8 bit"), "floats in a picture": (Image.new("F", (32, 32), 1), "8 bit"), "a file's name": ("mask.png", "open_picture"), "nothing": (None, "expected a PIL picture"),
}


@pytest.mark.parametrize("what", MASKS)
def test_masks_that_say_neither_are_refused(what):
    from sdcourse.inpainting import fill_hole
    m, says = MASKS[what]
    for gate in (lambda: to_mask(m, (32, 32)), lambda: fill_hole(Image.new("RGB", (32, 32)), m)):
        with pytest.raises((TypeError, ValueError), match=says): gate()


def test_black_and_empty_masks_keep_everything():
    for m in (Image.new("L", (8, 8)), Image.new("RGBA", (8, 8)), Image.new("RGBA", (8, 8), "black"), np.zeros((8, 8), bool), torch.zeros(8, 8)): assert to_mask(m).getextrema() == (0, 0)
    for m in (Image.new("1", (8, 8), 1), np.ones((8, 8)), Image.new("RGBA", (8, 8), "white")): assert to_mask(m).getextrema() == (255, 255)


def test_a_transparent_mask_is_the_same_from_a_command(tmp_path, monkeypatch):
    "White paint on a transparent ground was white everywhere once: composited as a picture is."
    import sdcourse.inpainting; from click.testing import CliRunner; from sdcourse.cli import main
    asked = {}; monkeypatch.chdir(tmp_path); monkeypatch.setattr(sdcourse.inpainting, "inpaint", lambda pipe, prompt, img, hole, **kw: asked.update(hole=hole) or [])
    layer = Image.new("RGBA", (64, 64)); layer.paste("white", (16, 16, 48, 48)); layer.save("hole.png"); Image.new("RGB", (64, 64), "teal").save("photo.png")
    res = CliRunner().invoke(main, ["inpaint", "photo.png", "hole.png", "a fox", "--seed", "1", "--steps", "2"])
    assert "hole" in asked, res.output
    assert np.array_equal(np.asarray(asked["hole"]) > 0, np.asarray(layer.getchannel("A")) > 0)


# Bad files

def saved(fmt="PNG", img=None, **kw): (img or Image.fromarray(blocks(40, 30)[0])).save(f := io.BytesIO(), fmt, **kw); return f.getvalue()
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def bomb_png(w, h): return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
def bomb_gif(w, h): d = bytearray(saved("GIF")); d[6:10] = struct.pack("<HH", w, h); return bytes(d)
def bomb_bmp(w, h): d = bytearray(saved("BMP")); d[18:26] = struct.pack("<ii", w, h); return bytes(d)
def bomb_jpeg(w, h): d = bytearray(saved("JPEG")); at = d.index(b"\xff\xc0") + 5; d[at:at + 4] = struct.pack(">HH", h, w); return bytes(d)
def a_zip(): zipfile.ZipFile(f := io.BytesIO(), "w").writestr("a.png", "x"); return f.getvalue()
def broken_png(): d = bytearray(saved()); at = d.index(b"IDAT") + 30; d[at:at + 9] = b"\xff" * 9; return bytes(d)


COPY = "copy it anew, or"; SAVE = "save it as PNG or JPEG"; SMALL = r"make it smaller.*MAX_IMAGE_PIXELS"
BAD = { # the file: (its bytes, what it is said to be, the remedy)
    "empty.png": (b"", "is empty .0 bytes", "copy it anew"), "one.png": (b"\x89", "begins with", SAVE), "zeros.png": (bytes(4000), "begins with", SAVE), "text.png": (b"a red fox in the snow", "begins with b'a red fox", SAVE), "utf16.png": ("hello".encode("utf-16"), "begins with", SAVE),
    "page.png": (b"<!DOCTYPE html><html>404</html>", "a web page", SAVE), "drawing.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing", SAVE), "svg.png": (b"<svg/>", "an SVG drawing", SAVE), "photo.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC", SAVE),
    "photo.jpg": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99), "HEIC", SAVE), "new.avif": (b"\0\0\0\x1cftypavif" + bytes(99), "AVIF", SAVE), "film.mp4": (b"\0\0\0\x18ftypisom" + bytes(99), "a film", SAVE), "film.png": (b"RIFF\x10\0\0\0AVI LIST", "begins with b'RIFF", SAVE), "paper.pdf": (b"%PDF-1.7\n%", "a PDF", SAVE), "layers.psd": (b"8BPS\0\1" + bytes(99), "Photoshop", SAVE),
    "jxl.png": (b"\xff\n\xfa\x7f" + bytes(50), "JPEG XL", SAVE), "jp2.jpg": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "JPEG 2000", SAVE), "pictures.zip": (a_zip(), "a ZIP archive", SAVE), "script.png": (b"%!PS-Adobe-3.0 EPSF", "PostScript", SAVE), "icon.ico": (saved("ICO"), "an icon", SAVE), "grey.ppm": (saved("PPM"), "begins with b'P6", SAVE), "code.png": (b"import os\n", "begins with", SAVE),
    "tga.png": (saved("TGA"), "begins with", SAVE), "pickle.png": (b"\x80\x04\x95" + bytes(30), "begins with", SAVE), "bomb.png": (bomb_png(100_000, 100_000), "has 10000000000 pixels", SMALL), "large.png": (bomb_png(10_000, 9_000), "has 10000x9000 pixels", SMALL), "bomb.gif": (bomb_gif(65_000, 65_000), "has 4225000000 pixels", SMALL), "bomb.bmp": (bomb_bmp(100_000, 100_000), "has 10000000000 pixels", SMALL),
    "bomb.jpg": (bomb_jpeg(65_000, 65_000), "has 4225000000 pixels", SMALL), "large.jpg": (bomb_jpeg(10_000, 9_000), "has 10000x9000 pixels", SMALL), "flat.png": (bomb_png(0, 10), "damaged picture", COPY), "half.png": (saved()[:-60], "damaged picture", COPY), "tail.png": (saved()[:-12], "damaged picture .it is cut off", COPY), "half.jpg": (saved("JPEG")[:-60], "damaged picture", COPY), "head.jpg": (saved("JPEG")[:9], "damaged picture", COPY),
    "half.webp": (saved("WEBP")[:-60], "damaged picture", COPY), "half.gif": (saved("GIF")[:-60], "damaged picture", COPY), "half.bmp": (saved("BMP")[:-60], "damaged picture", COPY), "half.tif": (saved("TIFF")[:-60], "damaged picture", COPY), "lzw.tif": (saved("TIFF", compression="tiff_lzw")[:-9], "damaged picture", COPY), "broken.png": (broken_png(), "damaged picture", COPY),
    "film.gif": (saved("GIF", save_all=True, append_images=[Image.new("RGB", (40, 30))]), "holds 2 pictures", r"open_picture\(file, frame=0\)"), "deep.png": (saved(img=Image.new("I;16", (9, 9), 999)), "no agreed range", "scale it to 8 bit"), "float.tif": (saved("TIFF", Image.new("F", (9, 9))), "no agreed range", "scale it to 8 bit"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name(name, tmp_path):
    "At each door that takes a file: the name and the remedy; nothing is decoded of a bomb."
    from sdcourse.dreams import slideshow
    from sdcourse.tune.data import load_data
    data, says, remedy = BAD[name]; (file := tmp_path/name).write_bytes(data); (tmp_path/"meta").mkdir(); (tmp_path/"meta"/name).write_bytes(data); (tmp_path/"meta/metadata.jsonl").write_text(f'{{"file_name": "{name}", "text": "a fox"}}')
    deep = says == "no agreed range"
    doors = [lambda: open_picture(file), lambda: open_picture(file, mask=True), lambda: load_data(tmp_path/"meta", least=1), lambda: list(slideshow([file])), *([] if deep else [lambda: read_picture(file), lambda: show.read_settings(file)])]
    for door in doors:
        with pytest.raises(ValueError, match=f"(?s){says}.*{remedy}") as e: door()
        assert deep or name in str(e.value)
    if not deep:
        with pytest.raises(ValueError, match=f"(?s)^row 7 {says}|^row 7 is|^row 7 has|^row 7 holds"): read_picture(data, name="row 7")


def test_what_cannot_be_opened_at_all(tmp_path):
    (tmp_path/"dir.png").mkdir()
    for look in (read_picture, open_picture, picture_size):
        with pytest.raises(IsADirectoryError, match=r"dir\.png is a folder: give one picture file"): look(tmp_path/"dir.png")
        with pytest.raises(FileNotFoundError, match="no picture '.*none.png': there is no such file"): look(tmp_path/"none.png")
    for bad in (5, None, ["a.png"]):
        with pytest.raises(TypeError, match="expected a file or its bytes"): read_picture(bad)
        with pytest.raises(TypeError, match="a picture is a name, a file"): open_picture(bad)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fmt, kw", [("PNG", {}), ("JPEG", {}), ("JPEG", dict(progressive=True)), ("WEBP", {}), ("WEBP", dict(lossless=True)), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", dict(compression="tiff_lzw")), ("TIFF", dict(compression="jpeg"))], ids=str)
def test_cut_off_anywhere_it_is_refused(fmt, kw):
    "At every length. Only what comes after the last pixel may be missing: two bytes of a GIF, the filling of a BMP's last row; then the picture is the same."
    img = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)); data = saved(fmt, img, **kw); want = to_rgb(read_picture(data)).tobytes()
    for k in range(len(data)):
        try: got = to_rgb(read_picture(data[:k], name="torn.png"))
        except ValueError as e: assert str(e).startswith("torn.png is "); continue
        assert len(data) - k <= dict(GIF=2, BMP=1).get(fmt, 0) and got.tobytes() == want, k


def test_the_cap_is_pillows_and_asked_before_decoding(tmp_path, monkeypatch):
    "A picture one pixel too large is not decoded; raising the cap is the remedy, and it works."
    Image.new("RGB", (101, 100)).save(file := tmp_path/"big.png"); monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with monkeypatch.context() as m, warnings.catch_warnings():
        warnings.simplefilter("ignore"); m.setattr(ImageFile.ImageFile, "load", lambda *a: pytest.fail("decoded"))
        for look in (open_picture, picture_size, lambda p: to_rgb(Image.open(p)), lambda p: show.image_grid([Image.open(p)])):
            with pytest.raises(ValueError, match=r"big\.png has 101x100 pixels, and no more than 10000 are decoded.*MAX_IMAGE_PIXELS"): look(file)
    for cap in (10_100, None): monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", cap); assert open_picture(file).size == (101, 100)


# Every door

@pytest.fixture(scope="module")
def pipe():
    from sdcourse.models import load
    pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def bad_pictures(tmp_path_factory):
    "Open PIL pictures and others that every function must refuse in the same words."
    top = tmp_path_factory.mktemp("bad"); (top/"torn.png").write_bytes(saved(img=Image.effect_noise((64, 64), 90))[:-300]); Image.new("RGB", (64, 64)).save(top/"film.gif", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    return [(lambda: Image.open(top/"torn.png"), "torn.png is a damaged picture"), (lambda: Image.open(top/"film.gif"), "holds 2 pictures"), (lambda: Image.new("I;16", (64, 64)), "no agreed range"), (lambda: Image.new("RGB", (0, 64)), "0x64 pixels"),
            (lambda: np.zeros((64, 64, 3)), "nobody can see|expected a PIL|a picture must be"), (lambda: None, "expected a|a picture must be|a picture is a|a colour is"), (lambda: 5, "expected a|a picture must be|a picture is a|a colour is")]


def doors(pipe, tmp):
    "Every function of the package that takes a picture."
    from sdcourse import animation, attention, chains, drawing, dreams, explorers, inpainting, jobs, latents, measure, motion, record, redraw, replays, tune
    ok, P = Image.new("RGB", (64, 64), "teal"), "a fox"; white = Image.new("L", (64, 64), 255); judge = measure.load_judge()
    return dict(to_rgb=to_rgb, to_tensor=to_tensor, to_mask=to_mask, open_picture=open_picture, fit_picture=lambda x: fit_picture(x, 64), image_grid=lambda x: show.image_grid([x]), labelled_grid=lambda x: show.labelled_grid([x], captions=["a"]), filmstrip=lambda x: show.filmstrip([ok, x]),
        difference=lambda x: show.difference(ok, x), save_mp4=lambda x: show.save_mp4([ok, x], tmp/"a.mp4"), save_gif=lambda x: show.save_gif([ok, x], tmp/"a.gif"), slideshow=lambda x: list(dreams.slideshow([ok, x])), slides=lambda x: list(dreams.slideshow(iter([ok, x]))), img2img=lambda x: redraw.img2img(pipe, P, x), likeness=lambda x: redraw.likeness(x, ok), likeness_to=lambda x: redraw.likeness(ok, x),
        inpaint=lambda x: inpainting.inpaint(pipe, P, x, white), inpaint_mask=lambda x: inpainting.inpaint(pipe, P, ok, x), latent_mask=lambda x: inpainting.latent_mask(pipe, x), text_mask=lambda x: inpainting.text_mask(pipe, x, "fox"), fill_hole=lambda x: inpainting.fill_hole(x, white), fill_hole_mask=lambda x: inpainting.fill_hole(ok, x), chain=lambda x: chains.chain(pipe, x, [P]),
        animate=lambda x: animation.animate(pipe, P, image=x, frames=2), animate_video=lambda x: animation.animate(pipe, P, animation_mode="video", video=[ok, x]), move_2d=lambda x: motion.move_2d(x), move_3d=lambda x: motion.move_3d(x), match_color=lambda x: motion.match_color(ok, x), encode=lambda x: latents.encode(pipe, x), heatmap=lambda x: attention.heatmap(x, np.ones((8, 8))),
        judge=lambda x: judge([x]), features=lambda x: judge.features([x]), explore_strength=lambda x: explorers.explore_strength(pipe, P, x), pad=lambda x: drawing.pad(x), trainer=lambda x: tune.train._as_data([(x, P)], pipe), as_seen=core.as_seen, picture_size=picture_size)


def test_every_door_is_the_gate(pipe, bad_pictures, tmp_path, monkeypatch):
    "Not one function takes a bad picture or says it in words of its own, and none asks the network first."
    import importlib; [importlib.import_module(f"sdcourse.{m}") for m in ("tune.train", "explorers")]
    monkeypatch.setattr(pipe.unet, "forward", lambda *a, **k: pytest.fail("the network was asked")); wrong = []
    own = {"as_seen": (2, 4), "picture_size": (0, 1, 2, 3, 4, 5, 6), "pad": (5, 6)} # halves of the gate: no range, no decoding; a pad takes a colour
    for name, door in doors(pipe, tmp_path).items():
        for k, (make, says) in enumerate(bad_pictures):
            if k in own.get(name, ()): continue
            if name in ("animate", "inpaint_mask") and k == 5 or "mask" in name and k == 4: continue # None is no picture there; a mask of floats is one
            try: got = door(make()); wrong.append(f"{name} took {says}: {got!r}")
            except (TypeError, ValueError) as e:
                if not re.search(says, str(e)): wrong.append(f"{name}: {type(e).__name__}: {e} (not {says})")
            except Exception as e: wrong.append(f"{name}: {type(e).__name__}: {e}")
    assert not wrong, "\n".join(wrong)


def test_every_door_turns_and_sees_through(pipe, tmp_path):
    "A picture that is turned by its tag and has transparent parts is at every door the one that to_rgb gives."
    from sdcourse import latents, measure, motion, redraw, replays
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)); noise.getexif()[0x0112] = 6; plain = to_rgb(noise); judge = measure.load_judge()
    same = dict(grid=lambda x: show.image_grid([x]).tobytes(), fit=lambda x: fit_picture(x, 32).tobytes(), move=lambda x: motion.move_2d(x, zoom=1.1).tobytes(), move_3d=lambda x: motion.move_3d(x).tobytes(), encode=lambda x: latents.encode(pipe, x, seed=1).numpy().tobytes(), judge=lambda x: judge.features([x]).numpy().tobytes(),
                likeness=lambda x: redraw.likeness(x, plain)[0].pixels, img2img=lambda x: redraw.img2img(pipe, "a fox", x, seed=1, strength=.5, num_inference_steps=2)[0].tobytes(), history=lambda x: replays.history([x]).thumbs[0], gif=lambda x: show.save_gif([x], tmp_path/"a.gif").read_bytes(), png=lambda x: to_rgb(read_picture(show.save_png(x, tmp_path/"a.png"))).tobytes())
    for name, door in same.items(): assert door(noise) == door(plain), name


def test_a_recipe_holds_the_picture_as_it_is_seen():
    from sdcourse.record import pack, unpack
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        rgb, alpha = blocks(20, 10, mode); img, alpha = in_mode(rgb, alpha, mode); img.getexif()[0x0112] = 6; back = unpack(pack(img))
        assert back.size == (10, 20) and np.abs(np.asarray(to_rgb(back), int) - np.asarray(to_rgb(img), int)).max() <= 1, mode
    with pytest.raises(ValueError, match="no agreed range"): pack(Image.new("I;16", (4, 4)))


def test_no_other_door():
    "Nobody else opens a picture: the source says Image.open in one place."
    found = {p.relative_to(ROOT).as_posix(): n for p in (ROOT/"sdcourse").rglob("*.py") if "exercises" not in p.parts and (n := len(re.findall(r"\bImage\.open\(|\bimread\(", p.read_text("utf-8"))))}
    assert found == {"sdcourse/core.py": 1}
