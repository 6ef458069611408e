//! The documentation stays in step with the code: every link, path, name and quoted line leads to something
//! that exists.
//!
//! The pages use these notations, which the tests read:
//!
//! - `src/error.rs` in backticks: this file exists, in the repository or in `src/`.
//! - `src/error.rs`: `Error`, `FieldErrors` (or `Error` in `src/error.rs`): the file defines these names.
//! - A row of the glossary: a file of the last column defines the names of the first column.
//! - A block of Rust, SQL or diff: the lines are in the file that the text before the block names last. A line
//!   `// ...` stands for lines that are left out. A diff may be applied already, by a reader who follows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use task_api::router::{Access, ROUTES};

/// The first part of every path in the repository that a page may name.
const FOLDERS: [&str; 10] = [
    ".cargo",
    "bench",
    "docs",
    "examples",
    "fuzz",
    "packaging",
    "postman",
    "src",
    "tests",
    "web",
];

/// A name with one of these endings is a path, also without a folder.
const ENDINGS: [&str; 4] = [".rs", ".sql", ".md", ".toml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The paths of all Markdown pages: those at the root and those in `docs/`.
fn pages() -> Vec<String> {
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let pages = names.filter(|name| name.ends_with(".md"));
        pages.map(|name| format!("{folder}{name}")).collect()
    };
    let mut pages: Vec<String> = in_folder("");
    pages.extend::<Vec<String>>(in_folder("docs/"));
    pages.sort();
    pages
}

/// The doc comment at the beginning of `src/lib.rs`, as Markdown.
fn landing_page() -> String {
    let source = read("src/lib.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

// ---- Markdown -----------------------------------------------------------------------------------

/// A fenced block.
struct Block {
    language: String,
    lines: Vec<String>,
    /// All text before the block, without the blocks in it.
    before: String,
}

/// Takes a page apart: the text without the fenced blocks, and the blocks.
fn parse(page: &str) -> (String, Vec<Block>) {
    let (mut text, mut blocks, mut open) = (String::new(), Vec::new(), None::<Block>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    lines: Vec::new(),
                    before: text.clone(),
                });
            }
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) => text = text + line + "\n",
        }
    }
    assert!(open.is_none(), "a block has no end");
    (text, blocks)
}

/// A piece of text, and the code span that follows it.
fn spans(text: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = text.split('`').collect();
    let pairs = parts.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].replace('\n', " ")))
        .collect()
}

/// The targets of the links in a text.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    targets.filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let (text, _) = parse(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            words
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

/// The cells of a table's row.
fn cells(row: &str) -> Option<Vec<&str>> {
    let row = row.strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(str::trim).collect())
}

// ---- the repository -----------------------------------------------------------------------------

/// Whether a code span is a path in the repository.
fn is_path(span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let in_folder = span
        .split_once('/')
        .is_some_and(|(folder, _)| FOLDERS.contains(&folder));
    span.chars().all(is_plain) && (in_folder || ENDINGS.iter().any(|end| span.ends_with(end)))
}

/// Whether a code span is a path of a file whose definitions can be named.
fn is_file(span: &str) -> bool {
    is_path(span) && (span.ends_with(".rs") || span.ends_with(".sql"))
}

/// Where a path leads to: from the root, or from `src/`.
fn find(path: &str) -> Option<PathBuf> {
    [root().join(path), root().join("src").join(path)]
        .into_iter()
        .find(|path| path.exists())
}

/// The text of a file, or of all files in a folder.
fn text_of(path: &Path) -> String {
    if !path.is_dir() {
        return fs::read_to_string(path).unwrap_or_default();
    }
    let entries = fs::read_dir(path).unwrap();
    entries
        .map(|entry| text_of(&entry.unwrap().path()))
        .collect()
}

/// Whether a source defines a function, type, constant, module or enum variant. For `Type::name` it also has
/// to define or implement the type.
fn defines(source: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 8] = [
        "fn", "struct", "enum", "trait", "type", "const", "static", "mod",
    ];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let has = |keyword: &str, name: &str| {
        let definition = format!("{keyword} {name}");
        source.match_indices(&definition).any(|(at, found)| {
            !source[..at].ends_with(is_word) && !source[at + found.len()..].starts_with(is_word)
        })
    };
    let is_variant = |name: &str| {
        name.starts_with(char::is_uppercase)
            && source.lines().any(|line| {
                let rest = line.trim_start().strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['(', ',']) || rest.starts_with(" {"))
            })
    };
    let is_item = |name: &str| KEYWORDS.iter().any(|keyword| has(keyword, name));
    let (types, name) = name.rsplit_once("::").unwrap_or(("", name));
    let mut types = types.split("::").filter(|name| !name.is_empty());
    types.all(|name| is_item(name) || has("impl", name)) && (is_item(name) || is_variant(name))
}

/// Whether a file defines a name. A file that is not Rust has to contain it.
fn file_defines(path: &str, name: &str) -> bool {
    let source = find(path).map(|path| text_of(&path)).unwrap_or_default();
    match path.ends_with(".rs") {
        true => defines(&source, name),
        false => source.contains(name),
    }
}

/// A path and a name that the file should define, for each such statement in a text.
fn attributions(text: &str) -> Vec<(String, String)> {
    let spans = spans(text);
    let mut found = Vec::new();
    let mut file: Option<&str> = None;
    for (at, (before, span)) in spans.iter().enumerate() {
        let before = before.split_whitespace().collect::<Vec<_>>().join(" ");
        let previous = at.checked_sub(1).map(|previous| spans[previous].1.as_str());
        match (previous, before.as_str()) {
            (Some(path), ":") if is_file(path) => file = Some(path),
            (_, "," | "and" | ", and") if !is_path(span) => {}
            _ => file = None,
        }
        match (file, previous) {
            (Some(path), _) => found.push((path.to_owned(), span.clone())),
            (None, Some(name)) if before == "in" && is_file(span) => {
                found.push((span.clone(), name.to_owned()));
            }
            _ => {}
        }
    }
    found
}

/// The lines of a quotation that have to be in the file, in parts that each are consecutive there. Of a diff
/// these are the lines with `mark`, `-` or `+`, and those without a mark.
fn quoted_parts(block: &Block, mark: char) -> Vec<Vec<&str>> {
    let lines = block
        .lines
        .iter()
        .filter_map(|line| match &*block.language {
            "diff" => line.strip_prefix([' ', mark]),
            _ => Some(line),
        });
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    let parts = lines.split(|line| *line == "// ...");
    parts
        .map(<[&str]>::to_vec)
        .filter(|part| !part.is_empty())
        .collect()
}

/// The first line of a quotation that is not in the source where it should be.
fn misquoted(source: &str, parts: &[Vec<&str>]) -> Option<String> {
    let lines: Vec<&str> = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut rest = &lines[..];
    for part in parts {
        match rest
            .windows(part.len())
            .position(|window| window == &part[..])
        {
            Some(at) => rest = &rest[at + part.len()..],
            None => {
                let missing = part.iter().find(|line| !lines.contains(line));
                let out_of_place = || format!("{} (is in the file, but not here)", part[0]);
                return Some(missing.map_or_else(out_of_place, |line| (*line).to_owned()));
            }
        }
    }
    None
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

// ---- the tests ----------------------------------------------------------------------------------

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages() {
        let (text, _) = parse(&read(&page));
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => root().join(&page),
                path => root().join(&page).parent().unwrap().join(path),
            };
            let has_anchor = || anchors(&text_of(&file)).contains(anchor);
            if !file.exists() || !(anchor.is_empty() || has_anchor()) {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", &broken);
    assert!(count > 100, "{count}");
}

#[test]
fn every_path_in_backticks_exists() {
    let (mut missing, mut count) = (Vec::new(), 0);
    let mut texts: Vec<_> = pages()
        .into_iter()
        .map(|page| (read(&page), page))
        .collect();
    texts.push((landing_page(), "src/lib.rs".to_owned()));
    for (text, page) in texts {
        for (_, path) in spans(&parse(&text).0) {
            if is_path(&path) {
                count += 1;
                if find(&path).is_none() {
                    missing.push(format!("{page}: {path}"));
                }
            }
        }
    }
    assert_none("paths that do not exist", &missing);
    assert!(count > 100, "{count}");
}

#[test]
fn every_file_defines_the_names_that_a_page_says() {
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in pages() {
        for (path, name) in attributions(&parse(&read(&page)).0) {
            count += 1;
            if !file_defines(&path, &name) {
                missing.push(format!("{page}: {path}: {name}"));
            }
        }
    }
    assert_none("names that the file does not define", &missing);
    assert!(count > 30, "{count}");
}

#[test]
fn every_row_of_the_glossary_names_code_that_its_files_define() {
    let (mut missing, mut count) = (Vec::new(), 0);
    let page = read("docs/glossary.md");
    for row in page.lines().filter_map(cells) {
        let names: Vec<_> = spans(row[0]).into_iter().map(|(_, name)| name).collect();
        let paths: Vec<_> = spans(row[row.len() - 1])
            .into_iter()
            .map(|(_, path)| path)
            .filter(|path| is_path(path))
            .collect();
        if row[0].starts_with("---") || row[0] == "name" {
            continue;
        }
        count += 1;
        if names.is_empty() || paths.is_empty() {
            missing.push(format!("{}: no name or no file", row[0]));
        }
        for name in names {
            if !paths.iter().any(|path| file_defines(path, &name)) {
                missing.push(format!("{name}: not in {}", paths.join(", ")));
            }
        }
    }
    assert_none("names in the glossary that no file defines", &missing);
    assert!(count > 35, "{count}");
}

#[test]
fn every_quoted_line_is_in_its_file() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in ["docs/tour.md", "docs/add-an-endpoint.md"] {
        for block in parse(&read(page)).1 {
            let quotes = match page {
                "docs/tour.md" => ["rust", "sql"].contains(&&*block.language),
                _ => block.language == "diff",
            };
            if !quotes {
                continue;
            }
            count += 1;
            let named = spans(&block.before);
            let file = named.iter().rev().find(|(_, span)| is_path(span));
            let (_, path) = file.unwrap_or_else(|| panic!("{page}: a block before any file"));
            let source = find(path).map(|path| text_of(&path)).unwrap_or_default();
            // A reader who follows the steps has the file as it is after the diff.
            let is_applied = misquoted(&source, &quoted_parts(&block, '+')).is_none();
            match misquoted(&source, &quoted_parts(&block, '-')) {
                Some(line) if !is_applied => wrong.push(format!("{page}: {path}: {line}")),
                _ => {}
            }
        }
    }
    assert_none("lines that are not in the file", &wrong);
    assert!(count > 15, "{count}");
}

/// What stands before a parenthesis in the tutorial's code and is not defined here: functions of the standard
/// library, and `pub(super)`.
const FOREIGN: [&str; 14] = [
    "Ok",
    "collect",
    "contains",
    "into",
    "into_iter",
    "join",
    "map",
    "next",
    "ok",
    "parse",
    "pub",
    "starts_with",
    "to_owned",
    "unwrap",
];

#[test]
fn the_code_of_the_tutorial_calls_functions_that_exist() {
    let code = text_of(&root().join("src")) + &text_of(&root().join("tests/it"));
    let blocks = parse(&read("docs/add-an-endpoint.md")).1.into_iter();
    let added: String = blocks
        .filter(|block| block.language == "diff")
        .flat_map(|block| block.lines)
        .filter_map(|line| Some(line.strip_prefix('+')?.to_owned() + "\n"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let (mut missing, mut count) = (Vec::new(), 0);
    for before in added.split('(') {
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        let start = before.rfind(|c: char| !is_path(c)).map_or(0, |at| at + 1);
        for name in before[start..].split("::").filter(|name| !name.is_empty()) {
            count += 1;
            let is_known = FOREIGN.contains(&name) || is_crate(name);
            if !is_known && !defines(&code, name) && !defines(&added, name) {
                missing.push(before[start..].to_owned());
            }
        }
    }
    assert_none("functions that do not exist", &missing);
    assert!(count > 40, "{count}");
}

fn is_crate(name: &str) -> bool {
    read("Cargo.toml").contains(&format!("\n{name} = "))
}

#[test]
fn the_landing_page_lists_every_folder_and_names_code_that_exists() {
    let page = landing_page();
    let first_cells = page.lines().filter_map(cells).map(|row| row[0]);
    let listed: BTreeSet<_> = first_cells
        .filter_map(|cell| cell.strip_prefix("[`")?.strip_suffix("`]"))
        .collect();
    let source = read("src/lib.rs");
    let declared: BTreeSet<_> = source
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    assert_eq!(listed, declared);

    // Links to code: [`router::ROUTES`], or [`Error::Internal`](error::Error).
    let plain = page.split("[`").skip(1).filter_map(|rest| {
        let (path, rest) = rest.split_once("`]")?;
        (!rest.starts_with('(')).then_some(path)
    });
    let named = links(&page);
    let missing: Vec<_> = plain
        .chain(named)
        .filter(|path| !is_code(path))
        .map(str::to_owned)
        .collect();
    assert_none("links to code that does not exist", &missing);
}

#[test]
fn imports_go_down_the_table_of_the_landing_page() {
    let page = landing_page();
    let rows = page.lines().filter_map(cells).map(|row| row[0].to_owned());
    let modules: Vec<String> = rows
        .filter_map(|cell| Some(cell.strip_prefix("[`")?.strip_suffix("`]")?.to_owned()))
        .collect();
    let (mut upward, mut count) = (Vec::new(), 0);
    for (at, module) in modules.iter().enumerate() {
        let folder = root().join("src").join(module);
        let source = text_of(&folder) + &text_of(&folder.with_extension("rs"));
        let code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for path in line.split("crate::").skip(1) {
                let used = path.split("::").next().unwrap_or_default();
                count += 1;
                if modules[..at].iter().any(|above| above == used) {
                    upward.push(format!("{module} uses {used}: {}", line.trim()));
                }
            }
        }
    }
    assert_none("imports that go up", &upward);
    assert!(count > 200, "{count}");
}

#[test]
fn a_mod_rs_only_declares_modules_and_re_exports() {
    let mut folders = vec![root().join("src")];
    let (mut files, mut found) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap();
        folders.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_dir()),
        );
        let Ok(source) = fs::read_to_string(folder.join("mod.rs")) else {
            continue;
        };
        files += 1;
        let definition = |line: &&str| {
            let line = line.trim_start_matches("pub").trim_start_matches("(crate)");
            let first = line.split_whitespace().next().unwrap_or_default();
            matches!(
                first,
                "fn" | "struct" | "enum" | "trait" | "impl" | "const" | "static" | "type"
            )
        };
        let lines = source.lines().filter(definition);
        found.extend(lines.map(|line| format!("{}: {line}", folder.display())));
    }
    assert_none("definitions in a mod.rs", &found);
    assert!(files > 10, "{files}");
}

/// Whether `handlers::tasks::update` is code: a module, or what a module defines.
fn is_code(path: &str) -> bool {
    let mut place = root().join("src");
    let mut segments = path.split("::").peekable();
    while let Some(segment) = segments.peek() {
        let (folder, file) = (place.join(segment), place.join(format!("{segment}.rs")));
        match (folder.is_dir(), file.is_file()) {
            (true, _) => place = folder,
            (_, true) => place = file,
            _ => break,
        }
        segments.next();
    }
    let source = text_of(&place);
    segments.all(|name| defines(&source, name))
}

#[test]
fn the_routes_in_docs_api_md_are_those_of_the_router() {
    let page = read("docs/api.md");
    let mut documented = BTreeSet::new();
    for row in page.lines().filter_map(cells).filter(|row| row.len() == 3) {
        let methods = ["GET", "POST", "PATCH", "DELETE"];
        for line in row[0].split(", ") {
            let method = line.split(' ').next().unwrap_or_default();
            if methods.contains(&method) {
                documented.insert((line.to_owned(), row[1].to_owned()));
            }
        }
    }
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| {
            let access = match route.access {
                Access::Anyone(_) if route.path == "/metrics" => "this machine, or `METRICS_TOKEN`",
                Access::Anyone(_) | Access::SignIn(_) => "public",
                Access::Refresh(_) => "refresh token, or cookie",
                Access::SignedInOnly(_) => "signed in",
                Access::InSessionOnly(_) => "in session",
                Access::SignOut(_) => "in session, or cookie",
                Access::ApprovedOnly(_) => "approved",
                Access::ManagerOrAdmin(_) => "manager, admin",
                Access::AdminOnly(_) => "admin",
                Access::AdminInSessionOnly(_) => "admin, in session",
            };
            (
                format!("{} {}", route.method, route.path),
                access.to_owned(),
            )
        })
        .collect();
    let undocumented: Vec<_> = routes.difference(&documented).collect();
    assert!(
        undocumented.is_empty(),
        "not in docs/api.md: {undocumented:?}"
    );
    // A binary without the pages has fewer routes.
    if cfg!(all(feature = "board", feature = "docs")) {
        let unknown: Vec<_> = documented.difference(&routes).collect();
        assert!(unknown.is_empty(), "only in docs/api.md: {unknown:?}");
    }
}

/// An alert of `packaging/prometheus-rules.yml`.
struct Alert {
    name: String,
    expression: String,
    runbook: String,
}

fn alerts() -> Vec<Alert> {
    let rules = read("packaging/prometheus-rules.yml");
    let alerts = rules.split("- alert: ").skip(1);
    alerts
        .map(|rule| {
            let (_, rest) = rule.split_once("expr: ").unwrap();
            let (expression, _) = rest.split_once("labels: ").unwrap();
            let (_, runbook) = rule.split_once("runbook: ").unwrap();
            let first_line = |text: &str| text.lines().next().unwrap().to_owned();
            Alert {
                name: first_line(rule),
                expression: expression.to_owned(),
                runbook: first_line(runbook),
            }
        })
        .collect()
}

/// The metrics in an expression of Prometheus: the names with an underscore outside of label matchers. That of a bucket
/// belongs to a histogram.
fn metrics_of(expression: &str) -> BTreeSet<&str> {
    const FUNCTIONS: [&str; 2] = ["histogram_quantile", "predict_linear"];
    let parts = expression.split('{').enumerate();
    let outside = parts.map(|(at, part)| match at {
        0 => part,
        _ => part.split_once('}').unwrap().1,
    });
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    outside
        .flat_map(|part| part.split(move |c| !is_name(c)))
        .filter(|word| word.contains('_') && !FUNCTIONS.contains(word))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect()
}

#[test]
fn every_alert_uses_metrics_of_the_table_and_links_to_its_section() {
    let page = read("docs/operations.md");
    let first_cells = page.lines().filter_map(cells).map(|row| row[0]);
    let documented: BTreeSet<_> = first_cells.flat_map(spans).map(|(_, name)| name).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for alert in alerts() {
        for metric in metrics_of(&alert.expression) {
            count += 1;
            if !documented.contains(metric) {
                wrong.push(format!("{}: {metric} is not in the table", alert.name));
            }
        }
        if alert.runbook != format!("docs/operations.md#{}", alert.name.to_lowercase()) {
            wrong.push(format!("{}: links to {}", alert.name, alert.runbook));
        }
    }
    assert_none("alerts", &wrong);
    assert!(count > 10, "{count}");
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let page = read("docs/operations.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<_> = headings
        .filter(|name| name.starts_with("TaskApi"))
        .collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| &*alert.name).collect();
    assert_eq!(sections, names);
    assert_eq!(names.len(), alerts.len());
}
