// Finds while one types, offline and from a file: the index comes as a script, on the first use of a field.
// A question is cut as _ext/ridge/search.py cuts the pages.
(() => {
const root = new URL('..', document.currentScript.src).href;
const HAN = /^[\u3400-\u9fff]/;
const TERM = /[\u3400-\u9fff]+|\d+(?:\.\d+)+|[\p{L}\p{N}]+/gu;
const KIND = /^(theorem|lemma|observation|proposition|corollary|定理|引理|观察|命题|推论)$/;
let loading;
const load = () => loading ??= new Promise(done => {
  window.ridgeIndex = ([pages, units, common, packed]) => done({pages, units, common, terms: new Map(packed.split('\n').map(line => {
    const cut = line.indexOf(' ');
    return [line.slice(0, cut), line.slice(cut + 1)];
  }))});
  document.head.append(Object.assign(document.createElement('script'), {src: root + 'search-index.js'}));
});

const cut = text => (text.toLowerCase().normalize('NFKD').replace(/[\u0300-\u036f]/g, '').match(TERM) || [])
  .flatMap(w => HAN.test(w) && w.length > 2 ? [...w].slice(1).map((_, i) => w.slice(i, i + 2)) : [w]);

// The terms of the index that a word of the question stands for: what begins with it, or with what is left of a longer word.
function meant(word, terms) {
  if (HAN.test(word) || word.includes('.')) return terms.has(word) ? [word] : [];
  for (let stem = word.length > 4 ? word.replace(/s$/, '') : word; stem.length > word.length - 4 && stem.length > 1; stem = stem.slice(0, -1)) {
    const found = [...terms.keys()].filter(t => t.startsWith(stem));
    if (found.length) return found;
    if (stem.length < 5) break;
  }
  return [];
}

// unit -> score, for one word: rare words weigh more, titles more than text, whole words more than beginnings.
function weigh(word, {terms, units}) {
  const score = new Map();
  for (const term of meant(word, terms)) {
    const steps = terms.get(term).split(' ');
    const weight = Math.log(1 + units.length / steps.length) * (term === word ? 2 : 1);
    let code = 0;
    for (const step of steps) {
      code += parseInt(step, 16);
      const unit = code >> 1, new_ = weight * (code & 1 ? 5 : 1);
      if (new_ > (score.get(unit) || 0)) score.set(unit, new_);
    }
  }
  return score;
}

function all(words, index) {
  const parts = words.map(w => weigh(w, index));
  const sum = (keys, get) => new Map([...keys].filter(k => parts.every(p => get(p, k)))
    .map(k => [k, parts.reduce((s, p) => s + get(p, k), 0)]));
  const units = sum(parts[0].keys(), (p, k) => p.get(k) || 0);
  if (units.size || words.length < 2) return units;
  // No section holds them all: then the pages that do, each at its best section.
  const best = parts.map(p => {
    const page = new Map();
    for (const [k, s] of p) if (s > (page.get(index.units[k][0]) || [0])[0]) page.set(index.units[k][0], [s, k]);
    return page;
  });
  return new Map([...best[0]].filter(([page]) => best.every(b => b.has(page)))
    .map(([page]) => [best.map(b => b.get(page)).sort((a, b) => b[0] - a[0])[0][1], best.reduce((s, b) => s + b.get(page)[0], 0) / 4]));
}

function find(question, index) {
  // A claim's number is enough, in either language.
  const said = cut(question), numbered = said.some(w => w.includes('.'));
  const meaning = said.filter(w => !index.common.includes(w) && !(numbered && KIND.test(w)));
  const words = meaning.length ? meaning : said, hits = new Map();
  if (!words.length) return [];
  const add = (ways, share) => ways.forEach(way => all(way, index).forEach((s, k) => hits.set(k, Math.max(s * share, hits.get(k) || 0))));
  add([words], 1);
  // back pressure = back-pressure = backpressure
  add(words.slice(1).map((w, i) => [...words.slice(0, i), words[i] + w, ...words.slice(i + 2)])
    .filter((way, i) => index.terms.has(words[i] + words[i + 1])), 1);
  if (words.length === 1 && !HAN.test(words[0])) {
    add([...words[0]].slice(6).map((_, i) => [words[0].slice(0, i + 3), words[0].slice(i + 3)])
      .filter(way => way.every(w => index.terms.has(w))), .5);
  }
  // A title that says little else than the question stands first; a page before its parts.
  const bonus = k => {
    const [, anchor, title] = index.units[k], own = cut(title);
    return (said.every(w => own.includes(w)) ? 9 * said.length / own.length : 0) + (anchor === '' && hits.get(k) > 9 ? 2 : 0);
  };
  return [...hits].map(([k, s]) => [k, s + bonus(k)]).sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([k]) => k);
}

const make = (tag, props, ...inside) => { const e = Object.assign(document.createElement(tag), props); e.append(...inside); return e; };

function show(place, question, index, most) {
  const hits = find(question, index);
  const items = hits.slice(0, most).map(k => {
    const [page, anchor, title] = index.units[k], [uri, name] = index.pages[page];
    return make('li', {}, make('a', {href: root + uri + (anchor ? '#' + anchor : '')}, title), ' ',
      anchor ? make('small', {}, name) : '');
  });
  const zh = document.documentElement.lang.startsWith('zh'), all = hits.length;
  const said = all > most ? (zh ? `共 ${all} 处，列出最好的 ${most} 处` : `the best ${most} of ${all}`) : zh ? `找到 ${all} 处` : `${all} found`;
  place.replaceChildren(make('p', {role: 'status'}, said), make('ol', {}, ...items));
}

function attach(input) {
  const page = document.getElementById('found'), own = input.form.closest('article') && page;
  const place = own || make('div', {className: 'found', hidden: true});
  if (!own) {
    place.setAttribute('popover', 'manual');
    input.form.after(place);
  }
  const close = () => { if (!own) { place.hidden = true; place.hidePopover?.(); } };
  const open = async () => {
    const index = await load();
    if (!input.value.trim()) return own ? place.replaceChildren() : close();
    show(place, input.value, index, own ? 100 : 12);
    if (own) return;
    place.hidden = false;
    place.showPopover?.();
    const box = input.getBoundingClientRect();
    place.style.left = Math.max(4, Math.min(box.left, innerWidth - place.offsetWidth - 4)) + 'px';
    place.style.top = box.bottom + 4 + 'px';
  };
  input.autocomplete = 'off';
  input.addEventListener('focus', load);
  input.addEventListener('input', open);
  const both = [input.form, place];
  both.forEach(e => e.addEventListener('keydown', event => {
    const stops = [input, ...place.querySelectorAll('a')], at = stops.indexOf(document.activeElement);
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step && at >= 0) { stops[Math.max(0, Math.min(stops.length - 1, at + step))].focus(); event.preventDefault(); }
    if (event.key === 'Escape') { close(); input.focus(); }
  }));
  if (!own) addEventListener('click', event => both.some(e => e.contains(event.target)) || close());
  if (own) {
    input.form.addEventListener('submit', event => event.preventDefault());
    input.value = new URLSearchParams(location.search).get('q') || '';
    open();
  }
}

document.querySelectorAll('form input[name=q]').forEach(attach);
addEventListener('keydown', event => {
  const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
  if ((event.key === 'k' && (event.ctrlKey || event.metaKey)) || (event.key === '/' && !typing)) {
    const inputs = [...document.querySelectorAll('form input[name=q]')];
    const seen = inputs.find(i => i.offsetWidth && i.getBoundingClientRect().right > 0);
    if (seen) { event.preventDefault(); seen.focus(); seen.select(); }
  }
});
})();
