document.querySelectorAll(".wb-s:not([data-on])").forEach(function (root) {
  root.dataset.on = "1";
  var lines = Array.from(root.querySelectorAll(".wb-c div")), byKey = new Map(), byPtx = new Map(), held = null;
  function add(map, key, line) { map.has(key) ? map.get(key).push(line) : map.set(key, [line]); }
  lines.forEach(function (line) {
    (line.getAttribute("k") || "").split(" ").filter(Boolean).forEach(function (key) { add(byKey, key, line); });
    if (line.hasAttribute("p")) add(byPtx, line.getAttribute("p"), line);
  });
  function mark(line, scroll) {
    root.querySelectorAll(".wb-h,.wb-x").forEach(function (old) { old.classList.remove("wb-h", "wb-x"); });
    if (!line) return;
    var found = new Set();
    (line.getAttribute("k") || "").split(" ").filter(Boolean).forEach(function (key) {
      byKey.get(key).forEach(function (other) { found.add(other); });
    });
    found.forEach(function (other) { other.classList.add("wb-h"); });
    var same = line.hasAttribute("p") ? byPtx.get(line.getAttribute("p")) : [line];
    same.concat([line]).forEach(function (other) { other.classList.add("wb-x"); });
    if (scroll) root.querySelectorAll("details[open] .wb-t").forEach(function (box) {
      if (box.contains(line)) return;
      var first = box.querySelector(".wb-x") || box.querySelector(".wb-h");
      if (first) box.scrollTop += first.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
    });
  }
  root.addEventListener("mouseover", function (event) {
    var line = event.target.closest("div[k],div[p]");
    if (!held && line) mark(line, false);
  });
  root.addEventListener("click", function (event) {
    var line = event.target.closest("div[k],div[p]");
    if (!line) return;
    held = held === line ? null : line;
    mark(line, held !== null);
  });
  root.addEventListener("keydown", function (event) {
    var step = { ArrowDown: 1, ArrowUp: -1 }[event.key], box = event.target.closest(".wb-t");
    if (event.key === "Escape") { held = null; mark(null, false); }
    if (!step || !box) return;
    var own = Array.from(box.querySelectorAll("div[k],div[p]")), at = own.indexOf(held) + step;
    if (held === null || at < 0 || !own[at]) at = step > 0 ? 0 : own.length - 1;
    held = own[at];
    mark(held, true);
    held.scrollIntoView({ block: "nearest" });
    event.preventDefault();
    event.stopPropagation();
  });
});
