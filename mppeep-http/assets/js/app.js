// What JavaScript adds to pages that work without it. Nothing here is needed to use the application.

const root = document.documentElement;
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- Theme -----------------------------------------------------------------------------------------------------------

function shownTheme() {
  if (root.dataset.theme) return root.dataset.theme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

for (const form of $$("[data-theme-form]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const theme = shownTheme() === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    form.elements.theme.value = theme;
    fetch(form.action, { method: "POST", body: new URLSearchParams({ theme }), redirect: "manual" }).catch(() => {});
  });
}

// --- Small things ----------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const open of $$("details.dropdown[open]")) {
      open.open = false;
      open.querySelector("summary")?.focus();
    }
    return;
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector("[data-list-search]") ?? document.querySelector("[data-global-search]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  }
});

document.addEventListener("click", (event) => {
  for (const open of $$("details.dropdown[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
  if (event.target.closest("[data-print]")) window.print();
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) {
    const field = document.getElementById(reveal.dataset.reveal);
    if (field) {
      field.type = field.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(field.type === "text"));
    }
  }
});

for (const element of $$("[data-needs-js]")) element.hidden = false;
document.querySelector("[data-focus]")?.focus();

// The message of what was just done belongs to this visit, not to the address.
if (new URL(location.href).searchParams.has("note")) {
  const url = new URL(location.href);
  url.searchParams.delete("note");
  history.replaceState(history.state, "", url);
}

// A menu in a table that scrolls would be cut off: it is laid over the page.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLDetailsElement) || !menu.matches(".table-wrap details.dropdown")) return;
  const panel = menu.querySelector(".dropdown-panel");
  if (!panel || !menu.open) return;
  const place = menu.getBoundingClientRect();
  panel.style.position = "fixed";
  panel.style.inset = "auto";
  panel.style.left = `${Math.max(8, place.right - panel.offsetWidth)}px`;
  const below = place.bottom + 6;
  panel.style.top = `${below + panel.offsetHeight > innerHeight ? place.top - panel.offsetHeight - 6 : below}px`;
}, true);
window.addEventListener("scroll", () => {
  for (const open of $$(".table-wrap details.dropdown[open]")) open.open = false;
}, { passive: true });

// --- Confirmation ----------------------------------------------------------------------------------------------------

function ask(question, label) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    const form = document.createElement("form");
    form.method = "dialog";
    const text = document.createElement("p");
    text.textContent = question;
    const actions = document.createElement("div");
    actions.className = "form-actions";
    for (const [value, caption, look] of [["yes", label, "btn primary"], ["no", "Annuler", "btn quiet"]]) {
      const button = document.createElement("button");
      button.value = value;
      button.textContent = caption;
      button.className = look;
      actions.append(button);
    }
    form.append(text, actions);
    dialog.append(form);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    dialog.showModal();
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (!question || form.dataset.confirmed) return;
  event.preventDefault();
  const submitter = event.submitter;
  if (await ask(question, submitter?.textContent.trim() || "Continuer")) {
    form.dataset.confirmed = "1";
    form.requestSubmit(submitter ?? undefined);
    delete form.dataset.confirmed;
  }
});

// --- Unsaved changes -------------------------------------------------------------------------------------------------

let unsaved = false;
for (const form of $$("form[data-guard]")) {
  form.addEventListener("input", () => { unsaved = true; });
  form.addEventListener("submit", () => { unsaved = false; });
}
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// --- Lists that change in place --------------------------------------------------------------------------------------

let running = null;

async function showList(url, remember) {
  const present = document.getElementById("list");
  if (!present) return;
  running?.abort();
  running = new AbortController();
  present.classList.add("loading");
  try {
    const answer = await fetch(url, { signal: running.signal, headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) {
      location.assign(url);
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("list");
    if (!fresh) {
      location.assign(url);
      return;
    }
    present.replaceWith(document.adoptNode(fresh));
    for (const other of $$("[data-with-list]", page)) {
      document.getElementById(other.id)?.replaceWith(document.adoptNode(other));
    }
    if (remember) history.pushState({ list: true }, "", url);
    const said = document.getElementById("list-status");
    if (said) said.textContent = fresh.dataset.summary ?? "";
  } catch (error) {
    if (error.name !== "AbortError") {
      present.classList.remove("loading");
      location.assign(url);
    }
  }
}

function addressOf(form) {
  const url = new URL(form.action, location.href);
  const pairs = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value !== "");
  url.search = new URLSearchParams(pairs).toString();
  return url.toString();
}

for (const form of $$("form[data-live]")) {
  let timer = 0;
  const soon = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(() => showList(addressOf(form), true), delay);
  };
  form.addEventListener("input", (event) => {
    if (event.target.type === "search" || event.target.type === "text") soon(220);
  });
  form.addEventListener("change", (event) => {
    if (event.target.type !== "search" && event.target.type !== "text") soon(0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    soon(0);
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-list-link]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  // A removed filter must also leave the form: then the whole page is asked for.
  if (link.classList.contains("chip") || link.closest(".chips")) return;
  event.preventDefault();
  showList(link.href, true).then(() => {
    const list = document.getElementById("list");
    if (list && list.getBoundingClientRect().top < 0) list.scrollIntoView();
  });
});

window.addEventListener("popstate", () => {
  if (document.getElementById("list")) location.reload();
});

// --- Lists that depend on each other: choices carry data-parent ------------------------------------------------------

function cascade(select) {
  const parent = document.getElementById(select.dataset.cascade);
  if (!parent) return;
  const all = $$("option", select).map((option) => option.cloneNode(true));
  const chosenParents = () => {
    if (parent.value) return new Set([parent.value]);
    return new Set($$("option", parent).map((option) => option.value).filter(Boolean));
  };
  const refresh = () => {
    const allowed = chosenParents();
    const value = select.value;
    select.replaceChildren(
      ...all
        .filter((option) => !option.dataset.parent || allowed.has(option.dataset.parent))
        .map((option) => option.cloneNode(true)),
    );
    select.value = value;
    if (select.selectedIndex < 0) select.value = "";
    select.dispatchEvent(new CustomEvent("cascade"));
  };
  parent.addEventListener("change", refresh);
  parent.addEventListener("cascade", refresh);
  refresh();
}
for (const select of $$("select[data-cascade]")) cascade(select);

// --- Parts computed by the server while one types --------------------------------------------------------------------

for (const form of $$("form[data-preview]")) {
  const target = document.getElementById(form.dataset.previewTarget);
  let timer = 0;
  let asked = 0;
  const refresh = async () => {
    const url = new URL(form.dataset.preview, location.href);
    const pairs = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value !== "");
    url.search = new URLSearchParams(pairs).toString();
    const turn = ++asked;
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      if (!answer.ok || turn !== asked) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      target.replaceChildren(...part.body.childNodes);
    } catch {
      // The form says everything again when it is sent.
    }
  };
  if (target) {
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(refresh, 300);
    });
  }
}

// --- Weighted mean of marks ------------------------------------------------------------------------------------------

for (const box of $$("[data-mean]")) {
  const marks = $$("[data-weight]");
  const thresholds = (box.dataset.thresholds ?? "").split(";").map((pair) => pair.split("=")).filter((pair) => pair.length === 2);
  const refresh = () => {
    let sum = 0;
    let weights = 0;
    let complete = true;
    for (const mark of marks) {
      const value = Number.parseFloat(mark.value.replace(",", "."));
      const weight = Number(mark.dataset.weight);
      if (Number.isNaN(value) || value < 0 || value > 20) complete = false;
      sum += Math.round(value * 100) * weight;
      weights += weight;
    }
    if (!complete || weights === 0) {
      box.textContent = "—";
      return;
    }
    const hundredths = Math.floor((2 * sum + weights) / (2 * weights));
    const found = thresholds.find(([from]) => hundredths >= Number(from) * 100);
    const text = `${Math.floor(hundredths / 100)},${String(hundredths % 100).padStart(2, "0")}`;
    box.textContent = found ? `${text} / 20 · ${found[1]}` : `${text} / 20`;
  };
  for (const mark of marks) mark.addEventListener("input", refresh);
  refresh();
}

// --- What happens meanwhile ------------------------------------------------------------------------------------------

// The server says that there is something to read again; the page is then asked for as usual, and only the part that
// shows figures is replaced. A reader who types, or has opened something there, is left alone until the next time.
const events = document.body.dataset.events;
if (events && "EventSource" in window) {
  const source = new EventSource(events);
  source.addEventListener("notices", (event) => {
    const unread = Number(event.data) || 0;
    for (const count of $$("[data-unread]")) {
      count.textContent = String(unread);
      count.hidden = unread === 0;
    }
  });
  let asked = 0;
  source.addEventListener("figures", async () => {
    const part = document.querySelector("[data-figures]");
    if (!part || document.hidden || part.contains(document.activeElement) || part.querySelector("details[open]")) return;
    const turn = ++asked;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!response.ok || response.redirected) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.querySelector("[data-figures]");
      if (fresh && turn === asked) part.replaceChildren(...fresh.childNodes);
    } catch {
      // The next event, or the next page, brings it.
    }
  });
  window.addEventListener("pagehide", () => source.close());
}
