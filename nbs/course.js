// The pages' own script: recall questions that mark themselves, and words that say what they mean.
// It asks nobody for anything; without it the answers fold open and the words are plain words. The words are in words.js, which pages/write.py makes.
(() => {
  "use strict";
  const main = document.querySelector("main") || document.body;
  const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "index";
  document.body.dataset.page = page; // the cheat sheet prints in columns
  const make = (tag, props = {}, ...inside) => { const e = Object.assign(document.createElement(tag), props); e.append(...inside); return e; };
  const store = { // what is kept between visits; some browsers allow none
    get: key => { try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return {}; } },
    set: (key, value) => { try { Object.keys(value).length ? localStorage.setItem(key, JSON.stringify(value)) : localStorage.removeItem(key); } catch { /* then only while the page is open */ } },
  };

  // Where a table is too wide for its place, long names in it may break behind their dots, dashes and strokes. Nothing is put into what one copies.
  function breakable() {
    for (const table of main.querySelectorAll("table")) if (table.scrollWidth > table.clientWidth) for (const e of table.querySelectorAll("td code, th"))
      for (const t of [...e.childNodes]) if (t.nodeType === 3 && /\S{13}/.test(t.data)) t.replaceWith(...t.data.split(/(?<=[_/.,=(](?=\w))/).flatMap((x, k) => k ? [make("wbr"), x] : [x]));
  }

  // Recall: the folds of a question become buttons. The first choice counts; the other answers can still be opened, to read why.
  function recall() {
    const groups = new Map(), key = `sdcourse.recall.${page}`, questions = [];
    for (const d of main.querySelectorAll("details.recall")) groups.set(d.getAttribute("name"), [...(groups.get(d.getAttribute("name")) || []), d]);
    if (!groups.size) return;
    const kept = store.get(key), chosen = {}; // {question: its answers in the order in which they were chosen}
    for (const [name, folds] of groups) {
      const asked = folds[0].previousElementSibling, text = asked ? asked.textContent.trim() : name;
      const box = make("div", { className: "recall-answers" }), answers = new Map();
      if (asked) { asked.id ||= `${name}-asked`; box.setAttribute("aria-labelledby", asked.id); }
      box.setAttribute("role", "group");
      for (const d of folds) {
        const summary = d.querySelector("summary"), answer = summary.textContent.trim();
        const why = make("div", { className: "recall-why", hidden: true }), button = make("button", { type: "button", className: "recall-answer" }, ...summary.childNodes);
        const row = make("div", { className: `recall-row ${d.classList.contains("right") ? "right" : "wrong"}` }, button, make("div", {}, why));
        row.lastChild.setAttribute("aria-live", "polite");
        summary.remove(); why.append(...d.childNodes);
        button.setAttribute("aria-pressed", "false");
        button.onclick = () => { choose(text, answer); keep(); };
        answers.set(answer, { row, button, why, right: d.classList.contains("right") });
        box.append(row);
      }
      folds[0].before(box); folds.forEach(d => d.remove());
      questions.push({ text, answers, box });
    }
    const said = make("span"), again = make("button", { type: "button", className: "recall-again", textContent: "Start again" });
    said.setAttribute("role", "status");
    questions.at(-1).box.after(make("p", { className: "recall-score" }, said, " ", again));
    again.onclick = () => {
      for (const t of Object.keys(chosen)) delete chosen[t];
      for (const q of questions) for (const a of q.answers.values()) { a.row.classList.remove("chosen"); a.button.setAttribute("aria-pressed", "false"); a.why.hidden = true; }
      keep(); questions[0].answers.values().next().value.button.focus();
    };
    function choose(text, answer) {
      const a = questions.find(q => q.text === text)?.answers.get(answer);
      if (!a) return; // of a question that has since been rewritten
      a.row.classList.add("chosen"); a.button.setAttribute("aria-pressed", "true"); a.why.hidden = false;
      if (!(chosen[text] ||= []).includes(answer)) chosen[text].push(answer);
    }
    function keep() {
      const done = questions.filter(q => chosen[q.text]), right = done.filter(q => q.answers.get(chosen[q.text][0]).right).length, open = questions.length - done.length;
      said.textContent = !done.length ? "Choose an answer: the first choice counts." : `${right} of ${questions.length} right at the first try` + (open ? `, ${open} still open.` : ".");
      again.hidden = !done.length; store.set(key, chosen);
    }
    for (const [text, answers] of Object.entries(kept)) if (Array.isArray(answers)) answers.forEach(a => choose(text, a));
    keep();
  }

  // Words: the first time that a page says a word of the glossary, the word says what it means.
  function words() {
    const all = (window.sdcourse || {}).words || [], order = (window.sdcourse || {}).lessons || [], here = order.indexOf(page);
    if (!all.length || page === "glossary") return;
    const known = new Map(), exact = new Map(); // {spelling: word}; spellings with capitals only as they are written
    for (const w of all) for (const s of w.spellings) (s === s.toLowerCase() ? known : exact).set(s, w);
    const spelt = [...known.keys(), ...exact.keys()].sort((a, b) => b.length - a.length).map(s => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ /g, "\\s+"));
    const find = new RegExp(`(?<![\\p{L}\\p{N}_-])(?:${spelt.join("|")})(?![\\p{L}\\p{N}_]|-\\p{L})`, "giu");
    const skip = "a, code, pre, kbd, math, script, style, svg, button, summary, h1, h2, h3, h4, h5, h6, th, .math, .MathJax, mjx-container, .cell, .sourceCode, .recall-answers, .recall-score, details.recall, #title-block-header, nav, .page-navigation, .no-words, [popover]";
    const within = w => { // in its own lesson, and after it as far as the word keeps this sense
      const at = order.indexOf(w.lesson);
      return here < 0 ? !w.within : here === at || here > at && (!w.within || w.within === "part" && (window.sdcourse.parts[here] === window.sdcourse.parts[at]));
    };
    const seen = new Set(), walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest(skip)) texts.push(walker.currentNode);
    for (let node of texts) {
      let m; find.lastIndex = 0;
      while ((m = find.exec(node.data))) {
        const said = m[0].replace(/\s+/g, " "), w = exact.get(said) || known.get(said.toLowerCase());
        if (!w || seen.has(w) || !within(w)) continue;
        seen.add(w);
        const rest = node.splitText(m.index), after = rest.splitText(m[0].length), link = make("a", { className: "word", href: w.href, textContent: m[0] });
        rest.replaceWith(link); explain(link, w); node = after; find.lastIndex = 0;
      }
    }
  }

  let shown = null, timer = 0; // the one card that is open
  function explain(link, w) {
    let card = null, touched = false;
    const own = w.lesson === page;
    function open() {
      clearTimeout(timer);
      if (shown && shown.link !== link) shown.close();
      if (!card) {
        const more = make("span", { className: "word-more" }, make("a", { href: w.href, textContent: "Glossary" }));
        if (!own) more.append(" · ", make("a", { href: `${w.lesson}.html`, textContent: w.title })); else more.append(" · this lesson brings it");
        card = make("span", { className: "word-card", id: `word-card-${w.href.split("#")[1]}` }, make("span", { className: "word-meaning" }, make("b", { textContent: w.word }), ": " + w.meaning), more);
        card.firstChild.id = `${card.id}-text`;
        card.setAttribute("popover", "manual"); card.onmouseenter = () => clearTimeout(timer); card.onmouseleave = later;
        link.setAttribute("aria-describedby", card.firstChild.id);
        link.after(card);
        card.addEventListener("focusout", e => { if (e.relatedTarget !== link && !card.contains(e.relatedTarget)) close(); });
      }
      if (card.showPopover) { if (!card.matches(":popover-open")) card.showPopover(); } else card.classList.add("open");
      shown = { link, card, close, place }; place();
    }
    function close() {
      clearTimeout(timer);
      if (card) { if (card.hidePopover) { if (card.matches(":popover-open")) card.hidePopover(); } else card.classList.remove("open"); }
      if (shown && shown.link === link) shown = null;
    }
    function place() { // below the word, above it where there is no room
      const at = link.getClientRects()[0] || link.getBoundingClientRect(), wide = document.documentElement.clientWidth, box = card.getBoundingClientRect();
      card.style.left = `${Math.max(8, Math.min(at.left, wide - box.width - 8))}px`;
      card.style.top = `${at.bottom + 6 + box.height > innerHeight && at.top > box.height + 6 ? at.top - box.height - 6 : at.bottom + 6}px`;
    }
    function later() { clearTimeout(timer); timer = setTimeout(close, 250); }
    link.addEventListener("pointerenter", e => { if (e.pointerType === "mouse") { clearTimeout(timer); timer = setTimeout(open, 120); } });
    link.addEventListener("pointerleave", e => { if (e.pointerType === "mouse") later(); });
    link.addEventListener("pointerdown", e => { touched = e.pointerType !== "mouse" ? (shown && shown.link === link ? "again" : "first") : false; });
    link.addEventListener("click", e => { if (touched) { e.preventDefault(); touched === "again" ? close() : open(); touched = false; } }); // a finger opens the card, whose links lead on
    link.addEventListener("focus", open);
    link.addEventListener("blur", e => { if (!card || !card.contains(e.relatedTarget)) close(); });
  }
  addEventListener("keydown", e => { if (e.key === "Escape" && shown) { const { link, card, close } = shown; if (card.contains(document.activeElement)) link.focus(); close(); } });
  addEventListener("pointerdown", e => { if (shown && !shown.card.contains(e.target) && !shown.link.contains(e.target)) shown.close(); });
  for (const what of ["scroll", "resize"]) addEventListener(what, () => shown && shown.place(), { passive: true });

  // The map of ideas: put into the page, so that its links lead on and a lesson shows what it stands on. Where that fails the still picture stays.
  async function map() {
    const img = main.querySelector("img[src$='92_map.svg']");
    if (!img) return;
    try {
      const svg = new DOMParser().parseFromString(await (await fetch(img.src)).text(), "image/svg+xml").documentElement;
      if (svg.nodeName !== "svg") return;
      const lines = [...svg.querySelectorAll(".line")], boxes = [...svg.querySelectorAll(".lesson")];
      svg.querySelectorAll("a").forEach(a => a.setAttribute("href", a.getAttribute("href").replace("../", "")));
      svg.setAttribute("role", "group"); svg.setAttribute("aria-label", img.alt); svg.querySelector("title").remove();
      const show = box => {
        const on = box && new Set([box.dataset.lesson, ...box.dataset.needs.split(" ")]);
        svg.classList.toggle("asked", !!box);
        for (const b of boxes) b.classList.toggle("on", !!on && on.has(b.dataset.lesson));
        for (const l of lines) l.classList.toggle("on", !!on && on.has(l.dataset.from) && on.has(l.dataset.to));
      };
      for (const b of boxes) { b.onpointerenter = () => show(b); b.onpointerleave = () => show(null); b.addEventListener("focusin", () => show(b)); b.addEventListener("focusout", () => show(null)); }
      const box = make("div", { className: "idea-map-box" });
      box.append(document.adoptNode(svg)); (img.closest("a") || img).replaceWith(box);
    } catch { /* opened as a file: the table says the same */ }
  }

  recall(); breakable(); words(); map();
})();
