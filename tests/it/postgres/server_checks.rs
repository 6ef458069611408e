//! What is checked of a server and its database before they are used.

use task_api::config::postgres::PostgresUrl;
use task_api::store::postgres::connect;
use task_api::store::postgres::server_checks::check_server;

use super::cluster::{Cluster, PASSWORD};

/// A new database of this cluster, made after these statements in it.
fn database(cluster: &Cluster, name: &str, options: &str, statements: &str) {
    let mut admin = cluster.admin("postgres");
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0 {options}");
    admin.batch_execute(&sql).unwrap();
    cluster.admin(name).batch_execute(statements).unwrap();
}

fn check(cluster: &Cluster, role: &str, database: &str, parameters: &str) -> Result<(), String> {
    let url = format!(
        "postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}?{parameters}",
        cluster.port
    );
    let url: PostgresUrl = url.parse().unwrap();
    check_server(&mut connect(&url)?)
}

#[test]
fn a_database_in_utf8_whose_role_may_create_tables_is_used() {
    let cluster = Cluster::with_tls();
    database(cluster, "owned", "OWNER poor", "");
    assert_eq!(check(cluster, "poor", "owned", ""), Ok(()));
    assert_eq!(check(cluster, "postgres", "owned", ""), Ok(()));
}

#[test]
fn a_role_without_rights_is_told_which_it_needs() {
    let cluster = Cluster::with_tls();
    database(cluster, "poor_rights", "", "");
    assert_eq!(
        check(cluster, "poor", "poor_rights", ""),
        Err(
            "the role \"poor\" may not create tables in the schema \"public\": GRANT CREATE ON SCHEMA \
             \"public\" TO \"poor\""
                .to_owned()
        )
    );
    let mut admin = cluster.admin("poor_rights");
    let tables = "CREATE TABLE task (id serial); CREATE TABLE \"user\" (id serial)";
    admin.batch_execute(tables).unwrap();
    assert_eq!(
        check(cluster, "poor", "poor_rights", ""),
        Err(
            "the role \"poor\" may not use the tables in the schema \"public\": GRANT SELECT, INSERT, \
             UPDATE, DELETE ON ALL TABLES IN SCHEMA \"public\" TO \"poor\""
                .to_owned()
        )
    );
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO poor";
    admin.batch_execute(grant).unwrap();
    assert_eq!(
        check(cluster, "poor", "poor_rights", ""),
        Err(
            "the role \"poor\" may not use the sequences in the schema \"public\": GRANT USAGE, UPDATE ON ALL \
             SEQUENCES IN SCHEMA \"public\" TO \"poor\""
                .to_owned()
        )
    );
    let grant = "GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public TO poor";
    admin.batch_execute(grant).unwrap();
    assert_eq!(check(cluster, "poor", "poor_rights", ""), Ok(()));
    for table in ["audit", "schema_version"] {
        let tables = format!("CREATE TABLE {table} (id serial); GRANT SELECT ON {table} TO poor");
        admin.batch_execute(&tables).unwrap();
        let why = check(cluster, "poor", "poor_rights", "").unwrap_err();
        assert!(why.contains("may not use the tables"), "{table}: {why}");
        admin
            .batch_execute(&format!("GRANT ALL ON {table} TO poor"))
            .unwrap();
        assert_eq!(check(cluster, "poor", "poor_rights", ""), Ok(()));
    }
}

#[test]
fn tables_in_another_schema_than_new_ones_would_be_in_are_refused() {
    let cluster = Cluster::with_tls();
    let tables =
        "CREATE TABLE task (id serial); CREATE TABLE \"user\" (id serial); CREATE SCHEMA app";
    database(cluster, "two_schemas", "", tables);
    let both = "options=-csearch_path%3Dapp,public";
    assert_eq!(
        check(cluster, "postgres", "two_schemas", both),
        Err(
            "search_path leads to tables in the schema \"public\", and new tables would be in \"app\": name one \
             schema, for example options=-csearch_path%3Dpublic"
                .to_owned()
        )
    );
    let mut admin = cluster.admin("two_schemas");
    let odd = "My x&y% é\\";
    let schema = format!(
        "CREATE SCHEMA \"{odd}\"; ALTER TABLE task SET SCHEMA \"{odd}\"; DROP TABLE \"user\""
    );
    admin.batch_execute(&schema).unwrap();
    let path = "options=-csearch_path%3Dapp,%22My%5C%20x%26y%25%5C%20%C3%A9%5C%5C%22";
    let refused = check(cluster, "postgres", "two_schemas", path).unwrap_err();
    let (_, hint) = refused.split_once("for example ").unwrap();
    assert_eq!(check(cluster, "postgres", "two_schemas", hint), Ok(()));
    // The tables of another program, which no statement would use.
    admin
        .batch_execute(
            "CREATE TABLE public.session (id INTEGER); CREATE SCHEMA own AUTHORIZATION poor",
        )
        .unwrap();
    let path = "options=-csearch_path%3Down,public";
    assert_eq!(check(cluster, "poor", "two_schemas", path), Ok(()));
    for one in ["app", "public"] {
        let one = format!("options=-csearch_path%3D{one}");
        assert_eq!(check(cluster, "postgres", "two_schemas", &one), Ok(()));
    }
}

#[test]
fn a_search_path_without_a_schema_is_refused() {
    let options = "options=-c%20search_path%3Dnowhere";
    assert_eq!(
        check(Cluster::with_tls(), "poor", "postgres", options),
        Err(
            "no schema of search_path exists or may be used by the role \"poor\": CREATE SCHEMA \
             AUTHORIZATION \"poor\""
                .to_owned()
        )
    );
}

#[test]
fn a_database_in_another_encoding_is_refused() {
    let cluster = Cluster::with_tls();
    database(cluster, "latin", "ENCODING 'LATIN1' LOCALE 'C'", "");
    assert_eq!(
        check(cluster, "postgres", "latin", ""),
        Err(
            "the database \"latin\" has the encoding LATIN1: create one with CREATE DATABASE name \
             ENCODING 'UTF8' TEMPLATE template0"
                .to_owned()
        )
    );
}

#[test]
fn a_read_only_database_is_refused() {
    let parameters = "target_session_attrs=any";
    assert_eq!(
        check(Cluster::read_only(), "postgres", "postgres", parameters),
        Err(
            "default_transaction_read_only is on: ALTER DATABASE \"postgres\" SET \
             default_transaction_read_only = off, or the same for the role \"postgres\""
                .to_owned()
        )
    );
}
