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
