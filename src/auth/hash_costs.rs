//! What it costs to derive a key by each method of the stored hashes, so that a wrong password costs the same for
//! every account.
//!
//! The unit is one iteration of PBKDF2-HMAC-SHA256, the method of new hashes: a method that costs less than the most
//! expensive one is padded with that many iterations. Scrypt and the other digests of PBKDF2, which hashes of the Flask
//! app may have, are measured once at the start.

use std::time::Duration;

use super::stored_password_hash::{Digest, Method};
use crate::error::Error;

/// How often a method is measured. The quickest run counts: other work on the machine can only make a run slower.
const RUNS: usize = 5;

/// The iterations by which the cost of one is measured.
const SAMPLE: u32 = 200_000;

/// The costs of the methods that the stored hashes have.
#[derive(Debug)]
pub struct HashCosts {
    measured: Vec<(Method, u32)>,
    /// The cost of the most expensive method.
    pub most_expensive: u32,
}

impl HashCosts {
    /// The costs of new hashes, with this many iterations, and of the methods `in_use`. `measure` returns the cost of
    /// a method that is not PBKDF2-HMAC-SHA256.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn new(
        iterations: u32,
        in_use: &[Method],
        measure: impl Fn(&Method) -> Result<u32, Error>,
    ) -> Result<HashCosts, Error> {
        let mut costs = HashCosts {
            measured: Vec::new(),
            most_expensive: iterations,
        };
        for method in in_use {
            let cost = match method {
                Method::Pbkdf2(Digest::Sha256, iterations) => *iterations,
                other => measure(other)?,
            };
            costs.measured.push((*method, cost));
            costs.most_expensive = costs.most_expensive.max(cost);
        }
        Ok(costs)
    }

    /// The iterations that a method lacks up to the cost of the most expensive one. 0 for one that was not in use at
    /// the start and whose cost is therefore not known.
    pub fn padding(&self, method: &Method) -> u32 {
        let cost = match method {
            Method::Pbkdf2(Digest::Sha256, iterations) => Some(*iterations),
            other => {
                let mut measured = self.measured.iter();
                measured
                    .find(|(method, _)| method == other)
                    .map(|(_, cost)| *cost)
            }
        };
        cost.map_or(0, |cost| self.most_expensive.saturating_sub(cost))
    }
}

/// Measures what a method costs, in iterations of PBKDF2-HMAC-SHA256.
///
/// # Errors
/// Those of [`Method::derive`].
pub fn measure(method: &Method) -> Result<u32, Error> {
    let sample = Method::Pbkdf2(Digest::Sha256, SAMPLE);
    let (mut least, mut least_of_sample) = (Duration::MAX, Duration::MAX);
    // In turns, so that a change of the machine's load meets both.
    for _ in 0..RUNS {
        least = least.min(time(method)?);
        least_of_sample = least_of_sample.min(time(&sample)?);
    }
    let samples = least.as_secs_f64() / least_of_sample.as_secs_f64();
    Ok((samples * f64::from(SAMPLE)) as u32)
}

fn time(method: &Method) -> Result<Duration, Error> {
    let start = cpu_time();
    std::hint::black_box(method.derive("password", "salt")?);
    Ok(cpu_time().saturating_sub(start))
}

/// The CPU time of this thread. Unlike elapsed time, it does not count what other threads of a busy machine do
/// meanwhile.
#[cfg(unix)]
fn cpu_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Elapsed time, where the CPU time of a thread is not known.
#[cfg(not(unix))]
fn cpu_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::HashCosts;
    use crate::auth::stored_password_hash::Method;

    fn method(text: &str) -> Method {
        text.parse().unwrap()
    }

    #[test]
    fn a_method_and_its_padding_cost_as_much_as_the_most_expensive_method() {
        let scrypt = method("scrypt:32768:8:1");
        let measure = |method: &Method| Ok(if *method == scrypt { 700 } else { 50 });
        for (in_use, most_expensive) in [
            (&["pbkdf2:sha256:600", "pbkdf2:sha256:100"][..], 600),
            (&["pbkdf2:sha1:1000"], 600),
            (&["scrypt:32768:8:1", "pbkdf2:sha1:1000"], 700),
            (&["scrypt:32768:8:1", "pbkdf2:sha256:900"], 900),
        ] {
            let methods: Vec<Method> = in_use.iter().map(|text| method(text)).collect();
            let costs = HashCosts::new(600, &methods, measure).unwrap();
            assert_eq!(costs.most_expensive, most_expensive, "{in_use:?}");
            for (text, cost) in [
                ("pbkdf2:sha256:600", 600),
                ("pbkdf2:sha256:1", 1),
                ("pbkdf2:sha256:900", 900),
                ("scrypt:32768:8:1", 700),
                ("pbkdf2:sha1:1000", 50),
            ] {
                let is_known = text.contains("sha256") || in_use.contains(&text);
                let missing = if is_known {
                    most_expensive.max(cost) - cost
                } else {
                    0
                };
                assert_eq!(costs.padding(&method(text)), missing, "{text} {in_use:?}");
            }
        }
    }
}
