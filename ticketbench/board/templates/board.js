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

{% include "charts.js" %}
{% include "record.js" %}

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
