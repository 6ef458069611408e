//! The security requirements, numbered as the project lists them, and the tests that prove each of them:
//! none without a test, and no test that is not there.

use std::collections::BTreeSet;
use std::fs;

/// Number, requirement, and the paths of the tests that prove it, as `cargo test` prints them.
const PROOFS: &[(u8, &str, &[&str])] = &[
    (
        1,
        "the signature is checked first",
        &[
            "auth::tokens::whatever_is_wrong_before_the_signature_gets_one_and_the_same_answer",
            "auth::tokens::every_single_character_of_a_token_counts",
        ],
    ),
    (
        2,
        "one fixed algorithm",
        &["auth::tokens::hs256_is_the_one_algorithm"],
    ),
    (
        3,
        "hints about keys are ignored",
        &[
            "auth::tokens::hints_about_keys_in_the_header_have_no_effect",
            "auth::tokens::an_unknown_critical_header_is_refused",
        ],
    ),
    (
        4,
        "a secret of 256 bits",
        &[
            "cli::a_weak_key_in_a_file_is_refused_as_well",
            "cli::a_setting_that_makes_no_sense_stops_the_start_with_a_line_that_names_it",
        ],
    ),
    (
        5,
        "exp and nbf count, and exp must be there",
        &[
            "auth::tokens::a_time_that_is_missing_or_no_number_is_refused",
            "auth::tokens::no_odd_time_gets_in_or_breaks_the_server",
            "auth::tokens::a_token_ends_at_the_second_of_exp_without_leeway",
            "auth::tokens::a_token_does_not_count_before_its_time",
        ],
    ),
    (
        6,
        "kinds of tokens are not interchangeable",
        &[
            "auth::tokens::only_access_tokens_open_anything",
            "auth::sessions::what_is_no_refresh_token_is_refused_and_ends_nothing",
        ],
    ),
    (
        7,
        "issuer, audience and subject are checked",
        &[
            "auth::tokens::a_token_for_another_service_is_refused",
            "auth::tokens::the_subject_is_the_name_of_an_account",
            "auth::tokens::a_subject_that_is_no_string_is_told_so",
        ],
    ),
    (
        8,
        "a token in the header alone, and in no log",
        &[
            "auth::tokens::a_token_anywhere_but_in_the_header_is_not_seen",
            "cli::no_token_and_no_password_is_in_the_log_at_any_level",
        ],
    ),
    (
        9,
        "a 401 has a challenge",
        &[
            "auth::tokens::without_credentials_the_challenge_is_bare",
            "auth::tokens::a_role_that_is_too_low_is_told_so_in_the_challenge",
        ],
    ),
    (
        10,
        "a scheme in any case",
        &["auth::tokens::the_scheme_counts_in_any_case_and_with_any_white_space"],
    ),
    (
        11,
        "answers with tokens are not cached",
        &[
            "auth::sign_in::a_login_answers_with_tokens_and_the_account",
            "auth::sessions::a_refresh_token_is_exchanged_for_new_tokens_of_the_same_session",
        ],
    ),
    (
        12,
        "a logout ends use at once",
        &[
            "auth::sessions::a_logout_ends_this_session_at_once_and_no_other",
            "auth::sessions::a_token_of_the_flask_app_can_be_signed_out_too",
        ],
    ),
    (
        13,
        "deletion ends sessions; a withdrawn approval counts at once",
        &[
            "auth::sessions::a_deletion_ends_the_sessions_and_the_next_account_of_the_name_has_none",
            "auth::sessions::a_role_and_an_approval_count_at_once_and_end_no_session",
        ],
    ),
    (
        14,
        "a new password ends other sessions",
        &["auth::sessions::a_new_password_ends_every_session_but_the_one_that_changed_it"],
    ),
    (
        15,
        "refresh tokens rotate, and reuse is detected",
        &[
            "auth::sessions::a_token_that_is_used_again_later_ends_its_session_and_no_other",
            "auth::sessions::an_older_token_ends_the_session_at_once",
            "auth::sessions::the_same_old_token_gets_the_same_successor_for_ten_seconds",
        ],
    ),
    (
        16,
        "every sign-in gets a new token",
        &[
            "auth::tokens::no_two_tokens_are_equal",
            "auth::sessions::a_thousand_sign_ins_get_a_thousand_tokens",
        ],
    ),
    (
        17,
        "a change needs the current password",
        &["auth::sign_in::a_refused_change_to_ones_own_account_changes_nothing"],
    ),
    (
        18,
        "8 characters and more, none of them cut",
        &[
            "auth::passwords::a_password_has_8_to_128_characters_of_any_kind",
            "auth::passwords::no_part_of_a_password_is_cut_off_or_trimmed",
        ],
    ),
    (
        19,
        "the most common passwords are refused",
        &[
            "auth::passwords::a_common_password_is_refused_in_any_case",
            "auth::passwords::every_place_where_a_password_is_set_has_the_same_rule",
        ],
    ),
    (
        20,
        "brute force is slowed, its victim not locked out",
        &[
            "auth::brute_force::a_hundred_bad_tries_are_refused_and_the_owner_gets_in_elsewhere",
            "auth::brute_force::one_address_cannot_go_through_many_accounts",
        ],
    ),
    (
        21,
        "nobody learns who has an account",
        &[
            "auth::sign_in::a_wrong_password_and_an_unknown_e_mail_get_the_same_answer",
            "auth::passwords::a_wrong_password_costs_a_hash_for_each_of_its_forms_whoever_is_asked_for",
        ],
    ),
    (
        22,
        "no default accounts",
        &[
            "cli::a_first_admin_without_a_password_of_its_own_is_refused",
            "auth::sign_in::nobody_is_there_at_the_beginning",
        ],
    ),
    (
        23,
        "permissions of functions",
        &["auth::roles::everybody_gets_what_their_role_permits_and_nothing_else"],
    ),
    (
        24,
        "permissions of objects",
        &[
            "auth::roles::an_employee_sees_and_changes_their_own_tasks_alone",
            "auth::sessions::a_session_can_be_ended_from_another_by_its_owner_alone",
        ],
    ),
    (
        25,
        "permissions of properties",
        &[
            "auth::roles::each_field_but_status_is_refused_to_the_assigned_employee",
            "api::bad_input::an_unknown_field_is_422_and_promotes_nobody",
            "api::users::no_answer_holds_a_password_or_its_hash",
        ],
    ),
    (
        26,
        "role and approval count at once",
        &["auth::roles::a_role_or_approval_change_counts_from_the_next_request_on"],
    ),
    (
        27,
        "approval by another, and an admin stays",
        &[
            "auth::roles::everybody_gets_what_their_role_permits_and_nothing_else",
            "api::users::the_last_approved_admin_cannot_be_removed_in_any_way",
            "api::users::admins_that_remove_each_other_at_the_same_moment_leave_one",
        ],
    ),
    (
        28,
        "check and act are one",
        &[
            "auth::sign_in::parallel_sign_ups_of_one_name_or_one_e_mail_make_one_account",
            "api::conditional_requests::of_fifty_who_change_the_same_version_at_once_one_succeeds",
            "auth::sessions::fifty_tabs_that_refresh_at_once_get_one_successor",
            "auth::brute_force::fifty_guesses_at_once_are_ten",
        ],
    ),
    (
        29,
        "inputs and queries have bounds",
        &[
            "api::bad_input::a_body_over_the_limit_is_413_with_and_without_a_content_length",
            "api::bad_input::json_nested_a_hundred_thousand_deep_is_refused",
            "api::bad_input::what_can_be_no_id_is_404",
            "api::lists::a_limit_is_a_number_from_1_to_100",
            "server::limits::whoever_takes_too_long_is_told_and_disconnected",
        ],
    ),
    (
        30,
        "no injection",
        &[
            "api::bad_input::sql_in_a_field_is_text_like_any_other",
            "api::bad_input::sql_where_a_word_of_ours_belongs_is_422",
            "api::bad_input::a_search_finds_what_contains_the_text_and_nothing_else",
        ],
    ),
    (
        31,
        "CORS by a list",
        &[
            "api::cors::whatever_is_not_exactly_a_listed_origin_gets_no_cors_headers",
            "api::cors::a_list_makes_every_answer_vary_by_origin",
            "api::cors::credentials_for_every_website_stop_the_start",
            "api::bad_input::a_body_that_is_not_declared_as_json_is_415",
        ],
    ),
    (
        32,
        "security headers on every answer",
        &[
            "api::cors::every_answer_tells_browsers_to_do_nothing_else_with_it",
            "pages::a_page_may_do_what_it_needs_and_nothing_else",
            "pages::what_is_no_page_may_do_nothing",
            "server::trusted_proxies::who_comes_by_tls_is_told_to_do_so_for_a_year",
        ],
    ),
    (
        33,
        "forwarded headers cannot be forged",
        &[
            "server::trusted_proxies::an_address_counts_as_long_as_who_added_it_is_trusted",
            "auth::brute_force::a_forged_address_gives_no_more_tries_and_a_trusted_proxys_clients_are_told_apart",
        ],
    ),
    (
        34,
        "no other methods",
        &["api::bad_input::every_method_that_a_path_has_not_is_405_and_allow_names_those_it_has"],
    ),
    (
        35,
        "errors tell nothing, the log all but secrets",
        &[
            "api::cors::a_panic_is_a_500_that_a_page_can_read_and_the_next_request_works",
            "cli::no_token_and_no_password_is_in_the_log_at_any_level",
            "cli::a_stored_name_cannot_forge_a_line_of_the_log",
        ],
    ),
];

/// The names of the tests in a module of this binary.
fn tests_in(module: &str) -> BTreeSet<String> {
    let file = module.replace("::", "/");
    let path = format!("{}/tests/it/{file}.rs", env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
    source
        .split("#[test]\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("fn ")?.1.split_once('('))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn every_requirement_has_a_test_that_is_there() {
    let numbers: Vec<u8> = PROOFS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=35).collect::<Vec<_>>());
    for (number, requirement, tests) in PROOFS {
        assert!(!tests.is_empty(), "{number}, {requirement}: no test");
        for test in *tests {
            let (module, name) = test.rsplit_once("::").unwrap();
            assert!(
                tests_in(module).contains(name),
                "{number}, {requirement}: {test}"
            );
        }
    }
}
