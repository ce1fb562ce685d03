// The page's own script: it fills the table library and the chart library from #data, and shows records.
// Whatever comes from data goes through text() into markup, or into textContent.
const data = JSON.parse(document.getElementById("data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const place = (id) => document.getElementById(id);
const text = (value) => String(value).replace(/[&<>"'`]/g, (sign) => "&#" + sign.charCodeAt(0) + ";");
const NONE = "–";
const SIGNS = { better: "▲", worse: "▼", "cannot tell": "○" };
const COSTS = ["draw, s", "train, s", "FLOPs to draw", "FLOPs", "parameters", "exact density"];
const chosen = { table: 0, setting: "", density: "", submission: "", row: "", kind: "", chart: "" };
let entries = null, missing = null;

function element(tag, words, facts) {
  const made = Object.assign(document.createElement(tag), facts || {});
  if (words !== undefined) made.textContent = words;
  return made;
}
function number(value, metric, sign) {
  if (value === null || value === undefined) return NONE;
  const shown = metric.percent ? (100 * value).toFixed(2) : String(Number(value.toPrecision(4)));
  return ((sign && value > 0 ? "+" : "") + shown).replace("-", "−");
}
function interval(mean, low, high, metric, sign) {
  const sides = low === null ? "no interval" : number(low, metric, sign) + ", " + number(high, metric, sign);
  return number(mean, metric, sign) + " [" + sides + "]";
}
function amount(value) {
  if (value === null || value === undefined) return NONE;
  for (const [prefix, size] of [["E", 1e18], ["P", 1e15], ["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (Math.abs(value) >= size) return Number((value / size).toPrecision(3)) + " " + prefix;
  return String(Number(value.toPrecision(3)));
}
const p = (value) => (value >= 0.001 ? String(Number(value.toPrecision(2))) : "<0.001");
const now = () => data.tables[chosen.table];
const metricOf = (row) => now().metrics[row[6]];

// Words sort and are searched as they are shown; numbers sort as numbers, those that are absent last.
const words = (title, read) => ({ title: text(title), data: null, render: (row) => text(read(row)) });
function numeric(title, read, show, better) {
  const last = better ? Infinity : -Infinity;
  return {
    title: text(title), data: null, type: "num",
    render: (row, type) => (type === "sort" || type === "type" ? (read(row) ?? last) : text(show(row))),
  };
}
function link(title, prefix, read, show) {
  const column = numeric(title, read, show, false);
  const plain = column.render;
  column.render = (row, type) =>
    type === "display" ? '<a href="#' + prefix + chosen.table + "." + row.at + '">' + plain(row, type) + "</a>" : plain(row, type);
  return column;
}
function apart(at, name) {
  const column = numeric("less " + name, (row) => row[12][at]?.[0], (row) => {
    const found = row[12][at];
    return found ? SIGNS[found[5]] + " " + interval(found[0], found[1], found[2], metricOf(row), true) + ", p " + p(found[4]) : "";
  });
  const plain = column.render;
  column.render = (row, type) => {
    const found = row[12][at];
    if (type !== "display" || !found) return plain(row, type);
    return '<span class="' + text(found[5].split(" ")[0]) + '" title="' + text(found[5]) + '">' + plain(row, type) + "</span>";
  };
  return column;
}
const many = () => Object.keys(now().submissions).length > 1;
const setting = () => words("setting", (row) => now().settings[row[4]]);
const density = () => numeric("density", (row) => row[5], (row) => Number(row[5].toPrecision(4)));
function columns() {
  const cost = (at) => numeric(COSTS[at], (row) => row[13][at], (row) => amount(row[13][at]), true);
  const used = [0, 1, 2, 3, 4].filter((at) => now().rows.some((row) => row[13][at] !== null));
  return [
    numeric("rank", (row) => row[7] + row[8] / 1e6, (row) => (row[7] === row[8] ? row[7] : row[7] + "–" + row[8]), true),
    words("row", (row) => row[1]),
    ...(many() ? [words("submission", (row) => row[0])] : []),
    link("mean", "r", (row) => row[9], (row) => interval(row[9], row[10], row[11], metricOf(row))),
    ...now().against.map((name, at) => apart(at, name)),
    density(), ...used.map(cost), setting(),
  ];
}
function trouble() {
  const link = words("what is wrong", (row) => row[7]);
  link.render = (row, type) => (type === "display" ? '<a href="#m' + chosen.table + "." + row.at + '">' + text(row[7]) + "</a>" : text(row[7]));
  return [words("row", (row) => row[1]), ...(many() ? [words("submission", (row) => row[0])] : []), link, density(), setting()];
}
const fits = (row) =>
  (chosen.setting === "" || now().settings[row[4]] === chosen.setting) &&
  (chosen.density === "" || String(row[5]) === chosen.density) &&
  (chosen.submission === "" || row[0] === chosen.submission) &&
  (chosen.row === "" || row[1] === chosen.row);

function fill(id, rows, layout, count) {
  const made = new DataTable("#" + id, {
    data: rows, columns: layout, order: [], pageLength: count, lengthMenu: [10, 25, 100, 500], autoWidth: false, deferRender: true,
    layout: { topStart: "pageLength", topEnd: "search", bottomStart: "info", bottomEnd: "paging" },
    language: { lengthMenu: "_MENU_ lines a page", search: "search", info: "lines _START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_)",
      emptyTable: "no entry", zeroRecords: "no entry fits" },
  });
  made.search.fixed("filters", (_, row) => fits(row));
  return made.draw();
}
function show() {
  for (const old of [entries, missing]) if (old) old.destroy();
  for (const id of ["entries", "incomplete"]) place(id).querySelectorAll("thead, tbody, tfoot, colgroup").forEach((part) => part.remove());
  now().rows.forEach((row, at) => (row.at = at));
  now().incomplete.forEach((row, at) => (row.at = at));
  entries = fill("entries", now().rows, columns(), 25);
  missing = now().incomplete.length ? fill("incomplete", now().incomplete, trouble(), 10) : null;
  place("missing").hidden = !missing;
  place("notes").replaceChildren(...now().notes.map((note) => element("li", note)));
  place("submissions").replaceChildren(...Object.entries(now().submissions).slice(0, 300).map(([name, said]) => element("li", said ? name + ": " + said : name)));
  place("machines").replaceChildren(...now().environments.slice(0, 300).map((made) => element("li", made)));
  filters();
  switches();
}
function select(label, key, options, every, after) {
  const outer = element("label", label), inner = element("select", undefined, { id: "by-" + key });
  for (const [value, shown] of [...(every ? [["", "all"]] : []), ...options]) inner.append(element("option", shown, { value }));
  inner.value = String(chosen[key]);
  if (inner.selectedIndex < 0) { inner.selectedIndex = 0; chosen[key] = inner.value; }
  inner.addEventListener("change", () => { chosen[key] = inner.value; after(); });
  outer.append(inner);
  return outer;
}
function filters() {
  const both = [...now().rows, ...now().incomplete];
  const options = (read) => [...new Set(both.map(read))].map((value) => [String(value), String(value)]);
  const redraw = () => { entries.draw(); if (missing) missing.draw(); if (chosen.setting in now().charts) { chosen.chart = chosen.setting; switches(); } };
  const byDensity = options((row) => row[5]).sort((a, b) => b[0] - a[0]).map(([value]) => [value, String(Number(Number(value).toPrecision(4)))]);
  const found = [
    ["setting", "setting", now().settings.map((name) => [name, name])], ["density", "density", byDensity],
    ["row", "row", options((row) => row[1]).sort()], ["submission", "submission", options((row) => row[0]).sort()],
  ];
  const groups = data.tables.map((table, at) => [String(at), table.title]);
  const change = () => { chosen.table = Number(chosen.table); for (const key of ["setting", "density", "row", "submission", "chart"]) chosen[key] = ""; show(); };
  place("filters").replaceChildren(
    ...(groups.length > 1 ? [select("version and device", "table", groups, false, change)] : []),
    ...found.filter(([, , values]) => values.length > 1).map(([label, key, values]) => select(label, key, values, true, redraw)),
  );
}

// -- charts ---------------------------------------------------------------------------------------------------
const KINDS = { density: "by density", sweep: "along the sweep", cost: "cost", ranks: "ranks" };
function switches() {
  const names = Object.keys(now().charts);
  place("charts").hidden = !names.length || !window.vegaEmbed;
  if (place("charts").hidden) return;
  if (!names.includes(chosen.chart)) chosen.chart = names.reduce((best, name) => (Object.keys(now().charts[name]).length > Object.keys(now().charts[best]).length ? name : best));
  const kinds = Object.keys(KINDS).filter((kind) => kind in now().charts[chosen.chart]);
  if (!kinds.includes(chosen.kind)) chosen.kind = kinds[0];
  const buttons = kinds.map((kind) => {
    const made = element("button", KINDS[kind], { type: "button", id: "kind-" + kind });
    made.setAttribute("aria-pressed", String(kind === chosen.kind));
    made.addEventListener("click", () => { chosen.kind = kind; switches(); place("kind-" + kind).focus(); });
    return made;
  });
  place("switches").replaceChildren(...(names.length > 1 ? [select("setting", "chart", names.map((name) => [name, name]), false, switches)] : []), ...buttons);
  paint();
}
function paint() {
  document.documentElement.classList.toggle("dark", dark.matches);
  if (place("charts").hidden) return;
  const drawn = now().charts[chosen.chart][chosen.kind];
  const ink = dark.matches ? "#c9d1d9" : "#3b424a", line = dark.matches ? "#3a424c" : "#d9dee4";
  const room = place("chart").clientWidth;
  const chart = Object.assign({}, drawn, { title: null, width: "container", autosize: { type: "fit-x", contains: "padding" } });
  const abreast = Math.max(1, Math.min(6, Math.floor(room / (drawn.usermeta.room + 16))));
  chart.config = Object.assign({}, drawn.config, {
    background: "transparent",
    axis: Object.assign({}, drawn.config.axis, { labelColor: ink, titleColor: ink, tickColor: line, domainColor: line, gridColor: line }),
    legend: Object.assign({}, drawn.config.legend, { labelColor: ink, titleColor: ink, columns: abreast }),
  });
  place("chart").setAttribute("aria-label", drawn.title + ", " + chosen.chart);
  place("caption").textContent = drawn.title + ": " + chosen.chart + ". Click a name to single it out.";
  vegaEmbed(place("chart"), chart, { mode: "vega-lite", ast: true, renderer: "svg", actions: false });
}

// -- records --------------------------------------------------------------------------------------------------
function grid(caption, head, rows) {
  const outer = element("div", undefined, { className: "wide" }), made = element("table"), top = element("tr");
  made.append(element("caption", caption));
  for (const name of head) top.append(element("th", name, { scope: "col" }));
  const thead = element("thead"), body = element("tbody");
  thead.append(top);
  for (const row of rows) {
    const line = element("tr");
    for (const part of row) line.append(element("td", part));
    body.append(line);
  }
  made.append(thead, body);
  outer.append(made);
  return outer;
}
function record() {
  const found = /^#([rm])(\d+)\.(\d+)$/.exec(location.hash), box = place("record");
  const table = found && data.tables[found[2]];
  const row = table && table[found[1] === "r" ? "rows" : "incomplete"][found[3]];
  box.hidden = !row;
  if (!row) return;
  const ranked = found[1] === "r", metric = table.metrics[row[6]];
  const seeds = row[ranked ? 14 : 8], counted = row[ranked ? 15 : 9], apart = ranked ? row[12] : [];
  const against = table.against.map((name, at) => [name, apart[at]]).filter(([, one]) => one);
  const head = ["seed", metric.title + (metric.percent ? ", %" : ""), "status", ...against.map(([name]) => "less " + name), "record", "machine"];
  const lines = seeds.map(([seed, value, status, key, machine, reason], at) => [
    at < counted ? seed : seed + " (not counted)", number(value, metric), status + (reason ? ": " + reason : ""),
    ...against.map(([, one]) => (at < counted ? number(one[6][at], metric, true) : "")), key || NONE, machine === null ? NONE : "machine " + (machine + 1),
  ]);
  const facts = [["method", row[3]], ["density", row[5]], ...["task", "model", "protocol", "initializer", "recipe"].map((axis, at) => [axis, table.full[row[4]][at]])];
  if (ranked) {
    facts.push(["rank", row[7] + " to " + row[8]], ["mean", interval(row[9], row[10], row[11], metric)]);
    for (const [name, one] of against) facts.push(["less " + name, interval(one[0], one[1], one[2], metric, true) + ", " + one[5] + ", p " + p(one[3]) + ", corrected " + p(one[4])]);
    COSTS.forEach((name, at) => { if (row[13][at] !== null) facts.push([name, amount(row[13][at])]); });
  } else facts.push(["not ranked", row[7]]);
  facts.push(["submission", row[0] + (table.submissions[row[0]] ? ": " + table.submissions[row[0]] : "")]);
  for (const machine of [...new Set(seeds.map((one) => one[4]))].filter((one) => one !== null)) facts.push(["machine " + (machine + 1), table.environments[machine]]);
  const close = element("button", "close", { type: "button" });
  close.addEventListener("click", () => { history.pushState(null, "", location.pathname + location.search); box.hidden = true; place("board").scrollIntoView(); });
  box.replaceChildren(element("h2", row[2] + ", density " + Number(row[5].toPrecision(4)) + ": " + table.settings[row[4]]),
    grid("Seed by seed", head, lines), grid("What it is", ["what", ""], facts), close);
  box.scrollIntoView();
  box.focus({ preventScroll: true });
}

if (data.tables.length) {
  for (const id of ["board", "origin"]) place(id).hidden = false;
  paint();
  show();
}
dark.addEventListener("change", paint);
window.addEventListener("hashchange", record);
record();
