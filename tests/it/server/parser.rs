//! The parser of requests (property tests): the result does not depend on how the bytes are split into
//! pieces.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use task_api::server::parser::{Head, ParsedRequest, ParserState, Version};

use crate::support::parser_invariants::{check, limits, read};

/// The bytes of a request, and the request that the parser has to return for them.
#[derive(Debug, Clone)]
struct EncodedRequest {
    bytes: Vec<u8>,
    parsed: ParsedRequest,
}

#[derive(Debug, Clone)]
enum Framing {
    None,
    Length,
    /// The sizes of the chunks, used in rotation; a chunk extension; trailer fields.
    Chunked(Vec<usize>, &'static str, &'static str),
}

fn framing() -> impl Strategy<Value = Framing> {
    let extension = prop_oneof![Just(""), Just(";a"), Just(" ; name=\"some; value\"")];
    let trailer = prop_oneof![Just(""), Just("Checksum: 1\r\n"), Just("A: b\r\nC:\r\n")];
    let chunks = (prop::collection::vec(1..40_usize, 1..4), extension, trailer);
    prop_oneof![
        Just(Framing::None),
        Just(Framing::Length),
        chunks.prop_map(|(sizes, extension, trailer)| Framing::Chunked(sizes, extension, trailer)),
    ]
}

/// Method, target as sent, target as parsed.
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
    .prop_map(|(method, sent, parsed): (String, String, String)| {
        let known = ["GET", "POST", "PATCH", "DELETE", "HEAD", "BREW", "OPTIONS"];
        let method = known.into_iter().find(|name| *name == method).unwrap();
        (method, sent, parsed)
    })
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "X-[A-Za-z0-9!#$'*+.^_`|~-]{1,8}";
    let value = "([!-~é]([ -~\té]{0,8}[!-~é])?)?";
    prop::collection::vec((name, value), 0..4)
}

fn encoded_request() -> impl Strategy<Value = EncodedRequest> {
    let body = prop::collection::vec(any::<u8>(), 0..=100);
    let parts = (request_line(), fields(), framing(), body, 0..3_usize);
    parts.prop_map(|((method, target, path), fields, framing, body, breaks)| {
        let host = ("Host".to_owned(), "host.example:80".to_owned());
        let mut fields = [vec![host], fields].concat();
        let (framing_field, encoded_body) = match &framing {
            Framing::None => (None, Vec::new()),
            Framing::Length => (
                Some(("Content-Length", body.len().to_string())),
                body.clone(),
            ),
            Framing::Chunked(sizes, extension, trailer) => (
                Some(("Transfer-Encoding", "chunked".to_owned())),
                chunked(&body, sizes, extension, trailer),
            ),
        };
        fields.extend(framing_field.map(|(name, value)| (name.to_owned(), value)));
        // The parser skips empty lines between requests.
        let mut bytes = "\r\n".repeat(breaks).into_bytes();
        bytes.extend(format!("{method} {target} HTTP/1.1\r\n").bytes());
        for (name, value) in &fields {
            bytes.extend(format!("{name}:{value} \t\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(encoded_body);
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
        EncodedRequest {
            bytes,
            parsed: ParsedRequest { head, body },
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

/// One change to the bytes of some requests.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Truncate(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Bytes that have a meaning in a request find more errors than random bytes.
    let delimiter = prop::sample::select(b"\r\n\0 \t:;,/*0aA\x7f\xff".to_vec());
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
        (any::<Index>(), prop_oneof![delimiter, any::<u8>()])
            .prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Mutation::Insert(at, text.into())),
        any::<Index>().prop_map(Mutation::Remove),
        any::<Index>().prop_map(Mutation::Truncate),
    ]
}

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Mutation::Replace(at, byte) => *at.get_mut(bytes) = byte,
            Mutation::Insert(at, text) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, text);
            }
            Mutation::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Mutation::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn piece_sizes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), 0..4_u8, any::<u8>()], 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn valid_requests_are_parsed_as_sent_however_they_are_split(
        encoded in prop::collection::vec(encoded_request(), 1..5),
        sizes in piece_sizes(),
    ) {
        let bytes = encoded.iter().flat_map(|request| request.bytes.clone()).collect::<Vec<_>>();
        let outcome = check(&bytes, &sizes);
        prop_assert_eq!(&outcome.failure, &None);
        prop_assert_eq!(outcome.unfinished, Some(ParserState::BetweenRequests));
        let expected = encoded.into_iter().map(|request| request.parsed).collect::<Vec<_>>();
        prop_assert_eq!(outcome.requests, expected);
    }

    #[test]
    fn mutated_requests_are_parsed_alike_however_they_are_split(
        encoded in prop::collection::vec(encoded_request(), 1..4),
        mutations in prop::collection::vec(mutation(), 1..6),
        sizes in piece_sizes(),
    ) {
        let mut bytes = encoded.into_iter().flat_map(|request| request.bytes).collect::<Vec<_>>();
        mutations.into_iter().for_each(|mutation| mutation.apply(&mut bytes));
        check(&bytes, &sizes);
    }

    #[test]
    fn random_bytes_are_parsed_alike_however_they_are_split(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        sizes in piece_sizes(),
    ) {
        check(&bytes, &sizes);
    }
}

/// The seeds of the fuzz target. An input on which the fuzzer found an error is added to them.
#[test]
fn the_fuzz_seeds_are_parsed_alike_however_they_are_split() {
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
fn up_to_eight_empty_lines_before_a_request_are_skipped_and_nine_are_400() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let breaks = |count| "\r\n".repeat(count);
    let eight_breaks = format!("{}{request}{}{request}{}", breaks(8), breaks(8), breaks(8));
    for piece in [1, eight_breaks.len()] {
        let outcome = read(&limits(), eight_breaks.as_bytes().chunks(piece));
        assert_eq!(
            (outcome.failure, outcome.unfinished),
            (None, Some(ParserState::BetweenRequests))
        );
        assert_eq!(outcome.requests.len(), 2);

        let nine_breaks = format!("{}{request}", breaks(9));
        let outcome = read(&limits(), nine_breaks.as_bytes().chunks(piece));
        assert_eq!(outcome.failure.map(|(status, _)| status), Some(400));
        assert_eq!(outcome.requests, []);
    }
}
