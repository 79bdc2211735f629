// @ts-check
// Goes through the steps of a table: with a slider, with buttons, with the keys. Its data are the table's own. The page
// runs this once for each output; a player that has its listeners is left alone.

(() => {
  for (const player of document.querySelectorAll(".wb-player:not([data-playing])")) {
    if (player instanceof HTMLElement) {
      player.dataset.playing = "true";
      play(player);
    }
  }

  /**
   * @param {HTMLElement} player
   */
  function play(player) {
    // Rows that are seen around the step.
    const BEFORE = 6;
    const AFTER = 8;
    /** @type {Record<string, number>} */
    const STEPS = {
      ArrowLeft: -1,
      ArrowUp: -1,
      ArrowRight: 1,
      ArrowDown: 1,
      PageUp: -10,
      PageDown: 10,
      Home: -Infinity,
      End: Infinity,
    };
    const bar = player.querySelector(".wb-player-bar");
    const slider = player.querySelector(".wb-player-slider");
    const all = player.querySelector(".wb-player-all");
    const position = player.querySelector(".wb-player-position");
    const box = player.querySelector(".wb-player-box");
    if (!(bar instanceof HTMLElement && slider instanceof HTMLInputElement && all instanceof HTMLInputElement)) return;
    if (!position || !box) return;
    const rows = Array.from(box.querySelectorAll("tbody tr")).filter((row) => row instanceof HTMLTableRowElement);
    const steps = rows.filter((row) => row.dataset.active !== undefined);
    let at = 0;

    /**
     * @param {string | undefined} mask One bit for each lane, in hexadecimal.
     * @param {number} lane
     */
    function has(mask, lane) {
      return ((parseInt(mask ?? "0", 16) >>> lane) & 1) === 1;
    }

    /**
     * A square for each lane: full where it takes part, grey where it does not, empty where it has ended.
     * @param {HTMLElement} step
     */
    function lanes(step) {
      const squares = document.createElement("span");
      squares.className = "wb-player-lanes";
      for (let lane = 0; lane < 32; lane++) {
        const square = document.createElement("span");
        const state = has(step.dataset.active, lane) ? "active" : has(step.dataset.present, lane) ? "idle" : "ended";
        square.className = `wb-player-lane wb-player-${state}`;
        square.title = `lane ${lane}`;
        squares.append(square);
      }
      return squares;
    }

    /**
     * @param {number} to
     */
    function show(to) {
      at = Math.max(0, Math.min(steps.length - 1, to));
      const now = steps[at];
      if (!now || !(all instanceof HTMLInputElement) || !(slider instanceof HTMLInputElement) || !box) return;
      const middle = rows.indexOf(now);
      rows.forEach((row, index) => {
        const isNear = index >= middle - BEFORE && index <= middle + AFTER;
        row.classList.toggle("wb-player-now", row === now);
        row.classList.toggle("wb-player-hidden", !all.checked && !isNear);
      });
      slider.value = String(at);
      position?.replaceChildren(`${at + 1} / ${steps.length} `, lanes(now));
      if (all.checked) {
        const distance = now.getBoundingClientRect().top - box.getBoundingClientRect().top;
        box.scrollTop += distance - box.clientHeight / 2;
      }
    }

    bar.hidden = false;
    slider.addEventListener("input", () => show(Number(slider.value)));
    all.addEventListener("change", () => show(at));
    bar.querySelectorAll("button").forEach((button) => {
      button.addEventListener("click", () => show(at + Number(button.dataset.by)));
    });
    steps.forEach((step, index) => step.addEventListener("click", () => show(index)));
    player.addEventListener("keydown", (event) => {
      const by = STEPS[event.key];
      if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      show(at + by);
      event.preventDefault();
      event.stopPropagation();
    });
    show(0);
  }
})();
