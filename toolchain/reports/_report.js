"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [SUITE, FILE, CLASS, NAME, STATUS, MS, FLAGS, ATTEMPTS, TROUBLE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const [FLAKY, REUSED, QUARANTINED, REPEATED] = [1, 2, 4, 8];
  const PAGE = 100;
  const bad = new Set(["failed", "error", "crashed"].map((word) => data.statuses.indexOf(word)));
  const status = (word) => (row) => data.statuses[row[STATUS]] === word;
  const VIEWS = [
    ["bad", "Failing", (row) => bad.has(row[STATUS])],
    ["flaky", "Flaky", (row) => row[FLAGS] & FLAKY],
    ["skipped", "Skipped", status("skipped")],
    ["xfailed", "Expected failures", status("xfailed")],
    ["xpassed", "Unexpected passes", status("xpassed")],
    ["quarantined", "Quarantined", (row) => row[FLAGS] & QUARANTINED],
    ["reused", "Reused", (row) => row[FLAGS] & REUSED],
    ["passed", "Passed", status("passed")],
    ["all", "All", () => true],
  ];
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), more = byId("more"), find = byId("find"), file = byId("file"), order = byId("order");
  // Crashes, errors, failures, then the rest as it is sorted already: by suite, file, class and name.
  const rank = ["crashed", "error", "failed"].map((word) => data.statuses.indexOf(word));
  const rankOf = (row) => (bad.has(row[STATUS]) ? rank.indexOf(row[STATUS]) : row[FLAGS] & FLAKY ? 3 : 4);

  function make(tag, kind, text) {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    if (text !== undefined) node.textContent = text;
    return node;
  }
  function duration(ms) {
    if (ms < 0.5) return "0 s";
    if (ms < 999.5) return `${Math.round(ms)} ms`;
    if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
    const s = Math.round(ms / 1000);
    if (s < 60) return `${s} s`;
    return s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  }
  const CODES = /\x1b(?:\[([0-?]*)[ -\/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -\/]*[0-~])/g;
  const shown = (text) => text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (c) => (c === "\r" ? "" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`));
  const bare = (text) => shown(text.replace(CODES, ""));
  // Terminal colours as classes; every piece is set as text, never as markup.
  function paint(node, text) {
    let at = 0, colour = "", bold = false;
    const put = (piece) => {
      if (piece) node.append(colour || bold ? make("span", `${colour}${bold ? " bold" : ""}`.trim(), shown(piece)) : shown(piece));
    };
    for (const code of text.matchAll(CODES)) {
      put(text.slice(at, code.index));
      at = code.index + code[0].length;
      if (code[2] !== "m") continue;
      for (const one of (code[1] || "0").split(";").map(Number)) {
        if (one === 0) [colour, bold] = ["", false];
        else if (one === 1) bold = true;
        else if (one === 22) bold = false;
        else if (one === 39) colour = "";
        else if (one >= 30 && one <= 37) colour = `a${one - 30}`;
        else if (one >= 90 && one <= 97) colour = `a${one}`;
        else if (one === 38 || one === 48) break;
      }
    }
    put(text.slice(at));
  }

  const place = (row) => [data.files[row[FILE]], data.classes[row[CLASS]]].filter(Boolean).join("::") || data.suites[row[SUITE]];
  function body(row) {
    const all = row[ATTEMPTS], into = make("div", "body");
    all.forEach(([state, ms, worker, began, message, output, repeat], number) => {
      const one = make("section", `attempt s-${data.statuses[state]}`), head = make("h4");
      if (all.length > 1) head.append(`${repeat ? "Repetition, attempt" : "Attempt"} ${number + 1} of ${all.length}: `, make("b", "", data.statuses[state]), ", ");
      head.append(duration(ms));
      if (data.workers[worker]) head.append(` on ${data.workers[worker]}`);
      if (began >= 0) head.append(`, ${duration(began)} after the start`);
      one.append(head);
      if (message) one.append(make("p", "message", bare(message)));
      if (output) {
        const pre = make("pre");
        pre.tabIndex = 0;
        paint(pre, output);
        one.append(pre);
      }
      if (!message && !output && all.length === 1) one.append(make("p", "message", "It printed nothing."));
      into.append(one);
    });
    return into;
  }
  function item(row) {
    const flaky = row[FLAGS] & FLAKY, word = data.statuses[row[STATUS]];
    const whole = make("details", `case s-${flaky ? "flaky" : word}`), head = make("summary"), who = make("span", "who");
    who.append(make("span", "name", row[NAME] || data.classes[row[CLASS]] || data.files[row[FILE]] || "(unnamed)"), make("span", "where", place(row)));
    const told = row[ATTEMPTS].filter((one) => bad.has(one[0])).pop() || row[ATTEMPTS][row[ATTEMPTS].length - 1];
    if (told[4]) who.append(make("span", "why", bare(told[4].slice(0, 240))));
    const tags = make("span", "tags");
    if (flaky) tags.append(make("i", "tag flaky", row[FLAGS] & REPEATED ? "failed when repeated" : "passed on retry"));
    if (row[FLAGS] & REUSED) tags.append(make("i", "tag", "reused"));
    if (row[FLAGS] & QUARANTINED) tags.append(make("i", "tag", "quarantined"));
    head.append(make("span", "badge", word), who, tags, make("span", "time", duration(row[MS])));
    whole.append(head);
    whole.addEventListener("toggle", () => whole.open && !whole.querySelector(".body") && whole.append(body(row)));
    return whole;
  }

  const haystacks = new Map();
  function haystack(row) {
    let text = haystacks.get(row);
    if (text === undefined) {
      const said = row[ATTEMPTS].map((one) => `${one[4]}\n${one[5]}`).join("\n").replace(CODES, "");
      text = `${place(row)}::${row[NAME]}\n${data.suites[row[SUITE]]}\n${said}`.toLowerCase();
      haystacks.set(row, text);
    }
    return text;
  }

  const counts = new Map(VIEWS.map(([key, , test]) => [key, data.rows.filter(test).length]));
  let view = counts.get("bad") ? "bad" : counts.get("flaky") ? "flaky" : "all";
  let rows = [], drawn = 0, trouble = -1;
  function draw() {
    const some = document.createDocumentFragment();
    for (const row of rows.slice(drawn, drawn + PAGE)) some.append(item(row));
    drawn = Math.min(rows.length, drawn + PAGE);
    list.append(some);
    more.hidden = drawn >= rows.length;
    more.textContent = `Show ${Math.min(PAGE, rows.length - drawn)} more of ${(rows.length - drawn).toLocaleString("en")}`;
  }
  function apply() {
    const test = VIEWS.find(([key]) => key === view)[2];
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = file.value === "" ? -1 : Number(file.value);
    rows = data.rows.filter((row) => test(row) && (only < 0 || row[FILE] === only) && (trouble < 0 || row[TROUBLE] === trouble) && words.every((word) => haystack(row).includes(word)));
    const took = (row) => (row[FLAGS] & REUSED ? 0 : row[MS]);
    if (order.value === "slow") rows.sort((a, b) => took(b) - took(a));
    else rows.sort((a, b) => rankOf(a) - rankOf(b));
    list.replaceChildren();
    drawn = 0;
    draw();
    // Of a few, nobody should have to unfold the text.
    if (rows.length <= 3) for (const one of list.children) one.open = true;
    if (!rows.length) list.append(make("p", "nothing", data.rows.length ? "No such case." : "No case was run."));
    byId("found").textContent = `${rows.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} cases`;
    for (const chip of byId("chips").children) chip.setAttribute("aria-pressed", String(chip.dataset.view === view));
    byId("only").hidden = trouble < 0;
    byId("only").textContent = `✕ only: ${data.troubles[trouble] || "(no message)"}`;
  }
  // What is looked at is in the address, so that it can be passed on.
  function remember() {
    const now = new URLSearchParams();
    now.set("view", view);
    if (find.value) now.set("find", find.value);
    if (file.value) now.set("file", data.files[file.value]);
    if (order.value) now.set("order", order.value);
    history.replaceState(null, "", `#${now}`);
  }
  function changed() { apply(); remember(); }

  for (const [key, label] of VIEWS) {
    if (!counts.get(key)) continue;
    const chip = make("button", "", label);
    chip.type = "button";
    chip.dataset.view = key;
    chip.append(make("b", "", counts.get(key).toLocaleString("en")));
    chip.addEventListener("click", () => { view = key; changed(); });
    byId("chips").append(chip);
  }
  data.files.map((name, number) => [name, number]).filter(([name]) => name).sort((a, b) => (a[0] < b[0] ? -1 : 1)).forEach(([name, number]) => {
    const option = make("option", "", name);
    option.value = String(number);
    file.append(option);
  });
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (counts.get(wanted.get("view"))) view = wanted.get("view");
  find.value = wanted.get("find") || "";
  order.value = wanted.get("order") === "slow" ? "slow" : "";
  if (data.files.includes(wanted.get("file"))) file.value = String(data.files.indexOf(wanted.get("file")));

  let waiting = 0;
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, 120); });
  file.addEventListener("change", changed);
  order.addEventListener("change", changed);
  more.addEventListener("click", draw);
  byId("only").addEventListener("click", () => { trouble = -1; changed(); find.focus(); });
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").hidden = false;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-file], [data-trouble]");
    if (!link) return;
    event.preventDefault();
    trouble = link.dataset.trouble === undefined ? -1 : Number(link.dataset.trouble);
    file.value = link.dataset.file === undefined ? "" : String(data.files.indexOf(link.dataset.file));
    find.value = "";
    view = trouble < 0 ? "all" : "bad";
    changed();
    byId("cases").scrollIntoView();
    (trouble < 0 ? file : byId("only")).focus({ preventScroll: true });
  });
  apply();

  const told = byId("told");
  for (const lane of document.querySelectorAll(".lane svg")) {
    let on = null;
    const show = (bar) => {
      if (on) on.classList.remove("on");
      on = bar;
      if (!bar) return;
      bar.classList.add("on");
      told.textContent = bar.querySelector("title").textContent;
    };
    lane.addEventListener("pointerover", (event) => event.target.matches("rect") && show(event.target));
    lane.addEventListener("pointerleave", () => show(null));
    lane.addEventListener("blur", () => show(null));
    lane.addEventListener("keydown", (event) => {
      const bars = [...lane.querySelectorAll("rect")];
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -bars.length, End: bars.length }[event.key];
      if (!step || !bars.length) return;
      event.preventDefault();
      show(bars[Math.max(0, Math.min(bars.length - 1, (on ? bars.indexOf(on) : step > 0 ? -1 : bars.length) + step))]);
    });
  }
})();
