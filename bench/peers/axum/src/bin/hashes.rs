//! `hashes THREADS SECONDS`: prints how many password hashes per second this machine computes without a
//! server. `bench/run` compares the rate of sign-ins with this ceiling.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers = arguments.iter().map(|text| text.parse::<u64>().ok());
    let numbers: Option<Vec<u64>> = numbers.collect();
    let Some([threads, seconds]) = numbers.as_deref() else {
        eprintln!("usage: hashes THREADS SECONDS");
        std::process::exit(2);
    };
    let duration = Duration::from_secs(*seconds);
    let rate = thread::scope(|scope| {
        let threads: Vec<_> = (0..*threads)
            .map(|_| scope.spawn(|| hash_rate(duration)))
            .collect();
        let rates = threads.into_iter().map(|thread| thread.join());
        rates
            .map(|rate| rate.expect("the thread does not panic"))
            .sum::<f64>()
    });
    println!("{rate}");
}

/// Hashes per second of one thread.
fn hash_rate(duration: Duration) -> f64 {
    let begin = Instant::now();
    let mut count = 0.0;
    while begin.elapsed() < duration {
        black_box(pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(
            black_box(b"correct horse battery"),
            b"0123456789abcdef0123456789abcdef",
            600_000,
        ));
        count += 1.0;
    }
    count / begin.elapsed().as_secs_f64()
}
