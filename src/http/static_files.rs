//! Files that browsers load: the task board, the documentation page, and the description of the API. They
//! are parts of the binary, kept compressed, and made ready when they are first asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

use super::etag::ETag;
use crate::error::Error;

/// Every file, by its path.
pub struct StaticFiles(BTreeMap<&'static str, (File, OnceLock<StaticFile>)>);

/// Where a file comes from.
struct File {
    path: &'static str,
    media_type: &'static str,
    policy: Option<&'static str>,
    load: Box<dyn Fn() -> Result<Content, Error> + Send + Sync>,
}

/// What a file holds.
enum Content {
    Plain(Cow<'static, [u8]>),
    /// Compressed when the program was built.
    #[cfg_attr(not(feature = "docs"), expect(dead_code))]
    Gzip(Cow<'static, [u8]>),
}

/// A file that is ready to be sent.
#[derive(Debug)]
pub struct StaticFile {
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its `Content-Security-Policy`, if it is a page.
    pub policy: Option<&'static str>,
    /// Its content, compressed by gzip.
    pub gzip: Cow<'static, [u8]>,
    /// The version of the compressed content.
    pub gzip_etag: ETag,
}

impl StaticFiles {
    /// The files of this build. `description` makes the text of `/openapi.json`.
    pub fn new(description: fn() -> Result<String, Error>) -> StaticFiles {
        let described = File {
            path: "/openapi.json",
            media_type: "application/json",
            policy: None,
            load: Box::new(move || Ok(Content::Plain(description()?.into_bytes().into()))),
        };
        let files = std::iter::once(described).chain(pages());
        let by_path = |file: File| (file.path, (file, OnceLock::new()));
        StaticFiles(files.map(by_path).collect())
    }

    /// The file of this path.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Internal`].
    pub fn get(&self, path: &str) -> Result<&StaticFile, Error> {
        let (file, ready) = self.0.get(path).ok_or(Error::NotFound)?;
        match ready.get() {
            Some(asset) => Ok(asset),
            None => {
                let asset = StaticFile::of(file)?;
                Ok(ready.get_or_init(|| asset))
            }
        }
    }
}

/// The names of the files in this folder, `/docs/` or `/board/`.
pub fn names_in(folder: &str) -> Vec<&'static str> {
    pages()
        .filter_map(|file| file.path.strip_prefix(folder))
        .collect()
}

/// The files of the pages that this build has.
fn pages() -> impl Iterator<Item = File> {
    let pages: &[fn() -> Vec<File>] = &[
        #[cfg(feature = "board")]
        board,
        #[cfg(feature = "docs")]
        docs,
    ];
    pages.iter().flat_map(|files| files())
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl StaticFile {
    fn of(file: &File) -> Result<StaticFile, Error> {
        let gzip = match (file.load)()? {
            Content::Gzip(bytes) => bytes,
            Content::Plain(bytes) => read(GzEncoder::new(&*bytes, Compression::best()))?.into(),
        };
        Ok(StaticFile {
            media_type: file.media_type,
            policy: file.policy,
            gzip_etag: ETag::of_bytes(&gzip),
            gzip,
        })
    }

    /// The content as it is, for the few that cannot decompress it.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn decompress(&self) -> Result<Vec<u8>, Error> {
        read(GzDecoder::new(&*self.gzip))
    }
}

fn read(mut from: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let internal = |why: io::Error| Error::Internal(format!("a file of the pages: {why}"));
    from.read_to_end(&mut bytes).map_err(internal)?;
    Ok(bytes)
}

/// A script or a style sheet of the folder `web/`.
#[cfg(any(feature = "board", feature = "docs"))]
fn text(path: &'static str, media_type: &'static str, text: &'static str) -> File {
    File {
        path,
        media_type,
        policy: None,
        load: Box::new(move || Ok(Content::Plain(text.as_bytes().into()))),
    }
}

/// The same, by its path in `web/`, which is its path for browsers too.
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

/// A page of the folder `web/`.
#[cfg(any(feature = "board", feature = "docs"))]
fn page(path: &'static str, policy: &'static str, html: &'static str) -> File {
    File {
        policy: Some(policy),
        ..text(path, "text/html; charset=utf-8", html)
    }
}

#[cfg(any(feature = "board", feature = "docs"))]
const CSS: &str = "text/css; charset=utf-8";
#[cfg(feature = "board")]
const SVG: &str = "image/svg+xml";
#[cfg(any(feature = "board", feature = "docs"))]
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The task board. A file that is added to `web/board/` is added here.
#[cfg(feature = "board")]
fn board() -> Vec<File> {
    /// Nothing but files and API of this server, no script in the page itself, and no text that becomes HTML
    /// (Trusted Types).
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
        connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
        require-trusted-types-for 'script'; trusted-types 'none'";
    vec![
        page("/", POLICY, include_str!("../../web/board/index.html")),
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

/// The documentation: a page of ours around Swagger UI, whose files come with its crate.
#[cfg(feature = "docs")]
fn docs() -> Vec<File> {
    /// Swagger UI's style sheet brings its icons along as `data:`.
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
        img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'";
    vec![
        page("/docs", POLICY, include_str!("../../web/docs/index.html")),
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
fn swagger_ui(path: &'static str, media_type: &'static str, name: &'static str) -> File {
    let load = move || match utoipa_swagger_ui::serve(name, Default::default()) {
        Ok(Some(file)) if file.gzpipped => Ok(Content::Gzip(file.bytes)),
        Ok(Some(file)) => Ok(Content::Plain(file.bytes)),
        _ => Err(Error::Internal(format!("Swagger UI has no {name}"))),
    };
    File {
        path,
        media_type,
        policy: None,
        load: Box::new(load),
    }
}
