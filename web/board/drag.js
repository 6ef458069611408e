// Dragging a card into another column by mouse, pen or finger. A finger drags by the handle, since elsewhere on the
// card it scrolls. (The browser's own drag and drop does not know fingers.)

/** How far a pointer goes before it is a drag and not a click, in pixels. */
const THRESHOLD = 6;
/** How near to the edge of the columns the view moves on, and by how much in a frame, in pixels. */
const EDGE = 40;
const PACE = 8;

/** Makes the cards in `columns` draggable; `drop(card, column)` hears where one was let go. */
export function draggable(columns, drop) {
  columns.addEventListener('pointerdown', (event) => {
    const card = event.target.closest('.card');
    if (!card || event.button !== 0 || !event.isPrimary || event.target.closest('.step')) return;
    if (event.pointerType === 'mouse' || event.target.closest('.handle')) follow(columns, card, event, drop);
  });
}

function follow(columns, card, start, drop) {
  let ghost = null;
  let target = null;
  let isBrokenOff = false;
  let [x, y] = [start.clientX, start.clientY];
  const listening = new AbortController();
  const on = (name, act) => addEventListener(name, act, { signal: listening.signal });

  const begin = () => {
    ghost = ghostOf(card);
    card.classList.add('dragged');
    columns.classList.add('dragging');
    // The click that ends a drag opens nothing.
    addEventListener('click', swallow, { capture: true });
    requestAnimationFrame(look);
  };
  const aim = (column) => {
    target?.classList.remove('target');
    column?.classList.add('target');
    target = column;
  };
  // In each frame, since a pointer that rests at the edge moves the view on too.
  const look = () => {
    if (isBrokenOff) return;
    ghost.style.translate = `${x - start.clientX}px ${y - start.clientY}px`;
    scrollAtEdge(columns, x);
    const under = columnAt(columns, x, y);
    if (under !== target) aim(under);
    requestAnimationFrame(look);
  };
  const breakOff = () => {
    isBrokenOff = true;
    ghost?.remove();
    card.classList.remove('dragged');
    columns.classList.remove('dragging');
    aim(null);
  };
  const end = () => {
    breakOff();
    listening.abort();
    setTimeout(() => removeEventListener('click', swallow, { capture: true }));
  };

  on('pointermove', (event) => {
    if (isBrokenOff || event.pointerId !== start.pointerId) return;
    [x, y] = [event.clientX, event.clientY];
    if (!ghost && Math.hypot(x - start.clientX, y - start.clientY) >= THRESHOLD) begin();
  });
  on('pointerup', (event) => {
    if (event.pointerId !== start.pointerId) return;
    const column = ghost && !isBrokenOff && columnAt(columns, event.clientX, event.clientY);
    end();
    if (column) drop(card, column);
  });
  on('pointercancel', end);
  on('keydown', (event) => { if (event.key === 'Escape') breakOff(); });
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
  if (x < box.left + EDGE) columns.scrollBy({ left: -PACE });
  if (x > box.right - EDGE) columns.scrollBy({ left: PACE });
}
