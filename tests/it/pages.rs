//! The pages and their files, as a browser asks for them: what it is allowed to do with them, what it keeps,
//! and how much it has to load.

#![cfg(any(feature = "board", feature = "docs"))]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::{TestApp, TestResponse};

/// The folders of `web/` that this build has.
const FOLDERS: &[&str] = &[
    #[cfg(feature = "board")]
    "board",
    #[cfg(feature = "docs")]
    "docs",
];

/// Every file of them, by the path that browsers know it by.
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

/// The HTML of a page, if this build has it.
fn page(path: &str) -> Option<String> {
    let (_, bytes) = files().into_iter().find(|(known, _)| known == path)?;
    Some(String::from_utf8(bytes).unwrap())
}

fn pages() -> impl Iterator<Item = (&'static str, String)> {
    ["/", "/docs"]
        .into_iter()
        .filter_map(|path| Some((path, page(path)?)))
}

fn ask(app: &TestApp, line: &str, headers: &[(&str, &str)]) -> TestResponse {
    app.send_with(line, None, headers, "")
}

fn compressed(app: &TestApp, path: &str) -> TestResponse {
    let answer = ask(
        app,
        &format!("GET {path}"),
        &[("Accept-Encoding", "gzip, deflate, br, zstd")],
    );
    assert_eq!(answer.status, 200, "{path}");
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"), "{path}");
    answer
}

fn inflated(answer: &TestResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(&*answer.body)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// What stands between quotes behind this, such as the URLs behind `src="`.
fn quoted<'a>(text: &'a str, before: &str, quote: char) -> BTreeSet<&'a str> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.split(quote).next().unwrap())
        .collect()
}

#[test]
fn every_file_of_web_is_served_compressed_and_as_it_is() {
    let app = TestApp::new();
    for (path, content) in files() {
        let answer = compressed(&app, &path);
        assert_eq!(inflated(&answer), content, "{path}");
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"), "{path}");

        let plain = app.send(&format!("GET {path}"), None, "");
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("Content-Encoding"), None, "{path}");
        assert_eq!(plain.header("Vary"), Some("Accept-Encoding"), "{path}");
        assert_eq!(plain.body, content, "{path}");
        assert_ne!(plain.header("ETag"), answer.header("ETag"), "{path}");
    }
}

/// They come with a crate, which has compressed them.
#[cfg(feature = "docs")]
#[test]
fn swagger_uis_files_are_served_likewise() {
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
        let answer = compressed(&app, path);
        assert_eq!(answer.header("Content-Type"), Some(media_type));
        let plain = app.send(&format!("GET {path}"), None, "");
        assert!(plain.text().starts_with(begins), "{path}");
        assert_eq!(inflated(&answer), plain.body, "{path}");
    }
}

#[test]
fn a_file_has_the_type_that_its_name_says() {
    let app = TestApp::new();
    for (path, _) in files() {
        let expected = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        let answer = compressed(&app, &path);
        assert_eq!(answer.header("Content-Type"), Some(expected), "{path}");
    }
}

#[test]
fn a_browser_that_has_a_file_is_spared_it() {
    let app = TestApp::new();
    for (path, _) in files() {
        for accepted in ["gzip", "identity"] {
            let line = format!("GET {path}");
            let first = ask(&app, &line, &[("Accept-Encoding", accepted)]);
            assert_eq!(first.header("Cache-Control"), Some("no-cache"), "{path}");
            let version = first.header("ETag").unwrap();
            let headers = [("Accept-Encoding", accepted), ("If-None-Match", version)];
            let second = ask(&app, &line, &headers);
            assert_eq!((second.status, second.body.len()), (304, 0), "{path}");
            // What a cache keeps is brought up to date with these (RFC 9111, 3.2).
            for name in ["ETag", "Cache-Control", "Vary", "Content-Security-Policy"] {
                assert_eq!(second.header(name), first.header(name), "{path}: {name}");
            }
            let stale = [("Accept-Encoding", accepted), ("If-None-Match", "\"old\"")];
            assert_eq!(ask(&app, &line, &stale).status, 200, "{path}");
        }
    }
}

#[test]
fn gzip_is_for_whoever_names_it() {
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
        let answer = ask(
            &app,
            &format!("GET {path}"),
            &[("Accept-Encoding", accepted)],
        );
        assert_eq!(answer.status, 200, "{accepted}");
        assert_eq!(answer.header("Content-Encoding"), coding, "{accepted}");
    }
}

#[test]
fn a_page_may_do_what_it_needs_and_nothing_else() {
    let app = TestApp::new();
    for (path, _) in pages() {
        let answer = compressed(&app, path);
        let policy = answer.header("Content-Security-Policy").unwrap();
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
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
    }
}

/// A script or a style sheet, opened by itself, is no page: it gets the policy of all other answers.
#[test]
fn what_is_no_page_may_do_nothing() {
    let app = TestApp::new();
    let strict = Some("default-src 'none'; frame-ancestors 'none'");
    for (path, _) in files() {
        if page(&path).is_some() && ["/", "/docs"].contains(&path.as_str()) {
            continue;
        }
        let answer = compressed(&app, &path);
        assert_eq!(answer.header("Content-Security-Policy"), strict, "{path}");
    }
    let missing = app.send("GET /docs/nothing.js", None, "");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("Content-Security-Policy"), strict);
    assert_eq!(missing.header("Cache-Control"), Some("no-store"));
}

/// The policy would refuse it in the browser; here it is found sooner.
#[test]
fn no_page_has_scripts_or_styles_in_it() {
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

/// Neither a font nor a script of somebody else: the pages work without a network.
#[test]
fn the_pages_load_nothing_from_elsewhere() {
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
            // Without a slash in front a page works below a prefix of a proxy too.
            assert!(!url.starts_with('/'), "{path}: {url}");
            let answer = app.send(&format!("GET /{url}"), None, "");
            assert_eq!(answer.status, 200, "{path}: {url}");
        }
    }
}

#[cfg(feature = "board")]
mod board {
    use super::*;

    /// The modules of the board, by name, and their code.
    fn modules() -> Vec<(String, String)> {
        let name = |path: &str| path.strip_prefix("/board/").map(str::to_owned);
        files()
            .into_iter()
            .filter(|(path, _)| path.ends_with(".js"))
            .filter_map(|(path, code)| Some((name(&path)?, String::from_utf8(code).unwrap())))
            .collect()
    }

    /// Head and body of each answer, as they go over the line.
    #[test]
    fn the_first_load_is_under_60_kilobytes_and_needs_its_own_files_alone() {
        let app = TestApp::new();
        let total: usize = files()
            .iter()
            .filter(|(path, _)| path == "/" || path.starts_with("/board/"))
            .map(|(path, _)| {
                let answer = compressed(&app, path);
                let head: usize = answer
                    .headers
                    .iter()
                    .map(|(name, value)| name.len() + value.len() + 4)
                    .sum();
                head + 200 + answer.body.len()
            })
            .sum();
        assert!(total < 60_000, "{total} bytes");
    }

    /// A module that is not named in the page loads one round trip later.
    #[test]
    fn the_page_names_every_module() {
        let html = page("/").unwrap();
        let mut named = quoted(&html, "modulepreload\" href=\"board/", '"');
        named.extend(quoted(&html, "type=\"module\" src=\"board/", '"'));
        let modules = modules();
        let there: BTreeSet<_> = modules.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, there);
    }

    #[test]
    fn every_import_is_a_module_of_the_board() {
        let modules = modules();
        for (name, code) in &modules {
            for imported in quoted(code, " from './", '\'') {
                let known = modules.iter().any(|(name, _)| name == imported);
                assert!(known, "{name} imports {imported}");
            }
        }
    }

    /// What would turn a title into HTML, or a text into code.
    #[test]
    fn no_module_makes_html_or_code_of_text() {
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

    /// What is stored can be read by every script of the origin. The words may be in a comment.
    #[test]
    fn no_module_stores_anything() {
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
                assert!(!code.contains(store), "{name}: {store}");
            }
        }
    }

    #[test]
    fn everything_that_a_module_looks_for_by_id_is_in_the_page() {
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
