// A reference to a claim, figure, equation or paper shows what it points to: on hover, on focus, at the first tap.
// Without this it is a link. What stands on another page is fetched, which a page opened from a file may not do.
(() => {
const box = Object.assign(document.createElement('div'), {id: 'preview', className: 'preview', hidden: true, role: 'tooltip'});
document.body.append(box);
const pages = {[location.pathname]: document};
const read = async path => pages[path] ??= new DOMParser().parseFromString(await (await fetch(path)).text(), 'text/html');
let timer, link;

async function copyOf(a) {
  const url = new URL(a.href);
  if (url.host !== location.host || !(url.pathname in pages) && url.protocol === 'file:') return;
  const there = (await read(url.pathname)).getElementById(decodeURIComponent(url.hash.slice(1)));
  const whole = there?.closest('.proof, .exercise, figure, .math-wrapper, .citation') || there?.querySelector(':scope > figure');
  if (!whole || whole.contains(a)) return;
  const copy = whole.cloneNode(true);
  copy.querySelectorAll('script, .headerlink, .controls, button').forEach(e => e.remove());
  [copy, ...copy.querySelectorAll('[id]')].forEach(e => e.removeAttribute('id'));
  copy.querySelectorAll('[src]').forEach(e => { e.src = new URL(e.getAttribute('src'), url); });
  return copy;
}

async function show(a) {
  const copy = await copyOf(a).catch(() => {});
  if (!copy || link !== a) return false;
  box.replaceChildren(copy);
  box.hidden = false;
  const at = a.getClientRects()[0], below = at.bottom + 6, above = at.top - box.offsetHeight - 6;
  box.style.left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 8)) + 'px';
  box.style.top = (below + box.offsetHeight < innerHeight || above < 0 ? below : above) + 'px';
  a.setAttribute('aria-describedby', 'preview');
  return true;
}

function hide() {
  clearTimeout(timer);
  link?.removeAttribute('aria-describedby');
  link = null;
  box.hidden = true;
}
const soon = (what, wait) => { clearTimeout(timer); timer = setTimeout(what, wait); };
const come = (a, wait) => { if (a === link) return clearTimeout(timer); hide(); link = a; soon(() => show(a), wait); };

document.querySelectorAll('article a[href*="#"]:not(.headerlink)').forEach(a => {
  a.onpointerenter = e => { if (e.pointerType !== 'touch') come(a, 200); };
  a.onpointerleave = e => { if (e.pointerType !== 'touch') soon(hide, 250); };
  a.onfocus = () => { if (a.matches(':focus-visible')) come(a, 300); };
  a.onblur = hide;
  a.onclick = e => {
    if (e.pointerType !== 'touch' || link === a) return;
    e.preventDefault();
    hide();
    link = a;
    show(a).then(shown => { if (!shown) location.assign(a.href); });
  };
});
box.onpointerenter = () => clearTimeout(timer);
box.onpointerleave = () => soon(hide, 250);
addEventListener('keydown', e => { if (e.key === 'Escape') hide(); });
addEventListener('scroll', () => { if (!box.hidden) hide(); }, {passive: true});
})();
