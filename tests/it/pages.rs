//! The web pages and their files, as a browser requests them: compression, caching, the content security
//! policy, and the size of the first load.

#![cfg(any(feature = "board", feature = "docs"))]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::http_client::Client;
use crate::support::{TestApp, TestResponse};

/// The folders of `web/` that this build contains.
const FOLDERS: &[&str] = &[
    #[cfg(feature = "board")]
    "board",
    #[cfg(feature = "docs")]
    "docs",
];

/// The files of these folders, with the path of the URL.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let root = format!("{}/web/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = match (*folder, name.as_str()) {
                ("board", "index.html") => "/".to_owned(),
                ("docs", "index.html") => "/docs".to_owned(),
                _ => format!("/{folder}/{name}"),
            };
            files.push((path, fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

/// The HTML of a page, if this build contains it.
fn page(path: &str) -> Option<String> {
    let (_, bytes) = files().into_iter().find(|(known, _)| known == path)?;
    Some(String::from_utf8(bytes).unwrap())
}

fn pages() -> impl Iterator<Item = (&'static str, String)> {
    ["/", "/docs"]
        .into_iter()
        .filter_map(|path| Some((path, page(path)?)))
}

fn send(app: &TestApp, line: &str, headers: &[(&str, &str)]) -> TestResponse {
    app.send_with(line, None, headers, "")
}

fn get_compressed(app: &TestApp, path: &str) -> TestResponse {
    let response = send(
        app,
        &format!("GET {path}"),
        &[
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            // A browser sends it for the modules of its own page.
            ("Host", "127.0.0.1:5000"),
            ("Origin", "http://127.0.0.1:5000"),
        ],
    );
    assert_eq!(response.status, 200, "{path}");
    assert_eq!(response.header("Content-Encoding"), Some("gzip"), "{path}");
    response
}

fn decompressed_body(response: &TestResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(&*response.body)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// The texts between `before` and the next quote, such as the URLs after `src="`.
fn quoted<'a>(text: &'a str, before: &str, quote: char) -> BTreeSet<&'a str> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.split(quote).next().unwrap())
        .collect()
}

#[test]
fn each_file_of_web_is_served_compressed_and_uncompressed() {
    let app = TestApp::new();
    for (path, content) in files() {
        let response = get_compressed(&app, &path);
        let sent = decompressed_body(&response);
        assert_content(&path, &sent, &content);
        assert_eq!(response.header("Vary"), Some("Accept-Encoding"), "{path}");

        let plain = app.send(&format!("GET {path}"), None, "");
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("Content-Encoding"), None, "{path}");
        assert_eq!(plain.header("Vary"), Some("Accept-Encoding"), "{path}");
        assert_eq!(plain.body, sent, "{path}");
        assert_ne!(plain.header("ETag"), response.header("ETag"), "{path}");
    }
}

/// Asserts that a file is sent as it is; a script or style sheet without indentation, and each comment line as an empty one.
fn assert_content(path: &str, sent: &[u8], file: &[u8]) {
    if !path.ends_with(".js") && !path.ends_with(".css") {
        assert_eq!(sent, file, "{path}");
        return;
    }
    let [sent, file] = [sent, file].map(|text| str::from_utf8(text).unwrap().lines());
    assert_eq!(sent.clone().count(), file.clone().count(), "{path}");
    for (sent, line) in sent.zip(file) {
        let start = line.trim_start();
        let is_comment = start.starts_with("/*")
            || path.ends_with(".js") && (start.starts_with("//") || start.starts_with('*'));
        assert_eq!(sent, if is_comment { "" } else { start }, "{path}");
    }
}

/// These files are not in `web/`: a crate contains them, already compressed.
#[cfg(feature = "docs")]
#[test]
fn the_files_of_swagger_ui_are_served_compressed_and_uncompressed() {
    let app = TestApp::new();
    for (path, media_type, begins) in [
        (
            "/docs/swagger-ui.css",
            "text/css; charset=utf-8",
            ".swagger-ui",
        ),
        (
            "/docs/swagger-ui-bundle.js",
            "text/javascript; charset=utf-8",
            "/*! For license information",
        ),
    ] {
        let response = get_compressed(&app, path);
        assert_eq!(response.header("Content-Type"), Some(media_type));
        let plain = app.send(&format!("GET {path}"), None, "");
        assert!(plain.text().starts_with(begins), "{path}");
        assert_eq!(decompressed_body(&response), plain.body, "{path}");
    }
}

#[test]
fn the_media_type_of_a_file_follows_its_extension() {
    let app = TestApp::new();
    for (path, _) in files() {
        let expected = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        let response = get_compressed(&app, &path);
        assert_eq!(response.header("Content-Type"), Some(expected), "{path}");
    }
}

#[test]
fn a_file_with_a_matching_etag_gets_304_and_a_stale_one_200() {
    let app = TestApp::new();
    for (path, _) in files() {
        for accepted in ["gzip", "identity"] {
            let line = format!("GET {path}");
            let first = send(&app, &line, &[("Accept-Encoding", accepted)]);
            assert_eq!(first.header("Cache-Control"), Some("no-cache"), "{path}");
            let version = first.header("ETag").unwrap();
            let headers = [("Accept-Encoding", accepted), ("If-None-Match", version)];
            let second = send(&app, &line, &headers);
            assert_eq!((second.status, second.body.len()), (304, 0), "{path}");
            // A cache updates the headers of its stored response with these (RFC 9111, 3.2).
            for name in ["ETag", "Cache-Control", "Vary", "Content-Security-Policy"] {
                assert_eq!(second.header(name), first.header(name), "{path}: {name}");
            }
            let stale = [("Accept-Encoding", accepted), ("If-None-Match", "\"old\"")];
            assert_eq!(send(&app, &line, &stale).status, 200, "{path}");
        }
    }
}

#[test]
fn the_etag_of_a_form_stays_the_same_and_does_not_match_the_other_form() {
    let app = TestApp::new();
    for path in files()
        .into_iter()
        .map(|(path, _)| path)
        .chain(["/openapi.json".to_owned()])
    {
        let line = format!("GET {path}");
        let etags = ["identity", "gzip", "identity", "gzip"].map(|accepted| {
            let response = send(&app, &line, &[("Accept-Encoding", accepted)]);
            response.header("ETag").unwrap().to_owned()
        });
        assert_eq!(etags[..2], etags[2..], "{path}");
        // A proxy that compresses the plain form appends the coding to its tag.
        let with_coding = |etag: &str| format!("{}-gzip\"", &etag[..etag.len() - 1]);
        let [plain, compressed] = [&etags[0], &etags[1]];
        for (accepted, tag, status) in [
            ("identity", compressed, 200),
            ("gzip", plain, 200),
            ("gzip", &with_coding(plain), 200),
            ("identity", &with_coding(plain), 304),
        ] {
            let headers = [("Accept-Encoding", accepted), ("If-None-Match", tag)];
            assert_eq!(send(&app, &line, &headers).status, status, "{path} {tag}");
        }
    }
}

#[test]
fn head_of_a_file_has_the_length_and_the_etag_of_both_forms_and_no_body() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let mut send = |method: &str, accepted: &str| {
        let headers = format!("Accept-Encoding: {accepted}\r\n");
        let head = client.head(&format!("{method} /openapi.json"), &headers);
        client.write(head).unwrap();
        client.read_response(method == "HEAD").unwrap()
    };
    for accepted in ["identity", "gzip"] {
        let (get, head) = (send("GET", accepted), send("HEAD", accepted));
        assert_eq!((head.status, head.body.len()), (200, 0));
        let length = get.body.len().to_string();
        assert_eq!(head.header("Content-Length"), Some(length.as_str()));
        assert_eq!(head.header("ETag"), get.header("ETag"));
    }
}

#[test]
fn gzip_is_used_only_if_accept_encoding_names_it() {
    let app = TestApp::new();
    let (path, _) = files().remove(0);
    for (accepted, coding) in [
        ("gzip", Some("gzip")),
        ("GZIP", Some("gzip")),
        ("br;q=1.0, gzip;q=0.1", Some("gzip")),
        ("gzip;q=0", None),
        ("gzip; q=0.000", None),
        ("identity", None),
        ("br", None),
        ("*", None),
        ("gzip2", None),
        ("", None),
        (";;;q=,gzip;q=x,,", Some("gzip")),
    ] {
        let response = send(
            &app,
            &format!("GET {path}"),
            &[("Accept-Encoding", accepted)],
        );
        assert_eq!(response.status, 200, "{accepted}");
        assert_eq!(response.header("Content-Encoding"), coding, "{accepted}");
    }
}

#[test]
fn the_policy_of_a_page_allows_its_own_files_and_nothing_else() {
    let app = TestApp::new();
    for (path, _) in pages() {
        let response = get_compressed(&app, path);
        let policy = response.header("Content-Security-Policy").unwrap();
        for needed in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            let directives: Vec<_> = policy.split(';').map(str::trim).collect();
            assert!(directives.contains(&needed), "{path}: {needed}: {policy}");
        }
        for loose in ["unsafe", "*", "http:", "https:", "blob:"] {
            assert!(!policy.contains(loose), "{path}: {loose}: {policy}");
        }
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(response.header("Referrer-Policy"), Some("no-referrer"));
    }
}

/// A script or style sheet is not a page: it gets the policy of all other responses.
#[test]
fn the_policy_of_a_file_that_is_not_a_page_allows_nothing() {
    let app = TestApp::new();
    let strict = Some("default-src 'none'; frame-ancestors 'none'");
    for (path, _) in files() {
        if page(&path).is_some() && ["/", "/docs"].contains(&path.as_str()) {
            continue;
        }
        let response = get_compressed(&app, &path);
        assert_eq!(response.header("Content-Security-Policy"), strict, "{path}");
    }
    let missing = app.send("GET /docs/nothing.js", None, "");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("Content-Security-Policy"), strict);
    assert_eq!(missing.header("Cache-Control"), Some("no-store"));
}

/// A browser would refuse inline code because of the policy.
#[test]
fn no_page_contains_inline_scripts_styles_or_event_handlers() {
    for (path, html) in pages() {
        assert!(!html.contains("<style"), "{path}");
        assert!(!html.contains(" style="), "{path}");
        assert!(!html.contains("javascript:"), "{path}");
        for script in html.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').unwrap();
            assert!(attributes.contains("src=\""), "{path}: {attributes}");
            assert!(rest.starts_with("</script>"), "{path}: {rest}");
        }
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let handler = tag.split_ascii_whitespace().find(|word| {
                word.strip_prefix("on")
                    .is_some_and(|rest| rest.contains('='))
            });
            assert_eq!(handler, None, "{path}: {tag}");
        }
    }
}

/// No font or script comes from another origin, so the pages work without access to the internet.
#[test]
fn the_pages_load_nothing_from_another_origin() {
    for (path, content) in files() {
        let text = String::from_utf8(content).unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http://", "https://", "\"//", "'//", "@import"] {
            assert!(!text.contains(elsewhere), "{path}: {elsewhere}");
        }
    }
    let app = TestApp::new();
    for (path, html) in pages() {
        let links = quoted(&html, "href=\"", '"');
        for url in quoted(&html, "src=\"", '"').union(&links) {
            if url.starts_with('#') || url.starts_with("data:") {
                continue;
            }
            // Relative URLs: the pages also work when a proxy serves them under a path prefix.
            assert!(!url.starts_with('/'), "{path}: {url}");
            let response = app.send(&format!("GET /{url}"), None, "");
            assert_eq!(response.status, 200, "{path}: {url}");
        }
    }
}

#[cfg(feature = "board")]
mod board {
    use super::*;

    /// The JavaScript modules of the board: name and code.
    fn modules() -> Vec<(String, String)> {
        let name = |path: &str| path.strip_prefix("/board/").map(str::to_owned);
        files()
            .into_iter()
            .filter(|(path, _)| path.ends_with(".js"))
            .filter_map(|(path, code)| Some((name(&path)?, String::from_utf8(code).unwrap())))
            .collect()
    }

    /// Counts the head and the compressed body of each response.
    #[test]
    fn the_first_load_of_the_board_is_under_60_kilobytes() {
        let app = TestApp::new();
        let total: usize = files()
            .iter()
            .filter(|(path, _)| path == "/" || path.starts_with("/board/"))
            .map(|(path, _)| {
                let response = get_compressed(&app, path);
                let head: usize = response
                    .headers
                    .iter()
                    .map(|(name, value)| name.len() + value.len() + 4)
                    .sum();
                // The status line, and what the server adds: Server, Date, Connection and Content-Length.
                head + 130 + response.body.len()
            })
            .sum();
        assert!(total < 60_000, "{total} bytes");
    }

    /// Otherwise the browser requests a module only after it has parsed the module that imports it, which takes
    /// one more round trip.
    #[test]
    fn the_page_preloads_each_module() {
        let html = page("/").unwrap();
        let mut named = quoted(&html, "modulepreload\" href=\"board/", '"');
        named.extend(quoted(&html, "type=\"module\" src=\"board/", '"'));
        let modules = modules();
        let existing: BTreeSet<_> = modules.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, existing);
    }

    #[test]
    fn each_import_names_an_existing_module() {
        let modules = modules();
        for (name, code) in &modules {
            for imported in quoted(code, " from './", '\'') {
                let known = modules.iter().any(|(name, _)| name == imported);
                assert!(known, "{name} imports {imported}");
            }
        }
    }

    /// These functions would interpret a title as HTML, or a text as code.
    #[test]
    fn no_module_interprets_text_as_html_or_code() {
        for (name, code) in modules() {
            for danger in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "setHTML",
            ] {
                assert!(!code.contains(danger), "{name}: {danger}");
            }
        }
    }

    /// All scripts of the origin can read what is stored, so only the device token is, which does not authenticate.
    /// Comments may contain the words.
    #[test]
    fn no_module_uses_browser_storage_or_cookies_except_for_the_device_token() {
        for (name, code) in modules() {
            let code: String = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for store in [
                "localStorage",
                "sessionStorage",
                "indexedDB",
                "document.cookie",
                "caches.",
            ] {
                let is_device_token = (name.as_str(), store) == ("device-token.js", "localStorage");
                assert_eq!(code.contains(store), is_device_token, "{name}: {store}");
            }
        }
    }

    #[test]
    fn each_element_id_that_a_module_uses_is_in_the_page() {
        let html = page("/").unwrap();
        let ids = quoted(&html, " id=\"", '"');
        for (name, code) in modules() {
            for before in ["byId('", "cloneTemplate('"] {
                for id in quoted(&code, before, '\'') {
                    assert!(ids.contains(id), "{name}: {id}");
                }
            }
        }
    }
}
