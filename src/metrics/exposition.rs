//! Writes metrics in Prometheus' text-based exposition format, version 0.0.4.

use std::fmt::{Arguments, Display, Write};

use super::histogram::{BOUNDS, Histogram};
use super::recent_summary::{QUANTILES, RecentSummary};

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The names and values of a sample's labels.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text of a scrape: metric families, one after the other.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// A metric family: the samples of one metric name.
#[derive(Debug)]
pub struct MetricFamily<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Exposition {
    /// Begins a family of counters: numbers that only go up.
    pub fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> MetricFamily<'a> {
        self.family(name, "counter", help)
    }

    /// Begins a family of gauges: numbers that go up and down.
    pub fn gauge<'a>(&'a mut self, name: &'a str, help: &str) -> MetricFamily<'a> {
        self.family(name, "gauge", help)
    }

    /// Begins a family of histograms.
    pub fn histogram<'a>(&'a mut self, name: &'a str, help: &str) -> MetricFamily<'a> {
        self.family(name, "histogram", help)
    }

    /// Begins a family of summaries.
    pub fn summary<'a>(&'a mut self, name: &'a str, help: &str) -> MetricFamily<'a> {
        self.family(name, "summary", help)
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> MetricFamily<'a> {
        let text = &mut self.0;
        write(
            text,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
        MetricFamily { text, name }
    }

    /// Returns the text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl MetricFamily<'_> {
    /// Writes the sample of a counter or a gauge.
    pub fn sample(&mut self, labels: Labels, value: impl Display) {
        self.line("", labels, value);
    }

    /// Writes the samples of a histogram: buckets, sum and count. The buckets of the format are cumulative.
    pub fn histogram(&mut self, labels: Labels, histogram: &Histogram) {
        let bounds = BOUNDS.iter().map(|bound| bound.as_secs_f64().to_string());
        let mut count = 0;
        for (bound, bucket) in bounds.chain(["+Inf".to_owned()]).zip(histogram.buckets()) {
            count += bucket;
            self.line("_bucket", &[labels, &[("le", &bound)]].concat(), count);
        }
        self.line("_sum", labels, histogram.sum().as_secs_f64());
        self.line("_count", labels, count);
    }

    /// Writes the samples of a summary: quantiles, sum and count.
    pub fn summary(&mut self, summary: &RecentSummary) {
        let snapshot = summary.snapshot();
        for (quantile, value) in QUANTILES.iter().zip(snapshot.quantiles) {
            self.line("", &[("quantile", &quantile.to_string())], value);
        }
        self.line("_sum", &[], snapshot.sum);
        self.line("_count", &[], snapshot.count);
    }

    fn line(&mut self, suffix: &str, labels: Labels, value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        write(
            self.text,
            format_args!("{}{suffix}{labels} {value}\n", self.name),
        );
    }
}

fn write(text: &mut String, more: Arguments) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}

fn escape(value: &str) -> String {
    let value = value.replace('\\', r"\\");
    value.replace('"', r#"\""#).replace('\n', r"\n")
}
