// Draws the charts again so that they answer: fit the window, tell numbers, follow the controls.
// Without this script the page shows the same charts and tables.
"use strict";
(() => {
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const views = new Map();
  const tip = document.getElementById("tip");

  // Everything from the data goes through textContent: it is text, never HTML.
  const showTip = (_handler, event, _item, value) => {
    tip.replaceChildren();
    if (value === null || value === undefined || value === "") {
      tip.hidden = true;
      return;
    }
    const list = document.createElement("dl");
    for (const [key, text] of Object.entries(value)) {
      const term = document.createElement("dt");
      const said = document.createElement("dd");
      term.textContent = key;
      said.textContent = text;
      list.append(term, said);
    }
    tip.append(list);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const right = window.innerWidth - box.width - 8;
    const above = event.clientY - box.height - 14;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, right))}px`;
    tip.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  };

  // Vega could load data from an address in a chart: here it never does.
  const nobody = {
    load: () => Promise.reject(new Error("nothing is loaded")),
    sanitize: () => Promise.reject(new Error("nothing is linked")),
  };

  const draw = async (place) => {
    const drawn = place.querySelector("svg");
    const words = [...drawn.querySelectorAll(":scope > title, :scope > desc")];
    const labels = drawn.getAttribute("aria-labelledby");
    const spec = JSON.parse(document.getElementById(`${place.id}-spec`).textContent);
    spec.width = place.clientWidth;
    const inside = document.createElement("div");
    const { view } = await window.vegaEmbed(inside, spec, {
      mode: "vega", renderer: "svg", actions: false, defaultStyle: false, tooltip: showTip,
      config: settings.config, formatLocale: settings.number, timeFormatLocale: settings.time,
      loader: nobody, logLevel: 1, // that a chosen account has no forecast is no news
    });
    const svg = inside.querySelector("svg");
    svg.prepend(...words);
    svg.setAttribute("role", "img");
    svg.setAttribute("class", "chart");
    svg.setAttribute("aria-labelledby", labels);
    place.replaceChildren(inside);
    views.set(place.id, view);
    if (place.dataset.sets) {
      view.addEventListener("click", (_event, item) => choose(place, item && item.datum));
    }
  };

  // A click is a short way to the control, which is also there for keyboards.
  const choose = (place, datum) => {
    const select = document.getElementById(place.dataset.sets);
    const value = datum && datum[place.dataset.field];
    const known = [...select.options].some((option) => option.value === value);
    if (!known) return;
    select.value = select.value === value && select.options[0].value === "" ? "" : value;
    select.dispatchEvent(new Event("change"));
  };

  const follow = (select) => {
    const { param, charts, table } = select.dataset;
    for (const id of charts.split(" ").filter(Boolean)) {
      const view = views.get(id);
      if (view) view.signal(param, select.value).run();
    }
    if (!table) return;
    for (const row of document.querySelectorAll(`#${table} tbody tr`)) {
      row.hidden = select.value !== "" && row.dataset.of !== select.value;
    }
  };

  const sort = (table, heading, column) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const isNumber = heading.classList.contains("n");
    const value = (row) => {
      const cell = row.cells[column];
      return cell.dataset.v ?? cell.querySelector("time")?.dateTime ?? cell.textContent;
    };
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last
      const order = isNumber ? a - b : a.localeCompare(b, document.documentElement.lang);
      return down ? -order : order;
    });
    body.append(...rows);
  };

  const fit = (width) => {
    for (const [id, view] of views) {
      const room = width || document.getElementById(id).clientWidth;
      if (room && Math.abs(view.width() - room) > 1) view.width(room).run();
    }
  };

  for (const label of document.querySelectorAll(".needs-script")) label.hidden = false;
  for (const select of document.querySelectorAll("select")) {
    select.addEventListener("change", () => follow(select));
  }
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(table, heading, column));
      heading.replaceChildren(button);
    });
  }
  Promise.all([...document.querySelectorAll(".drawing")].map(draw)).then(() => {
    document.documentElement.classList.add("drawn");
    // A browser that goes back keeps what was chosen.
    for (const select of document.querySelectorAll("select")) follow(select);
    new ResizeObserver(() => fit()).observe(document.querySelector("main"));
  });
  window.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  const days = settings.loaded ? (Date.now() - Date.parse(settings.loaded)) / 86_400_000 : 0;
  if (days >= settings.stale_days) {
    const stale = document.getElementById("stale");
    stale.textContent = settings.stale.replace("{days}", Math.floor(days));
    stale.hidden = false;
  }
})();
