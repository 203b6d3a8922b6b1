// Keeps the progress of a notice fresh while there is more to come. Without it the page shows it at each reload.
(() => {
  "use strict";
  const EVERY = 3000;
  const panel = document.querySelector("[data-progress]");
  if (!panel) return;

  async function look() {
    if (!document.hidden) {
      try {
        const answer = await fetch(panel.dataset.progress, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const found = await answer.json();
        panel.innerHTML = found.html;
        if (found.open === 0) return;
      } catch {
        // Out of reach for the moment: the page stays as it is.
      }
    }
    setTimeout(look, EVERY);
  }

  setTimeout(look, EVERY);
})();
