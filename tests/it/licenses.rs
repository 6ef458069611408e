//! `task-api licenses`, and that the notices it prints are of the crates in the lock file.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::program::{WorkDir, run_command};

const LOCK: &str = include_str!("../../Cargo.lock");
const CRATES: &str = include_str!("../../licenses/crates.txt");
const SWAGGER_UI: &str = include_str!("../../licenses/swagger-ui.txt");

/// `name version` of every package in the lock file.
fn locked() -> BTreeSet<String> {
    let lines: Vec<_> = LOCK.lines().collect();
    let value = |line: &str, key| {
        let value = line.strip_prefix(key)?;
        Some(value.trim_matches('"').to_owned())
    };
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = value(pair[0], "name = ")?;
            let version = value(pair[1], "version = ")?;
            Some(format!("{name} {version}"))
        })
        .collect()
}

/// `name version` of every crate in the notices: the list above the first text.
fn noticed() -> BTreeSet<String> {
    let list = CRATES.lines().take_while(|line| !line.is_empty());
    list.map(|line| line.split_once(": ").unwrap().0.to_owned())
        .collect()
}

/// `name version` of every crate that this system's binary is compiled from, as cargo says.
fn compiled() -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--all-features",
            "--edges",
            "normal",
        ])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.status.success(), "{:?}", tree.stderr);
    // Such as "serde_derive v1.0.229 (proc-macro)".
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let version = words.next().unwrap().strip_prefix('v').unwrap();
            format!("{name} {version}")
        })
        .filter(|package| !package.starts_with("task-api "))
        .collect()
}

#[test]
fn the_notices_are_of_the_crates_in_the_lock_file() {
    let (locked, noticed, compiled) = (locked(), noticed(), compiled());
    assert!(noticed.len() >= compiled.len() && compiled.len() > 100);
    let missing: Vec<_> = compiled.difference(&noticed).collect();
    assert!(missing.is_empty(), "run licenses/renew: no {missing:?}");
    let outdated: Vec<_> = noticed.difference(&locked).collect();
    assert!(outdated.is_empty(), "run licenses/renew: {outdated:?}");
}

#[test]
fn the_notices_of_swagger_ui_are_of_the_crate_that_carries_it() {
    let first = SWAGGER_UI.lines().next().unwrap();
    let carried = locked()
        .into_iter()
        .find(|package| package.starts_with("utoipa-swagger-ui-vendored "))
        .unwrap();
    assert!(
        first.starts_with(&format!("The crate {carried} carries ")),
        "run licenses/swagger-ui.py for {carried}: {first}"
    );
}

#[test]
fn licenses_prints_every_notice_without_a_database_or_a_setting() {
    let work_dir = WorkDir::new();
    let printed = run_command(
        work_dir
            .command(&["licenses"])
            .env("DATABASE_URL", "nonsense")
            .env("PORT", "nonsense"),
    );
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    let mut parts = vec![
        include_str!("../../LICENSE-MIT"),
        include_str!("../../LICENSE-APACHE"),
        CRATES,
        include_str!("../../licenses/other-software.txt"),
        "The author disclaims copyright to this source code.",
        "Copyright (c) Django Software Foundation",
        "GNU LESSER GENERAL PUBLIC LICENSE",
    ];
    if cfg!(feature = "docs") {
        parts.extend([SWAGGER_UI, "Copyright 2020-2021 SmartBear Software Inc."]);
    }
    for part in parts {
        let part = part.trim_end();
        assert!(printed.out.contains(part), "no {part}");
    }
    assert_eq!(fs::read_dir(work_dir.0.path()).unwrap().count(), 0);
}

#[test]
fn licenses_stops_without_an_error_when_its_reader_does() {
    let work_dir = WorkDir::new();
    let mut program = work_dir
        .command(&["licenses"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As `| head` does: the rest is more than a pipe holds.
    let mut beginning = [0; 100];
    let mut out = program.stdout.take().unwrap();
    out.read_exact(&mut beginning).unwrap();
    drop(out);
    let ended = program.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}

#[test]
fn licenses_explains_itself() {
    let work_dir = WorkDir::new();
    let all = work_dir.run(&["--help"]);
    assert!(all.out.contains("licenses"), "{}", all.out);
    let help = work_dir.run(&["licenses", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for text in ["Swagger UI", "no database"] {
        assert!(help.out.contains(text), "no {text}: {}", help.out);
    }
    let long = help.out.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None);
}
