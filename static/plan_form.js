// Makes the coordinator's form quicker; without it every button works as well, by loading the page again.
"use strict";

(() => {
  let dirty = false;

  // Buttons that only change the form: the answer's form takes the place of ours, so that the page stays where it is.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const button = event.submitter;
    if (form.id !== "plan-form") return;
    if (!button || !button.hasAttribute("data-swap")) {
      dirty = false;
      return;
    }
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form, button));
    form.setAttribute("aria-busy", "true");
    try {
      // Not `form.action`: that is the list of the buttons of that name.
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: data, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("plan-form");
      if (!fresh) throw new Error("no form in the answer");
      form.replaceWith(fresh);
      goOn(fresh);
    } catch {
      // Signed out, or no network: let the browser show what there is to say.
      form.removeAttribute("aria-busy");
      button.removeAttribute("data-swap");
      button.click();
    }
  });

  function goOn(form) {
    const target = form.dataset.focus && document.getElementById(form.dataset.focus);
    if (!target) return;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: target.matches("input, select") ? "center" : "start" });
  }

  document.addEventListener("input", (event) => {
    if (event.target.closest("#plan-form")) dirty = true;
    if (event.target.matches("[data-find]")) look(event.target);
  });
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });

  // The search for systems: a combobox with a list of its own (WAI-ARIA 1.2, list autocomplete with manual selection).
  let waiting = 0;
  let asked = 0;

  function look(input) {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const words = input.value.trim();
      if (!words) return close(input);
      const mine = ++asked;
      try {
        const answer = await fetch(`${input.dataset.find}?q=${encodeURIComponent(words)}`, { credentials: "same-origin" });
        const found = (await answer.json()).systems;
        // An answer that comes after a later question is not shown.
        if (mine === asked) show(input, found);
      } catch {
        close(input);
      }
    }, 150);
  }

  function show(input, systems) {
    close(input);
    const list = document.createElement("ul");
    list.className = "listbox";
    list.id = `${input.id}-list`;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.labels[0]?.textContent ?? "");
    systems.forEach((system, number) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.code = system.code;
      const code = document.createElement("span");
      code.className = "code";
      code.textContent = system.code;
      option.append(code, document.createTextNode(system.name));
      option.addEventListener("mousedown", (event) => event.preventDefault());
      option.addEventListener("click", () => add(input, system.code));
      list.append(option);
    });
    if (systems.length) {
      input.closest(".find").append(list);
      input.setAttribute("role", "combobox");
      input.setAttribute("aria-autocomplete", "list");
      input.setAttribute("aria-controls", list.id);
      input.setAttribute("aria-expanded", "true");
    }
    say(input, systems.length ? input.dataset.some.replace("{n}", systems.length) : input.dataset.none);
  }

  function close(input) {
    document.getElementById(`${input.id}-list`)?.remove();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function say(input, words) {
    const row = input.closest(".find");
    let voice = row.querySelector("[role=status]");
    if (!voice) {
      voice = document.createElement("p");
      voice.setAttribute("role", "status");
      row.append(voice);
    }
    voice.className = document.getElementById(`${input.id}-list`) ? "visually-hidden" : "soft small";
    voice.textContent = words;
  }

  function add(input, code) {
    const button = document.createElement("button");
    button.type = "submit";
    button.name = "action";
    button.value = `add-work:${input.dataset.place}:${code}`;
    button.hidden = true;
    button.formAction = `${location.pathname}#phase-${input.dataset.place}`;
    button.setAttribute("data-swap", "");
    input.form.append(button);
    close(input);
    button.click();
  }

  document.addEventListener("keydown", (event) => {
    const input = event.target;
    if (!input.matches?.("[data-find]")) return;
    const list = document.getElementById(`${input.id}-list`);
    const options = list ? [...list.children] : [];
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = (at + step + options.length) % options.length;
      options.forEach((option, number) => option.setAttribute("aria-selected", String(number === (at < 0 && step < 0 ? options.length - 1 : next))));
      const chosen = list.querySelector("[aria-selected=true]");
      chosen.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", chosen.id);
    } else if (event.key === "Enter") {
      // Enter adds the system that is marked, or the only one there is; it never checks the whole form from here.
      event.preventDefault();
      const chosen = options[at] ?? (options.length === 1 ? options[0] : null);
      if (chosen) add(input, chosen.dataset.code);
      else input.closest(".find-row").querySelector("button")?.click();
    } else if (event.key === "Escape" && list) {
      event.preventDefault();
      close(input);
    }
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("[data-find]")) setTimeout(() => close(event.target), 150);
  });

  const form = document.getElementById("plan-form");
  if (form) {
    document.querySelectorAll("[data-find]").forEach((input) => {
      input.setAttribute("role", "combobox");
      input.setAttribute("aria-expanded", "false");
      input.setAttribute("aria-autocomplete", "list");
    });
    goOn(form);
  }
})();
