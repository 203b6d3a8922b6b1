// Keeps the progress of a notice fresh while there is more to come. Without it the page shows it at each reload.
(() => {
  "use strict";
  const EVERY = 3000;
  // After an answer that failed: the server may be on its way back.
  const SLOWLY = 15000;
  const panel = document.querySelector("[data-progress]");
  if (!panel) return;

  async function look() {
    let wait = EVERY;
    if (!document.hidden) {
      try {
        const answer = await fetch(panel.dataset.progress, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.statusText);
        const found = await answer.json();
        panel.innerHTML = found.html;
        if (!found.more) return;
      } catch {
        // Out of reach for the moment: the page stays as it is.
        wait = SLOWLY;
      }
    }
    setTimeout(look, wait);
  }

  setTimeout(look, EVERY);
})();
