// The cards of the board: what a card shows of its task.

import { cloneTemplate, part, setText } from './dom.js';
import { adjacentStatus, quotedTitle, statusLabel, taskTitle } from './task.js';
import { describeDeadline, formatDateTime } from './time.js';

/** Creates an empty card. `open(task)` is called for its title, `moveBy(task, offset)` for its arrows. */
export function createCard({ open, moveBy }) {
  const card = cloneTemplate('card-template');
  part(card, 'open').addEventListener('click', () => open(card.item));
  part(card, 'move-left').addEventListener('click', () => moveBy(card.item, -1));
  part(card, 'move-right').addEventListener('click', () => moveBy(card.item, 1));
  return card;
}

/** Shows a task in a card. The board of an employee has no assignees: all tasks are the employee's own. */
export function updateCard(card, task, { withAssignee }) {
  setText(part(card, 'open'), taskTitle(task));
  const description = part(card, 'description');
  setText(description, task.description ?? '');
  description.hidden = !task.description;
  updateDeadline(card, task);
  part(card, 'assignee').hidden = !withAssignee;
  setText(part(card, 'assignee'), task.assignee?.username ?? 'Unassigned');
  updateMoveButton(part(card, 'move-left'), task, -1);
  updateMoveButton(part(card, 'move-right'), task, 1);
}

/** Shows the deadline. Texts such as "Due in 5 hours" change as time passes. */
export function updateDeadline(card, { deadline, status }) {
  const line = part(card, 'deadline');
  line.hidden = !deadline;
  if (!deadline) return;
  const { text, urgency } = describeDeadline(deadline, status === 'completed');
  const time = part(card, 'time');
  line.dataset.urgency = urgency;
  setText(time, text);
  time.dateTime = deadline;
  time.title = formatDateTime(deadline);
}

function updateMoveButton(button, task, offset) {
  const status = adjacentStatus(task.status, offset);
  button.hidden = !status;
  button.title = `Move to ${statusLabel(status)}`;
  button.setAttribute('aria-label', `Move ${quotedTitle(task)} to ${statusLabel(status)}`);
}
