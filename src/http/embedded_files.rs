//! Static files for browsers: the task board, the documentation page and the OpenAPI document. They are
//! embedded in the binary. The first request for a file in a content coding, gzip or none, makes this form of the
//! file and its entity tag; both stay in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

#[cfg(any(feature = "board", feature = "docs"))]
use super::content_security_policy;
use super::etag::ETag;
use crate::config::Config;
use crate::config::accounts::SignUps;
use crate::error::Error;

/// All files by path.
pub struct StaticFiles(BTreeMap<&'static str, StaticFile>);

/// An embedded file. The cell of a form is filled by the first request for it.
pub struct StaticFile {
    path: &'static str,
    /// The `Content-Type`.
    pub media_type: &'static str,
    /// The `Content-Security-Policy`; `None` for the default, since only HTML pages need another one.
    pub security_policy: Option<&'static str>,
    load: Box<dyn Fn() -> Result<Content, Error> + Send + Sync>,
    gzip: OnceLock<FileForm>,
    plain: OnceLock<FileForm>,
}

/// The content of an embedded file.
enum Content {
    Plain(Cow<'static, [u8]>),
    /// Compressed when the program was built.
    #[cfg_attr(not(feature = "docs"), expect(dead_code))]
    Gzip(Cow<'static, [u8]>),
}

/// A file in one content coding, ready to be sent.
pub struct FileForm {
    /// The entity tag. Each coding has another one, since a strong tag identifies the bytes as sent (RFC 9110,
    /// 8.8.3.3).
    pub etag: ETag,
    bytes: SharedBytes,
}

/// Bytes that responses read without a copy of their own.
#[derive(Clone)]
struct SharedBytes(Arc<Cow<'static, [u8]>>);

impl StaticFiles {
    /// The files of this build; none is loaded yet. `openapi_json` generates the content of `/openapi.json` for the path
    /// of `PUBLIC_URL`. The board shows its form for sign-ups according to `SIGNUPS`.
    pub fn new(openapi_json: fn(&str) -> Result<String, Error>, config: &Config) -> StaticFiles {
        let path_prefix = config.links.address.path_prefix().to_owned();
        let openapi = StaticFile::new("/openapi.json", "application/json", move || {
            let json = openapi_json(&path_prefix)?;
            Ok(Content::Plain(json.into_bytes().into()))
        });
        let files = std::iter::once(openapi).chain(pages(config.accounts.signups));
        StaticFiles(files.map(|file| (file.path, file)).collect())
    }

    /// Returns the file at a path.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, path: &str) -> Result<&StaticFile, Error> {
        self.0.get(path).ok_or(Error::NotFound)
    }
}

/// The names of the files in a folder, `/docs/` or `/board/`; the OpenAPI document lists them.
pub fn names_in(folder: &str) -> Vec<&'static str> {
    pages(SignUps::Open)
        .filter_map(|file| file.path.strip_prefix(folder))
        .collect()
}

/// The files of the pages that this build includes: the board, the documentation, both or none.
fn pages(sign_ups: SignUps) -> impl Iterator<Item = StaticFile> {
    let pages: &[fn(SignUps) -> Vec<StaticFile>] = &[
        #[cfg(feature = "board")]
        board,
        #[cfg(feature = "docs")]
        |_| docs(),
    ];
    pages.iter().flat_map(move |files| files(sign_ups))
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl StaticFile {
    fn new(
        path: &'static str,
        media_type: &'static str,
        load: impl Fn() -> Result<Content, Error> + Send + Sync + 'static,
    ) -> StaticFile {
        StaticFile {
            path,
            media_type,
            security_policy: None,
            load: Box::new(load),
            gzip: OnceLock::new(),
            plain: OnceLock::new(),
        }
    }

    /// The file compressed with gzip.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn gzip(&self) -> Result<&FileForm, Error> {
        get_or_make(&self.gzip, || match (self.load)()? {
            Content::Gzip(bytes) => Ok(bytes),
            Content::Plain(bytes) => Ok(read(GzEncoder::new(&*bytes, Compression::best()))?.into()),
        })
    }

    /// The file without compression, for the few clients that do not accept gzip.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn plain(&self) -> Result<&FileForm, Error> {
        get_or_make(&self.plain, || match (self.load)()? {
            Content::Gzip(bytes) => Ok(read(GzDecoder::new(&*bytes))?.into()),
            Content::Plain(bytes) => Ok(bytes),
        })
    }
}

impl FileForm {
    /// A reader of the bytes, which copies none of them in advance, and their number.
    pub fn reader(&self) -> (impl Read + Send + use<>, usize) {
        (Cursor::new(self.bytes.clone()), self.bytes.as_ref().len())
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn get_or_make(
    cell: &OnceLock<FileForm>,
    make: impl FnOnce() -> Result<Cow<'static, [u8]>, Error>,
) -> Result<&FileForm, Error> {
    if let Some(form) = cell.get() {
        return Ok(form);
    }
    let bytes = make()?;
    let etag = ETag::of_bytes(&bytes);
    let bytes = SharedBytes(Arc::new(bytes));
    Ok(cell.get_or_init(|| FileForm { etag, bytes }))
}

fn read(mut from: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let internal = |why: io::Error| Error::Internal(format!("gzip of a static file: {why}"));
    from.read_to_end(&mut bytes).map_err(internal)?;
    Ok(bytes)
}

/// A text file of the folder `web/`.
#[cfg(any(feature = "board", feature = "docs"))]
fn text(path: &'static str, media_type: &'static str, text: &'static str) -> StaticFile {
    StaticFile::new(path, media_type, move || {
        let bytes = match media_type {
            JAVASCRIPT | CSS => without_comments_and_indentation(text).into_bytes().into(),
            _ => text.as_bytes().into(),
        };
        Ok(Content::Plain(bytes))
    })
}

/// A script or style sheet without indentation and with its comment lines, `//` and `/* */`, left empty: comments are a
/// third of the board on the wire. The lines keep their numbers, so an error in the browser names the line of the source.
#[cfg(any(feature = "board", feature = "docs"))]
fn without_comments_and_indentation(script: &str) -> String {
    let mut is_in_block = false;
    let mut code = String::with_capacity(script.len());
    for line in script.lines() {
        let start = line.trim_start();
        let begins_block = start.starts_with("/*");
        if !is_in_block && !begins_block && !start.starts_with("//") {
            code.push_str(start);
        }
        is_in_block = (is_in_block || begins_block) && !line.contains("*/");
        code.push('\n');
    }
    code
}

/// A script, style sheet or icon by its path in `web/`, which is its URL path too.
#[cfg(any(feature = "board", feature = "docs"))]
macro_rules! web {
    ($path:literal, $media_type:expr) => {
        text(
            concat!("/", $path),
            $media_type,
            include_str!(concat!("../../web/", $path)),
        )
    };
}

/// An HTML page of the folder `web/`.
#[cfg(feature = "docs")]
fn page(path: &'static str, security_policy: &'static str, html: &'static str) -> StaticFile {
    StaticFile {
        security_policy: Some(security_policy),
        ..text(path, HTML, html)
    }
}

#[cfg(any(feature = "board", feature = "docs"))]
const HTML: &str = "text/html; charset=utf-8";
#[cfg(any(feature = "board", feature = "docs"))]
const CSS: &str = "text/css; charset=utf-8";
#[cfg(feature = "board")]
const SVG: &str = "image/svg+xml";
#[cfg(any(feature = "board", feature = "docs"))]
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The page of the task board. The attribute `data-signups` of its `<html>` element says whether sign-ups are open.
#[cfg(feature = "board")]
fn board_page(sign_ups: SignUps) -> StaticFile {
    let html = include_str!("../../web/board/index.html");
    let load = move || {
        let html = match sign_ups {
            SignUps::Open => html.to_owned(),
            SignUps::Closed => {
                html.replacen(r#"data-signups="open""#, r#"data-signups="closed""#, 1)
            }
        };
        Ok(Content::Plain(html.into_bytes().into()))
    };
    StaticFile {
        security_policy: Some(content_security_policy::BOARD),
        ..StaticFile::new("/", HTML, load)
    }
}

/// The task board. A new file in `web/board/` needs a line here.
#[cfg(feature = "board")]
fn board(sign_ups: SignUps) -> Vec<StaticFile> {
    vec![
        board_page(sign_ups),
        web!("board/style.css", CSS),
        web!("board/icon.svg", SVG),
        web!("board/account-dialog.js", JAVASCRIPT),
        web!("board/accounts.js", JAVASCRIPT),
        web!("board/api-tokens.js", JAVASCRIPT),
        web!("board/app-error.js", JAVASCRIPT),
        web!("board/board.js", JAVASCRIPT),
        web!("board/cards.js", JAVASCRIPT),
        web!("board/connection-banner.js", JAVASCRIPT),
        web!("board/device-token.js", JAVASCRIPT),
        web!("board/dom.js", JAVASCRIPT),
        web!("board/drag-and-drop.js", JAVASCRIPT),
        web!("board/entry-list.js", JAVASCRIPT),
        web!("board/http.js", JAVASCRIPT),
        web!("board/infinite-list.js", JAVASCRIPT),
        web!("board/invitations.js", JAVASCRIPT),
        web!("board/live-updates.js", JAVASCRIPT),
        web!("board/main.js", JAVASCRIPT),
        web!("board/notifications.js", JAVASCRIPT),
        web!("board/one-time-link.js", JAVASCRIPT),
        web!("board/own-sessions.js", JAVASCRIPT),
        web!("board/people.js", JAVASCRIPT),
        web!("board/secret-dialog.js", JAVASCRIPT),
        web!("board/session.js", JAVASCRIPT),
        web!("board/sign-in.js", JAVASCRIPT),
        web!("board/submit.js", JAVASCRIPT),
        web!("board/task-dialog.js", JAVASCRIPT),
        web!("board/task-history.js", JAVASCRIPT),
        web!("board/task.js", JAVASCRIPT),
        web!("board/time.js", JAVASCRIPT),
        web!("board/unsaved-changes.js", JAVASCRIPT),
        web!("board/views.js", JAVASCRIPT),
    ]
}

/// The documentation page. It embeds Swagger UI, whose files come from the crate `utoipa-swagger-ui`.
#[cfg(feature = "docs")]
fn docs() -> Vec<StaticFile> {
    vec![
        page(
            "/docs",
            content_security_policy::DOCS,
            include_str!("../../web/docs/index.html"),
        ),
        web!("docs/main.js", JAVASCRIPT),
        web!("docs/session.js", JAVASCRIPT),
        web!("docs/sign-in.js", JAVASCRIPT),
        web!("docs/style.css", CSS),
        swagger_ui("/docs/swagger-ui.css", CSS, "swagger-ui.css"),
        swagger_ui(
            "/docs/swagger-ui-bundle.js",
            JAVASCRIPT,
            "swagger-ui-bundle.js",
        ),
    ]
}

#[cfg(feature = "docs")]
fn swagger_ui(path: &'static str, media_type: &'static str, name: &'static str) -> StaticFile {
    StaticFile::new(path, media_type, move || {
        match utoipa_swagger_ui::serve(name, Default::default()) {
            Ok(Some(file)) if file.gzpipped => Ok(Content::Gzip(file.bytes)),
            Ok(Some(file)) => Ok(Content::Plain(file.bytes)),
            _ => Err(Error::Internal(format!("Swagger UI has no {name}"))),
        }
    })
}
