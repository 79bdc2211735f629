// @ts-check
// Links the lines of texts that stand side by side: the pointer, a click or the arrow keys mark a line and all lines
// that belong to it. The page runs this once for each output; a view that has its listeners is left alone.

(() => {
  /**
   * Lines by a key of theirs.
   * @typedef {Map<string, HTMLElement[]>} Lines
   */

  for (const view of document.querySelectorAll(".wb-stages:not([data-linked])")) {
    if (view instanceof HTMLElement) {
      view.dataset.linked = "true";
      link(view);
    }
  }

  /**
   * @param {HTMLElement} view
   */
  function link(view) {
    const LINE = "div[data-k], div[data-u], div[data-p]";
    const MARKS = ["wb-stages-near", "wb-stages-user", "wb-stages-chosen"];
    /** @type {Lines} Lines that are of the same place. */
    const byKey = new Map();
    /** @type {Lines} Lines that have lost their place, by the places of what uses them. */
    const byUse = new Map();
    /** @type {Lines} Lines of the same line of PTX. */
    const byPtx = new Map();
    /** @type {HTMLElement | null} The line that a click or a key chose; while there is one, the pointer marks nothing. */
    let chosen = null;
    /** @type {HTMLElement[]} */
    let marked = [];

    /**
     * @param {Lines} lines
     * @param {string} key
     * @param {HTMLElement} line
     */
    function add(lines, key, line) {
      const known = lines.get(key);
      if (known) known.push(line);
      else lines.set(key, [line]);
    }

    /**
     * @param {string | undefined} text
     * @returns {string[]}
     */
    function words(text) {
      return (text ?? "").split(" ").filter(Boolean);
    }

    /**
     * @param {ParentNode} part
     * @param {string} selector
     * @returns {HTMLElement[]}
     */
    function all(part, selector) {
      return Array.from(part.querySelectorAll(selector)).filter((element) => element instanceof HTMLElement);
    }

    /**
     * @param {ParentNode} part A part of the view that is new.
     */
    function learn(part) {
      for (const line of all(part, LINE)) {
        words(line.dataset.k).forEach((key) => add(byKey, key, line));
        words(line.dataset.u).forEach((key) => add(byUse, key, line));
        if (line.dataset.p !== undefined) add(byPtx, line.dataset.p, line);
      }
    }

    /**
     * Marks what belongs to a line, and nothing else.
     * @param {HTMLElement | null} line
     * @param {boolean} scroll True if the other texts are to show what is marked in them.
     */
    function mark(line, scroll) {
      marked.forEach((old) => old.classList.remove(...MARKS));
      marked = [];
      if (!line) return;
      /**
       * @param {Lines} lines
       * @param {string[]} keys
       * @param {string} name
       */
      function show(lines, keys, name) {
        const found = new Set(keys.flatMap((key) => lines.get(key) ?? []));
        found.forEach((other) => other.classList.add(name));
        marked.push(...found);
      }
      const keys = words(line.dataset.k);
      // What goes with it because it uses it, faintly; then what comes from the same place.
      show(byUse, keys, "wb-stages-user");
      show(byKey, keys.concat(words(line.dataset.u)), "wb-stages-near");
      const same = line.dataset.p === undefined ? [] : (byPtx.get(line.dataset.p) ?? []);
      for (const other of [line, ...same]) {
        other.classList.add("wb-stages-chosen");
        marked.push(other);
      }
      if (!scroll) return;
      for (const box of all(view, "details[open] .wb-stages-text")) {
        if (box.contains(line)) continue;
        const first = box.querySelector(".wb-stages-chosen") ?? box.querySelector(".wb-stages-near");
        if (!first) continue;
        const distance = first.getBoundingClientRect().top - box.getBoundingClientRect().top;
        box.scrollTop += distance - box.clientHeight / 3;
      }
    }

    /**
     * Unpacks the middle of a long text when its pane is open and in sight.
     * @param {EventTarget | null} pane
     */
    async function unpack(pane) {
      if (!(pane instanceof HTMLDetailsElement) || !pane.open || !window.DecompressionStream) return;
      const [packed] = all(pane, "[data-packed]");
      if (!packed) return;
      const bytes = Uint8Array.from(atob(packed.dataset.packed ?? ""), (character) => character.charCodeAt(0));
      delete packed.dataset.packed;
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      const part = document.createElement("div");
      part.innerHTML = await new Response(stream).text();
      learn(part);
      packed.replaceWith(...part.childNodes);
      if (chosen) mark(chosen, true);
    }

    /**
     * @param {Event} event
     * @returns {HTMLElement | null} The line under the pointer.
     */
    function lineOf(event) {
      const line = event.target instanceof Element ? event.target.closest(LINE) : null;
      return line instanceof HTMLElement ? line : null;
    }

    learn(view);
    view.addEventListener("toggle", (event) => void unpack(event.target), true);
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      view.querySelectorAll("details").forEach((pane) => void unpack(pane));
    }).observe(view);
    view.addEventListener("mouseover", (event) => {
      const line = lineOf(event);
      if (!chosen && line) mark(line, false);
    });
    view.addEventListener("click", (event) => {
      const line = lineOf(event);
      if (!line) return;
      chosen = chosen === line ? null : line;
      mark(line, chosen !== null);
    });
    view.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        chosen = null;
        mark(null, false);
      }
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const box = event.target instanceof Element ? event.target.closest(".wb-stages-text") : null;
      if (step === 0 || !box) return;
      const lines = all(box, LINE);
      const from = chosen ? lines.indexOf(chosen) : -1;
      const next = from < 0 ? undefined : lines[from + step];
      chosen = next ?? lines[step > 0 ? 0 : lines.length - 1] ?? null;
      if (!chosen) return;
      mark(chosen, true);
      chosen.scrollIntoView({ block: "nearest" });
      event.preventDefault();
      event.stopPropagation();
    });
  }
})();
