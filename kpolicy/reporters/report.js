// The list of findings: filtered in memory, drawn a page at a time.
// Every text here comes from a scanned repository: it reaches the page by textContent alone.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 40;
  const AUTOMATIC = 600; // rows that scrolling draws by itself before it asks
  const NODES = 12; // related resources that a graph draws
  const NO_NAMESPACE = "\u0000";
  const STATUS = ["error", "warning", "info", "pass", "skipped", "suppressed"];
  const SVG = "http://www.w3.org/2000/svg";
  const number = new Intl.NumberFormat("en");

  function element(tag, className, text, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // --- what is known of a finding ---------------------------------------------------------------
  const policyOf = (finding) => data.policies[finding.p];
  const resourceOf = (index) => data.resources[index];
  const pathOf = (place) => data.paths[place[0]];
  const named = (resource) => (resource.n ? `${resource.n}/${resource.m}` : resource.m);
  const titled = (resource) => `${resource.k} ${named(resource)}`.trim();
  const at = (place) => pathOf(place) + (place[1] ? `:${place[1]}` : "") + (place[1] && place[2] ? `:${place[2]}` : "");
  const plural = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;
  const words = []; // by finding, made when somebody searches

  function wordsOf(index) {
    if (words[index] === undefined) {
      const f = data.findings[index];
      const policy = policyOf(f);
      const labels = Object.entries({ ...f.labels, ...f.details }).flat();
      const related = (f.related ?? []).flatMap((r) => [titled(resourceOf(r.r)), r.how, pathOf(r.at)]);
      words[index] = [f.m, policy.id, policy.pack, policy.title, titled(resourceOf(f.r)), at(f.at), f.id, f.scope,
        f.why, ...labels, ...related].join("\n").toLowerCase();
    }
    return words[index];
  }

  // Gathered while nobody waits, so that the first search is as quick as the next.
  function gather(from, idle) {
    let index = from;
    while (index < data.findings.length && idle.timeRemaining() > 2) wordsOf(index++);
    if (index < data.findings.length) requestIdleCallback((next) => gather(index, next));
  }

  // --- the filters ------------------------------------------------------------------------------
  const counts = STATUS.map(() => 0);
  for (const f of data.findings) counts[f.s] += 1;
  const failing = counts[0] + counts[1] + counts[2];
  const noun = counts[3] + counts[4] ? "result" : "finding"; // with --results all, passes are there too
  const shownAtFirst = STATUS.map((_, status) => status < 3 || (failing === 0 && status < 5));
  const fields = ["pack", "policy", "namespace", "path", "query", "group"];
  const controls = Object.fromEntries(fields.map((id) => [id, byId(id)]));
  const boxes = [];

  const GROUPS = {
    file: { label: "File", key: (f) => pathOf(f.at) },
    policy: { label: "Policy", key: (f) => policyOf(f).id },
    resource: { label: "Resource", key: (f) => titled(resourceOf(f.r)) },
    namespace: { label: "Namespace", key: (f) => resourceOf(f.r).n || "(no namespace)" },
    severity: { label: "Severity", key: (f) => STATUS[f.s], order: STATUS },
    none: { label: "Nothing", key: () => "" },
  };
  const orders = new Map();

  function orderOf(name) {
    if (!orders.has(name)) {
      const { key, order } = GROUPS[name];
      const keys = data.findings.map(key);
      const rank = new Map();
      for (const one of order ?? (name === "file" ? [] : [...new Set(keys)].sort())) rank.set(one, rank.size);
      const indexes = keys.map((_, index) => index);
      if (rank.size) indexes.sort((a, b) => rank.get(keys[a]) - rank.get(keys[b]) || a - b);
      orders.set(name, { indexes, keys });
    }
    return orders.get(name);
  }

  function options(select, everything, values) {
    select.append(new Option(everything, ""));
    for (const [value, label, count] of values) select.append(new Option(`${label} (${number.format(count)})`, value));
    select.disabled = values.length < 2;
  }

  function tally(key) {
    const found = new Map();
    for (const f of data.findings) found.set(key(f), (found.get(key(f)) ?? 0) + 1);
    return [...found].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  function globbed(pattern) {
    if (!/[*?]/.test(pattern)) return null;
    const source = pattern.toLowerCase().replace(/\*\*\/|\*+|\?|[^*?]+/g, (part) =>
      part === "**/" ? "(?:.*/)?" : part === "?" ? "[^/]" : part === "*" ? "[^/]*" : part[0] === "*" ? ".*"
        : part.replace(/[\\^$.|+()[\]{}]/g, "\\$&"));
    return new RegExp(`^${source}$`, "s");
  }

  function build() {
    STATUS.forEach((status, index) => {
      if (!counts[index] && index > 2) return;
      const box = element("input");
      box.type = "checkbox";
      box.value = status;
      box.checked = shownAtFirst[index];
      boxes[index] = box;
      const label = element("label", status, "", box, element("span", "name", status), element("b", "", number.format(counts[index])));
      byId("statuses").append(label);
    });
    options(controls.pack, "All packs", tally((f) => policyOf(f).pack).map(([v, n]) => [v, v || "(no pack)", n]));
    options(controls.policy, "All policies", tally((f) => policyOf(f).id).map(([v, n]) => [v, v, n]));
    options(controls.namespace, "All namespaces", tally((f) => resourceOf(f.r).n || NO_NAMESPACE)
      .map(([v, n]) => [v, v === NO_NAMESPACE ? "(no namespace)" : v, n]));
    for (const [name, group] of Object.entries(GROUPS)) controls.group.append(new Option(group.label, name));
    const places = new Set();
    for (const path of data.paths) {
      if (path.includes("/")) places.add(path.slice(0, path.lastIndexOf("/") + 1));
      places.add(path);
    }
    for (const place of [...places].sort().slice(0, 400)) byId("paths").append(new Option(place, place));
  }

  function matching() {
    const { pack, policy, namespace } = Object.fromEntries(fields.map((id) => [id, controls[id].value]));
    const path = controls.path.value.trim().toLowerCase();
    const pattern = globbed(path);
    const paths = path ? data.paths.map((p) => (pattern ? pattern.test(p.toLowerCase()) : p.toLowerCase().includes(path))) : null;
    const wanted = controls.query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = boxes.map((box) => box.checked);
    return orderOf(controls.group.value).indexes.filter((index) => {
      const f = data.findings[index];
      return statuses[f.s]
        && (!pack || policyOf(f).pack === pack)
        && (!policy || policyOf(f).id === policy)
        && (!namespace || (resourceOf(f.r).n || NO_NAMESPACE) === namespace)
        && (!paths || paths[f.at[0]])
        && (!wanted.length || wanted.every((word) => wordsOf(index).includes(word)));
    });
  }

  // --- the list ---------------------------------------------------------------------------------
  const list = byId("list");
  const more = byId("more");
  let matches = [];
  let shown = 0;
  let unasked = AUTOMATIC;
  let groupTotals = new Map();
  let lastGroup = null; // {key, ul} of the group that the last row went to

  function refresh(openId) {
    matches = matching();
    const { keys } = orderOf(controls.group.value);
    groupTotals = new Map();
    for (const index of matches) groupTotals.set(keys[index], (groupTotals.get(keys[index]) ?? 0) + 1);
    shown = 0;
    unasked = AUTOMATIC;
    lastGroup = null;
    list.replaceChildren();
    const position = openId ? matches.findIndex((index) => data.findings[index].id === openId) : -1;
    draw(Math.max(PAGE, position + 10));
    if (!matches.length) list.append(element("p", "empty", data.findings.length ? "No finding matches these filters." : "Nothing was found."));
    const all = data.findings.length;
    byId("count").textContent = !all ? "" : matches.length === all ? plural(all, noun) : `${number.format(matches.length)} of ${plural(all, noun)}`;
    byId("clear").hidden = !isFiltered();
    if (position >= 0) return list.querySelectorAll("details")[position];
    return null;
  }

  function draw(count) {
    const { keys } = orderOf(controls.group.value);
    const end = Math.min(shown + count, matches.length);
    const batch = document.createDocumentFragment();
    for (; shown < end; shown += 1) {
      const key = keys[matches[shown]];
      if (lastGroup?.key !== key) {
        const group = element("section", "group");
        if (key) group.append(element("h3", "", "", element("b", "", key), element("span", "", plural(groupTotals.get(key), noun))));
        lastGroup = { key, ul: element("ul") };
        group.append(lastGroup.ul);
        batch.append(group);
      }
      lastGroup.ul.append(row(data.findings[matches[shown]]));
    }
    list.append(batch);
    const rest = matches.length - shown;
    more.hidden = rest === 0;
    more.textContent = `Show ${number.format(Math.min(rest, PAGE * 5))} more of ${number.format(rest)}`;
  }

  function row(finding) {
    const policy = policyOf(finding);
    const status = STATUS[finding.s];
    const details = element("details");
    const place = controls.group.value === "file" ? (finding.at[1] ? `line ${finding.at[1]}` : "whole file") : at(finding.at);
    const meta = element("span", "meta", "", element("code", "", policy.id), element("span", "", titled(resourceOf(finding.r))), element("span", "place", place));
    if (finding.related?.length) meta.append(element("span", "", `${number.format(finding.related.length)} related`));
    details.append(element("summary", "", "", element("span", "badge", status), element("span", "message", messageOf(finding)), meta));
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(detail(finding));
    });
    const item = element("li", `finding ${status}`, "", details);
    details.finding = finding;
    return item;
  }

  function messageOf(finding) {
    const message = finding.m || policyOf(finding).title || policyOf(finding).id;
    return finding.x ? `Could not be evaluated: ${message}` : message;
  }

  // --- one finding, opened ----------------------------------------------------------------------
  function detail(finding) {
    const policy = policyOf(finding);
    const box = element("div", "detail");
    const code = excerpt(finding.at, finding.cut);
    const where = element("div", "", "", element("h4", "", at(finding.at)));
    if (code) where.append(code);
    box.append(where);
    if (finding.related?.length) {
      box.append(element("div", "", "", element("h4", "", "Relations"), graph(finding)));
      const related = element("ul", "related");
      for (const one of finding.related) {
        const head = element("p", "where", "", element("b", "", titled(resourceOf(one.r))),
          ` ${one.how ? `(${one.how}) ` : ""}`, element("span", "place", at(one.at)));
        const item = element("li", "", "", head);
        const source = excerpt(one.at, one.cut);
        if (source) item.append(source);
        related.append(item);
      }
      box.append(element("div", "", "", element("h4", "", "Related places"), related));
    }
    if ((policy.fix || finding.mends) && finding.s < 3) {
      const fix = element("div", "fix", "", element("h4", "", "How to fix it"));
      if (policy.fix) fix.append(prose(policy.fix));
      if (finding.mends) fix.append(prose("`kpolicy scan --fix` mends it."));
      box.append(fix);
    }
    if (policy.text || policy.title) {
      box.append(element("div", "", "", element("h4", "", policy.title || policy.id), prose(policy.text)));
    }
    box.append(facts(finding, policy));
    return box;
  }

  // Of Markdown, code is what matters here: fenced blocks and spans become elements, the rest stays text.
  function prose(text) {
    const made = element("p", "prose");
    for (const part of (text ?? "").split(/(^```[^\n]*\n[\s\S]*?\n```$|`[^`\n]+`)/m)) {
      const fenced = /^```[^\n]*\n([\s\S]*)\n```$/.exec(part);
      if (fenced) made.append(element("code", "block", fenced[1]));
      else if (/^`[^`]+`$/.test(part)) made.append(element("code", "", part.slice(1, -1)));
      else made.append(part);
    }
    return made;
  }

  function facts(finding, policy) {
    const made = element("dl", "labels");
    const resource = resourceOf(finding.r);
    const add = (name, value) => {
      if (value) made.append(element("dt", "", name), element("dd", "", "", value));
    };
    add("Resource", `${resource.a} ${titled(resource)}`.trim());
    add("Pointer", finding.ptr);
    add("Policy", policy.pack ? `${policy.id} (${policy.pack})` : policy.id);
    if (finding.s > 2) add("Severity", finding.sev);
    if (finding.why) add("Suppressed", finding.why);
    if (finding.certain === "unknowable") add("Certainty", "it may exist where this scan cannot see");
    add("Scope", finding.scope);
    for (const [name, value] of Object.entries({ ...finding.labels, ...finding.details })) add(name, value);
    for (const reference of policy.refs ?? []) {
      const link = element("a", "", reference);
      if (/^https?:\/\//i.test(reference)) {
        link.href = reference;
        link.rel = "noopener noreferrer";
        link.target = "_blank";
      }
      add("Reference", link);
    }
    if (finding.id) {
      const link = element("a", "", finding.id);
      link.href = `#id=${encodeURIComponent(finding.id)}`;
      link.title = "A link to this finding";
      add("Fingerprint", link);
    }
    return made;
  }

  function excerpt(place, cut) {
    const lines = data.sources[place[0]];
    const line = place[1];
    if (!line || (!cut && lines?.[line] === undefined)) return null;
    const made = element("pre", "excerpt");
    made.tabIndex = 0;
    made.setAttribute("role", "region");
    made.setAttribute("aria-label", `Source at ${at(place)}`);
    const around = [];
    for (let n = line - 3; n <= line + 3; n += 1) if (lines?.[n] !== undefined || n === line) around.push(n);
    const textOf = (n) => (n === line && cut ? cut.join("") : lines[n]);
    const indent = cut ? 0 : Math.min(...around.filter((n) => textOf(n).trim()).map((n) => textOf(n).search(/\S/)));
    for (const n of around) {
      const text = element("span", n === line ? "hit" : "", "", element("i", "", String(n)));
      if (n === line) {
        const letters = [...textOf(n)];
        const start = cut ? [...cut[0]].length : place[3] ?? 0;
        const end = cut ? start + [...cut[1]].length : place[4] ?? letters.length;
        text.append(letters.slice(Math.min(indent, start), start).join(""), element("mark", "", letters.slice(start, end).join("")), letters.slice(end).join(""));
        text.firstChild.setAttribute("aria-label", `line ${n}, marked`);
      } else {
        text.append(...coloured(textOf(n).slice(indent)));
      }
      made.append(text);
    }
    return made;
  }

  // A YAML line as a key and a comment to be tinted, and the rest; what looks like neither stays as it is.
  function coloured(line) {
    const [, lead, key, value, comment] = /^(\s*(?:- )*)([\w./$-]+:(?=\s|$))?(.*?)((?:^|\s)#.*)?$/s.exec(line);
    return [lead, key && element("span", "key", key), value, comment && element("span", "comment", comment)].filter(Boolean);
  }

  // --- the graph of a join: the resource, and what it was found to be related to -------------------
  function graph(finding) {
    const related = finding.related.slice(0, NODES);
    const rest = finding.related.length - related.length;
    const narrow = list.clientWidth < 640;
    const box = { w: narrow ? 250 : 236, h: 46 };
    const rows = related.length + (rest ? 1 : 0);
    const step = narrow ? 78 : 62;
    const gap = 250;
    const width = narrow ? 320 : box.w * 2 + gap + 2;
    const height = narrow ? box.h + rows * step + 2 : Math.max(rows * step - (step - box.h), box.h) + 22;
    const svg = drawn("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    const spoken = finding.related.map((one) => `${one.how || "related to"} ${titled(resourceOf(one.r))}`).join("; ");
    svg.setAttribute("aria-label", `${titled(resourceOf(finding.r))}: ${spoken}`);
    const x = narrow ? 64 : box.w + gap;
    const topOf = (n) => (narrow ? box.h + 30 + n * step : 11 + n * step);
    const middle = narrow ? 1 : (height - box.h) / 2;
    for (let n = 0; n < rows; n += 1) {
      const y = topOf(n) + box.h / 2;
      const startY = middle + box.h / 2;
      const path = narrow
        ? `M24 ${middle + box.h}V${y - 10}q0 10 10 10H${x - 7}`
        : `M${box.w + 1} ${startY}C${box.w + gap * 0.18} ${startY} ${box.w + gap * 0.06} ${y} ${box.w + gap * 0.24} ${y}H${x - 7}`;
      svg.append(drawn("path", { class: "edge", d: path, ...(n >= related.length && { "stroke-dasharray": "3 4" }) }));
      svg.append(drawn("path", { class: "tip", d: `M${x - 1} ${y}l-9-4.5v9z` }));
    }
    for (let n = 0; n < related.length; n += 1) {
      const y = topOf(n) + box.h / 2;
      const label = shortened(related[n].how, 27);
      if (narrow) svg.append(drawn("text", { class: "relation halo", x: 34, y: topOf(n) - 8 }, label));
      else svg.append(drawn("text", { class: "relation halo", x: x - 14, y: y - 7, "text-anchor": "end" }, label));
    }
    svg.append(node(finding, 1, middle, box, "subject"));
    related.forEach((one, n) => svg.append(node(one, x, topOf(n), box, "")));
    if (rest) svg.append(drawn("text", { x: x + 8, y: topOf(related.length) + box.h / 2 + 4 }, `and ${number.format(rest)} more`));
    return svg;
  }

  function node({ r: index, at: place }, x, y, box, role) {
    const resource = resourceOf(index);
    const file = at(place.slice(0, 2)).split("/").pop();
    const made = drawn("g", { class: role });
    made.append(
      drawn("title", {}, `${resource.a} ${titled(resource)} at ${at(place)}`),
      drawn("rect", { x, y, width: box.w, height: box.h, rx: 9 }),
      drawn("text", { class: "kind", x: x + 12, y: y + 17 }, shortened(`${resource.k} · ${file}`, 35)),
      drawn("text", { x: x + 12, y: y + 35 }, shortened(named(resource), 29)),
    );
    return made;
  }

  function shortened(text, limit) {
    const letters = [...text];
    return letters.length > limit ? `${letters.slice(0, limit - 1).join("")}…` : text;
  }

  // --- state in the address: a filtered view, or one finding, can be sent to somebody ----------------
  function isFiltered() {
    return fields.some((id) => id !== "group" && controls[id].value.trim())
      || boxes.some((box, index) => box.checked !== shownAtFirst[index]);
  }

  function remember() {
    const state = new URLSearchParams();
    for (const id of fields) if (controls[id].value && !(id === "group" && controls.group.value === "file")) state.set(id, controls[id].value);
    if (boxes.some((box, index) => box.checked !== shownAtFirst[index])) {
      state.set("severity", boxes.filter((box) => box.checked).map((box) => box.value).join(" "));
    }
    try {
      history.replaceState(null, "", `#${state}`);
    } catch {
      // Some frames forbid it; the filters work all the same.
    }
  }

  function reset() {
    for (const id of fields) controls[id].value = id === "group" ? "file" : "";
    boxes.forEach((box, index) => { box.checked = shownAtFirst[index]; });
  }

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    reset();
    for (const id of fields) {
      if (!state.has(id)) continue;
      controls[id].value = state.get(id);
      if (controls[id].selectedIndex === -1) controls[id].selectedIndex = 0;
    }
    if (state.has("severity")) {
      const wanted = new Set(state.get("severity").split(" "));
      for (const box of boxes) if (box) box.checked = wanted.has(box.value);
    }
    const wanted = state.get("id");
    if (wanted) boxes.forEach((box) => { box.checked = true; });
    const opened = refresh(wanted);
    if (opened) {
      opened.open = true;
      opened.scrollIntoView({ block: "center" });
      opened.firstChild.focus({ preventScroll: true });
    }
  }

  function changed() {
    refresh();
    remember();
  }

  // --- the theme ----------------------------------------------------------------------------------
  function themed(step) {
    const root = document.documentElement;
    const order = ["", "light", "dark"];
    const names = ["system", "light", "dark"];
    const next = (order.indexOf(root.dataset.theme ?? "") + step) % 3;
    if (order[next]) root.dataset.theme = order[next];
    else delete root.dataset.theme;
    byId("theme").textContent = `Theme: ${names[next]}`;
    try {
      localStorage.setItem("kpolicy-theme", order[next]);
    } catch {
      // Not kept, then.
    }
  }

  build();
  document.querySelector(".filters").hidden = !data.findings.length;
  themed(0);
  byId("theme").addEventListener("click", () => themed(1));
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  document.querySelector(".filters").addEventListener("input", changed);
  byId("clear").addEventListener("click", () => {
    const { value } = controls.group;
    reset();
    controls.group.value = value;
    changed();
    controls.query.focus();
  });
  more.addEventListener("click", () => {
    const first = shown;
    draw(PAGE * 5);
    list.querySelectorAll("summary")[first]?.focus();
  });
  new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || more.hidden || unasked <= 0) return;
    unasked -= PAGE;
    draw(PAGE);
  }, { rootMargin: "800px" }).observe(more.parentElement);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-policy]");
    if (!link) return;
    event.preventDefault();
    reset();
    controls.policy.value = link.dataset.policy;
    changed();
    byId("findings").focus();
    byId("findings").scrollIntoView();
  });
  list.addEventListener("keydown", (event) => {
    if (!event.target.matches("summary") || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    const all = [...list.querySelectorAll("summary")];
    const here = all.indexOf(event.target);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
    event.preventDefault();
    if (to >= all.length && !more.hidden) more.focus();
    all[to]?.focus();
  });
  byId("query").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.value) return;
    event.preventDefault();
    event.target.value = "";
    changed();
  });
  window.addEventListener("hashchange", () => { if (location.hash !== "#findings") restore(); });
  restore();
  if (window.requestIdleCallback) requestIdleCallback((idle) => gather(0, idle));
})();
