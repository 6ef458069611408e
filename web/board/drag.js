// Dragging a card into another column by mouse, pen or finger. A finger drags by the handle, since elsewhere on the
// card it scrolls. (The browser's own drag and drop does not know fingers.)

/** How far a pointer goes before it is a drag and not a click, in pixels. */
const THRESHOLD = 6;
/** How near to the edge of the columns the view moves on, in pixels. */
const EDGE = 40;

/** Makes the cards in `columns` draggable; `drop(card, column)` hears where one was let go. */
export function draggable(columns, drop) {
  columns.addEventListener('pointerdown', (event) => {
    const card = event.target.closest('.card');
    const isHandle = event.target.closest('.handle');
    if (!card || event.button !== 0 || !event.isPrimary) return;
    if (event.pointerType !== 'mouse' && !isHandle) return;
    if (event.target.closest('.step')) return;
    follow(columns, card, event, drop);
  });
}

function follow(columns, card, start, drop) {
  let ghost = null;
  let target = null;
  const listening = new AbortController();
  const on = (name, act) => addEventListener(name, act, { signal: listening.signal });

  const begin = () => {
    ghost = ghostOf(card);
    card.classList.add('dragged');
    columns.classList.add('dragging');
    // The click that ends the drag opens nothing.
    addEventListener('click', swallow, { capture: true, once: true });
  };
  const end = () => {
    listening.abort();
    ghost?.remove();
    card.classList.remove('dragged');
    columns.classList.remove('dragging');
    target?.classList.remove('target');
    setTimeout(() => removeEventListener('click', swallow, { capture: true }));
  };

  on('pointermove', (event) => {
    if (event.pointerId !== start.pointerId) return;
    const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
    if (!ghost && Math.hypot(x, y) < THRESHOLD) return;
    if (!ghost) begin();
    ghost.style.translate = `${x}px ${y}px`;
    scrollAtEdge(columns, event.clientX);
    const under = columnAt(columns, event.clientX, event.clientY);
    if (under === target) return;
    target?.classList.remove('target');
    under?.classList.add('target');
    target = under;
  });
  on('pointerup', (event) => {
    if (event.pointerId !== start.pointerId) return;
    end();
    if (target) drop(card, target);
  });
  on('pointercancel', end);
  on('keydown', (event) => { if (event.key === 'Escape') end(); });
}

/** What follows the pointer; the card itself cannot leave its column, which scrolls. */
function ghostOf(card) {
  const box = card.getBoundingClientRect();
  const ghost = card.cloneNode(true);
  ghost.inert = true;
  ghost.classList.add('ghost');
  Object.assign(ghost.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px` });
  document.body.append(ghost);
  return ghost;
}

const swallow = (event) => {
  event.preventDefault();
  event.stopPropagation();
};

const columnAt = (columns, x, y) => [...columns.children].find((column) => {
  const box = column.getBoundingClientRect();
  return x >= box.left && x < box.right && y >= box.top && y < box.bottom;
}) ?? null;

/** On a narrow screen the next column lies beyond the edge. */
function scrollAtEdge(columns, x) {
  const box = columns.getBoundingClientRect();
  if (x < box.left + EDGE) columns.scrollBy({ left: -EDGE });
  if (x > box.right - EDGE) columns.scrollBy({ left: EDGE });
}
