//! Counts refused sign-ins, so that an anonymous client cannot fill the disk with entries of the audit log: the first
//! ones of each minute are entries of their own, and the others are counted in memory until maintenance writes the
//! sums.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::client_address::Network;

/// The entries of one network between two runs of maintenance.
const SINGLE_PER_NETWORK: u64 = 10;

/// The entries of all networks together between two runs of maintenance.
const SINGLE_IN_ALL: u64 = 60;

/// The most networks that are counted separately.
const MAX_NETWORKS: usize = 1_000;

/// The most networks whose sum is an entry of its own.
const MAX_SUMS: usize = 8;

/// The refused sign-ins since the last [`RefusedSignIns::take`].
#[derive(Debug, Default)]
pub struct RefusedSignIns(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    single: u64,
    networks: HashMap<Network, Count>,
    /// Of networks beyond [`MAX_NETWORKS`].
    others: u64,
}

#[derive(Debug, Default)]
struct Count {
    single: u64,
    summed: u64,
}

/// A number of refused sign-ins that have no entries of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Their network; `None` for several networks.
    pub network: Option<Network>,
    /// The number.
    pub count: u64,
}

impl RefusedSignIns {
    /// Counts a refused sign-in. Returns whether it gets an entry of its own.
    pub fn count(&self, address: IpAddr) -> bool {
        let mut counts = self.0.lock();
        let is_room = counts.single < SINGLE_IN_ALL;
        let is_single = match counts.of(Network::of(address)) {
            Some(network) if is_room && network.single < SINGLE_PER_NETWORK => {
                network.single += 1;
                true
            }
            Some(network) => {
                network.summed += 1;
                false
            }
            None => {
                counts.others += 1;
                false
            }
        };
        counts.single += u64::from(is_single);
        is_single
    }

    /// Takes a refused sign-in back whose entry could not be written.
    pub fn take_back(&self, address: IpAddr) {
        let mut counts = self.0.lock();
        counts.single = counts.single.saturating_sub(1);
        if let Some(network) = counts.of(Network::of(address)) {
            network.single = network.single.saturating_sub(1);
        }
    }

    /// Returns the sums of those that got no entry, the largest first, and begins again at zero.
    pub fn take(&self) -> Vec<Sum> {
        let counts = mem::take(&mut *self.0.lock());
        let sums = counts.networks.into_iter().map(|(network, count)| Sum {
            network: Some(network),
            count: count.summed,
        });
        let mut sums: Vec<Sum> = sums.filter(|sum| sum.count > 0).collect();
        sums.sort_by_key(|sum| u64::MAX - sum.count);
        let small = sums.split_off(sums.len().min(MAX_SUMS));
        let count = counts.others + small.iter().map(|sum| sum.count).sum::<u64>();
        if count > 0 {
            sums.push(Sum {
                network: None,
                count,
            });
        }
        sums
    }

    /// Adds sums again that could not be written.
    pub fn put_back(&self, sums: &[Sum]) {
        let mut counts = self.0.lock();
        for Sum { network, count } in sums {
            match network.and_then(|network| counts.of(network)) {
                Some(network) => network.summed += count,
                None => counts.others += count,
            }
        }
    }
}

impl Counts {
    /// The count of a network; `None` if there are too many networks.
    fn of(&mut self, network: Network) -> Option<&mut Count> {
        if self.networks.len() >= MAX_NETWORKS && !self.networks.contains_key(&network) {
            return None;
        }
        Some(self.networks.entry(network).or_default())
    }
}
