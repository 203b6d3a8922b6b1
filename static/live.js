// Optional comfort on public pages: how far away a time is, and a word when there is news. Pages are whole without it.
(() => {
  "use strict";
  const script = document.currentScript;
  const language = document.documentElement.lang;
  const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];

  function relative(seconds) {
    const [unit, length] = steps.find(([, size]) => Math.abs(seconds) >= size) || steps[2];
    return ago.format(Math.trunc(seconds / length), unit);
  }

  function showDistances() {
    for (const time of document.querySelectorAll(".hero time, .updates time")) {
      const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
      let words = time.nextElementSibling;
      if (!words || !words.classList.contains("distance")) {
        words = document.createElement("span");
        words.className = "distance";
        time.after(words);
      }
      words.textContent = Math.abs(seconds) < 60 * 86400 ? ` (${relative(seconds)})` : "";
    }
  }

  let known = null;
  async function lookForNews() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-cache" });
      const tag = answer.headers.get("ETag");
      if (known && tag && tag !== known) announce();
      known = known || tag;
    } catch {
      // Out of reach for the moment: the page stays as it is.
    }
  }

  function announce() {
    if (document.getElementById("news")) return;
    const box = document.createElement("div");
    box.id = "news";
    box.className = "note note-info news";
    box.setAttribute("role", "status");
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = script.dataset.reload;
    box.append(script.dataset.changed, " ", link);
    document.getElementById("content").prepend(box);
  }

  showDistances();
  setInterval(showDistances, 30000);
  lookForNews();
  setInterval(lookForNews, 60000);
})();
