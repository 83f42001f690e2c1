// What a page does by itself: opens what is pointed at, opens all checks at once, lends its code, lets long lines be scrolled.
(() => {
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

const say = (en, zh) => document.documentElement.lang.startsWith('zh') ? zh : en;

// What the theme says in English alone.
const chinese = {
  'Skip to content': '跳到正文',
  'Toggle Light / Dark / Auto color theme': '换深色或浅色',
  'Toggle site navigation sidebar': '开合全书目录',
  'Toggle table of contents sidebar': '开合本页目录',
};
if (say(0, 1)) {
  all('.skip-to-content').forEach(e => { e.textContent = chinese[e.textContent.trim()]; });
  all('[aria-label^=Toggle]').forEach(e => { e.setAttribute("aria-label", chinese[e.ariaLabel]); });
}

// The other language opens at the same claim, and is remembered.
all('a.twin').forEach(a => a.addEventListener('click', () => {
  localStorage.setItem('edition', a.hreflang);
  const near = all('article :is(section, figure, div)[id]').filter(e => /^(?!id\d+$)[a-z][\w-]+$/.test(e.id) && e.getBoundingClientRect().top < innerHeight / 3).pop();
  if (near && scrollY > innerHeight) a.hash = near.id;
}));

// A link into a fold opens it.
const arrive = () => {
  const there = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!there) return;
  for (let e = there.querySelector(':scope > details') || there; e; e = e.parentElement) if (e.matches('details')) e.open = true;
  there.scrollIntoView();
};
addEventListener('hashchange', arrive);
if (location.hash) arrive();

// One button for all checks, remembered.
const button = document.querySelector('button.expand'), checks = all('details.check');
const show = open => {
  checks.forEach(c => { c.open = open || !!c.closest('.fell, .not-run'); });
  button.textContent = open ? say('Close all checks', '收起全部检查') : say('Open all checks', '展开全部检查');
  button.setAttribute('aria-pressed', open);
};
if (button && checks.length) {
  const kept = 'checks open';
  if (localStorage.getItem(kept)) show(true);
  button.addEventListener('click', () => {
    const open = !localStorage.getItem(kept);
    open ? localStorage.setItem(kept, 1) : localStorage.removeItem(kept);
    show(open);
  });
}

// On paper all folds stand open, also where the style sheet cannot open them.
let opened = [];
addEventListener('beforeprint', () => { opened = all('details:not([open])'); opened.forEach(d => { d.open = true; }); });
addEventListener('afterprint', () => opened.forEach(d => { d.open = false; }));

// What scrolls must be reachable by keyboard; only the browser knows what scrolls.
const reach = () => all('.math-wrapper, .output, pre, .table-wrapper').forEach(e => { if (e.scrollWidth > e.clientWidth) e.tabIndex = 0; });
addEventListener('load', reach);
document.addEventListener('toggle', reach, true);

// Code can be copied.
if (navigator.clipboard) all('div.cell_input .highlight').forEach(box => {
  const copy = Object.assign(document.createElement('button'), {type: 'button', className: 'copy', textContent: say('Copy', '复制')});
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(box.querySelector('pre').textContent);
    copy.textContent = say('Copied', '已复制');
    setTimeout(() => { copy.textContent = say('Copy', '复制'); }, 1500);
  });
  box.append(copy);
});
})();
