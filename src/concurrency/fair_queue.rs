//! A fair queue: one FIFO queue for each flow, and the flows take turns (round-robin, RFC 970).
//!
//! A flow is what shares one place in the rotation: here a client network or an account. A flow with a
//! thousand items delays another flow by at most one item in each round.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A queue of items `T` that is fair between flows `K`. All operations take O(log n).
#[derive(Debug)]
pub struct FairQueue<K, T> {
    flows: HashMap<K, Flow<T>>,
    /// The flows with items by their next turn. A number is used once, so the smallest is the oldest.
    turns: BTreeMap<u64, K>,
    /// The source of the numbers of turns and tickets.
    next_number: u64,
    len: usize,
}

/// The waiting items of one flow.
#[derive(Debug)]
struct Flow<T> {
    turn: u64,
    items: BTreeMap<u64, T>,
}

/// Identifies an item in the queue, so that it can be taken out before its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket<K> {
    flow: K,
    number: u64,
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// Appends an item to its flow. A flow without items joins the rotation at its end.
    pub fn push(&mut self, key: K, item: T) -> Ticket<K> {
        let number = self.number();
        let turn = self.number();
        let flow = self.flows.entry(key.clone()).or_insert_with(|| {
            self.turns.insert(turn, key.clone());
            Flow {
                turn,
                items: BTreeMap::new(),
            }
        });
        flow.items.insert(number, item);
        self.len += 1;
        Ticket { flow: key, number }
    }

    /// Removes the oldest item of the flow whose turn it is. The flow joins the end of the rotation again if it
    /// has more items.
    pub fn pop(&mut self) -> Option<T> {
        let (_, key) = self.turns.pop_first()?;
        let turn = self.number();
        let flow = self.flows.get_mut(&key)?;
        let (_, item) = flow.items.pop_first()?;
        self.len -= 1;
        if flow.items.is_empty() {
            self.flows.remove(&key);
        } else {
            flow.turn = turn;
            self.turns.insert(turn, key);
        }
        Some(item)
    }

    /// Removes the item of this ticket. `None` if it is not in the queue any more.
    pub fn remove(&mut self, ticket: &Ticket<K>) -> Option<T> {
        let flow = self.flows.get_mut(&ticket.flow)?;
        let item = flow.items.remove(&ticket.number)?;
        self.len -= 1;
        if flow.items.is_empty() {
            self.turns.remove(&flow.turn);
            self.flows.remove(&ticket.flow);
        }
        Some(item)
    }

    /// The number of items in all flows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the queue has no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

// `derive` would require defaults of `K` and `T`.
impl<K, T> Default for FairQueue<K, T> {
    fn default() -> FairQueue<K, T> {
        FairQueue {
            flows: HashMap::new(),
            turns: BTreeMap::new(),
            next_number: 0,
            len: 0,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn drain(queue: &mut FairQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn flows_take_turns_and_each_is_first_come_first_served() {
        let mut queue = FairQueue::default();
        for item in 0..5 {
            queue.push('a', item);
        }
        queue.push('b', 10);
        queue.push('c', 20);
        queue.push('b', 11);
        assert_eq!(queue.len(), 8);
        assert_eq!(drain(&mut queue), [0, 10, 20, 1, 11, 2, 3, 4]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_removed_item_is_gone_and_leaves_the_rotation_intact() {
        let mut queue = FairQueue::default();
        let first = queue.push('a', 0);
        queue.push('b', 10);
        assert_eq!(queue.remove(&first), Some(0));
        assert_eq!(queue.remove(&first), None);
        // The flow has left the rotation with its last item, so it joins at the end.
        queue.push('a', 1);
        assert_eq!(drain(&mut queue), [10, 1]);
    }

    #[test]
    fn a_flow_that_leaves_and_joins_gets_no_second_turn() {
        let mut queue = FairQueue::default();
        for _ in 0..10 {
            let ticket = queue.push('a', 0);
            queue.remove(&ticket).unwrap();
        }
        for item in 1..4 {
            queue.push('a', item);
            queue.push('b', 10 * item);
        }
        assert_eq!(drain(&mut queue), [1, 10, 2, 20, 3, 30]);
    }
}
