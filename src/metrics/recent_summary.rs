//! A summary of recent values: median, 99th percentile and maximum of the last thousand.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The number of values that are kept.
const WINDOW: usize = 1000;

/// The quantiles of the exposition; quantile 1 is the maximum.
pub const QUANTILES: [f64; 3] = [0.5, 0.99, 1.0];

/// The last [`WINDOW`] values, and the sum and count of all values since the start.
#[derive(Debug, Default)]
pub struct RecentSummary(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    recent: VecDeque<f64>,
    sum: f64,
    count: u64,
}

/// What a scrape shows of a [`RecentSummary`].
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Snapshot {
    /// One value for each of [`QUANTILES`]; 0 without any value.
    pub quantiles: [f64; QUANTILES.len()],
    pub sum: f64,
    pub count: u64,
}

impl RecentSummary {
    /// Adds a value.
    pub fn observe(&self, value: f64) {
        let mut values = self.0.lock();
        if values.recent.len() == WINDOW {
            values.recent.pop_front();
        }
        values.recent.push_back(value);
        values.sum += value;
        values.count += 1;
    }

    /// Computes the quantiles (nearest rank).
    pub fn snapshot(&self) -> Snapshot {
        let values = self.0.lock();
        let (sum, count) = (values.sum, values.count);
        let mut recent: Vec<f64> = values.recent.iter().copied().collect();
        drop(values);
        recent.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let rank = (quantile * recent.len() as f64).ceil() as usize;
            recent.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Snapshot {
            quantiles: QUANTILES.map(at),
            sum,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_thousand_values() {
        let summary = RecentSummary::default();
        assert_eq!(summary.snapshot().quantiles, [0.0; 3]);
        for value in 1..=2000 {
            summary.observe(f64::from(value));
        }
        let snapshot = summary.snapshot();
        assert_eq!(snapshot.quantiles, [1500.0, 1990.0, 2000.0]);
        assert_eq!((snapshot.sum, snapshot.count), (2_001_000.0, 2000));
    }
}
