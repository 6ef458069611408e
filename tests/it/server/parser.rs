//! The request reader: however the bytes of a sequence of requests are cut on their way, the same
//! requests come out.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use task_api::server::parser::{Head, ParsedRequest, ParserState, Version};

use crate::support::parser_invariants::{check, limits, read};

/// A request, and a way to send it.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    read: ParsedRequest,
}

#[derive(Debug, Clone)]
enum Framing {
    None,
    Length,
    /// The sizes of the chunks, used in turn; an extension; a trailer.
    Chunks(Vec<usize>, &'static str, &'static str),
}

fn framing() -> impl Strategy<Value = Framing> {
    let extension = prop_oneof![Just(""), Just(";a"), Just(" ; name=\"some; value\"")];
    let trailer = prop_oneof![Just(""), Just("Checksum: 1\r\n"), Just("A: b\r\nC:\r\n")];
    let chunks = (prop::collection::vec(1..40_usize, 1..4), extension, trailer);
    prop_oneof![
        Just(Framing::None),
        Just(Framing::Length),
        chunks.prop_map(|(sizes, extension, trailer)| Framing::Chunks(sizes, extension, trailer)),
    ]
}

/// Method, target as sent, target as read.
fn request_line() -> impl Strategy<Value = (&'static str, String, String)> {
    let path = "/[a-z0-9%?=&.~-]{0,20}";
    prop_oneof![
        ("GET|POST|PATCH|DELETE|HEAD|BREW", path).prop_map(|(method, path)| (
            method,
            path.clone(),
            path
        )),
        path.prop_map(|path| ("GET".into(), format!("http://host.example:80{path}"), path)),
        Just(("OPTIONS".into(), "*".into(), "*".into())),
    ]
    .prop_map(|(method, sent, read): (String, String, String)| {
        let known = ["GET", "POST", "PATCH", "DELETE", "HEAD", "BREW", "OPTIONS"];
        let method = known.into_iter().find(|name| *name == method).unwrap();
        (method, sent, read)
    })
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "X-[A-Za-z0-9!#$'*+.^_`|~-]{1,8}";
    let value = "([!-~é]([ -~\té]{0,8}[!-~é])?)?";
    prop::collection::vec((name, value), 0..4)
}

fn sent() -> impl Strategy<Value = Sent> {
    let body = prop::collection::vec(any::<u8>(), 0..=100);
    let parts = (request_line(), fields(), framing(), body, 0..3_usize);
    parts.prop_map(|((method, target, path), fields, framing, body, breaks)| {
        let host = ("Host".to_owned(), "host.example:80".to_owned());
        let mut fields = [vec![host], fields].concat();
        let (announcement, content) = match &framing {
            Framing::None => (None, Vec::new()),
            Framing::Length => (
                Some(("Content-Length", body.len().to_string())),
                body.clone(),
            ),
            Framing::Chunks(sizes, extension, trailer) => (
                Some(("Transfer-Encoding", "chunked".to_owned())),
                chunked(&body, sizes, extension, trailer),
            ),
        };
        fields.extend(announcement.map(|(name, value)| (name.to_owned(), value)));
        // Line breaks too many behind the request before are no request.
        let mut bytes = "\r\n".repeat(breaks).into_bytes();
        bytes.extend(format!("{method} {target} HTTP/1.1\r\n").bytes());
        for (name, value) in &fields {
            bytes.extend(format!("{name}:{value} \t\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(content);
        let head = Head {
            method: method.to_owned(),
            target: path,
            fields,
            version: Version::Http11,
        };
        let body = match framing {
            Framing::None => Vec::new(),
            _ => body,
        };
        Sent {
            bytes,
            read: ParsedRequest { head, body },
        }
    })
}

fn chunked(mut body: &[u8], sizes: &[usize], extension: &str, trailer: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for size in sizes.iter().cycle() {
        let (chunk, rest) = body.split_at(body.len().min(*size));
        bytes.extend(format!("{:X}{extension}\r\n", chunk.len()).bytes());
        if chunk.is_empty() {
            break;
        }
        bytes.extend([chunk, b"\r\n"].concat());
        body = rest;
    }
    bytes.extend(format!("{trailer}\r\n").bytes());
    bytes
}

/// One change to a stream of bytes.
#[derive(Debug, Clone)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    // What has a meaning somewhere in a request does more harm than most bytes.
    let telling = prop::sample::select(b"\r\n\0 \t:;,/*0aA\x7f\xff".to_vec());
    let text = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        " ",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Host: other\r\n",
        "Expect: 100-continue\r\n",
        "0\r\n\r\n",
        "ffffffffffffffff",
        "chunked, ",
    ]);
    prop_oneof![
        (any::<Index>(), prop_oneof![telling, any::<u8>()])
            .prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Damage::Insert(at, text.into())),
        any::<Index>().prop_map(Damage::Remove),
        any::<Index>().prop_map(Damage::Cut),
    ]
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Damage::Replace(at, byte) => *at.get_mut(bytes) = byte,
            Damage::Insert(at, text) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, text);
            }
            Damage::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn sizes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), 0..4_u8, any::<u8>()], 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn what_was_sent_comes_out_however_it_is_cut(
        sent in prop::collection::vec(sent(), 1..5),
        sizes in sizes(),
    ) {
        let bytes = sent.iter().flat_map(|sent| sent.bytes.clone()).collect::<Vec<_>>();
        let reading = check(&bytes, &sizes);
        prop_assert_eq!(&reading.failure, &None);
        prop_assert_eq!(reading.unfinished, Some(ParserState::BetweenRequests));
        let expected = sent.into_iter().map(|sent| sent.read).collect::<Vec<_>>();
        prop_assert_eq!(reading.requests, expected);
    }

    #[test]
    fn damaged_streams_are_read_alike_however_they_are_cut(
        sent in prop::collection::vec(sent(), 1..4),
        damages in prop::collection::vec(damage(), 1..6),
        sizes in sizes(),
    ) {
        let mut bytes = sent.into_iter().flat_map(|sent| sent.bytes).collect::<Vec<_>>();
        damages.into_iter().for_each(|damage| damage.apply(&mut bytes));
        check(&bytes, &sizes);
    }

    #[test]
    fn any_bytes_at_all_are_read_alike_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        sizes in sizes(),
    ) {
        check(&bytes, &sizes);
    }
}

/// The fuzzer's seeds, and whatever it has found: a finding is put among them.
#[test]
fn the_seeds_of_the_fuzzer_are_read_alike_at_every_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for size in 0..=255 {
            check(&bytes, &[size]);
        }
        count += 1;
    }
    assert!(count >= 20, "{count} seeds");
}

#[test]
fn a_few_line_breaks_in_front_of_a_request_are_thrown_away_and_not_any_number() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let breaks = |count| "\r\n".repeat(count);
    let some = format!("{}{request}{}{request}{}", breaks(8), breaks(8), breaks(8));
    for piece in [1, some.len()] {
        let reading = read(&limits(), some.as_bytes().chunks(piece));
        assert_eq!(
            (reading.failure, reading.unfinished),
            (None, Some(ParserState::BetweenRequests))
        );
        assert_eq!(reading.requests.len(), 2);

        let more = format!("{}{request}", breaks(9));
        let reading = read(&limits(), more.as_bytes().chunks(piece));
        assert_eq!(reading.failure.map(|(status, _)| status), Some(400));
        assert_eq!(reading.requests, []);
    }
}
