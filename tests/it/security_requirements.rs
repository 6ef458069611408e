//! The security requirements, with the numbers that the project gives them, and the tests of each requirement.
//! Each requirement must have a test, and each test that is named here must exist.

use std::collections::BTreeSet;
use std::fs;

/// Number, requirement, and the paths of its tests, as `cargo test` prints them.
const REQUIREMENTS: &[(u8, &str, &[&str])] = &[
    (
        1,
        "the signature is checked first",
        &[
            "auth::tokens::every_token_that_fails_decoding_or_the_signature_check_gets_the_same_401",
            "auth::tokens::changing_any_one_character_of_a_token_makes_it_invalid",
        ],
    ),
    (
        2,
        "one fixed algorithm",
        &["auth::tokens::a_token_of_any_algorithm_except_hs256_is_401"],
    ),
    (
        3,
        "key hints in the header are ignored",
        &[
            "auth::tokens::key_hints_in_the_header_of_a_token_are_never_used",
            "auth::tokens::a_token_with_a_crit_header_is_401",
        ],
    ),
    (
        4,
        "a secret of 256 bits",
        &[
            "cli::a_weak_key_in_a_file_stops_the_start",
            "cli::an_invalid_setting_stops_the_start_with_one_line_that_names_it",
        ],
    ),
    (
        5,
        "exp and nbf are checked, and exp is required",
        &[
            "auth::tokens::a_token_without_exp_or_with_a_malformed_time_claim_is_401",
            "auth::tokens::an_unusual_time_claim_is_401_except_a_zero_nbf",
            "auth::tokens::a_token_expires_exactly_at_exp_without_leeway",
            "auth::tokens::a_token_is_401_more_than_a_minute_before_its_nbf_or_iat",
        ],
    ),
    (
        6,
        "token types are not interchangeable",
        &[
            "auth::tokens::a_token_of_any_type_except_access_is_401",
            "auth::sessions::an_invalid_refresh_token_is_401_and_ends_no_session",
        ],
    ),
    (
        7,
        "issuer, audience and subject are checked",
        &[
            "auth::tokens::a_token_with_an_audience_or_an_issuer_is_401",
            "auth::tokens::a_subject_that_is_not_exactly_a_username_is_401",
            "auth::tokens::a_subject_that_is_not_a_string_is_401_with_a_message_about_it",
        ],
    ),
    (
        8,
        "a token is read only from the header, and never logged",
        &[
            "auth::tokens::a_token_outside_the_authorization_header_is_ignored",
            "cli::no_token_password_or_hash_is_in_the_log_at_any_level",
        ],
    ),
    (
        9,
        "a 401 has a challenge",
        &[
            "auth::tokens::the_challenge_to_a_request_without_credentials_has_no_error_code",
            "auth::tokens::the_challenge_of_a_403_for_the_role_has_the_error_insufficient_scope",
        ],
    ),
    (
        10,
        "the scheme is accepted in any letter case",
        &["auth::tokens::the_bearer_scheme_is_accepted_in_any_letter_case_and_with_any_whitespace"],
    ),
    (
        11,
        "responses with tokens are not cached",
        &[
            "auth::sign_in::a_login_returns_both_tokens_and_the_account",
            "auth::sessions::a_refresh_returns_new_tokens_of_the_same_session",
        ],
    ),
    (
        12,
        "a logout ends the session at once",
        &[
            "auth::sessions::a_logout_ends_only_the_current_session_and_at_once",
            "auth::sessions::a_logout_with_a_token_of_the_flask_app_revokes_only_that_token",
        ],
    ),
    (
        13,
        "a deletion and a withdrawn approval end the sessions",
        &[
            "auth::sessions::deleting_an_account_ends_its_sessions_and_a_new_account_of_that_name_does_not_get_them",
            "auth::sessions::a_withdrawn_approval_ends_every_session_and_token_of_the_account",
        ],
    ),
    (
        14,
        "a new password ends other sessions",
        &["auth::sessions::a_password_change_ends_every_session_except_the_current_one"],
    ),
    (
        15,
        "refresh tokens rotate, and reuse is detected",
        &[
            "auth::sessions::a_refresh_token_reused_after_ten_seconds_ends_only_its_session",
            "auth::sessions::a_refresh_token_older_than_the_previous_one_ends_the_session_at_once",
            "auth::sessions::a_refresh_token_reused_within_ten_seconds_gets_the_same_next_token",
        ],
    ),
    (
        16,
        "every sign-in gets a new token",
        &[
            "auth::tokens::every_issued_token_has_a_different_jti",
            "auth::sessions::a_thousand_logins_get_a_thousand_different_access_and_refresh_tokens",
        ],
    ),
    (
        17,
        "an account change needs the current password",
        &["auth::sign_in::a_rejected_change_to_the_current_users_account_changes_nothing"],
    ),
    (
        18,
        "passwords have at least 8 characters, and none is cut off",
        &[
            "auth::passwords::a_password_has_8_to_128_characters_of_any_kind",
            "auth::passwords::no_part_of_a_password_is_cut_off_or_trimmed",
        ],
    ),
    (
        19,
        "the most common passwords are refused",
        &[
            "auth::passwords::a_common_password_in_any_letter_case_is_422",
            "auth::passwords::a_password_of_context_words_alone_is_422_in_any_spelling",
            "auth::passwords::every_way_to_set_a_password_applies_the_same_rules",
        ],
    ),
    (
        20,
        "brute force is slowed down without locking the owner out",
        &[
            "auth::brute_force::ten_wrong_passwords_block_the_address_and_the_owner_logs_in_from_another",
            "auth::brute_force::an_address_that_tries_many_accounts_gets_429_after_120_attempts",
        ],
    ),
    (
        21,
        "responses do not reveal which accounts exist",
        &[
            "auth::sign_in::a_wrong_password_and_an_unknown_email_get_the_same_401",
            "auth::passwords::a_wrong_password_costs_the_same_for_every_account_and_in_every_spelling",
        ],
    ),
    (
        22,
        "no default accounts",
        &[
            "cli::incomplete_or_invalid_settings_of_the_first_admin_stop_the_start",
            "auth::sign_in::a_new_database_has_no_account",
            "cli::the_link_that_the_first_start_logs_makes_the_first_admin",
        ],
    ),
    (
        23,
        "function level permissions",
        &["auth::roles::each_role_reaches_exactly_the_routes_of_the_contract"],
    ),
    (
        24,
        "object level permissions",
        &[
            "auth::roles::an_employee_reads_and_changes_their_own_tasks_and_gets_404_for_all_others",
            "auth::sessions::a_session_is_ended_from_another_session_by_its_owner_and_by_no_other_user",
        ],
    ),
    (
        25,
        "property level permissions",
        &[
            "auth::roles::an_employee_who_changes_another_field_than_the_status_of_their_task_gets_403",
            "api::bad_input::an_unknown_field_such_as_role_is_422_and_changes_nothing",
            "api::users::no_response_contains_a_password_or_a_password_hash",
        ],
    ),
    (
        26,
        "a changed role or approval applies at once",
        &["auth::roles::a_changed_role_or_approval_applies_from_the_next_request_on"],
    ),
    (
        27,
        "approval by another user, and one admin always remains",
        &[
            "auth::roles::each_role_reaches_exactly_the_routes_of_the_contract",
            "api::users::the_last_approved_admin_cannot_be_removed_in_any_way",
            "api::users::admins_who_remove_each_other_concurrently_leave_at_least_one",
        ],
    ),
    (
        28,
        "check and action are atomic",
        &[
            "auth::sign_in::fifty_concurrent_sign_ups_with_one_username_or_one_email_create_one_account",
            "api::conditional_requests::of_fifty_concurrent_changes_to_the_same_version_one_succeeds",
            "auth::sessions::fifty_concurrent_refreshes_with_one_token_get_the_same_next_token",
            "auth::brute_force::of_fifty_concurrent_wrong_passwords_ten_pass_the_limit",
        ],
    ),
    (
        29,
        "inputs and queries have limits",
        &[
            "api::bad_input::a_body_over_the_limit_is_413_with_and_without_a_content_length",
            "api::bad_input::json_nested_a_hundred_thousand_levels_deep_is_422_or_400",
            "api::bad_input::a_path_with_an_invalid_id_is_404",
            "api::lists::a_limit_is_a_number_from_1_to_100",
            "server::limits::a_client_that_exceeds_a_timeout_gets_408_and_is_disconnected",
        ],
    ),
    (
        30,
        "no injection",
        &[
            "api::bad_input::sql_in_a_text_field_is_stored_as_text",
            "api::bad_input::sql_in_the_place_of_a_keyword_number_or_name_is_422",
            "api::bad_input::a_search_finds_exactly_the_rows_that_contain_the_text",
        ],
    ),
    (
        31,
        "CORS by a list of origins",
        &[
            "api::cors::an_origin_that_is_not_listed_exactly_gets_no_cors_headers",
            "api::cors::with_a_list_of_origins_every_response_has_vary_origin",
            "api::cors::the_server_does_not_start_when_every_origin_may_send_credentials",
            "api::cors::a_preflight_for_any_path_permits_the_methods_and_headers_of_the_api",
            "api::bad_input::a_body_that_is_not_declared_as_json_is_415",
        ],
    ),
    (
        32,
        "security headers on every response",
        &[
            "api::cors::every_response_has_the_security_headers",
            "pages::the_policy_of_a_page_allows_its_own_files_and_nothing_else",
            "pages::the_policy_of_a_file_that_is_not_a_page_allows_nothing",
            "server::trusted_proxies::a_client_that_reached_a_trusted_proxy_by_tls_gets_hsts_for_a_year",
        ],
    ),
    (
        33,
        "forwarded headers cannot be forged",
        &[
            "server::trusted_proxies::the_client_is_the_last_forwarded_address_that_is_not_a_trusted_proxy",
            "auth::brute_force::x_forwarded_for_is_ignored_from_a_client_and_used_from_a_trusted_proxy",
        ],
    ),
    (
        34,
        "only the methods of the route table",
        &["api::bad_input::a_method_that_the_path_does_not_have_is_405_with_allow"],
    ),
    (
        35,
        "errors reveal no internals, and the log contains everything but secrets",
        &[
            "api::cors::a_panic_is_a_500_with_cors_headers_and_later_requests_succeed",
            "cli::no_token_password_or_hash_is_in_the_log_at_any_level",
            "cli::a_stored_name_with_a_line_break_adds_no_line_to_the_log",
        ],
    ),
    (
        36,
        "scarce work has fair shares",
        &[
            "server::admission::a_network_with_many_sign_ups_delays_another_one_by_one_turn",
            "server::admission::an_account_with_many_writes_delays_another_one_at_the_same_address_by_one_turn",
            "server::admission::many_sign_ins_at_the_same_moment_all_succeed",
            "auth::brute_force::a_class_of_64_behind_one_address_signs_in_at_once",
        ],
    ),
    (
        37,
        "an attacker cannot push out what a limit remembers",
        &[
            "auth::brute_force::invented_emails_from_one_network_leave_the_count_of_guesses_at_a_victim",
            "auth::brute_force::a_refused_attempt_leaves_nothing_behind",
            "auth::brute_force::requests_from_120_000_networks_use_bounded_memory_and_the_limits_still_hold",
        ],
    ),
    (
        38,
        "the owner signs in from the network of an attacker",
        &[
            "auth::device_tokens::a_known_device_signs_in_from_the_network_of_an_attacker",
            "auth::foreign_websites::a_foreign_website_uses_up_neither_the_account_nor_the_network_of_its_visitor",
        ],
    ),
    (
        39,
        "a failure of the server costs no budget",
        &[
            "auth::brute_force::a_sign_in_that_fails_does_not_count_for_its_account_its_address_or_its_site",
            "auth::brute_force::a_sign_up_that_fails_with_500_does_not_count",
            "auth::brute_force::a_request_that_fails_does_not_count_and_one_that_is_refused_does",
        ],
    ),
    (
        40,
        "sessions end at their maximum age, with a withdrawn approval, and by an admin",
        &[
            "auth::sessions::a_session_ends_its_maximum_age_after_the_sign_in_however_often_it_is_refreshed",
            "auth::sessions::a_withdrawn_approval_ends_every_session_and_token_of_the_account",
            "auth::sessions::an_admin_signs_an_account_out_everywhere",
        ],
    ),
    (
        41,
        "tokens without a session only after a take-over, for a limited time",
        &[
            "sqlite_only::takeover::tokens_of_the_flask_app_are_accepted_for_31_days_after_the_take_over_or_as_the_setting_says",
            "sqlite_only::takeover::a_token_of_the_flask_app_that_is_valid_for_more_than_31_days_is_401",
            "sqlite_only::takeover::a_database_of_this_program_accepts_no_token_of_the_flask_app",
        ],
    ),
    (
        42,
        "no two names look alike, and no name has invisible or directional characters",
        &[
            "auth::identity::two_names_that_look_alike_cannot_both_be_made",
            "auth::identity::invisible_directional_and_unassigned_characters_are_no_part_of_a_name",
            "auth::identity::no_second_account_has_another_spelling_of_an_address",
        ],
    ),
    (
        43,
        "a decision about an account cannot land on another one",
        &[
            "auth::identity::the_id_of_a_deleted_account_is_not_given_out_again",
            "auth::identity::ids_that_were_deleted_before_the_upgrade_are_not_given_out_again",
            "auth::password_resets::a_link_that_is_no_longer_valid_is_410_and_changes_nothing",
        ],
    ),
    (
        44,
        "preconditions come before side effects and other errors",
        &[
            "api::conditional_requests::a_412_for_me_reveals_no_email_address_costs_no_password_attempt_and_is_not_in_the_audit_log",
            "api::conditional_requests::errors_of_access_and_syntax_come_before_the_precondition_and_all_other_errors_after_it",
        ],
    ),
    (
        45,
        "the responses of a limit do not reveal which accounts exist",
        &[
            "auth::brute_force::all_spellings_of_an_email_share_one_limit_and_an_unknown_email_has_the_same_limit",
            "auth::device_tokens::a_token_that_does_not_verify_is_none_and_the_response_does_not_say_so",
        ],
    ),
    (
        46,
        "a cheap check comes before the work",
        &[
            "auth::invitations::an_unusable_invitation_is_refused_before_the_password_is_hashed",
            "auth::password_resets::an_unknown_link_is_refused_before_the_password_is_hashed",
            "pages::a_file_with_a_matching_etag_gets_304_and_a_stale_one_200",
        ],
    ),
    (
        47,
        "a search is linear and bounded",
        &[
            "api::lists::q_with_many_partial_matches_is_found_or_not",
            "api::lists::a_page_that_has_looked_at_many_rows_ends_and_the_next_one_continues",
            "api::lists::a_page_that_has_read_much_text_ends_after_at_least_one_task",
        ],
    ),
    (
        48,
        "key and database files: owner, mode and no link that leads away",
        &[
            "api::audit_seals::a_key_file_that_is_not_the_owners_alone_is_refused",
            "sqlite_only::check::a_key_file_of_another_user_is_named",
            "sqlite_only::check::a_key_file_behind_a_symbolic_link_may_lie_below_the_folder_and_not_elsewhere",
            "sqlite_only::check::a_symbolic_link_to_the_database_may_lie_in_its_folder_and_not_elsewhere",
        ],
    ),
    (
        49,
        "the past of the audit log cannot be rewritten with the database alone",
        &[
            "api::audit_seals::a_chain_that_is_written_anew_without_the_key_is_noticed",
            "api::audit_seals::a_copy_of_an_older_key_notices_what_a_thief_of_the_present_key_does",
        ],
    ),
    (
        50,
        "links and tokens: used once or limited by a scope, stored as hashes, never above the rights of their maker",
        &[
            "auth::api_tokens::a_token_opens_what_its_owner_and_its_scope_permit_in_the_whole_route_table",
            "auth::api_tokens::every_route_that_needs_a_caller_is_known_to_be_open_to_tokens_or_not",
            "auth::api_tokens::a_full_token_acts_as_its_owner_with_the_rights_of_that_moment",
            "auth::invitations::an_invitation_is_used_once_also_by_fifty_at_the_same_time",
            "auth::invitations::an_invitation_that_is_no_longer_valid_is_410_and_not_in_the_list",
            "auth::password_resets::fifty_uses_at_the_same_time_set_one_password",
            "auth::sessions::the_database_contains_no_token_and_no_token_id",
        ],
    ),
    (
        51,
        "the log neither blocks nor floods, and names limits, accounts and requests",
        &[
            "log::a_log_that_is_not_read_stops_neither_requests_nor_the_shutdown",
            "log::text_from_a_client_is_cut_after_512_bytes",
            "log::thirty_lock_outs_are_thirty_lines_that_name_the_accounts_and_not_what_was_typed",
            "api::audit_seals::an_entry_has_the_request_id_or_the_operating_system_user",
        ],
    ),
];

/// The names of the tests in a module of this test binary.
fn tests_in(module: &str) -> BTreeSet<String> {
    let file = module.trim_end_matches("::sqlite_only").replace("::", "/");
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
fn every_requirement_has_tests_and_each_of_them_exists() {
    let numbers: Vec<u8> = REQUIREMENTS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=51).collect::<Vec<_>>());
    for (number, requirement, tests) in REQUIREMENTS {
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
