document.querySelectorAll(".wb-player:not([data-on])").forEach(function (root) {
  root.dataset.on = "1";
  var bar = root.querySelector(".wb-player-bar"), slider = bar.querySelector("[type=range]"), all = bar.querySelector("[type=checkbox]");
  var box = root.querySelector(".wb-player-steps"), label = bar.querySelector("output");
  var rows = Array.from(root.querySelectorAll("tr")).slice(1), steps = rows.filter(function (row) { return row.dataset.a; });
  // So many rows are seen around the step.
  var before = 6, after = 8, at = 0;
  function lanes(step) {
    var active = parseInt(step.dataset.a, 16), present = parseInt(step.dataset.p, 16), html = "<span class=m>";
    for (var lane = 0; lane < 32; lane++) {
      var mode = active >>> lane & 1 ? "" : present >>> lane & 1 ? " class=n" : " class=g";
      html += "<span" + mode + " title='lane " + lane + "'></span>";
    }
    return html + "</span>";
  }
  function show(to) {
    at = Math.max(0, Math.min(steps.length - 1, to));
    var now = steps[at], middle = rows.indexOf(now);
    rows.forEach(function (row, index) {
      row.classList.toggle("now", row === now);
      row.classList.toggle("off", !all.checked && (index < middle - before || index > middle + after));
    });
    slider.value = at;
    label.innerHTML = (at + 1) + " / " + steps.length + " " + lanes(now);
    if (all.checked) box.scrollTop += now.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
  }
  bar.hidden = false;
  slider.addEventListener("input", function () { show(+slider.value); });
  all.addEventListener("change", function () { show(at); });
  bar.querySelectorAll("button").forEach(function (button) {
    button.addEventListener("click", function () { show(at + +button.dataset.by); });
  });
  steps.forEach(function (step, index) { step.addEventListener("click", function () { show(index); }); });
  root.addEventListener("keydown", function (event) {
    var by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    show(at + by);
    event.preventDefault();
    event.stopPropagation();
  });
  show(0);
});
