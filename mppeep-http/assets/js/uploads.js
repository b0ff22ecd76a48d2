// Several files at once, chosen or dropped, for forms that deposit one file each time. Without this the form works as it is.

for (const form of document.querySelectorAll("form[data-uploads]")) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const list = form.querySelector("[data-uploads-list]");
  const button = form.querySelector("button");
  if (!input || !drop || !list || !button) continue;
  input.multiple = true;
  drop.classList.add("ready");

  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  const line = (file) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = file.name;
    const state = document.createElement("span");
    state.className = "muted";
    item.append(name, state);
    list.append(item);
    return { item, state };
  };

  // What the answer says is wrong: the same sentences that the page would show.
  const problemOf = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const told = [...page.querySelectorAll(".error-summary li, .error-page h1")].map((found) => found.textContent.trim());
    return told.join(" ") || "Le dépôt a échoué.";
  };

  const send = async (file, alone) => {
    const { item, state } = line(file);
    state.textContent = "envoi…";
    const body = new FormData();
    for (const [name, value] of new FormData(form)) {
      // A title or a number belongs to one file.
      if (typeof value === "string" && (alone || !["title", "reference"].includes(name))) body.append(name, value);
    }
    body.append(input.name, file, file.name);
    let problem = "Le serveur ne répond pas. Recommencez.";
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
      // It ends on the page that says so; anywhere else, such as at the login, it did not.
      if (answer.ok && answer.redirected && new URL(answer.url).searchParams.has("note")) {
        state.textContent = "déposé";
        return true;
      }
      problem = problemOf(await answer.text());
    } catch {
      // The sentence above says it.
    }
    state.textContent = "refusé";
    const said = document.createElement("span");
    said.className = "problem";
    said.textContent = problem;
    item.append(said);
    return false;
  };

  form.addEventListener("submit", async (event) => {
    const files = [...input.files];
    if (files.length === 0) return;
    event.preventDefault();
    button.disabled = true;
    list.replaceChildren();
    let failed = 0;
    for (const file of files) {
      if (!(await send(file, files.length === 1))) failed += 1;
    }
    button.disabled = false;
    if (failed === 0) location.assign(form.dataset.done);
    else input.value = "";
  });
}
