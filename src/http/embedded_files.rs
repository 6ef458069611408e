//! Static files for browsers: the task board, the documentation page and the OpenAPI document. They are
//! embedded in the binary, compressed with gzip on the first request, and kept compressed in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

#[cfg(any(feature = "board", feature = "docs"))]
use super::content_security_policy;
use super::etag::ETag;
use crate::error::Error;

/// All files by path. The cell of a file is filled by the first request for it.
pub struct StaticFiles(BTreeMap<&'static str, (Source, OnceLock<StaticFile>)>);

/// An embedded file, and how to load its content.
struct Source {
    path: &'static str,
    media_type: &'static str,
    security_policy: Option<&'static str>,
    load: Box<dyn Fn() -> Result<Content, Error> + Send + Sync>,
}

/// The content of an embedded file.
enum Content {
    Plain(Cow<'static, [u8]>),
    /// Compressed when the program was built.
    #[cfg_attr(not(feature = "docs"), expect(dead_code))]
    Gzip(Cow<'static, [u8]>),
}

/// A file that is ready to be sent.
#[derive(Debug)]
pub struct StaticFile {
    /// The `Content-Type`.
    pub media_type: &'static str,
    /// The `Content-Security-Policy`; `None` for the default, since only HTML pages need another one.
    pub security_policy: Option<&'static str>,
    /// The content, compressed with gzip.
    pub gzip: Cow<'static, [u8]>,
    /// The entity tag of the compressed content. The plain content has another tag, since a strong tag
    /// identifies the bytes as sent (RFC 9110, 8.8.3.3).
    pub gzip_etag: ETag,
}

impl StaticFiles {
    /// The files of this build; none is loaded yet. `openapi_json` generates the content of `/openapi.json`.
    pub fn new(openapi_json: fn() -> Result<String, Error>) -> StaticFiles {
        let openapi = Source {
            path: "/openapi.json",
            media_type: "application/json",
            security_policy: None,
            load: Box::new(move || Ok(Content::Plain(openapi_json()?.into_bytes().into()))),
        };
        let sources = std::iter::once(openapi).chain(pages());
        let by_path = |source: Source| (source.path, (source, OnceLock::new()));
        StaticFiles(sources.map(by_path).collect())
    }

    /// Returns the file at a path, loading it if this is the first request for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Internal`].
    pub fn get(&self, path: &str) -> Result<&StaticFile, Error> {
        let (source, cell) = self.0.get(path).ok_or(Error::NotFound)?;
        match cell.get() {
            Some(file) => Ok(file),
            None => {
                let file = StaticFile::load(source)?;
                Ok(cell.get_or_init(|| file))
            }
        }
    }
}

/// The names of the files in a folder, `/docs/` or `/board/`; the OpenAPI document lists them.
pub fn names_in(folder: &str) -> Vec<&'static str> {
    pages()
        .filter_map(|source| source.path.strip_prefix(folder))
        .collect()
}

/// The files of the pages that this build includes: the board, the documentation, both or none.
fn pages() -> impl Iterator<Item = Source> {
    let pages: &[fn() -> Vec<Source>] = &[
        #[cfg(feature = "board")]
        board,
        #[cfg(feature = "docs")]
        docs,
    ];
    pages.iter().flat_map(|sources| sources())
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl StaticFile {
    fn load(source: &Source) -> Result<StaticFile, Error> {
        let gzip = match (source.load)()? {
            Content::Gzip(bytes) => bytes,
            Content::Plain(bytes) => read(GzEncoder::new(&*bytes, Compression::best()))?.into(),
        };
        Ok(StaticFile {
            media_type: source.media_type,
            security_policy: source.security_policy,
            gzip_etag: ETag::of_bytes(&gzip),
            gzip,
        })
    }

    /// Decompresses the content, for the few clients that do not accept gzip.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn decompress(&self) -> Result<Vec<u8>, Error> {
        read(GzDecoder::new(&*self.gzip))
    }
}

fn read(mut from: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let internal = |why: io::Error| Error::Internal(format!("gzip of a static file: {why}"));
    from.read_to_end(&mut bytes).map_err(internal)?;
    Ok(bytes)
}

/// A text file of the folder `web/`.
#[cfg(any(feature = "board", feature = "docs"))]
fn text(path: &'static str, media_type: &'static str, text: &'static str) -> Source {
    Source {
        path,
        media_type,
        security_policy: None,
        load: Box::new(move || Ok(Content::Plain(text.as_bytes().into()))),
    }
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
#[cfg(any(feature = "board", feature = "docs"))]
fn page(path: &'static str, security_policy: &'static str, html: &'static str) -> Source {
    Source {
        security_policy: Some(security_policy),
        ..text(path, "text/html; charset=utf-8", html)
    }
}

#[cfg(any(feature = "board", feature = "docs"))]
const CSS: &str = "text/css; charset=utf-8";
#[cfg(feature = "board")]
const SVG: &str = "image/svg+xml";
#[cfg(any(feature = "board", feature = "docs"))]
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The task board. A new file in `web/board/` needs a line here.
#[cfg(feature = "board")]
fn board() -> Vec<Source> {
    vec![
        page(
            "/",
            content_security_policy::BOARD,
            include_str!("../../web/board/index.html"),
        ),
        web!("board/style.css", CSS),
        web!("board/icon.svg", SVG),
        web!("board/account-dialog.js", JAVASCRIPT),
        web!("board/account-names.js", JAVASCRIPT),
        web!("board/api.js", JAVASCRIPT),
        web!("board/app-error.js", JAVASCRIPT),
        web!("board/board.js", JAVASCRIPT),
        web!("board/dom.js", JAVASCRIPT),
        web!("board/drag-and-drop.js", JAVASCRIPT),
        web!("board/infinite-list.js", JAVASCRIPT),
        web!("board/main.js", JAVASCRIPT),
        web!("board/notifications.js", JAVASCRIPT),
        web!("board/people.js", JAVASCRIPT),
        web!("board/sign-in.js", JAVASCRIPT),
        web!("board/task-dialog.js", JAVASCRIPT),
        web!("board/task.js", JAVASCRIPT),
        web!("board/time.js", JAVASCRIPT),
    ]
}

/// The documentation page. It embeds Swagger UI, whose files come from the crate `utoipa-swagger-ui`.
#[cfg(feature = "docs")]
fn docs() -> Vec<Source> {
    vec![
        page(
            "/docs",
            content_security_policy::DOCS,
            include_str!("../../web/docs/index.html"),
        ),
        web!("docs/main.js", JAVASCRIPT),
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
fn swagger_ui(path: &'static str, media_type: &'static str, name: &'static str) -> Source {
    let load = move || match utoipa_swagger_ui::serve(name, Default::default()) {
        Ok(Some(file)) if file.gzpipped => Ok(Content::Gzip(file.bytes)),
        Ok(Some(file)) => Ok(Content::Plain(file.bytes)),
        _ => Err(Error::Internal(format!("Swagger UI has no {name}"))),
    };
    Source {
        path,
        media_type,
        security_policy: None,
        load: Box::new(load),
    }
}
