// Drag and drop of cards between columns with pointer events, for mouse, pen and touch. (The browser's own
// drag and drop does not work by touch.) Touch and pen drag a card by its handle, because elsewhere on the
// card they scroll.

/** How far the pointer moves before a press becomes a drag instead of a click, in pixels. */
const DRAG_THRESHOLD = 6;
/** The distance to the edge of the columns, in pixels, within which the pointer makes them scroll. */
const SCROLL_MARGIN = 40;
/** How fast they scroll, in pixels per frame. */
const SCROLL_SPEED = 8;

/** Makes the cards in `columns` draggable. Calls `onDrop(card, column)` when a card is dropped. */
export function makeDraggable(columns, onDrop) {
  columns.addEventListener('pointerdown', (event) => {
    const card = event.target.closest('.card');
    if (!card || event.button !== 0 || !event.isPrimary || event.target.closest('.move-button')) return;
    if (event.pointerType === 'mouse' || event.target.closest('.drag-handle')) trackPointer(columns, card, event, onDrop);
  });
}

/** Follows one pointer from `pointerdown` until it is released or cancelled. */
function trackPointer(columns, card, start, onDrop) {
  let preview = null;
  let dropTarget = null;
  let isCancelled = false;
  let [x, y] = [start.clientX, start.clientY];
  const listeners = new AbortController();
  const on = (name, listener) => addEventListener(name, listener, { signal: listeners.signal });

  const startDrag = () => {
    preview = createPreview(card);
    card.classList.add('dragged');
    columns.classList.add('dragging');
    // The browser fires a click at the end of a drag. It must not open the task.
    addEventListener('click', suppressEvent, { capture: true });
    requestAnimationFrame(updateFrame);
  };
  const setDropTarget = (column) => {
    dropTarget?.classList.remove('drop-target');
    column?.classList.add('drop-target');
    dropTarget = column;
  };
  // Runs in each frame, not on `pointermove`: a pointer that rests at the edge keeps scrolling the columns.
  const updateFrame = () => {
    if (isCancelled) return;
    preview.style.translate = `${x - start.clientX}px ${y - start.clientY}px`;
    scrollAtEdge(columns, x);
    const column = columnAt(columns, x, y);
    if (column !== dropTarget) setDropTarget(column);
    requestAnimationFrame(updateFrame);
  };
  const cancel = () => {
    isCancelled = true;
    preview?.remove();
    card.classList.remove('dragged');
    columns.classList.remove('dragging');
    setDropTarget(null);
  };
  const end = () => {
    cancel();
    listeners.abort();
    // The click comes right after `pointerup`, before this timer.
    setTimeout(() => removeEventListener('click', suppressEvent, { capture: true }));
  };

  on('pointermove', (event) => {
    if (isCancelled || event.pointerId !== start.pointerId) return;
    [x, y] = [event.clientX, event.clientY];
    if (!preview && Math.hypot(x - start.clientX, y - start.clientY) >= DRAG_THRESHOLD) startDrag();
  });
  on('pointerup', (event) => {
    if (event.pointerId !== start.pointerId) return;
    const column = preview && !isCancelled && columnAt(columns, event.clientX, event.clientY);
    end();
    if (column) onDrop(card, column);
  });
  on('pointercancel', end);
  on('keydown', (event) => { if (event.key === 'Escape') cancel(); });
}

/** Returns a copy that follows the pointer. The card itself would be clipped by its column, which scrolls. */
function createPreview(card) {
  const box = card.getBoundingClientRect();
  const preview = card.cloneNode(true);
  preview.inert = true;
  preview.classList.add('drag-preview');
  Object.assign(preview.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px` });
  document.body.append(preview);
  return preview;
}

const suppressEvent = (event) => {
  event.preventDefault();
  event.stopPropagation();
};

const columnAt = (columns, x, y) => [...columns.children].find((column) => {
  const box = column.getBoundingClientRect();
  return !column.dataset.noDrop && x >= box.left && x < box.right && y >= box.top && y < box.bottom;
}) ?? null;

/** Scrolls the columns if the pointer is near an edge: on a narrow screen the next column is out of view. */
function scrollAtEdge(columns, x) {
  const box = columns.getBoundingClientRect();
  if (x < box.left + SCROLL_MARGIN) columns.scrollBy({ left: -SCROLL_SPEED });
  if (x > box.right - SCROLL_MARGIN) columns.scrollBy({ left: SCROLL_SPEED });
}
