//! `docs/compose.postgres.yaml` and its nginx configuration use what exists: settings, files, secrets and addresses.

use std::collections::BTreeSet;
use std::path::Path;

use task_api::config::postgres::PostgresUrl;

use crate::support::program::WorkDir;

const COMPOSE: &str = include_str!("../../../docs/compose.postgres.yaml");
const NGINX: &str = include_str!("../../../docs/compose.postgres.nginx.conf");

/// The lines of the mapping under this key, which stands alone on its line.
fn mapping<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim() != format!("{key}:"));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outer = indent(lines.next().unwrap_or_else(|| panic!("no {key}")));
    let inner = lines.take_while(|line| indent(line) > outer);
    inner
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect()
}

/// The key and the value of each line, without a comment and quotation marks.
fn pairs<'a>(lines: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pair = |line: &'a str| {
        let line = line.split("  #").next().unwrap_or_default().trim();
        let (key, value) = line.split_once(':')?;
        Some((key, value.trim().trim_matches('"')))
    };
    lines.iter().filter_map(|line| pair(line)).collect()
}

/// The settings of the two servers.
fn environment() -> Vec<(&'static str, &'static str)> {
    let (servers, _) = COMPOSE.split_once("\nservices:").unwrap();
    pairs(&mapping(servers, "environment"))
}

#[test]
fn every_setting_of_the_servers_exists() {
    let help = WorkDir::new().run(&["serve", "--help"]).out;
    let (environment, mut urls) = (environment(), 0);
    assert!(environment.len() > 5, "{environment:?}");
    for (name, value) in environment {
        assert!(help.contains(&format!("[env: {name}]")), "{name}");
        if name == "DATABASE_URL" {
            value.parse::<PostgresUrl>().unwrap();
            urls += 1;
        }
    }
    assert_eq!(urls, 1);
}

#[test]
fn every_mounted_file_exists_and_every_secret_is_declared() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mounts = COMPOSE
        .split("\"./")
        .skip(1)
        .map(|rest| rest.split(':').next().unwrap());
    let mounts: Vec<_> = mounts.collect();
    assert_eq!(mounts, ["compose.postgres.nginx.conf"]);
    assert!(mounts.iter().all(|mount| docs.join(mount).is_file()));
    let used: BTreeSet<_> = COMPOSE
        .split("/run/secrets/")
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| c != '_' && !c.is_ascii_lowercase())
                .next()
        })
        .collect();
    let declared = mapping(COMPOSE.split_once("\nvolumes:").unwrap().1, "secrets");
    let declared: BTreeSet<_> = pairs(&declared).into_iter().map(|(name, _)| name).collect();
    assert_eq!(used, declared);
    let lists = COMPOSE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("secrets: ["));
    let names: BTreeSet<_> = lines_of(lists).collect();
    assert_eq!(names, declared);
    // Those that docs/postgres.md says how to make.
    let page = include_str!("../../../docs/postgres.md");
    for name in declared {
        assert!(page.contains(name), "{name}");
    }
}

fn lines_of<'a>(lists: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    lists.flat_map(|list| list.trim_end_matches(']').split(',').map(str::trim))
}

#[test]
fn nginx_knows_the_servers_and_the_servers_know_nginx() {
    let address = |name: &str| {
        let (_, rest) = COMPOSE.split_once(&format!("\n  {name}:\n")).unwrap();
        let (_, rest) = rest.split_once("ipv4_address: ").unwrap();
        rest.split('}').next().unwrap()
    };
    for name in ["task-api-1", "task-api-2"] {
        let line = format!("server {}:5000 max_fails=0;", address(name));
        assert!(NGINX.contains(&line), "{line}");
    }
    assert!(environment().contains(&("TRUSTED_PROXIES", address("nginx"))));
    assert!(COMPOSE.contains("8080:8080") && NGINX.contains("listen 8080;"));
}
