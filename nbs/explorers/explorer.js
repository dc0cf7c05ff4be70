/* Brings the still pictures of a page to life: knobs over pictures that were drawn beforehand (pages/explorers.py).
   No library, no request but for axes.js and one sheet of pictures for each explorer; works from a plain file server and from a file. Without it, or when something is missing, the still stays. */
(() => {
  "use strict";
  const figures = [...document.querySelectorAll("figure.explorer[data-explorer]")];
  if (!figures.length) return;
  const base = new URL(".", document.currentScript.src), still = matchMedia("(prefers-reduced-motion: reduce)");

  function el(tag, props = {}, ...children) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(props)) if (k in e) e[k] = v; else e.setAttribute(k, v);
    e.append(...children);
    return e;
  }

  function build(fig, spec, sheet, nr) {
    const axes = spec.axes, at = axes.map(a => a.start || 0), shown = []; // where the knobs stand; what to do when they move
    let peek = null, timer = null; // a place looked at in passing, by hovering over a word; the film that runs
    const pick = (x, p) => x && x.by ? x.values[p[axes.findIndex(a => a.key === x.by)]] : x;
    const size = a => (a.values.by ? a.values.values[0] : a.values).length;
    const number = p => axes.reduce((n, a, j) => n * size(a) + p[j], 0);
    const name = (j, p) => String(pick(axes[j].values, p)[p[j]]);
    const set = (j, k) => { stop(); at[j] = Math.min(size(axes[j]) - 1, Math.max(0, k)); peek = null; show(); };

    // the pictures
    const screens = pick(spec.panels, at).map(() => el("canvas", {width: spec.side, height: spec.side, role: "img"}));
    const labels = screens.map(() => el("span", {className: "xp-label"}));
    const stage = el("div", {className: "xp-stage xp-" + screens.length}, ...screens.map((c, k) => el("div", {className: "xp-panel"}, c, labels[k])));
    const note = el("p", {className: "xp-note", "aria-live": "polite"});
    const code = el("code");
    function picture(p) {
      const n = number(p), said = axes.map((a, j) => `${a.label} ${name(j, p)}`).join(", ");
      screens.forEach((c, k) => {
        const t = spec.tiles[n * screens.length + k], pitch = spec.side + 2 * spec.pad;
        c.getContext("2d").drawImage(sheet, spec.pad + pitch * (t % spec.cols), spec.pad + pitch * Math.floor(t / spec.cols), spec.side, spec.side, 0, 0, spec.side, spec.side);
        labels[k].textContent = pick(spec.panels, p)[k];
        c.setAttribute("aria-label", `${pick(spec.panels, p)[k]}; ${said}: ${spec.notes[n]}`);
      });
      note.textContent = spec.notes[n][0].toUpperCase() + spec.notes[n].slice(1) + ".";
    }
    function write(p) { // the code that draws it, with the knobs' values marked
      code.replaceChildren(...pick(spec.call, p).split(/\{(\w+)\}/).map((part, k) => {
        const j = k % 2 ? axes.findIndex(a => a.key === part) : -1;
        return j < 0 ? part : el("mark", {}, String(pick(axes[j].codes, p)[p[j]]));
      }));
    }
    function show() { const p = peek || at; picture(p); write(p); shown.forEach(f => f(p)); }

    // the knobs
    function choice(a, j) { // a row of radio buttons; words of a prompt can be hovered over
      const list = () => pick(a.values, at), boxes = list().map((_, k) => el("input", {type: "radio", name: `xp-${nr}-${a.key}`, onchange: () => set(j, k)}));
      const names = boxes.map(() => el("span")), tabs = boxes.map((b, k) => el("label", {}, b, names[k]));
      if (a.kind === "words") tabs.forEach((t, k) => {
        t.addEventListener("pointerenter", e => { if (e.pointerType === "mouse") { peek = at.slice(); peek[j] = k; show(); } });
        t.addEventListener("pointerleave", () => { if (peek) { peek = null; show(); } });
      });
      shown.push(p => boxes.forEach((b, k) => { b.checked = at[j] === k; names[k].textContent = list()[k]; tabs[k].classList.toggle("xp-peek", !!peek && p[j] === k); }));
      return el("fieldset", {className: a.kind === "words" ? "xp-words" : "xp-choice"}, el("legend", {}, a.label), ...tabs);
    }
    function slider(a, j) {
      const id = `xp-${nr}-${a.key}`, out = el("output", {htmlFor: id}), last = size(a) - 1;
      const knob = el("input", {type: "range", id, min: 0, max: last, step: 1, oninput: () => set(j, +knob.value)});
      const button = (text, what, step) => el("button", {type: "button", "aria-label": `${what} ${a.label}`, onclick: () => set(j, at[j] + step)}, text);
      const back = button("−", "previous", -1), next = button("+", "next", 1), row = [back, knob, next];
      let film = null;
      if (a.play && !still.matches) { // whoever wants no motion has the two buttons
        film = el("button", {type: "button", className: "xp-play", onclick: () => timer ? stop() : play(a, j)}); row.push(film);
      }
      shown.push(p => {
        knob.value = p[j]; out.textContent = name(j, p); knob.setAttribute("aria-valuetext", `${a.label} ${name(j, p)}`);
        back.disabled = p[j] === 0; next.disabled = p[j] === last;
        if (film) { film.textContent = timer ? "❚❚" : "▶"; film.setAttribute("aria-label", timer ? "stop" : `play, ${a.label} by ${a.label}`); }
      });
      return el("div", {className: "xp-slider"}, el("label", {htmlFor: id}, a.label + " ", out), el("div", {className: "xp-row"}, ...row));
    }
    function play(a, j) {
      const last = size(a) - 1;
      if (at[j] === last) at[j] = 0;
      note.setAttribute("aria-live", "off"); // a film is not read out
      timer = setInterval(() => { at[j] += 1; if (at[j] >= last) { at[j] = last; stop(); } show(); }, a.play);
      show();
    }
    function stop() { if (timer) { clearInterval(timer); timer = null; note.setAttribute("aria-live", "polite"); show(); } }

    // the code, to take away
    const copy = el("button", {type: "button", className: "xp-copy", onclick: async () => {
      let done = true;
      try { await navigator.clipboard.writeText(code.textContent); }
      catch { // a page without the right to the clipboard, such as a file: the old way
        const s = getSelection(), r = document.createRange(); r.selectNodeContents(code); s.removeAllRanges(); s.addRange(r);
        done = document.execCommand("copy"); if (done) s.removeAllRanges();
      }
      copy.textContent = done ? "Copied" : "Press Ctrl+C"; setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    }}, "Copy");
    copy.setAttribute("aria-live", "polite");

    const knobs = axes.map((a, j) => (a.kind === "slider" ? slider : choice)(a, j));
    const box = el("div", {className: "xp", role: "group", "aria-label": spec.title}, el("div", {className: "xp-left"}, stage, note), el("div", {className: "xp-side"}, ...knobs),
      el("div", {className: "xp-code"}, el("div", {className: "xp-bar"}, el("span", {}, "The code that draws it"), copy), el("pre", {tabIndex: 0}, code)));
    show();
    const img = fig.querySelector("img");
    (img.parentElement === fig ? img : img.parentElement).before(box);
    fig.classList.add("xp-alive"); // hides the still
  }

  function wake(fig, nr) {
    const spec = window.sdcourseExplorers[fig.dataset.explorer];
    if (!spec) return;
    const sheet = new Image();
    sheet.onload = () => build(fig, spec, sheet, nr);
    sheet.src = new URL(spec.sheet, base).href;
  }

  document.head.append(el("script", {src: new URL("axes.js", base).href, onload: () => {
    if (!("IntersectionObserver" in window)) return figures.forEach(wake);
    const near = new IntersectionObserver(seen => seen.forEach(e => { if (e.isIntersecting) { near.unobserve(e.target); wake(e.target, figures.indexOf(e.target)); } }), {rootMargin: "800px"});
    figures.forEach(f => near.observe(f));
  }}));
})();
