"use strict";
(() => {
// What all pages share: text that stays text, filters whose state is in the address, and the table library's looks.
// Whatever comes from data goes through text() into markup, or into textContent.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const place = (id) => document.getElementById(id);
for (const one of document.querySelectorAll(".unmade")) one.remove();
const text = (value) => String(value).replace(/[&<>"'`]/g, (sign) => "&#" + sign.charCodeAt(0) + ";");
const LANGUAGE = { lengthMenu: "_MENU_ lines a page", info: "lines _START_ to _END_ of _TOTAL_", infoEmpty: "no line",
  infoFiltered: "(_MAX_ in all)", emptyTable: "no entry", zeroRecords: "no entry fits" };
const LAYOUT = { topStart: "info", topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" };

function element(tag, words, facts) {
  const made = Object.assign(document.createElement(tag), facts || {});
  if (words !== undefined) made.textContent = words;
  return made;
}

// What a reader has chosen, by name; "" is no choice. It stands in the address, so that a filtered page can be linked.
const chosen = {};
function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(chosen)) chosen[key] = said.get(key) || "";
}
function address() {
  const words = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== "")).toString();
  return location.pathname + location.search + (words ? "#" + words : "");
}
const remember = () => history.replaceState(null, "", address());

function select(label, key, options, every, after) {
  const outer = element("label", label), inner = element("select", undefined, { id: "by-" + key });
  for (const [value, shown] of [...(every ? [["", "all"]] : []), ...options]) inner.append(element("option", shown, { value }));
  inner.value = chosen[key];
  if (inner.selectedIndex < 0) inner.selectedIndex = 0;
  chosen[key] = inner.value;
  inner.addEventListener("change", () => { chosen[key] = inner.value; remember(); after(); });
  outer.append(inner);
  return outer;
}
function searchField(after) {
  const outer = element("label", "search"), inner = element("input", undefined, { id: "search", type: "search", value: chosen.search });
  let waiting;
  inner.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { chosen.search = inner.value; remember(); after(); }, 150); });
  outer.append(inner);
  return outer;
}
// A filter is [name, label, options as [value, shown], a row's value]; one that leaves no choice is not shown.
function filterBar(box, filters, leading, after) {
  const offered = filters.filter(([, , options]) => options.length > 1);
  for (const [key] of filters) if (!offered.some((one) => one[0] === key)) chosen[key] = "";
  const clear = element("button", "clear", { type: "button", id: "clear" });
  clear.addEventListener("click", () => {
    for (const key of ["search", ...offered.map((one) => one[0])]) { chosen[key] = ""; place(key === "search" ? key : "by-" + key).value = ""; }
    remember();
    after();
  });
  box.replaceChildren(...leading, ...offered.map(([key, label, options]) => select(label, key, options, true, after)), searchField(after), clear);
  return offered;
}
function fitting(filters) {
  const active = filters.filter(([key]) => chosen[key] !== "");
  return (row) => active.every(([key, , , read]) => read(row) === chosen[key]);
}
const pairs = (values) => [...new Set(values)].sort().map((value) => [value, value]);
// A board's tables, from the arrays that page_data.py writes.
// A row: line, place, first and last rank, mean, low, high, differences, a number for each of data.costs, records. A line: submission, row, name,
// method, family, scorer, family of scorers. A place: setting, density, metric, seeds.
const data = JSON.parse(place("data").textContent);
const NONE = "–", SIGNS = ["▲", "▼", "≈", "○"], MARKS = ["better", "worse", "as good", "cannot tell"];
const AXES = ["task", "model", "protocol", "initializer", "recipe"];
for (const key of ["table", ...AXES, "density", "method", "scorer", "row", "submission", "search", "charts", "kind", "record"]) chosen[key] = "";
let entries = null, missing = null, filters = [];

const now = () => data.tables.find((table) => table.title === chosen.table) || data.tables[0];
const line = (row) => now().lines[row[0]];
const at = (row) => now().places[row[1]];
const settingOf = (row) => now().settings[at(row)[0]];
const metricOf = (row) => now().metrics[at(row)[2]];
const many = () => Object.keys(now().submissions).length > 1;
const recordsOf = (row) => row[row.length - 1];
// A link leads away from the page, with its host in words; nothing is said to it of where a reader comes from.
const linksOf = (name) => (now().links[name] || []).flatMap(([kind, address, host]) => ["; ", element("a", kind + " on " + host, { href: address, rel: "noopener noreferrer nofollow" })]);
const share = (density) => String(Number(density.toPrecision(4)));

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
const unit = (metric) => metric.title + (metric.percent ? ", %" : "");
const heading = (place) => now().settings[place[0]] + " · density " + share(place[1]) + (now().metrics.length > 1 ? " · " + unit(now().metrics[place[2]]) : "");

// Words sort and are searched as they are shown; numbers sort as numbers, those that are absent last.
const titled = (title, hint) => '<span title="' + text(hint || title) + '">' + text(title) + "</span>";
const words = (title, read, look) => ({ title: text(title), ariaTitle: title, data: null, type: "string", className: look || "", render: (row) => text(read(row)) });
function numeric(title, read, show, last, hint) {
  return {
    title: titled(title, hint), ariaTitle: title, data: null, type: "num", searchable: false,
    render: (row, type) => (type === "display" ? show(row) : (read(row) ?? last)),
  };
}
const follow = (row, shown) => '<a href="#' + text(new URLSearchParams({ record: recordName(row) })) + '">' + text(shown) + "</a>";
function apart(name, which) {
  return numeric("less " + name, (row) => row[7][which]?.[0], (row) => {
    const found = row[7][which];
    if (!found) return "";
    const shown = interval(found[0], found[1], found[2], metricOf(row), true) + ", p " + p(found[4]);
    const words = SIGNS[found[5]] + " " + MARKS[found[5]] + " " + text(shown);
    return '<span class="' + MARKS[found[5]].split(" ")[0] + (found[7] ? ' stated">' : ' explored">') + words + "</span>";
  }, -Infinity, "difference to " + name + " on the same seeds, with its 95 % interval and corrected p");
}
const where = () => [words("setting", settingOf, "long"), numeric("density", (row) => at(row)[1], (row) => share(at(row)[1]), 0)];
const who = () => [words("row", (row) => line(row)[1], "long"), ...(many() ? [words("submission", (row) => line(row)[0], "long")] : [])];
const method = () => words("method, scorer", (row) => line(row)[4] + (line(row)[6] === NONE ? "" : ", " + line(row)[6]));
// Seeds that diverged count with the worst there can be, and networks that lost a layer with what is left of them: both are said.
function oddSeeds(row) {
  const odd = Object.entries(recordsOf(row)[3] || {}).filter(([which]) => which < at(row)[3].length).map(([, [status]]) => status);
  const shown = ["diverged", "collapsed"].filter((one) => odd.includes(one)).map((one) => odd.filter((other) => other === one).length + " " + one);
  return shown.length ? ' <span class="trouble">' + text(shown.join(", ")) + "</span>" : "";
}
function columns() {
  const cost = ([one, which]) => numeric(one.heading, (row) => row[8][which], (row) => amount(row[8][which]), Infinity, one.meaning);
  const used = data.costs.map((one, which) => [one, which]).filter(([one, which]) => one.tabled && now().rows.some((row) => row[8][which] !== null));
  const compared = now().against.map(apart).filter((_, which) => now().rows.some((row) => row[7][which]));
  const mean = now().metrics.length === 1 ? "mean " + unit(now().metrics[0]) : "mean";
  return [
    ...where(),
    numeric("rank", (row) => row[2] + row[3] / 1e6, (row) => (row[2] === row[3] ? row[2] : row[2] + "–" + row[3]), 0, "every rank that the entry may have"),
    ...who(),
    numeric(mean, (row) => row[4], (row) => follow(row, interval(row[4], row[5], row[6], metricOf(row))) + oddSeeds(row), -Infinity, "mean over seeds with its 95 % interval"),
    ...compared, ...used.map(cost), method(),
  ];
}
function seedsText(row) {
  const [values] = recordsOf(row), metric = metricOf(row);
  return at(row)[3].map((seed, which) => (values[which] === null ? "" : "seed " + seed + ": " + number(values[which], metric))).filter(Boolean).slice(0, 8).join(", ");
}
function trouble() {
  const wrong = words("what is wrong", (row) => row[2], "long"), shown = wrong.render;
  wrong.render = (row, type) => (type === "display" ? follow(row, row[2]) : shown(row));
  const there = "the seeds there are" + (now().metrics.length === 1 ? ": " + unit(now().metrics[0]) : "");
  return [...where(), ...who(), wrong, words(there, (row) => seedsText(row) || NONE, "long"), method()];
}

function fill(id, rows, layout, count) {
  const grouped = { dataSrc: (row) => row[1], startRender: (_, number) => element("span", heading(now().places[number])) };
  const made = new DataTable("#" + id, {
    data: rows, columns: layout, order: [], pageLength: count, lengthMenu: [10, 25, 100, 500], autoWidth: false, deferRender: true,
    rowGroup: grouped, columnDefs: [{ targets: [0, 1], visible: false }], layout: LAYOUT, language: LANGUAGE,
  });
  made.on("order", () => regroup(made)); // in the order of places each has a heading; in any other each line says where it stands
  return made;
}
function regroup(table) {
  const together = table.order().every(([, way]) => !way), held = document.activeElement;
  if (table.rowGroup().enabled() === together) return;
  table.rowGroup().enable(together);
  table.columns([0, 1]).visible(!together, false);
  held.focus({ preventScroll: true });
}
function redraw() {
  for (const made of [entries, missing]) if (made) {
    made.search(chosen.search);
    made.search.fixed("filters", ((fits) => (_, row) => fits(row))(fitting(filters))).draw();
  }
  switches();
}
function show() {
  for (const old of [entries, missing]) if (old) old.destroy();
  for (const id of ["entries", "incomplete"]) place(id).querySelectorAll("thead, tbody, tfoot, colgroup").forEach((part) => part.remove());
  const table = now();
  entries = table.rows.length ? fill("entries", table.rows, columns(), 25) : null;
  missing = table.incomplete.length ? fill("incomplete", table.incomplete, trouble(), entries ? 10 : 25) : null;
  place("ranked").hidden = !entries;
  place("unranked").hidden = !!entries;
  place("missing").hidden = !missing;
  place("notes").replaceChildren(...table.notes.map((note) => element("li", note)));
  place("submissions").replaceChildren(...Object.entries(table.submissions).slice(0, 300).map(([name, said]) => {
    const one = element("li", said ? name + ": " + said : name);
    one.append(...linksOf(name));
    return one;
  }));
  place("machines").replaceChildren(...table.environments.slice(0, 300).map((made) => element("li", made)));
  const axis = (which) => (row) => table.axes[at(row)[0]][which];
  const used = (read) => table.lines.map(read);
  const densities = [...new Set(table.places.map((one) => one[1]))].sort((a, b) => b - a).map((one) => [share(one), share(one)]);
  const offered = [
    ...AXES.map((name, which) => [name, name, pairs(table.axes.map((names) => names[which])), axis(which)]),
    ["density", "density", densities, (row) => share(at(row)[1])],
    ["method", "method", pairs(used((one) => one[4])), (row) => line(row)[4]],
    ["scorer", "scorer", pairs(used((one) => one[6])), (row) => line(row)[6]],
    ["row", "row", pairs(used((one) => one[1])), (row) => line(row)[1]],
    ["submission", "submission", pairs(used((one) => one[0])), (row) => line(row)[0]],
  ];
  const others = () => { for (const key of Object.keys(chosen)) if (key !== "table") chosen[key] = ""; remember(); show(); };
  const groups = data.tables.map((one) => [one.title, one.title]);
  filters = filterBar(place("filters"), offered, groups.length > 1 ? [select("version and device", "table", groups, false, others)] : [], redraw);
  redraw();
}

// The charts: one at a time, of a setting that fits the filters.
const KINDS = { density: "by density", sweep: "along the sweep", cost: "cost", ranks: "ranks" };
const colours = () => document.documentElement.classList.toggle("dark", dark.matches);
let drawn = null;

function chartNames() {
  const table = now(), axes = AXES.map((name, which) => [chosen[name], which]).filter(([value]) => value !== "");
  const names = Object.keys(table.charts);
  const fit = names.filter((name) => axes.every(([value, which]) => table.axes[table.settings.indexOf(name)][which] === value));
  return fit.length ? fit : names;
}
function switches() {
  const names = chartNames(), table = now();
  place("charts").hidden = !names.length || !window.vegaEmbed;
  if (place("charts").hidden) return;
  const size = (name) => Object.keys(table.charts[name]).length;
  const wanted = names.includes(chosen.charts) ? chosen.charts : names.reduce((best, name) => (size(name) > size(best) ? name : best));
  const kinds = Object.keys(KINDS).filter((kind) => kind in table.charts[wanted]);
  const kind = kinds.includes(chosen.kind) ? chosen.kind : kinds[0];
  const buttons = kinds.map((one) => {
    const made = element("button", KINDS[one], { type: "button", id: "kind-" + one });
    made.setAttribute("aria-pressed", String(one === kind));
    made.addEventListener("click", () => { chosen.kind = one; remember(); switches(); place("kind-" + one).focus(); });
    return made;
  });
  const asked = [chosen.charts, document.activeElement?.id];
  chosen.charts = wanted;
  const list = names.length > 1 ? [select("setting", "charts", names.map((name) => [name, name]), false, switches)] : [];
  chosen.charts = asked[0] === wanted ? wanted : "";
  place("switches").replaceChildren(...list, ...buttons);
  if (asked[1] === "by-charts") place("by-charts")?.focus();
  drawn = [wanted, table.charts[wanted][kind]];
  paint();
}
// Names stand at the ends of lines where there is room for them; else a legend names the lines.
function named(chart) {
  const room = chart.usermeta.names;
  if (!room || place("chart").clientWidth > 4 * room) return chart;
  chart.layer = chart.layer.filter((layer) => !["leads", "names"].includes(layer.name));
  for (const layer of chart.layer) delete layer.encoding.color.legend;
  for (const one of chart.params) one.bind = "legend";
  return chart;
}
// Drawn when it comes into view, and again when light turns to dark.
function paint() {
  if (!drawn || !inView) return;
  const [name, chart] = drawn, facts = chart.usermeta;
  const ink = dark.matches ? "#c9d1d9" : "#3b424a", faint = dark.matches ? "#3a424c" : "#d9dee4";
  const abreast = Math.max(1, Math.min(6, Math.floor(place("chart").clientWidth / (facts.room + 10))));
  const live = Object.assign(named(structuredClone(chart)), { title: null, width: "container", autosize: { type: "fit-x", contains: "padding" } });
  live.config = Object.assign({}, chart.config, {
    text: { color: ink },
    background: "transparent",
    axis: Object.assign({}, chart.config.axis, { labelColor: ink, titleColor: ink, tickColor: faint, domainColor: faint, gridColor: faint }),
    legend: Object.assign({}, chart.config.legend, { labelColor: ink, titleColor: ink, columns: abreast }),
  });
  const said = name + ": " + facts.title + (facts.left_out ? "; " + facts.left_out : "");
  place("chart").setAttribute("aria-label", said);
  place("caption").textContent = said + (chart.params ? ". Click a name to single it out" : "") + ". As a file: ";
  place("caption").append(element("a", "SVG", { href: facts.file }));
  vegaEmbed(place("chart"), live, { mode: "vega-lite", ast: true, renderer: "svg", actions: false });
}
let inView = false;
new IntersectionObserver((seen, watch) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  inView = true;
  watch.disconnect();
  paint();
}, { rootMargin: "600px" }).observe(place("charts"));

// An entry's record, seed by seed, in a dialog; its name in the address is the key of its first record, and a density.
const recordName = (row) => recordsOf(row)[1].find((key) => key) + "@" + share(at(row)[1]);

function grid(caption, head, rows) {
  const outer = element("div", undefined, { className: "wide", tabIndex: 0 }), made = element("table"), top = element("tr"), body = element("tbody");
  made.append(element("caption", caption));
  if (head) {
    top.append(...head.map((name) => element("th", name, { scope: "col" })));
    made.append(element("thead"));
    made.tHead.append(top);
  }
  for (const [first, ...rest] of rows) {
    const one = element("tr");
    one.append(element("th", first, { scope: "row" }), ...rest.map((part) => (part instanceof Node ? part : element("td", part))));
    body.append(one);
  }
  made.append(body);
  outer.setAttribute("role", "region");
  outer.setAttribute("aria-label", caption);
  outer.append(made);
  return outer;
}
function seedLines(row, apart) {
  const [values, keys, machines, odd, others] = recordsOf(row), metric = metricOf(row), counted = at(row)[3];
  return [...counted, ...(others || [])].map((seed, which) => {
    const [status, reason] = odd?.[which] || ["ok", ""], machine = Array.isArray(machines) ? machines[which] : machines;
    return [
      which < counted.length ? seed : seed + " (not counted)", number(values[which], metric), status + (reason ? ": " + reason : ""),
      ...apart.map(([, one]) => (which < counted.length ? number(one[6][which], metric, true) : "")), keys[which] || NONE,
      machine === null || !keys[which] ? NONE : "machine " + (machine + 1),
    ];
  });
}
function factLines(row, ranked, apart) {
  const [submission, , , shown, , scorer] = line(row), metric = metricOf(row), machines = recordsOf(row)[2];
  const facts = [["method", shown], ["scorer", scorer], ["density", at(row)[1]], ...AXES.map((axis, which) => [axis, now().full[at(row)[0]][which]])];
  if (ranked) {
    facts.push(["rank", row[2] + " to " + row[3]], ["mean " + unit(metric), interval(row[4], row[5], row[6], metric)]);
    for (const [name, one] of apart) facts.push(["less " + name, interval(one[0], one[1], one[2], metric, true) + ", " + MARKS[one[5]] + (one[7] ? ", stated" : ", exploratory") + ", p " + p(one[3]) + ", corrected " + p(one[4])]);
    data.costs.forEach((one, which) => { if (row[8][which] !== null) facts.push([one.meaning, amount(row[8][which])]); });
  } else facts.push(["not ranked", row[2]]);
  const handed = element("td", submission + (now().submissions[submission] ? ": " + now().submissions[submission] : ""));
  handed.append(...linksOf(submission));
  facts.push(["submission", handed]);
  for (const one of new Set(Array.isArray(machines) ? machines : [machines])) if (one !== null) facts.push(["machine " + (one + 1), now().environments[one]]);
  return facts;
}
function record() {
  const box = place("record"), named = (row) => recordName(row) === chosen.record;
  const row = chosen.record && (now().rows.find(named) || now().incomplete.find(named));
  if (!row) { chosen.record = ""; if (box.open) box.close(); return; }
  const ranked = row.length > 4, apart = ranked ? now().against.map((name, which) => [name, row[7][which]]).filter(([, one]) => one) : [];
  const head = ["seed", unit(metricOf(row)), "status", ...apart.map(([name]) => "less " + name), "record", "machine"];
  const close = element("button", "close", { type: "button" });
  close.addEventListener("click", leave);
  box.replaceChildren(close, element("h2", line(row)[2], { id: "record-title" }), element("p", heading(at(row)), { className: "soft" }),
    grid("Seed by seed", head, seedLines(row, apart)), grid("What it is", null, factLines(row, ranked, apart)));
  if (!box.open) box.showModal();
}
function openRecord(event) {
  const link = event.target.closest?.('a[href^="#record="]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  chosen.record = new URLSearchParams(link.getAttribute("href").slice(1)).get("record");
  history.pushState(null, "", address());
  record();
}
// The address loses the record in the same turn in which the dialog closes: the browser's own "close" comes a frame later.
function leave() {
  if (chosen.record) { chosen.record = ""; history.pushState(null, "", address()); }
  if (place("record").open) place("record").close();
}
place("record").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
place("record").addEventListener("close", leave);
place("record").addEventListener("click", (event) => { if (event.target === place("record")) leave(); });


function arrive() {
  readAddress();
  show();
  record();
}
if (data.tables.length) {
  for (const id of ["board", "origin"]) place(id).hidden = false;
  colours();
  arrive();
}
document.addEventListener("click", openRecord);
dark.addEventListener("change", () => { colours(); paint(); });
window.addEventListener("popstate", arrive);
})();
