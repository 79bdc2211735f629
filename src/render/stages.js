document.querySelectorAll(".wb-s:not([data-on])").forEach(function (root) {
  root.dataset.on = "1";
  var byKey = new Map(), byUse = new Map(), byPtx = new Map(), held = null, marked = [];
  function add(map, key, line) { map.has(key) ? map.get(key).push(line) : map.set(key, [line]); }
  function keys(line, name) { return (line.getAttribute(name) || "").split(" ").filter(Boolean); }
  function learn(part) {
    part.querySelectorAll(".wb-c div").forEach(function (line) {
      keys(line, "k").forEach(function (key) { add(byKey, key, line); });
      keys(line, "u").forEach(function (key) { add(byUse, key, line); });
      if (line.hasAttribute("p")) add(byPtx, line.getAttribute("p"), line);
    });
  }
  function mark(line, scroll) {
    marked.forEach(function (old) { old.classList.remove("wb-h", "wb-u", "wb-x"); });
    marked = [];
    if (!line) return;
    var found = new Set();
    function find(map, key) { (map.get(key) || []).forEach(function (other) { found.add(other); }); }
    function show(name) { found.forEach(function (other) { other.classList.add(name); marked.push(other); }); }
    // What goes with it because it uses it, faintly; then what comes from the same place.
    keys(line, "k").forEach(function (key) { find(byUse, key); });
    show("wb-u");
    found.clear();
    keys(line, "k").concat(keys(line, "u")).forEach(function (key) { find(byKey, key); });
    show("wb-h");
    var same = line.hasAttribute("p") ? byPtx.get(line.getAttribute("p")) : [line];
    same.concat([line]).forEach(function (other) { other.classList.add("wb-x"); marked.push(other); });
    if (scroll) root.querySelectorAll("details[open] .wb-t").forEach(function (box) {
      if (box.contains(line)) return;
      var first = box.querySelector(".wb-x") || box.querySelector(".wb-h");
      if (first) box.scrollTop += first.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
    });
  }
  // The middle of a long text is unpacked when its pane is open and in sight.
  async function unfold(pane) {
    var packed = pane.open && pane.querySelector("p[z]");
    if (!packed || !window.DecompressionStream) return;
    var bytes = Uint8Array.from(atob(packed.getAttribute("z")), function (c) { return c.charCodeAt(0); });
    packed.removeAttribute("z");
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    var part = document.createElement("div");
    part.innerHTML = await new Response(stream).text();
    learn(part);
    packed.replaceWith.apply(packed, Array.from(part.childNodes));
    if (held) mark(held, true);
  }
  learn(root);
  root.addEventListener("toggle", function (event) { unfold(event.target); }, true);
  new IntersectionObserver(function (seen, observer) {
    if (!seen.some(function (one) { return one.isIntersecting; })) return;
    observer.disconnect();
    root.querySelectorAll("details").forEach(unfold);
  }).observe(root);
  root.addEventListener("mouseover", function (event) {
    var line = event.target.closest("div[k],div[u],div[p]");
    if (!held && line) mark(line, false);
  });
  root.addEventListener("click", function (event) {
    var line = event.target.closest("div[k],div[u],div[p]");
    if (!line) return;
    held = held === line ? null : line;
    mark(line, held !== null);
  });
  root.addEventListener("keydown", function (event) {
    var step = { ArrowDown: 1, ArrowUp: -1 }[event.key], box = event.target.closest(".wb-t");
    if (event.key === "Escape") { held = null; mark(null, false); }
    if (!step || !box) return;
    var own = Array.from(box.querySelectorAll("div[k],div[u],div[p]")), at = own.indexOf(held) + step;
    if (held === null || at < 0 || !own[at]) at = step > 0 ? 0 : own.length - 1;
    held = own[at];
    mark(held, true);
    held.scrollIntoView({ block: "nearest" });
    event.preventDefault();
    event.stopPropagation();
  });
});
