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
